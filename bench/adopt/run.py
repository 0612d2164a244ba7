#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Adoption and replay, label veth: how long a relay with many allocations serves nobody new after a
process died, and what an allocation costs in memory.

    sudo bench/adopt/run.py [--json FILE] [ALLOCATIONS ...]       100000 1000000

turnpike-bench fill makes the allocations by the store's own code and leaves; then the real control is
started, killed (SIGKILL) and started again, and below 200,000 allocations the dataplane is killed and
started again. A real client with a bound channel sends a numbered datagram every millisecond through
all of it. Exit code 1 when a gate is missed: a new Allocate within 2 s at 100 k and 10 s at 1 M
allocations, replay within 1 s at 100 k, ids unbroken, no datagram lost while control is dead, no ICMP
error to the client."""

import argparse
import json
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "netns"))
import harness as h  # noqa: E402
import turn  # noqa: E402

PREFIX = "198.18.7.0/26"  # 64 addresses of 16,384 ports; the lab routes it
RESEND_S = 0.01
REPLAY_UP_TO = 200000  # allocations: with more the dataplane is not killed
GATE_S = {100000: 2, 1000000: 10}
GATE_REPLAY_S = 1


def config(allocations):
    c = dict(h.CONFIG)
    c["relay"] = {"addresses": [{"prefix": PREFIX}], "port_range": [49152, 65535]}
    c["limits"] = {"allocations": allocations + allocations // 50}
    c["lifetimes"] = {"allocation_max_s": 3600, "permission_s": 3600, "channel_s": 3600}
    c["unauthenticated"] = {"requests_per_address": 0, "requests_per_network": 0}
    return c


def rpc(relay, method):
    """Asks control without a process of its own; None: nobody answers."""
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(2)
            s.connect(str(relay.directory / "control.sock"))
            s.sendall(json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode() + b"\n")
            return json.loads(s.makefile().readline())["result"]
    except (OSError, ValueError, KeyError):
        return None


class Allocate:
    """A new client that asks every 10 ms from now on; the worker gives the nonce by itself."""

    def __init__(self):
        self.client = h.client()
        try:
            self.client.request(turn.ALLOCATE, [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))],
                                raw=True, timeout=5)
        except turn.TurnError as e:
            assert e.code == 401, e
            self.client.realm, self.client.nonce = e.message.get(turn.REALM), e.message.get(turn.NONCE)
        key = b":".join((b"u", self.client.realm, b"p"))
        self.client.key = turn.hashlib.md5(key).digest()

    def wait(self, timeout):
        """When the success came."""
        message = turn.Message(turn.REQUEST, turn.ALLOCATE,
                               [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))])
        message.attributes += self.client.credentials()
        data, deadline = message.encode(self.client.key), time.monotonic() + timeout
        while time.monotonic() < deadline:
            self.client.sock.send(data)
            got = self.client.receive_raw(RESEND_S)
            if got and got[8:20] == message.transaction:
                answer = turn.Message.decode(got)
                assert answer.klass == turn.SUCCESS, turn.error_of(answer)
                return time.monotonic()
        raise AssertionError(f"no new allocation within {timeout} s")


class Call:
    """A bound channel with a numbered datagram every millisecond, both ways by an echo."""

    def __init__(self):
        self.client, self.peer = h.client(), h.udp("peer", h.PEER4)
        self.client.allocate(lifetime=3600)
        self.client.bind(0x4001, (h.PEER4, self.peer.getsockname()[1]))
        self.sent = self.received = self.icmp = 0
        self.gaps, self.last = [], time.monotonic()
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=f, daemon=True)
                        for f in (self.send, self.echo, self.receive)]
        for t in self.threads:
            t.start()

    def send(self):
        while not self.stop.is_set():
            try:
                self.client.send_channel(0x4001, struct.pack("!Q", self.sent))
            except OSError:  # an ICMP error that came meanwhile
                self.icmp += 1
            self.sent += 1
            time.sleep(0.001)

    def echo(self):
        self.peer.settimeout(0.2)
        while not self.stop.is_set():
            try:
                data, source = self.peer.recvfrom(2048)
                self.peer.sendto(data, source)
            except TimeoutError:
                pass

    def receive(self):
        self.client.sock.settimeout(0.2)
        while not self.stop.is_set():
            try:
                self.client.sock.recv(2048)
            except TimeoutError:
                continue
            except OSError:
                self.icmp += 1
                continue
            now = time.monotonic()
            self.gaps.append((now - self.last, now))
            self.last = now
            self.received += 1

    def longest_gap(self, since):
        return max((g for g, at in list(self.gaps) if at >= since), default=None)

    def lost(self):
        """Settled for what is under way."""
        sent = self.sent
        deadline = time.monotonic() + 1
        while self.received < sent and time.monotonic() < deadline:
            time.sleep(0.01)
        return max(sent - self.received, 0)

    def end(self):
        self.stop.set()
        for t in self.threads:
            t.join()


def sample_ids(relay, pages=4):
    found, after = {}, 0
    for _ in range(pages):
        page = relay.ctl("allocation", "list", "limit=500", f"after={after}")
        found.update({a["id"]: json.dumps(a["relayed"]) for a in page["allocations"]})
        after = page.get("next")
        if not after:
            break
    return found


def start_control(relay, timeout):
    """Seconds from the start of the process to the success of a new client."""
    ask = Allocate()
    begin = time.monotonic()
    relay.control = h.Daemon(relay, h.CONTROL, "control")
    end = ask.wait(timeout)
    relay.control.wait_ready(timeout)
    return round(end - begin, 3)


def wait_in_step(relay, timeout=30):
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        said = rpc(relay, "health")
        if said and said["attached"] and said["in_step"]:
            return time.monotonic()
        time.sleep(0.005)
    raise AssertionError("control did not come in step")


def replay(relay, call):
    """The dataplane is killed and started: seconds of replay, of start, and of silence."""
    relay.dataplane.end(signal.SIGKILL)
    begin = time.monotonic()
    relay.dataplane = h.Daemon(relay, h.DATAPLANE, "dataplane").wait_ready()
    ready = time.monotonic()
    in_step = wait_in_step(relay)
    h.wait_until(lambda: call.last > in_step, 5, "media goes on")
    return {"start_s": round(ready - begin, 3), "replay_s": round(in_step - ready, 3),
            "media_gap_s": round(call.longest_gap(begin), 3)}


def memory(relay, allocations):
    """What an allocation costs, in bytes of both processes; the region is shared, so once."""
    said = relay.ctl("memory")
    d, c = said["dataplane"], said["control"]
    parts = {"dataplane flows": d["parts"]["flows"],
             "dataplane allocations": d["parts"]["allocations"],
             "region": d["session_region_bytes"],
             "control store": c["parts"]["store"],
             "control heap": c["parts"]["heap"] + c["parts"].get("heap_free", 0)}
    return {"parts_per_allocation": {k: round(v / allocations, 1) for k, v in parts.items()},
            "bytes_per_allocation": round(sum(parts.values()) / allocations, 1),
            "dataplane_bytes": d["resident_bytes"] + d["hugetlb_bytes"],
            "control_bytes": c["resident_bytes"],
            "unexplained": [d["unexplained_bytes"], c["unexplained_bytes"]]}


def measure(allocations):
    out = {"label": "veth", "allocations": allocations}
    relay = h.Relay(config(allocations))
    call = None
    try:
        relay.start_dataplane()
        done = subprocess.run([h.BENCH, "fill", relay.config_path, str(allocations)],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        out["fill"] = json.loads(done.stdout)
        out["adoption_s"] = [start_control(relay, 60)]
        call = Call()
        ids = sample_ids(relay)
        time.sleep(0.5)
        lost = call.lost()
        relay.control.end(signal.SIGKILL)
        out["adoption_s"].append(start_control(relay, 60))
        after = sample_ids(relay)
        out["ids_unbroken"] = all(after.get(i) == r for i, r in ids.items()) and len(ids) > 0
        out["lost_while_control_was_dead"] = call.lost() - lost
        out["adopted"] = relay.ctl("status")["control"]["allocations"]
        out["memory"] = memory(relay, allocations)
        if allocations <= REPLAY_UP_TO:
            out["dataplane"] = replay(relay, call)
        out["icmp_errors"] = call.icmp
    except BaseException:
        sys.stderr.write(relay.logs())
        raise
    finally:
        if call:
            call.end()
        relay.kill_all()
    return out


def missed(r):
    """The gates that this result misses."""
    n = r["allocations"]
    limit = GATE_S.get(n) or max(2, n / 1e5)
    if max(r["adoption_s"]) > limit:
        yield f"{n}: a new Allocate took {max(r['adoption_s'])} s, not {limit}"
    if r["adopted"] < n + 2:
        yield f"{n}: only {r['adopted']} allocations are there"
    if not r["ids_unbroken"]:
        yield f"{n}: ids are not those of before"
    if r["lost_while_control_was_dead"] or r["icmp_errors"]:
        yield f"{n}: {r['lost_while_control_was_dead']} lost, {r['icmp_errors']} ICMP errors"
    if "dataplane" in r and r["dataplane"]["replay_s"] > GATE_REPLAY_S * max(1, n / 1e5):
        yield f"{n}: replay took {r['dataplane']['replay_s']} s"


def main():
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("allocations", nargs="*", type=int, default=[100000, 1000000])
    p.add_argument("--json", help="result file")
    a = p.parse_args()
    h.lab("up")
    try:
        results = [measure(n) for n in a.allocations]
    finally:
        h.lab("down")
    text = json.dumps(results, indent=1)
    print(text)
    if a.json:
        pathlib.Path(a.json).write_text(text + "\n")
    bad = [line for r in results for line in missed(r)]
    for line in bad:
        print("missed:", line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
