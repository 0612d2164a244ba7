# SPDX-License-Identifier: BSD-3-Clause
"""Clients of RFC 3489: messages without magic cookie, and Debian's `stun` client of that time."""

import ipaddress
import os
import re
import struct

import harness as h
import test_discovery as discovery

CLASSIC = {"compatibility": {"stun": "rfc3489"}}
MAPPED_ADDRESS, RESPONSE_ADDRESS, CHANGE_REQUEST = 1, 2, 3
SOURCE_ADDRESS, CHANGED_ADDRESS, ERROR_CODE, UNKNOWN_ATTRIBUTES = 4, 5, 9, 10


def encode(*attributes, kind=1):
    body = b"".join(struct.pack("!HH", k, len(v)) + v for k, v in attributes)
    identity = b"\1" + os.urandom(15)
    return struct.pack("!HH", kind, len(body)) + identity + body, identity


def ask(sock, server, *attributes, kind=1, timeout=1.0):
    """(type, attributes, source) of the answer, or None; at most 1.5 times its request."""
    data, identity = encode(*attributes, kind=kind)
    sock.sendto(data, server)
    got = h.receive(sock, timeout)
    if got is None:
        return None
    answer, source = got
    kind, length = struct.unpack("!HH", answer[:4])
    assert length == len(answer) - 20 and answer[4:20] == identity
    assert 2 * (len(answer) + 28) <= 3 * (len(data) + 28)
    found, at = {}, 20
    while at < len(answer):
        k, n = struct.unpack("!HH", answer[at:at + 4])
        found[k] = answer[at + 4:at + 4 + n]
        at += 4 + n
    return kind, found, source


def address(value):
    assert value[:2] == b"\0\1"
    return str(ipaddress.ip_address(value[4:8])), struct.unpack("!H", value[2:4])[0]


def change(flags):
    return CHANGE_REQUEST, struct.pack("!I", flags)


def test_binding_without_cookie():
    server = (h.RELAY4, 3478)
    with h.relay() as relay:  # off by default
        sock = h.udp("client", h.CLIENT4)
        assert ask(sock, server, timeout=0.5) is None
        assert relay.drops("bad_stun") == 1
    with h.relay(**CLASSIC) as relay:
        here = sock.getsockname()
        for attributes in ((), (change(0),)):
            kind, found, source = ask(sock, server, *attributes)
            assert kind == 0x0101 and source == server
            assert {k: address(v) for k, v in found.items()} == {MAPPED_ADDRESS: here}
        # Nobody else is answered, no other source is used, nothing but Binding is served.
        other = h.udp("client", h.CLIENT4)
        victim = b"\0\1" + struct.pack("!H", other.getsockname()[1]) + \
            ipaddress.ip_address(h.CLIENT4).packed
        for attribute in ((RESPONSE_ADDRESS, victim), change(4), (6, b"user"), (8, bytes(20))):
            kind, found, source = ask(sock, server, attribute)
            assert kind == 0x0111 and source == server and found[ERROR_CODE][:4] == b"\0\0\4\x14"
            assert found[UNKNOWN_ATTRIBUTES][:2] == struct.pack("!H", attribute[0])
        assert h.receive(other, 0.3) is None
        before = relay.drops("bad_stun")
        for kind in (2, 3, 4, 8, 9, 0x16, 0x11, 0x101):
            assert ask(sock, server, kind=kind, timeout=0.2) is None
        assert relay.drops("bad_stun") - before + relay.drops("stun_unexpected") == 8
        # Modern clients beside it, with the same socket.
        assert h.turn.Client(sock, server).binding() == here


def test_discovery_in_its_old_names():
    with discovery.relay(**CLASSIC):
        sock = h.udp("client", h.CLIENT4)
        hosts, ports = (h.RELAY4, discovery.ALTERNATE4), discovery.PORTS
        for flags in (0, 2, 4, 6):
            kind, found, source = ask(sock, (hosts[0], ports[0]), change(flags))
            expected = hosts[flags >> 2 & 1], ports[flags >> 1 & 1]
            assert kind == 0x0101 and source == expected
            assert address(found[SOURCE_ADDRESS]) == expected
            assert address(found[CHANGED_ADDRESS]) == (hosts[1], ports[1])
            assert address(found[MAPPED_ADDRESS]) == sock.getsockname()


def test_debians_stun_client():
    """The classic client finds that the lab has no NAT, with all its tests answered."""
    with discovery.relay(**CLASSIC):
        done = h.run_in("client", "stun", h.RELAY4, "-v", "-i", h.CLIENT4, check=False, timeout=60)
        text = done.stdout + done.stderr
        assert re.search(r"Primary: Open", text), text[-3000:]
