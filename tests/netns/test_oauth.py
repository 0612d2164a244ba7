# SPDX-License-Identifier: BSD-3-Clause
"""Third-party authorization (RFC 7635) with the real clock: tokens are made by coturn's
turnutils_oauth, the authorization server of these tests."""

import base64
import os
import re
import struct
import subprocess
import time

import harness as h
import test_clients
import turn

SERVER_NAME = "turn.example.org"
# The keys that turnutils_uclient -J has built in; it takes as many bytes as the algorithm needs.
KEYS = {"north": (b"01234567890123456789012345678901", "A256GCM"),
        "union": (b"1234567890123456", "A128GCM"),
        "oldempire": (b"12345678901234567890123456789012", "A256GCM")}
OAUTH = {"auth": {
    "users": [{"name": "u", "password": "p"}],
    "oauth": {"server_name": SERVER_NAME,
              "keys": [{"kid": kid, "key": base64.b64encode(key).decode(), "algorithm": algorithm}
                       for kid, (key, algorithm) in KEYS.items()]}}}
UDP = (turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))


def session_key(size=20):
    """Random, without the zero byte that ends a key for turnutils_oauth."""
    return bytes(b % 255 + 1 for b in os.urandom(size))


def token(kid="north", mac_key=None, made=None, lifetime=3600, server_name=SERVER_NAME, key=None):
    """(base64 of a token, its mac_key)"""
    key, algorithm = key or KEYS[kid][0], KEYS[kid][1]
    mac_key = mac_key or session_key()
    now = time.time()
    made = now if made is None else now + made
    done = subprocess.run(
        ["turnutils_oauth", "-e", "-i", server_name, "-j", kid,
         "-k", base64.b64encode(key).decode(), "-l", str(int(now) - 86400), "-m", str(8640000),
         "-n", algorithm, "-p", base64.b64encode(mac_key).decode(),
         "-q", str((int(made) << 16) + int((made % 1) * 64000)), "-r", str(lifetime)],
        capture_output=True, timeout=10)
    # No JSON: the tool prints the session key as it is.
    return re.search(rb'"access_token":"([^"]+)"', done.stdout)[1].decode(), mac_key


def bearer(kid="north", host=h.CLIENT4, port=0, **kw):
    text, mac_key = token(kid, **kw)
    return h.client(host, port=port, user=kid, token=base64.b64decode(text), mac_key=mac_key)


def code_of(function, *arguments, **kw):
    try:
        function(*arguments, **kw)
    except turn.TurnError as e:
        return e.code, e.message
    return 0, None


def counted(relay):
    control = relay.stats()["control"]
    return {k[6:]: v for k, v in control.items() if k.startswith("oauth_")}


def echo(client, peer):
    """Both ways, through a channel."""
    client.bind(0x4000, peer.getsockname()[:2])
    client.send_channel(0x4000, b"there")
    data, source = h.receive(peer)
    assert data == b"there" and source == client.relayed, (data, source)
    peer.sendto(b"and back", source)
    assert client.receive() == ("channel", 0x4000, b"and back")


def test_a_token_allocates_and_relays():
    with h.relay(**OAUTH) as relay:
        for kid, host, peer_host in (("north", h.CLIENT4, h.PEER4), ("union", h.CLIENT6, h.PEER6),
                                     ("oldempire", h.CLIENT4, h.PEER6)):
            client, peer = bearer(kid, host), h.udp("peer", peer_host)
            client.allocate(family=6 if ":" in peer_host else 4)
            assert client.lifetime == 600
            client.permit(peer_host)  # without a token: by the key of the allocation
            echo(client, peer)
            assert client.refresh() == 600
            user = [a["user"] for a in relay.ctl("allocation", "list")["allocations"]]
            assert len(user) == 1 and re.fullmatch(kid + ":[0-9a-f]{16}", user[0]), user
            assert client.refresh(0) == 0
        # The token as turnutils_oauth prints it, by a client that looks into nothing; and a
        # session key of 256 bits with MESSAGE-INTEGRITY-SHA256.
        for kw in ({}, {"sha256": True}):
            text, mac_key = token(mac_key=session_key(32))
            client = h.client(user="north", token=text.encode(), mac_key=mac_key, **kw)
            client.allocate()
            client.permit(h.PEER4)
            client.refresh(0)
        # A user of the configuration is served beside it.
        client = h.client()
        client.allocate()
        client.refresh(0)
        counts = counted(relay)
        assert counts.pop("accepted") >= 10 and not any(counts.values()), counts


def test_the_challenge_names_the_server_and_stays_short():
    with h.relay(**OAUTH) as relay:
        client = h.client()

        def ask(fingerprint=False, attributes=()):
            request = turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP, *attributes])
            data = request.encode(fingerprint=fingerprint)
            client.sock.send(data)
            answer = turn.Message.decode(client.receive_raw(2))
            assert turn.error_of(answer)[0] == 401
            assert answer.get(turn.THIRD_PARTY_AUTHORIZATION) == SERVER_NAME.encode()
            if not attributes:
                assert len(answer.bytes) + 28 <= 2.5 * (len(data) + 28)
            return answer

        def in_the_worker():
            before = relay.counter("challenge")
            ask()
            return relay.counter("challenge") > before

        h.wait_until(in_the_worker, 5, "the worker answers")
        for fingerprint in (False, True):
            # An attribute nobody knows makes it control's to answer.
            here, there = ask(fingerprint), ask(fingerprint, [(0x7001, b"")])
            assert [k for k, _ in here.attributes] == [k for k, _ in there.attributes]
            error = (turn.ERROR_CODE, turn.NONCE, turn.FINGERPRINT)
            assert [a for a in here.attributes if a[0] not in error] == \
                [a for a in there.attributes if a[0] not in error]


def test_bad_tokens_are_refused_and_counted():
    with h.relay(**OAUTH) as relay:
        expected = {k: 0 for k in counted(relay)}

        def refused(client, reason):
            code, message = code_of(client.allocate)
            assert code == 401, (reason, code)
            assert message.get(turn.THIRD_PARTY_AUTHORIZATION) == SERVER_NAME.encode()
            expected[reason] += 1
            assert counted(relay) == expected, (reason, counted(relay), expected)

        refused(bearer(made=-3606), "expired")
        refused(bearer(made=3700), "early")
        refused(bearer(server_name="turn2.example.org"), "tag")
        refused(bearer(key=b"x" * 32), "tag")
        client = bearer()
        client.user = "south"
        refused(client, "unknown_kid")
        client = bearer()
        client.user = "oldempire"  # a key, but of another token
        refused(client, "tag")
        client = bearer()
        client.mac_key = os.urandom(20)
        refused(client, "integrity")
        for change in (lambda t: t[:-1], lambda t: t[:2], lambda t: b"", lambda t: b"\0\x0d" + t[2:],
                       lambda t: b"\xff\xff" + t[2:], lambda t: t + bytes(200)):
            client = bearer()
            client.token = change(client.token)
            refused(client, "malformed")
        client = bearer()
        client.token = client.token[:-1] + bytes((client.token[-1] ^ 1,))
        refused(client, "tag")
        assert relay.ctl("status")["dataplane"]["allocations"] == 0
        # For people, too.
        text = subprocess.run([h.CTL, "-s", relay.directory / "control.sock", "stats", "interval=0"],
                              capture_output=True, text=True, timeout=30).stdout
        assert re.search(r"oauth_malformed +6 ", text) and "oauth_accepted" not in text, text


def test_a_token_runs_out():
    with h.relay(**OAUTH):
        # Shortly before its end: 65 s - age, so about 3 s are left.
        client = bearer(made=-62, lifetime=60)
        client.allocate()
        assert client.lifetime in (2, 3), client.lifetime
        assert client.refresh(600) <= 3
        time.sleep(3.2)
        code, message = code_of(client.refresh)
        assert code == 401 and message.get(turn.THIRD_PARTY_AUTHORIZATION), code
        assert code_of(client.permit, h.PEER4)[0] == 401
        # The allocation went with it.
        text, client.mac_key = token()
        client.token, client.nonce = base64.b64decode(text), None
        client.allocate()
        assert client.lifetime == 600


def test_a_new_token_renews_the_allocation():
    with h.relay(**OAUTH):
        client, peer = bearer(lifetime=60), h.udp("peer", h.PEER4)
        client.allocate()
        assert client.lifetime == 60
        old = client.mac_key
        text, client.mac_key = token("union")
        client.user, client.token, client.key = "union", base64.b64decode(text), client.mac_key
        assert client.refresh() == 600
        echo(client, peer)
        client.key = old
        assert code_of(client.permit, h.PEER4)[0] == 401


def test_a_request_serves_on_its_own_five_tuple_only():
    with h.relay(**OAUTH) as relay:
        client = bearer()
        client.allocate()
        request = turn.Message(turn.REQUEST, turn.REFRESH, [(turn.LIFETIME, bytes(4))])
        request.attributes += client.credentials() + [(turn.ACCESS_TOKEN, client.token)]
        data = request.encode(client.key)
        for other in (h.client(), h.client()):  # the first one's port is the next
            other.sock.send(data)
            answer = turn.Message.decode(other.receive_raw(2))
            assert turn.error_of(answer)[0] == 438
            # With a nonce of its own the holder of the token is served, and finds nothing there.
            other.user, other.token, other.mac_key = client.user, client.token, client.mac_key
            other.realm, other.nonce, other.key = \
                client.realm, answer.get(turn.NONCE), client.mac_key
            assert code_of(other.refresh, 0)[0] == 437
        # Another token of the same kid is somebody else, even there.
        text, mac_key = token()
        mine = client.mac_key, client.token
        client.key = client.mac_key = mac_key
        assert code_of(client.permit, h.PEER4)[0] == 401
        client.token = base64.b64decode(text)
        request = turn.Message(turn.REQUEST, turn.CREATE_PERMISSION)
        request.attributes = [(turn.XOR_PEER_ADDRESS,
                               turn.xor_address((h.PEER4, 0), request.transaction)),
                              *client.credentials(), (turn.ACCESS_TOKEN, client.token)]
        answer = client.exchange(request.encode(client.key), request.transaction)
        assert turn.error_of(answer)[0] == 441
        client.mac_key, client.token = mine
        client.key = client.mac_key
        client.permit(h.PEER4)
        assert len(relay.ctl("allocation", "list")["allocations"]) == 1


def test_tokens_outlive_control():
    with h.relay(**OAUTH) as relay:
        client, peer = bearer(), h.udp("peer", h.PEER4)
        client.allocate()
        relay.control.process.kill()
        relay.control.process.wait(5)
        relay.start_control()
        client.permit(h.PEER4)
        echo(client, peer)
        assert client.refresh() == 600


def test_without_the_section_the_attribute_is_unknown():
    with h.relay():
        client = h.client()
        code, message = code_of(client.allocate, attributes=[(turn.ACCESS_TOKEN, bytes(64))])
        assert code == 420, code
        assert struct.unpack("!H", message.get(turn.UNKNOWN_ATTRIBUTES)[:2])[0] == turn.ACCESS_TOKEN
        client = bearer()
        code, message = code_of(client.allocate)
        assert code == 401 and message.get(turn.THIRD_PARTY_AUTHORIZATION) is None, code


def test_turnutils_uclient():
    """-J: it takes the server's name from the challenge and makes tokens with keys of its own. It signs
    with the first 16 bytes of the session key."""
    legacy = {"compatibility": {"channel_numbers": "rfc5766", "access_tokens": "coturn"}}
    with h.relay(**OAUTH, **legacy) as relay, test_clients.echo_peer(h.PEER4):
        test_clients.uclients(("-J",), ("-J", "-s"))
        counts = counted(relay)
        assert counts.pop("accepted") >= 20 and not any(counts.values()), counts
