"""Updates in a small fleet: by gossip and chunks, through trial and proof, and back from bad ones."""

import hashlib
import sys
from pathlib import Path

import pytest

from backfence.agent import slots, waves
from backfence.agent.config import Config
from backfence.agent.limits import UPDATE_FETCHES
from backfence.agent.work import NO_MEMORY
from backfence.bootstrap.operator import manifests

sys.path.insert(0, str(Path(__file__).parent))
import updating  # noqa: E402
from updating import DAY_S, confirmed, fleet, holds, image, push, record  # noqa: E402


def test_updates_go_to_all_and_the_slots_take_turns():
    lab = fleet(6)
    for number in (1, 2, 3):
        data = image("good %d" % number)
        sequence = push(lab, data)
        lab.until("update %d" % number, confirmed(lab, sequence), 300)
        for box in lab.world.boxes:
            assert box.launcher.history == [0, 1, 2, 1][: number + 1]
            assert holds(box, box.running.slot, data) and record(box).floor == sequence
    # The one before is still there, should this one fail some day.
    assert all(holds(box, 2, image("good 2")) and record(box).rows[2].good for box in lab.world.boxes)


class Nothing:
    """A computation that is over at once."""

    def step(self):
        return True


def starve(node, kind, number):
    """The node's computation of that kind with that number (from 1) ends for want of memory; a list that then has it."""
    add, seen, starved = node.work.add, [], []

    def poor(computation, done):
        if type(computation).__name__ == kind:
            seen.append(computation)
            if len(seen) == number:
                starved.append(computation)
                return add(Nothing(), lambda nothing, error: done(computation, NO_MEMORY))
        return add(computation, done)

    node.work.add = poor
    return starved


@pytest.mark.parametrize("kind, number", [("Scan", 1), ("Copy", 1), ("Copy", 2), ("Reading", 1)])
def test_a_step_that_ran_out_of_memory_says_nothing_of_the_image(kind, number):
    lab = fleet(2)
    node = lab.world.boxes[1].node
    starved = starve(node, kind, number)
    data = image("good")
    sequence = push(lab, data)
    lab.until("all have it", confirmed(lab, sequence), 300)
    assert starved and not node.counters["updates_broken"]
    assert all(holds(box, 1, data) for box in lab.world.boxes)


def test_boxes_have_parts_from_each_other():
    from_others = 0
    for seed in (1, 2, 3):
        lab = fleet(8, seed)
        sequence = push(lab, image("good"))
        served = dict.fromkeys(range(8), 0)
        while confirmed(lab, sequence)():
            lab.go(200)
            for box in lab.world.live():
                if box.starts == 1:
                    served[box.number] = box.node.counters["chunks_out"]
        # All from the door would be seven times 69; what a box serves after its restart is not counted.
        assert served[0] < 440, served
        from_others += sum(served.values()) - served[0]
    # 257 with these seeds.  The manifest alone, told on, would be some twenty a seed.
    assert from_others > 120, from_others


def test_few_parts_come_at_once():
    lab = fleet(3, busy_round_ms="1000")
    most = {box.number: 0 for box in lab.world.boxes}
    push(lab, image("good", updating.SLOT_KB * 1024))
    for _ in range(400):
        lab.go(20)
        for box in lab.world.live():
            blobs = [fetch for fetch in box.node.chunks.fetches.values() if fetch.size == 32768]
            most[box.number] = max(most[box.number], len(blobs))
    assert max(most.values()) == UPDATE_FETCHES, most


def test_an_index_that_the_disk_has_lost_is_fetched_anew():
    lab = fleet(3)
    box = lab.world.boxes[2]
    data = image("good", updating.SLOT_KB * 1024)
    sequence = push(lab, data)
    lab.until("a download", lambda: "" if box.node.update.download else "none yet", 60, every_ms=20)
    download, read = box.node.update.download, box.disk.read

    def broken(name, offset, count):
        fetched = [row for row in download._coming.values() if row[0] in box.node.chunks.fetches]
        if download._index.hex() in name and fetched and download.have.count():
            box.disk.__dict__.pop("read")
            download._again_ms = box.node.now_ms + 8_000  # what is on its way ends meanwhile
            raise OSError(5)
        return read(name, offset, count)

    box.disk.read = broken
    lab.until("the update", confirmed(lab, sequence), 300)
    assert "read" not in box.disk.__dict__ and holds(box, 1, data)


def test_sources_die():
    lab = fleet(5)
    door, *others = lab.world.boxes
    sequence = push(lab, image("good"))

    def some_parts():
        states = [box.node.update.status()["fetching"] for box in others]
        return "" if any(state and state["written"] >= 1 for state in states) else "no part yet"

    lab.until("a part", some_parts, 60, every_ms=20)
    assert any(record(box).trial == 0 for box in others)
    door.crash()
    lab.go(120_000)
    # Between them they lack some, ask again ever more slowly, and gossip on.
    assert not lab.connected() or "do not run" in lab.connected()
    door.start()
    lab.until("the update", confirmed(lab, sequence), 900)


def test_a_box_that_was_away_has_it_from_others_while_the_door_is_dead():
    lab = fleet(4)
    door, *_, late = lab.world.boxes
    lab.go(60_000)  # until it has met the others and remembers them
    late.crash()
    sequence = push(lab, image("good"))
    lab.until("the update", confirmed(lab, sequence, lab.world.boxes[:3]), 300)
    door.crash()
    late.start()
    lab.until("the late one", confirmed(lab, sequence, [late]), 600)


@pytest.mark.parametrize("word, starts", [("crash", [1, 1, 1]), ("mute", [1])])
@pytest.mark.parametrize("first", (True, False))
def test_a_bad_image_is_left_and_the_next_good_one_works(first, word, starts):
    lab = fleet(3)
    steady, old = 0, None
    if first:
        old = push(lab, image("good 1"))
        lab.until("the first", confirmed(lab, old), 300)
        steady = 1
        starts = [3 - slot for slot in starts]
    bad = push(lab, image(word))

    def over():
        return "" if all(box.live and record(box).failed == [bad] for box in lab.world.boxes) else "still tried"

    lab.until("the trial is over", over, 900)
    lab.go(90_000)  # longer than any round: nobody takes it again
    for box in lab.world.boxes:
        before = [0, 1] if first else [0]
        assert box.launcher.history == before + starts + [steady]
        assert record(box).confirmed == steady and record(box).trial == 0 and record(box).floor == (old or 0)
        assert not first or holds(box, 1, image("good 1"))
    good = push(lab, image("good 2"))
    lab.until("the good one", confirmed(lab, good), 300)
    assert all(holds(box, box.running.slot, image("good 2")) for box in lab.world.boxes)


def test_a_newer_one_that_comes_meanwhile_is_taken_instead():
    lab = fleet(3)
    older = updating.plan(lab, image("good 1"))
    # One part is not to be had, so that it can never be complete.
    older.blobs.pop(max(older.blobs, key=lambda digest: len(older.blobs[digest])))
    lab.operator.push_firmware(older)
    lab.go(10_000)
    assert all(box.node.update.status()["fetching"] for box in lab.world.boxes)
    sequence = push(lab, image("good 2"))
    lab.until("the newer", confirmed(lab, sequence), 200)
    assert all(box.launcher.history == [0, 1] and record(box).failed == [] for box in lab.world.boxes)


def test_crashes_of_what_is_confirmed_are_forgotten_when_it_runs_again():
    lab = fleet(2)
    sequence = push(lab, image("good"))
    lab.until("the update", confirmed(lab, sequence), 300)
    box = lab.world.boxes[1]
    for crashes in range(1, slots.CRASHES):
        box.crash()
        box.start()
        assert record(box).crashes == crashes and box.running.slot == 1
    # Healthy after a tenth of trial_s.
    lab.go(5_000)
    assert record(box).crashes == slots.CRASHES - 1
    lab.go(2_000)
    assert record(box).crashes == 0
    written = box.disk.written
    box.crash()
    box.start()
    assert record(box).crashes == 1 and box.disk.written > written
    # Five in a row: back to the one in ROM, for there was none before.
    for _ in range(slots.CRASHES - 1):
        box.crash()
        box.start()
    assert box.running.slot == slots.PACKAGED and record(box).floor == sequence
    lab.go(120_000)
    assert box.running.slot == slots.PACKAGED  # the same one is not taken again
    again = push(lab, image("good 2"))
    lab.until("another", confirmed(lab, again), 300)


def test_a_box_alone_confirms_what_it_had_alone():
    lab = fleet(2)
    sequence = push(lab, image("good"))
    lab.until("the update", confirmed(lab, sequence), 300)
    assert all(record(box).peered for box in lab.world.boxes)
    # One that knows nobody when it installs: only time counts.
    box = lab.world.boxes[1]
    box.node.update.record.peered = False
    box.node.update._answered = []
    box.node.update.record.trial = 1
    assert box.node.update._is_healthy()
    box.node.update.record.peered = True
    assert not box.node.update._is_healthy()


def test_without_a_launcher_nothing_is_taken():
    lab = updating.Lab("update", 2, 1, speech="plain", vendor="isp.example", busy_round_ms="500")
    lab.boot(doors=1, spread_s=1)
    lab.until("the boxes meet", lab.connected, 60)
    push(lab, image("good"))
    lab.go(30_000)
    for box in lab.world.boxes:
        assert box.node.rumours.of_kind("firmware")
        assert box.starts == 1 and box.disk.names("slot-") == [] and box.node.update.status()["runs"] is None


def test_the_disk_that_kept_the_launcher_from_counting_is_tried_again():
    lab = fleet(2)
    box = lab.world.boxes[1]
    sequence = push(lab, image("good"))
    write = box.disk.write

    def refuse(name, data):
        if name == "state-slots" and record(box).trial:
            raise OSError(28)
        write(name, data)

    box.disk.write = refuse
    lab.until("the door's", confirmed(lab, sequence, lab.world.boxes[:1]), 300)
    lab.go(200_000)
    # The trial waits, the packaged agent runs, and does not end itself for nothing.
    assert box.running.slot == 0 and record(box).trial == 1 and record(box).starts == 0 and box.starts == 2
    del box.disk.write
    lab.until("the update", confirmed(lab, sequence), 900)


def test_the_times_of_the_contract():
    # 60 s of 600.
    assert Config().trial_s == 600 and updating.fleet(1).world.boxes[0].node.update._healthy_ms() == 6000


WAVES = [[[4000, ""], [10000, ""]], 2, 2, 60]


def members(lab, data):
    """Whether each box is of the first of WAVES."""
    return [waves.place(hashlib.sha256(data).digest(), box.node.id) < 4000 for box in lab.world.boxes]


def test_the_operators_word_stops_an_update_and_lets_it_go_on():
    lab = fleet(3, trial_s="600")
    name = "agent-mpy6-" + updating.CLASS[:4].hex()

    def say(word, sequence):
        lab.operator.push(manifests.rollout_manifest(lab.fleet, name, sequence, word, DAY_S, issued=lab.world.wall_s()))

    data = image("good")
    sequence = lab.world.wall_s()
    say("pause", sequence)
    lab.go(5_000)
    assert push(lab, data) > sequence  # another one: the word is not about it
    lab.until("it goes", confirmed(lab, sequence + 5), 300)
    data = image("good 2")
    sequence = lab.world.wall_s()
    say("pause", sequence)
    push(lab, data)
    lab.go(120_000)
    assert all(box.launcher.history == [0, 1] for box in lab.world.boxes)
    say("go", sequence)
    lab.until("it goes on", confirmed(lab, sequence), 300)
    # A halt ends a trial too.
    before, sequence = sequence, push(lab, image("good 3"))
    lab.until("a trial", lambda: "" if all(record(box).starts for box in lab.world.boxes) else "none yet", 50)
    say("halt", sequence)
    lab.until("all are back", confirmed(lab, before), 30)
    assert all(record(box).failed == [sequence] for box in lab.world.boxes)


def test_crashes_within_the_soak_are_not_forgotten():
    lab = fleet(6)
    sequence = push(lab, image("good"), waves=[WAVES[0], 1, 1, 60])
    lab.until("the update", confirmed(lab, sequence), 600)
    box = lab.world.boxes[1]
    box.crash()
    box.start()
    lab.go(30_000)  # without waves it would be forgotten after 6 s
    assert record(box).crashes == 1
    lab.go(40_000)
    assert record(box).crashes == 0


def test_a_bad_image_stays_in_its_first_wave():
    lab = fleet(8, seed=2)
    data = image("crash")
    first = members(lab, data)
    assert 2 <= sum(first) < 8
    sequence = push(lab, data, waves=WAVES)
    lab.go(250_000)
    for box, own in zip(lab.world.boxes, first):
        assert box.launcher.history == ([0, 1, 1, 1, 0] if own else [0]), box.number
        assert record(box).failed == ([sequence] if own else [])
    waiting = [box.node.update.status()["waiting"] for box, own in zip(lab.world.boxes, first) if not own]
    assert all(said["held"] and said["bad"] and said["sequence"] == sequence for said in waiting)
    # What comes next is taken by all, in waves of its own.
    good = push(lab, image("good"), waves=WAVES)
    lab.until("the good one", confirmed(lab, good), 600)


def test_without_a_firmware_nothing_is_loaded_for_who_seeks_parts():
    lab = fleet(2)
    node = lab.world.boxes[1].node
    peer = type("Peer", (), {"id": bytes(16), "addr": lab.world.boxes[0].address})
    node.update.on_seek(peer, [30, bytes(8), 1, b""])
    assert node.update.parts is None
    sequence = push(lab, image("good"))
    lab.until("the update", confirmed(lab, sequence), 300)
    lab.world.boxes[1].node.update.on_seek(peer, [30, bytes(8), 1, b""])
    assert lab.world.boxes[1].node.update.parts is not None
