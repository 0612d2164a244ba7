#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Synthetic allocations in bulk, label veth: how long `turnpikectl provision` takes for a million with
a permission and a channel each, how long `unprovision`, and how long a real client waits meanwhile.

    sudo bench/provision/run.py [--json FILE] [ALLOCATIONS ...]       1000000

Exit code 1 when a gate is missed: a million in 10 s, every port back, a new Allocate within 100 ms
(median) while they are made."""

import argparse
import json
import pathlib
import statistics
import sys
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "netns"))
import harness as h  # noqa: E402

GATE_S, GATE_WAIT_S = 10, 0.1


def config(allocations):
    c = dict(h.CONFIG)
    # Clients are served from the other entry.
    c["relay"] = {"addresses": [{"address": h.RELAY4}, {"prefix": "198.18.7.0/26"}],
                  "port_range": [49152, 65535]}
    c["limits"] = {"allocations": allocations + allocations // 50 + 4096}
    c["provision"] = {"allow": True}
    return c


def cpu_s(daemon):
    """User and system time of its main thread: control, or the dataplane's management thread."""
    fields = pathlib.Path(f"/proc/{daemon.pid}/task/{daemon.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def meanwhile(relay, *command):
    """Runs turnpikectl; how long each Allocate of real clients took until it ended."""
    job, waits = h.in_thread(lambda: h.subprocess.run(
        [h.CTL, "-r", relay.directory, "--json", *command], capture_output=True, text=True)), []
    clients = []
    while not waits or relay.ctl("provision", "status")["state"] in ("making", "removing"):
        client, begin = h.client(), time.monotonic()
        client.allocate()
        waits.append(time.monotonic() - begin)
        clients.append(client)
    done = job.result(120)
    assert done.returncode == 0, done.stderr
    for client in clients:
        client.refresh(0)
        client.sock.close()
    return json.loads(done.stdout), waits


def measure(allocations):
    with h.relay(config(allocations)) as relay:
        relay.ctl("relay", "drain", "198.18.7.0/26")
        before = relay.ctl("relay", "ports")["total"]["ipv4"]["drained_free"]
        daemons = relay.control, relay.dataplane
        begin = [cpu_s(d) for d in daemons]
        made, waits = meanwhile(relay, "provision", f"count={allocations}")
        cpu = [cpu_s(d) - b for d, b in zip(daemons, begin)]
        removed, _ = meanwhile(relay, "unprovision")
        after = relay.ctl("relay", "ports")["total"]["ipv4"]["drained_free"]
    return {"allocations": allocations, "made": made["made"], "provision_s": made["seconds"],
            "control_cpu_s": cpu[0], "dataplane_cpu_s": cpu[1],
            "unprovision_s": removed["seconds"], "ports_back": before == after,
            "allocate_median_s": statistics.median(waits), "allocate_worst_s": max(waits),
            "allocates": len(waits)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--json")
    parser.add_argument("allocations", type=int, nargs="*", default=[1000000])
    args = parser.parse_args()
    h.lab("up")
    try:
        results = [measure(n) for n in args.allocations]
    finally:
        h.lab("down")
    bad = False
    for r in results:
        missed = (r["made"] != r["allocations"] or not r["ports_back"]
                  or r["provision_s"] > GATE_S * max(r["allocations"] / 1e6, 0.1)
                  or r["allocate_median_s"] > GATE_WAIT_S)
        bad |= missed
        print(f"veth  {r['allocations']:,} synthetic allocations: made in {r['provision_s']:.2f} s (CPU: control "
              f"{r['control_cpu_s']:.2f} s, management thread {r['dataplane_cpu_s']:.2f} s), removed in "
              f"{r['unprovision_s']:.2f} s; {r['allocates']} real ones meanwhile: median "
              f"{1e3 * r['allocate_median_s']:.1f} ms, worst {1e3 * r['allocate_worst_s']:.1f} ms"
              f"{'  MISSED' if missed else ''}")
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=1))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
