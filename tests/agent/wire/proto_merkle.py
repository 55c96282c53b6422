"""Merkle trees: the known roots of Certificate Transparency's reference tree."""

from backfence.agent.errors import LocalError
from backfence.agent.wire import merkle

# The eight leaves and the roots of their first n, as in the test data of
# Certificate Transparency's reference implementation (RFC 6962).
DATA = (
    b"",
    b"\x00",
    b"\x10",
    b"\x20\x21",
    b"\x30\x31",
    b"\x40\x41\x42\x43",
    b"\x50\x51\x52\x53\x54\x55\x56\x57",
    b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
)
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)

LEAVES = [merkle.leaf(data) for data in DATA]


def test_reference_roots():
    for count in range(9):
        assert merkle.root(LEAVES[:count]) == bytes.fromhex(ROOTS[count]), count


def test_reference_path():
    # RFC 6962 section 2.1.3's example: for d3 of seven it is [c, g, l].
    nodes = merkle.path(LEAVES[:7], 3)
    assert nodes[0] == LEAVES[2]
    assert nodes[1] == merkle.root(LEAVES[:2])
    assert nodes[2] == merkle.root(LEAVES[4:7])
    # d6 stands alone: [i, k].
    assert merkle.path(LEAVES[:7], 6) == [merkle.root(LEAVES[4:6]), merkle.root(LEAVES[:4])]


def test_every_path_of_small_trees():
    for count in range(1, 18):
        leaves = [merkle.leaf(bytes((i,))) for i in range(count)]
        root = merkle.root(leaves)
        for index in range(count):
            path = merkle.path(leaves, index)
            assert merkle.verify(leaves[index], index, count, path, root)
            for other in range(count + 1):
                if other != index:
                    assert not merkle.verify(leaves[index], other, count, path, root)
            assert not merkle.verify(leaves[index - 1], index, count, path, root) or count == 1
            assert not merkle.verify(leaves[index], index, count, path + [root], root)
            for gone in range(len(path)):
                assert not merkle.verify(leaves[index], index, count, path[:gone], root)
                bad = list(path)
                bad[gone] = bytes(32)
                assert not merkle.verify(leaves[index], index, count, bad, root)


def test_an_inner_node_is_no_leaf():
    inner = merkle.root(LEAVES[:2])
    assert not merkle.verify(merkle.leaf(LEAVES[0] + LEAVES[1]), 0, 1, [], inner)


def test_bad_proofs():
    leaf = LEAVES[0]
    assert merkle.verify(leaf, 0, 1, [], leaf)
    assert not merkle.verify(leaf, 0, 0, [], leaf)
    assert not merkle.verify(leaf, -1, 1, [], leaf)
    assert not merkle.verify(leaf, 1, 1, [], leaf)
    assert not merkle.verify(leaf, 0, 1, [], leaf[:31])
    joined = merkle.root(LEAVES[:2])
    assert merkle.verify(leaf, 0, 2, [LEAVES[1]], joined)
    assert not merkle.verify(leaf, 0, 2, [LEAVES[1] + b"\x00"], joined)
    assert not merkle.verify(leaf, 0, 2, [LEAVES[1][:31]], joined)
    # A path that goes on above the root of its tree.
    assert not merkle.verify(LEAVES[1], 0, 1, [leaf], joined)
    # Siblings of another size, even under a root made from them.
    for sibling in (b"", LEAVES[1][:31], LEAVES[1] + b"\x00"):
        root = merkle.sha256(b"\x01", leaf, sibling)
        assert not merkle.verify(leaf, 0, 2, [sibling], root)


def test_path_cap():
    # The leftmost leaf of a tree of 2**20 has 20 siblings; 21 are refused.
    node = leaf = LEAVES[0]
    siblings = []
    for height in range(21):
        siblings.append(merkle.leaf(bytes((height,))))
        node = merkle.sha256(b"\x01", node, siblings[-1])
        assert merkle.verify(leaf, 0, 2 << height, siblings, node) == (height < 20)


def test_our_own_misuse_is_a_local_error():
    for leaves, index in (([], 0), (LEAVES, 8), (LEAVES, -1), (range((1 << 20) + 1), 0)):
        try:
            merkle.path(leaves, index)
        except LocalError:
            continue
        assert False, index
