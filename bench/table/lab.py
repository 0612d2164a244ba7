# SPDX-License-Identifier: BSD-3-Clause
"""What the cases run: relays and dpdk-testpmd on the same ports, in the namespaces of the lab."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(TOP / "tests" / "netns"))
import harness as h  # noqa: E402

BUILD = h.BUILD
PREFIX = "198.18.7.0/26"  # the lab routes it
SECONDS = 1.5             # that a rate is measured


def cpu():
    """The core that is measured: the last one, as bench-core has it."""
    return os.cpu_count() - 1


# ---- ports without a kernel side

def bench_config(vdev, workers, allocations):
    """A port of mode bench, a queue for each worker; routes and neighbours are those of the lab's interface."""
    port = {"name": "wan", "mode": "bench", "vdev": vdev, "interface": "eth0", "queues": len(workers)}
    return {**h.CONFIG, "ports": [port], "workers": {"cores": workers, "idle": "poll"},
            "listeners": [{"address": h.RELAY4, "port": 3478, "transports": ["udp"]}],
            "relay": {"addresses": [{"prefix": PREFIX}], "port_range": [49152, 65535]},
            "limits": {"allocations": 2 * allocations},
            "provision": {"allow": True}}


def provision(relay, count):
    relay.ctl("provision", f"count={count}")
    h.wait_until(lambda: relay.ctl("provision", "status")["synthetic"] == count, 60, "all are there")
    return relay.ctl("provision", "status")


def frames(directory, numbering, direction, size, flows):
    """A file of frames for the flows of this numbering; its path."""
    out = pathlib.Path(directory) / f"{direction}{size}.pcap"
    made = pathlib.Path(directory) / "made.json"
    made.write_text(json.dumps(numbering))
    subprocess.run([h.BENCH, "pcap", "--numbering", made, "--direction", direction, "--size", str(size), "--flows",
                    str(flows), "--out", out], check=True, capture_output=True)
    return out


def stats_rate(relay, counters, seconds=SECONDS):
    """A second each of these counters, cycles a packet and drops a packet, over `seconds`."""
    def read():
        s = relay.stats()
        return time.monotonic(), s["counters"], sum(s["drops"].values()), s["tsc_hz"]
    begin, before, drops, hz = read()
    time.sleep(seconds)
    end, after, dropped, _ = read()
    relayed = sum(after[c] - before[c] for c in counters)
    busy = after["cycles_busy"] - before["cycles_busy"]
    return {"pps": relayed / (end - begin), "cycles": busy / max(relayed, 1), "hz": hz,
            "dropped": (dropped - drops) / max(relayed, 1)}


def cpu_s(pids):
    """CPU-seconds of these processes so far, all their threads."""
    tasks = [t for pid in pids for t in pathlib.Path(f"/proc/{pid}/task").iterdir()]
    return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9


def worker_busy_s(relay):
    """Seconds that the workers spent on bursts with packets; polls that found none are left out."""
    s = relay.stats()
    return s["counters"]["cycles_busy"] / s["tsc_hz"]


# ---- dpdk-testpmd

@contextlib.contextmanager
def testpmd_running(vdevs, *options, mode="macswap", namespace=None, core=None):
    """It forwards on that core, the measured one by default. Gives two functions: what it printed so far, and, when it is
    told to end, all of it."""
    if not shutil.which("dpdk-testpmd"):
        raise FileNotFoundError("dpdk-testpmd (Debian: dpdk-dev)")
    core = cpu() if core is None else core
    command = ["ip", "netns", "exec", h.namespace(namespace)] if namespace else []
    command += ["setpriv", "--pdeathsig", "KILL", "dpdk-testpmd", "--in-memory", "--iova-mode=va", "--no-telemetry",
                "--lcores", f"0@0,1@{core}", "--main-lcore", "0", "--no-pci"]
    command += [word for vdev in vdevs for word in ("--vdev", vdev)]
    command += ["--", f"--forward-mode={mode}", "--stats-period=1", "--total-num-mbufs=65536", *options]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

        def printed():  # not by seek(): the process writes where this file's offset is
            return os.pread(log.fileno(), 1 << 24, 0).decode()

        def end():
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait(10)
            return printed()

        try:
            deadline = time.monotonic() + 20
            while "NIC statistics" not in printed():
                assert process.poll() is None and time.monotonic() < deadline, f"dpdk-testpmd:\n{printed()}"
                time.sleep(0.1)
            yield printed, end
        finally:
            end()


def last_rate(printed):
    """Packets a second of the last whole second of testpmd: the first report is of a time before all began."""
    rates = [int(n) for n in re.findall(r"Rx-pps:\s+(\d+)", printed)][1:]
    assert rates, printed
    return rates[-1]


def testpmd(vdev, *options, mode="macswap", namespace=None, seconds=SECONDS, ready=None):
    """Packets a second that it receives from its device and sends back, on the measured core."""
    with testpmd_running([vdev], *options, mode=mode, namespace=namespace) as (printed, _):
        if ready:
            ready()
        time.sleep(seconds + 1)
        return last_rate(printed())


@contextlib.contextmanager
def directory():
    with tempfile.TemporaryDirectory(prefix="turnpike-table-", dir="/dev/shm") as d:
        yield d
