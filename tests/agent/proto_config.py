"""agent.conf: every key known and ranged, one clear line about what is wrong."""

from backfence.agent.config import KEYS, Config, check_address, parse
from backfence.agent.errors import LocalError


def problem(text):
    """The line a person gets, None if the text is good; other errors pass through."""
    try:
        parse(text)
    except LocalError as error:
        return str(error)
    return None


def test_defaults_and_all_keys():
    config = parse("")
    for key in KEYS:
        assert getattr(config, "class_" if key == "class" else key) == KEYS[key][1]
    text = "\n".join([
        "# a comment", "", "  listen = [::1]:7000   # where", "broker=mqtt.example:1883", "door = 1",
        "class = gateway", "cpu_percent = 100", "broker_password = p=q#r", "store_dir =", "round_ms = 100\r",
    ])
    config = parse(text)
    assert config.listen == "[::1]:7000" and config.broker == "mqtt.example:1883" and config.door == 1
    assert config.class_ == "gateway" and config.broker_password == "p=q#r" and config.round_ms == 100
    assert config.store_dir == "" and sorted(config.__dict__) == sorted(Config().__dict__)


def test_each_number_has_its_range():
    for key in KEYS:
        kind, _, least, most = KEYS[key]
        if kind in ("int", "flag"):
            extra = "broker = b:1\n"
            for value in (least, most):
                assert problem("%s%s = %d" % (extra, key, value)) is None
            for value in (str(least - 1), str(most + 1), "", "x", "1.5", "0x10", "1_0", "\u00b2", "\u0661", "+1"):
                found = problem("%s%s = %s" % (extra, key, value))
                assert found and "line 2" in found and key in found, (key, value)


def test_quiet_hours_and_the_offset_of_their_clock():
    config = parse("quiet_hours = 22:30-06:00\nutc_offset = -03:30")
    assert config.quiet_hours == (1350, 360) and config.utc_offset == -210
    assert parse("quiet_hours =\nutc_offset = +13:45").utc_offset == 825
    for wrong in ("22", "22:00", "22:00-22:00", "22:00-24:00", "2:00-03:00", "22.00-23:00", "22:00-23:60", "22:00 - 23:00", "22:00-23:000"):
        assert "line 1" in problem("quiet_hours = " + wrong), wrong
    for wrong in ("", "01:00", "+1:00", "+24:00", "+01:60", "+0100", "-", "+01:0\u00b2"):
        assert "line 1" in problem("utc_offset = " + wrong), wrong


def test_texts_have_a_length():
    for key in KEYS:
        kind, _, least, most = KEYS[key]
        if kind == "text":
            assert problem("%s = %s" % (key, "x" * most)) is None
            assert "line 1" in problem("%s = %s" % (key, "x" * (most + 1)))
            if least:
                assert problem(key + " =")


def test_addresses():
    assert check_address("a:1") == ("a", 1) and check_address("[::1]:65535") == ("::1", 65535)
    for wrong in ("", "a", ":1", "a:", "a:0", "a:65536", "a:x", "::1:7000", "[]:1", "[::1]", "a:-1", "a:1 ", "a:\u00b2"):
        try:
            check_address(wrong)
            raise ValueError(wrong)
        except LocalError as error:
            assert str(error)
        for key in ("listen", "controller", "broker", "advertise"):
            if wrong.strip() == wrong and wrong:
                assert "line 1" in problem("%s = %s" % (key, wrong)), (key, wrong)


def test_lines_that_are_none():
    for text in ("listen", "= 1", "nonsense = 1", "Listen = a:1", "class_ = x"):
        assert "line 1: " in problem(text), text
    assert "door = 1 needs broker" in problem("door = 1")
