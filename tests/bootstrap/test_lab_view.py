"""What people are shown: a picture on a terminal, plain lines elsewhere."""

import io

import pytest
from rich.console import Console

from backfence.bootstrap.operator import report, view


def scene(seats=8, boxes=16):
    made = [view.Box("b%02d" % n, "joined", 9, [n] if n < seats else [], n % 3, n if n < seats else None, n) for n in range(boxes)]
    made[0].state = "door"
    return view.Scene(made, seats, 20, 74, ["seat 3 has no successor"])


def console(width=100, height=40):
    return Console(file=io.StringIO(), force_terminal=True, width=width, height=height, color_system=None, legacy_windows=False)


def drawn(picture, width=100):
    out = console(width)
    out.print(picture)
    return out.file.getvalue()


@pytest.mark.parametrize("seats", [1, 2, 3, 8, view.CIRCLE_MAX_SEATS])
def test_every_seat_stands_on_the_circle(seats):
    text = drawn(view.ring_text(scene(seats, 30)))
    for seat in range(seats):
        assert "%d:b%02d" % (seat, seat) in text
    assert max(map(len, text.splitlines())) <= view.CIRCLE_WIDTH


def test_a_large_slice_is_shown_as_lines():
    text = drawn(view.ring_text(scene(60, 64)))
    assert "0:b00" in text and "59:b59" in text


def test_vacant_doubled_and_killed_seats_are_seen():
    world = scene()
    world.boxes[5].state = "killed"
    world.boxes[9].seats = [3]
    text = drawn(view.ring_text(world))
    assert "5:---" in text and "5:b05" not in text and "3:b03+b09?" in text


@pytest.mark.parametrize("width, height", [(80, 24), (100, 40), (200, 60)])
def test_the_picture_fits_the_terminal(width, height):
    live = view.LiveView(console(width, height))
    try:
        for number in range(50):
            live.say("something happened, number %d" % number)
        live.show(scene())
        lines = drawn(live.render(), width).splitlines()
    finally:
        live.close()
    assert max(map(len, lines)) <= width
    assert "20/74" in lines[0] and "number 49" in "\n".join(lines)
    if height >= 40:
        assert len(lines) <= height


def test_the_story_stays_when_the_picture_goes():
    out = console()
    live = view.LiveView(out)
    live.say("the controller is stopped [for good]")
    live.show(scene())
    live.close()
    assert out.file.getvalue().rstrip().endswith("the controller is stopped [for good]")


def test_a_long_story_is_bounded():
    live = view.LiveView(console())
    for number in range(view.EVENTS_KEPT + 50):
        live.say(str(number))
    live.close()
    assert len(live.events) == view.EVENTS_KEPT and live.events[-1].endswith(str(view.EVENTS_KEPT + 49))


def test_without_a_terminal_there_are_plain_lines():
    out = Console(file=io.StringIO(), width=100)
    plain = view.open_view(True, out)
    assert isinstance(plain, view.PlainView)
    plain.say("broker")
    plain.show(scene())
    plain.spoke -= view.PLAIN_EVERY_S
    plain.show(scene())
    plain.spoke -= view.PLAIN_EVERY_S
    plain.show(scene())
    plain.close()
    lines = out.file.getvalue().splitlines()
    assert len(lines) == 2 and "\x1b" not in out.file.getvalue()
    assert "16 boxes up, 16 in the overlay; 8 of 8 seats held, ring open (seat 3 has no successor); 20 of 74 tasks done, 15 open" in lines[1]


def test_no_live_wins_over_a_terminal():
    assert isinstance(view.open_view(False, console()), view.PlainView)


def metered(box, **changes):
    row = {"box": bytes([box]).hex() * 16, "tasks": 1, "fuel": 100 * box, "ms": 500, "bytes_in": 16384,
           "bytes_out": 6000, "byte_s": 65536}
    return dict(row, **changes)


def test_metering_is_a_table_of_named_boxes_and_a_sum():
    rows = report.rows([metered(1), metered(2)], {"01" * 16: "b01"})
    assert [row["name"] for row in rows] == ["02020202", "b01"]
    lines = drawn(report.meter_table(rows)).splitlines()
    assert [line for line in lines if "b01" in line and "16,384" in line]
    assert [line for line in lines if "all" in line and "300" in line and "32,768" in line and "1.0" in line]


def test_metering_of_nobody():
    assert "all" in drawn(report.meter_table(report.rows([], {})))


def good():
    return {
        "agents": 16, "interpreter": "MicroPython 1.25.0", "heap_bytes": 1 << 20, "controller_stopped": True,
        "slice": {"wanted": 8, "filled": 8}, "kills_wanted": 1,
        "killed": [{"name": "b01", "seats": [1], "open_tasks": 4, "rescued": 3}],
        "tasks": {"total": 2, "succeeded": 2}, "matches_reference": True, "seconds": 50.0,
        "receipts": report.rows([metered(1), metered(2)], {}),
    }


def test_a_good_report_has_no_fault():
    assert report.failures(good()) == []


@pytest.mark.parametrize(
    "change, fault",
    [
        ({"controller_stopped": False}, "controller was not stopped"),
        ({"slice": {"wanted": 8, "filled": 7}}, "7 of 8 seats"),
        ({"killed": []}, "0 of 1 agents were killed"),
        ({"killed": [{"name": "b01", "seats": [], "open_tasks": 4}]}, "nothing to lose"),
        ({"killed": [{"name": "b01", "seats": [1], "open_tasks": 0}]}, "nothing to lose"),
        ({"killed": [{"name": "b01", "seats": [1], "open_tasks": 4, "rescued": 0}]}, "left for another box"),
        ({"tasks": {"total": 2, "succeeded": 1}}, "1 of 2 tasks"),
        ({"tasks": {"total": 0, "succeeded": 0}}, "0 of 0 tasks"),
        ({"matches_reference": False}, "differs from CPython"),
        ({"matches_reference": None}, "differs from CPython"),
        ({"receipts": []}, "fewer receipts"),
    ],
)
def test_each_fault_of_a_report_is_named(change, fault):
    assert [found for found in report.failures(dict(good(), **change)) if fault in found]


def test_a_report_is_written_whole(tmp_path):
    import json

    path = tmp_path / "report.json"
    report.write(str(path), good())
    assert json.loads(path.read_text()) == good()
