# SPDX-License-Identifier: BSD-3-Clause
"""What RFC 8489 and RFC 8656 say that a server must answer, sentence by sentence. Each check names
the section; one relay serves the checks of one method."""

import base64
import copy
import hashlib
import hmac
import ipaddress
import os
import struct
import time

import harness as h
import turn

UDP = (turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))
RESERVATION_TOKEN, ADDRESS_ERROR_CODE = 0x0022, 0x8001
PEER = (h.PEER4, 5000)


def family(number):
    return turn.REQUESTED_ADDRESS_FAMILY, bytes((number, 0, 0, 0))


def additional(number):
    return turn.ADDITIONAL_ADDRESS_FAMILY, bytes((number, 0, 0, 0))


def lifetime(seconds):
    return turn.LIFETIME, struct.pack("!I", seconds)


def even_port(reserve):
    return turn.EVEN_PORT, bytes((0x80 if reserve else 0,))


def known(client=None, **kw):
    """A client that has realm and nonce, and no allocation: what it asks next is authenticated."""
    client = client or h.client(**kw)
    try:
        client.request(turn.REFRESH)
        raise AssertionError("Refresh without an allocation succeeded")
    except turn.TurnError as e:
        assert e.code == 437, e  # RFC 8656 section 5
    return client


def code(client, method, *attributes, transaction=None):
    """The error code of an authenticated request, 0 of a success."""
    try:
        client.request(method, attributes, raw=True, transaction=transaction)
        return 0
    except turn.TurnError as e:
        return e.code


def allocate_code(*attributes, client=None):
    return code(client or known(), turn.ALLOCATE, *attributes)


def peers(transaction, *addresses):
    return [(turn.XOR_PEER_ADDRESS, turn.xor_address(a, transaction)) for a in addresses]


def permit_code(client, *hosts):
    transaction = os.urandom(12)
    return code(client, turn.CREATE_PERMISSION, *peers(transaction, *((p, 7) for p in hosts)),
                transaction=transaction)


def bind_code(client, channel, peer):
    transaction = os.urandom(12)
    return code(client, turn.CHANNEL_BIND, (turn.CHANNEL_NUMBER, struct.pack("!HH", channel, 0)),
                *peers(transaction, peer), transaction=transaction)


def signed(client, method, attributes=(), *, after=(), transaction=None, klass=turn.REQUEST,
           user=None, key=None, realm=None, nonce=None, fingerprint=False):
    """A whole request by hand; `after` follows MESSAGE-INTEGRITY."""
    m = turn.Message(klass, method, attributes, transaction)
    m.attributes += [(turn.USERNAME, (user or client.user).encode()),
                     (turn.REALM, realm or client.realm), (turn.NONCE, nonce or client.nonce)]
    data = m.encode(key or client.key, fingerprint)
    tail = b"".join(turn.attribute(k, v) for k, v in after)
    data = data[:2] + struct.pack("!H", len(data) - 20 + len(tail)) + data[4:] + tail
    return data, m.transaction


def answer_of(client, data):
    """The one answer to a datagram, or None; nothing is sent twice."""
    client.sock.send(data)
    got = client.receive_raw(0.4)
    return got and turn.Message.decode(got)


def assert_silence(client, *datagrams):
    """None of these is answered; the server is there all the same."""
    for data in datagrams:
        client.sock.send(data)
    got = client.receive_raw(0.5)
    assert got is None, f"answered: {got}"
    assert client.binding()


def test_binding():
    with h.relay():
        client = h.client()
        # RFC 8489 section 6.3.1.1: the source transport address of the request.
        assert client.binding() == client.sock.getsockname()[:2]
        six = h.client(h.CLIENT6)
        assert six.binding() == six.sock.getsockname()[:2]

        # Section 6.3.1: 420 lists the unknown comprehension-required attributes, once each.
        try:
            client.request(turn.BINDING, [(0x7001, b"x"), (0xC001, b"y"), (0x7002, b""),
                                          (0x7001, b"")], authenticate=False)
            raise AssertionError("unknown attributes accepted")
        except turn.TurnError as e:
            assert e.code == 420
            assert e.message.get(turn.UNKNOWN_ATTRIBUTES) == struct.pack("!HH", 0x7001, 0x7002)
        # Unknown comprehension-optional attributes are ignored.
        assert client.binding([(0xC001, b"y"), (0xFFFE, bytes(33))])

        # Section 14.7: FINGERPRINT is answered with one; a wrong one is no STUN at all.
        m = turn.Message(turn.REQUEST, turn.BINDING)
        answer = answer_of(client, m.encode(fingerprint=True))
        assert answer.attributes[-1][0] == turn.FINGERPRINT
        m = turn.Message(turn.REQUEST, turn.BINDING)
        data = m.encode(fingerprint=True)
        assert_silence(client, data[:-1] + bytes((data[-1] ^ 1,)))

        # Credentials are not needed and do no harm.
        m = turn.Message(turn.REQUEST, turn.BINDING, [(turn.USERNAME, b"u")])
        assert answer_of(client, m.encode(bytes(16))).klass == turn.SUCCESS

        # Section 6.3: indications and responses get no answer, nor do unknown methods and garbage.
        def empty(klass, method):
            return turn.Message(klass, method).encode()
        assert_silence(client, *(
            empty(klass, method) for klass in (turn.INDICATION, turn.SUCCESS, turn.ERROR)
            for method in (turn.BINDING, turn.ALLOCATE, turn.SEND, turn.DATA)))
        assert_silence(client, *(empty(turn.REQUEST, method) for method in
                                 (0, 2, 5, turn.SEND, turn.DATA, 0xC, 0xD, 0x80, 0xFFF)))
        good = turn.Message(turn.REQUEST, turn.BINDING, [(0xC001, b"abcd")]).encode()
        assert_silence(
            client, good[:-1], good[:-4], good + b"\0", good + bytes(4), good[:19],
            good[:4] + b"\0\0\0\0" + good[8:],    # no magic cookie
            good[:2] + b"\0\7" + good[4:-1],      # length no multiple of 4
            good[:22] + b"\0\5" + good[24:],      # attribute longer than the message
            good[:22] + b"\xff\xff" + good[24:])


def test_long_term_credentials():
    config = copy.deepcopy(h.CONFIG)
    config["auth"]["nonce_lifetime_s"] = 1
    config["auth"]["rest_secrets"] = ["first", "second"]
    with h.relay(config):
        client = h.client()
        # RFC 8489 section 9.2.4: no MESSAGE-INTEGRITY: 401 with REALM and NONCE, without USERNAME
        # and without integrity.
        first = answer_of(client, turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP]).encode())
        assert turn.error_of(first)[0] == 401
        assert first.get(turn.REALM) == b"example.org" and first.get(turn.NONCE)
        assert first.get(turn.USERNAME) is None and first.get(turn.MESSAGE_INTEGRITY) is None
        client = known(client)

        # MESSAGE-INTEGRITY, but USERNAME, REALM or NONCE is missing: 400, without REALM and NONCE.
        everything = [(turn.USERNAME, b"u"), (turn.REALM, client.realm), (turn.NONCE, client.nonce)]
        for missing in range(3):
            m = turn.Message(turn.REQUEST, turn.REFRESH, everything[:missing]
                             + everything[missing + 1:])
            answer = answer_of(client, m.encode(client.key))
            assert turn.error_of(answer)[0] == 400, missing
            assert answer.get(turn.NONCE) is None and answer.get(turn.REALM) is None

        # An unknown user and a wrong password cannot be told apart.
        def shape(**kw):
            data, _ = signed(client, turn.REFRESH, **kw)
            answer = answer_of(client, data)
            return [(k, len(v) if k == turn.NONCE else v) for k, v in answer.attributes]
        wrong = shape(key=bytes(16))
        assert wrong == shape(key=bytes(16), user="nobody") == shape(user="w" * 513)
        assert wrong == shape(key=bytes(16), user="9999999999:u") == shape(user="1:u")
        assert turn.error_of(answer_of(client, signed(client, turn.REFRESH, key=bytes(16))[0]))[0] \
            == 401

        # Names that could do harm elsewhere are users like any other.
        for name in ("%n%s%x", "'\";--", "a\0b", "a\nb", "\x1b[31m", "\u202eu", " ", "u\0"):
            assert shape(user=name) == wrong, name

        # A nonce that is none of ours, or of another client: 438 with a fresh nonce. Only now,
        # with the right key.
        for nonce in (b"x", bytes(763), client.nonce[:-1] + b"-", client.nonce + b"0",
                      known().nonce):
            answer = answer_of(client, signed(client, turn.REFRESH, nonce=nonce)[0])
            assert turn.error_of(answer)[0] == 438, nonce
            assert answer.get(turn.REALM) == b"example.org" and answer.get(turn.NONCE) != nonce
            assert answer.get(turn.USERNAME) is None
        # Stale by time.
        old = client.nonce
        time.sleep(2.2)
        answer = answer_of(client, signed(client, turn.REFRESH, nonce=old)[0])
        assert turn.error_of(answer)[0] == 438
        client.nonce = answer.get(turn.NONCE)
        assert code(client, turn.REFRESH) == 437

        # Section 14.5: what follows MESSAGE-INTEGRITY is ignored, FINGERPRINT excepted.
        client = known()
        data, _ = signed(client, turn.ALLOCATE, [UDP], after=[(0x7001, b"ignored"),
                                                              lifetime(1200)])
        answer = answer_of(client, data)
        assert answer.klass == turn.SUCCESS and answer.get(turn.LIFETIME) == struct.pack("!I", 600)
        assert answer.integrity_ok(client.key)
        # Section 14: only the first of attributes that may stand once counts.
        data, _ = signed(client, turn.REFRESH, [lifetime(700), lifetime(0)])
        assert answer_of(client, data).get(turn.LIFETIME) == struct.pack("!I", 700)
        # An attribute in a length that it cannot have.
        for bad in ((turn.LIFETIME, b"abc"), (turn.LIFETIME, b"abcdefgh"), (turn.LIFETIME, b"")):
            assert code(client, turn.REFRESH, bad) == 400
        # The answer to a request with FINGERPRINT has one, behind MESSAGE-INTEGRITY; the name of
        # the software is there.
        answer = answer_of(client, signed(client, turn.REFRESH, fingerprint=True)[0])
        kinds = [k for k, _ in answer.attributes]
        assert kinds[-2:] == [turn.MESSAGE_INTEGRITY, turn.FINGERPRINT] and turn.SOFTWARE in kinds

        # Unknown comprehension-required attributes are looked at after authentication.
        try:
            client.request(turn.REFRESH, [(0x7003, b""), (0x7004, b"abc"), (0x8777, b"")], raw=True)
            raise AssertionError("unknown attributes accepted")
        except turn.TurnError as e:
            assert e.code == 420 and e.message.integrity_ok(client.key)
            assert e.message.get(turn.UNKNOWN_ATTRIBUTES) == struct.pack("!HH", 0x7003, 0x7004)

        # Shared secrets: "time[:anything]", either secret, until the time is over.
        def rest(secret, user):
            c = h.client()
            c.user = user
            c.password = base64.b64encode(
                hmac.new(secret, user.encode(), hashlib.sha1).digest()).decode()
            try:
                c.allocate()
                return 0
            except turn.TurnError as e:
                return e.code
        until = int(time.time()) + 100
        for user in (f"{until}", f"{until}:alice", f"{until}:%n\"\\", f"{until}:" + "x" * 490,
                     f"alice:{until}", f":{until}"):
            assert rest(b"first", user) == 0 and rest(b"second", user) == 0, user
        for user in (f"{until - 200}:alice", f"-{until}", f"{until}alice",
                     "9" * 40 + ":a", "0x7fffffff:a", f" {until}:a", "alice"):
            assert rest(b"first", user) == 401, user
        assert rest(b"third", f"{until}:alice") == 401


def sha256_client(**kw):
    client = h.client(**kw)
    client.sha256 = True
    return client


def test_credentials_of_rfc8489():
    with h.relay():
        # Section 9.2: the nonce cookie; 9.2.4: SHA-256 before MD5. At most 2.5 times the request.
        client = sha256_client()
        least = turn.Message(turn.REQUEST, turn.ALLOCATE, [UDP]).encode()
        first = answer_of(client, least)
        assert turn.error_of(first)[0] == 401
        assert first.get(turn.NONCE).startswith(b"obMatJos2gAAA")
        assert first.get(turn.PASSWORD_ALGORITHMS) == bytes((0, 2, 0, 0, 0, 1, 0, 0))
        assert len(first.bytes) + 28 <= 2.5 * (len(least) + 28)

        # SHA-256 and MESSAGE-INTEGRITY-SHA256, there and back.
        client.allocate()
        client.permit(h.PEER4)
        client.bind(0x4000, PEER)
        assert client.refresh(700) == 700
        # The same user by USERHASH owns the same allocation.
        userhash = turn.USERHASH, hashlib.sha256(b"u:example.org").digest()
        m = turn.Message(turn.REQUEST, turn.REFRESH, [userhash] + client.credentials()[1:])
        answer = answer_of(client, m.encode(client.key, sha256=True))
        assert answer.klass == turn.SUCCESS and answer.integrity_ok(client.key, sha256=True)

        # Section 9.2.4: the list as it was sent, and one of it: else 400.
        for kind, value in ((turn.PASSWORD_ALGORITHMS, bytes((0, 1, 0, 0))),
                            (turn.PASSWORD_ALGORITHM, bytes((0, 9, 0, 0)))):
            m = turn.Message(turn.REQUEST, turn.REFRESH,
                             [(k, value if k == kind else v) for k, v in client.credentials()])
            assert turn.error_of(answer_of(client, m.encode(client.key, sha256=True)))[0] == 400

        # The bid-down: a client that was shown no algorithms, and a cookie without their bit.
        down = known()
        nonce = b"obMatJos2AAAA" + down.nonce[13:]
        answer = answer_of(down, signed(down, turn.REFRESH, nonce=nonce)[0])
        assert turn.error_of(answer)[0] == 438 and answer.get(turn.PASSWORD_ALGORITHMS)

    config = copy.deepcopy(h.CONFIG)
    config["auth"]["rest_secrets"] = ["first"]
    with h.relay(config):
        # Time-limited credentials with SHA-256.
        client = sha256_client()
        client.user = f"{int(time.time()) + 100}:alice"
        client.password = base64.b64encode(
            hmac.new(b"first", client.user.encode(), hashlib.sha1).digest()).decode()
        client.allocate()


def test_allocate():
    with h.relay() as relay:
        # RFC 8656 section 7.2, step 3.
        assert allocate_code() == 400
        assert allocate_code((turn.REQUESTED_TRANSPORT, b"\x11")) == 400
        for protocol in (0, 1, 58, 132, 255):
            assert allocate_code((turn.REQUESTED_TRANSPORT, bytes((protocol, 0, 0, 0)))) == 442
        # Section 18.8: the other bytes are ignored.
        assert allocate_code((turn.REQUESTED_TRANSPORT, b"\x11\xff\xff\xff")) == 0
        # Step 4.
        assert allocate_code(UDP, (turn.DONT_FRAGMENT, b"")) == 0
        # Step 5: RESERVATION-TOKEN excludes what chooses an address; an unknown token: 508.
        token = (RESERVATION_TOKEN, os.urandom(8))
        for other in (even_port(False), even_port(True), family(1), family(2), additional(2)):
            assert allocate_code(UDP, token, other) == 400, other
        assert allocate_code(UDP, token) == 508
        assert allocate_code(UDP, (RESERVATION_TOKEN, b"short")) == 400
        # Steps 6 to 9: families.
        assert allocate_code(UDP, family(1), additional(2)) == 400
        assert allocate_code(UDP, additional(1)) == 400
        assert allocate_code(UDP, family(3)) == 440
        assert allocate_code(UDP, family(0)) == 440
        assert allocate_code(UDP, even_port(True), additional(2)) == 400
        assert ":" in h.client().allocate(6)[0]

        # Step 9: two relayed addresses, IPv4 first.
        client = h.client()
        answer = client.request(turn.ALLOCATE, [UDP, additional(2)])
        relayed = [turn.read_xor_address(v, answer.transaction)[0] for k, v in answer.attributes
                   if k == turn.XOR_RELAYED_ADDRESS]
        assert relayed == [h.RELAY4, h.RELAY6] and answer.get(ADDRESS_ERROR_CODE) is None

        # Steps 8 and the reservation: the token gives the port above the even one, once.
        client = h.client()
        answer = client.request(turn.ALLOCATE, [UDP, even_port(True)])
        even = answer.address(turn.XOR_RELAYED_ADDRESS)
        token = (RESERVATION_TOKEN, answer.get(RESERVATION_TOKEN))
        assert even[1] % 2 == 0 and len(token[1]) == 8
        assert h.client().allocate(attributes=[token]) == (even[0], even[1] + 1)
        assert allocate_code(UDP, token) == 508
        answer = h.client().request(turn.ALLOCATE, [UDP, even_port(False)])
        assert answer.address(turn.XOR_RELAYED_ADDRESS)[1] % 2 == 0
        assert answer.get(RESERVATION_TOKEN) is None

        # The lifetime: at least the default, at most the maximum.
        for asked, granted in ((0, 600), (1, 600), (601, 601), (3600, 3600), (1 << 31, 3600),
                               (0xFFFFFFFF, 3600)):
            client = h.client()
            client.allocate(lifetime=asked)
            assert client.lifetime == granted, asked
        assert client.mapped == client.sock.getsockname()[:2]

        # Step 2: the five-tuple is in use; the same request again gets the same answer.
        assert allocate_code(UDP, client=client) == 437
        again = known()
        data, _ = signed(again, turn.ALLOCATE, [UDP])
        first, second = answer_of(again, data), answer_of(again, data)
        assert first.klass == turn.SUCCESS and first.bytes == second.bytes
        # Also after a restart of control, which forgets the answers it gave.
        relay.control.end()
        relay.start_control()
        third = answer_of(again, data)
        assert third.klass == turn.SUCCESS
        assert third.address(turn.XOR_RELAYED_ADDRESS) == first.address(turn.XOR_RELAYED_ADDRESS)


def test_refresh():
    with h.relay(lifetimes={"port_rest_s": 1}) as relay:
        client = h.client()
        client.allocate()
        # RFC 8656 section 8.2.
        for asked, granted in ((None, 600), (1, 600), (900, 900), (0xFFFFFFFF, 3600)):
            assert client.refresh(asked) == granted
        # A family that the allocation does not have.
        assert code(client, turn.REFRESH, family(2)) == 443
        assert code(client, turn.REFRESH, family(7)) == 443
        assert code(client, turn.REFRESH, family(1)) == 0
        assert code(client, turn.REFRESH, (turn.REQUESTED_ADDRESS_FAMILY, b"1")) == 400
        # Section 5: another user's credentials; for another Allocate it is 437 first.
        other = turn.Client(client.sock, client.server, user="v", password="q")
        assert allocate_code(UDP, client=known_to(other)) == 437
        assert code(other, turn.REFRESH) == 441
        assert permit_code(other, h.PEER4) == 441
        assert bind_code(other, 0x4000, PEER) == 441
        assert code(other, turn.REFRESH, lifetime(0)) == 441
        # Zero ends it; again by retransmission; anew is 437.
        data, _ = signed(client, turn.REFRESH, [lifetime(0)])
        first, second = answer_of(client, data), answer_of(client, data)
        assert first.bytes == second.bytes and first.get(turn.LIFETIME) == bytes(4)
        assert code(client, turn.REFRESH, lifetime(0)) == 437
        assert permit_code(client, h.PEER4) == 437 and bind_code(client, 0x4000, PEER) == 437
        assert relay.ctl("allocation", "list")["allocations"] == []
        client.allocate()
        # Two families: one can go, then the other.
        dual = h.client()
        dual.request(turn.ALLOCATE, [UDP, additional(2)])
        assert permit_code(dual, h.PEER4, h.PEER6) == 0
        assert code(dual, turn.REFRESH, family(2), lifetime(0)) == 0
        assert permit_code(dual, h.PEER6) == 443 and permit_code(dual, h.PEER4) == 0
        assert code(dual, turn.REFRESH, family(2)) == 443
        assert code(dual, turn.REFRESH, family(1), lifetime(0)) == 0
        assert code(dual, turn.REFRESH) == 437


def test_families_end_apart():
    """RFC 8656 section 8.2: IPv6 is refreshed to two seconds, IPv4 goes on; data of the first
    stops at its deadline, that of the second never."""
    with h.relay(lifetimes={"allocation_default_s": 2, "port_rest_s": 1}) as r:
        free = r.ctl("status")["control"]["relay_ports_free"]
        dual = h.client()
        dual.request(turn.ALLOCATE, [UDP, additional(2), lifetime(60)])
        peers = {h.PEER4: h.udp("peer", h.PEER4), h.PEER6: h.udp("peer", h.PEER6)}
        dual.permit(*peers)
        dual.request(turn.REFRESH, [family(2), lifetime(2)])

        def passes(host):
            dual.send_indication((host, peers[host].getsockname()[1]), b"x")
            return h.receive(peers[host], 0.5) is not None

        assert passes(h.PEER4) and passes(h.PEER6)
        h.wait_until(lambda: not passes(h.PEER6), 5, "IPv6 ends")
        assert passes(h.PEER4)
        assert permit_code(dual, h.PEER6) == 443 and permit_code(dual, h.PEER4) == 0
        assert code(dual, turn.REFRESH, family(2)) == 443
        # Its port is free again after its rest, while the allocation lives.
        h.wait_until(lambda: r.ctl("status")["control"]["relay_ports_free"]["ipv6"] == free["ipv6"], 5,
                     "the IPv6 port is given back")
        assert r.ctl("status")["control"]["relay_ports_free"]["ipv4"] == free["ipv4"] - 1
        assert passes(h.PEER4)
        dual.refresh(0)


def known_to(client):
    """Realm, nonce and key, when the five-tuple has an allocation of somebody else."""
    try:
        client.request(turn.REFRESH)
    except turn.TurnError as e:
        assert e.code in (437, 441), e
    return client


DENIED4 = ("0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1",
           "169.254.1.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "224.0.0.1",
           "239.255.255.255", "240.0.0.1", "255.255.255.255", "198.18.0.3", "198.18.0.66")
DENIED6 = ("::", "::1", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fdff::1", "ff02::1",
           "fd00:198:18::3", "64:ff9b:1::1")


def embedded(host):
    """Every IPv6 form of an IPv4 address."""
    a, b, c, d = (int(x) for x in host.split("."))
    high, low = f"{a:02x}{b:02x}", f"{c:02x}{d:02x}"
    inverted = f"{a ^ 255:02x}{b ^ 255:02x}:{c ^ 255:02x}{d ^ 255:02x}"
    return (f"::ffff:{high}:{low}", f"::{high}:{low}", f"2002:{high}:{low}::1",
            f"2001:0:c612:5:0:0:{inverted}", f"2001:0:{high}:{low}::", f"64:ff9b::{high}:{low}",
            f"::ffff:0:{high}:{low}", f"2a01::5efe:{high}:{low}", f"2a01::200:5efe:{high}:{low}")


def test_permissions_and_channels():
    config = copy.deepcopy(h.CONFIG)
    config["peers"]["deny"] = ["198.18.0.64/28"]
    with h.relay(config) as relay:
        four, six = h.client(), h.client()
        four.allocate()
        six.allocate(6)

        # RFC 8656 section 10.2: at least one XOR-PEER-ADDRESS, each valid.
        assert permit_code(four) == 400
        assert code(four, turn.CREATE_PERMISSION, (turn.XOR_PEER_ADDRESS, b"\0\1\0\0")) == 400
        assert code(four, turn.CREATE_PERMISSION, (turn.XOR_PEER_ADDRESS, bytes(8))) == 400
        assert code(four, turn.CREATE_PERMISSION, (turn.XOR_PEER_ADDRESS, b"\0\2" + bytes(6))) == 400
        # The family of the allocation.
        assert permit_code(four, h.PEER6) == 443 and bind_code(four, 0x4000, (h.PEER6, 5)) == 443
        assert permit_code(six, h.PEER4) == 443 and bind_code(six, 0x4000, PEER) == 443
        # Administratively denied: in every method and every form.
        for host in DENIED4:
            assert permit_code(four, host) == 403, host
            assert bind_code(four, 0x4000, (host, 5000)) == 403, host
        for host in DENIED6 + tuple(f for host in DENIED4 for f in embedded(host)):
            assert permit_code(six, host) == 403, host
            assert bind_code(six, 0x4000, (host, 5000)) == 403, host
        for host, client in ((h.RELAY4, four), (h.RELAY6, six)):
            assert bind_code(client, 0x4000, (host, 3478)) == 403, "a listener"
            assert bind_code(client, 0x4000, (host, 22)) == 403, "a service of the relay's host"

        # All or nothing.
        assert permit_code(four, h.PEER4, "10.0.0.1") == 403
        assert permit_code(four, h.PEER4, h.PEER6) == 443
        def permissions():
            shown = relay.ctl("allocation", "show", f"relayed={four.relayed[0]}:{four.relayed[1]}")
            return sorted(p["peer"] for p in shown["permissions"])
        assert permissions() == []
        assert permit_code(four, "198.18.0.21", "198.18.0.22", "198.18.0.21") == 0
        assert permissions() == ["198.18.0.21", "198.18.0.22"]
        # After MESSAGE-INTEGRITY nothing counts: not one permission more.
        t = os.urandom(12)
        data, _ = signed(four, turn.CREATE_PERMISSION, peers(t, ("198.18.0.21", 0)), transaction=t,
                         after=peers(t, ("198.18.0.23", 0)))
        assert answer_of(four, data).klass == turn.SUCCESS
        assert permissions() == ["198.18.0.21", "198.18.0.22"]

        # Section 12.2.
        number = (turn.CHANNEL_NUMBER, b"\x40\x00\0\0")
        t = os.urandom(12)
        assert code(four, turn.CHANNEL_BIND, number) == 400
        assert code(four, turn.CHANNEL_BIND, *peers(t, PEER), transaction=t) == 400
        for channel in (0, 0x3FFF, 0x5000, 0x7FFF, 0xFFFF):
            assert bind_code(four, channel, PEER) == 400, channel
        assert bind_code(four, 0x4FFF, PEER) == 0
        assert bind_code(four, 0x4FFF, PEER) == 0, "a refresh"
        assert bind_code(four, 0x4FFF, (h.PEER4, 5001)) == 400, "bound to another peer"
        assert bind_code(four, 0x4FFE, PEER) == 400, "the peer has another number"
        assert bind_code(four, 0x4FFE, (h.PEER4, 5001)) == 0, "one host, two ports"
        assert h.PEER4 in permissions(), "a channel binding installs a permission"
        # A number outside the range is worse than a denied peer; the RFFU bytes are ignored.
        assert bind_code(four, 0x3FFF, ("10.0.0.1", 5)) == 400
        t = os.urandom(12)
        assert code(four, turn.CHANNEL_BIND, (turn.CHANNEL_NUMBER, b"\x4f\xff\xff\xff"),
                    *peers(t, PEER), transaction=t) == 0

        # A permission for the relay's own address (hairpin) opens no service of its host.
        assert permit_code(four, h.RELAY4) == 0
        service = h.udp("relay", "0.0.0.0", 9999)
        for port in (9999, 3478, 53):
            four.send_indication((h.RELAY4, port), b"is anybody there?")
        assert h.receive(service, 0.5) is None and four.receive(0.2) is None


def test_quotas_and_capacity():
    with h.relay(quotas={"allocations_per_user": 2, "allocations_total": 3}):
        assert [allocate_code(UDP) for _ in range(3)] == [0, 0, 486]
        v = [h.client(user="v", password="q") for _ in range(2)]
        assert [allocate_code(UDP, client=known(c)) for c in v] == [0, 486]
        assert v[0].refresh(0) == 0
        assert allocate_code(UDP, client=v[1]) == 0
    relay = dict(h.CONFIG["relay"], port_range=[50000, 50003])
    with h.relay(relay=relay, lifetimes={"port_rest_s": 0}):
        held = [known() for _ in range(4)]
        assert [allocate_code(UDP, client=c) for c in held] == [0] * 4
        assert allocate_code(UDP) == 508
        # The other family has its own ports; the one that is full is named in the answer.
        answer = h.client().request(turn.ALLOCATE, [UDP, additional(2)])
        assert answer.get(ADDRESS_ERROR_CODE)[:4] == b"\1\0\5\x08"
        assert answer.address(turn.XOR_RELAYED_ADDRESS)[0] == h.RELAY6
        assert held[0].refresh(0) == 0
        assert allocate_code(UDP, even_port(True)) == 508
        assert allocate_code(UDP) == 0
    with h.relay(quotas={"permissions_per_allocation": 30, "new_peers_per_second": 20}):
        client = h.client()
        client.allocate()
        peers = [f"198.18.9.{n}" for n in range(1, 60)]
        assert permit_code(client, *peers[:21]) == 508  # a second's worth is 20
        time.sleep(1.1)
        assert permit_code(client, *peers[:20]) == 0
        assert permit_code(client, *peers[:20]) == 0
        assert permit_code(client, peers[20]) == 508
        time.sleep(0.6)
        assert permit_code(client, *peers[20:30]) == 0
        time.sleep(1.1)
        assert permit_code(client, peers[30]) == 508  # too many at a time
        assert permit_code(client, peers[29]) == 0
    elsewhere = {"servers": [{"address": "198.18.0.77"}, {"address": "198.18.0.78", "port": 3479},
                             {"address": "fd00:198:18::77"}]}
    with h.relay(quotas={"allocations_total": 1}, alternate_servers=elsewhere):
        held = known()
        assert allocate_code(UDP, client=held) == 0

        def sent_to(host):
            try:
                h.client(host).allocate()
            except turn.TurnError as e:
                assert e.code == 300
                return [v[1:] for k, v in e.message.attributes if k == 0x8023]
            raise AssertionError("not sent away")

        v6 = b"\2" + struct.pack("!H", 3478) + ipaddress.ip_address("fd00:198:18::77").packed
        v4 = [b"\1" + struct.pack("!H", port) + ipaddress.ip_address(host).packed
              for host, port in (("198.18.0.77", 3478), ("198.18.0.78", 3479))]
        assert [sent_to(h.CLIENT4) for _ in range(3)] == [[v4[0], v6], [v4[1], v6], [v4[0], v6]]
        assert sent_to(h.CLIENT6)[0] == v6
        assert held.refresh() == 600
    only4 = {"addresses": [{"address": h.RELAY4}]}
    with h.relay(relay=only4):
        assert allocate_code(UDP, family(2)) == 440
        answer = h.client().request(turn.ALLOCATE, [UDP, additional(2)])
        assert answer.get(ADDRESS_ERROR_CODE)[:4] == b"\2\0\4\x28"
