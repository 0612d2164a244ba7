# SPDX-License-Identifier: BSD-3-Clause
"""Running the stream processes: proxies before them, generations of them."""

import contextlib
import os
import shutil
import threading
import time

import harness as h
import turn
from test_stream import (KINDS, Framed, Media, alive, attached, call, connect, echo, end, listed,
                         processes, relay)
from test_upgrade import replace, upgrade

PROXIED = 3480


def behind_proxy(header, source=None):
    with h.inside("client"):
        sock = h.socket.socket()
    sock.bind((source or h.CLIENT4, 0))
    sock.settimeout(5)
    sock.connect((h.RELAY4, PROXIED))
    sock.sendall(header)
    return turn.Client(Framed(sock), (h.RELAY4, PROXIED))


def show(r, c):
    return r.ctl("allocation", "show", f"relayed={c.relayed[0]}:{c.relayed[1]}")


def test_proxy():
    """The client is whom the proxy names, to itself, to the operator and to a control that comes later."""
    listeners = [{"address": h.RELAY4, "port": 3478, "transports": ["udp", "tcp"]},
                 {"address": h.RELAY4, "port": PROXIED, "transports": ["tcp"], "proxy_protocol": True}]
    with relay(listeners=listeners, streams={"proxy_sources": [h.CLIENT4]}) as r:
        clients = []
        for family, address in (("TCP4", "203.0.113.7"), ("TCP6", "2001:db8::7")):
            c = behind_proxy(f"PROXY {family} {address} {h.RELAY4 if family == 'TCP4' else h.RELAY6} 51000 3478\r\n".encode())
            c.allocate()
            assert c.mapped == (address, 51000), c.mapped
            peer = h.udp("peer", h.PEER4)
            c.permit(h.PEER4)
            c.bind(0x4001, peer.getsockname()[:2])
            echo(c, peer)
            one = show(r, c)
            assert one["client"] == (f"{address}:51000" if family == "TCP4" else f"[{address}]:51000"), one
            assert one["proxied"] is True and one["transport"] == "tcp", one
            clients.append((c, peer))
        plain, peer = call("tcp")
        assert show(r, plain)["proxied"] is False
        r.control.process.kill()
        r.control.process.wait(5)
        r.start_control()
        h.wait_until(lambda: attached(r), 10, "streams have come back")
        assert len(listed(r)) == 3 and [a["proxied"] for a in listed(r)].count(True) == 2
        for c, p in clients + [(plain, peer)]:
            assert c.refresh() == 600
            echo(c, p)
            end(c, p)


@contextlib.contextmanager
def replaceable(**changes):
    """A relay whose control and stream process are copies; the path of the latter."""
    with relay(**changes) as r:
        r.control.end()
        program = r.directory / "turnpike-stream"
        shutil.copy(h.CONTROL.parent / "turnpike-stream", program)
        shutil.copy(h.CONTROL, r.directory / "turnpike-control")
        h.CONTROL, before = r.directory / "turnpike-control", h.CONTROL
        try:
            r.start_control()
        finally:
            h.CONTROL = before
        h.wait_until(lambda: attached(r), 10, "the stream process is there")
        yield r, program


class Arrivals(threading.Thread):
    """Clients that come, ask and go, one after the other, until told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.halt, self.served, self.errors = threading.Event(), 0, []
        self.start()

    def run(self):
        while not self.halt.is_set():
            try:
                c = connect(("tcp", "tls")[self.served % 2])
                assert c.binding() == c.sock.getsockname()[:2]
                self.served += 1
                c.close()
            except Exception as e:  # every kind of not being served
                self.errors.append(e)

    def stop(self):
        self.halt.set()
        self.join(10)
        return self.served, self.errors


def migrate_requests(value):
    """Handshakes that are under way at a listener which closes go on at another one's (ip-sysctl)."""
    h.run_in("relay", "sh", "-c", f"echo {value} > /proc/sys/net/ipv4/tcp_migrate_req")


def draining(r):
    return {p["pid"]: p["draining"] for p in processes(r)}


def test_generations():
    """New clients come to the new generation, the old one keeps its own, whatever becomes of control."""
    with replaceable() as (r, program):
        migrate_requests(1)
        calls = [call(*k) for k in KINDS]
        media, arrivals = [Media(*both) for both in calls], Arrivals()
        old, = draining(r)
        ids = {a["id"] for a in listed(r)}
        shutil.copy(program, program.with_suffix(".new"))  # a package manager's
        program.with_suffix(".new").rename(program)
        reply = r.ctl("upgrade", "streams")
        assert (reply["started"], reply["draining"]) == (1, 1) and reply["clients"] >= len(calls), reply
        new, = [pid for pid, leaves in draining(r).items() if not leaves]
        assert new != old and draining(r)[old] and attached(r)
        assert os.readlink(f"/proc/{old}/exe").endswith("(deleted)")
        assert os.readlink(f"/proc/{new}/exe") == str(program)
        fresh, peer = call("tcp")
        assert [p["clients"] for p in processes(r) if p["pid"] == new][0] >= 1
        # A control that dies, and one that is replaced.
        r.control.process.kill()
        r.control.process.wait(5)
        r.start_control()
        h.wait_until(lambda: attached(r) and len(processes(r)) == 2, 10, "both have come back")
        assert draining(r) == {old: True, new: False}
        upgrade(r)
        h.wait_until(lambda: attached(r) and len(processes(r)) == 2, 10, "both have come back")
        assert draining(r) == {old: True, new: False}
        for m in media:
            sent, up, down = m.stop()
            assert sent > 0 and up == sent and down == sent, (sent, up, down)
        before = arrivals.served
        h.wait_until(lambda: arrivals.served > before + 2, 10, "they go on to be served")
        served, errors = arrivals.stop()
        assert not errors, (served, errors[:3])
        assert ids < {a["id"] for a in listed(r)}
        for c, p in calls:
            assert alive(old)
            assert c.refresh() == 600
            echo(c, p)
            end(c, p)
        h.wait_until(lambda: not alive(old), 5, "it ends with its last client")
        echo(fresh, peer)
        end(fresh, peer)
        migrate_requests(0)


@h.long_test
def test_generation_that_does_not_serve():
    with replaceable() as (r, program):
        c, peer = call("tcp")
        before = draining(r)
        replace(program, "#!/bin/sh\nexit 1\n")
        code, _ = r.ctl("upgrade", "streams", check=False)
        assert code == 1 and draining(r) == before
        echo(c, peer)
        again, peer2 = call("tls")
        echo(again, peer2)
        end(c, peer, again, peer2)


def test_who_does_not_read():
    """What a client leaves unread is dropped, and named where it is shown, of nobody else."""
    with relay() as r:
        (slow, peer), (quick, peer2) = call("tcp"), call("tcp")
        quick.sock.sock.setsockopt(h.socket.SOL_SOCKET, h.socket.SO_RCVBUF, 1 << 20)

        def flood():
            for _ in range(100):
                peer.sendto(bytes(1200), slow.relayed)
            peer2.sendto(b"read", quick.relayed)
            assert quick.receive() == ("channel", 0x4001, b"read")
            return show(r, slow)["unread_dropped_packets"] > 0

        h.wait_until(flood, 60, "it is full")
        one, other = show(r, slow), show(r, quick)
        assert one["unread_dropped_bytes"] >= 1200 and one["unread_queued_bytes"] <= 65536 + 1204, one
        assert other["unread_dropped_packets"] == other["unread_dropped_bytes"] == 0, other
        text = h.subprocess.run([h.CTL, "-s", r.directory / "control.sock", "allocation", "show",
                                 f"relayed={slow.relayed[0]}:{slow.relayed[1]}"], capture_output=True, text=True).stdout
        assert "it does not read" in text, text
        udp = h.client()
        udp.allocate()
        assert show(r, udp)["unread_dropped_packets"] is None
        end(slow, peer, quick, peer2, udp)


def test_strangers_have_a_budget():
    """Requests without an allocation are as many as of a client by UDP; beyond, the connection is closed."""
    with relay(unauthenticated={"requests_per_address": 20}) as r:
        c, peer = call("tcp")
        stranger = connect("tls")
        try:
            for _ in range(200):
                stranger.request(turn.BINDING, authenticate=False)
            raise AssertionError("still served")
        except OSError:
            pass
        other = connect("tcp", 6)  # another address
        assert other.binding() == other.sock.getsockname()[:2]
        for _ in range(50):
            assert c.refresh() == 600
        echo(c, peer)
        counters = r.stats()["control"]["streams"]
        assert counters["over_budget"] == 1 and counters["failing"] == 0, counters
        end(c, peer, stranger, other)


def test_request_that_a_dead_control_had_taken():
    """It was not answered yet: the next control is asked, and the client does not wait for its own timeout."""
    with relay() as r:
        c, peer = call("tcp")
        c.timeout = 20
        r.dataplane.signal(h.signal.SIGSTOP)  # no acknowledgement, so no answer
        permitted = h.in_thread(c.permit, "198.18.9.9")
        time.sleep(0.5)  # of an answer that does not come; nothing tells that control has taken it
        r.control.process.kill()
        r.control.process.wait(5)
        r.dataplane.signal(h.signal.SIGCONT)
        r.start_control()
        permitted.result()
        permissions = show(r, c)["permissions"]
        assert "198.18.9.9" in [p["peer"] for p in permissions], permissions
        echo(c, peer)
        end(c, peer)
