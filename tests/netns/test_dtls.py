# SPDX-License-Identifier: BSD-3-Clause
"""Clients by DTLS (RFC 8656 section 5, RFC 6347): their calls, their handshakes, who may die
meanwhile, and strangers."""

import contextlib
import os
import pathlib
import shutil
import socket
import subprocess
import tempfile

import dtls
import harness as h
import turn
from test_stream import CHANNEL, Media, alive, attached, echo, end, listed, processes

DTLS_PORT = 5349


@contextlib.contextmanager
def relay(**changes):
    """A relay with DTLS beside UDP on its usual port, and alone on another one."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=h.RUN_PREFIX, dir="/run"))
    directory.chmod(0o755)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                    "-nodes", "-days", "2", "-subj", "/CN=turn.example.org", "-addext",
                    "subjectAltName=DNS:turn.example.org", "-keyout",
                    directory / "key.pem", "-out", directory / "cert.pem"],
                   check=True, capture_output=True)
    (directory / "key.pem").chmod(0o644)
    config = {
        "listeners": [
            listener for address in (h.RELAY4, h.RELAY6) for listener in (
                {"address": address, "port": 3478, "transports": ["udp", "dtls"]},
                {"address": address, "port": DTLS_PORT, "transports": ["dtls"]})],
        "tls": {"certificate": str(directory / "cert.pem"), "key": str(directory / "key.pem")},
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
