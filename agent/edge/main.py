"""The start of the agent: arguments, files of the home directory, the loop.

    python -m backfence.agent --home DIR
    micropython -X heapsize=SIZE -m backfence.agent --home DIR

DIR holds agent.conf, box.key (made at the first start), trust.cbor (from the
operator's enrolment), state/, store/ and slots/.
"""

import select
import sys

from .. import __version__, config
from ..compat import const
from ..counting import Counters
from ..errors import LocalError
from ..node import Node
from ..rng import Rng
from ..store import Store
from . import disk, started, system, udp
from .address import Wait
from .clock import Clock
from .loop import Loop
from .stop import Stop

USAGE = "usage: backfence.agent --home DIR"
# The broker's authority, or the few that follow one another when it is renewed.
_CA_BYTES = const(16384)


class Usage(Exception):
    """The command line is wrong; the text says how."""


def arguments(argv):
    """The home directory out of the arguments (without the program's name).

    None if only help or the version was asked for, which is then printed.
    Raises Usage.
    """
    home = None
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word in ("-h", "--help"):
            print(USAGE)
            return None
        if word == "--version":
            print("backfence agent " + __version__)
            return None
        if word == "--home" and rest:
            home = rest.pop(0)
        elif word.startswith("--home="):
            home = word[7:]
        else:
            raise Usage("unknown argument '" + word + "'" if word != "--home" else "--home takes a directory")
    if not home:
        raise Usage("--home DIR is missing")
    return home


def make_link(home, settings, anchors, identity, rng, counters, poller, now_ms):
    """broker.Link of a door, None for other boxes.  LocalError."""
    if not settings.door:
        return None
    from . import broker, mqtt  # most boxes are no door, and need no room for it

    # MQTT 3.1.1 promises 23 letters and digits, no more.
    will = ("backfence/%s/door/%s" % (anchors.fleet.hex(), identity.id.hex()), b"offline")
    client = mqtt.Client("bf" + identity.id.hex()[:20], rng, counters, now_ms, will,
                         settings.broker_user, settings.broker_password)
    link = broker.Link(client, settings.broker, poller, _make_tls(home, settings))
    _look_up("broker", lambda: link.resolve(now_ms))
    return link


def _make_tls(home, settings):
    if not settings.broker_ca:
        return None
    from . import tls_socket

    path = settings.broker_ca if settings.broker_ca[0] == "/" else home + "/" + settings.broker_ca
    try:
        pem = disk.read_file(path, _CA_BYTES)
        return tls_socket.make(pem, config.check_address(settings.broker)[0])
    except OSError:
        raise LocalError("cannot read " + path + ", the file that broker_ca names")
    except LocalError as problem:
        raise LocalError("broker_ca = %s: %s" % (settings.broker_ca, problem))


def _look_up(what, resolve):
    """resolve(), or None with a warning: a box without its resolver still gossips."""
    try:
        return resolve()
    except LocalError as problem:
        _say("warning: %s: %s; it is asked for again later" % (what, problem))
        return None


def _say(line):
    sys.stderr.write(line + "\n")


def make_loop(home):
    """All parts of the agent whose home directory is given; None if it is stopped before it began.  LocalError."""
    if not disk.is_directory(home):
        raise LocalError("no directory " + home)
    from . import files  # forgotten with this

    settings = files.load_config(home)
    identity, anchors = files.load_identity(home)
    box_disk = files.open_disk(home, settings)
    clock = Clock()
    poller = select.poll()
    counters = Counters()
    rng = Rng(system.entropy(32))
    stop = Stop(home + "/stop", poller, started.launched())
    beat = started.Beat(files.store_directory(home, settings) + "/beat")
    found = Wait(settings, rng, clock, poller, stop, beat, _say).open(counters)
    if found is None:
        return None
    socket, address = found
    store = Store(box_disk, settings.store_kb * 1024, counters)
    controller = None
    if settings.controller:
        controller = _look_up("controller", lambda: udp.resolve(settings.controller))
    node = Node(settings, identity, anchors, store, rng, clock.now(), clock.wall(), address, controller,
                running=started.running())
    node.attributes.update(system.attributes(settings))
    link = make_link(home, settings, anchors, identity, Rng(system.entropy(32)), counters, poller, clock.now())
    return Loop(settings, node, clock, poller, socket, link, stop, home, beat)


def prepare(argv):
    """The Loop of the agent that the arguments ask for, ready to run; its exit code if it is none."""
    try:
        home = arguments(argv)
        if home is None:
            return 0
        return make_loop(home) or 0
    except Usage as problem:
        sys.stderr.write("Error: %s\n%s\n" % (problem, USAGE))
        return 2
    except LocalError as problem:
        sys.stderr.write("Error: %s\n" % problem)
        return 1
    except KeyboardInterrupt:
        return 0  # before the loop: nothing has begun
