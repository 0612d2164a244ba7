# SPDX-License-Identifier: BSD-3-Clause
"""G8: how late datagrams are at half of what gets through at most, against dpdk-testpmd, which sends them back.

Both cross a veth twice: by the relay from client to peer, by testpmd (5tswap, which swaps what a socket looks at as well
as what macswap swaps) from client to client. The load runs on the first core, what is measured on the last."""

import statistics

import lab
from lab import h
from row import VETH, interleave, of_pairs

import test_load  # of tests/netns

CLIENTS, SECONDS = 100, 1
TRIALS, TRIES = 5, 20
TOO_MUCH = 400000  # datagrams a second, more than one core sends


def uplink(test, rate):
    _, got = test_load.load(f"--test={test}", "--direction=up", f"--clients={CLIENTS}", f"--rate={int(rate / CLIENTS)}",
                            f"--duration={SECONDS}", check=False, wrapper=("taskset", "-c", "0"))
    return got["up"]


def p99(test, rate):
    """Microseconds, and the part that was lost: medians of short trials, since a host that takes the core away for a moment
    leaves its mark on a whole trial. One in which the load could not send its rate is made again."""
    seen = []
    for _ in range(TRIES):
        up = uplink(test, rate)
        if up["sent"] > 0.9 * rate * SECONDS:
            seen.append((up["latency_us"]["p99"], up["lost"] / up["sent"]))
        if len(seen) == TRIALS:
            return tuple(statistics.median(values) for values in zip(*seen))
    raise AssertionError(f"the load sent {up['sent']} instead of {rate * SECONDS:.0f}: something else runs here")


def most():
    """Datagrams a second that come through the relay when this load sends all that it can (RFC 2544 section 26.2 asks for
    latency at a part of what the same generator found)."""
    with h.relay():
        return uplink("traffic", TOO_MUCH)["received"] / SECONDS


def relay(rate):
    with h.relay():
        return p99("traffic", rate)


def reflector(rate):
    seen = []
    lab.testpmd("net_af_xdp0,iface=eth0", mode="5tswap", namespace="relay", seconds=0, ready=lambda: seen.append(p99("echo", rate)))
    return seen[0]


def static_neighbour(verb, *more):
    """testpmd answers no ARP."""
    h.run_in("client", "ip", "neigh", verb, h.RELAY4, "dev", "eth0", *more, check=False)


def late(options):
    rate = most() / 2
    mac = h.run_in("relay", "cat", "/sys/class/net/eth0/address").stdout.strip()
    static_neighbour("replace", "lladdr", mac, "nud", "permanent")
    try:
        pairs = interleave(options.pairs, lambda: relay(rate), lambda: reflector(rate))
    finally:
        static_neighbour("del")
    lost = [100 * max(p[side][1] for p in pairs[1:] or pairs) for side in (0, 1)]
    yield of_pairs([(a[0], b[0]) for a, b in pairs], "G8", "99 % latency at half load / testpmd's", VETH, unit="ratio",
                   limit=1.25, stretch=1.1, note=f"{pairs[-1][0][0]:.0f} and {pairs[-1][1][0]:.0f} us at {rate / 1e3:.0f} kpps; "
                   f"at most {lost[0]:.2f} and {lost[1]:.2f} % lost")


CASES = [
    ("G8", "latency against testpmd", late, False),
]
