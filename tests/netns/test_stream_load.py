# SPDX-License-Identifier: BSD-3-Clause
"""Many clients by TLS at once, what comes whole, and who does not read."""

import hashlib
import json
import os
import pathlib
import re
import signal
import ssl
import struct
import subprocess

import harness as h
import test_stream as ts
from test_upgrade import upgrade

CHUNK, WINDOW = 1200, 32


class Load:
    """turnpike-bench stream relay, in the background."""

    def __init__(self, r, *options):
        self.ready = r.directory / "load.ready"
        self.ready.unlink(missing_ok=True)
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", h.BENCH, "stream", "relay", "--server", h.RELAY4,
             "--client-address", h.CLIENT4, "--peer-address", h.PEER4,
             "--client-namespace", h.namespace("client"), "--peer-namespace", h.namespace("peer"),
             "--ready-file", self.ready, *map(str, options),
             *(x for p in ts.processes(r) for x in ("--server-pid", str(p["pid"])))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.process.kill()
        self.process.wait(5)

    def begun(self):
        assert self.process.poll() is None, self.process.communicate()
        return self.ready.exists()

    def result(self, timeout=180):
        out, errors = self.process.communicate(timeout=timeout)
        assert out, errors
        return json.loads(out)


def counters(r):
    """What the stream process counted so far."""
    log = r.control.output()
    seen = log.count("turns=")
    os.kill(ts.processes(r)[0]["pid"], signal.SIGUSR1)
    h.wait_until(lambda: r.control.output().count("turns=") > seen, 5, "the stream says its counters")
    return {k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", r.control.output()[len(log):])}


def memory_bytes(r):
    """Of the stream process, its share of what it shares."""
    text = pathlib.Path(f"/proc/{ts.processes(r)[0]['pid']}/smaps_rollup").read_text()
    return int(re.search(r"^Pss: *(\d+) kB", text, re.M).group(1)) * 1024


def served_name():
    """Of the certificate that a new client is shown."""
    c = ts.connect("tls")
    der = c.sock.sock.getpeercert(binary_form=True)
    c.close()
    return subprocess.run(["openssl", "x509", "-noout", "-subject"], input=ssl.DER_cert_to_PEM_cert(der),
                          capture_output=True, text=True, check=True).stdout.strip()


def many(clients, seconds):
    """None of them notices that the certificate is replaced and control upgraded."""
    with ts.certificate() as at:
        with ts.relay_with(at, limits={"allocations": 4096}, streams={"connections_per_address": 4096}) as r:
            before = memory_bytes(r)
            with Load(r, "--clients", clients, "--rate", 10, "--duration", seconds) as load:
                h.wait_until(load.begun, 60, "all are bound")
                ts.make_certificate(at, "-days", "2", "-subj", "/CN=next.example.org")
                for p in ts.processes(r):
                    os.kill(p["pid"], signal.SIGHUP)
                h.wait_until(lambda: "next.example.org" in served_name(), 5, "the next certificate is served")
                upgrade(r)
                h.wait_until(lambda: ts.attached(r), 10, "streams have come back")
                assert load.process.poll() is None, "the load was over before"
                got = load.result()
            assert got["closed"] == 0 and got["open"] == clients, got
            for way in ("up", "down"):
                assert got[way]["sent"] >= clients * seconds * 5, got
                assert got[way]["lost"] == got[way]["wrong"] == 0, got
            grown = (got["server"][0]["memory_bytes"] - before) / clients
            print(f"   {clients} clients: {grown:.0f} bytes a client, p99 up {got['up_ms']['p99']} ms, "
                  f"down {got['down_ms']['p99']} ms")
            h.wait_until(lambda: not ts.listed(r), 10, "they end with their connections")


@h.alone
def test_many_clients():
    many(200, 5)


@h.alone
@h.long_test
def test_two_thousand_clients():
    many(2000, 60)


def slow_readers(clients, deaf, seconds, factor):
    """Who does not read costs the others nothing, and a bounded memory. A machine that others use may
    be late once; a process that waits for who does not read is late every time."""
    traffic = ("--clients", clients, "--rate", 10, "--payload", 1200, "--direction", "down",
               "--duration", seconds)
    with ts.relay(streams={"connections_per_address": 4096}) as r:
        for _ in range(3):
            without = Load(r, *traffic).result()
            dropped = counters(r)["down_dropped"]
            got = Load(r, *traffic, "--deaf", deaf).result()
            assert got["closed"] == 0 and got["open"] == clients, got
            assert got["down"]["lost"] == got["down"]["wrong"] == 0, got
            assert got["deaf_down"]["received"] < got["deaf_down"]["sent"], "they read after all"
            assert counters(r)["down_dropped"] > dropped, "what they did not read is nowhere counted"
            grown = got["server"][0]["memory_bytes"] - without["server"][0]["memory_bytes"]
            p99 = [x["down_ms"]["p99"] for x in (without, got)]
            print(f"   {deaf} of {clients} do not read: p99 {p99[0]} ms without them, {p99[1]} ms with "
                  f"them, {grown} bytes")
            # What may wait is a fifth of a second's media (streams.buffer_ms) and half a record.
            assert grown < (2 << 20) + deaf * 20000, grown
            if p99[1] <= factor * p99[0]:
                return
        raise AssertionError(p99)


@h.alone
def test_slow_readers():
    slow_readers(100, 5, 5, 3)


@h.alone
@h.long_test
def test_slow_readers_of_a_thousand():
    slow_readers(1000, 50, 20, 2)


def whole(kind, megabytes):
    """Every byte both ways, in order: equal hashes."""
    with ts.relay():
        c, peer = ts.call(kind)
        total = megabytes << 20
        data = os.urandom(1 << 20)
        sent, up, down = hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
        messages = [data[i:i + CHUNK] for i in range(0, len(data), CHUNK)]
        done = 0
        while done < total:
            for at in range(0, len(messages), WINDOW):
                bundle = messages[at:at + WINDOW]
                c.sock.sock.sendall(b"".join(
                    struct.pack("!HH", ts.CHANNEL, len(m)) + m + bytes(-len(m) % 4) for m in bundle))
                for m in bundle:
                    sent.update(m)
                    got = h.receive(peer)
                    assert got, "lost on the way up"
                    up.update(got[0])
                    peer.sendto(got[0], c.relayed)
                for _ in bundle:
                    what, channel, m = c.receive()
                    assert (what, channel) == ("channel", ts.CHANNEL)
                    down.update(m)
            done += len(data)
        assert up.digest() == sent.digest(), "what the peer got is not what was sent"
        assert down.digest() == sent.digest(), "what came back is not what was sent"
        ts.end(c, peer)


def test_megabytes_come_whole():
    for kind in ("tcp", "tls"):
        whole(kind, 2)


@h.long_test
def test_64_megabytes_come_whole():
    for kind in ("tcp", "tls"):
        whole(kind, 64)
