# SPDX-License-Identifier: BSD-3-Clause
"""TCP allocations (RFC 6062): peers by TCP, for clients by TCP and TLS."""

import hashlib
import os
import signal
import select
import socket
import ssl
import struct
import threading
import time

import harness as h
import turn
import test_relays
from test_clients import LEGACY
from test_stream import KINDS, alive, attached, connect, end, listed, processes, relay
from test_upgrade import upgrade

CONNECT, CONNECTION_BIND, CONNECTION_ATTEMPT = 0xA, 0xB, 0xC
CONNECTION_ID = 0x002A
OVER_TCP = (turn.REQUESTED_TRANSPORT, bytes((6, 0, 0, 0)))
PEERS = {4: h.PEER4, 6: h.PEER6}


def family_of(host):
    return 6 if ":" in host else 4


def allocate(kind="tcp", family=4, attributes=(), **kw):
    """A control connection with a TCP allocation."""
    c = connect(kind, family, **kw)
    wanted = [OVER_TCP, (turn.REQUESTED_ADDRESS_FAMILY, bytes((1 if family == 4 else 2, 0, 0, 0)))]
    answer = c.request(turn.ALLOCATE, wanted + list(attributes))
    c.relayed = answer.address(turn.XOR_RELAYED_ADDRESS)
    c.kind, c.family = kind, family
    return c


def tcp(role, host, port=0):
    with h.inside(role):
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(10)
    sock.bind((host, port))
    return sock


def listener(host):
    sock = tcp("peer", host)
    sock.listen(16)
    return sock


def code_of(function, *arguments, **kw):
    try:
        function(*arguments, **kw)
        return 0
    except turn.TurnError as e:
        return e.code


def with_peer(c, method, peer, **kw):
    """One request with XOR-PEER-ADDRESS, which the transaction id is part of."""
    transaction = os.urandom(12)
    return c.request(method, [(turn.XOR_PEER_ADDRESS, turn.xor_address(peer, transaction))],
                     transaction=transaction, **kw)


def number_of(message):
    value = message.get(CONNECTION_ID)
    assert value and len(value) == 4, message.attributes
    return value


def connect_peer(c, peer):
    return number_of(with_peer(c, CONNECT, peer))


class Data:
    """A client data connection: a socket that carries data alone, after what came behind the answer.
    One thread may send while another one receives, which Python's TLS sockets do not bear."""

    def __init__(self, client):
        self.sock, self.ahead = client.sock.sock, client.sock.buffer
        self.lock = threading.Lock() if isinstance(self.sock, ssl.SSLSocket) else None
        self.settimeout(10)

    def settimeout(self, seconds):
        self.seconds = seconds
        self.sock.settimeout(0 if self.lock else seconds)

    def patiently(self, function, *arguments):
        deadline = time.monotonic() + self.seconds
        while True:
            try:
                with self.lock:
                    return function(*arguments)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as e:
                left = deadline - time.monotonic()
                wanted = [self.sock]
                reads = isinstance(e, ssl.SSLWantReadError)
                if left <= 0 or not any(select.select(wanted if reads else [], [] if reads else wanted,
                                                      [], left)):
                    raise TimeoutError("timed out") from e

    def recv(self, most):
        got, self.ahead = self.ahead[:most], self.ahead[most:]
        if got or not self.lock:
            return got or self.sock.recv(most)
        return self.patiently(self.sock.recv, most)

    def sendall(self, data):
        if not self.lock:
            self.sock.sendall(data)
            return
        data = memoryview(data)
        while data:
            data = data[self.patiently(self.sock.send, data):]

    def __getattr__(self, name):
        return getattr(self.sock, name)


def bind(c, number, kind=None, **kw):
    data = connect(kind or c.kind, c.family, **kw)
    data.request(CONNECTION_BIND, [(CONNECTION_ID, number)])
    return Data(data)


def attempt(c, timeout=5.0):
    """The next ConnectionAttempt: number and peer."""
    got = c.receive(timeout)
    assert got and got[0] == "stun", got
    message = got[1]
    assert (message.klass, message.method) == (turn.INDICATION, CONNECTION_ATTEMPT), got
    return number_of(message), message.address(turn.XOR_PEER_ADDRESS)


def exactly(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        assert more, f"ended after {len(data)} of {n}"
        data += more
    return data


def talk(one, other):
    for a, b in ((one, other), (other, one)):
        text = os.urandom(3000)
        a.sendall(text)
        assert exactly(b, len(text)) == text


def closed(sock):
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True


def test_connect_and_bind():
    """The whole way, for clients by TCP and TLS, peers of both families."""
    with relay() as r:
        for kind, family in KINDS:
            c, l = allocate(kind, family), listener(PEERS[family])
            number = connect_peer(c, l.getsockname()[:2])
            peer, address = l.accept()
            assert address[:2] == c.relayed, (address, c.relayed)
            peer.settimeout(10)
            early = b"said before anybody listened"
            peer.sendall(early)
            data = bind(c, number)
            assert exactly(data, len(early)) == early
            for _ in range(3):
                talk(data, peer)
            data.close()
            assert closed(peer), "the peer's connection goes with the client's"
            end(c, l, peer)
        h.wait_until(lambda: not listed(r), 5, "they end with their connections")


def test_peer_connects():
    """A peer with a permission is announced; one without is closed and nobody hears of it."""
    with relay():
        for kind, family in KINDS:
            c = allocate(kind, family)
            stranger = tcp("peer", PEERS[family])
            stranger.connect(c.relayed)
            assert closed(stranger)
            c.permit(PEERS[family])
            peer = tcp("peer", PEERS[family])
            peer.connect(c.relayed)
            peer.sendall(b"early")
            number, address = attempt(c)
            assert address == peer.getsockname()[:2]
            data = bind(c, number)
            assert exactly(data, 5) == b"early"
            talk(peer, data)
            peer.close()
            assert closed(data), "the client's connection goes with the peer's"
            assert c.receive(0.05) is None
            end(c, data, stranger)


def test_refusals():
    """RFC 6062 section 5.1, 5.2 and 5.4, by real requests."""
    with relay():
        udp = h.client()
        assert code_of(udp.request, turn.ALLOCATE, [OVER_TCP]) == 400
        assert code_of(udp.request, CONNECTION_BIND, [(CONNECTION_ID, bytes(4))]) == 400
        assert code_of(with_peer, udp, CONNECT, (h.PEER4, 80)) == 437
        c = connect("tcp")
        for other in ((turn.DONT_FRAGMENT, b""), (turn.EVEN_PORT, b"\0"), (0x0022, bytes(8))):
            assert code_of(c.request, turn.ALLOCATE, [OVER_TCP, other]) == 400
        assert code_of(with_peer, c, CONNECT, (h.PEER4, 80)) == 437
        c.allocate()  # of UDP
        assert code_of(with_peer, c, CONNECT, (h.PEER4, 80)) == 403
        end(c)
        c, l = allocate(), listener(h.PEER4)
        assert code_of(c.request, CONNECT) == 400
        assert code_of(with_peer, c, CONNECT, (h.PEER6, 80)) == 443
        for denied in ("127.0.0.1", "10.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255", "169.254.0.1"):
            assert code_of(with_peer, c, CONNECT, (denied, 80)) == 403, denied
        assert code_of(with_peer, c, CONNECT, (h.RELAY4, 3478)) == 403
        assert code_of(with_peer, c, CONNECT, (h.PEER4, 1)) == 447  # nobody listens there
        number = connect_peer(c, l.getsockname()[:2])
        assert code_of(with_peer, c, CONNECT, l.getsockname()[:2]) == 446
        assert code_of(c.request, CONNECTION_BIND, [(CONNECTION_ID, number)]) == 400
        data = connect("tcp")
        assert code_of(data.request, CONNECTION_BIND) == 400
        assert code_of(data.request, CONNECTION_BIND, [(CONNECTION_ID, bytes(4))]) == 400
        end(data)
        other = connect("tcp", user="v", password="q")
        assert code_of(other.request, CONNECTION_BIND, [(CONNECTION_ID, number)]) == 441
        data = bind(c, number)
        assert code_of(with_peer, c, CONNECT, l.getsockname()[:2]) == 446
        assert code_of(bind, c, number) == 400
        peer, _ = l.accept()
        talk(data, peer)
        end(c, l, data, peer, udp, other)


def pair(c, l=None):
    """A bound connection: the client's end and the peer's."""
    own = l or listener(PEERS[c.family])
    number = connect_peer(c, own.getsockname()[:2])
    peer, _ = own.accept()
    peer.settimeout(10)
    if not l:
        own.close()
    return bind(c, number), peer


def ended(sock):
    return sock.recv(1) == b""


def test_half_close():
    """The end of one way is handed on after its last byte; the other way goes on."""
    with relay():
        for kind, family in KINDS:
            c = allocate(kind, family)
            data, peer = pair(c)
            text = os.urandom(100000)
            peer.sendall(text)
            peer.shutdown(socket.SHUT_WR)
            assert exactly(data, len(text)) == text and ended(data)
            data.sendall(text)
            assert exactly(peer, len(text)) == text
            if kind == "tls":
                data = data.unwrap()  # close_notify: without it the peer would be reset
            data.close()
            assert ended(peer)
            end(c, peer)
        # The other way round; TLS of Python has no half-close.
        c = allocate()
        data, peer = pair(c)
        data.sendall(text)
        data.shutdown(socket.SHUT_WR)
        assert exactly(peer, len(text)) == text and ended(peer)
        peer.sendall(text)
        assert exactly(data, len(text)) == text
        peer.close()
        assert ended(data)
        end(c, data)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def was_reset(sock):
    try:
        while sock.recv(65536):
            pass
        return False
    except ConnectionResetError:
        return True


def test_what_is_cut_does_not_look_whole():
    with relay():
        c = allocate()
        data, peer = pair(c)
        reset(peer)
        assert was_reset(data)
        data, peer = pair(c)
        reset(data)
        assert was_reset(peer)
        end(c, data, peer)
        c = allocate("tls")
        data, peer = pair(c)
        data.close()  # no close_notify
        assert was_reset(peer)
        end(c, peer)


def test_control_connection_ends():
    """With it everything of the allocation."""
    with relay() as r:
        c, l = allocate(), listener(h.PEER4)
        data, peer = pair(c)
        number = connect_peer(c, l.getsockname()[:2])
        waiting, _ = l.accept()
        waiting.settimeout(10)
        assert c.refresh(0) == 0
        assert closed(data) and closed(peer) and closed(waiting)
        with h.inside("peer"):
            late = socket.socket()
        try:
            late.connect(c.relayed)
            raise AssertionError("still listened to")
        except ConnectionRefusedError:
            pass
        assert code_of(bind, c, number) == 400
        end(c, data, peer, waiting)
        c = allocate()
        data, peer = pair(c)
        c.close()
        assert closed(data) and closed(peer)
        h.wait_until(lambda: not listed(r), 5, "it is gone")
        end(l, data, peer, late)


def pour(sock, size, seed):
    """Sends `size` bytes, then the end; their digest."""
    digest, block = hashlib.sha256(), (seed * 65536)[:65536]
    for _ in range(size // len(block)):
        sock.sendall(block)
        digest.update(block)
    return digest.hexdigest()


def drink(sock, size):
    digest = hashlib.sha256()
    while size > 0:
        got = sock.recv(min(size, 1 << 18))
        assert got, f"{size} bytes are missing"
        digest.update(got)
        size -= len(got)
    return digest.hexdigest()


def both_ways(data, peer, size):
    data.settimeout(120)
    peer.settimeout(120)
    ways = [(data, peer, os.urandom(64)), (peer, data, os.urandom(64))]
    drinks = [h.in_thread(drink, to, size) for _, to, _ in ways]
    pours = [h.in_thread(pour, source, size, seed) for source, _, seed in ways]
    assert [p.result(240) for p in pours] == [d.result(240) for d in drinks]


def test_bytes_both_ways():
    """Every byte, in its order; and the operator sees how many."""
    size = 2 << 20
    with relay() as r:
        for kind in ("tcp", "tls"):
            c = allocate(kind)
            data, peer = pair(c)
            talk(data, peer)
            entry, = listed(r)
            shown = r.ctl("allocation", "show", f"id={entry['id']}")
            assert shown["relays"] == "tcp", shown
            assert shown["connections"][0]["peer"] == "%s:%d" % peer.getsockname(), shown
            assert shown["connections"][0]["state"] == "bound", shown
            both_ways(data, peer, size)
            counted = (size + 3000, size + 3000)
            h.wait_until(lambda: bytes_of(r, entry) == counted, 5, "bytes are counted")
            end(c, data, peer)
            h.wait_until(lambda: not listed(r), 5, "it is gone")


def test_the_rate_of_an_allocation():
    """What is too fast waits; a reload lets it go."""
    size, rate, saved = 192 << 10, 100000, 100000 // 8 + 16384
    with relay(quotas={"bits_per_second_per_allocation": 8 * rate}) as r:
        c = allocate()
        data, peer = pair(c)
        begin = time.monotonic()
        both_ways(data, peer, size)
        assert time.monotonic() - begin > (size - saved) / rate, time.monotonic() - begin
        pid, = (p["pid"] for p in processes(r))
        assert counters_of(r, pid)["relay_held"] > 0
        job = h.in_thread(both_ways, data, peer, 32 << 20)  # five minutes of it
        r.config["quotas"]["bits_per_second_per_allocation"] = 0
        r.write_config()
        r.ctl("reload")
        job.result(60)
        end(c, data, peer)


def bytes_of(r, entry):
    shown = r.ctl("allocation", "show", f"id={entry['id']}")
    return shown["up_bytes"], shown["down_bytes"]


@h.long_test
def test_64_megabytes_both_ways():
    with relay():
        for kind in ("tcp", "tls"):
            c = allocate(kind)
            data, peer = pair(c)
            both_ways(data, peer, 64 << 20)
            end(c, data, peer)


def memory_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))


def push(sock):
    """Sends until nothing is taken for a moment; how much went."""
    sock.settimeout(1)
    sent = 0
    try:
        while sent < 256 << 20:
            sent += sock.send(bytes(65536))
    except (TimeoutError, socket.timeout):
        pass
    return sent


def test_who_does_not_read_slows_down_the_other():
    """Nothing is lost, and the memory of the process stays as it is."""
    with relay() as r:
        c = allocate()
        pid = processes(r)[0]["pid"]
        pairs = [pair(c) for _ in range(4)]
        before = memory_kb(pid)
        for source, sink in [p for data, peer in pairs for p in ((data, peer), (peer, data))][:4]:
            sent = push(source)
            assert 0 < sent < 64 << 20, sent
            assert memory_kb(pid) - before < 4096, (memory_kb(pid), before)
            sink.settimeout(30)
            digest = drink(sink, sent)
            assert digest == hashlib.sha256(bytes(sent)).hexdigest()
        end(c, *(s for p in pairs for s in p))


def counters_of(r, pid):
    """What a stream process writes to the log when it is asked."""
    seen = r.control.output().count("turns=")
    os.kill(pid, signal.SIGUSR1)
    h.wait_until(lambda: r.control.output().count("turns=") > seen, 5, "it answers")
    values = {}
    for word in r.control.output().split():
        name, _, value = word.partition("=")
        if value.isdigit():
            values[name] = int(value)
    return values


def test_another_process_has_the_data_connection():
    """The peer's socket goes from one process to the other, with what the peer had said before."""
    with relay(streams={"processes": 3}) as r:
        c, l = allocate(), listener(h.PEER4)
        pairs = []
        for i in range(12):
            number = connect_peer(c, l.getsockname()[:2]) if i % 2 else None
            if number:
                peer, _ = l.accept()
                peer.settimeout(10)
                again = listener(h.PEER4)
                l.close()
                l = again
            else:
                c.permit(h.PEER4)
                peer = tcp("peer", h.PEER4)
                peer.connect(c.relayed)
                number, _ = attempt(c)
            peer.sendall(b"early")
            data = bind(c, number)
            assert exactly(data, 5) == b"early"
            pairs.append((data, peer))
        taken = sum(counters_of(r, p["pid"])["relay_taken"] for p in processes(r))
        assert 0 < taken <= 12, taken
        for data, peer in pairs:
            talk(data, peer)
        # The end of one process ends what it carries, and of what others carry what is its clients'.
        c.close()
        for data, peer in pairs:
            assert closed(data) and closed(peer)
        end(l, *(s for p in pairs for s in p))


def test_control_killed():
    """What is bound goes on; a peer that came meanwhile is announced by the next control."""
    with relay() as r:
        c, l = allocate(), listener(h.PEER4)
        c.permit(h.PEER4)
        data, peer = pair(c)
        number = connect_peer(c, l.getsockname()[:2])
        waiting, _ = l.accept()
        waiting.settimeout(10)
        ids = [a["id"] for a in listed(r)]
        r.control.process.kill()
        r.control.process.wait(5)
        for _ in range(3):
            talk(data, peer)
        late = tcp("peer", h.PEER4)
        late.connect(c.relayed)
        late.sendall(b"hello")
        r.start_control()
        h.wait_until(lambda: attached(r), 10, "streams have come back")
        assert [a["id"] for a in listed(r)] == ids
        coming, address = attempt(c)
        assert address == late.getsockname()[:2]
        talk(data, peer)
        third = bind(c, coming)
        assert exactly(third, 5) == b"hello"
        second = bind(c, number)
        talk(second, waiting)
        assert code_of(with_peer, c, CONNECT, l.getsockname()[:2]) == 446
        talk(*pair(c))
        assert c.refresh(0) == 0
        for sock in (data, peer, second, waiting, third, late):
            assert closed(sock)
        end(c, l)


def test_control_upgraded():
    with relay() as r:
        c, l = allocate("tls"), listener(h.PEER4)
        data, peer = pair(c)
        number = connect_peer(c, l.getsockname()[:2])
        waiting, _ = l.accept()
        flow = h.in_thread(both_ways, data, peer, 4 << 20)
        upgrade(r)
        h.wait_until(lambda: attached(r), 10, "streams have come back")
        flow.result(120)
        talk(bind(c, number), waiting)
        assert c.refresh() == 600
        c.close()
        h.wait_until(lambda: not listed(r), 5, "it is gone")
        end(l, data, peer, waiting)


def test_ended_while_control_was_dead():
    """What has no allocation any more is told to end."""
    with relay() as r:
        c = allocate()
        data, peer = pair(c)
        r.control.process.kill()
        r.control.process.wait(5)
        c.close()
        r.start_control()
        h.wait_until(lambda: attached(r) and not listed(r), 10, "it is gone")
        assert closed(data) and closed(peer)
        end(data, peer)


def test_dataplane_restarted():
    """It has no part in it."""
    with relay() as r:
        c = allocate()
        data, peer = pair(c)
        r.dataplane.process.kill()
        r.dataplane.process.wait(5)
        talk(data, peer)
        r.start_dataplane()
        h.wait_until(lambda: r.ctl("status", check=False)[0] == 0, 15, "healthy again")
        talk(data, peer)
        assert c.refresh() == 600
        talk(*pair(c))
        end(c, data, peer)


def test_two_allocations_of_one_relay():
    """Each is the other's peer."""
    with relay():
        one, other = allocate(), allocate("tls")
        other.permit(one.relayed[0])
        number = connect_peer(one, other.relayed)
        coming, address = attempt(other)
        assert address == one.relayed
        talk(bind(one, number), bind(other, coming))
        end(one, other)


def test_a_relay_address_of_a_prefix():
    """The kernel has the prefix as a route and no address of it: peers are connected to from there, and connect to it."""
    with relay(relay={"addresses": [{"prefix": test_relays.PREFIX}], "port_range": [49152, 65535]}):
        c, l = allocate(), listener(h.PEER4)
        assert test_relays.inside(c.relayed[0], test_relays.PREFIX), c.relayed
        number = connect_peer(c, l.getsockname()[:2])
        out, source = l.accept()
        assert source[:2] == c.relayed
        talk(bind(c, number), out)
        c.permit(h.PEER4)
        back = tcp("peer", h.PEER4)
        back.connect(c.relayed)
        coming, _ = attempt(c)
        talk(bind(c, coming), back)
        end(c, l, out, back)


def test_the_allocation_is_a_draining_process_s():
    """Data connections come to the next generation: peers' sockets go there, and the old process ends with the allocation."""
    with relay() as r:
        c, l = allocate(), listener(h.PEER4)
        old, = (p["pid"] for p in processes(r))
        r.ctl("upgrade", "streams")
        h.wait_until(lambda: len(processes(r)) == 2, 10, "the next one is there")
        number = connect_peer(c, l.getsockname()[:2])
        out, _ = l.accept()
        out.settimeout(10)
        out.sendall(b"early")
        data = bind(c, number)
        assert exactly(data, 5) == b"early"
        new, = (p["pid"] for p in processes(r) if p["pid"] != old)
        assert counters_of(r, new)["relay_taken"] == 1
        talk(data, out)
        assert alive(old)
        c.close()
        assert closed(data) and closed(out)
        h.wait_until(lambda: not alive(old), 10, "the old process ends")
        end(l, data, out)


@h.long_test
def test_nobody_binds_for_30_seconds():
    with relay() as r:
        c, l = allocate(), listener(h.PEER4)
        c.permit(h.PEER4)
        number = connect_peer(c, l.getsockname()[:2])
        out, _ = l.accept()
        back = tcp("peer", h.PEER4)
        back.connect(c.relayed)
        begin = time.monotonic()
        coming, _ = attempt(c)
        for sock in (out, back):
            sock.settimeout(40)
            assert closed(sock) and 29 < time.monotonic() - begin < 35
        for n in (number, coming):
            assert code_of(bind, c, n) == 400
        assert code_of(with_peer, c, CONNECT, ("198.18.0.99", 80), timeout=50) == 447  # no such host
        end(c, l, out, back)
        assert r.control.process.poll() is None


@h.long_test
def test_turnutils_uclient():
    """Its clients are each other's peers (-y), and wait for 30 seconds before they begin. Not by TLS:
    it tries versions at random, and a client whose data connection fails so stays without."""
    with relay(**LEGACY):
        done = h.run_in("client", "turnutils_uclient", "-u", "u", "-w", "p", "-n", 20, "-m", 4, "-l", 172,
                        "-y", "-c", "-T", h.RELAY4, check=False, timeout=120)
        text = done.stdout + done.stderr
        assert "tot_send_msgs=80, tot_recv_msgs=80" in text, text[-3000:]
