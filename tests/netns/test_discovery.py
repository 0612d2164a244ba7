# SPDX-License-Identifier: BSD-3-Clause
"""NAT behaviour discovery, RFC 5780: the four listeners, answers from and to other ports and
addresses, and what turnutils_natdiscovery makes of the lab, which has no NAT."""

import ipaddress
import struct

import harness as h
import turn

CHANGE_REQUEST, PADDING, RESPONSE_PORT = 0x0003, 0x0026, 0x0027
RESPONSE_ORIGIN, OTHER_ADDRESS = 0x802B, 0x802C
CHANGE_IP, CHANGE_PORT = 4, 2
ALTERNATE4, ALTERNATE6 = "198.18.0.3", "fd00:198:18::3"
PORTS = (3478, 3479)
FAMILIES = ((h.CLIENT4, (h.RELAY4, ALTERNATE4)), (h.CLIENT6, (h.RELAY6, ALTERNATE6)))
DISCOVERY = {"alternate_address": ALTERNATE4, "alternate_address6": ALTERNATE6,
             "alternate_port": 3479}


def relay(**changes):
    return h.relay(nat_discovery=DISCOVERY, **changes)


def plain_address(message, kind):
    value = message.get(kind)
    return value and (str(ipaddress.ip_address(value[4:])), struct.unpack("!H", value[2:4])[0])


def change(flags):
    return CHANGE_REQUEST, struct.pack("!I", flags)


def response_port(port):
    return RESPONSE_PORT, struct.pack("!HH", port, 0)


def ask(sock, server, *attributes, at=None):
    """(answer, its source, its length) of one Binding request, or None; it is read at `at`."""
    request = turn.Message(turn.REQUEST, turn.BINDING, attributes)
    sock.sendto(request.encode(), server)
    got = h.receive(at or sock)
    if got is None:
        return None
    answer = turn.Message.decode(got[0])
    assert answer.transaction == request.transaction
    return answer, got[1], len(got[0])


def code_of(sock, server, *attributes):
    answer, source, _ = ask(sock, server, *attributes)
    assert source == server
    return turn.error_of(answer)[0] if answer.klass == turn.ERROR else 0


def test_every_source():
    """Section 6.1, table 1, at each of the four listeners of each family."""
    with relay():
        for client, hosts in FAMILIES:
            sock = h.udp("client", client)
            for a, host in enumerate(hosts):
                for p, port in enumerate(PORTS):
                    for flags in (None, 0, CHANGE_IP, CHANGE_PORT, CHANGE_IP | CHANGE_PORT):
                        wishes = () if flags is None else (change(flags),)
                        answer, source, _ = ask(sock, (host, port), *wishes)
                        flags = flags or 0
                        expected = (hosts[a ^ bool(flags & CHANGE_IP)],
                                    PORTS[p ^ bool(flags & CHANGE_PORT)])
                        assert answer.klass == turn.SUCCESS
                        assert source == expected, (host, port, flags, source)
                        assert plain_address(answer, RESPONSE_ORIGIN) == expected
                        assert plain_address(answer, OTHER_ADDRESS) == (hosts[1 - a], PORTS[1 - p])
                        here = sock.getsockname()[:2]
                        assert plain_address(answer, turn.MAPPED_ADDRESS) == here
                        assert answer.address(turn.XOR_MAPPED_ADDRESS) == here


def test_response_port():
    with relay():
        for client, hosts in FAMILIES:
            sock, other = h.udp("client", client), h.udp("client", client)
            server, port = (hosts[0], 3478), other.getsockname()[1]
            answer, source, _ = ask(sock, server, response_port(port), at=other)
            assert answer.klass == turn.SUCCESS and source == server
            # The mapped address stays that of the request.
            assert answer.address(turn.XOR_MAPPED_ADDRESS) == sock.getsockname()[:2]
            # Both at once: section 4.6.
            answer, source, _ = ask(sock, server, response_port(port),
                                    change(CHANGE_IP | CHANGE_PORT), at=other)
            assert source == (hosts[1], 3479)
            # Section 6.1: never with PADDING; the error goes to who asked.
            assert code_of(sock, server, response_port(port), (PADDING, bytes(100))) == 400
            assert code_of(sock, server, response_port(0)) == 400


def test_padding():
    """Section 7.6: the answer is padded as the request was, up to the MTU, and so leaves in
    fragments; it is never many times the request."""
    with relay():
        for client, hosts in FAMILIES:
            sock = h.udp("client", client)
            for asked, expected in ((0, 0), (1, 4), (100, 100), (1500, 1500), (1600, 1500)):
                answer, source, length = ask(sock, (hosts[0], 3478), (PADDING, b"x" * asked))
                assert source == (hosts[0], 3478)
                assert len(answer.get(PADDING)) == expected, (asked, len(answer.get(PADDING)))
                assert (length > 1500) == (expected == 1500)
            # From the other address as well.
            answer, source, length = ask(sock, (hosts[0], 3478), change(CHANGE_IP),
                                         (PADDING, bytes(1500)))
            assert source == (hosts[1], 3478) and length > 1500


def test_size_of_answers():
    """docs/request-path.md tells these sizes, of IP packets: request, answer by family."""
    sizes = (((), 48, 96, 68, 164), ((change(0),), 56, 108, 76, 176),
             (((PADDING, b""),), 52, 112, 72, 180),
             (((PADDING, bytes(1500)),), 1552, 1612, 1572, 1680))
    with relay():
        for (client, hosts), header in zip(FAMILIES, (28, 48)):
            sock = h.udp("client", client)
            for attributes, *expected in sizes:
                request = len(turn.Message(turn.REQUEST, turn.BINDING, attributes).encode())
                _, _, length = ask(sock, (hosts[0], 3478), *attributes)
                at = 2 * (header == 48)
                assert [request + header, length + header] == expected[at:at + 2], attributes


def test_where_it_is_not_configured():
    """Section 6.1: 420; by listener, too."""
    listeners = h.CONFIG["listeners"] + [{"address": h.RELAY4, "port": 3500}]
    with relay(listeners=listeners):
        sock = h.udp("client", h.CLIENT4)
        server = (h.RELAY4, 3500)
        for attribute in (change(0), response_port(9), (PADDING, b"")):
            answer, source, _ = ask(sock, server, attribute)
            assert turn.error_of(answer)[0] == 420 and source == server
            assert answer.get(turn.UNKNOWN_ATTRIBUTES) == struct.pack("!H", attribute[0])
        answer, _, _ = ask(sock, server)
        assert answer.klass == turn.SUCCESS and answer.get(OTHER_ADDRESS) is None
        # At a listener of discovery, other unknown attributes are unknown still.
        answer, _, _ = ask(sock, (h.RELAY4, 3478), change(0), (0x7001, b""))
        assert answer.get(turn.UNKNOWN_ATTRIBUTES) == struct.pack("!H", 0x7001)
        # Only in Binding requests.
        known = h.client()
        try:
            known.allocate(attributes=[change(0)])
            raise AssertionError("Allocate with CHANGE-REQUEST succeeded")
        except turn.TurnError as e:
            assert e.code == 420, e


def test_alternate_listeners_and_turn():
    """They serve TURN, and are nobody's peers."""
    with relay():
        for client, hosts in FAMILIES:
            for host in hosts:
                for port in PORTS:
                    c = h.client(client, server=(host, port))
                    c.allocate(family=6 if ":" in client else 4)
                    for peer in hosts:
                        for peer_port in PORTS:
                            try:
                                c.bind(0x4000, (peer, peer_port))
                                raise AssertionError(f"{peer}:{peer_port} is a peer")
                            except turn.TurnError as e:
                                assert e.code == 403, e
                    c.refresh(0)


def natdiscovery(server, local, *options):
    """What it says of NATs. With a local address it can tell whether there is one at all."""
    done = h.run_in("client", "turnutils_natdiscovery", "-L", local, "-l", "41000", *options,
                    server, check=False)
    return [line for line in (done.stdout + done.stderr).splitlines() if "NAT" in line]


def test_natdiscovery_finds_no_nat():
    with relay():
        for client, hosts in FAMILIES:
            for padding in ((), ("-P",)):
                said = natdiscovery(hosts[0], client, "-m", *padding)
                assert "No NAT! (Endpoint Independent Mapping)" in said, said
                assert not any(" Dependent Mapping" in s for s in said), said
                said = natdiscovery(hosts[0], client, "-f", *padding)
                assert "NAT with Endpoint Independent Filtering!" in said, said


def test_natdiscovery_finds_a_filter():
    """A client that hears nobody at the alternate address stands behind what looks like a NAT with
    address-dependent filtering."""
    with relay():
        key = "net.ipv4.conf.eth0.rp_filter"
        before = h.run_in("client", "sysctl", "-n", key).stdout.strip()
        h.run_in("client", "sysctl", "-qw", f"{key}=1")
        h.run_in("client", "ip", "route", "add", "blackhole", ALTERNATE4)
        try:
            said = natdiscovery(h.RELAY4, h.CLIENT4, "-f")
        finally:
            h.run_in("client", "ip", "route", "del", "blackhole", ALTERNATE4)
            h.run_in("client", "sysctl", "-qw", f"{key}={before}")
        assert "NAT with Address Dependent Filtering!" in said, said
