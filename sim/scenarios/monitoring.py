"""What doors publish of the fleet is the truth: sizes, a query's spread, what a slice lacks; and it outlives a door."""

from ...bootstrap.operator import census as censuses

NODES = 16
SEATS = 4000
# A quick epoch, the time until it begins, and the pause until a door tells.
ANSWER_S = 90


def play(lab):
    """A query over half of the boxes and a slice too large for the fleet; then a door dies."""
    world = lab.world
    lab.boot(doors=2, contacts=2)
    for box in world.boxes:
        lab.world.after(10_000, _value, box)
    lab.until("overlay connected", lab.connected, 120)
    lab.go(10_000)
    lab.operator.push_slice("edge", SEATS, where="mem_free >= 2 MiB")
    lab.operator.push_query("odd", "mem_free where region == 'odd'")
    told = lambda: _told(lab)
    lab.measure("answered_s", lab.until("the query is answered rightly", lambda: _wrong(lab, told()), ANSWER_S))
    lacking = "{0:,} boxes match: {1:,} short of matching boxes".format(lab.nodes - 1, SEATS - lab.nodes + 1)
    lab.measure("counted_s", lab.until(
        "the slice says what it lacks", lambda: "" if lacking in _says(told()) else _says(told()), 600))
    lab.measure("census_bytes", max(len(payload) for payload in _payloads(lab).values()))
    first, epoch = told()["door"], told()["epoch"]
    box = next(box for box in world.boxes[:2] if box.node.id.hex() == first)
    box.wanted = False
    box.crash()
    # The broker tells no last will here: the other door is believed when it has spoken again.
    lab.until("another door speaks", lambda: "" if told()["door"] != first else "it is still believed", 70)
    lab.require("it knows as much", lambda: "" if told()["epoch"] >= epoch and "odd" in told()["queries"] else "no answer")


def _value(box):
    """A box's region and free memory: its number in MiB, odd or even."""
    box.node.attributes.update(mem_free=(box.number + 1) << 20, region="odd" if box.number % 2 else "even")


def _payloads(lab):
    """{door: bytes of its census} as the broker retains them."""
    start = lab.fleet.topic("census", "")
    return {topic[len(start):]: data for topic, data in lab.broker.retained.items() if topic.startswith(start)}


def _told(lab):
    """The census that an operator believes, or None."""
    start = lab.fleet.topic("door", "")
    doors = {topic[len(start):]: data.decode() for topic, data in lab.broker.retained.items() if topic.startswith(start)}
    read = {door: censuses.read(payload) for door, payload in _payloads(lab).items()}
    assert None not in read.values(), "a census is out of form"
    return censuses.newest(read, doors)


def _wrong(lab, census):
    """What is wrong with the answer to the query "odd", "" if nothing is."""
    row = census["queries"].get("odd") if census else None
    if row is None:
        return "no answer"
    values = sorted((box.number + 1) << 20 for box in lab.world.boxes if box.number % 2)
    if (census["size"], row["count"]) != (lab.nodes, len(values)):
        return "%s boxes, %s match" % (census["size"], row["count"])
    pairs = ((row["least"], values[0]), (row["most"], values[-1]), (row["mean"], sum(values) / len(values)))
    for found, value in pairs:
        if abs(found - value) > value / 1000:
            return "%d where %d is true" % (found, value)
    # A straight line between points is off by a step of the distribution at most.
    half = censuses.percentiles(row)["p50"]
    rank = sum(value <= half for value in values) / len(values)
    return "" if abs(rank - 0.5) <= 1.5 / len(values) else "the median is at rank %.2f" % rank


def _says(census):
    row = census["slices"].get("edge") if census else None
    return censuses.filling("edge", row) if row else "not told"
