# SPDX-License-Identifier: BSD-3-Clause
"""What can fill up, filled up over real sockets: who comes too late is told, calls that are up go on,
an end makes room without a restart, and nothing is kept of those who were refused."""

import signal
import socket

import frames
import harness as h
import turn
from test_flood import Flood, key_published, settled

PUNT_SLOTS = 1024
FEWEST_MBUFS = 2 * 2048 + 2048  # of one queue and one worker
PIECES = 64  # of one datagram in reassembly


def taken(relay):
    """All that an allocation takes in either process."""
    status = relay.ctl("status", check=False)[1]
    control, dataplane = status["control"], status["dataplane"]
    return {**{k: control[k] for k in ("allocations", "permissions", "channels", "records_free",
                                       "relay_ports_free")},
            "flows": dataplane["flows"]}


class Call:
    """A client with a channel, whose media must go on whatever others meet."""

    def __init__(self):
        self.peer, self.client = h.udp("peer", h.PEER4), h.client()
        self.client.allocate()
        self.client.bind(0x4000, self.peer.getsockname()[:2])

    def goes_on(self):
        self.client.send_channel(0x4000, b"up")
        got = h.receive(self.peer)
        assert got and got[0] == b"up", got
        self.peer.sendto(b"down", got[1])
        assert self.client.receive() == ("channel", 0x4000, b"down")


def refused(code, ask):
    try:
        ask()
    except turn.TurnError as e:
        assert e.code == code, e
        return
    raise AssertionError(f"not refused with {code}")


def errors(relay, method, code):
    return relay.stats()["control"]["methods"][method]["errors"].get(str(code), 0)


def fill(relay, code, method="allocate", most=200):
    """Clients allocate until one is refused; then one ends, and the refused one finds room."""
    call = Call()
    begin, before = taken(relay), errors(relay, method, code)
    clients = []
    while True:
        late = h.client()
        assert len(clients) < most
        try:
            late.allocate()
        except turn.TurnError as e:
            assert e.code == code, e
            break
        clients.append(late)
    full = taken(relay)
    for _ in range(5):
        refused(code, h.client().allocate)
    assert taken(relay) == full, "who is refused leaves something behind"
    assert errors(relay, method, code) == before + 6
    call.goes_on()
    clients.pop().refresh(0)
    late.allocate()
    for client in [*clients, late]:
        client.refresh(0)
    h.wait_until(lambda: taken(relay) == begin, 3, f"all given back: {begin}")
    call.goes_on()
    return len(clients) + 1


def small(**limits):
    return {"limits": {"allocations": 256, "flows": 4096, **limits},
            "lifetimes": {"port_rest_s": 0}}


@h.alone
def test_relay_ports():
    with h.relay(relay={**h.CONFIG["relay"], "port_range": [50000, 50015]}, **small()) as relay:
        assert fill(relay, 508) == 15


@h.alone
def test_records_of_allocations():
    with h.relay(**small(allocations=12)) as relay:
        assert fill(relay, 508) == 11


@h.alone
def test_flows():
    """Control has room, the dataplane has none: it refuses the command, and control takes all back."""
    with h.relay(**small(flows=40)) as relay:
        fill(relay, 508)
        stats = relay.stats()
        assert stats["control"]["refused_by_dataplane"] == 6, stats["control"]
        assert stats["commands_refused"] >= 6
        # A permission or a channel too, and the allocation keeps what it had.
        call, begin = Call(), None
        for n in range(1, 100):
            begin = taken(relay)
            try:
                call.client.permit(f"198.18.1.{n}")
            except turn.TurnError as e:
                assert e.code == 508, e
                break
        assert taken(relay) == begin
        refused(508, lambda: call.client.bind(0x4001, ("198.18.2.1", 9)))
        assert taken(relay) == begin
        call.goes_on()
        call.client.refresh(0)
        Call().goes_on()


@h.alone
def test_records_of_peers_and_permissions_of_an_allocation():
    """Four records of peers for each allocation, whoever has them."""
    with h.relay(quotas={"permissions_per_allocation": 20, "new_peers_per_second": 0},
                 **small(allocations=8)) as relay:
        call = Call()  # a permission and a channel
        begin = taken(relay)
        greedy = h.client()
        greedy.allocate()
        greedy.permit(*(f"198.18.1.{n}" for n in range(1, 21)))
        before = taken(relay)
        refused(508, lambda: greedy.permit("198.18.1.21"))
        assert taken(relay) == before and before["records_free"]["peers"] == 32 - 2 - 20
        other = h.client()
        other.allocate()
        other.permit(*(f"198.18.1.{n}" for n in range(1, 11)))
        assert taken(relay)["records_free"]["peers"] == 0
        full = taken(relay)
        refused(508, lambda: other.permit("198.18.1.11"))
        refused(508, lambda: other.bind(0x4000, ("198.18.1.1", 9)))
        other.permit(*(f"198.18.1.{n}" for n in range(1, 11)))  # a refresh takes none
        assert taken(relay) == full
        assert errors(relay, "create_permission", 508) == 2
        call.goes_on()
        greedy.refresh(0)
        other.bind(0x4000, ("198.18.1.1", 9))
        other.refresh(0)
        h.wait_until(lambda: taken(relay) == begin, 3, f"all given back: {begin}")


@h.alone
def test_punt_ring():
    """Control stands still while requests come: the ring fills, what comes then is named, media goes on;
    when control goes on it answers what is in the ring and then everybody."""
    with h.relay(unauthenticated={"requests_unproven": 0}, **small()) as relay:
        key_published(relay)
        call = Call()
        begin = taken(relay)
        before = settled(relay)
        relay.control.signal(signal.SIGSTOP)
        Flood(0.2, 20000, "m", least=2 * PUNT_SLOTS).result()
        for _ in range(20):
            call.goes_on()
        relay.control.signal(signal.SIGCONT)
        after = settled(relay)
        punted, full = (after[part][name] - before[part][name]
                        for part, name in (("counters", "punted"), ("drops", "punt_full")))
        assert punted >= PUNT_SLOTS and full >= PUNT_SLOTS // 2, (punted, full)
        answered = after["control"]["sent"] - before["control"]["sent"]
        assert answered + after["control"]["inject_full"] == punted, (answered, punted)
        assert after["counters"]["injected"] - before["counters"]["injected"] == answered
        h.client().allocate(timeout=0.45)
        call.client.refresh(timeout=0.45)
        call.goes_on()
        relay.assert_books_close()
        assert taken(relay)["allocations"] == begin["allocations"] + 1


@h.alone
def test_fragments_leave_buffers_for_media():
    """The smallest packet memory and a stranger who fills reassembly: all its pieces are held, and
    media goes on; after five seconds every buffer is back."""
    with h.relay(**small(mbufs=FEWEST_MBUFS)) as relay:
        call = Call()
        mac = bytes.fromhex(h.run_in("relay", "cat", "/sys/class/net/eth0/address")
                            .stdout.strip().replace(":", ""))
        with h.inside("client"):
            raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        raw.bind(("eth0", 0))
        before = settled(relay)
        sent = 0
        while relay.stats()["books"]["held"] < 1024 and sent < 200 * PIECES:
            for _ in range(8):
                for n in range(PIECES):
                    raw.send(frames.ethernet(mac, frames.ip(
                        h.CLIENT4, h.RELAY4, frames.UDP, b"x" * 64, fragment=0x2000 | n * 8,
                        identification=1 + sent // PIECES)))
                    sent += 1
            call.goes_on()
        assert relay.stats()["books"]["held"] == 1024
        for _ in range(100):
            call.goes_on()
        relay.assert_books_close()
        h.wait_until(lambda: relay.stats()["books"]["held"] == 0, 7, "given up after five seconds")
        after = settled(relay)
        assert after["drops"]["fragment_refused"] - before["drops"]["fragment_refused"] == sent
        assert after["drops"]["no_mbuf"] == 0
        call.goes_on()
