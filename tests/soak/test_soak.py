"""What the soak reads and how it judges: MicroPython's own words, and growth planted in samples."""

import subprocess
import types

import pytest
import samples
import soak

from backfence.sim.live import interpreters

WORDS = "import gc, micropython; a = bytearray(99999); micropython.mem_info(); micropython.qstr_info(); print(gc.mem_free())"


def test_a_heap_is_read_from_what_micropython_says(tmp_path):
    found = interpreters.find("micropython")
    said = subprocess.run(
        found.arguments("-c", WORDS, heap="1M"), env=found.environment, capture_output=True, text=True, check=True).stdout
    log = tmp_path / "box.log"
    log.write_text("info: took seat 1 of edge, term 0\n" + said.replace("used: ", "used: 9") + said)
    used, free, largest, names = samples._heap(log)
    assert 100_000 < used < 120_000 and used + free > 900_000
    assert free - 4096 < largest <= free and abs(free - int(said.split()[-1])) < 4096 and names > 0
    log.write_text("info: nothing yet\n")
    assert samples._heap(log) is None


def judged(field, value, count=120, seated=0):
    """The verdict on samples of which `field` is value(number of the sample), of a box that sits from sample `seated` on."""
    usual = {**dict.fromkeys(soak.JUDGED, 100_000), "seats": 0}
    rows = [
        {**usual, "agent": agent, "time_s": 10 * n,
         **({field: value(n), "seats": int(n >= seated)} if agent == "b02" else {})}
        for n in range(count) for agent in ("b00", "b02", "b03")]
    run = types.SimpleNamespace(rows=rows, elapsed_s=lambda: 10 * count, steady=lambda: ["b00", "b02", "b03"])
    run._filled_s = lambda agent: soak.Soak._filled_s(run, agent)
    return soak.Soak.growth(run)


@pytest.mark.parametrize("field", sorted(soak.JUDGED))
def test_growth_after_the_warm_up_is_found_and_before_it_is_none(field):
    least = soak.JUDGED[field]
    assert judged(field, lambda n: 10 * least + least * n).startswith("grows: %s of b02 from " % field)
    assert judged(field, lambda n: 10 * least + least * min(n, soak.WARM * 120)) == ""
    assert judged(field, lambda n: 10 * least + least * n, count=40) == "", "too short to judge"


@pytest.mark.parametrize("field", sorted(soak.JUDGED))
def test_a_box_that_takes_its_first_seat_late_is_judged_when_its_store_has_filled(field):
    least = soak.JUDGED[field]
    kept = soak.cluster.JOB_S // 10

    def filling(n):
        return 10 * least + least * min(max(n - 100, 0), kept)

    assert judged(field, filling, 240, seated=100) == ""
    assert judged(field, filling, 240).startswith("grows: %s of b02 from " % field)
    assert judged(field, lambda n: filling(n) + least * max(n - 160, 0), 240, seated=100).startswith("grows: %s" % field)
