# SPDX-License-Identifier: BSD-3-Clause
"""Allocations that move with their clients (RFC 8016), over real sockets."""

import os
import signal
import struct

import harness as h
import turn

TICKET = 0x8030
CHANNEL = 0x4001


def code(function, *arguments, **kw):
    try:
        function(*arguments, **kw)
        return 0
    except turn.TurnError as e:
        return e.code


def allocate(**kw):
    """A mobile client with its ticket."""
    c = h.client(**kw)
    wanted = [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))), (TICKET, b"")]
    answer = c.request(turn.ALLOCATE, wanted)
    c.relayed, c.ticket = answer.address(turn.XOR_RELAYED_ADDRESS), answer.get(TICKET)
    assert c.ticket, "no ticket"
    return c


def resume(client, ticket, lifetime=None, transaction=None):
    attributes = [(TICKET, ticket)]
    if lifetime is not None:
        attributes.append((turn.LIFETIME, struct.pack("!I", lifetime)))
    answer = client.request(turn.REFRESH, attributes, transaction=transaction)
    client.ticket = answer.get(TICKET)
    return answer


def listed(relay):
    return relay.ctl("allocation", "list")["allocations"]


def talk(client, peer, channel=True, text=b"up"):
    """One datagram to the peer; where it came from."""
    if channel:
        client.send_channel(CHANNEL, text)
    else:
        client.send_indication(peer.getsockname()[:2], text)
    got = h.receive(peer)
    assert got and got[0] == text, got
    return got[1]


def called(client, peer, relayed, text=b"down"):
    """Whether a datagram of the peer reaches this client, and as what."""
    peer.sendto(text, relayed)
    got = client.receive(0.5)
    assert got is None or got[2] == text, got
    return got and got[0]


def moving(by_channel, new_host, relay):
    peer = h.udp("peer", h.PEER4)
    where = peer.getsockname()[:2]
    old = allocate()
    old.bind(CHANNEL, where)
    source = talk(old, peer)
    assert called(old, peer, old.relayed) == "channel"

    new = h.client(new_host)
    ticket = old.ticket
    answer = resume(new, ticket)
    assert new.ticket and new.ticket != ticket and len(new.ticket) == len(ticket)
    assert len(answer.bytes) < 548
    entry, = listed(relay)
    assert entry["mobile"] and entry["moving_to"] and entry["client"], entry

    # The old one is heard and served until data comes from the new one, and so long a Refresh and a
    # channel of either works.
    assert called(old, peer, old.relayed) == "channel"
    assert called(new, peer, old.relayed) is None
    assert old.receive(0.3) is not None  # what went to the old one
    assert talk(old, peer) == source
    assert old.refresh() == 600 and new.refresh() == 600
    other = h.udp("peer", h.PEER4)
    new.bind(CHANNEL + 1, other.getsockname()[:2])
    old.send_channel(CHANNEL + 1, b"bound by the other")
    assert h.receive(other)[0] == b"bound by the other"

    assert talk(new, peer, by_channel, b"arrived") == source
    # From this datagram on, whether control knows it or not.
    assert called(new, peer, old.relayed) == "channel"
    h.wait_until(lambda: listed(relay)[0]["moving_to"] is None, 5, "the move completed")
    assert called(new, peer, old.relayed) == "channel"
    assert called(old, peer, old.relayed) is None
    assert new.receive(0.3) is not None
    assert talk(new, peer) == source
    new.send_channel(CHANNEL + 1, b"still bound")
    assert h.receive(other)[0] == b"still bound"
    old.send_channel(CHANNEL, b"nobody's")
    assert h.receive(peer, 0.3) is None
    assert code(old.refresh) == 437
    assert len(listed(relay)) == 1
    assert new.refresh(0) == 0
    for s in (old, new, peer, other):
        s.close()


def test_resume_from_a_new_port():
    with h.relay(mobility=True) as relay:
        moving(True, h.CLIENT4, relay)
        moving(False, h.CLIENT4, relay)


def test_resume_from_another_family():
    with h.relay(mobility=True) as relay:
        moving(True, h.CLIENT6, relay)
        moving(False, h.CLIENT6, relay)


def test_refusals():
    with h.relay(mobility=True) as relay:
        old = allocate()
        assert code(resume, old, old.ticket) == 400  # the same five-tuple
        stranger = h.client(user="v", password="q")
        assert code(resume, stranger, old.ticket) == 441
        assert code(resume, h.client(user="u", password="wrong"), old.ticket) == 401
        new = h.client()
        forged = bytearray(old.ticket)
        forged[20] = ord("A") if forged[20] != ord("A") else ord("B")
        assert code(resume, new, bytes(forged)) == 400
        assert code(resume, new, b"") == 400 and code(resume, new, os.urandom(300)) == 400
        busy = allocate()
        assert code(resume, busy, old.ticket) == 437
        # Once more the same request is answered with the same bytes; another one is refused.
        transaction = os.urandom(12)
        first = resume(new, old.ticket, transaction=transaction)
        again = resume(new, old.ticket, transaction=transaction)
        assert first.bytes == again.bytes
        assert code(resume, new, old.ticket) == 400
        assert code(resume, h.client(), old.ticket) == 400
        # Deleted by its ticket, from yet another place.
        last = h.client()
        ticket = new.ticket
        assert resume(last, ticket, 0).get(TICKET) is None
        assert code(resume, last, ticket) == 437
        assert code(new.refresh) == 437 and code(old.refresh) == 437
        assert [a["client"].split(":")[0] for a in listed(relay)] == [h.CLIENT4]


def test_forbidden():
    with h.relay():
        c = h.client()
        wanted = [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))]
        assert code(c.request, turn.ALLOCATE, wanted + [(TICKET, b"")]) == 405
        assert code(c.request, turn.ALLOCATE, wanted + [(TICKET, b"full")]) == 400
        c.allocate()
        assert code(resume, h.client(), b"x" * 80) == 405


def test_control_is_killed_in_the_middle():
    with h.relay(mobility=True) as relay:
        peer = h.udp("peer", h.PEER4)
        old = allocate()
        old.bind(CHANNEL, peer.getsockname()[:2])
        new = h.client()
        transaction = os.urandom(12)
        first = old.ticket
        resume(new, first, transaction=transaction)
        relay.control.end(signal.SIGKILL)
        talk(new, peer)  # completed while nobody is there to be told
        assert called(new, peer, old.relayed) == "channel"
        relay.start_control()
        h.wait_until(lambda: listed(relay)[0]["moving_to"] is None, 10, "control learns it")
        assert listed(relay)[0]["client"].endswith(f":{new.sock.getsockname()[1]}")
        # A retransmission is known, though its answer is forgotten; nothing moves.
        answer = resume(new, first, transaction=transaction)
        assert called(new, peer, old.relayed) == "channel"
        assert code(old.refresh) == 437
        # The ticket outlives its maker.
        third = h.client(h.CLIENT6)
        resume(third, answer.get(TICKET))
        assert talk(third, peer)
        assert called(third, peer, old.relayed) == "channel"


def test_hairpin_survives_a_move():
    with h.relay(mobility=True):
        a, b = allocate(), allocate()
        a.permit(b.relayed[0])
        b.bind(CHANNEL, a.relayed)
        moved = h.client(h.CLIENT6)
        resume(moved, b.ticket)
        for client in (b, moved):
            client.send_channel(CHANNEL, b"to a")
            kind, source, data = a.receive()
            assert (kind, source, data) == ("data", b.relayed, b"to a")
        a.send_indication(b.relayed, b"to b")
        kind, _, data = moved.receive()
        assert (kind, data) == ("channel", b"to b")
        # And the other side moves, too.
        again = h.client()
        resume(again, a.ticket)
        again.send_indication(b.relayed, b"from elsewhere")
        assert moved.receive()[2] == b"from elsewhere"
        moved.send_channel(CHANNEL, b"to elsewhere")
        assert again.receive()[2] == b"to elsewhere"


def test_many_moves_leave_nothing():
    with h.relay(mobility=True) as relay:
        peer = h.udp("peer", h.PEER4)
        before = relay.ctl("status")["dataplane"]
        c = allocate()
        relayed = c.relayed
        c.bind(CHANNEL, peer.getsockname()[:2])
        for n in range(100):
            new = h.client(h.CLIENT6 if n % 2 else h.CLIENT4)
            resume(new, c.ticket)
            if n % 3:
                talk(new, peer)
                h.wait_until(lambda: listed(relay)[0]["moving_to"] is None, 5, "moved")
                c.close()
            c = new
        assert called(c, peer, relayed) in ("channel", None)
        c.refresh(0)
        h.wait_until(lambda: not listed(relay), 5, "gone")
        del before


def hurry(relay, moves, between=lambda n: None):
    """Moves as fast as they can be made: each begins when the one before was ended by a datagram a
    moment ago, whether control knows that or not. None is refused, no answer of the peer is lost,
    and requests of the client that is served work."""
    peer = h.udp("peer", h.PEER4)
    where = peer.getsockname()[:2]
    now = allocate()
    relayed = now.relayed
    now.bind(CHANNEL, where)
    before = None
    for n in range(moves):
        text = b"%d" % n
        if n % 2:
            now.send_channel(CHANNEL, text)
        else:
            now.send_indication(where, text)
        new = h.client(h.CLIENT6 if n % 3 == 0 else h.CLIENT4)
        resume(new, now.ticket)
        got = h.receive(peer)
        assert got and got[0] == text, (n, got)
        assert called(now, peer, relayed, b"answer %d" % n) == "channel", n
        if n % 5 == 0:
            now.permit("198.18.2.%d" % (10 + n % 200))
            new.bind(CHANNEL + 1 + n % 50, ("198.18.2.250", 4000 + n % 50))
        if before:
            before.close()
        between(n)
        before, now = now, new
    assert talk(now, peer)
    assert called(now, peer, relayed) == "channel"
    if before:  # control is told of the end a moment after the peer
        h.wait_until(lambda: code(before.refresh) == 437, 5, "the five-tuple before is forgotten")
    entry, = listed(relay)
    assert entry["moves"] == moves and entry["moving_to"] is None, entry
    now.refresh(0)
    assert not listed(relay)
    h.wait_until(lambda: relay.ctl("status")["dataplane"]["flows"] == 0, 5, "no flow is left")


def test_a_client_in_a_hurry_is_never_refused():
    with h.relay(mobility=True) as relay:
        hurry(relay, 400)


def test_moves_under_fire():
    """Control dies in the middle of moves; nothing that it acknowledged is forgotten."""
    def kill(n):
        if n % 6 == 3:
            relay.control.end(signal.SIGKILL)
            relay.start_control()

    with h.relay(mobility=True) as relay:
        hurry(relay, 60, kill)


def test_the_dataplane_is_killed_while_clients_move():
    """A new dataplane is told of moves under way: both five-tuples are known, data ends the move."""
    with h.relay(mobility=True) as relay:
        peer = h.udp("peer", h.PEER4)
        now = allocate()
        relayed = now.relayed
        now.bind(CHANNEL, peer.getsockname()[:2])
        for n in range(6):
            new = h.client(h.CLIENT6 if n % 2 else h.CLIENT4)
            resume(new, now.ticket)
            if n % 3 == 2:  # a move that replaces one under way
                resume(last := h.client(), new.ticket)
                new.close()
                new = last
            relay.dataplane.end(signal.SIGKILL)
            relay.start_dataplane()

            def answered(client, text):
                client.send_channel(CHANNEL, text)
                got = h.receive(peer, 0.1)
                return got and got[0] == text
            h.wait_until(lambda: answered(now, b"from the old one"), 10, "the replay")
            assert called(now, peer, relayed, b"to the old one") == "channel"
            new.send_channel(CHANNEL, b"from the new one")
            while h.receive(peer)[0] != b"from the new one":
                pass
            assert called(new, peer, relayed, b"to the new one") == "channel"
            h.wait_until(lambda: listed(relay)[0]["moving_to"] is None, 5, "the move completed")
            assert code(now.refresh) == 437 and new.refresh() == 600
            now.close()
            now = new
        assert len(listed(relay)) == 1
