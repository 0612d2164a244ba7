#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""TLS clients of Turnpike against those of coturn, label veth: what a packet, a handshake and an idle
client cost the server.

    sudo bench/stream/run.py [--pairs N] [--seconds S] [--json FILE]

The servers take turns in the same namespace (A B A B ...), each with the same generator
(turnpike-bench stream) and one thread that terminates TLS; the first pair is dropped, medians and
spreads are printed. Costs are CPU time, so that a busy machine changes them less: Turnpike's of the
stream process, by which a core is planned; of its work, which is that, control, and what the worker spent on
bursts with packets (`cycles_busy`); and of all processes, a worker that polls for more included. What the
kernel does for a packet at the two other ends, and for Turnpike's UDP in the sender's context, is in no
column. Exit code 1 when a gate is missed:

    relayed packets a CPU-second, all of Turnpike's work / coturn: uplink 2.0 (172 bytes), 1.5 (1200), downlink 1.2
    bytes a CPU-second of the stream process / those of `openssl speed` AES-128-GCM at that size: 0.15
    full TLS 1.3 handshakes a CPU-second 2500, resumed ones 1.5 times that; memory of an idle client 48 KiB"""

import argparse
import contextlib
import json
import pathlib
import re
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "netns"))
import harness as h  # noqa: E402
import test_stream  # noqa: E402

BASES = ("first", "work", "all")
SIZES = (172, 1200)
RELAYS = [(direction, size) for direction in ("up", "down") for size in SIZES]
GATES = {("up", 172): 2.0, ("up", 1200): 1.5, ("down", 172): 1.2, ("down", 1200): 1.2}
GATE_FRACTION, GATE_HANDSHAKES, GATE_RESUMED, GATE_IDLE_KIB = 0.15, 2500, 1.5, 48
IDLE = 1000
QUOTA, PERIOD_US = 0.25, 50000
HANDSHAKES = 500


@contextlib.contextmanager
def limited(pid):
    """The process gets QUOTA of a core, so that it is what limits the rate, whatever else runs."""
    v1 = pathlib.Path("/sys/fs/cgroup/cpu")
    group = (v1 if v1.is_dir() else v1.parent) / f"turnpike-bench-{h.PREFIX}"
    group.mkdir()
    try:
        if v1.is_dir():
            (group / "cpu.cfs_period_us").write_text(str(PERIOD_US))
            (group / "cpu.cfs_quota_us").write_text(str(int(PERIOD_US * QUOTA)))
        else:
            (group / "cpu.max").write_text(f"{int(PERIOD_US * QUOTA)} {PERIOD_US}")
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()


@contextlib.contextmanager
def turnpike():
    def busy_ns():
        stats = r.stats()
        return stats["counters"]["cycles_busy"] * 1e9 / stats["tsc_hz"]

    with test_stream.relay() as r:
        stream, = test_stream.processes(r)
        yield {"stream": stream["pid"], "control": r.control.pid, "dataplane": r.dataplane.pid}, busy_ns


@contextlib.contextmanager
def coturn():
    with test_stream.certificate() as at:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", h.namespace("relay"), "turnserver",
             "-n", "--no-cli", "--no-dtls", "--lt-cred-mech", "-m", "1", "-L", h.RELAY4, "-E", h.RELAY4,
             "-u", "u:p", "-r", "example.org", "--tls-listening-port", str(test_stream.TLS_PORT),
             "--cert", at / "cert.pem", "--pkey", at / "key.pem", "--log-file", "stdout",
             "--cipher-list", "ECDHE-ECDSA-AES128-GCM-SHA256", "--pidfile", at / "pid"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            h.wait_until(lambda: f":{test_stream.TLS_PORT}" in h.run_in("relay", "ss", "-Hltn").stdout,
                         10, "turnserver listens")
            yield {"coturn": process.pid}, None
        finally:
            process.kill()
            process.wait(5)


def generate(mode, pids, *options):
    done = subprocess.run(
        [h.BENCH, "stream", mode, "--server", h.RELAY4, "--client-address", h.CLIENT4,
         "--peer-address", h.PEER4, "--client-namespace", h.namespace("client"),
         "--peer-namespace", h.namespace("peer"), *map(str, options),
         *(x for pid in pids.values() for x in ("--server-pid", str(pid)))],
        capture_output=True, text=True, timeout=300)
    got = json.loads(done.stdout) if done.stdout else {}
    assert done.returncode == 0, f"{mode} {options}: {got.get('failure')} {done.stderr}"
    got["server"] = dict(zip(pids, got["server"]))
    return got


def costs(got, busy_ns, per):
    """Microseconds each: of the first process, of the work of all, of all."""
    cpu = {name: p["cpu_ns"] for name, p in got["server"].items()}
    work = {**cpu, "dataplane": busy_ns} if "dataplane" in cpu else cpu
    return {"first": list(cpu.values())[0] / 1000 / max(per, 1),
            "work": sum(work.values()) / 1000 / max(per, 1), "all": sum(cpu.values()) / 1000 / max(per, 1)}


def measure(server, seconds):
    """What one start of a server costs, in microseconds of CPU time and bytes."""
    out = {}
    with server() as (pids, busy_ns):
        def run(name, mode, per, *options):
            before = busy_ns() if busy_ns else 0
            got = generate(mode, pids, *options)
            after = busy_ns() if busy_ns else 0
            out[name] = costs(got, after - before, got[per] if isinstance(per, str) else per)
            return got

        first = list(pids)[0]
        with limited(pids[first]):
            for direction, size in RELAYS:
                run(f"{direction} {size}", "relay", f"arrived_{direction}", "--rate", 0, "--direction", direction,
                    "--payload", size, "--duration", seconds)
        for name, flags in (("full", ()), ("resumed", ("--resume",))):
            got = run(name, "handshakes", HANDSHAKES, "--clients", 16, "--handshakes", HANDSHAKES, *flags)
            assert got["resumed"] == (HANDSHAKES if flags else 0), got
        got = generate("idle", pids, "--clients", IDLE)
        grown = {name: p["memory_grown_bytes"] / IDLE for name, p in got["server"].items()}
        out["idle"] = {"first": grown[first], "work": sum(grown.values()), "all": sum(grown.values())}
    return out


def openssl_speed():
    """Bytes a second of AES-128-GCM alone, at each size."""
    out = {}
    for size in SIZES:
        done = subprocess.run(["openssl", "speed", "-seconds", "1", "-bytes", str(size), "-mr",
                               "-evp", "aes-128-gcm"], capture_output=True, text=True, check=True)
        out[size] = float(re.findall(r"\+F:.*:([0-9.]+)", done.stdout)[-1])
    return out


def openssl_alone():
    """Microseconds of a full and of a resumed handshake in memory, the server's side."""
    out = {}
    for name, flags in (("full", ()), ("resumed", ("--resume",))):
        done = subprocess.run([h.BENCH, "stream", "alone", "--handshakes", str(HANDSHAKES), *flags],
                              capture_output=True, text=True, check=True)
        out[name] = json.loads(done.stdout)["server"][0]["cpu_ns"] / 1000 / HANDSHAKES
    return out


def spread(values):
    return statistics.median(values), min(values), max(values)


def compare(pairs):
    """Of every figure the median, least and most: each server's, and the ratio pair by pair."""
    result = {}
    for name in pairs[0][0]:
        row = {"turnpike": {}, "coturn": spread([c[name]["all"] for _, c in pairs])}
        for basis in BASES:
            row["turnpike"][basis] = spread([t[name][basis] for t, _ in pairs])
            row[f"ratio_{basis}"] = spread([c[name]["all"] / t[name][basis] for t, c in pairs])
        result[name] = row
    result["resumed/full"] = spread([t["full"]["first"] / t["resumed"]["first"] for t, _ in pairs])
    return result


def text(values, digits=2):
    return f"{values[0]:.{digits}f} ({values[1]:.{digits}f} to {values[2]:.{digits}f})"


def show(result, speed, alone):
    print(f"{'':10}{'turnpike-stream':>24}{'work of Turnpike':>24}{'all of Turnpike':>24}{'coturn':>24}"
          "   coturn / each of the three")
    for name, row in result.items():
        if name == "resumed/full":
            continue
        unit = "bytes" if name == "idle" else "us"
        columns = [row["turnpike"][b] for b in BASES] + [row["coturn"]]
        print(f"{name:10}" + "".join(f"{text(v):>24}" for v in columns),
              f" {unit} ", "  ".join(text(row[f"ratio_{b}"]) for b in BASES))
    print(f"resumed handshakes / full ones, a CPU-second: {text(result['resumed/full'])}; of OpenSSL alone in "
          f"memory {alone['full'] / alone['resumed']:.2f} ({alone['full']:.0f} us, {alone['resumed']:.0f} us)")
    for direction, size in RELAYS:
        print(f"{direction} {size}: {fraction(result, speed, direction, size):.3f} of AES-128-GCM alone "
              f"({speed[size] / 1e6:.0f} MB/s)")


def fraction(result, speed, direction, size):
    return size * 1e6 / result[f"{direction} {size}"]["turnpike"]["first"][0] / speed[size]


def missed(result, speed, alone):
    for (direction, size), least in GATES.items():
        got = result[f"{direction} {size}"]["ratio_work"][0]
        if got < least:
            yield f"{direction}link of {size} bytes: {got:.2f} times coturn's packets a CPU-second, not {least}"
        got = fraction(result, speed, direction, size)
        if got < GATE_FRACTION:
            yield f"{direction}link of {size} bytes: {got:.3f} of AES-128-GCM alone, not {GATE_FRACTION}"
    full = 1e6 / result["full"]["turnpike"]["first"][0]
    if full < GATE_HANDSHAKES:
        yield (f"{full:.0f} full handshakes a CPU-second, not {GATE_HANDSHAKES} "
               f"(OpenSSL alone: {1e6 / alone['full']:.0f})")
    if result["resumed/full"][0] < GATE_RESUMED:
        yield f"resumed handshakes {result['resumed/full'][0]:.2f} of full ones, not {GATE_RESUMED}"
    if result["idle"]["turnpike"]["all"][0] > GATE_IDLE_KIB * 1024:
        yield f"an idle client takes {result['idle']['turnpike']['all'][0]:.0f} bytes, not {GATE_IDLE_KIB} KiB"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--pairs", type=int, default=8, help="the first is dropped (8)")
    p.add_argument("--seconds", type=int, default=2, help="of media, each (2)")
    p.add_argument("--json", help="result file")
    a = p.parse_args()
    pairs, speeds, alones = [], [], []
    h.lab("up")
    try:
        # Connections that rest would keep their ports for a minute.
        h.run_in("client", "sysctl", "-qw", "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=1024 65535")
        for n in range(a.pairs):
            begin = time.monotonic()
            pairs.append((measure(turnpike, a.seconds), measure(coturn, a.seconds)))
            speeds.append(openssl_speed())
            alones.append(openssl_alone())
            print(f"pair {n + 1} of {a.pairs}: {time.monotonic() - begin:.0f} s", file=sys.stderr)
    finally:
        h.lab("down")
    kept = pairs[1:] if len(pairs) > 1 else pairs
    result = compare(kept)
    speed = {size: statistics.median(s[size] for s in speeds) for size in SIZES}
    alone = {name: statistics.median(o[name] for o in alones) for name in alones[0]}
    print("label veth")
    show(result, speed, alone)
    if a.json:
        pathlib.Path(a.json).write_text(json.dumps(
            {"label": "veth", "pairs": kept, "result": result, "openssl_speed": speed,
             "openssl_alone_us": alone}, indent=1) + "\n")
    bad = list(missed(result, speed, alone))
    for line in bad:
        print("missed:", line, file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
