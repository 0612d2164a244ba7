# SPDX-License-Identifier: BSD-3-Clause
"""A million forged networks at half of what the port takes, and real clients among them."""

import json
import subprocess
import time

import harness as h
import turn

FLOOD = h.BUILD / "tests" / "netns" / "flood"
PREFIXES = 1_000_000
MOST_S = 120  # of one flood
FIRST_TRY = 0.45  # seconds, less than the first retransmission takes
PUNT_SLOTS = 1024
TOUCHED = 64 * 1024  # bytes
HOUSEKEEPING_S = 11  # control reads this machine's addresses every ten seconds


class Flood:
    """The sender, running in the client's namespace beside whatever the test does."""

    def __init__(self, seconds, rate, kinds="abmr", least=0, address=h.RELAY4, source=(),
                 wrapper=()):
        mac = h.run_in("relay", "cat", "/sys/class/net/eth0/address").stdout.strip()
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *wrapper, "taskset", "-c", "0",
             "ip", "netns", "exec", h.namespace("client"),
             str(FLOOD), "eth0", mac, address, "3478", str(PREFIXES), str(seconds),
             str(int(rate)), kinds, str(least), *map(str, source)],
            stdout=subprocess.PIPE, text=True)

    def running(self):
        return self.process.poll() is None

    def result(self):
        out, _ = self.process.communicate(timeout=MOST_S + 20)
        assert self.process.returncode == 0, self.process.returncode
        return json.loads(out)


def settled(relay):
    """Counters once nothing arrives any more."""
    last = None
    while True:
        now = relay.counter("rx")
        if now == last:
            return relay.stats()
        last = now
        time.sleep(0.1)


def port_rate(relay):
    """Frames a second that the dataplane receives when more are sent. Also turns every ring over,
    so that its pages are there."""
    before = settled(relay)["counters"]
    sent = Flood(2, 0).result()
    after = settled(relay)["counters"]
    return (after["rx"] - before["rx"]) / sent["seconds"]


def memory(daemon):
    """Bytes of a process that are not a file's: its own, shared, in hugepages, and mapped."""
    with open(f"/proc/{daemon.pid}/status") as f:
        rows = dict(line.split(":", 1) for line in f)
    return {k: int(rows[k].split()[0]) * 1024
            for k in ("RssAnon", "RssShmem", "HugetlbPages", "VmData", "VmSwap")}


def key_published(relay):
    client = h.client()

    def answered():
        before = relay.counter("challenge")
        client.sock.send(turn.Message(turn.REQUEST, turn.ALLOCATE, [
            (turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))]).encode())
        client.receive_raw(1)
        return relay.counter("challenge") > before

    h.wait_until(answered, 5, "the worker answers")


def flood_of_all(relay):
    """Half of what the port takes: about how many seconds it takes until every network sent
    something, and frames a second."""
    rate = port_rate(relay) / 2
    return PREFIXES / rate * 1.05, rate


@h.alone
def test_a_million_forged_networks_move_no_memory():
    with h.relay() as relay:
        begin = time.monotonic()
        key_published(relay)
        seconds, rate = flood_of_all(relay)
        time.sleep(max(0, begin + HOUSEKEEPING_S - time.monotonic()))
        before = settled(relay)
        assert before["counters"]["punted"] > PUNT_SLOTS
        memory_before = memory(relay.dataplane), memory(relay.control)
        sent = Flood(seconds, rate, least=PREFIXES).result()
        after = settled(relay)
        memory_after = memory(relay.dataplane), memory(relay.control)
        for before_of, after_of in zip(memory_before, memory_after):
            for kind, bytes_after in after_of.items():
                # What was there all along may be touched for the first time, a page or some.
                touched = TOUCHED if kind.startswith("Rss") else 0
                assert bytes_after <= before_of[kind] + touched, (memory_before, memory_after)
        assert sent["frames"] >= PREFIXES, sent
        arrived = after["counters"]["rx"] - before["counters"]["rx"]
        assert arrived >= sent["frames"] * 9 // 10, (arrived, sent)
        grew = {k: after["drops"][k] - before["drops"][k] for k in after["drops"]}
        for k in ("binding", "challenge", "punted"):
            grew[k] = after["counters"][k] - before["counters"][k]
        # Each kind is answered or counted under its name. What anybody can forge had its own small
        # budget, and what is left of it: the second that it holds, and the flood's duration.
        assert grew["binding"] + grew["budget_binding"] >= arrived // 5
        assert grew["challenge"] + grew["budget_allocate"] >= arrived // 5
        assert grew["budget_unproven"] >= arrived // 5, grew
        assert grew["punted"] <= 2000 * (sent["seconds"] + 2), grew
        assert grew["budget_punt"] == 0, grew
        print(f"    {sent['frames'] / sent['seconds']:.0f} frames/s, {arrived} arrived, "
              f"{grew['budget_unproven']} unproven, 0 bytes moved")


@h.alone
def test_real_clients_allocate_at_the_first_try_meanwhile():
    with h.relay() as relay:
        key_published(relay)
        caller, peer = h.client(), h.udp("peer", h.PEER4)
        caller.allocate()
        caller.permit(h.PEER4)
        caller.bind(0x4001, peer.getsockname()[:2])
        seconds, rate = flood_of_all(relay)
        before = settled(relay)
        flood = Flood(seconds, rate)
        h.wait_until(lambda: relay.drops("budget_unproven")
                     > before["drops"]["budget_unproven"] + 1000, 5, "the flood is there")
        # Two hundred behind one address, each at its first try.
        clients = [h.client() for _ in range(200)]
        begin, slowest, echoes = time.monotonic(), 0, 0
        for client in clients:
            one = time.monotonic()
            client.allocate(timeout=FIRST_TRY)
            slowest = max(slowest, time.monotonic() - one)
        took = time.monotonic() - begin
        while flood.running() and echoes < 200:
            caller.send_channel(0x4001, b"up")
            got = h.receive(peer)
            assert got and got[0] == b"up"
            peer.sendto(b"down", got[1])
            assert caller.receive() == ("channel", 0x4001, b"down")
            echoes += 1
        assert flood.running(), "the flood was over before the clients were"
        assert took < 5, took
        assert echoes > 10, echoes
        flood.result()
        after = settled(relay)["drops"]
        assert after["budget_punt"] == 0 and after["budget_allocate"] == 0
        print(f"    200 clients in {took:.2f} s, slowest {slowest * 1000:.0f} ms, {echoes} echoes")


@h.alone
def test_made_up_credentials_cannot_starve_real_ones():
    """Only such requests, at half the port's rate: without a nonce that was made for the source they
    would all be control's."""
    with h.relay(unauthenticated={"requests_unproven": 100}) as relay:
        key_published(relay)
        rate = port_rate(relay) / 2
        flood = Flood(6, rate, "m")
        h.wait_until(lambda: relay.drops("budget_unproven") > 10000, 5, "the flood is there")
        for _ in range(50):
            h.client().allocate(timeout=FIRST_TRY)
        assert flood.running(), "the flood was over before the clients were"
        flood.result()
        assert settled(relay)["drops"]["budget_punt"] == 0
