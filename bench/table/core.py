# SPDX-License-Identifier: BSD-3-Clause
"""G2, G7, G17: the relay core without a port, by bench-core, whose figures are cycles a packet of its own rounds."""

import json
import pathlib
import re
import subprocess

import lab
from row import FUNCTION, Row, of_pairs

ROUNDS = 5  # of bench-core, the first is dropped
STRETCH = {1000: 110, 100000: 130, 1000000: 160, 4000000: 200}
NAMES = {1000: "1 k", 100000: "100 k", 1000000: "1 M", 4000000: "4 M"}


def run(*options):
    done = subprocess.run([lab.BUILD / "bench" / "bench-core", "--json", *options], capture_output=True, text=True,
                          timeout=600)
    assert done.stdout, f"bench-core: {done.stderr}"
    got = json.loads(done.stdout)
    assert got["results"], f"bench-core {options}: no result: {done.stderr}"
    wrong = {r["case"]: r["wrong"] for r in got["results"] if r.get("wrong")}
    assert not wrong, f"bench-core {options}: frames that are not as the oracle says: {wrong}"
    return got


def row(gate, metric, result, limit, stretch, got, **facts):
    t = result["table"]
    return Row(gate, metric, FUNCTION, t["median"], "cycles/packet", limit, stretch,
               spread=(t["least"], t["most"]), pairs=ROUNDS - 1,
               facts={"cycles_per_packet": t["median"], "hz": got["tsc_hz"], **facts})


def relayed(counts, case, scale):
    for flows in counts:
        got = run(f"--flows={flows}", f"--case={case}", f"--rounds={ROUNDS}")
        for result in got["results"]:
            yield row("G2", f"{case.replace('_ipv', ' IPv')}, {NAMES[flows]} flows", result, result["gate"],
                      STRETCH[flows] * scale, got)


def room_for_4m():
    """As bench-core judges: without hugepages it leaves that size out."""
    text = pathlib.Path("/proc/meminfo").read_text()
    free, size = (int(re.search(rf"{k}:\s+(\d+)", text).group(1)) for k in ("HugePages_Free", "Hugepagesize"))
    return free * size >= 1200 * 1024


def sizes():
    return [n for n in STRETCH if n < 4000000 or room_for_4m()]


def cycles(options):
    counts = (1000, 100000) if options.quick else sizes()
    yield from relayed(counts, "channel_ipv4", 1)
    if not options.quick:
        yield from relayed(counts[:2], "channel_ipv6", 1.2)


def indications(options):
    """Send and Data against ChannelData, in turns."""
    pairs = []
    for _ in range(3 if options.quick else options.pairs):
        a = run("--flows=1000", "--case=indication_ipv4", "--rounds=2")["results"][0]["table"]["median"]
        b = run("--flows=1000", "--case=channel_ipv4", "--rounds=2")["results"][0]["table"]["median"]
        pairs.append((a, b))
    yield of_pairs(pairs, "G17", "Send and Data / ChannelData", FUNCTION, unit="ratio", limit=2.0, stretch=1.5,
                       note=f"{pairs[-1][0]:.0f} and {pairs[-1][1]:.0f} cycles")


def binding(options):
    got = run("--case=binding", f"--rounds={ROUNDS}")
    for result in got["results"]:
        stretch = 150 if "fingerprint" in result["case"] else 90
        yield row("G7", result["case"].replace("_", " "), result, result["gate"], stretch, got)


CASES = [
    ("G2", "cycles a relayed packet", cycles, True),
    ("G7", "cycles a Binding request", binding, True),
    ("G17", "indications against ChannelData", indications, True),
]
