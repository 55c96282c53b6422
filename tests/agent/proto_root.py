"""Roots replaced: what counts as the next one, what it ends, and what stays on disk, with the old key stolen."""

from backfence.agent import root as roots
from backfence.agent import trust_file
from backfence.agent.limits import BLOB_BYTES, ROOTS
from backfence.agent.manifest import manifest_id
from backfence.agent.trust import ROOT_ID, Keys, Root, Trust
from backfence.agent.wire import cbor
from backfence.agent.wire.hashes import sha256
from emulated import fewer
from lan import WALL_S, Lan, MemoryDisk
from proto_seeds import CONTROLLER
import root_vectors as signed
import thief_vectors as thief
import wrong_root_vectors as wrong

# Both word sizes; the signatures' arithmetic has vectors of its own on all of them.
INTERPRETERS = ("cpython", "micropython", "armhf")
KEYS = [signed.ROOT_KEYS[at : at + 60] for at in (0, 60, 120)]
SECOND, THIRD = roots.join([signed.SECOND]), roots.join([signed.SECOND, signed.THIRD])
EDGE, LOTS = manifest_id("slice", "edge"), manifest_id("lots", "all")
ENOUGH_MS = 6000


class Roots(Lan):
    """A Lan whose boxes check real signatures: two of three root keys, and the operator's first key."""

    def _node(self, config, identity, trust, disk, number, controller=None):
        id, (top, count, _) = list(self.lots.items())[0]
        first = Root(1, KEYS, 2, signed.OLD, digest=bytes(32))
        trust = Trust(Keys(signed.FLEET, first), bytes(32), {id: (top, count, 0)}, id, number, trust.path)
        return Lan._node(self, config, identity, trust, disk, number, controller)

    def give(self, number, data):
        """Hand signed bytes to a node; why it refused them, None if it did not."""
        verdict = []
        assert self.nodes[number].rumours.offer(data, verdict.append)
        self.run_until(lambda: verdict, ENOUGH_MS)
        return verdict[0]

    def version(self, number):
        return self.nodes[number].trust.keys.root.version


def files(disk):
    """What of a disk must not change: all but the clock, which is written by the hour."""
    return {name: bytes(disk.files[name]) for name in disk.files if name != "state-clock"}


def rooted(disk):
    """The root on a disk."""
    return trust_file.decode(bytes(disk.files["state-root"]))


# Name: what the box has before, the chain that comes, the start of what it says.
NOT_THE_NEXT = {
    "signed by the old keys alone": (None, [wrong.BY_THE_OLD_KEYS_ALONE], "root: signed by 0 keys of its own, which wants 1"),
    "signed by the new key alone": (None, [wrong.BY_THE_NEW_KEY_ALONE], "root: signed by 0 keys of the root before, which wants 2"),
    "signed by one key where two are needed": (None, [wrong.BY_ONE_OF_TWO], "root: signed by 1 keys of the root before"),
    "signed twice by one key": (None, [wrong.BY_ONE_TWICE], "root: signed by a key that is no root key, or twice"),
    "signed by the stolen operator's key": (None, [wrong.BY_THE_OPERATOR], "root: signed by a key that is no root key"),
    "with signatures over other words": (None, [wrong.OF_OTHER_WORDS], "root: signature does not hold"),
    "of another fleet": (None, [wrong.OF_ANOTHER_FLEET], "root: of another fleet"),
    "a version skipped": (None, [signed.THIRD], "root: version 1 is in force, and none follows it here"),
    "a version skipped inside the chain": (None, [signed.SECOND, signed.SECOND], "root: of another fleet, or versions"),
    "a lower version": (THIRD, [signed.SECOND], "root: version 3 is in force, above this"),
    "the same version with other words": (SECOND, [signed.FORK], "root: another version 2 is in force: a fork"),
    "expired": (None, [wrong.EXPIRED], "it has expired"),
}
BROKEN = {
    "no roots": cbor.encode([]),
    "more than a chain holds": cbor.encode([b""] * (ROOTS + 1)),
    "longer than a blob": cbor.encode([bytes(BLOB_BYTES)]),
    "something else in it": cbor.encode([signed.SECOND, 1]),
    "a manifest in it": cbor.encode([thief.GENUINE]),
    "cut short": roots.join([signed.SECOND[:-1]]),
    "one byte more": roots.join([signed.SECOND + b"\0"]),
}


def test_what_is_not_the_next_root_changes_nothing_and_the_next_one_still_counts():
    for name in NOT_THE_NEXT:
        before, chain, why = NOT_THE_NEXT[name]
        lan = Roots(1)
        assert before is None or lan.give(0, before) is None, name
        version, disk = lan.version(0), lan.nodes[0].store.disk
        kept = files(disk)
        verdict = lan.give(0, roots.join(chain))
        assert verdict and verdict.startswith(why), (name, verdict)
        assert lan.version(0) == version and files(disk) == kept, name
        if version < 3:
            assert lan.give(0, THIRD) is None and lan.version(0) == 3, name
            assert rooted(disk)[0].operator == signed.NEWER and rooted(disk)[3], name


def test_what_is_no_chain_is_refused_unread():
    lan = Roots(1)
    for name in BROKEN:
        assert lan.give(0, BROKEN[name]), name
        assert lan.version(0) == 1 and "state-root" not in lan.nodes[0].store.disk.files, name
    for length in range(1, len(SECOND), fewer(97, 499)):
        assert lan.give(0, SECOND[:length]), length
    assert lan.nodes[0].counters["manifests_bad"] > len(BROKEN) and lan.give(0, SECOND) is None


def test_a_root_that_is_known_is_no_news():
    lan = Roots(1)
    assert lan.give(0, THIRD) is None and lan.give(0, THIRD) is None and lan.version(0) == 3
    assert lan.nodes[0].counters["manifests_accepted"] == 1


def list_lots(node):
    """A list of the thief's, with a lot of his own beside the genuine one."""
    node.rumours.floors[LOTS] = [1 << 52, 1 << 40, sha256(b"a thief's list"), b""]
    node.watch_lots().replace(1 << 52, dict(node.trust.lots))
    node.trust.lots[b"stranger"] = (bytes(32), 1, 0)


def robbed(count=1):
    """A Lan in which a thief of the operator's key has done to box 0 what he can."""
    lan = Roots(count)
    node = lan.nodes[0]
    assert lan.give(0, thief.GENUINE) is None
    for each in (thief.THIEVES_EDGE, thief.THIEVES_OWN):
        assert lan.give(0, each) is None
    list_lots(node)
    node.lots._save()
    node.revocation.replace(thief.THIEVES_REVOCATION[-16:])
    node.revocation._saved = node.store.save_state("revoked", node.revocation.packed)
    assert node.wall_s() > WALL_S + 99 * 365 * 86400 and len(node.rumours.of_kind("slice")) == 2
    return lan


def recovered(lan, number):
    """Asserts that nothing of a thief is left on a box, or on its disk."""
    node = lan.nodes[number]
    names = [manifest.name for manifest in node.rumours.of_kind("slice")]
    assert names in ([], ["edge"]) and len(node.revocation) == 0 and list(node.trust.lots) == [node.trust.lot]
    assert WALL_S <= node.wall_s() < WALL_S + 3600
    floors = node.rumours.floors
    assert set(floors) - {ROOT_ID} <= {EDGE} and (EDGE not in floors or floors[EDGE][0] == 7), floors
    disk = node.store.disk
    assert sorted(cbor.decode(bytes(disk.files["state-floors"]))) == sorted([[id] + floors[id] for id in floors])
    assert not disk.files.get("state-revoked") and cbor.decode(bytes(disk.files["state-clock"]))[0] < WALL_S + 3600


def test_the_old_key_stolen_and_used_before_the_rotation_reaches_a_box():
    lan = robbed()
    # Revoked by a thief, long before his clock.
    node = lan.nodes[0]
    node.revocation.replace(thief.THIEVES_REVOCATION[-16:])
    lan.run(100)
    assert lan.give(0, SECOND) is None and lan.version(0) == 2
    lan.run(2000)
    recovered(lan, 0)
    assert not node.rumours.of_kind("slice")  # the thief's had taken the genuine one's place
    # The genuine one, as the root keeps it, and then its successor by the new key.
    assert lan.give(0, thief.GENUINE) is None
    recovered(lan, 0)
    for each in (thief.THIEVES_EDGE, thief.THIEVES_OWN, thief.THIEVES_REVOCATION):
        assert lan.give(0, each) == "not signed by this fleet's operator"
    recovered(lan, 0)
    assert lan.give(0, thief.BY_THE_NEW_OPERATOR) is None and node.rumours.get("slice", "edge").seq == 8
    lan.restart(0)
    lan.run(ENOUGH_MS)
    assert lan.version(0) == 2 and lan.nodes[0].rumours.get("slice", "edge").seq == 8
    assert lan.give(0, thief.THIEVES_OWN) == "not signed by this fleet's operator"
    assert lan.give(0, THIRD) is None and lan.version(0) == 3 and not lan.nodes[0].rumours.of_kind("slice")


def test_what_the_root_keeps_is_not_interrupted():
    lan = Roots(1)
    node, ended = lan.nodes[0], []
    assert lan.give(0, thief.GENUINE) is None and lan.give(0, thief.THIEVES_OWN) is None
    node.on_expired = ended.append
    assert lan.give(0, SECOND) is None
    assert [manifest.name for manifest in ended] == ["mine"] and node.rumours.get("slice", "edge").seq == 7
    lan.restart(0)
    lan.run(ENOUGH_MS)
    assert [manifest.name for manifest in lan.nodes[0].rumours.of_kind("slice")] == ["edge"]


def test_boxes_of_a_lot_that_the_root_does_not_keep_are_strangers():
    lan = Roots(3)
    lan.join_all()
    lan.run(8000)
    node = lan.nodes[0]
    assert len(node.peers.table) == 2
    # Box 1 came in by a lot of the thief's.
    list_lots(node)
    node.peers.table[lan.nodes[1].id].lot = b"stranger"
    lan.drop = lambda data, source, target: source == 1
    assert lan.give(0, SECOND) is None
    lan.run(1000)
    assert node.peers.table[lan.nodes[1].id].current is None and node.peers.table[lan.nodes[2].id].current


def test_a_check_under_way_does_not_outlive_the_key():
    lan = Roots(1)
    node, verdict = lan.nodes[0], []
    assert node.rumours.offer(SECOND) and node.rumours.offer(thief.THIEVES_OWN, verdict.append)
    late = node.trust.check(thief.THIEVES_OWN)
    assert not late.step()
    lan.run_until(lambda: verdict, ENOUGH_MS)
    assert lan.version(0) == 2 and verdict == ["not signed by this fleet's operator"]
    try:
        while not late.step():
            pass
        assert False
    except trust_file.RemoteError as problem:
        assert str(problem) == "not signed by this fleet's operator"
    assert not node.rumours.of_kind("slice")


def test_a_thief_is_refused_by_the_boxes_that_have_the_root_and_loses_the_others():
    lan = robbed(3)
    lan.drop = lambda data, source, target: 2 in (source, target)
    lan.join_all()
    lan.run_until(lambda: len(lan.nodes[1].rumours.of_kind("slice")) == 2, 60000)
    assert lan.give(0, SECOND) is None
    lan.run_until(lambda: lan.version(1) == 2, 60000)
    lan.run(2000)
    for number in (0, 1):
        recovered(lan, number)
    assert lan.version(2) == 1
    # The last one hears of it once it is back, by comparing.
    lan.drop = None
    lan.nodes[2].membership.join([lan.descriptor(0)])
    lan.run_until(lambda: lan.version(2) == 2, 120000)
    recovered(lan, 2)
    assert lan.give(2, thief.THIEVES_OWN) == "not signed by this fleet's operator"


def test_a_box_that_slept_takes_the_roots_in_order_from_another():
    lan = Roots(2)
    lan.down.append(1)
    assert lan.give(0, SECOND) is None and lan.give(0, THIRD) is None
    assert lan.nodes[0].rumours.manifests[ROOT_ID].size == len(THIRD)
    lan.restart(0)  # it tells on what it has on flash
    lan.down.remove(1)
    lan.restart(1)
    lan.join_all()
    lan.run_until(lambda: lan.version(1) == 3, 60000)
    assert rooted(lan.nodes[1].store.disk)[2] == rooted(lan.nodes[0].store.disk)[2] == THIRD


def serve(lan, number, data):
    """The controller answers a node with these lists (bytes) by what is asked."""
    node = lan.nodes[number]

    def drop(packet, source, target):
        if packet[0] == 0x1A and source == number and packet[3] in data:
            offset, whole = packet[1] << 8 | packet[2], data[packet[3]]
            piece = b"\x1b" + packet[1:3] + len(whole).to_bytes(2, "big") + whole[offset : offset + 1024]
            lan._deliver_later(piece, node.seeds.controller, lan.address(number))
        return False

    lan.drop = drop


def test_a_box_that_nobody_tells_takes_the_roots_from_the_controller():
    lan = Roots(1)
    lan.restart(0, CONTROLLER)
    serve(lan, 0, {2: THIRD})
    lan.run_until(lambda: lan.version(0) == 3, 60000)
    assert rooted(lan.nodes[0].store.disk)[2] == THIRD


def test_all_others_revoked_by_a_thief_the_greeting_of_one_makes_a_box_ask_for_the_root():
    lan = Roots(3)
    for number in range(3):
        lan.restart(number, CONTROLLER)
    lan.join_all()
    lan.run_until(lambda: all(len(node.membership.view) == 2 for node in lan.nodes), 30000)
    for number in (0, 1):
        lan.nodes[number].revocation.replace(lan.nodes[2].id)
    lan.run(1000)
    assert lan.give(2, SECOND) is None
    lan.run(5000)
    assert not lan.nodes[1].membership.alone() and lan.version(1) == 1
    serve(lan, 1, {2: SECOND})
    lan.run_until(lambda: lan.version(1) == 2, 120000)
    assert len(lan.nodes[1].revocation) == 0


def test_a_manifest_by_a_key_not_known_yet_shuns_nobody_and_counts_with_the_root():
    lan = Roots(2)
    assert lan.give(0, SECOND) is None and lan.give(0, thief.BY_THE_NEW_OPERATOR) is None
    # Box 1 hears of the slice first.
    lan.join_all()
    known = lan.nodes[0].rumours.manifests.pop(ROOT_ID)
    lan.run_until(lambda: [True for entry in lan.nodes[1].rumours.wanted if entry.strange], 60000)
    lan.nodes[0].rumours.manifests[ROOT_ID] = known
    lan.nodes[0].rumours._digest = None
    lan.run_until(lambda: lan.nodes[1].rumours.get("slice", "edge"), 60000)
    assert lan.version(1) == 2 and lan.nodes[1].counters["sources_shunned"] == 0


class CutDisk(MemoryDisk):
    """Power goes at the write that brings `left` to zero: before it, or right after it."""

    left, after = -1, False

    def write(self, name, data):
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Cut()
        MemoryDisk.write(self, name, data)
        if self.left == 0:
            raise Cut()


class Cut(Exception):
    """The power went."""


def test_a_power_cut_leaves_the_old_root_or_the_new_one_and_the_next_start_ends_the_work():
    seen = []
    for number in range(1, 12):
        for after in fewer((False, True), (False,)):
            lan = robbed()
            node = lan.nodes[0]
            disk = CutDisk()
            disk.files, node.store.disk = node.store.disk.files, disk
            disk.left, disk.after = number, after
            try:
                assert lan.give(0, SECOND) is None
            except Cut:
                pass
            if disk.left > 0:
                continue
            disk.left = -1
            lan.restart(0)
            version = lan.version(0)
            seen.append(version)
            if version == 1:
                assert "state-root" not in disk.files and lan.give(0, SECOND) is None
            lan.run(2000)
            recovered(lan, 0)
    assert 1 in seen and 2 in seen and len(seen) >= 5, seen


def test_a_disk_that_refuses_the_root_is_tried_again():
    lan = Roots(1)
    disk = lan.nodes[0].store.disk
    disk.full = True
    lan.give(0, SECOND)
    assert lan.version(0) == 2 and "state-root" not in disk.files  # the root keys' word counts at once
    disk.full = False
    lan.run(130000)
    assert rooted(disk)[0].version == 2


def test_a_newer_trust_file_counts_and_an_older_one_does_not():
    lan = Roots(1)
    assert lan.give(0, THIRD) is None
    lan.restart(0)  # with the root that it was enrolled with
    assert lan.version(0) == 3
    lan.nodes[0].store.disk.files["state-root"] = b"\xa0"
    lan.restart(0)
    assert lan.version(0) == 1 and lan.nodes[0].counters["store_errors"] == 1
