"""A network of its own for real agents: no loopback, no address, no resolver, until a test brings them."""

import os
import signal
import subprocess

import brokers


class Namespace:
    """A network namespace, and a mount namespace in which /etc/hosts is the test's.

    prefix: the words that run a program inside; root: its file systems, seen from outside.
    """

    def __init__(self, folder):
        self._hosts = folder / "hosts"
        self._hosts.write_text("")
        resolver = folder / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        mounts = f"mount --bind '{self._hosts}' /etc/hosts && mount --bind '{resolver}' /etc/resolv.conf"
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", f"{mounts} && echo ready && exec sleep 1000"],
            stdout=subprocess.PIPE, text=True)
        assert self._holder.stdout.readline() == "ready\n"
        # Without a table of local addresses, which loopback's first makes, any address may be bound.
        self.prefix = ("nsenter", f"--target={self._holder.pid}", "--net", "--mount", f"--wdns={os.getcwd()}")
        self.root = f"/proc/{self._holder.pid}/root"
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", "lo", "down")

    def run(self, *words):
        """What a program inside says."""
        return subprocess.run([*self.prefix, *words], check=True, capture_output=True, text=True).stdout

    def listens(self, port):
        """True if a UDP socket is bound to the port, as the kernel says."""
        return any(f":{port:04X}" in line.split()[1] for line in self.run("cat", "/proc/net/udp").splitlines())

    def name(self, name, address):
        """From now on a name resolves."""
        self._hosts.write_text(self._hosts.read_text() + f"{address} {name}\n")

    def end(self):
        """Kill what runs inside, and so the namespaces."""
        inside = os.readlink(f"/proc/{self._holder.pid}/ns/net")
        for number in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{number}/ns/net") == inside:
                    os.kill(int(number), signal.SIGKILL)
            except (FileNotFoundError, PermissionError, ProcessLookupError):
                pass
        self._holder.wait()
        brokers.wait_for(lambda: self._holder.poll() is not None, "the namespace to end")
