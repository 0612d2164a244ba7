# SPDX-License-Identifier: BSD-3-Clause
"""Clients by DTLS (RFC 8656 section 5, RFC 6347): their calls, their handshakes, who may die
meanwhile, and strangers."""

import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import dtls
import harness as h
import turn
from test_clients import LEGACY, echo_peer, uclient, uclients
from test_flood import Flood, key_published
from test_stream import CHANNEL, TICKET, Media, alive, attached, echo, end, listed, processes
from test_survival import machine_drops
from test_upgrade import upgrade

DTLS_PORT = 5349


def make_certificate(directory):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=turn.example.org", "-addext",
                    "subjectAltName=DNS:turn.example.org", "-keyout",
                    directory / "key.pem", "-out", directory / "cert.pem"],
                   check=True, capture_output=True)
    (directory / "key.pem").chmod(0o644)


@contextlib.contextmanager
def relay(client_ca=None, **changes):
    """A relay with DTLS beside UDP on its usual port, and alone on another one."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=h.RUN_PREFIX, dir="/run"))
    directory.chmod(0o755)
    make_certificate(directory)
    config = {
        "listeners": [
            listener for address in (h.RELAY4, h.RELAY6) for listener in (
                {"address": address, "port": 3478, "transports": ["udp", "dtls"]},
                {"address": address, "port": DTLS_PORT, "transports": ["dtls"]})],
        "tls": {"certificate": str(directory / "cert.pem"), "key": str(directory / "key.pem"),
                **({"client_ca": str(client_ca)} if client_ca else {})},
        **changes,
    }
    pids = []
    try:
        with h.relay(**config) as r:
            r.certificate = directory / "cert.pem"
            h.wait_until(lambda: attached(r), 10, "the stream processes are there")
            pids += [p["pid"] for p in processes(r)]
            yield r
            pids += [p["pid"] for p in processes(r)]
        h.wait_until(lambda: not any(map(alive, pids)), 5, "an orderly end of control ends them")
    finally:
        for pid in filter(alive, pids):
            os.kill(pid, 9)
        shutil.rmtree(directory, ignore_errors=True)


def session(family=4, port=DTLS_PORT, source=0, **kw):
    sock = h.udp("client", h.CLIENT4 if family == 4 else h.CLIENT6, source)
    sock.connect((h.RELAY4 if family == 4 else h.RELAY6, port))
    return dtls.Session(sock, **kw)


def connect(family=4, port=DTLS_PORT, **kw):
    return turn.Client(session(family, port, **kw), (h.RELAY4, port))


def call(family=4, port=DTLS_PORT, **kw):
    peer = h.udp("peer", h.PEER4 if family == 4 else h.PEER6)
    c = connect(family, port, **kw)
    c.allocate(family=family)
    c.permit(peer.getsockname()[0])
    c.bind(CHANNEL, peer.getsockname()[:2])
    return c, peer


def test_calls():
    """On a port of its own and beside UDP, of both families."""
    with relay() as r:
        for family in (4, 6):
            for port in (DTLS_PORT, 3478):
                c, peer = call(family, port, ca=r.certificate, name="turn.example.org")
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
                assert entry["transport"] == "dtls" and entry["client"].endswith(f":{c.mapped[1]}"), entry
                c.close()  # close_notify
                h.wait_until(lambda: not listed(r), 5, "a closed session ends its allocation")
                end(peer, other)
        # UDP is served where it was, and only there.
        c = h.client()
        assert c.binding() == c.sock.getsockname()[:2]
        c.close()
        c = h.client(server=(h.RELAY4, DTLS_PORT))
        before = r.drops("bad_first_byte")
        try:
            c.request(turn.BINDING, authenticate=False, timeout=1)
            raise AssertionError("answered")
        except TimeoutError:
            assert r.drops("bad_first_byte") > before
        c.close()
        assert processes(r)[0]["clients"] == 0
        assert r.counter("hello_verify") >= 4
        r.assert_books_close()


def counters(r, process=0):
    """What a stream process counts, which it says in its log: that of control, who started it."""
    said = r.control.output().count("turns=")
    os.kill(processes(r)[process]["pid"], signal.SIGUSR1)
    h.wait_until(lambda: r.control.output().count("turns=") > said, 5, "its counters")
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", r.control.output())}


def leave(c):
    """As a client that crashed does."""
    c.sock.close(farewell=False)


def hello_of(sock, random, cookie=b""):
    """The least ClientHello, as bytes; it never goes on with the handshake."""
    body = (b"\xfe\xfd" + random + b"\0" + bytes((len(cookie),)) + cookie +
            b"\0\2\xc0\x2b" + b"\1\0" + b"\0\x10\0\x0a\0\4\0\2\0\x17\0\x0d\0\4\0\2\4\3")
    length = len(body).to_bytes(3, "big")
    sequence = bytes((0, 1 if cookie else 0))
    message = b"\1" + length + sequence + bytes(3) + length + body
    return b"\x16\xfe\xff" + bytes(7) + sequence[1:] + len(message).to_bytes(2, "big") + message


def flight(sock, wait):
    """All that comes until nothing does for so long."""
    out = []
    while got := h.receive(sock, wait):
        out.append(got[0])
    return out


def begin_and_stop(sock, random):
    """A handshake with our cookie, as far as the server's first flight, which is returned."""
    sock.send(hello_of(sock, random))
    verify, = flight(sock, 0.5)
    assert verify[13] == 3 and len(verify) <= len(hello_of(sock, random)), verify
    sock.send(hello_of(sock, random, verify[-8:]))
    return flight(sock, 0.5)


def raw(port, source=0):
    sock = h.udp("client", h.CLIENT4, source)
    sock.connect((h.RELAY4, port))
    return sock


def test_a_new_session_takes_the_place_of_the_old_one():
    """RFC 6347 section 4.2.8: not before its handshake is complete, and the allocation goes with the
    old one."""
    with relay() as r:
        c, peer = call()
        source = c.sock.getsockname()[1]
        first, = listed(r)
        # Whoever only begins, even with a cookie, ends nothing.
        flights = begin_and_stop(c.sock.sock, bytes(32))
        assert flights and flights[0][0] == 22 and flights[0][13] == 2, "no ServerHello"
        c.sock.sock.setblocking(False)
        for _ in range(3):
            echo(c, peer)
        assert c.refresh() == 600 and [a["id"] for a in listed(r)] == [first["id"]]
        leave(c)
        again, peer2 = call(source=source)
        assert again.sock.getsockname()[1] == source
        echo(again, peer2)
        h.wait_until(lambda: len(listed(r)) == 1, 5, "the old allocation ended with its session")
        assert listed(r)[0]["id"] != first["id"]
        assert processes(r)[0]["clients"] == 1
        end(again, peer, peer2)


def test_flights_are_repeated():
    """Section 4.2.4: without a word of the client; and a handshake that never ends is ended."""
    with relay(streams={"handshake_s": 4}) as r:
        sock = raw(DTLS_PORT)
        first = begin_and_stop(sock, os.urandom(32))
        assert first and max(map(len, first)) <= 1280 - 28
        again = flight(sock, 1.5)  # its timer is a second
        assert again and again[0][13] == 2 and sum(map(len, again)) >= sum(map(len, first)), (first, again)
        h.wait_until(lambda: counters(r)["late_handshake"] == 1, 8, "a handshake that never ends")
        values = counters(r)
        assert values["accepted"] == values["closed"] == 1 and values["handshakes"] == 0
        sock.close()


def test_records_that_make_no_sense_cost_nothing_else():
    with relay() as r:
        c, peer = call()
        for bad in (b"", b"\0", b"\0\1", b"\x80abc", b"\x40\1\0\4abc", b"\0\1\0\4\x21\x12\xa4\x42" + bytes(12)):
            if bad:
                c.sock.send(bad)
        c.sock.send(b"\x40\1\0\3abc" + b"behind")  # no part of it, as over UDP
        assert h.receive(peer)[0] == b"abc"
        # Not under any key of the session, in pieces and as a forged alert: dropped.
        for forged in (b"\x17\xfe\xfd\0\1" + bytes(7) + b"\x20" + os.urandom(32), b"\x15\xfe\xfd" + bytes(8) + b"\0\2\2\x28",
                       b"\x16\xfe\xfd\0", b"\x3f", b"\x14"):
            c.sock.sock.send(forged)
        echo(c, peer)
        assert counters(r)["records_wrong"] == 5
        c.sock.renegotiate()
        try:
            c.sock.recv(1)
            raise AssertionError("renegotiated")
        except dtls.Error:
            pass  # in words that depend on what the client's OpenSSL was doing
        assert counters(r)["handshakes"] == 1
        end(c, peer)


def test_what_does_not_fit_is_dropped():
    """Down: no larger than streams.dtls_mtu, no fragments. Up: whatever comes."""
    with relay(streams={"dtls_mtu": 1280}) as r:
        for family, header in ((4, 28), (6, 48)):
            c, peer = call(family)
            dropped = counters(r)["down_too_big"]
            for size in (1100, 1180, 1190, 1200, 1230, 1300):
                peer.sendto(bytes(size), c.relayed)
            got = []
            while (message := c.receive(0.5)) is not None:
                got.append(len(message[2]))
            # 13 of the record, 8 of explicit nonce, 16 of tag, 4 of ChannelData.
            assert got == [size for size in (1100, 1180, 1190, 1200, 1230, 1300) if size + 41 + header <= 1280], got
            assert counters(r)["down_too_big"] == dropped + 6 - len(got)
            c.send_channel(CHANNEL, bytes(3000))
            assert len(h.receive(peer)[0]) == 3000
            echo(c, peer)
            end(c, peer)


def test_sessions_as_of_tls():
    """Names, ALPN (RFC 7443), tickets, and certificates of clients."""
    with relay() as r:
        c = session(ca=r.certificate, name="turn.example.org", alpn=b"\x09stun.turn")
        assert c.version() == "DTLSv1.2" and c.alpn() == b"stun.turn" and not c.reused()
        ticket = c.session()
        c.close()
        c = session(session=ticket)
        assert c.reused() and counters(r)["resumed"] == 1
        c.close()
        for wrong in ({"ca": r.certificate, "name": "other.example.org"}, {"alpn": b"\x05h3-29"}):
            try:
                session(**wrong)
                raise AssertionError("taken")
            except dtls.Error:
                pass
        # Another certificate, by reload: sessions stay, new ones see it.
        c, peer = call()
        before = r.certificate.read_bytes()
        make_certificate(r.certificate.parent)
        r.ctl("reload")
        h.wait_until(lambda: "certificates too" in r.control.output(), 5, "read again")
        echo(c, peer)
        old = r.certificate.parent / "old.pem"
        old.write_bytes(before)
        session(ca=r.certificate).close()
        try:
            session(ca=old)
            raise AssertionError("the old certificate")
        except dtls.Error:
            end(c, peer)
    directory = pathlib.Path(tempfile.mkdtemp(prefix=h.RUN_PREFIX, dir="/run"))
    directory.chmod(0o755)
    try:
        make_certificate(directory)
        with relay(client_ca=directory / "cert.pem") as r:
            session(certificate=(directory / "cert.pem", directory / "key.pem")).close()
            try:
                session()
                raise AssertionError("without a certificate")
            except dtls.Error:
                pass
    finally:
        shutil.rmtree(directory)


def test_openssl_and_turnutils():
    """Clients of others: s_client for the handshake, turnutils_uclient for calls."""
    with relay(**LEGACY) as r, echo_peer(h.PEER4):
        done = h.run_in("client", "openssl", "s_client", "-dtls1_2", "-connect", f"{h.RELAY4}:{DTLS_PORT}",
                        "-CAfile", r.certificate, "-verify_return_error", "-servername", "turn.example.org",
                        input="Q\n", check=False, timeout=20)
        assert "Verify return code: 0 (ok)" in done.stdout, done.stdout[-2000:] + done.stderr[-1000:]
        uclients(("-S", "-p", DTLS_PORT), ("-S",), clients=3, messages=30)


@h.long_test
def test_turnutils_uclient_ipv6():
    with relay(**LEGACY), echo_peer(h.PEER6):
        uclient("-S", "-x", "-p", DTLS_PORT, server=h.RELAY6, peer=h.PEER6, clients=3, messages=30)


def test_control_killed_and_upgraded():
    """Media of a session does not notice, and the allocation is there afterwards."""
    with relay() as r:
        calls = [call(4), call(6, 3478)]
        ids, pids = [a["id"] for a in listed(r)], [p["pid"] for p in processes(r)]
        media = [Media(*both) for both in calls]
        r.control.process.kill()
        r.control.process.wait(5)
        time.sleep(0.5)  # of media without control
        r.start_control()
        h.wait_until(lambda: attached(r), 10, "streams have come back")
        upgrade(r)
        h.wait_until(lambda: attached(r), 10, "streams have come back")
        for m in media:
            sent, up, down = m.stop()
            assert sent > 0 and up == sent and down == sent, (sent, up, down)
        assert [p["pid"] for p in processes(r)] == pids and [a["id"] for a in listed(r)] == ids
        for c, peer in calls:
            assert c.refresh() == 600
            echo(c, peer)
            end(c, peer)
        h.wait_until(lambda: not listed(r), 5, "they end with their sessions")


def attempt(c, peer, text=b"?"):
    c.send_channel(CHANNEL, text)
    got = h.receive(peer, 0.2)
    return got is not None and got[0] == text


def test_processes_come_and_go():
    """Two of them: datagrams find theirs by a dataplane that has forgotten everything, and a new
    process takes new clients only."""
    with relay(streams={"processes": 2}) as r:
        calls = [call() for _ in range(8)]
        assert sorted(p["clients"] for p in processes(r))[0] > 0, processes(r)
        r.dataplane.process.kill()
        r.dataplane.process.wait(5)
        r.start_dataplane()
        h.wait_until(lambda: r.ctl("status", check=False)[0] == 0, 15, "healthy again")
        for c, peer in calls:
            h.wait_until(lambda: attempt(c, peer), 5, "its stream is found")
            flight(peer, 0.1)
            echo(c, peer)
        first = processes(r)[0]
        os.kill(first["pid"], signal.SIGKILL)
        h.wait_until(lambda: attached(r) and first["pid"] not in [p["pid"] for p in processes(r)], 10, "another one")
        live = [both for both in calls if attempt(*both)]
        assert len(live) == len(calls) - first["clients"], (len(live), first)
        for c, peer in live:
            flight(peer, 0.1)
            echo(c, peer)
        again = []
        for c, peer in calls:
            if (c, peer) not in live:
                source = c.sock.getsockname()[1]
                leave(c)
                peer.close()
                again.append(call(source=source))
        for c, peer in again:
            echo(c, peer)
        h.wait_until(lambda: len(listed(r)) == len(calls), 8, "allocations of the dead end")
        for c, peer in live + again:
            end(c, peer)


def test_the_next_generation():
    """The old process keeps its sessions, also when a new dataplane knows none of them, and ends with
    the last one; new ones are the new process's."""
    with relay() as r:
        c, peer = call()
        old = processes(r)[0]["pid"]
        r.ctl("upgrade", "streams")
        echo(c, peer)
        again, peer2 = call()
        clients = {p["pid"]: p["clients"] for p in processes(r)}
        assert clients.pop(old) == 1 and list(clients.values()) == [1], clients
        r.dataplane.process.kill()
        r.dataplane.process.wait(5)
        r.start_dataplane()
        h.wait_until(lambda: r.ctl("status", check=False)[0] == 0, 15, "healthy again")
        for both in ((c, peer), (again, peer2)):
            h.wait_until(lambda: attempt(*both), 5, "its stream is found")
            flight(both[1], 0.1)
            echo(*both)
        c.close()
        h.wait_until(lambda: not alive(old), 5, "the old one ends with its last client")
        echo(again, peer2)
        end(again, peer, peer2)


def test_a_new_session_at_the_next_generation_ends_the_old_one():
    """The old process has a client that will never speak to it again, and ends without waiting for it."""
    with relay() as r:
        c, peer = call()
        source = c.sock.getsockname()[1]
        first, = listed(r)
        old = processes(r)[0]["pid"]
        r.ctl("upgrade", "streams")
        leave(c)
        again, peer2 = call(source=source)
        h.wait_until(lambda: not alive(old), 5, "the old process ends")
        assert [a["id"] for a in listed(r)] != [first["id"]] and len(listed(r)) == 1, listed(r)
        echo(again, peer2)
        end(again, peer, peer2)


def test_moves_between_transports():
    """RFC 8016: UDP, DTLS, UDP, DTLS."""
    with relay(mobility=True) as r:
        peer = h.udp("peer", h.PEER4)
        c = h.client()
        answer = c.request(turn.ALLOCATE, [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))), (TICKET, b"")])
        relayed, ticket = answer.address(turn.XOR_RELAYED_ADDRESS), answer.get(TICKET)
        c.bind(CHANNEL, peer.getsockname()[:2])
        old = [c]
        for kind in ("dtls", "udp", "dtls"):
            c = h.client() if kind == "udp" else connect()
            ticket = c.request(turn.REFRESH, [(TICKET, ticket)]).get(TICKET)
            c.relayed = relayed
            c.send_channel(CHANNEL, b"arrived")
            assert h.receive(peer)[0] == b"arrived"
            h.wait_until(lambda: listed(r)[0]["transport"] == kind, 5, f"moved to {kind}")
            echo(c, peer)
            old[-1].close()
            old.append(c)
            assert c.refresh() == 600 and len(listed(r)) == 1
        end(c, peer)


def resident(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text)[1]) * 1024


@h.alone
def test_floods():
    """Hellos of more than a hundred thousand sources, and records of no session: no memory, a call
    goes on, and a client that comes meanwhile is served."""
    with relay() as r:
        key_published(r)
        c, peer = call()
        pid = processes(r)[0]["pid"]
        for kind, names in (("d", ("hello_verify", "budget_dtls")), ("e", ("dtls_not_mine", "budget_dtls"))):
            read = lambda: sum({**r.stats()["counters"], **r.stats()["drops"]}[n] for n in names)
            rate, seconds = 30000, 3
            Flood(0.5, rate, kind).result()  # turns every ring over
            before, memory, received, machine = read(), resident(pid), r.counter("rx"), machine_drops(r)
            flood, media = Flood(seconds, rate, kind, least=110000), Media(c, peer)
            started, served = time.monotonic(), 0
            while flood.running():
                one, two = call(timeout=seconds + 5)
                echo(one, two)
                end(one, two)
                served += 1
            sent = flood.result()["frames"]
            _, up, down = media.stop()
            seen, grown = read() - before, resident(pid) - memory
            received, machine = r.counter("rx") - received, machine_drops(r) - machine
            print(f"    {kind}: {sent} sent, {received} received, {seen} under {', '.join(names)}; {served} clients "
                  f"served in {time.monotonic() - started:.1f} s, media {media.sent} sent, {up} up, {down} down, "
                  f"{grown} bytes grown, {machine} frames lost by this machine", flush=True)
            assert sent >= 100000 and served > 0 and seen >= (sent - machine) * 0.98
            assert grown < 1 << 20, grown
            # What the machine lost it did not choose: of its frames the media had its part.
            lost = media.sent * (0.01 + 2 * machine / sent) + 1
            assert media.sent - up <= lost and media.sent - down <= lost, (media.sent, up, down, lost)
        echo(c, peer)
        end(c, peer)
