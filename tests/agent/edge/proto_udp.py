"""Addresses: raw sockaddr of both byte orders, and real datagrams over loopback."""

import os
import select
import socket

from backfence.agent.counting import Counters
from backfence.agent.edge import udp
from backfence.agent.errors import LocalError
from backfence.agent.limits import DATAGRAM_BYTES

V4 = b"\xc0\x00\x02\x07\x1b\x58"
V6 = b"\x20\x01\x0d\xb8" + b"\0" * 11 + b"\x01\x1b\x58"


def refused(call, *args):
    try:
        call(*args)
    except LocalError as problem:
        return str(problem)
    return None


def test_raw_ipv4_in_both_byte_orders():
    tail = b"\x1b\x58\xc0\x00\x02\x07" + b"\0" * 8
    assert udp.raw_sockaddr(V4, 2, "little") == b"\x02\x00" + tail
    assert udp.raw_sockaddr(V4, 2, "big") == b"\x00\x02" + tail
    for order in ("little", "big"):
        assert udp.packed_of_raw(udp.raw_sockaddr(V4, 2, order)) == V4


def test_raw_ipv6_in_both_byte_orders():
    tail = b"\x1b\x58" + b"\0" * 4 + V6[:16] + b"\0" * 4
    assert udp.raw_sockaddr(V6, 10, "little") == b"\x0a\x00" + tail
    assert udp.raw_sockaddr(V6, 10, "big") == b"\x00\x0a" + tail
    for order in ("little", "big"):
        assert udp.packed_of_raw(udp.raw_sockaddr(V6, 10, order)) == V6


def test_mapped_ipv4_is_ipv4_and_other_families_are_nothing():
    mapped = b"\0" * 10 + b"\xff\xff" + V4
    assert udp.packed_of_raw(udp.raw_sockaddr(mapped, 10, "little")) == V4
    assert udp.packed_of_raw(b"\x01\x00/tmp/socket") is None


def test_this_machines_resolver_agrees():
    for text, packed in (("192.0.2.7:7000", V4), ("[2001:db8::1]:7000", V6)):
        assert udp.resolve(text) == packed
        assert udp.text_of(packed) == text
        host = text.rpartition(":")[0].strip("[]")
        native = socket.getaddrinfo(host, 7000)[0][-1]
        if udp.MICROPYTHON:
            assert udp.sockaddr(packed) == bytes(native)
        else:
            assert udp.sockaddr(packed) == native[:2]


def test_names_are_resolved_and_failures_said():
    assert udp.resolve("localhost:7000")[-2:] == b"\x1b\x58"
    assert "cannot resolve" in refused(udp.resolve, "no-such-host.invalid:7000")
    assert refused(udp.resolve, "192.0.2.7")


def bound(host, poller, counters):
    """A socket on a free port of host (text), and its packed address."""
    for _ in range(50):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        address = udp.resolve(host + ":" + str(port))
        try:
            return udp.Socket(address, poller, counters), address
        except LocalError:
            pass
    assert False, "no free port"


def exchange(first_host, second_host):
    """A datagram each way, one that fills the cap and one over it."""
    counters = Counters()
    poller = select.poll()
    a, first = bound(first_host, poller, counters)
    b, second = bound(second_host, poller, counters)
    assert a.receive() is None
    a.send(b"hello", second)
    assert [(fd, ev & 1) for fd, ev in poller.poll(1000)] == [(b.fileno, 1)]
    data, source = b.receive()
    assert data == b"hello"
    b.send(b"x" * DATAGRAM_BYTES, source)
    poller.poll(1000)
    assert a.receive() == (b"x" * DATAGRAM_BYTES, second)
    b.send(b"x" * (DATAGRAM_BYTES + 500), source)
    poller.poll(1000)
    assert len(a.receive()[0]) == DATAGRAM_BYTES + 1
    a.close()
    b.close()
    return first, source


def test_datagrams_over_ipv4():
    first, source = exchange("127.0.0.1", "127.0.0.1")
    assert first == source


def test_datagrams_over_ipv6():
    first, source = exchange("[::1]", "[::1]")
    assert first == source


def test_an_ipv6_wildcard_speaks_ipv4():
    first, source = exchange("[::]", "127.0.0.1")
    assert source == b"\x7f\x00\x00\x01" + first[-2:]


def test_what_cannot_be_sent_is_counted():
    counters = Counters()
    one, address = bound("127.0.0.1", select.poll(), counters)
    one.send(b"x", udp.resolve("[::1]:17318"))
    assert counters["udp_no_route"] == 1
    one.send(b"x" * 70000, address)
    assert counters["udp_send_errors"] == 1
    one.close()


def test_an_address_in_use_is_said():
    one, address = bound("127.0.0.1", select.poll(), Counters())
    said = refused(udp.Socket, address, select.poll(), Counters())
    assert said == "cannot listen on " + udp.text_of(address) + ": it is in use"
    one.close()


def test_an_address_that_is_not_this_box_s_may_be_so_later():
    for listen in (V4, V6):
        try:
            udp.Socket(listen, select.poll(), Counters())
            assert False
        except udp.NotYet as problem:
            assert str(problem) == udp.text_of(listen) + " is not an address of this box"
    assert "cannot resolve" in str(refused(udp.resolve, "no-such-host.invalid:7000"))


def test_a_port_that_is_taken_is_refused():
    for _ in range(50):
        port = 20000 + int.from_bytes(os.urandom(2), "big") % 12000
        listen = udp.resolve("127.0.0.1:%d" % port)
        try:
            first = udp.Socket(listen, select.poll(), Counters())
            break
        except LocalError:
            pass
    try:
        udp.Socket(listen, select.poll(), Counters())
        assert False
    except udp.NotYet:
        assert False, "nothing to wait for"
    except LocalError as problem:
        assert str(problem).endswith("it is in use")
    first.close()
