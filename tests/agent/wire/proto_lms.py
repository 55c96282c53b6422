"""HSS/LMS against RFC 8554 appendix F, test cases 1 and 2, and what is derived from them."""

from backfence.agent.errors import RemoteError
from backfence.agent.wire import lms

# Test case 1: both levels H5/W8.
MESSAGE_1 = (
    b"The powers not delegated to the United States by the Constitution, nor "
    b"prohibited by it to the States, are reserved to the States respectively, or to "
    b"the people.\n"
)
KEY_1 = """
00000002000000050000000461a5d57d37f5e46bfb7520806b07a1b850650e3b31fe4a773ea29a07f09cf2ea30e579f0
df58ef8e298da0434cb2b878
"""
SIGNATURE_1 = """
000000010000000500000004d32b56671d7eb98833c49b433c272586bc4a1c8a8970528ffa04b966f9426eb9965a25bf
d37f196b9073f3d4a232feb69128ec45146f86292f9dff9610a7bf95a64c7f60f6261a62043f86c70324b7707f5b4a8a
6e19c114c7be866d488778a0e05fd5c6509a6e61d559cf1a77a970de927d60c70d3de31a7fa0100994e162a2582e8ff1
b10cd99d4e8e413ef469559f7d7ed12c838342f9b9c96b83a4943d1681d84b15357ff48ca579f19f5e71f18466f2bbef
4bf660c2518eb20de2f66e3b14784269d7d876f5d35d3fbfc7039a462c716bb9f6891a7f41ad133e9e1f6d9560b960e7
777c52f060492f2d7c660e1471e07e72655562035abc9a701b473ecbc3943c6b9c4f2405a3cb8bf8a691ca51d3f6ad2f
428bab6f3a30f55dd9625563f0a75ee390e385e3ae0b906961ecf41ae073a0590c2eb6204f44831c26dd768c35b167b2
8ce8dc988a3748255230cef99ebf14e730632f27414489808afab1d1e783ed04516de012498682212b07810579b25036
5941bcc98142da13609e9768aaf65de7620dabec29eb82a17fde35af15ad238c73f81bdb8dec2fc0e7f932701099762b
37f43c4a3c20010a3d72e2f606be108d310e639f09ce7286800d9ef8a1a40281cc5a7ea98d2adc7c7400c2fe5a101552
df4e3cccfd0cbf2ddf5dc6779cbbc68fee0c3efe4ec22b83a2caa3e48e0809a0a750b73ccdcf3c79e6580c154f8a58f7
f24335eec5c5eb5e0cf01dcf4439424095fceb077f66ded5bec73b27c5b9f64a2a9af2f07c05e99e5cf80f00252e39db
32f6c19674f190c9fbc506d826857713afd2ca6bb85cd8c107347552f30575a5417816ab4db3f603f2df56fbc413e7d0
acd8bdd81352b2471fc1bc4f1ef296fea1220403466b1afe78b94f7ecf7cc62fb92be14f18c2192384ebceaf8801afdf
947f698ce9c6ceb696ed70e9e87b0144417e8d7baf25eb5f70f09f016fc925b4db048ab8d8cb2a661ce3b57ada67571f
5dd546fc22cb1f97e0ebd1a65926b1234fd04f171cf469c76b884cf3115cce6f792cc84e36da58960c5f1d760f32c12f
aef477e94c92eb75625b6a371efc72d60ca5e908b3a7dd69fef0249150e3eebdfed39cbdc3ce9704882a2072c75e1352
7b7a581a556168783dc1e97545e31865ddc46b3c957835da252bb7328d3ee2062445dfb85ef8c35f8e1f3371af34023c
ef626e0af1e0bc017351aae2ab8f5c612ead0b729a1d059d02bfe18efa971b7300e882360a93b025ff97e9e0eec0f3f3
f13039a17f88b0cf808f488431606cb13f9241f40f44e537d302c64a4f1f4ab949b9feefadcb71ab50ef27d6d6ca8510
f150c85fb525bf25703df7209b6066f09c37280d59128d2f0f637c7d7d7fad4ed1c1ea04e628d221e3d8db77b7c878c9
411cafc5071a34a00f4cf07738912753dfce48f07576f0d4f94f42c6d76f7ce973e9367095ba7e9a3649b7f461d9f9ac
1332a4d1044c96aefee67676401b64457c54d65fef6500c59cdfb69af7b6dddfcb0f086278dd8ad0686078dfb0f3f79c
d893d314168648499898fbc0ced5f95b74e8ff14d735cdea968bee7400000005d8b8112f9200a5e50c4a262165bd342c
d800b8496810bc716277435ac376728d129ac6eda839a6f357b5a04387c5ce97382a78f2a4372917eefcbf93f63bb591
12f5dbe400bd49e4501e859f885bf0736e90a509b30a26bfac8c17b5991c157eb5971115aa39efd8d564a6b90282c316
8af2d30ef89d51bf14654510a12b8a144cca1848cf7da59cc2b3d9d0692dd2a20ba3863480e25b1b85ee860c62bf5136
0000000500000004d2f14ff6346af964569f7d6cb880a1b66c5004917da6eafe4d9ef6c6407b3db0e5485b122d9ebe15
cda93cfec582d7ab0000000a000000040703c491e7558b35011ece3592eaa5da4d918786771233e8353bc4f62323185c
95cae05b899e35dffd717054706209988ebfdf6e37960bb5c38d7657e8bffeef9bc042da4b4525650485c66d0ce19b31
7587c6ba4bffcc428e25d08931e72dfb6a120c5612344258b85efdb7db1db9e1865a73caf96557eb39ed3e3f426933ac
9eeddb03a1d2374af7bf77185577456237f9de2d60113c23f846df26fa942008a698994c0827d90e86d43e0df7f4bfcd
b09b86a373b98288b7094ad81a0185ac100e4f2c5fc38c003c1ab6fea479eb2f5ebe48f584d7159b8ada03586e65ad9c
969f6aecbfe44cf356888a7b15a3ff074f771760b26f9c04884ee1faa329fbf4e61af23aee7fa5d4d9a5dfcf43c4c26c
e8aea2ce8a2990d7ba7b57108b47dabfbeadb2b25b3cacc1ac0cef346cbb90fb044beee4fac2603a442bdf7e507243b7
319c9944b1586e899d431c7f91bcccc8690dbf59b28386b2315f3d36ef2eaa3cf30b2b51f48b71b003dfb08249484201
043f65f5a3ef6bbd61ddfee81aca9ce60081262a00000480dcbc9a3da6fbef5c1c0a55e48a0e729f9184fcb1407c3152
9db268f6fe50032a363c9801306837fafabdf957fd97eafc80dbd165e435d0e2dfd836a28b354023924b6fb7e48bc0b3
ed95eea64c2d402f4d734c8dc26f3ac591825daef01eae3c38e3328d00a77dc657034f287ccb0f0e1c9a7cbdc828f627
205e4737b84b58376551d44c12c3c215c812a0970789c83de51d6ad787271963327f0a5fbb6b5907dec02c9a90934af5
a1c63b72c82653605d1dcce51596b3c2b45696689f2eb382007497557692caac4d57b5de9f5569bc2ad0137fd47fb47e
664fcb6db4971f5b3e07aceda9ac130e9f38182de994cff192ec0e82fd6d4cb7f3fe00812589b7a7ce51544045643301
6b84a59bec6619a1c6c0b37dd1450ed4f2d8b584410ceda8025f5d2d8dd0d2176fc1cf2cc06fa8c82bed4d944e71339e
ce780fd025bd41ec34ebff9d4270a3224e019fcb444474d482fd2dbe75efb20389cc10cd600abb54c47ede93e08c114e
db04117d714dc1d525e11bed8756192f929d15462b939ff3f52f2252da2ed64d8fae88818b1efa2c7b08c8794fb1b214
aa233db3162833141ea4383f1a6f120be1db82ce3630b3429114463157a64e91234d475e2f79cbf05e4db6a9407d72c6
bff7d1198b5c4d6aad2831db61274993715a0182c7dc8089e32c8531deed4f7431c07c02195eba2ef91efb5613c37af7
ae0c066babc69369700e1dd26eddc0d216c781d56e4ce47e3303fa73007ff7b949ef23be2aa4dbf25206fe45c20dd888
395b2526391a724996a44156beac808212858792bf8e74cba49dee5e8812e019da87454bff9e847ed83db07af3137430
82f880a278f682c2bd0ad6887cb59f652e155987d61bbf6a88d36ee93b6072e6656d9ccbaae3d655852e38deb3a2dcf8
058dc9fb6f2ab3d3b3539eb77b248a661091d05eb6e2f297774fe6053598457cc61908318de4b826f0fc86d4bb117d33
e865aa805009cc2918d9c2f840c4da43a703ad9f5b5806163d7161696b5a0adc00000005d5c0d1bebb06048ed6fe2ef2
c6cef305b3ed633941ebc8b3bec9738754cddd60e1920ada52f43d055b5031cee6192520d6a5115514851ce7fd448d4a
39fae2ab2335b525f484e9b40d6a4a969394843bdcf6d14c48e8015e08ab92662c05c6e9f90b65a7a6201689999f32bf
d368e5e3ec9cb70ac7b8399003f175c40885081a09ab3034911fe125631051df0408b3946b0bde790911e8978ba07dd5
6c73e7ee
"""

# Test case 2: H10/W4 over H5/W8.
MESSAGE_2 = (
    b"The enumeration in the Constitution, of certain rights, shall not be construed "
    b"to deny or disparage others retained by the people.\n"
)
KEY_2 = """
000000020000000600000003d08fabd4a2091ff0a8cb4ed834e7453432a58885cd9ba0431235466bff9651c6c9212440
4d45fa53cf161c28f1ad5a8e
"""
SIGNATURE_2 = """
0000000100000003000000033d46bee8660f8f215d3f96408a7a64cf1c4da02b63a55f62c666ef5707a914ce0674e8cb
7a55f0c48d484f31f3aa4af9719a74f22cf823b94431d01c926e2a76bb71226d279700ec81c9e95fb11a0d10d065279a
5796e265ae17737c44eb8c594508e126a9a7870bf4360820bdeb9a01d9693779e416828e75bddd7d8c70d50a0ac8ba39
810909d445f44cb5bb58de737e60cb4345302786ef2c6b14af212ca19edeaa3bfcfe8baa6621ce88480df2371dd37add
732c9de4ea2ce0dffa53c92649a18d39a50788f4652987f226a1d48168205df6ae7c58e049a25d4907edc1aa90da8aa5
e5f7671773e941d8055360215c6b60dd35463cf2240a9c06d694e9cb54e7b1e1bf494d0d1a28c0d31acc75161f4f485d
fd3cb9578e836ec2dc722f37ed30872e07f2b8bd0374eb57d22c614e09150f6c0d8774a39a6e168211035dc52988ab46
eaca9ec597fb18b4936e66ef2f0df26e8d1e34da28cbb3af752313720c7b345434f72d65314328bbb030d0f0f6d5e47b
28ea91008fb11b05017705a8be3b2adb83c60a54f9d1d1b2f476f9e393eb5695203d2ba6ad815e6a111ea293dcc21033
f9453d49c8e5a6387f588b1ea4f706217c151e05f55a6eb7997be09d56a326a32f9cba1fbe1c07bb49fa04cecf9df1a1
b815483c75d7a27cc88ad1b1238e5ea986b53e087045723ce16187eda22e33b2c70709e53251025abde8939645fc8c06
93e97763928f00b2e3c75af3942d8ddaee81b59a6f1f67efda0ef81d11873b59137f67800b35e81b01563d187c4a1575
a1acb92d087b517a8833383f05d357ef4678de0c57ff9f1b2da61dfde5d88318bcdde4d9061cc75c2de3cd4740dd7739
ca3ef66f1930026f47d9ebaa713b07176f76f953e1c2e7f8f271a6ca375dbfb83d719b1635a7d8a13891957944b1c29b
b101913e166e11bd5f34186fa6c0a555c9026b256a6860f4866bd6d0b5bf90627086c6149133f8282ce6c9b362244244
3d5eca959d6c14ca8389d12c4068b503e4e3c39b635bea245d9d05a2558f249c9661c0427d2e489ca5b5dde220a90333
f4862aec793223c781997da98266c12c50ea28b2c438e7a379eb106eca0c7fd6006e9bf612f3ea0a454ba3bdb76e8027
992e60de01e9094fddeb3349883914fb17a9621ab929d970d101e45f8278c14b032bcab02bd15692d21b6c5c204abbf0
77d465553bd6eda645e6c3065d33b10d518a61e15ed0f092c32226281a29c8a0f50cde0a8c66236e29c2f310a375cebd
a1dc6bb9a1a01dae6c7aba8ebedc6371a7d52aacb955f83bd6e4f84d2949dcc198fb77c7e5cdf6040b0f84faf82808bf
985577f0a2acf2ec7ed7c0b0ae8a270e951743ff23e0b2dd12e9c3c828fb5598a22461af94d568f29240ba2820c4591f
71c088f96e095dd98beae456579ebbba36f6d9ca2613d1c26eee4d8c73217ac5962b5f3147b492e8831597fd89b64aa7
fde82e1974d2f6779504dc21435eb3109350756b9fdabe1c6f368081bd40b27ebcb9819a75d7df8bb07bb05db1bab705
a4b7e37125186339464ad8faaa4f052cc1272919fde3e025bb64aa8e0eb1fcbfcc25acb5f718ce4f7c2182fb393a1814
b0e942490e52d3bca817b2b26e90d4c9b0cc38608a6cef5eb153af0858acc867c9922aed43bb67d7b33acc519313d28d
41a5c6fe6cf3595dd5ee63f0a4c4065a083590b275788bee7ad875a7f88dd73720708c6c6c0ecf1f43bbaadae6f20855
7fdc07bd4ed91f88ce4c0de842761c70c186bfdafafc444834bd3418be4253a71eaf41d718753ad07754ca3effd5960b
0336981795721426803599ed5b2b7516920efcbe32ada4bcf6c73bd29e3fa152d9adeca36020fdeeee1b739521d3ea8c
0da497003df1513897b0f54794a873670b8d93bcca2ae47e64424b7423e1f078d9554bb5232cc6de8aae9b83fa5b9510
beb39ccf4b4e1d9c0f19d5e17f58e5b8705d9a6837a7d9bf99cd13387af256a8491671f1f2f22af253bcff54b673199b
db7d05d81064ef05f80f0153d0be7919684b23da8d42ff3effdb7ca0985033f389181f47659138003d712b5ec0a614d3
1cc7487f52de8664916af79c98456b2c94a8038083db55391e3475862250274a1de2584fec975fb09536792cfbfcf619
2856cc76eb5b13dc4709e2f7301ddff26ec1b23de2d188c999166c74e1e14bbc15f457cf4e471ae13dcbdd9c50f4d646
fc6278e8fe7eb6cb5c94100fa870187380b777ed19d7868fd8ca7ceb7fa7d5cc861c5bdac98e7495eb0a2ceec1924ae9
79f44c5390ebedddc65d6ec11287d978b8df064219bc5679f7d7b264a76ff272b2ac9f2f7cfc9fdcfb6a51428240027a
fd9d52a79b647c90c2709e060ed70f87299dd798d68f4fadd3da6c51d839f851f98f67840b964ebe73f8cec41572538e
c6bc131034ca2894eb736b3bda93d9f5f6fa6f6c0f03ce43362b8414940355fb54d3dfdd03633ae108f3de3ebc85a3ff
51efeea3bc2cf27e1658f1789ee612c83d0f5fd56f7cd071930e2946beeecaa04dccea9f97786001475e0294bc2852f6
2eb5d39bb9fbeef75916efe44a662ecae37ede27e9d6eadfdeb8f8b2b2dbccbf96fa6dbaf7321fb0e701f4d429c2f4dc
d153a2742574126e5eaccc77686acf6e3ee48f423766e0fc466810a905ff5453ec99897b56bc55dd49b991142f65043f
2d744eeb935ba7f4ef23cf80cc5a8a335d3619d781e7454826df720eec82e06034c44699b5f0c44a8787752e057fa341
9b5bb0e25d30981e41cb1361322dba8f69931cf42fad3f3bce6ded5b8bfc3d20a2148861b2afc14562ddd27f12897abf
0685288dcc5c4982f826026846a24bf77e383c7aacab1ab692b29ed8c018a65f3dc2b87ff619a633c41b4fadb1c78725
c1f8f922f6009787b1964247df0136b1bc614ab575c59a16d089917bd4a8b6f04d95c581279a139be09fcf6e98a470a0
bceca191fce476f9370021cbc05518a7efd35d89d8577c990a5e19961ba16203c959c91829ba7497cffcbb4b29454645
4fa5388a23a22e805a5ca35f956598848bda678615fec28afd5da61a00000006b326493313053ced3876db9d23714818
1b7173bc7d042cefb4dbe94d2e58cd21a769db4657a103279ba8ef3a629ca84ee836172a9c50e51f45581741cf808315
0b491cb4ecbbabec128e7c81a46e62a67b57640a0a78be1cbf7dd9d419a10cd8686d16621a80816bfdb5bdc56211d72c
a70b81f1117d129529a7570cf79cf52a7028a48538ecdd3b38d3d5d62d26246595c4fb73a525a5ed2c30524ebb1d8cc8
2e0c19bc4977c6898ff95fd3d310b0bae71696cef93c6a552456bf96e9d075e383bb7543c675842bafbfc7cdb88483b3
276c29d4f0a341c2d406e40d4653b7e4d045851acf6a0a0ea9c710b805cced4635ee8c107362f0fc8d80c14d0ac49c51
6703d26d14752f34c1c0d2c4247581c18c2cf4de48e9ce949be7c888e9caebe4a415e291fd107d21dc1f084b11582082
49f28f4f7c7e931ba7b3bd0d824a45700000000500000004215f83b7ccb9acbcd08db97b0d04dc2ba1cd035833e0e900
59603f26e07ad2aad152338e7a5e5984bcd5f7bb4eba40b700000004000000040eb1ed54a2460d512388cad533138d24
0534e97b1e82d33bd927d201dfc24ebb11b3649023696f85150b189e50c00e98850ac343a77b3638319c347d7310269d
3b7714fa406b8c35b021d54d4fdada7b9ce5d4ba5b06719e72aaf58c5aae7aca057aa0e2e74e7dcfd17a0823429db629
65b7d563c57b4cec942cc865e29c1dad83cac8b4d61aacc457f336e6a10b66323f5887bf3523dfcadee158503bfaa89d
c6bf59daa82afd2b5ebb2a9ca6572a6067cee7c327e9039b3b6ea6a1edc7fdc3df927aade10c1c9f2d5ff446450d2a39
98d0f9f6202b5e07c3f97d2458c69d3c8190643978d7a7f4d64e97e3f1c4a08a7c5bc03fd55682c017e2907eab07e5bb
2f190143475a6043d5e6d5263471f4eecf6e2575fbc6ff37edfa249d6cda1a09f797fd5a3cd53a066700f45863f04b6c
8a58cfd341241e002d0d2c0217472bf18b636ae547c1771368d9f317835c9b0ef430b3df4034f6af00d0da44f4af7800
bc7a5cf8a5abdb12dc718b559b74cab9090e33cc58a955300981c420c4da8ffd67df540890a062fe40dba8b2c1c548ce
d22473219c534911d48ccaabfb71bc71862f4a24ebd376d288fd4e6fb06ed8705787c5fedc813cd2697e5b1aac1ced45
767b14ce88409eaebb601a93559aae893e143d1c395bc326da821d79a9ed41dcfbe549147f71c092f4f3ac522b5cc572
90706650487bae9bb5671ecc9ccc2ce51ead87ac01985268521222fb9057df7ed41810b5ef0d4f7cc67368c90f573b1a
c2ce956c365ed38e893ce7b2fae15d3685a3df2fa3d4cc098fa57dd60d2c9754a8ade980ad0f93f6787075c3f680a2ba
1936a8c61d1af52ab7e21f416be09d2a8d64c3d3d8582968c2839902229f85aee297e717c094c8df4a23bb5db658dd37
7bf0f4ff3ffd8fba5e383a48574802ed545bbe7a6b4753533353d73706067640135a7ce517279cd683039747d218647c
86e097b0daa2872d54b8f3e5085987629547b830d8118161b65079fe7bc59a99e9c3c7380e3e70b7138fe5d9be255150
2b698d09ae193972f27d40f38dea264a0126e637d74ae4c92a6249fa103436d3eb0d4029ac712bfc7a5eacbdd7518d6d
4fe903a5ae65527cd65bb0d4e9925ca24fd7214dc617c150544e423f450c99ce51ac8005d33acd74f1bed3b17b7266a4
a3bb86da7eba80b101e15cb79de9a207852cf91249ef480619ff2af8cabca83125d1faa94cbb0a03a906f683b3f47a97
c871fd513e510a7a25f283b196075778496152a91c2bf9da76ebe089f4654877f2d586ae7149c406e663eadeb2b5c7e8
2429b9e8cb4834c83464f079995332e4b3c8f5a72bb4b8c6f74b0d45dc6c1f79952c0b7420df525e37c15377b5f09843
19c3993921e5ccd97e097592064530d33de3afad5733cbe7703c5296263f77342efbf5a04755b0b3c997c4328463e84c
aa2de3ffdcd297baaaacd7ae646e44b5c0f16044df38fabd296a47b3a838a913982fb2e370c078edb042c84db34ce36b
46ccb76460a690cc86c302457dd1cde197ec8075e82b393d542075134e2a17ee70a5e187075d03ae3c853cff60729ba4
000000054de1f6965bdabc676c5a4dc7c35f97f82cb0e31c68d04f1dad96314ff09e6b3de96aeee300d1f68bf1bca9fc
58e4032336cd819aaf578744e50d1357a0e4286704d341aa0a337b19fe4bc43c2e79964d4f351089f2e0e41c7c43ae0d
49e7f404b0f75be80ea3af098c9752420a8ac0ea2bbb1f4eeba05238aef0d8ce63f0c6e5e4041d95398a6f7f3e0ee97c
c1591849d4ed236338b147abde9f51ef9fd4e1c1
"""


def unhex(text):
    return bytes.fromhex("".join(text.split()))


KEY_1 = unhex(KEY_1)
SIGNATURE_1 = unhex(SIGNATURE_1)
KEY_2 = unhex(KEY_2)
SIGNATURE_2 = unhex(SIGNATURE_2)

# An LMS signature of H5/W8: q, type, C, 34 chains, type, path.  In test case 1
# the second tree's public key follows the first signature, then the second one.
LMS_SIZE = 4 + 4 + 32 + 34 * 32 + 4 + 5 * 32
PATH_TYPE_AT = LMS_SIZE - 5 * 32 - 4
LOWER_KEY = SIGNATURE_1[4 + LMS_SIZE : 4 + LMS_SIZE + 56]
LOWER_SIGNATURE = SIGNATURE_1[4 + LMS_SIZE + 56 :]
# The same as one level: the lower tree on its own.
ONE_KEY = b"\x00\x00\x00\x01" + LOWER_KEY
ONE_SIGNATURE = bytes(4) + LOWER_SIGNATURE


def changed(data, at, new):
    return data[:at] + new + data[at + len(new) :]


def flipped(data, at):
    return changed(data, at, bytes((data[at] ^ 1,)))


def malformed(key, signature):
    """True if the constructor itself refuses, before anything is hashed."""
    try:
        lms.Verification(key, MESSAGE_1, signature)
    except RemoteError:
        return True
    return False


def test_case_1():
    assert lms.verify(KEY_1, MESSAGE_1, SIGNATURE_1)


def test_case_2():
    assert lms.verify(KEY_2, MESSAGE_2, SIGNATURE_2)


def test_one_level():
    assert lms.verify(ONE_KEY, MESSAGE_1, ONE_SIGNATURE)


def test_bytes_like_arguments():
    assert lms.verify(bytearray(ONE_KEY), memoryview(MESSAGE_1), memoryview(ONE_SIGNATURE))


def test_work_comes_in_small_steps():
    verification = lms.Verification(KEY_1, MESSAGE_1, SIGNATURE_1)
    steps = 1
    while not verification.step():
        assert not verification.valid
        steps += 1
    # Two levels of 34 chains of up to 255 hashes, 64 hashes a step.
    assert 34 < steps <= 2 * 34 * 255 // 64 + 1
    assert verification.valid
    assert verification.step() and verification.valid


def test_another_message():
    assert not lms.verify(ONE_KEY, flipped(MESSAGE_1, 0), ONE_SIGNATURE)
    assert not lms.verify(ONE_KEY, MESSAGE_1[:-1], ONE_SIGNATURE)
    assert not lms.verify(ONE_KEY, b"", ONE_SIGNATURE)
    assert not lms.verify(ONE_KEY, MESSAGE_2, ONE_SIGNATURE)


def test_a_flipped_bit_in_each_part_of_the_signature():
    # C, the first, a middle and the last chain (of the checksum), path, its end.
    for at in (8, 40, 600, PATH_TYPE_AT - 1, PATH_TYPE_AT + 4, LMS_SIZE - 1):
        assert not lms.verify(ONE_KEY, MESSAGE_1, flipped(ONE_SIGNATURE, 4 + at)), at


def test_a_flipped_bit_in_the_upper_level():
    # In the upper signature, and in the identifier and root of the lower key.
    for at in (4 + 8, 4 + 700, 4 + LMS_SIZE - 1, 4 + LMS_SIZE + 8, 4 + LMS_SIZE + 55):
        verification = lms.Verification(KEY_1, MESSAGE_1, flipped(SIGNATURE_1, at))
        while not verification.step():
            pass
        assert not verification.valid, at
        assert verification.step() and not verification.valid


def test_another_key():
    assert not lms.verify(flipped(ONE_KEY, 8 + 4), MESSAGE_1, ONE_SIGNATURE)
    assert not lms.verify(flipped(ONE_KEY, 59), MESSAGE_1, ONE_SIGNATURE)
    # The other test case's lower tree has the same parameters.
    at = len(SIGNATURE_2) - LMS_SIZE
    other = b"\x00\x00\x00\x01" + SIGNATURE_2[at - 56 : at]
    assert lms.verify(other, MESSAGE_2, bytes(4) + SIGNATURE_2[at:])
    assert not lms.verify(other, MESSAGE_1, ONE_SIGNATURE)


def test_another_leaf():
    assert ONE_SIGNATURE[4:8] == b"\x00\x00\x00\x0a"
    assert not lms.verify(ONE_KEY, MESSAGE_1, changed(ONE_SIGNATURE, 4, b"\x00\x00\x00\x0b"))
    assert not malformed(ONE_KEY, changed(ONE_SIGNATURE, 4, b"\x00\x00\x00\x1f"))
    assert malformed(ONE_KEY, changed(ONE_SIGNATURE, 4, b"\x00\x00\x00\x20"))
    assert malformed(ONE_KEY, changed(ONE_SIGNATURE, 4, b"\xff\xff\xff\xff"))


def test_levels_cap():
    assert lms.MAX_LEVELS == 2
    for levels in (0, 1, 3, 8, 1 << 31):
        key = changed(KEY_1, 0, levels.to_bytes(4, "big"))
        assert malformed(key, SIGNATURE_1), levels
        if levels:
            # With a signature that claims as many.
            assert malformed(key, changed(SIGNATURE_1, 0, (levels - 1).to_bytes(4, "big"))), levels
    assert malformed(KEY_1, changed(SIGNATURE_1, 0, b"\x00\x00\x00\x02"))


def test_parameters_not_in_use():
    # Whole in form, so that no mismatch of types or sizes is what is refused.
    def shaped(tree, height, chain, digits):
        tree, chain = tree.to_bytes(4, "big"), chain.to_bytes(4, "big")
        signature = bytes(8) + chain + bytes(32 + digits * 32) + tree + bytes(height * 32)
        return b"\x00\x00\x00\x01" + tree + chain + bytes(48), signature

    assert not malformed(*shaped(5, 5, 4, 34))
    assert not malformed(*shaped(7, 15, 3, 67))
    # H20 and H25; the 24-byte hashes; none at all.
    for tree, height in ((8, 20), (9, 25), (10, 5), (15, 5), (0, 5), (4, 5)):
        assert malformed(*shaped(tree, height, 4, 34)), tree
    # W1 and W2; the 24-byte hashes; none at all.
    for chain, digits in ((1, 265), (2, 133), (7, 51), (8, 26), (0, 34), (5, 34)):
        assert malformed(*shaped(5, 5, chain, digits)), chain
    # And in the lower key, which comes with the signature.
    assert malformed(KEY_1, flipped(SIGNATURE_1, 4 + LMS_SIZE))


def test_types_of_key_and_signature_must_agree():
    assert malformed(ONE_KEY, changed(ONE_SIGNATURE, 8, b"\x00\x00\x00\x03"))
    assert malformed(ONE_KEY, changed(ONE_SIGNATURE, 4 + PATH_TYPE_AT, b"\x00\x00\x00\x06"))


def test_every_other_length_is_malformed():
    for size in range(len(SIGNATURE_1)):
        assert malformed(KEY_1, SIGNATURE_1[:size]), size
    assert malformed(KEY_1, SIGNATURE_1 + b"\x00")
    assert malformed(KEY_2, SIGNATURE_1) and malformed(KEY_1, SIGNATURE_2)
    for size in range(len(KEY_1)):
        assert malformed(KEY_1[:size], SIGNATURE_1), size
    assert malformed(KEY_1 + b"\x00", SIGNATURE_1)
