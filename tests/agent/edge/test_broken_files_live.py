"""What a power cut, or worse, may leave of a box's files never keeps its agent from starting.

Each case gives every file the same fate at once.  After it: what must stay is there,
what is of no use is gone, and the agent runs and has been heard by its peer.
"""

import agents
import pytest
from agents import Agent, Home

from backfence.agent.wire import hashes
from backfence.bootstrap.operator import manifests

BLOB = b"a blob that is whole"
LOST = b"a blob whose bytes never came"

FATES = {
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "zeros of the same length": lambda data: bytes(len(data)),
    "garbage": lambda data: b"\xff\x9f\x00garbage" * 40,
}


def blob(home, data):
    return home.path / "store" / ("blob-" + hashes.sha256(data).hex())


def left_lying(home):
    """Files of other lives, none of which means anything now; returns those that must go."""
    (home.path / "stop").write_bytes(b"")
    gone = [home.path / "stop"]
    for place, name in (("state", "state-clock.tmp"), ("state", "state-slots.tmp"), ("store", "blob-00.tmp"),
                        ("slots", "slot-a.tmp"), ("store", "part-" + "ab" * 32)):
        (home.path / place / name).write_bytes(b"half")
        gone.append(home.path / place / name)
    (home.path / "store" / "beat").write_bytes(b"\xff")
    (home.path / "status.json.tmp").write_bytes(b"{")
    (home.path / "status.json").write_bytes(b"{")
    return gone


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    return agents.make_fleet(tmp_path_factory.mktemp("fleet") / "fleet")


@pytest.mark.parametrize("interpreter, what", [
    ("cpython", "empty"), ("micropython", "empty"), ("micropython", "cut in half"),
    ("cpython", "zeros of the same length"), ("micropython", "garbage"),
])
def test_a_box_starts_on_what_is_left(interpreter, what, fleet, tmp_path):
    peer, box = Home(fleet, 0, tmp_path), Home(fleet, 1, tmp_path)
    peer.knows(box)
    box.knows(peer)
    box.holds([fleet.sign(manifests.slice_manifest(fleet, "edge", 2))], [BLOB, LOST])
    running = [Agent(interpreter, box)]
    try:
        running[0].wait(lambda status: status["manifests"], "the manifest to be taken up again")
        running[0].kill()
        running.clear()
        (box.path / "slots" / "slot-a").write_bytes(b"an image")
        (box.path / "state" / "state-slots").write_bytes(b"a record")
        for path in [*(box.path / "state").iterdir(), blob(box, LOST)]:
            path.write_bytes(FATES[what](path.read_bytes()))
        gone = left_lying(box)
        keep = {path: path.read_bytes() for path in (box.path / "box.key", box.path / "trust.cbor", blob(box, BLOB),
                                                     box.path / "slots" / "slot-a")}
        running += [Agent(interpreter, box), Agent(interpreter, peer)]
        running[1].wait(lambda status: box.box.id.hex() in status["view"], "the box in its peer's view")
        running[0].wait(lambda status: status["uptime_ms"] > 0, "its status")
        assert not [path for path in gone if path.exists()] and not blob(box, LOST).exists()
        assert {path: path.read_bytes() for path in keep} == keep
        # Its clock's floor is a good one again, for the next start.
        assert (box.path / "state" / "state-clock").read_bytes()[0] == 0x82
    finally:
        for agent in running:
            agent.kill()
