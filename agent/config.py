"""The agent's configuration: lines of `key = value`, every key known and ranged."""

from .errors import LocalError

# key: (kind, default, least, most); for text, least and most bound its length.
KEYS = {
    "listen": ("address", "0.0.0.0:7000", 0, 0),
    "advertise": ("address", "", 0, 0),
    "controller": ("address", "", 0, 0),
    "broker": ("address", "", 0, 0),
    # A PEM file, its authority alone vouches for the broker: TLS.
    "broker_ca": ("text", "", 0, 255),
    "broker_user": ("text", "", 0, 64),
    "broker_password": ("text", "", 0, 128),
    "door": ("flag", 0, 0, 1),
    "reachable": ("flag", 1, 0, 1),
    "require_encryption": ("flag", 0, 0, 1),
    # Idle round: a box in no slice sends and receives some 57 bytes a second, at
    # 1,000 boxes on IPv6 and 2 % loss, headers included (sim/bench/idle.py).
    "round_ms": ("int", 60000, 100, 600000),
    "busy_round_ms": ("int", 1000, 50, 60000),
    "probe_ms": ("int", 1000, 50, 60000),
    "store_kb": ("int", 2048, 64, 1048576),
    "store_dir": ("text", "", 0, 255),
    "status_ms": ("int", 0, 0, 3600000),
    "cpu_percent": ("int", 50, 1, 100),
    # Above this load average in hundredths, below so much free memory, above so many
    # degrees Celsius the box is left alone; 0 for never.
    "busy_load": ("int", 200, 0, 100000),
    "busy_free_kb": ("int", 4096, 0, 1048576),
    "busy_heat": ("int", 90, 0, 150),
    # Hours in which no task runs, as in 18:00-23:30, and how far their clock is from UTC.
    "quiet_hours": ("hours", None, 0, 0),
    "utc_offset": ("offset", 0, 0, 0),
    # MiB of blobs moved in a day, both ways, after which no task runs; 0 for no end.
    "daily_mb": ("int", 1024, 0, 1048576),
    # Put before /proc and /sys, for tests.
    "system_root": ("text", "", 0, 255),
    "class": ("text", "box", 1, 32),
    # Who makes this box's firmware: a DNS name.
    "vendor": ("text", "backfence.invalid", 1, 64),
    # Room of one slot; two must fit the flash.
    "slot_kb": ("int", 1024, 64, 16384),
    # A new firmware proves itself within this, or it is over.
    "trial_s": ("int", 600, 5, 86400),
    "region": ("text", "", 0, 32),
}


def _number(text):
    """The int that text spells in plain digits, else -1."""
    for letter in text:
        if letter not in "0123456789":
            return -1
    return int(text) if text else -1


def _without_comment(line):
    """A line up to a # that begins it or follows a space: passwords may hold one."""
    for i in range(len(line)):
        if line[i] == "#" and (i == 0 or line[i - 1] in " \t"):
            return line[:i]
    return line


def check_address(text):
    """(host, port) of `host:port` or `[v6]:port`; LocalError otherwise."""
    host, colon, port = text.rpartition(":")
    if host[:1] == "[" and host[-1:] == "]":
        host = host[1:-1]
    elif ":" in host:
        raise LocalError("an IPv6 address needs brackets, as in [::1]:7000")
    if not colon or not host or not 0 < _number(port) < 65536:
        raise LocalError("expected host:port, not '" + text + "'")
    return host, _number(port)


def _minutes(text):
    """Minutes that hh:mm means, LocalError otherwise."""
    hours, minutes = _number(text[:2]), _number(text[3:])
    if len(text) != 5 or text[2] != ":" or not 0 <= hours < 24 or not 0 <= minutes < 60:
        raise LocalError("expected hh:mm, not '" + text + "'")
    return 60 * hours + minutes


def _hours(text):
    """(begin, end) in minutes of `hh:mm-hh:mm`, past midnight if the end is less; None of nothing."""
    if not text:
        return None
    begin, _, end = text.partition("-")
    if begin == end:
        raise LocalError("quiet hours end when they begin: '" + text + "'")
    return _minutes(begin), _minutes(end)


def _offset(text):
    """Minutes of `+hh:mm` or `-hh:mm`."""
    if text[:1] not in ("+", "-"):
        raise LocalError("expected +hh:mm or -hh:mm, not '" + text + "'")
    return _minutes(text[1:]) * (1 if text[0] == "+" else -1)


class Config:
    """One attribute per key of KEYS (`class` is `class_`), with its default."""

    def __init__(self):
        for key in KEYS:
            self._set(key, KEYS[key][1])

    def _set(self, key, value):
        setattr(self, "class_" if key == "class" else key, value)

    def set(self, key, text):
        """Set one key from its text.  LocalError if unknown or out of range."""
        if key not in KEYS:
            raise LocalError("unknown key '" + key + "'")
        kind, _, least, most = KEYS[key]
        if kind == "address":
            if text:
                check_address(text)
            value = text
        elif kind == "hours":
            value = _hours(text)
        elif kind == "offset":
            value = _offset(text)
        elif kind == "text":
            if not least <= len(text) <= most:
                raise LocalError("%s takes %d to %d characters" % (key, least, most))
            value = text
        else:
            if not least <= _number(text) <= most:
                raise LocalError("%s takes a number from %d to %d, not '%s'" % (key, least, most, text))
            value = _number(text)
        self._set(key, value)


def parse(text):
    """The settings of agent.conf's text: an object with the attributes of a Config.

    It is none, though: whoever holds a Config holds this module, and a box needs it once.
    LocalError with the line number if a line is not `key = value`, its key is
    unknown or its value out of range.
    """
    config = Config()
    number = 0
    for line in text.split("\n"):
        number += 1
        line = _without_comment(line).strip()
        if not line:
            continue
        key, equals, value = line.partition("=")
        try:
            if not equals:
                raise LocalError("expected key = value")
            config.set(key.strip(), value.strip())
        except LocalError as problem:
            raise LocalError("line %d: %s" % (number, problem))
    if config.door and not config.broker:
        raise LocalError("door = 1 needs broker = host:port")
    return _settings(config)


class Settings:
    """One attribute per key of KEYS, nothing else."""


def _settings(config):
    settings = Settings()
    for key in config.__dict__:
        setattr(settings, key, getattr(config, key))
    return settings
