# SPDX-License-Identifier: BSD-3-Clause
"""Clients by TCP and TLS (RFC 8656 section 3.1): their calls, and who may die meanwhile."""

import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import harness as h
import turn
from test_clients import LEGACY, echo_peer, uclient, uclients
from test_upgrade import upgrade

CHANNEL = 0x4001
TLS_PORT = 5349
TICKET = 0x8030
CHANGE_REQUEST = 0x0003
KINDS = [(t, f) for t in ("tcp", "tls") for f in (4, 6)]


class Framed:
    """A connection as turn.Client wants a socket: one message a send and a receive, RFC 8656 section
    12.5. Nothing is sent twice: a stream does not lose it."""

    def __init__(self, sock):
        self.sock, self.sent, self.buffer = sock, None, b""

    def connect(self, server):
        pass

    def getsockname(self):
        return self.sock.getsockname()

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def send(self, data):
        if data[0] < 0x40:
            if data[8:20] == self.sent:
                return
            self.sent = data[8:20]
        self.sock.sendall(data + bytes(-len(data) % 4))

    def recv(self, most):
        while True:
            if len(self.buffer) >= 4:
                length = struct.unpack("!H", self.buffer[2:4])[0]
                channel = self.buffer[0] >= 0x40
                whole = 4 + length if channel else 20 + length
                padded = whole + -whole % 4
                if len(self.buffer) >= padded:
                    message, self.buffer = self.buffer[:whole], self.buffer[padded:]
                    return message
            more = self.sock.recv(65536)
            if not more:
                raise ConnectionResetError("closed")
            self.buffer += more

    def close(self):
        self.sock.close()


@contextlib.contextmanager
def certificate(name="turn.example.org"):
    """A directory with cert.pem and key.pem, which anybody may read."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=h.RUN_PREFIX, dir="/run"))
    directory.chmod(0o755)
    try:
        make_certificate(directory, "-days", "2", "-subj", f"/CN={name}")
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def make_certificate(directory, *options):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-keyout", directory / "key.pem", "-out", directory / "cert.pem",
                    *map(str, options)], check=True, capture_output=True)
    (directory / "key.pem").chmod(0o644)


@contextlib.contextmanager
def relay(**changes):
    """A relay with TCP on its usual port and TLS beside it; what it started is gone afterwards."""
    with certificate() as directory:
        with relay_with(directory, **changes) as r:
            yield r


@contextlib.contextmanager
def relay_with(directory, **changes):
    config = {
        "listeners": [
            listener for address in (h.RELAY4, h.RELAY6) for listener in (
                {"address": address, "port": 3478, "transports": ["udp", "tcp"]},
                {"address": address, "port": TLS_PORT, "transports": ["tls"]})],
        "tls": {"certificate": str(directory / "cert.pem"), "key": str(directory / "key.pem")},
        **changes,
    }
    pids = []
    try:
        with h.relay(**config) as r:
            h.wait_until(lambda: attached(r), 10, "the stream process is there")
            pids += [p["pid"] for p in processes(r)]
            yield r
            pids += [p["pid"] for p in processes(r)]
        h.wait_until(lambda: not any(map(alive, pids)), 5, "an orderly end of control ends them")
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, signal.SIGKILL)


def alive(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def streams(r):
    return r.ctl("status", check=False)[1]["control"].get("streams", {})


def processes(r):
    return streams(r).get("processes", [])


def attached(r):
    s = streams(r)
    return s and s["attached"] >= s["wanted"] and all(p["ready"] for p in s["processes"])


def listed(r):
    return r.ctl("allocation", "list")["allocations"]


def connect(kind, family=4, **kw):
    host, server = (h.CLIENT4, h.RELAY4) if family == 4 else (h.CLIENT6, h.RELAY6)
    port = 3478 if kind == "tcp" else TLS_PORT
    with h.inside("client"):
        sock = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
    sock.bind((host, 0))
    sock.settimeout(5)
    sock.connect((server, port))
    if kind == "tls":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        sock = context.wrap_socket(sock)
    return turn.Client(Framed(sock), (server, port), **kw)


def call(kind, family=4):
    """A client with a channel and a permission to a peer of its family."""
    peer = h.udp("peer", h.PEER4 if family == 4 else h.PEER6)
    c = connect(kind, family)
    c.allocate(family=family)
    c.permit(peer.getsockname()[0])
    c.bind(CHANNEL, peer.getsockname()[:2])
    return c, peer


def echo(c, peer, text=b"up"):
    c.send_channel(CHANNEL, text)
    got = h.receive(peer)
    assert got and got[0] == text and got[1][:2] == c.relayed, got
    peer.sendto(text[::-1], c.relayed)
    assert c.receive() == ("channel", CHANNEL, text[::-1])


def end(*several):
    for one in several:
        one.close()


class Media(threading.Thread):
    """Numbered datagrams both ways over an open connection until told to stop; both ways' losses."""

    def __init__(self, c, peer):
        super().__init__(daemon=True)
        self.c, self.peer, self.halt, self.sent, self.up, self.down = c, peer, threading.Event(), 0, 0, 0
        self.start()

    def run(self):
        while not self.halt.is_set():
            text = struct.pack("!I", self.sent)
            self.c.send_channel(CHANNEL, text)
            self.sent += 1
            got = h.receive(self.peer, 1)
            self.up += got is not None and got[0] == text
            self.peer.sendto(text, self.c.relayed)
            self.down += self.c.receive(1) == ("channel", CHANNEL, text)

    def stop(self):
        self.halt.set()
        self.join(5)
        return self.sent, self.up, self.down


def test_calls():
    with relay() as r:
        for kind, family in KINDS:
            c, peer = call(kind, family)
            assert c.binding() == c.sock.getsockname()[:2] == c.mapped
            for size in (0, 1, 2, 3, 4, 5, 1000):
                echo(c, peer, os.urandom(size))
            c.send_indication(peer.getsockname()[:2], b"indicated")
            assert h.receive(peer)[0] == b"indicated"
            other = h.udp("peer", peer.getsockname()[0])
            other.sendto(b"by permission", c.relayed)
            assert c.receive() == ("data", other.getsockname()[:2], b"by permission")
            assert c.refresh() == 600
            entry, = listed(r)
            assert entry["transport"] == kind and entry["client"].endswith(f":{c.mapped[1]}"), entry
            # Its allocation lives as long as it does.
            c.close()
            h.wait_until(lambda: not listed(r), 5, "a closed connection ends its allocation")
            end(peer, other)
        assert processes(r)[0]["clients"] == 0


def test_pieces_and_bundles():
    """Where TCP cuts does not matter."""
    with relay():
        c, peer = call("tcp")
        wire = b"".join(struct.pack("!HH", CHANNEL, n) + bytes((n,)) * n + bytes(-n % 4)
                        for n in range(1, 20))
        c.sock.sock.sendall(wire)
        for n in range(1, 20):
            assert h.receive(peer)[0] == bytes((n,)) * n
        c.sock.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in wire[:20]:
            c.sock.sock.sendall(bytes((byte,)))
        assert h.receive(peer)[0] == b"\1" and h.receive(peer)[0] == b"\2\2"
        end(c, peer)


def test_errors():
    with relay():
        c = connect("tcp")
        for attributes, code in (([(turn.REQUESTED_TRANSPORT, bytes((132, 0, 0, 0)))], 442), ([], 400)):
            try:
                c.request(turn.ALLOCATE, attributes)
                raise AssertionError("taken")
            except turn.TurnError as e:
                assert e.code == code, e
        c.allocate()
        try:
            c.allocate()
            raise AssertionError("taken twice")
        except turn.TurnError as e:
            assert e.code == 437, e
        # RFC 5780 section 6: no second address for TCP here.
        try:
            c.request(turn.BINDING, [(CHANGE_REQUEST, struct.pack("!I", 6))], authenticate=False)
            raise AssertionError("understood")
        except turn.TurnError as e:
            assert e.code == 420, e
        c.close()


def test_who_only_fails_is_closed():
    with relay():
        c = connect("tcp", password="wrong")
        try:
            for _ in range(100):
                try:
                    c.allocate()
                except turn.TurnError as e:
                    assert e.code == 401, e
            raise AssertionError("still there")
        except OSError:
            pass


def test_control_killed():
    """Media of an open connection does not notice, and the allocation is there afterwards."""
    with relay() as r:
        calls = [call(*k) for k in KINDS]
        ids, pids = [a["id"] for a in listed(r)], [p["pid"] for p in processes(r)]
        media = [Media(*both) for both in calls]
        r.control.process.kill()
        r.control.process.wait(5)
        time.sleep(0.5)  # of media without control
        r.start_control()
        h.wait_until(lambda: attached(r), 10, "streams have come back")
        for m in media:
            sent, up, down = m.stop()
            assert sent > 0 and up == sent and down == sent, (sent, up, down)
        assert [p["pid"] for p in processes(r)] == pids, "started once more, or others"
        assert [a["id"] for a in listed(r)] == ids
        for c, peer in calls:
            assert c.refresh() == 600
            echo(c, peer)
            end(c, peer)
        h.wait_until(lambda: not listed(r), 5, "they end with their connections")


def test_closed_while_control_was_dead():
    with relay() as r:
        c, peer = call("tcp")
        other, peer2 = call("tls")
        r.control.process.kill()
        r.control.process.wait(5)
        c.close()
        r.start_control()
        h.wait_until(lambda: attached(r) and len(listed(r)) == 1, 10, "what is not announced ends")
        echo(other, peer2)
        end(other, peer, peer2)


def test_control_upgraded():
    with relay() as r:
        calls = [call(*k) for k in KINDS]
        ids, pids = [a["id"] for a in listed(r)], [p["pid"] for p in processes(r)]
        media = [Media(*both) for both in calls]
        for _ in range(2):
            upgrade(r)
            h.wait_until(lambda: attached(r), 10, "streams have come back")
        for m in media:
            sent, up, down = m.stop()
            assert sent > 0 and up == sent and down == sent, (sent, up, down)
        assert [p["pid"] for p in processes(r)] == pids
        assert [a["id"] for a in listed(r)] == ids
        for c, peer in calls:
            assert c.refresh() == 600
            end(c, peer)
        h.wait_until(lambda: not listed(r), 5, "they end with their connections")


def test_stream_killed():
    """Its clients connect again; who came by UDP does not notice; health names it meanwhile."""
    with relay() as r:
        c, peer = call("tcp")
        udp = h.client()
        udp.allocate()
        first = processes(r)[0]["pid"]
        os.kill(first, signal.SIGKILL)
        h.wait_until(lambda: any(p["pid"] != first for p in processes(r)) and attached(r), 10, "another one")
        again, peer2 = call("tcp")
        echo(again, peer2)
        h.wait_until(lambda: len(listed(r)) == 2, 8, "allocations of the dead end")
        assert udp.refresh() == 600
        end(c, peer, udp, again, peer2)


def test_dataplane_restarted():
    with relay() as r:
        c, peer = call("tcp")
        r.dataplane.process.kill()
        r.dataplane.process.wait(5)
        r.start_dataplane()
        h.wait_until(lambda: r.ctl("status", check=False)[0] == 0, 15, "healthy again")
        h.wait_until(lambda: attempt(c, peer), 5, "the stream is attached to it")
        echo(c, peer)
        end(c, peer)


def attempt(c, peer):
    c.send_channel(CHANNEL, b"?")
    return h.receive(peer, 0.2) is not None


def test_moves_between_transports():
    """RFC 8016: UDP, TCP, TLS, UDP, by one ticket after the other."""
    with relay(mobility=True) as r:
        peer = h.udp("peer", h.PEER4)
        c = h.client()
        answer = c.request(turn.ALLOCATE, [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))),
                                           (TICKET, b"")])
        relayed, ticket = answer.address(turn.XOR_RELAYED_ADDRESS), answer.get(TICKET)
        c.bind(CHANNEL, peer.getsockname()[:2])
        old = [c]
        for kind in ("tcp", "tls", "tcp", "udp"):
            c = h.client() if kind == "udp" else connect(kind)
            ticket = c.request(turn.REFRESH, [(TICKET, ticket)]).get(TICKET)
            c.relayed = relayed
            c.send_channel(CHANNEL, b"arrived")
            assert h.receive(peer)[0] == b"arrived"
            h.wait_until(lambda: listed(r)[0]["transport"] == kind, 5, f"moved to {kind}")
            echo(c, peer)
            old[-1].close()  # of the place it left
            old.append(c)
            assert c.refresh() == 600 and len(listed(r)) == 1
        end(c, peer)


def test_turnutils_uclient():
    """Over TLS it asks for a version by chance, 1.0 and 1.1 among them, says "alert protocol version" for
    each that is refused, and asks again: that is no failure."""
    with relay(**LEGACY), echo_peer(h.PEER4):
        uclients(("-t",), ("-t", "-S", "-p", TLS_PORT), clients=3, messages=30)


@h.long_test
def test_turnutils_uclient_ipv6():
    with relay(**LEGACY), echo_peer(h.PEER6):
        uclient("-t", "-x", server=h.RELAY6, peer=h.PEER6)
        uclient("-t", "-S", "-p", TLS_PORT, "-x", server=h.RELAY6, peer=h.PEER6)
