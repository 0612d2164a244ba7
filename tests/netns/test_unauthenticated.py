# SPDX-License-Identifier: BSD-3-Clause
"""What the relay answers to those who have not shown who they are."""


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
