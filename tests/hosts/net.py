"""Hosts and routers as network namespaces of this machine, joined by veth cables.

    net = Net()
    net.host("core"), net.host("west"), net.host("home1")
    net.cable("west", "core", (0, 1))          # 10.0.1.2 to 10.0.1.1, fd00:0:1::2 to ...::1
    net.cable("home1", "west", (1, 1), mtu=1280)
    net.route("home1", "default", "west")
    with net.inside("home1"): ...              # this thread's new sockets are home1's
    net.close()

A namespace is called bfh-PID-NAME after the process that made it.  What a killed run
left is removed at the start of the next: its namespaces and all that runs in them.
"""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
from pathlib import Path

PREFIX = "bfh-"
CLONE_NEWNET = 0x40000000
NAMESPACES = Path("/run/netns")
PROFILE = """\
net.ipv4.ip_forward=1
net.ipv6.conf.all.forwarding=1
net.ipv6.conf.all.keep_addr_on_down=1
net.ipv6.conf.default.keep_addr_on_down=1
net.ipv6.conf.default.accept_dad=0
"""


class NetError(Exception):
    """The network cannot be made; the text is one line."""


def ip(commands, namespace=None, check=True):
    """Runs commands of iproute2, a list of str, in a namespace.  NetError with its first words."""
    inside = ["-n", namespace] if namespace else []
    done = subprocess.run(["ip", *inside, "-batch", "-"], input="\n".join(commands), capture_output=True, text=True)
    if check and done.returncode:
        raise NetError("ip %s: %s" % (commands[0], " ".join(done.stderr.split())[:200]))


def sweep():
    """Removes the namespaces of processes that are no more, and ends what runs in them."""
    for path in NAMESPACES.glob(PREFIX + "*"):
        owner = path.name[len(PREFIX):].split("-")[0]
        if owner.isdigit() and not os.path.exists("/proc/" + owner):
            remove(path.name)


def remove(namespace):
    """Ends what runs in a namespace, and removes it."""
    found = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True).stdout.split()
    for pid in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(pid), signal.SIGKILL)
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


def address(number, last, family):
    """Text of the address `last` of the cable `number` (two ints)."""
    a, b = number
    return "10.%d.%d.%d" % (a, b, last) if family == 4 else "fd00:%x:%x::%x" % (a, b, last)


class Cable:
    """One veth pair.  low is host 2 of its networks, high host 1."""

    def __init__(self, low, high, number, families):
        self.low = low
        self.high = high
        self.number = number
        self.families = families


class Net:
    """All hosts of one run.  NetError, in one line, where the machine cannot make them."""

    def __init__(self):
        if os.geteuid() != 0:
            raise NetError("hosts are network namespaces, which only root makes: run this as root")
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._hosts = []
        self._cables = {}  # (name, name), both ways: Cable
        self._routes = {}  # name: [(destination, via)]
        sweep()

    def namespace(self, name):
        """What `ip netns` calls the host."""
        return "%s%d-%s" % (PREFIX, os.getpid(), name)

    def host(self, *names):
        """Makes hosts; each forwards, so each may be a router."""
        for name in names:
            ip(["netns add " + self.namespace(name)])
            self._hosts.append(name)
            ip(["link set lo up"], self.namespace(name))
            with self.inside(name):
                for line in PROFILE.split():
                    key, _, value = line.partition("=")
                    Path("/proc/sys/" + key.replace(".", "/")).write_text(value)

    def cable(self, low, high, number, mtu=1500, families=(4, 6)):
        """Joins two hosts; each calls the interface by the other's name."""
        ip(["link add %s netns %s type veth peer name %s netns %s"
            % (high, self.namespace(low), low, self.namespace(high))])
        self.adopt(low, high, number, mtu, families)

    def adopt(self, low, high, number, mtu=1500, families=(4, 6)):
        """Addresses for a cable that somebody else has made: the device `high` in low, `low` in high."""
        cable = self._cables[low, high] = self._cables[high, low] = Cable(low, high, number, families)
        for name, other, last in ((low, high, 2), (high, low, 1)):
            lines = ["link set %s mtu %d up" % (other, mtu)]
            for family in families:
                lines.append("address add %s dev %s" % (self._with_length(cable, last, family), other))
            ip(lines, self.namespace(name))

    @staticmethod
    def _with_length(cable, last, family):
        return address(cable.number, last, family) + ("/24" if family == 4 else "/64")

    def address(self, name, other, family=4):
        """Text of the address that `name` has on its cable to `other`."""
        cable = self._cables[name, other]
        return address(cable.number, 2 if name == cable.low else 1, family)

    def route(self, name, destination, via):
        """Lets `name` reach a destination through its neighbour `via`.

        destination: "default", or the first number of all cables there.
        """
        self._routes.setdefault(name, []).append((destination, via))
        self._apply(name, destination, via)

    def _apply(self, name, destination, via):
        cable = self._cables[name, via]
        for family in cable.families:
            prefix = destination
            if destination != "default":
                prefix = "10.%d.0.0/16" % destination if family == 4 else "fd00:%x::/32" % destination
            ip(["route replace %s via %s" % (prefix, self.address(via, name, family))], self.namespace(name))

    def down(self, name, other):
        """Pulls a cable out of `name`: the other end loses its carrier."""
        ip(["link set %s down" % other], self.namespace(name))

    def up(self, name, other):
        """Puts it back, with the routes that went through it."""
        ip(["link set %s up" % other], self.namespace(name))
        for destination, via in self._routes.get(name, []):
            if via == other:
                self._apply(name, destination, via)

    def readdress(self, name, other, number):
        """The router gives `name` another network, as DHCP does: old addresses go, new ones come."""
        old = self._cables[name, other]
        new = Cable(old.low, old.high, number, old.families)
        self._cables[name, other] = self._cables[other, name] = new
        for end, far, last in ((old.high, old.low, 1), (old.low, old.high, 2)):
            for family in old.families:
                ip(["address add %s dev %s" % (self._with_length(new, last, family), far),
                    "address delete %s dev %s" % (self._with_length(old, last, family), far)], self.namespace(end))
        self.up(name, other)

    @contextlib.contextmanager
    def inside(self, name):
        """This thread is in the host: its sockets, and those of threads that it starts, are the host's."""
        with open("/proc/thread-self/ns/net") as before, open(NAMESPACES / self.namespace(name)) as there:
            self._enter(there)
            try:
                yield
            finally:
                self._enter(before)

    def _enter(self, file):
        if self._libc.setns(file.fileno(), CLONE_NEWNET):
            raise NetError("cannot enter a namespace: " + os.strerror(ctypes.get_errno()))

    def prefix(self, name):
        """The words before a command that runs in the host."""
        return ["ip", "netns", "exec", self.namespace(name)]

    def run(self, name, *words, text=None):
        """Runs a command in a host; its output.  NetError if it fails."""
        done = subprocess.run(self.prefix(name) + list(words), input=text, capture_output=True, text=True)
        if done.returncode:
            raise NetError("%s: %s" % (" ".join(words), " ".join(done.stderr.split())[:200]))
        return done.stdout

    def nft(self, name, rules):
        """Adds rules of nftables to a host's."""
        self.run(name, "nft", "-f", "-", text=rules)

    def counted(self, name):
        """{name: packets} of the host's named counters of nftables."""
        rows = json.loads(self.run(name, "nft", "-j", "list", "counters"))["nftables"]
        return {row["counter"]["name"]: row["counter"]["packets"] for row in rows if "counter" in row}

    def kernel(self, name):
        """{counter: int} of the host's kernel: of IPv4 as "Ip.FragCreates", of IPv6 as "Ip6FragCreates"."""
        with self.inside(name):
            lines = Path("/proc/thread-self/net/snmp").read_text().splitlines()
            six = Path("/proc/thread-self/net/snmp6").read_text().split()
        found = {key: int(value) for key, value in zip(six[::2], six[1::2])}
        for names, values in zip(lines[::2], lines[1::2]):
            layer = names.split(":")[0]
            for key, value in zip(names.split()[1:], values.split()[1:]):
                found[layer + "." + key] = int(value)
        return found

    @property
    def hosts(self):
        """Names of all hosts."""
        return list(self._hosts)

    def close(self):
        """Ends all that runs in the hosts, and removes them."""
        for name in self._hosts:
            remove(self.namespace(name))
        self._hosts = []
