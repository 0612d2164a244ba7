# SPDX-License-Identifier: BSD-3-Clause
"""Processes that die, stop, start twice: what the clients see, and what the operator is told."""

import os
import signal
import subprocess
import time

import harness as h
import turn


def bound_client(relay):
    """A client with a channel, its peer, and a function that sends one datagram each way."""
    client = h.client()
    relayed = client.allocate()
    peer = h.udp("peer", h.PEER4)
    client.bind(0x4001, (h.PEER4, peer.getsockname()[1]))
    counter = iter(range(1 << 30))

    def both_ways(timeout=2.0):
        n = next(counter).to_bytes(4, "big")
        client.send_channel(0x4001, b"up" + n)
        peer.sendto(b"down" + n, relayed)
        return (h.receive(peer, timeout) == (b"up" + n, relayed)
                and client.receive(timeout) == ("channel", 0x4001, b"down" + n))

    return client, relayed, peer, both_ways


def test_no_relay_socket_and_stop_stops_media():
    with h.relay() as relay:
        client, relayed, peer, both_ways = bound_client(relay)
        assert both_ways()
        assert h.run_in("relay", "ss", "-Hulpn").stdout.strip() == "", "a UDP socket in the kernel"

        relay.dataplane.signal(signal.SIGSTOP)
        client.send_channel(0x4001, b"frozen")
        assert h.receive(peer, 0.5) is None
        # Status is asked of the dataplane by control: it must say so, not hang.
        code, _ = relay.ctl("status", check=False)
        assert code in (1, 2), f"a stopped dataplane is reported as healthy (exit {code})"
        relay.dataplane.signal(signal.SIGCONT)
        assert h.receive(peer, 2) == (b"frozen", relayed)
        assert both_ways()


def test_each_says_when_it_is_ready():
    # Who has no service manager waits for these lines, as config/quickstart.sh does.
    with h.relay() as relay:
        for daemon in (relay.dataplane, relay.control):
            h.wait_until(lambda d=daemon: " ready" in d.output(), 5, f"{daemon.name} says ready")


def test_control_killed_media_goes_on():
    with h.relay() as relay:
        client, relayed, peer, both_ways = bound_client(relay)
        before = relay.ctl("allocation", "list")["allocations"]
        relay.control.end(signal.SIGKILL)
        for _ in range(20):
            assert both_ways()
        assert client.binding()[0] == h.CLIENT4  # answered in the worker

        # The operator is not blind meanwhile.
        code, status = relay.ctl("status", check=False)
        assert code == 1 and status["control"]["state"] != "up", status
        assert relay.stats()["counters"]["channel_up"] >= 20

        # A request waits for the next control and then succeeds by its retransmissions.
        waiting = h.in_thread(lambda: client.refresh(timeout=20))
        time.sleep(0.3)
        relay.start_control()
        assert waiting.result() > 0
        after = relay.ctl("allocation", "list")["allocations"]
        assert [a["id"] for a in before] == [a["id"] for a in after]
        assert both_ways()
        client.refresh(0)
        assert relay.ctl("allocation", "list")["allocations"] == []


def test_control_stops_in_order_and_leaves_calls_alone():
    with h.relay() as relay:
        _, _, _, both_ways = bound_client(relay)
        assert relay.control.end() == 0
        assert both_ways()
        relay.start_control()
        assert both_ways()


def test_adopted_allocation_expires():
    with h.relay(lifetimes={"allocation_default_s": 5}) as relay:
        client, relayed, peer, both_ways = bound_client(relay)
        begin = time.monotonic()
        relay.control.end(signal.SIGKILL)
        relay.start_control()
        last = begin
        while time.monotonic() < begin + 7:
            if both_ways(0.05):
                last = time.monotonic()
        assert 3.5 < last - begin < 6, f"an allocation of 5 s ended after {last - begin:.2f} s"
        assert relay.ctl("allocation", "list")["allocations"] == []


def test_dataplane_killed_and_restarted():
    with h.relay() as relay:
        client, relayed, peer, both_ways = bound_client(relay)
        assert both_ways()
        peer.connect(relayed)
        relay.dataplane.end(signal.SIGKILL)
        end = time.monotonic() + 1.0
        while time.monotonic() < end:
            # Connected sockets raise ECONNREFUSED if the kernel answers for the dead relay.
            client.send_channel(0x4001, b"silence")
            peer.send(b"silence")
            assert client.receive(0.02) is None and h.receive(peer, 0.02) is None
        begin = time.monotonic()
        relay.start_dataplane()
        resumed = None
        while resumed is None:
            assert time.monotonic() < begin + 10, "media did not resume"
            client.send_channel(0x4001, b"again")
            if h.receive(peer, 0.02) == (b"again", relayed):
                resumed = time.monotonic()
        print(f"  media back {resumed - begin:.2f} s after the restart")
        peer.send(b"again")
        h.wait_until(lambda: client.receive(0.1) == ("channel", 0x4001, b"again"), 5, "downlink")
        assert client.refresh() > 0
        assert len(relay.ctl("allocation", "list")["allocations"]) == 1


def test_orderly_stop_leaves_no_trace():
    reserved = "net.ipv4.ip_local_reserved_ports"
    h.run_in("relay", "sysctl", "-w", f"{reserved}=7000,60000-60010")
    try:
        before = h.run_in("relay", "sysctl", "-n", reserved).stdout
        with h.relay():
            during = h.run_in("relay", "sysctl", "-n", reserved).stdout
            assert "49152-65535" in during and "7000" in during
            assert "xdp" in h.run_in("relay", "ip", "link", "show", "dev", "eth0").stdout
        assert h.run_in("relay", "sysctl", "-n", reserved).stdout == before
        link = h.run_in("relay", "ip", "link", "show", "dev", "eth0").stdout
        assert "xdp" not in link, link
        assert h.run_in("relay", "tc", "filter", "show", "dev", "eth0", "ingress").stdout == ""
    finally:
        h.run_in("relay", "sysctl", "-w", f"{reserved}=")


def start_refused(relay, binary, name, *words, **kw):
    """The daemon must end with 1 and say these words."""
    daemon = h.Daemon(relay, binary, name + "-refused", **kw)
    try:
        code = daemon.process.wait(20)
    except subprocess.TimeoutExpired:
        daemon.process.kill()
        daemon.process.wait()
        raise AssertionError(f"{name} was not refused:\n{daemon.output()}")
    output = daemon.output()
    assert code == 1, f"exit {code}:\n{output}"
    for word in words:
        assert word.lower() in output.lower(), f"'{word}' is not said:\n{output}"
    return output


def test_second_daemon_is_refused():
    with h.relay() as relay:
        _, _, _, both_ways = bound_client(relay)
        start_refused(relay, h.DATAPLANE, "dataplane", str(relay.dataplane.pid))
        start_refused(relay, h.CONTROL, "control", str(relay.control.pid))
        assert both_ways()


class Unstarted:
    """A configuration without daemons; cleans up its directory."""

    def __init__(self, **changes):
        self.relay = h.Relay(**changes)

    def __enter__(self):
        return self.relay

    def __exit__(self, *_):
        self.relay.kill_all()


def no_trace():
    link = h.run_in("relay", "ip", "link", "show", "dev", "eth0").stdout
    return "xdp" not in link and \
        h.run_in("relay", "tc", "filter", "show", "dev", "eth0", "ingress").stdout == ""


def test_missing_interface():
    port = {"name": "wan", "mode": "af_xdp", "interface": "eth7", "queues": 1}
    with Unstarted(ports=[port]) as relay:
        start_refused(relay, h.DATAPLANE, "dataplane", "eth7", "ports[0]")


def test_address_on_no_port():
    listener = {"address": "198.18.0.99", "port": 3478, "transports": ["udp"]}
    with Unstarted(listeners=[listener]) as relay:
        start_refused(relay, h.DATAPLANE, "dataplane", "listeners[0].address", "198.18.0.99")
    assert no_trace()


def test_mtu_too_large_for_xdp():
    h.run_in("relay", "ip", "link", "set", "sw-relay", "mtu", "9000")
    h.run_in("relay", "ip", "link", "set", "eth0", "mtu", "9000")
    try:
        with Unstarted() as relay:
            start_refused(relay, h.DATAPLANE, "dataplane", "eth0", "9000", "mtu")
        assert no_trace()
    finally:
        h.run_in("relay", "ip", "link", "set", "eth0", "mtu", "1500")
        h.run_in("relay", "ip", "link", "set", "sw-relay", "mtu", "1500")


FOREIGN = b"""
#include <linux/bpf.h>
__attribute__((section("xdp"), used)) int someone_elses(struct xdp_md *ctx) { return XDP_PASS; }
char foreign_license[] __attribute__((section("license"), used)) = "BSD";
"""


def test_foreign_xdp_program_is_kept():
    with Unstarted() as relay:
        source, program = relay.directory / "foreign.c", relay.directory / "foreign.o"
        source.write_bytes(FOREIGN)
        subprocess.run(["clang", "-O2", "-g", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu",
                        "-c", str(source), "-o", str(program)], check=True)
        h.run_in("relay", "ip", "link", "set", "dev", "eth0", "xdp", "obj", program, "sec", "xdp")
        try:
            start_refused(relay, h.DATAPLANE, "dataplane", "eth0", "someone_elses")
            link = h.run_in("relay", "ip", "-d", "link", "show", "dev", "eth0").stdout
            assert "xdp" in link, "the foreign program was taken off"
        finally:
            h.run_in("relay", "ip", "link", "set", "dev", "eth0", "xdp", "off")


def test_no_permission():
    with Unstarted() as relay:
        os.chmod(relay.directory, 0o777)
        os.chmod(relay.config_path, 0o644)
        wrapper = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        start_refused(relay, h.DATAPLANE, "dataplane", "CAP_NET_ADMIN", wrapper=wrapper)
    assert no_trace()


def test_ports_of_the_range_in_use():
    with h.inside("relay"):
        import socket
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((h.RELAY4, 50123))
    try:
        with h.relay() as relay:
            assert "50123" in relay.dataplane.output(), relay.dataplane.output()
    finally:
        sock.close()


def test_config_problems_are_named_and_nothing_starts():
    mistakes = [
        ({"realmm": "x"}, ["realmm", "realm"]),
        ({"relay": {"addresses": [{"address": h.RELAY4}], "port_range": [65535, 49152]}},
         ["relay.port_range"]),
        ({"listeners": [{"address": h.RELAY4, "port": "3478", "transports": ["udp"]}]},
         ["listeners[0].port"]),
        ({"listeners": [{"address": h.RELAY4, "port": 3478, "transports": ["udp"]}] * 2},
         ["listeners[1]"]),
    ]
    for changes, words in mistakes:
        with Unstarted(**changes) as relay:
            for binary, name in ((h.DATAPLANE, "dataplane"), (h.CONTROL, "control")):
                start_refused(relay, binary, name, str(relay.config_path), *words)
                start_refused(relay, binary, name, *words, extra=["--check"])
            assert not (relay.directory / "dataplane.sock").exists()


def test_check_accepts_a_good_config():
    with Unstarted() as relay:
        for binary in (h.DATAPLANE, h.CONTROL):
            done = h.run_in("relay", binary, "-c", relay.config_path, "--check", check=False)
            assert done.returncode == 0, done.stdout + done.stderr
        assert no_trace()


def cpu_seconds(pid):
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@h.alone
def test_idle_relay_sleeps():
    with h.relay() as relay:
        bound_client(relay)
        time.sleep(1)
        begin = [cpu_seconds(d.pid) for d in (relay.dataplane, relay.control)]
        time.sleep(5)
        used = sum(cpu_seconds(d.pid) for d in (relay.dataplane, relay.control)) - sum(begin)
        assert used / 5 < 0.03, f"an idle relay used {used / 5:.1%} of a core"


@h.alone
def test_without_hugepages():
    before = open("/proc/sys/vm/nr_hugepages").read()
    with open("/proc/sys/vm/nr_hugepages", "w") as f:
        f.write("0")
    try:
        with h.relay() as relay:
            assert "hugepages" in relay.dataplane.output()
            _, _, _, both_ways = bound_client(relay)
            for _ in range(5000):
                assert both_ways()
    finally:
        with open("/proc/sys/vm/nr_hugepages", "w") as f:
            f.write(before)


def test_two_workers_one_queue():
    """The port has one queue: the worker without one is reached and sends by hand-off."""
    with h.relay(workers={"cores": [0, 1], "idle": "backoff"}) as relay:
        _, _, _, both_ways = bound_client(relay)
        for _ in range(200):
            assert both_ways()


def test_status_and_stats():
    with h.relay() as relay:
        _, _, _, both_ways = bound_client(relay)
        for _ in range(10):
            assert both_ways()
        code, status = relay.ctl("status", check=False)
        assert code == 0, status
        stats = relay.stats()
        assert stats["counters"]["channel_up"] == 10 and stats["counters"]["channel_down"] == 10
        assert set(stats["books"]) >= {"rx", "stream_up", "tx", "drops", "punted", "stream_down", "held",
                                       "difference"}
        listed = relay.ctl("allocation", "list")["allocations"]
        assert len(listed) == 1
        shown = relay.ctl("allocation", "show", f"id={listed[0]['id']}")
        assert shown["up_packets"] == 10 and shown["down_packets"] == 10, shown
        code, _ = relay.ctl("allocation", "show", "id=" + "0" * 32, check=False)
        assert code == 1
        code, _ = relay.ctl("no-such-noun", check=False)
        assert code == 2
    code, _ = relay.ctl("status", check=False)
    assert code == 2, "both dead: down"


def test_malformed_datagrams_are_counted():
    with h.relay() as relay:
        client = h.client()
        client.allocate()
        good = turn.Message(turn.REQUEST, turn.ALLOCATE, [(turn.REQUESTED_TRANSPORT, b"\x11\0\0\0")])
        data = good.encode()
        mutations = [data[:n] for n in range(len(data))]
        mutations += [bytes((b,)) + os.urandom(60) for b in range(256)]
        mutations += [data[:2] + n.to_bytes(2, "big") + data[4:] for n in (0xFFFC, 0xFFFF, 4, 1)]
        mutations += [os.urandom(n) for n in range(0, 1400, 7)]
        for m in mutations:
            client.sock.send(m)
        h.wait_until(lambda: relay.counter("rx") >= len(mutations), 5, "all arrived")
        assert client.binding()
        fresh = h.client()
        fresh.allocate()
