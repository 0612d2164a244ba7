# SPDX-License-Identifier: BSD-3-Clause
"""G1b, G14: the daemon on ports of DPDK in its own memory, against dpdk-testpmd on the same ones."""

import contextlib
import pathlib
import re
import time

import lab
from lab import h
from row import PORT, interleave, of_pairs

FLOWS = 4096
SIZE = 206  # of frames, check sequence included


def replay(path, queues=1):
    return "net_pcap0," + f"rx_pcap={path}," * queues + "infinite_rx=1"


def relay_rate(vdev, workers, direction, allocations=FLOWS):
    counter = {"up": "channel_up", "down": "channel_down"}[direction]
    with h.relay(lab.bench_config(vdev, workers, allocations)) as r:
        lab.provision(r, allocations)
        # Neighbours of the next hops are resolved by now or soon: nothing is dropped any more.
        h.wait_until(lambda: lab.stats_rate(r, [counter], 0.2)["dropped"] < 0.001, 20, "all is relayed")
        return lab.stats_rate(r, [counter])


def numbering(allocations=FLOWS):
    """How a relay numbers that many, whatever its ports."""
    with h.relay(lab.bench_config("net_null0", [lab.cpu()], allocations)) as r:
        return lab.provision(r, allocations)


def pcap(options):
    """Frames from memory without end, sent ones thrown away: what is left is the relay's own cost."""
    with lab.directory() as d:
        made = numbering()
        for direction in ("up", "down"):
            path = lab.frames(d, made, direction, SIZE, FLOWS)
            rates = []

            def relay():
                rates.append(relay_rate(replay(path), [lab.cpu()], direction))
                return rates[-1]["pps"]

            pairs = interleave(options.pairs, relay, lambda: lab.testpmd(replay(path)))
            last = rates[-1]
            yield of_pairs(
                pairs, "G1b", f"net_pcap, {SIZE} bytes, 4 k flows, {direction}link", PORT, unit="of macswap", limit=0.39,
                stretch=0.48, more=True, note=f"{pairs[-1][0] / 1e6:.2f} and {pairs[-1][1] / 1e6:.2f} Mpps, "
                f"{last['cycles']:.0f} cycles", facts={"pps": last["pps"], "cycles_per_packet": last["cycles"],
                                                       "hz": last["hz"]})


# ---- memif: two processes that share memory

def shared(directory, number, role):
    return f"net_memif{number},role={role},id=0,socket={directory}/memif,socket-abstract=no"


@contextlib.contextmanager
def generator(directory, path):
    """testpmd on the first core: frames of a file into the memory, what returns is thrown away."""
    pathlib.Path(directory, "memif").unlink(missing_ok=True)  # the one before left its socket
    with lab.testpmd_running([replay(path), shared(directory, 0, "server")], mode="io", core=0) as (_, end):
        yield end


def memif_relay(directory, path):
    config = lab.bench_config(shared(directory, 1, "client"), [lab.cpu()], FLOWS)
    with generator(directory, path) as end, h.relay(config) as r:
        lab.provision(r, FLOWS)
        h.wait_until(lambda: lab.stats_rate(r, ["channel_up"], 0.2)["pps"] > 0, 20, "frames come")
        got = lab.stats_rate(r, ["channel_up"])
        end()  # first, so that the books can close
        h.wait_until(lambda: lab.stats_rate(r, ["rx"], 0.2)["pps"] == 0, 10, "nothing comes any more")
        return got


def memif_macswap(directory, path):
    with generator(directory, path), lab.testpmd_running([shared(directory, 1, "client")], "--record-core-cycles") as (_, end):
        time.sleep(lab.SECONDS + 1)
        seen = end()
    return {"pps": lab.last_rate(seen), "cycles": float(re.search(r"CPU cycles/packet=([\d.]+)", seen).group(1))}


def memif(options):
    """By cycles a packet of bursts that were received, all of the port in them: macswap is about as fast as the generator, so
    a ratio of rates would be a little too good."""
    with lab.directory() as d:
        path = lab.frames(d, numbering(), "up", SIZE, FLOWS)
        pairs = interleave(options.pairs, lambda: memif_macswap(d, path), lambda: memif_relay(d, path))
    macswap, relay = pairs[-1]
    yield of_pairs([(a["cycles"], b["cycles"]) for a, b in pairs], "G1b", f"memif, {SIZE} bytes, 4 k flows, uplink", PORT,
                       unit="of macswap", limit=0.5, stretch=0.65, more=True,
                       note=f"{relay['pps'] / 1e6:.2f} and {macswap['pps'] / 1e6:.2f} Mpps, "
                       f"{relay['cycles']:.0f} and {macswap['cycles']:.0f} cycles",
                       facts={"pps": relay["pps"], "cycles_per_packet": relay["cycles"], "hz": relay["hz"]})


def workers(options):
    """Two workers, each with a queue of its own, against one: nothing that both write is a line that they share."""
    with lab.directory() as d:
        path = lab.frames(d, numbering(), "up", SIZE, FLOWS)
        pairs = interleave(options.pairs, lambda: relay_rate(replay(path, 2), [0, lab.cpu()], "up")["pps"],
                               lambda: relay_rate(replay(path), [lab.cpu()], "up")["pps"])
        yield of_pairs(pairs, "G14", "two workers / one, net_pcap", PORT, unit="ratio", limit=1.85, stretch=1.95,
                           more=True, note=f"{pairs[-1][0] / 1e6:.2f} and {pairs[-1][1] / 1e6:.2f} Mpps")


CASES = [
    ("G1b", "net_pcap against testpmd macswap", pcap, False),
    ("G1b", "memif against testpmd macswap", memif, False),
    ("G14", "two workers against one", workers, False),
]
