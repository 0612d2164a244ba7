# SPDX-License-Identifier: BSD-3-Clause
"""What the relay answers to those who have not shown who they are."""


import socket
import struct
import time

import frames
import harness as h
import turn

UDP = (turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))


def first_allocate(fingerprint=False, attributes=()):
    m = turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP, *attributes])
    return m.encode(fingerprint=fingerprint)


def answer(client, data):
    client.sock.send(data)
    got = client.receive_raw(2)
    assert got, "no answer"
    return turn.Message.decode(got)


def key_published(relay):
    """A worker answers by itself once it has the key that control has drawn."""
    client = h.client()

    def answered():
        before = relay.counter("challenge")
        answer(client, first_allocate())
        return relay.counter("challenge") > before

    h.wait_until(answered, 5, "the worker answers")


def test_the_worker_answers_as_control_does():
    with h.relay() as relay:
        key_published(relay)
        for host in (h.CLIENT4, h.CLIENT6):
            for fingerprint in (False, True):
                client = h.client(host)
                before = relay.stats()["counters"]
                here = answer(client, first_allocate(fingerprint))
                # A comprehension-required attribute nobody knows: control's to answer, also 401.
                there = answer(client, first_allocate(fingerprint, [(0x7001, b"")]))
                after = relay.stats()["counters"]
                assert after["challenge"] == before["challenge"] + 1
                assert after["punted"] == before["punted"] + 1
                assert [k for k, _ in here.attributes] == [k for k, _ in there.attributes]
                assert len(here.bytes) == len(there.bytes)
                for kind, value in here.attributes:
                    if kind not in (turn.NONCE, turn.FINGERPRINT):
                        assert there.get(kind) == value, hex(kind)
                assert len(here.get(turn.NONCE)) == len(there.get(turn.NONCE))
                assert (here.get(turn.FINGERPRINT) is not None) == fingerprint


def test_a_nonce_of_the_worker_is_good():
    with h.relay() as relay:
        key_published(relay)
        for host in (h.CLIENT4, h.CLIENT6):
            client = h.client(host)
            before = relay.stats()["counters"]
            client.allocate(family=4)
            after = relay.stats()["counters"]
            # One round trip to the worker, one to control: its nonce was taken at once.
            assert after["challenge"] == before["challenge"] + 1
            assert after["punted"] == before["punted"] + 1
            # And belongs to that client alone.
            other = h.client(host)
            other.realm, other.nonce, other.key = client.realm, client.nonce, client.key
            try:
                other.request(turn.ALLOCATE, [UDP], raw=True)
                raise AssertionError("somebody else's nonce accepted")
            except turn.TurnError as e:
                assert e.code == 438, e


def test_a_worker_answers_while_control_is_dead():
    with h.relay() as relay:
        key_published(relay)
        relay.control.end(9)
        client = h.client()
        got = answer(client, first_allocate())
        assert turn.error_of(got)[0] == 401
        client.realm, client.nonce = got.get(turn.REALM), got.get(turn.NONCE)
        secret = b":".join((client.user.encode(), client.realm, client.password.encode()))
        client.key = turn.hashlib.md5(secret).digest()
        relay.start_control()
        # Control takes it from there, by the key of its predecessor: no second challenge.
        client.request(turn.ALLOCATE, [UDP], raw=True)


def ip_bytes(host, payload):
    return (48 if ":" in host else 28) + payload


def test_answers_stay_small():
    """A forged source gains little: at IP level 1.5 for Binding, 2.5 for a challenge."""
    with h.relay() as relay:
        key_published(relay)
        for host in (h.CLIENT4, h.CLIENT6):
            for fingerprint in (False, True):
                client = h.client(host)
                binding = turn.Message(turn.REQUEST, turn.BINDING).encode(fingerprint=fingerprint)
                allocate = first_allocate(fingerprint)
                for data, most in ((binding, 1.5), (allocate, 2.5)):
                    got = answer(client, data)
                    assert ip_bytes(host, len(got.bytes)) <= most * ip_bytes(host, len(data)), \
                        (host, fingerprint, len(got.bytes), len(data))


def strangers(client):
    """Every kind of answer that somebody without a password can have: name, request, most bytes out
    for a byte in."""
    bare = {"Allocate": turn.ALLOCATE, "Refresh": turn.REFRESH,
            "CreatePermission": turn.CREATE_PERMISSION, "ChannelBind": turn.CHANNEL_BIND}
    name, realm = (turn.USERNAME, b"u"), (turn.REALM, client.realm)
    nonce = (turn.NONCE, client.nonce)
    wrong = turn.hashlib.md5(b"wrong").digest()

    def binding(*attributes):
        return turn.Message(turn.REQUEST, turn.BINDING, attributes).encode

    def allocate(*attributes):
        return lambda **kw: turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP, *attributes]).encode(
            key=wrong, **kw)

    yield "Binding", binding(), 0, 1.5
    yield "Binding, unknown attribute", binding((0x7001, b"")), 420, 2.0
    yield "Binding, 32 unknown attributes", binding(*((0x7001 + i, b"") for i in range(32))), 420, 2.0
    for method, number in bare.items():
        yield f"{method}, no integrity", turn.Message(turn.REQUEST, number).encode, 401, 2.5
    yield "Allocate, no integrity", turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP]).encode, 401, 2.5
    yield ("Allocate, no integrity, unknown attribute",
           turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP, (0x7001, b"")]).encode, 401, 2.5)
    yield "integrity alone", allocate(), 400, 1.5
    yield "no USERNAME", allocate(realm, nonce), 400, 1.5
    yield "no REALM", allocate(name, nonce), 400, 1.5
    yield "no NONCE", allocate(name, realm), 400, 1.5
    yield "wrong password", allocate(name, realm, nonce), 401, 1.5
    yield "unknown user", allocate((turn.USERNAME, b"x"), realm, nonce), 401, 1.5
    yield ("nonce of nobody", allocate(name, realm, (turn.NONCE, b"obMatJos2gAAAAAAAAAAAAAAAAAAA")),
           401, 1.5)


def test_every_answer_to_a_stranger_is_small():
    """At IP level, in both families, with and without FINGERPRINT, by worker and by control."""
    rows = {}
    with h.relay() as relay:
        key_published(relay)
        for host in (h.CLIENT4, h.CLIENT6):
            known = h.client(host)
            got = answer(known, first_allocate())
            known.realm, known.nonce = got.get(turn.REALM), got.get(turn.NONCE)
            for kind, encode, code, most in strangers(known):
                for fingerprint in (False, True):
                    client, data = known, encode(fingerprint=fingerprint)
                    got = answer(client, data)
                    assert (turn.error_of(got)[0] if got.klass == turn.ERROR else 0) == code, kind
                    ratio = ip_bytes(host, len(got.bytes)) / ip_bytes(host, len(data))
                    assert ratio <= most, (kind, host, fingerprint, ratio)
                    rows[kind] = max(rows.get(kind, 0), ratio)
            # 438 goes to those who know the password, and is smaller than what they sent.
            client = h.client(host)
            client.realm, client.nonce = known.realm, known.nonce
            secret = b":".join((b"u", client.realm, b"p"))
            data = turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP, *client.credentials()]).encode(
                turn.hashlib.md5(secret).digest())
            got = answer(client, data)
            assert turn.error_of(got)[0] == 438
            rows["stale nonce"] = ip_bytes(host, len(got.bytes)) / ip_bytes(host, len(data))
            assert rows["stale nonce"] <= 1.0, rows
    for kind, ratio in rows.items():
        print(f"    {ratio:.2f} {kind}")


def relay_mac():
    text = h.run_in("relay", "cat", "/sys/class/net/eth0/address").stdout
    return bytes.fromhex(text.strip().replace(":", ""))


def flood(stream):
    """Sends frames through a packet socket of the client's namespace, as fast as it takes them."""
    with h.inside("client"):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind(("eth0", 0))
    for frame in stream:
        sock.send(frame)
    sock.close()


def spoofed(relay_mac, count):
    """First Allocates from all over 198.19.0.0/16, without UDP checksums."""
    payload = first_allocate()
    for i in range(count):
        source = f"198.19.{i >> 8 & 255}.{i & 255}"
        udp = struct.pack("!HHHH", 1024 + (i >> 16), 3478, 8 + len(payload), 0) + payload
        yield frames.ethernet(relay_mac, frames.ip(source, h.RELAY4, frames.UDP, udp))


def test_a_flood_of_forged_sources_keeps_nobody_out():
    with h.relay(unauthenticated={"requests_per_network": 100}) as relay:
        key_published(relay)
        mac = relay_mac()
        caller = h.client()
        caller.allocate()
        caller.permit(h.PEER4)
        peer = h.udp("peer", h.PEER4)
        caller.bind(0x4001, peer.getsockname()[:2])
        count = 100_000
        before = relay.counter("rx")
        flooding = h.in_thread(flood, spoofed(mac, count))
        fresh, echoes = [], 0
        while relay.counter("rx") - before < count * 9 // 10 and len(fresh) < 60:
            client = h.client()
            client.allocate(timeout=0.45)  # less than the first retransmission takes
            fresh.append(client)
            caller.send_channel(0x4001, b"up")
            got = h.receive(peer)
            assert got and got[0] == b"up"
            peer.sendto(b"down", got[1])
            assert caller.receive() == ("channel", 0x4001, b"down")
            echoes += 1
        flooding.result()
        assert len(fresh) >= 10 and echoes == len(fresh), len(fresh)
        # What the packet socket or the veth pair lost never came.
        arrived = relay.counter("rx") - before
        assert arrived > count // 2, arrived
        assert relay.drops("budget_allocate") > 1000
        assert relay.drops("budget_punt") == 0


def test_two_hundred_clients_behind_one_address():
    with h.relay() as relay:
        key_published(relay)
        begin = time.monotonic()
        clients = [h.client() for _ in range(200)]
        for client in clients:
            client.allocate()
        assert time.monotonic() - begin < 5
        stats = relay.stats()["drops"]
        assert stats["budget_allocate"] == stats["budget_punt"] == 0


def test_suppressed_answers_are_counted_by_kind():
    with h.relay(unauthenticated={"requests_per_address": 20}) as relay:
        client, known = h.client(), h.client(h.CLIENT6)
        known.allocate()
        binding = turn.Message(turn.REQUEST, turn.BINDING).encode()
        for _ in range(200):
            client.sock.send(binding)
            client.sock.send(first_allocate())
            client.sock.send(turn.Message(turn.REQUEST, turn.REFRESH).encode())
        h.wait_until(lambda: relay.drops("budget_binding") > 100
                     and relay.drops("budget_allocate") > 100
                     and relay.drops("budget_punt") > 100, 5, "counted by kind")
        for _ in range(100):
            known.refresh()  # its five-tuple is known: no budget is asked
