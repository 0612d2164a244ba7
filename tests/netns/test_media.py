# SPDX-License-Identifier: BSD-3-Clause
"""Payloads through the relay, both ways, by channel and by indication, in every pair of families."""

import os
import socket
import struct
import time

import harness as h
import turn

# (client address, relay family asked for or None, peer address)
PAIRS = {
    "v4-v4": (h.CLIENT4, None, h.PEER4),
    "v6-v6": (h.CLIENT6, 6, h.PEER6),
    "v4-v6": (h.CLIENT4, 6, h.PEER6),
    "v6-v4": (h.CLIENT6, 4, h.PEER4),
}
LENGTHS = [0, 1, 2, 3, 4, 5, 20, 63, 64, 171, 172, 173, 500, 1199, 1200, 1201, 1399, 1400]


def session(pair):
    host, family, peer_host = PAIRS[pair]
    client = h.client(host)
    relayed = client.allocate(family=family)
    assert (":" in relayed[0]) == (":" in peer_host)
    peer = h.udp("peer", peer_host)
    return client, relayed, peer, (peer_host, peer.getsockname()[1])


def csum_errors():
    return sum(v for role in ("client", "peer") for k, v in h.kernel_udp(role).items()
               if k == "InCsumErrors")


def longest(pair, overhead):
    """What fits an MTU of 1500 on both sides."""
    ip = 40 if "v6" in pair else 20
    return 1500 - ip - 8 - overhead


def check_channel(pair):
    client, relayed, peer, peer_address = session(pair)
    client.bind(0x4001, peer_address)
    for n in LENGTHS:
        if n > longest(pair, 4):
            continue
        up, down = os.urandom(n), os.urandom(n)
        client.send_channel(0x4001, up, padding=-n % 4 if n % 2 else 0)
        got = h.receive(peer)
        assert got == (up, relayed), f"uplink of {n} bytes: {got and len(got[0])} from {got and got[1]}"
        peer.sendto(down, relayed)
        got = client.receive()
        assert got == ("channel", 0x4001, down), f"downlink of {n} bytes: {got}"
    client.refresh(0)
    client.close()


def check_indications(pair):
    client, relayed, peer, peer_address = session(pair)
    client.permit(peer_address[0])
    for n in LENGTHS:
        # 20 header, 8 or 20 + 4 address, 4 attribute header, padding
        if n > longest(pair, 20 + 24 + 4 + 3):
            continue
        up, down = os.urandom(n), os.urandom(n)
        client.send_indication(peer_address, up)
        got = h.receive(peer)
        assert got == (up, relayed), f"Send of {n} bytes: {got and len(got[0])}"
        peer.sendto(down, relayed)
        got = client.receive()
        assert got == ("data", peer_address, down), f"Data of {n} bytes: {got}"
    client.refresh(0)
    client.close()


def test_payloads_unchanged():
    before = csum_errors()
    with h.relay() as relay:
        for pair in PAIRS:
            check_channel(pair)
            check_indications(pair)
        for name in ("channel_up", "channel_down", "send_up", "data_down"):
            assert relay.counter(name) > 0, name
    assert csum_errors() == before, "a host saw a wrong UDP checksum"


def test_zero_checksum_from_peer():
    """IPv4 UDP without a checksum stays valid, also when it becomes IPv6."""
    with h.relay():
        for host in (h.CLIENT4, h.CLIENT6):
            client = h.client(host)
            relayed = client.allocate(family=4)
            peer = h.udp("peer", h.PEER4)
            peer.setsockopt(socket.SOL_SOCKET, 11, 1)  # SO_NO_CHECK
            client.bind(0x4001, (h.PEER4, peer.getsockname()[1]))
            peer.sendto(b"no checksum", relayed)
            assert client.receive() == ("channel", 0x4001, b"no checksum")


def test_nothing_without_permission():
    with h.relay() as relay:
        client = h.client()
        relayed = client.allocate()
        stranger = h.udp("peer", h.PEER4)
        target = (h.PEER4, stranger.getsockname()[1])
        stranger.sendto(b"in", relayed)
        client.send_indication(target, b"out")
        client.send_channel(0x4001, b"out")
        assert client.receive(0.5) is None and h.receive(stranger, 0.5) is None
        assert relay.drops("no_permission") == 2 and relay.drops("no_channel") == 1

        # A permission is for an address, whatever its port; another client's helps nobody.
        client.permit(h.PEER4)
        stranger.sendto(b"in", relayed)
        assert client.receive() == ("data", target, b"in")
        other = h.client()
        other.allocate()
        other.send_indication(target, b"out")
        assert h.receive(stranger, 0.5) is None

        # No allocation at all.
        nobody = h.client()
        nobody.send_indication(target, b"out")
        nobody.send_channel(0x4001, b"out")
        assert h.receive(stranger, 0.5) is None
        assert relay.drops("no_allocation") == 1


def send_until_silence(send, receive, limit):
    """Sends every 20 ms; returns the monotonic time of the last arrival."""
    last, end = None, time.monotonic() + limit
    while time.monotonic() < end:
        send()
        if receive(0.02) is not None:
            last = time.monotonic()
    return last


def test_expired_permission_stops_data():
    short = {"permission_s": 2, "channel_s": 4}
    with h.relay(lifetimes=short):
        client = h.client()
        relayed = client.allocate()
        peer = h.udp("peer", h.PEER4)
        target = (h.PEER4, peer.getsockname()[1])

        begin = time.monotonic()
        client.permit(h.PEER4)
        last = send_until_silence(lambda: client.send_indication(target, b"x"),
                                  lambda t: h.receive(peer, t), 4)
        assert 1.5 < last - begin < 3, f"permission of 2 s passed data for {last - begin:.2f} s"

        begin = time.monotonic()
        client.bind(0x4001, target)  # also installs the permission
        last = send_until_silence(lambda: peer.sendto(b"y", relayed), client.receive, 4)
        assert 1.5 < last - begin < 3, f"channel outlived its permission: {last - begin:.2f} s"

        # Refreshed permissions carry the channel, and only as long as it was bound.
        begin = time.monotonic()
        client.bind(0x4001, target)
        for _ in range(3):
            client.permit(h.PEER4)
            last = send_until_silence(lambda: client.send_channel(0x4001, b"z"),
                                      lambda t: h.receive(peer, t), 1.5)
        assert 3.5 < last - begin < 5, f"channel of 4 s passed data for {last - begin:.2f} s"


def test_expired_allocation_stops_data():
    with h.relay(lifetimes={"allocation_default_s": 2}) as relay:
        client = h.client()
        relayed = client.allocate()
        peer = h.udp("peer", h.PEER4)
        begin = time.monotonic()
        client.bind(0x4001, (h.PEER4, peer.getsockname()[1]))
        last = send_until_silence(lambda: peer.sendto(b"y", relayed), client.receive, 4)
        assert 1 < last - begin < 3, f"allocation of 2 s passed data for {last - begin:.2f} s"
        assert relay.ctl("allocation", "list")["allocations"] == []
        try:
            client.refresh()
            raise AssertionError("an expired allocation was refreshed")
        except turn.TurnError as e:
            assert e.code == 437


def test_refresh_zero_is_effective_before_its_answer():
    with h.relay():
        for _ in range(20):
            client = h.client()
            relayed = client.allocate()
            peer = h.udp("peer", h.PEER4)
            client.bind(0x4001, (h.PEER4, peer.getsockname()[1]))
            assert client.refresh(0) == 0
            peer.sendto(b"late", relayed)
            client.send_channel(0x4001, b"late")
            assert client.receive(0.1) is None and h.receive(peer, 0.05) is None
            client.close()


def hairpin_pair(family):
    a, b = h.client(), h.client()
    ra, rb = a.allocate(family=family), b.allocate(family=family)
    return a, ra, b, rb


def check_hairpin(a, ra, b, rb, seen_ra, seen_rb):
    """`ra`: how b's client addresses a; `seen_ra`: what b sees as the source."""
    a.permit(rb[0])
    b.permit(ra[0])
    a.send_indication(rb, b"a to b")
    assert b.receive() == ("data", seen_ra, b"a to b")
    b.send_indication(ra, b"b to a")
    assert a.receive() == ("data", seen_rb, b"b to a")
    a.bind(0x4001, rb)
    b.bind(0x4002, ra)
    for n in (0, 1, 172, 1200):
        up = os.urandom(n)
        a.send_channel(0x4001, up)
        assert b.receive() == ("channel", 0x4002, up)
        b.send_channel(0x4002, up)
        assert a.receive() == ("channel", 0x4001, up)


def test_hairpin():
    with h.relay() as relay:
        for family in (4, 6):
            a, ra, b, rb = hairpin_pair(family)
            check_hairpin(a, ra, b, rb, ra, rb)
            free = (rb[0], rb[1] ^ 1)  # nobody's relayed address (unless by rare chance)
            a.send_indication(free, b"nobody")
            assert b.receive(0.2) is None
        assert relay.counter("hairpin") >= 20


def test_hairpin_public_and_private_form():
    """Behind 1:1 NAT a client may be told the public form, and use either as a peer."""
    public = "198.18.100.7"
    relay_addresses = {"addresses": [{"address": h.RELAY4, "public": public}],
                       "port_range": [49152, 65535]}
    with h.relay(relay=relay_addresses):
        a, ra, b, rb = hairpin_pair(4)
        assert ra[0] == public and rb[0] == public
        check_hairpin(a, ra, b, rb, ra, rb)
        a, ra, b, rb = hairpin_pair(4)
        private = [(h.RELAY4, r[1]) for r in (ra, rb)]
        check_hairpin(a, private[0], b, private[1], ra, rb)


def test_listener_is_no_peer():
    """The appliance's own listener is never reached through a relayed address."""
    with h.relay() as relay:
        client = h.client()
        client.allocate()
        try:
            client.bind(0x4001, (h.RELAY4, 3478))
            raise AssertionError("a channel to a listener was bound")
        except turn.TurnError as e:
            assert e.code == 403
        client.permit(h.RELAY4)  # relay address: allowed, for hairpin
        request = turn.Message(turn.REQUEST, turn.BINDING).encode()
        client.send_indication((h.RELAY4, 3478), request)
        assert client.receive(0.5) is None
        assert relay.drops("peer_denied") == 1


def test_dscp_and_hop_limit():
    with h.relay():
        client = h.client()
        client.allocate()
        peer = h.udp("peer", h.PEER4)
        peer.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
        peer.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
        client.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xB8)
        client.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 33)
        client.bind(0x4001, (h.PEER4, peer.getsockname()[1]))
        client.send_channel(0x4001, b"marked")
        peer.settimeout(2)
        _, ancillary, _, _ = peer.recvmsg(100, 200)
        got = {kind: value[0] for _, kind, value in ancillary}
        assert got[1] == 0xB8, f"DSCP {got}"
        assert got[2] == 32, f"TTL {got}"


def test_without_hops_left_the_sender_learns_it():
    """RFC 8656 section 13: like a router. The kernel of client and peer takes the error for one
    about its own datagram, so what it quotes is right."""
    def error_of(sock):
        got = []

        def there():
            try:
                got.append(sock.recvmsg(512, 512, socket.MSG_ERRQUEUE | socket.MSG_DONTWAIT))
            except BlockingIOError:
                return False
            return True
        h.wait_until(there, 3, "an ICMP error")
        _, ancillary, _, _ = got[0]
        origin, kind, code = struct.unpack("BBB", ancillary[0][2][4:7])
        return origin, kind, code

    for client_host, asked, peer_host in PAIRS.values():
        with h.relay() as relay:
            client, peer = h.client(client_host), h.udp("peer", peer_host)
            relayed = client.allocate(asked)
            client.bind(0x4001, (peer_host, peer.getsockname()[1]))
            for sock, host in ((client.sock, client_host), (peer, peer_host)):
                if ":" in host:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, 1)
                    sock.setsockopt(socket.IPPROTO_IPV6, 25, 1)  # IPV6_RECVERR
                else:
                    sock.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 1)
                    sock.setsockopt(socket.IPPROTO_IP, 11, 1)  # IP_RECVERR
            client.send_channel(0x4001, b"far")
            peer.sendto(b"far", relayed)
            for sock, host in ((client.sock, client_host), (peer, peer_host)):
                assert error_of(sock) == ((3, 3, 0) if ":" in host else (2, 11, 0)), host
            assert relay.drops("ttl_exceeded") == 2


def test_dscp_by_configuration():
    """forwarding.dscp stands in the place of the sender's; ECN stays."""
    with h.relay(forwarding={"dscp": 34}):
        client = h.client()
        client.allocate()
        peer = h.udp("peer", h.PEER4)
        peer.setsockopt(socket.IPPROTO_IP, 13, 1)  # IP_RECVTOS
        client.sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, 0xBA)
        client.bind(0x4001, (h.PEER4, peer.getsockname()[1]))
        client.send_channel(0x4001, b"marked")
        peer.settimeout(2)
        _, ancillary, _, _ = peer.recvmsg(100, 200)
        assert ancillary[0][2][0] == 34 << 2 | 2, ancillary
