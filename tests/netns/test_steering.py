# SPDX-License-Identifier: BSD-3-Clause
"""Steering alone: what the XDP program takes and leaves, what stands in the kernel when the process
dies, stops or is refused. A small program (steer_probe.c) opens ports as the dataplane does and sends
every UDP datagram back. Two namespaces of its own, joined by two links:

    PREFIX-near  eth0 198.18.0.2/24 fd00:198:18::2/64    eth1 198.18.1.2/24
    PREFIX-far   eth0 198.18.0.10/24 fd00:198:18::10/64  eth1 198.18.1.10/24
"""

import contextlib
import json
import pathlib
import socket
import subprocess
import tempfile
import time

import frames as f
import harness as h

PROBE = h.BUILD / "tests" / "netns" / "steer_probe"
FOREIGN = h.BUILD / "tests" / "netns" / "foreign.bpf.o"
NEAR4, NEAR6, FAR4, FAR6 = "198.18.0.2", "fd00:198:18::2", "198.18.0.10", "fd00:198:18::10"
RESERVED = "net.ipv4.ip_local_reserved_ports"
BASE = ("-i", "eth0", "-l", NEAR4 + "/3478", "-l", NEAR6 + "/3478", "-r", NEAR4, "-r", NEAR6,
        "-r", "198.18.7.0/26", "-R", "50000-60000")


def ip_in(role, *words, check=True):
    return subprocess.run(["ip", "-n", h.namespace(role), *words], check=check, text=True,
                          capture_output=True).stdout


@contextlib.contextmanager
def links():
    def remove():
        for role in ("near", "far"):
            subprocess.run(["ip", "netns", "del", h.namespace(role)], capture_output=True)

    remove()
    try:
        for role in ("near", "far"):
            subprocess.run(["ip", "netns", "add", h.namespace(role)], check=True)
            ip_in(role, "link", "set", "lo", "up")
        for n, name in enumerate(("eth0", "eth1")):
            ip_in("near", "link", "add", name, "type", "veth", "peer", "name", name, "netns",
                  h.namespace("far"))
            for role, host in (("near", 2), ("far", 10)):
                h.run_in(role, "ethtool", "-K", name, "tx", "off", "gso", "off", "gro", "off")
                ip_in(role, "addr", "add", f"198.18.{n}.{host}/24", "dev", name)
                ip_in(role, "link", "set", name, "up")
        ip_in("near", "addr", "add", NEAR6 + "/64", "dev", "eth0", "nodad")
        ip_in("far", "addr", "add", FAR6 + "/64", "dev", "eth0", "nodad")
        ip_in("near", "route", "add", "local", "198.18.7.0/26", "dev", "lo")
        ip_in("far", "route", "add", "198.18.7.0/26", "via", NEAR4)
        yield
    finally:
        remove()


class Probe:
    def __init__(self, *options, directory=None, wrapper=()):
        self.owned = None if directory else tempfile.TemporaryDirectory(prefix=h.RUN_PREFIX,
                                                                        dir="/run")
        self.directory = directory or self.owned.name
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", h.namespace("near"), *wrapper,
             str(PROBE), self.directory, *(options or BASE)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def ready(self):
        line = self.process.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"not ready: {line!r} {self.process.communicate()[1]}")
        return self

    def ask(self):
        self.process.stdin.write("status\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def counts(self, port=0):
        return self.ask()["ports"][port]

    def kill(self):
        self.process.kill()
        self.process.communicate(timeout=10)

    def stop(self):
        """Orderly; what it logged."""
        _, errors = self.process.communicate("stop\n", timeout=20)
        assert self.process.returncode == 0, errors
        return errors

    def refused(self):
        """Ends by itself with an error; what it logged."""
        out, errors = self.process.communicate(timeout=30)
        assert "ready" not in out and self.process.returncode == 1, (out, errors)
        return errors


@contextlib.contextmanager
def probe(*options, **kw):
    p = Probe(*options, **kw)
    try:
        yield p.ready()
        if p.process.poll() is None:
            p.stop()
    finally:
        if p.process.poll() is None:
            p.kill()


def near_mac(name="eth0"):
    return bytes.fromhex(json.loads(ip_in("near", "-j", "link", "show", name))[0]["address"]
                         .replace(":", ""))


def sender(name="eth0"):
    with h.inside("far"):
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind((name, 0))
    mac = near_mac(name)
    return lambda packet, tags=(): sock.send(f.ethernet(mac, packet, tags))


CLASSES = ("udp_listener", "udp_relay", "fragment", "icmp")


def changes(p, action, port=0, settle=1.0):
    """Counters of the classes before and after, once as many frames as were sent are counted."""
    before = p.counts(port)
    sent = action()
    deadline = time.monotonic() + settle
    while True:
        after = p.counts(port)
        delta = {k: after[k] - before[k] for k in after}
        if sum(delta[k] for k in (*CLASSES, "passed", "dropped")) >= sent:
            return delta
        assert time.monotonic() < deadline, delta


def expect(p, packets, **wanted):
    """Each packet, untagged and with one tag, adds to exactly these counters."""
    send = sender()

    def action():
        for packet in packets:
            send(packet)
            send(packet, (7,))
        return 2 * len(packets)

    delta = changes(p, action)
    for name in (*CLASSES, "dropped", "guard_dropped"):
        assert delta[name] == 2 * len(packets) * wanted.get(name, 0), (name, delta)
    if wanted.get("passed"):
        assert delta["passed"] >= 2 * len(packets), delta


def test_udp_to_a_listener():
    with links(), probe(*BASE, "-l", NEAR4 + "/55555") as p:
        expect(p, [f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 999, 3478)),
                   f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 999, 3478), options=b"\1" * 40),
                   # a listener inside the relay range is a listener
                   f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 999, 55555)),
                   f.ip(FAR6, NEAR6, f.UDP, f.udp(FAR6, NEAR6, 999, 3478)),
                   f.ip(FAR6, NEAR6, *f.extension(f.UDP, f.udp(FAR6, NEAR6, 999, 3478)))],
               udp_listener=1)


def test_udp_to_the_relay_range():
    with links(), probe() as p:
        expect(p, [f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 999, 50000)),
                   f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 999, 60000)),
                   f.ip(FAR4, "198.18.7.0", f.UDP, f.udp(FAR4, "198.18.7.0", 999, 55555)),
                   f.ip(FAR4, "198.18.7.63", f.UDP, f.udp(FAR4, "198.18.7.63", 999, 55555)),
                   f.ip(FAR6, NEAR6, f.UDP, f.udp(FAR6, NEAR6, 999, 50001))],
               udp_relay=1)


def test_fragments():
    with links(), probe() as p:
        expect(p, [f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 9, 50000), fragment=0x2000),
                   f.ip(FAR4, NEAR4, f.UDP, b"later" * 8, fragment=0x2003),
                   f.ip(FAR4, "198.18.7.9", f.UDP, b"last", fragment=0x0006),
                   f.ip(FAR6, NEAR6, f.UDP, f.udp(FAR6, NEAR6, 9, 50000), fragment=1),
                   f.ip(FAR6, NEAR6, f.UDP, b"later" * 8, fragment=8)],
               fragment=1)


def test_icmp_that_quotes_relayed_udp():
    quoted4 = f.ip(NEAR4, "192.0.2.1", f.UDP, f.udp(NEAR4, "192.0.2.1", 50000, 7))[:28]
    quoted6 = f.ip(NEAR6, FAR6, f.UDP, f.udp(NEAR6, FAR6, 60000, 7))
    with links(), probe() as p:
        expect(p, [*(f.icmp_error(FAR4, NEAR4, kind, quoted4) for kind in (3, 11)),
                   *(f.icmp_error(FAR6, NEAR6, kind, quoted6) for kind in (1, 2, 3))],
               icmp=1)


def test_all_else_stays_with_the_kernel():
    other = f.udp(NEAR4, FAR4, 3478, 7)
    mine = f.udp(NEAR4, FAR4, 50000, 7)
    with links(), probe() as p:
        expect(p, [f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 9, 49999)),
                   f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 9, 60001)),
                   f.ip(FAR4, "198.18.7.64", f.UDP, f.udp(FAR4, "198.18.7.64", 9, 50000)),
                   f.ip(FAR4, "198.18.7.64", f.UDP, b"later", fragment=0x0006),
                   f.ip(FAR4, "198.18.7.1", f.UDP, f.udp(FAR4, "198.18.7.1", 9, 3478)),
                   f.ip(FAR4, NEAR4, f.TCP, f.udp(FAR4, NEAR4, 9, 50000) + b"\0" * 12),
                   f.ip(FAR4, NEAR4, f.TCP, b"later", fragment=0x0006),
                   f.ip(FAR6, NEAR6, f.UDP, f.udp(FAR6, NEAR6, 9, 49999)),
                   f.icmp_error(FAR4, NEAR4, 8, b"echo request"),
                   f.icmp_error(FAR4, NEAR4, 3, f.ip(NEAR4, FAR4, f.UDP, other)),
                   f.icmp_error(FAR4, NEAR4, 12, f.ip(NEAR4, FAR4, f.UDP, mine)),
                   f.icmp_error(FAR4, NEAR4, 3, f.ip(NEAR4, FAR4, f.UDP, mine)[:22]),
                   f.icmp_error(FAR4, NEAR4, 3, f.ip(NEAR4, FAR4, f.TCP, mine)),
                   f.icmp_error(FAR6, NEAR6, 4, f.ip(NEAR6, FAR6, f.UDP, mine)),
                   b"\x45\0", b"\x60\0\0\0"],
               passed=1)
        send = sender()
        delta = changes(p, lambda: [send(f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 9, 50000)),
                                         (7, 8))] and 1)
        assert delta["passed"] >= 1 and delta["udp_relay"] == 0, "two tags are not ours"


def echo(sock, tries=20, timeout=0.25):
    """Whether a datagram comes back; asked repeatedly, as the first may wait for ARP."""
    for n in range(tries):
        sock.send(b"%d" % n)
        with contextlib.suppress(TimeoutError, socket.timeout):
            sock.settimeout(timeout)
            sock.recv(65536)
            return True
    return False


def connected(address, port, source=FAR4):
    sock = h.udp("far", source)
    sock.connect((address, port))
    return sock


def test_two_ports_in_one_process():
    with links(), probe(*BASE, "-i", "eth1", "-l", "198.18.1.2/3478") as p:
        assert echo(connected(NEAR4, 3478))
        assert echo(connected(NEAR6, 50000, FAR6))
        assert echo(connected("198.18.7.5", 50000))
        assert echo(connected("198.18.1.2", 3478, "198.18.1.10"))
        first, second = p.ask()["ports"]
        assert first["udp_relay"] and second["udp_listener"] and not second["udp_relay"]
        assert not first["dropped"] and not second["dropped"]


def test_largest_mtu():
    with links():
        for role in ("near", "far"):
            ip_in(role, "link", "set", "eth0", "mtu", "3490")
        with probe() as p:
            sock = connected(NEAR4, 3478)
            assert echo(sock)
            payload = bytes(range(256)) * 13 + b"z" * (3490 - 28 - 256 * 13)
            sock.settimeout(2)
            for _ in range(100):
                sock.send(payload)
                assert sock.recv(65536) == payload
            assert p.counts()["xdp_tx_invalid"] == 0


def bursts_come_back(p, bursts=1000):
    sock = connected(NEAR4, 50000)
    assert echo(sock)
    sock.settimeout(1)
    back = 0
    for _ in range(bursts):
        for _ in range(32):
            sock.send(b"burst")
        for _ in range(32):
            with contextlib.suppress(TimeoutError, socket.timeout):
                sock.recv(64)
                back += 1
    counts = p.counts()
    assert back == bursts * 32, (back, counts)
    assert counts["xdp_tx_invalid"] == counts["xdp_rx_dropped"] == 0, counts


def test_more_frames_than_the_pool_holds():
    """Every mbuf passes through the sockets several times: all of them lie in the UMEM."""
    with links(), probe(*BASE, "-m", "6500") as p:
        bursts_come_back(p)


def test_without_hugepages():
    hide = ("sh", "-c", 'mount -t tmpfs none /sys/kernel/mm/hugepages && exec "$@"', "sh")
    with links(), probe(*BASE, "-m", "6500", wrapper=hide) as p:
        assert p.ask()["hugepages"] == 0
        bursts_come_back(p)
        assert "without hugepages" in p.stop()


def traces():
    """What steering leaves in the kernel of the near namespace."""
    return {"xdp": [i.get("xdp", {}).get("prog", {}).get("id")
                    for i in json.loads(ip_in("near", "-j", "-d", "link", "show"))],
            "tc": h.run_in("near", "tc", "qdisc", "show").stdout,
            "filters": h.run_in("near", "tc", "filter", "show", "dev", "eth0", "ingress",
                                check=False).stdout,
            "reserved": h.run_in("near", "sysctl", "-n", RESERVED).stdout.strip()}


def test_orderly_stop_leaves_no_trace():
    with links():
        before = traces()
        with probe() as p:
            during = traces()
            assert during["xdp"] != before["xdp"] and "clsact" in during["tc"]
            assert "tp_steer_guard" in during["filters"] and during["reserved"] == "50000-60000"
        assert traces() == before
        left = [e.name for e in pathlib.Path(p.directory).iterdir()]
        assert left == ["dataplane.lock"], left


def test_settings_of_others_survive_stop_and_crash():
    with links():
        h.run_in("near", "sysctl", "-qw", RESERVED + "=8080,50010-50020")
        h.run_in("near", "tc", "qdisc", "add", "dev", "eth0", "clsact")
        h.run_in("near", "tc", "filter", "add", "dev", "eth0", "ingress", "prio", "1", "protocol",
                 "ip", "u32", "match", "ip", "src", "203.0.113.9/32", "flowid", "1:1")
        before = traces()
        with tempfile.TemporaryDirectory(prefix=h.RUN_PREFIX, dir="/run") as directory:
            with probe(directory=directory):
                assert traces()["reserved"] == "8080,50000-60000"
            assert traces() == before
            with probe(directory=directory) as p:
                p.kill()
            assert "tp_steer_guard" in traces()["filters"]
            with probe(directory=directory):
                h.run_in("near", "sysctl", "-qw", RESERVED + "=8080,9090,50000-60000")
            after = traces()
            assert after["reserved"] == "8080,9090,50010-50020", after
            assert after["tc"] == before["tc"] and after["filters"] == before["filters"]


def guards():
    return traces()["filters"].count("tp_steer_guard:[")


@contextlib.contextmanager
def knocking(socks):
    """Sends on the connected sockets all the time; the list it yields collects ECONNREFUSED."""
    refused, ended = [], []

    def knock():
        while not ended:
            for sock in socks:
                try:
                    sock.send(b"?")
                except ConnectionRefusedError as e:
                    refused.append(e)
            time.sleep(0.001)

    thread = h.in_thread(knock)
    try:
        yield refused
    finally:
        ended.append(True)
        thread.result()


def is_refused(sock):
    try:
        for _ in range(100):
            sock.send(b"?")
            time.sleep(0.01)
    except ConnectionRefusedError:
        return True
    return False


def test_killed_and_restarted_without_icmp():
    with links(), tempfile.TemporaryDirectory(prefix=h.RUN_PREFIX, dir="/run") as directory:
        with probe(directory=directory) as p:
            socks = [connected(NEAR4, 3478), connected("198.18.7.5", 55555),
                     connected(NEAR6, 50000, FAR6)]
            assert all(echo(s) for s in socks)
            p.kill()
        with knocking(socks) as refused:
            time.sleep(0.2)
            ip_in("near", "link", "set", "dev", "eth0", "xdp", "off")
            time.sleep(0.2)  # the guard alone
            for _ in range(3):
                p = Probe(directory=directory).ready()
                assert guards() == 1
                p.kill()
            with probe(directory=directory) as p:
                assert all(echo(connected(*s.getpeername()[:2], s.getsockname()[0]))
                           for s in socks)
                p.kill()
        assert not refused, f"{len(refused)} times port unreachable"
        with probe(directory=directory):
            pass
        assert guards() == 0 and traces()["reserved"] == ""
        assert is_refused(socks[0]), "after an orderly stop the kernel answers again"


def test_guard_counts():
    """The guard shares maps and counters with the program of its port."""
    with links(), probe() as p:
        ip_in("near", "link", "set", "dev", "eth0", "xdp", "off")
        send = sender()
        before = p.counts()
        for packet in (f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 9, 3478)),
                       f.ip(FAR6, NEAR6, f.UDP, f.udp(FAR6, NEAR6, 9, 50000)),
                       f.ip(FAR4, NEAR4, f.UDP, b"later", fragment=0x0006),
                       f.ip(FAR4, NEAR4, f.UDP, f.udp(FAR4, NEAR4, 9, 49999))):
            send(packet)
            send(packet, (7,))
        h.wait_until(lambda: p.counts()["guard_dropped"] == 6, 2, "six frames dropped")
        assert p.counts()["passed"] == before["passed"]


def test_no_socket_on_the_queue_is_a_counted_drop():
    with links(), tempfile.TemporaryDirectory(prefix=h.RUN_PREFIX, dir="/run") as directory:
        with probe(directory=directory) as p:
            fd = json.loads(h.run_in("near", "bpftool", "-j", "map", "show", "name",
                                     "xsks_map").stdout)
            mine = xdp_maps()
            ids = [m["id"] for m in (fd if isinstance(fd, list) else [fd]) if m["id"] in mine]
            assert len(ids) == 1
            h.run_in("near", "bpftool", "map", "delete", "id", ids[0], "key", 0, 0, 0, 0)
            send = sender()
            delta = changes(p, lambda: send(f.ip(FAR4, NEAR4, f.UDP,
                                                 f.udp(FAR4, NEAR4, 9, 3478))) and 1)
            assert delta["dropped"] == 1 and delta["udp_listener"] == 0
            assert delta["guard_dropped"] == 0, "the frame went on to the kernel"


def xdp_maps():
    link = json.loads(ip_in("near", "-j", "-d", "link", "show", "eth0"))[0]
    program = json.loads(h.run_in("near", "bpftool", "-j", "prog", "show", "id",
                                  link["xdp"]["prog"]["id"]).stdout)
    return program["map_ids"]


def test_fewest_capabilities():
    keep = "-all,+net_admin,+net_raw,+bpf,+perfmon,+ipc_lock"
    wrapper = ("setpriv", "--bounding-set", keep, "--inh-caps", "-all")
    with links(), tempfile.TemporaryDirectory(prefix=h.RUN_PREFIX, dir="/run") as directory:
        with probe(directory=directory, wrapper=wrapper) as p:
            assert echo(connected(NEAR4, 3478))
            p.kill()
        with probe(directory=directory, wrapper=wrapper):  # its own program, known by the record
            assert echo(connected(NEAR4, 3478))
        assert guards() == 0
        text = Probe(wrapper=("setpriv", "--bounding-set", "-net_raw,-perfmon,-sys_admin")).refused()
        assert "missing capabilities: CAP_NET_RAW CAP_PERFMON" in text, text


def test_program_of_others_is_refused_by_name():
    with links():
        ip_in("near", "link", "set", "dev", "eth0", "xdp", "obj", str(FOREIGN), "sec", "xdp")
        before = traces()
        text = Probe().refused()
        assert "already has the XDP program 'foo'" in text and "xdp off" in text, text
        assert traces() == before


def refusal(*options, words, **kw):
    before = traces()
    text = Probe(*options, **kw).refused()
    for word in words:
        assert word in text, (word, text)
    assert traces() == before, "a refused start left something behind"


def test_interfaces_that_cannot_be_used():
    with links():
        refusal("-i", "nope0", words=["no interface nope0"])
        refusal("-i", "eth0", "-q", "2", words=['"queues" is 2', "eth0 has 1"])
        ip_in("near", "link", "set", "eth1", "down")
        refusal("-i", "eth1", words=["interface eth1 is down", "ip link set dev eth1 up"])
        refusal("-i", "eth0", "-i", "eth1", "-l", NEAR4 + "/3478", words=["eth1 is down"])
        ip_in("near", "link", "set", "eth0", "mtu", "9000")
        refusal("-i", "eth0", words=["MTU 9000", "at most 3490", "ip link set dev eth0 mtu"])
        ip_in("near", "link", "set", "eth0", "mtu", "1500")
        ip_in("far", "link", "set", "eth0", "mtu", "9000")  # what the kernel alone can see
        refusal("-i", "eth0", words=["too large", "on its peer"])
        refusal("-i", "eth0", "-m", "100", words=["limits.mbufs 100 is too small"])


def test_second_dataplane_is_refused():
    with links(), tempfile.TemporaryDirectory(prefix=h.RUN_PREFIX, dir="/run") as directory:
        with probe(directory=directory) as p:
            refusal(*BASE, directory=directory, words=["dataplane.lock is held by process"])
            refusal(*BASE, words=["another dataplane already uses eth0"])
            assert echo(connected(NEAR4, 3478)) and guards() == 1
            p.stop()


def test_sockets_in_the_way():
    with links():
        with h.inside("near"):
            inside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            wild = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
            beside = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        inside.bind(("198.18.7.7", 50001))
        wild.bind(("::", 60000))
        beside.bind(("198.18.1.2", 50002))
        with probe() as p:
            text = p.stop()
        assert "python3 (process" in text and "198.18.7.7:50001" in text and "[::]:60000" in text
        assert "50002" not in text, text
        taken.bind((NEAR4, 3478))
        refusal(*BASE, words=["python3 (process", f"already holds UDP {NEAR4}:3478"])


def test_interface_dropped_from_the_config_is_cleaned():
    with links(), tempfile.TemporaryDirectory(prefix=h.RUN_PREFIX, dir="/run") as directory:
        clean = traces()
        with probe("-i", "eth0", "-i", "eth1", "-l", NEAR4 + "/3478", directory=directory) as p:
            p.kill()
        with probe("-i", "eth1", "-l", "198.18.1.2/3478", directory=directory):
            left = traces()
            assert guards() == 0 and left["xdp"].count(None) == clean["xdp"].count(None) - 1
        assert traces() == clean
