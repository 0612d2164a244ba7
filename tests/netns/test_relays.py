# SPDX-License-Identifier: BSD-3-Clause
"""The pool of relay addresses: drained and removed live, behind 1:1 NAT, and without a leak."""

import ipaddress
import os
import random
import signal
import struct

import harness as h
import turn

PREFIX = "198.18.7.0/26"
SECOND, SECOND6 = "198.18.0.3", "fd00:198:18::3"
MOBILITY_TICKET = 0x8030


def pool(*addresses, ports=(49152, 65535)):
    return {"addresses": [a if isinstance(a, dict) else
                          {"prefix": a} if "/" in a else {"address": a} for a in addresses],
            "port_range": list(ports)}


def inside(host, prefix):
    return ipaddress.ip_address(host) in ipaddress.ip_network(prefix)


def entry(relay, address):
    return next(e for e in relay.ctl("relay", "list")["relays"] if e["address"] == address)


def refused(function, *arguments, **kw):
    try:
        function(*arguments, **kw)
    except turn.TurnError as e:
        return e.code
    raise AssertionError("was not refused")


def echo(client, number, peer):
    """Media both ways over a channel."""
    up = os.urandom(100)
    client.send_channel(number, up)
    data, source = h.receive(peer)
    assert data == up and source == client.relayed
    peer.sendto(up[::-1], source)
    assert client.receive() == ("channel", number, up[::-1])


def test_drain_closes_nothing():
    """Calls on a drained prefix go on through refreshes and a new control; new ones go elsewhere."""
    with h.relay(relay=pool(h.RELAY4, PREFIX, h.RELAY6),
                 lifetimes={"port_rest_s": 2}) as relay:
        peer = h.udp("peer", h.PEER4)
        calls = []
        while len(calls) < 3:
            client = h.client()
            if not inside(client.allocate()[0], PREFIX):
                client.refresh(0)
                client.close()
                continue
            client.bind(0x4001, peer.getsockname()[:2])
            calls.append(client)
        before = entry(relay, PREFIX)
        assert before["state"] == "in_use" and before["taken"] == 3 and before["addresses"] == 64
        drained = relay.ctl("relay", "drain", PREFIX)
        assert drained["state"] == "drained" and not drained["empty"]
        for _ in range(40):
            client = h.client()
            assert client.allocate()[0] == h.RELAY4
            client.refresh(0)
            client.close()
        total = relay.ctl("relay", "ports")["total"]["ipv4"]
        assert total["addresses"] == 65 and total["drained"] == 64
        assert total["free"] + total["taken"] + total["resting"] + total["drained_free"] == \
            total["ports"] == 65 * 16384
        # Neither an address inside nor one that is not ours is the entry.
        code, _ = relay.ctl("relay", "drain", "198.18.7.5", check=False)
        assert code == 1
        assert relay.ctl("relay", "drain", "198.18.9.9", check=False)[0] == 1
        assert relay.ctl("relay", "drain", "nonsense", check=False)[0] == 2
        assert relay.ctl("relay", "remove", PREFIX, check=False)[0] == 1  # not empty

        relay.control.end(signal.SIGKILL)
        relay.start_control()
        assert entry(relay, PREFIX)["state"] == "drained"
        assert f"relay address {PREFIX} stays drained" in relay.control.output()
        for client in calls:
            echo(client, 0x4001, peer)
            assert client.refresh() == 600
            client.bind(0x4001, peer.getsockname()[:2])
            echo(client, 0x4001, peer)
        client = h.client()
        assert client.allocate()[0] == h.RELAY4
        client.close()

        for client in calls[:2]:
            client.refresh(0)
        assert not entry(relay, PREFIX)["empty"]
        echo(calls[2], 0x4001, peer)
        calls[2].refresh(0)
        h.wait_until(lambda: entry(relay, PREFIX)["empty"], 10, "the drained prefix is empty")
        relay.ctl("relay", "undrain", PREFIX)
        used = set()
        for _ in range(30):
            client = h.client()
            used.add(inside(client.allocate()[0], PREFIX))
            client.close()
        assert True in used


def test_a_drained_family_is_508_and_a_removed_one_440():
    with h.relay(relay=pool(h.RELAY4, h.RELAY6), lifetimes={"port_rest_s": 1}) as relay:
        relay.ctl("relay", "drain", h.RELAY6)
        assert refused(h.client().allocate, family=6) == 508
        # A dual allocation gets what there is, and says why the other is missing.
        client = h.client()
        answer = client.request(turn.ALLOCATE, [
            (turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))),
            (turn.ADDITIONAL_ADDRESS_FAMILY, bytes((2, 0, 0, 0)))])
        error = answer.get(0x8001)  # ADDRESS-ERROR-CODE
        assert error[0] == 2 and error[2] * 100 + error[3] == 508
        relay.ctl("relay", "remove", h.RELAY6)
        assert refused(h.client().allocate, family=6) == 440
        h.client().allocate(family=4)
        # It is no peer any more, with any port, nor after a restart of control.
        other = h.client()
        other.allocate()
        for _ in range(2):
            assert refused(other.permit, h.RELAY6) in (403, 443)
            relay.control.end(signal.SIGKILL)
            relay.start_control()
            assert entry(relay, h.RELAY6)["state"] == "removed"
        assert refused(h.client().allocate, family=6) == 440
        relay.ctl("relay", "undrain", h.RELAY6)
        h.client().allocate(family=6)


def test_a_removed_address_is_no_peer():
    with h.relay(relay=pool(h.RELAY4, SECOND, h.RELAY6)) as relay:
        client = h.client()
        relay.ctl("relay", "drain", SECOND)
        assert client.allocate()[0] == h.RELAY4
        client.permit(SECOND)  # drained: a call may still be there
        relay.ctl("relay", "remove", SECOND)
        assert refused(client.permit, SECOND) == 403
        client.permit(h.RELAY4)
        relay.control.end(signal.SIGKILL)
        relay.start_control()
        assert refused(client.permit, SECOND) == 403
        # The last step: a configuration without it, both daemons restarted, calls elsewhere live on.
        peer = h.udp("peer", h.PEER4)
        client.bind(0x4001, peer.getsockname()[:2])
        relay.config["relay"] = pool(h.RELAY4, h.RELAY6)
        relay.write_config()
        relay.control.end()
        relay.dataplane.end()
        relay.start_dataplane()
        relay.start_control()
        assert [e["address"] for e in relay.ctl("relay", "list")["relays"]] == [h.RELAY4, h.RELAY6]


def test_drain_outlives_the_dataplane():
    with h.relay(relay=pool(h.RELAY4, SECOND, h.RELAY6)) as relay:
        relay.ctl("relay", "drain", SECOND)
        relay.dataplane.end(signal.SIGKILL)
        assert relay.ctl("relay", "undrain", SECOND)["state"] == "in_use"  # also while it is away
        assert relay.ctl("relay", "drain", SECOND)["state"] == "drained"
        relay.start_dataplane()
        h.wait_until(lambda: relay.ctl("status", check=False)[0] == 0, 10, "attached again")
        relay.control.end(signal.SIGKILL)
        relay.start_control()
        assert entry(relay, SECOND)["state"] == "drained"
        for _ in range(20):
            assert h.client().allocate()[0] == h.RELAY4


def test_load_is_equal():
    """Four hundred allocations over 66 addresses; every one gets its share."""
    with h.relay(relay=pool(h.RELAY4, SECOND, PREFIX, h.RELAY6, ports=(50000, 50199))) as relay:
        clients = [h.client() for _ in range(400)]
        for client in clients:
            client.allocate()
        ports = relay.ctl("relay", "ports")
        rows = [r for r in ports["addresses"] if ":" not in r["address"]]
        assert len(rows) == 66 and sum(r["taken"] for r in rows) == 400
        free = [r["free"] for r in rows]
        assert max(free) - min(free) < 0.05 * max(free), sorted(free)
        assert ports["total"]["ipv4"]["free"] == 66 * 200 - 400
        # Page by page it is the same.
        pages, after = [], 0
        while after is not None:
            page = relay.ctl("relay", "ports", "limit=10", f"after={after}")
            pages += page["addresses"]
            after = page["next"]
        assert pages == ports["addresses"]
        for client in clients:
            client.close()


def check_pair(private, public, family):
    """Two clients behind the NAT; each reaches the other by public and by private form."""
    def told(host):
        return inside(host, public) if "/" in public else host == public

    def local(relayed):
        offset = int(ipaddress.ip_address(relayed[0])) - \
            int(ipaddress.ip_network(public).network_address)
        return str(ipaddress.ip_network(private).network_address + offset), relayed[1]

    for form in (lambda r: r, local):
        a, b = h.client(), h.client()
        ra, rb = a.allocate(family=family), b.allocate(family=family)
        assert told(ra[0]) and told(rb[0])
        a.permit(form(rb)[0])
        b.permit(form(ra)[0])
        a.send_indication(form(rb), b"a to b")
        assert b.receive() == ("data", ra, b"a to b")
        b.bind(0x4001, form(ra))
        b.send_channel(0x4001, b"b to a")
        assert a.receive() == ("data", rb, b"b to a")
        a.close()
        b.close()


def test_public_forms():
    """1:1 NAT before an IPv6 address, and before a prefix: hairpin in both forms, peers see the
    packets of the private one."""
    relays = pool({"address": h.RELAY6, "public": "2001:db8:7::5"},
                  {"prefix": PREFIX, "public": "198.18.100.64"})
    with h.relay(relay=relays) as relay:
        check_pair(h.RELAY6 + "/128", "2001:db8:7::5/128", 6)
        check_pair(PREFIX, "198.18.100.64/26", 4)
        assert relay.counter("hairpin") == 8
        peer, client = h.udp("peer", h.PEER4), h.client()
        relayed = client.allocate()
        client.bind(0x4001, peer.getsockname()[:2])
        client.send_channel(0x4001, b"out")
        data, source = h.receive(peer)
        assert data == b"out" and source[1] == relayed[1] and inside(source[0], PREFIX)
        assert int(ipaddress.ip_address(source[0])) & 63 == \
            int(ipaddress.ip_address(relayed[0])) & 63
        rows = {e["address"]: e["public"] for e in relay.ctl("relay", "list")["relays"]}
        assert rows == {h.RELAY6: "2001:db8:7::5", PREFIX: "198.18.100.64/26"}


def test_a_pool_of_256_entries():
    """The attachment, steering and both processes take the largest pool."""
    hosts = [f"198.18.8.{i}" for i in range(255)]
    for host in hosts:
        h.run_in("relay", "ip", "route", "add", "local", f"{host}/32", "dev", "lo")
    try:
        with h.relay(relay=pool(*hosts, PREFIX, ports=(50000, 50999))) as relay:
            rows = relay.ctl("relay", "list")["relays"]
            assert len(rows) == 256 and {r["state"] for r in rows} == {"in_use"}
            singles = relay.ctl("relay", "ports")
            assert len(singles["addresses"]) == 255 + 64
            assert singles["total"]["ipv4"]["free"] == 1000 * (255 + 64)
            assert "the dataplane does not have it" not in relay.control.output()
            peer = h.udp("peer", h.PEER4)
            used = set()
            for _ in range(30):
                client = h.client()
                used.add(client.allocate()[0])
                client.bind(0x4001, peer.getsockname()[:2])
                echo(client, 0x4001, peer)
                client.close()
            assert len(used) > 15
    finally:
        for host in hosts:
            h.run_in("relay", "ip", "route", "del", "local", f"{host}/32", "dev", "lo",
                     check=False)


# ---- No leak.

def token_of(client):
    answer = client.request(turn.ALLOCATE, [
        (turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))), (turn.EVEN_PORT, b"\x80")])
    return answer.get(0x0022)


def allocate_with(client, *attributes):
    return client.request(turn.ALLOCATE, [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))),
                                          *attributes])


def cycle_plain(client, peer):
    client.allocate()
    client.permit(h.PEER4)
    client.bind(0x4001, peer)
    client.refresh(0)


def cycle_even(client, peer):
    allocate_with(client, (turn.EVEN_PORT, b"\0"))
    client.refresh(0)


def cycle_pair(client, peer):
    token = token_of(client)
    other = h.client()
    allocate_with(other, (0x0022, token))
    other.refresh(0)
    other.close()
    client.refresh(0)


def cycle_pair_unused(client, peer):
    # Eight reservations of a user at a time; the next one waits for the oldest.
    try:
        token_of(client)
        client.refresh(0)
    except turn.TurnError as e:
        assert e.code == 486


def cycle_dual(client, peer):
    allocate_with(client, (turn.ADDITIONAL_ADDRESS_FAMILY, bytes((2, 0, 0, 0))))
    if random.random() < 0.5:
        client.request(turn.REFRESH, [
            (turn.LIFETIME, struct.pack("!I", 0)),
            (turn.REQUESTED_ADDRESS_FAMILY, bytes((random.choice((1, 2)), 0, 0, 0)))])
    client.refresh(0)


def cycle_ipv6(client, peer):
    client.allocate(family=6)
    client.permit(h.PEER6)
    client.refresh(0)


def cycle_bad(client, peer):
    assert refused(allocate_with, client, (0x0022, b"unknown!")) == 508
    assert refused(client.refresh, 0) == 437
    assert refused(client.allocate, attributes=((turn.EVEN_PORT, b"\0"), (0x0022, b"unknown!"))) \
        == 400
    client.allocate()
    assert refused(client.allocate) == 437
    assert refused(client.permit, "10.0.0.1") == 403
    client.refresh(0)


def cycle_left(client, peer):
    """Ends by its deadline."""
    client.allocate(lifetime=5)


def cycle_mobile(client, peer):
    """Moves twice; the first move is completed by data, the second ends with the allocation."""
    wanted = (MOBILITY_TICKET, b"")
    ticket = allocate_with(client, wanted).get(MOBILITY_TICKET)
    client.bind(0x4001, peer)
    for end in (False, True):
        moved = h.client(user=client.user, password=client.password)
        attributes = [(MOBILITY_TICKET, ticket)]
        ticket = moved.request(turn.REFRESH, attributes).get(MOBILITY_TICKET)
        if end:
            moved.refresh(0)
        else:
            moved.send_channel(0x4001, b"here now")
        moved.close()


CYCLES = [cycle_plain, cycle_even, cycle_pair, cycle_pair_unused, cycle_dual, cycle_ipv6, cycle_bad,
          cycle_mobile, cycle_left]


def test_no_leak():
    """2,700 cycles of every kind, control killed three times in between: `relay ports` ends as it
    began."""
    lifetimes = {"port_rest_s": 1, "allocation_default_s": 5, "allocation_max_s": 60}
    with h.relay(relay=pool(h.RELAY4, PREFIX, h.RELAY6), lifetimes=lifetimes,
                 mobility=True) as relay:
        before = relay.ctl("relay", "ports")
        assert before["total"]["ipv4"]["free"] == 65 * 16384
        peer = h.udp("peer", h.PEER4).getsockname()[:2]
        left = []  # their five-tuples are in use until the deadline
        for n in range(2700):
            # A kind has its user: reservations that nobody used are in nobody's way.
            cycle = CYCLES[n % len(CYCLES)]
            user, password = ("u", "p") if CYCLES.index(cycle) % 2 else ("v", "q")
            client = h.client(user=user, password=password)
            cycle(client, peer)
            if cycle is cycle_left:
                left.append(client)
            else:
                client.close()
            if n % 600 == 300:
                relay.control.end(signal.SIGKILL)
                relay.start_control()
        h.wait_until(lambda: relay.ctl("relay", "ports") == before, 45, "all ports free again")
        for client in left:
            client.close()
        status = relay.ctl("status")["control"]
        assert (status["allocations"], status["resting"], status["users"]) == (0, 0, 0)
        dataplane = relay.ctl("status")["dataplane"]
        assert (dataplane["allocations"], dataplane["flows"]) == (0, 0)
