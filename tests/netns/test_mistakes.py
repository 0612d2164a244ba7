# SPDX-License-Identifier: BSD-3-Clause
"""Mistakes that other relays made, over real sockets; README.md has the whole list."""

import os
import struct

import harness as h
import turn
from test_rfc import UDP, additional, bind_code, permit_code

DENIED = ("0.0.0.0", "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "100.64.0.1",
          "169.254.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255", "::", "::1",
          "::ffff:10.0.0.1", "::10.0.0.1", "2002:a00:1::1", "2001:0:a00:1::1", "64:ff9b::10.0.0.1",
          "64:ff9b:1::1", "fc00::1", "fe80::1", "ff02::1")


def test_denied_peers_get_nothing_by_any_method():
    """403 or silence, and not one packet out."""
    with h.relay() as relay:
        client = h.client()
        client.request(turn.ALLOCATE, [UDP, additional(2)])
        out = relay.counter("send_up"), relay.counter("channel_up"), relay.counter("tx")
        for n, host in enumerate(DENIED):
            assert permit_code(client, host) == 403, f"CreatePermission {host}"
            assert bind_code(client, 0x4000 + n, (host, 9)) == 403, f"ChannelBind {host}"
        for n, host in enumerate(DENIED):
            client.send_indication((host, 9), b"x")
            client.send_channel(0x4000 + n, b"x")
        h.wait_until(lambda: relay.drops("no_permission") + relay.drops("bad_send")
                     + relay.drops("peer_denied") >= len(DENIED), 5, "Send is dropped")
        assert out == (relay.counter("send_up"), relay.counter("channel_up"), relay.counter("tx"))
        assert client.receive(0.3) is None


def test_lengths_that_wrap_are_refused():
    """Attributes and messages whose length, with header or padding, passes 16 bits."""
    with h.relay() as relay:
        client = h.client()
        client.allocate()
        before = relay.drops("bad_stun")
        sent = 0
        for length in (0xFFFC, 0xFFFD, 0xFFFF, 0xFFF0, 0x8000):
            for kind in (turn.LIFETIME, turn.DATA_ATTR, turn.FINGERPRINT, turn.USERNAME):
                body = struct.pack("!HH", kind, length) + bytes(8)
                for method, klass in ((turn.BINDING, 0), (turn.REFRESH, 0), (turn.SEND, 1)):
                    head = struct.pack("!HHI", turn.message_type(klass, method), len(body),
                                       turn.COOKIE) + os.urandom(12)
                    client.sock.send(head + body)
                    client.sock.send(head[:2] + struct.pack("!H", length) + head[4:] + body)
                    sent += 2
        h.wait_until(lambda: relay.drops("bad_stun") == before + sent, 5, "all are dropped")
        assert client.receive(0.3) is None and client.refresh() == 600


def test_a_loop_does_not_multiply():
    """Two allocations that are each other's peers, and one that is its own: a datagram stays one."""
    with h.relay() as relay:
        a, b = h.client(), h.client(user="v", password="q")
        a.allocate(), b.allocate()
        a.permit(h.RELAY4), b.permit(h.RELAY4)
        a.bind(0x4000, b.relayed), b.bind(0x4000, a.relayed)
        a.bind(0x4001, a.relayed)
        before = relay.counter("hairpin")
        a.send_channel(0x4000, b"once")
        assert b.receive() == ("channel", 0x4000, b"once") and b.receive(0.3) is None
        a.send_channel(0x4001, b"self")
        assert a.receive() == ("channel", 0x4001, b"self") and a.receive(0.3) is None
        assert relay.counter("hairpin") - before == 2
