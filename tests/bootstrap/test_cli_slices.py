"""Shaping slices, asking queries and looking at the census: what people type and get."""

import contextlib
import json
import threading
import time

import pytest

from backfence.agent import manifest as agent
from backfence.agent.wire import cbor
from backfence.bootstrap.operator import cli_slice, fleet as fleets, manifests, monitor, picture, push, reshape, scale
from backfence.bootstrap.operator.errors import OperatorError

from fleets import census_of, make_fleet, mosquitto
from test_census import spread
from test_cli import call


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("broker")) as address:
        yield address


@pytest.fixture
def fleet(tmp_path, broker, monkeypatch):
    """A new fleet that the commands find by themselves, at a real broker."""
    fleet = make_fleet(tmp_path / "fleet", boxes=2)
    monkeypatch.setenv("BACKFENCE_FLEET", fleet.directory)
    monkeypatch.setenv("BACKFENCE_BROKER", broker)
    return fleet


def newest(fleet, label):
    """The payload of the newest manifest, as a box would take it."""
    payload = fleet.signed(label)[1]
    assert agent.parse(cbor.encode(payload)) == payload
    return payload


def sign(fleet, *arguments, **options):
    manifest = manifests.slice_manifest(fleet, *arguments, **options)
    fleet.sign(manifest)
    return manifest.payload


@contextlib.contextmanager
def door(fleet, broker, number=0):
    """A function that publishes a census as the door of box `number` does; the door is online."""
    box = list(fleet.boxes())[number]
    with push.Session(broker) as session:
        session.publish([(fleet.topic("door", box.hex()), b"online")], 5)

        def tell(online=True, **changes):
            if not online:
                session.publish([(fleet.topic("door", box.hex()), b"offline")], 5)
            session.publish([(fleet.topic("census", box.hex()), cbor.encode(census_of(box, **changes)))], 5)

        tell.clear = lambda: session.publish([(fleet.topic("census", box.hex()), b"")], 5)
        yield tell
        tell.clear()


# -- merge and split, without a broker

def test_a_merger_names_the_seats_that_move(fleet):
    first, second = sign(fleet, "a", 50, "door == 1"), sign(fleet, "b", 8, "door == 1", valid_s=10**7)
    merged = reshape.merge(fleet, first, second)
    assert (merged.payload["seats"], merged.payload["absorbs"]) == (58, [["b", 50, 8]])
    assert merged.payload["where"] == ["==", "door", 1] and merged.payload["seq"] == first["seq"] + 1
    assert merged.payload["expires"] == second["expires"]
    fleet.sign(merged)
    third = sign(fleet, "c", 4)
    again = reshape.merge(fleet, third, newest(fleet, "slice-a")).payload
    assert again["absorbs"] == [["a", 4, 58], ["b", 54, 8]] and again["seats"] == 62 and "where" not in again


def test_merged_predicates_take_boxes_of_both(fleet):
    merged = reshape.merge(fleet, sign(fleet, "a", 5, "door == 1"), sign(fleet, "b", 5, "door == 0"))
    assert merged.payload["where"] == ["or", ["==", "door", 1], ["==", "door", 0]]
    long = " or ".join(["load < 5"] * 20)
    with pytest.raises(OperatorError, match="too long to be joined"):
        reshape.merge(fleet, sign(fleet, "c", 5, long), sign(fleet, "d", 5, long.replace("5", "6")))


def test_what_cannot_be_merged(fleet):
    plain, share = sign(fleet, "a", 4), sign(fleet, "b", "10 %")
    ranked, big = sign(fleet, "c", 4, "top 10 % by load"), sign(fleet, "d", 16384)
    ended = manifests.end_manifest(fleet, sign(fleet, "e", 4)).payload
    old = sign(fleet, "f", 4, valid_s=1, issued=1)
    for other, problem in ((plain, "with itself"), (share, "is a share of the fleet"), (ranked, "rank boxes differently"),
                           (big, "16,388 seats"), (ended, "has ended"), (old, "has ended")):
        with pytest.raises(OperatorError, match=problem):
            reshape.merge(fleet, plain, other)
    for name in ("g", "h", "i", "j"):
        plain = reshape.merge(fleet, plain, sign(fleet, name, 1)).payload
    with pytest.raises(OperatorError, match="made of 6 slices"):
        reshape.merge(fleet, plain, sign(fleet, "k", 1))
    fleet.sign(plain)
    with pytest.raises(OperatorError, match="'g' is a part of 'a'"):
        reshape.merge(fleet, sign(fleet, "l", 1), newest(fleet, "slice-g"))


def test_a_slice_that_keeps_its_seats_for_regions_stays_whole_and_grows_by_all_of_them(fleet):
    payload = sign(fleet, "a", 6, regions=["north", "south"])
    for change in (lambda: reshape.split(fleet, payload, 2, "b"), lambda: reshape.merge(fleet, payload, sign(fleet, "c", 2))):
        with pytest.raises(OperatorError, match="keeps its seats for regions"):
            change()
    assert scale.scaled(fleet, payload, 8).payload["regions"] == ["north", "south"]
    with pytest.raises(OperatorError, match="7 seats cannot be shared out"):
        scale.scaled(fleet, payload, 7)
    assert picture.slice_row(payload)["regions"] == ["north", "south"]


def test_a_split_says_where_its_seats_were(fleet):
    whole = sign(fleet, "a", 10, "top 20 % by availability where door == 0")
    new, left = [made.payload for made in reshape.split(fleet, whole, 3, "b")]
    assert (new["name"], new["seats"], new["from"], new["top"]) == ("b", 3, ["a", 7], [200, "availability"])
    assert (left["name"], left["seats"], left["seq"]) == ("a", 7, whole["seq"] + 1)
    assert new["where"] == left["where"] == whole["where"] and abs(new["expires"] - whole["expires"]) <= 1


def test_a_merger_is_undone_by_a_split(fleet):
    second = sign(fleet, "b", 3)
    merged = reshape.merge(fleet, sign(fleet, "a", 5), second)
    fleet.sign(merged)
    back, left = [made.payload for made in reshape.split(fleet, merged.payload, 3, "b")]
    assert (back["name"], back["seats"], back["from"]) == ("b", 3, ["a", 5]) and back["seq"] == second["seq"] + 1
    assert "absorbs" not in back and "absorbs" not in left and back["issued"] > merged.payload["issued"]


def test_absorbed_seats_go_along_or_stay(fleet):
    first = sign(fleet, "a", 5)
    for name in ("b", "c"):
        first = reshape.merge(fleet, first, sign(fleet, name, 3)).payload
        fleet.sign(first)
    with pytest.raises(OperatorError, match="through the seats of 'b'") as error:
        reshape.split(fleet, first, 4, "new")
    assert error.value.hint == "Split off 6 seats, or 3."
    new, left = [made.payload for made in reshape.split(fleet, first, 6, "new")]
    assert new["absorbs"] == [["b", 0, 3], ["c", 3, 3]] and "absorbs" not in left
    new, left = [made.payload for made in reshape.split(fleet, first, 3, "new")]
    assert new["absorbs"] == [["c", 0, 3]] and left["absorbs"] == [["b", 5, 3]]


@pytest.mark.parametrize("count, name, problem", [
    (0, "b", "0 cannot leave it"), (-1, "b", "cannot leave it"), (4, "b", "4 cannot leave it"), (1, "a", "a slice 'a' already"),
    (1, "live", "a slice 'live' already"), (1, "B", "not a name"),
])
def test_what_cannot_be_split(fleet, count, name, problem):
    whole = sign(fleet, "a", 4)
    sign(fleet, "live", 1)
    with pytest.raises(OperatorError, match=problem):
        reshape.split(fleet, whole, count, name)


# -- the verbs

def test_merge_split_and_push_again(fleet, broker, tmp_path):
    for name, seats in (("a", "6"), ("b", "2")):
        (tmp_path / f"{name}.toml").write_text(f'kind = "slice"\nname = "{name}"\nseats = {seats}\n')
        assert call("push", tmp_path / f"{name}.toml", "--wait", 0.1).exit_code == 0
    merged = call("merge", "a", "b", "--wait", 0.1)
    assert merged.exit_code == 0 and merged.stderr == "slice-a 2: pushed\n"
    seen, session = picture.open_picture(fleet, broker)
    session.close()
    assert seen.manifests["slice-a"]["absorbs"] == [["b", 6, 2]]
    assert "its seats are a part of a" in call("describe", "b").output
    # Growing it keeps what it has taken in; less, or the part by itself, is refused.
    assert call("push", tmp_path / "a.toml", "--seats", 12, "--wait", 0.1).exit_code == 0
    assert newest(fleet, "slice-a")["absorbs"] == [["b", 6, 2]]
    for path, options, problem in (("a", ["--seats", 7], "needs 8 seats"), ("a", ["--seats", "10%"], "needs 8 seats"),
                                   ("b", [], "is a part of 'a'")):
        refused = call("push", tmp_path / f"{path}.toml", *options)
        assert refused.exit_code == 1 and problem in refused.stderr
    again = call("push", tmp_path / "a.toml", "--seats", 8, "--wait", 0.1)
    assert again.exit_code == 0
    back = call("split", "a", "2", "b", "--wait", 0.1)
    assert back.stderr == "slice-b 2: pushed\nslice-a 5: pushed\n"
    shown = json.loads(call("describe", "b", "--format", "json").output)
    assert (shown["seats"], shown["from"], shown["absorbs"]) == (2, "a", [])


def test_shares_and_rankings_are_pushed(fleet, tmp_path):
    (tmp_path / "best.toml").write_text(
        'kind = "slice"\nname = "best"\nseats = "10 %"\nwhere = "top 5 % by availability where mem_free >= 32 MiB"\n')
    assert call("push", tmp_path / "best.toml", "--wait", 0.1).exit_code == 0
    payload = newest(fleet, "slice-best")
    assert (payload["share"], payload["top"]) == (100, [50, "availability"]) and "seats" not in payload
    shown = json.loads(call("describe", "slice", "best", "--format", "json").output)
    assert (shown["seats"], shown["share"]) == (None, "10 %")
    assert shown["where"] == "top 5 % by availability where mem_free >= 32 MiB"


def test_a_query_is_installed_waits_is_answered_and_ends(fleet, broker):
    asked = "availability where door == 0"
    assert "no answer" not in call("query").output and "nothing is asked" in call("query").output
    with door(fleet, broker) as tell:
        installed = call("query", "up", asked)
        assert installed.exit_code == 0 and "query-up 1: pushed" in installed.stderr and "next epoch" in installed.stdout
        tell()
        early = call("query", "up")
        assert early.exit_code == 1 and "Error: no answer to 'up' yet: 8 boxes; epoch 3" in early.stderr
        answer = spread([990_000, 1_000_000], attribute="availability")
        timer = threading.Timer(1.0, lambda: tell(epoch=4, queries={"up": answer}))
        timer.start()
        waited = call("query", "up", asked, "--wait", 20)
        timer.join()
        assert waited.exit_code == 0 and "2 of 8 boxes match" in waited.stdout and "mean 99.50 %" in waited.stdout
        found = json.loads(call("query", "up", "--format", "json").output)
        assert found["percentiles"]["p99"] <= 1_000_000 and found["epoch"] == 4 and found["choice"] == asked
        assert "query up: availability where door == 0: 2 boxes match" in call("query").output
        described = call("describe", "up")
        assert "p50" in described.output and "epoch 4, complete" in described.output
        other = call("query", "up", "load")
        assert other.exit_code == 1 and "asks something else" in other.stderr and "backfence end query up" in other.stderr
        assert newest(fleet, "query-up")["seq"] == 1
        assert "query-up 2: ended" in call("end", "up").output
        assert "nothing is asked under the name 'up'" in call("query", "up").stderr
        # Under the same name, an answer to what was asked before does not count.
        assert call("query", "up", asked, "--wait", 0.3).exit_code == 1


def test_boxes_count_so_many_queries_and_no_more(fleet, broker):
    seen = picture.Picture(fleet)
    for number in range(9):
        cli_slice.check_room(seen, "more")
        payload = manifests.query_manifest(fleet, f"q{number}", "load").payload
        seen.manifests[f"query-q{number}"] = payload
    with pytest.raises(OperatorError, match="9 queries and ranked slices are live"):
        cli_slice.check_room(seen, "more")
    seen.manifests = {"slice-best": sign(fleet, "best", 1, "top 1 % by load")}
    with pytest.raises(OperatorError, match="a slice that ranks its boxes is called 'best'"):
        cli_slice.check_room(seen, "best")


def test_without_a_census_the_next_step_is_told(fleet, broker):
    shown = call("describe")
    assert shown.exit_code == 0 and "no door has ever reached this broker. Start an agent whose agent.conf" in shown.output
    silent = call("monitor", "--seconds", 0.5)
    assert silent.exit_code == 1 and "Error: no census yet" in silent.stderr and "Hint: Start an agent" in silent.stderr
    asked = call("query", "q", "load", "--wait", 0.3)
    assert asked.exit_code == 1 and "no census yet" in asked.stderr
    with door(fleet, broker) as tell:
        tell.clear()
        assert "no census yet. A door is online" in call("describe", "q").output
        tell(online=False, epoch=None, age_s=None, size=None, slices={}, queries={})
        assert "size not counted yet; no epoch is complete yet" in call("describe").output
        tell.clear()
        assert "all doors are offline" in call("describe").output


def test_a_slice_that_cannot_be_filled_says_by_how_much(fleet, broker, tmp_path):
    (tmp_path / "edge.toml").write_text('kind = "slice"\nname = "edge"\nseats = 50\nwhere = "door == 0"\n')
    call("push", tmp_path / "edge.toml", "--wait", 0.1)
    with door(fleet, broker) as tell:
        assert "not in the census yet" not in call("describe", "edge").output
        tell(slices={"edge": {"seats": 50, "filled": 37, "matching": 40, "heard": [], "candidates": 0}})
        said = "edge: 37 of 50 seats filled, 40 boxes match: 10 short of matching boxes"
        shown = call("describe", "edge")
        assert said in shown.output and "epoch 3, complete" in shown.output and "idle" in shown.output
        assert json.loads(call("describe", "edge", "--format", "json").output)["short"] == 13
        assert said in call("describe").output and said in call("monitor", "--seconds", 0.3).output


def test_monitor_tells_each_census_and_believes_the_living_door(fleet, broker, capsys):
    boxes = [box.hex() for box in fleet.boxes()]

    def shown(seen, session):
        monitor.monitor(seen, session, "json", time.monotonic() + 0.5)
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    with door(fleet, broker) as first, door(fleet, broker, 1) as second:
        first(epoch=7)
        second(epoch=7, wall_s=int(time.time()) - 30)
        lines = call("monitor", "--seconds", 0.1, "--format", "json").stdout.splitlines()
        assert json.loads(lines[-1])["census"]["door"] == boxes[0]
        seen, session = picture.open_picture(fleet, broker, results=False)
        with session:
            first(online=False, epoch=7)
            until = time.monotonic() + 20
            while not (rows := shown(seen, session)) or rows[-1]["census"]["door"] != boxes[1]:
                assert time.monotonic() < until
            assert rows[-1]["doors"] == {boxes[0]: "offline", boxes[1]: "online"} and rows[-1]["census"]["size"] == 8
            second(epoch=8, size=7)
            while not rows or rows[-1]["census"]["size"] != 7:
                rows = shown(seen, session)
                assert time.monotonic() < until


def test_the_live_view_can_be_drawn(fleet, broker, capsys):
    from rich.console import Console

    edge = {"seats": 50, "filled": 37, "matching": 40, "heard": [], "candidates": 0}
    with door(fleet, broker) as tell:
        top = spread([1, 2, 3], attribute="availability", top=[100, "availability"], threshold=3)
        tell(slices={"edge": edge}, queries={"load": spread(range(100)), "best": top}, versions={"[red]": 8},
             left_out=["cdf"])
        seen, session = picture.open_picture(fleet, broker)
        with session:
            console = Console(force_terminal=True, width=120)
            monitor.monitor(seen, session, until_s=time.monotonic() + 0.5, console=console)
            empty = picture.Picture(fleet)
            console.print(monitor.render(empty))
    shown = capsys.readouterr().out
    for word in ("8 boxes; epoch 3", "10 short of matching boxes", "p95", "10 % by availability", "[red]", "cdf",
                 "no census yet"):
        assert word in shown, word


@pytest.mark.parametrize("arguments, code, problem, hint", [
    (["merge", "a"], 2, "Missing argument 'B'", ""),
    (["merge", "a", "nothing"], 1, "never signed a slice", "backfence describe"),
    (["split", "a", "x", "b"], 2, "'x' is not a valid integer", ""),
    (["split", "nothing", "1", "b"], 1, "never signed a slice 'nothing'", ""),
    (["end"], 2, "Missing argument", ""),
    (["end", "a", "b", "c"], 2, "a kind and a name", ""),
    (["end", "workload", "words"], 1, "'workload' is not one of slice, query", ""),
    (["end", "nothing"], 1, "never signed a slice or query 'nothing'", "backfence describe"),
    (["describe", "a", "b", "c"], 2, "a kind and a name", ""),
    (["describe", "ring", "a"], 1, "'ring' is not one of slice, query, workload, firmware", ""),
    (["describe", "nothing"], 1, "never signed a slice or query or workload or firmware 'nothing'", "describe"),
    (["query", "nothing"], 1, "nothing is asked under the name 'nothing'", "backfence query nothing"),
    (["query", "q", "top 10 % by arch"], 1, "the choice is wrong at column 13: arch is text and has no order", "load"),
    (["query", "Q", "load"], 1, "'Q' is not a name", "small letters"),
    (["query", "load", "load"], 1, "'load' is counted in every fleet already", "another name"),
    (["query", "q", "load", "--wait", "soon"], 2, "'soon' is not a valid float", ""),
    (["monitor", "--seconds", "x"], 2, "'x' is not a valid float", ""),
    (["push", "SLICE", "--seats", "many"], 2, "a number such as 8, or a share", ""),
    (["push", "SLICE", "--seats", "0.01%"], 1, "from 0.1 % to 100 %", ""),
    (["push", "SLICE", "--where", "load"], 1, "alone chooses no boxes", "top 10 % by load"),
    (["push", "SLICE", "--choice", "load"], 1, "--choice does not go with a slice", ""),
    (["push", "QUERY", "--seats", "3"], 1, "--seats does not go with a query", ""),
    (["push", "QUERY", "--choice", "top"], 1, "expected a percentage", ""),
], ids=lambda value: " ".join(value) if isinstance(value, list) else "")
def test_mistakes_are_told_in_one_line_with_a_hint(fleet, tmp_path, arguments, code, problem, hint):
    (tmp_path / "s.toml").write_text('kind = "slice"\nname = "s"\nseats = 1\n')
    (tmp_path / "q.toml").write_text('kind = "query"\nname = "q"\nchoice = "load"\n')
    sign(fleet, "a", 4)
    before = fleet.signer.remaining()
    names = {"SLICE": tmp_path / "s.toml", "QUERY": tmp_path / "q.toml"}
    done = call(*[names.get(argument, argument) for argument in arguments])
    assert done.exit_code == code, done.output
    assert problem in done.stderr and "Error: " in done.stderr and "Traceback" not in done.stderr and not done.stdout
    assert ("Hint: " in done.stderr) == bool(hint) or code == 2 or not hint
    assert hint in done.stderr
    assert fleets.Fleet.open(fleet.directory).signer.remaining() == before, "nothing is signed"


def test_one_name_for_two_kinds(fleet, broker):
    fleet.sign(manifests.query_manifest(fleet, "edge", "load"))
    sign(fleet, "edge", 4)
    both = call("end", "edge")
    assert both.exit_code == 1 and "'edge' is a slice and a query" in both.stderr and "slice edge" in both.stderr
    assert "query-edge 2: ended" in call("end", "query", "edge").output
    # The one that is live is meant now.
    assert "slice edge" not in call("describe", "edge").stderr
    assert "slice-edge 2: ended" in call("end", "edge").output
