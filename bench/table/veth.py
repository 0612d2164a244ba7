# SPDX-License-Identifier: BSD-3-Clause
"""G1, G3, G3c, G15: a veth with AF_XDP, on which the port costs more than all that a relay does."""

import contextlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import lab
from lab import h
from row import VETH, Row, interleave, of_pairs

import test_load  # of tests/netns
import test_overload
from test_flood import Flood

CALLER = (h.CLIENT4, 40124)
CHANNEL = 0x4000
CALLS, RATE = 1000, 50  # datagrams a second of each, each way
FLOOD = 3               # seconds
TICKS = 100             # of /proc/stat, a second


def coturn(options):
    """Debian's, or another build, with one thread that relays."""
    return test_load.coturn(program=options.coturn, more=("-m", "1"))


def bound():
    """The client whose frames Flood sends, with its channel, and the peer's socket."""
    peer = h.udp("peer", h.PEER4)
    client = h.client(port=CALLER[1])
    client.allocate()
    client.bind(CHANNEL, peer.getsockname()[:2])
    client.send_channel(CHANNEL, b"first")
    assert h.receive(peer)
    return client, peer


def arrived():
    udp = h.kernel_udp("peer")
    return udp["InDatagrams"] + udp["RcvbufErrors"]


def most(server):
    """ChannelData of one channel, as much as one core sends: relayed a second."""
    with server():
        client, peer = bound()
        before = arrived()
        sent = Flood(FLOOD, 0, "v", source=CALLER).result()
        time.sleep(0.3)
        rate = (arrived() - before) / sent["seconds"]
        client.close()
        peer.close()
    return rate


def macswap():
    flood = []
    rate = lab.testpmd("net_af_xdp0,iface=eth0", namespace="relay", seconds=FLOOD - 1.5,
                       ready=lambda: flood.append(Flood(FLOOD + 1, 0, "v", source=CALLER)))
    flood[0].result()
    return rate


def port(options):
    pairs = interleave(options.pairs, lambda: most(h.relay), macswap)
    yield of_pairs(pairs, "G1", "ChannelData / testpmd macswap", VETH, unit="of macswap", limit=0.9, stretch=0.97,
                       more=True, note=f"{pairs[-1][0] / 1e3:.0f} and {pairs[-1][1] / 1e3:.0f} kpps")


def rate(options):
    pairs = interleave(options.pairs, lambda: most(h.relay), lambda: most(lambda: coturn(options)))
    yield of_pairs(pairs, "G3", "packets a second / coturn's, one channel", VETH, unit="times", limit=3, stretch=4,
                       more=True, note=f"{pairs[-1][0] / 1e3:.0f} and {pairs[-1][1] / 1e3:.0f} kpps")


# ---- what it costs the machine

def machine_busy_s():
    """CPU time of all cores so far, softirq included."""
    words = [int(n) for n in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8]]
    return (sum(words) - words[3] - words[4]) / TICKS  # without idle and iowait


def spent(server):
    """CPU-seconds a million relayed packets of a thousand calls, the load's own taken off."""
    with server(), tempfile.TemporaryDirectory() as d:
        result, ready = pathlib.Path(d, "json"), pathlib.Path(d, "ready")
        process = subprocess.Popen(
            [h.BENCH, "load", *test_load.FLAGS, f"--clients={CALLS}", f"--rate={RATE}", f"--duration={FLOOD}",
             f"--ready-file={ready}", f"--json={result}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        h.wait_until(lambda: ready.exists() or process.poll() is not None, 60, "bound")
        own = lab.cpu_s([process.pid])
        begin, before = time.monotonic(), machine_busy_s()
        time.sleep(FLOOD - 0.5)
        own = lab.cpu_s([process.pid]) - own
        whole, seconds = machine_busy_s() - before, time.monotonic() - begin
        process.wait(60)
        got = json.loads(result.read_text())
    lost = got["up"]["lost"] + got["down"]["lost"]
    if lost > 0.01 * (got["up"]["sent"] + got["down"]["sent"]):
        print(f"# G3c: {lost} lost at {2 * CALLS * RATE} a second", file=sys.stderr)
    return (whole - own) / (2 * CALLS * RATE * seconds) * 1e6


def cost(options):
    pairs = interleave(options.pairs, lambda: spent(h.relay), lambda: spent(lambda: coturn(options)))
    yield of_pairs(pairs, "G3c", "CPU time a packet / coturn's", VETH, unit="ratio", limit=0.4, stretch=0.25,
                       note=f"{pairs[-1][0]:.2f} and {pairs[-1][1]:.2f} s a million, whole machine without the load")


# ---- floods

def floods(options):
    """A hundred calls while strangers send half of what the port takes."""
    kinds = [k for k in test_overload.KINDS if k.letter in "csb"]
    with h.relay(lifetimes={"allocation_default_s": 3600, "permission_s": 3600, "channel_s": 3600},
                 dataplane_wrapper=test_overload.BEFORE_OTHERS) as r:
        test_overload.key_published(r)
        offered = test_overload.port_rate(r) / 2
        h.client(port=test_overload.UNBOUND[1]).allocate()
        load = test_overload.Load(r, 4, clients=test_overload.CLIENTS, rate=test_overload.RATE,
                                  duration=len(kinds) * 3 * (FLOOD + 3), progress=r.directory / "progress")
        load.progress = r.directory / "progress"
        load.wait_ready()
        seen, worst = test_overload.Seen(r, load), (0, "")
        for kind in kinds:
            with contextlib.redirect_stdout(sys.stderr):
                seen, media, lost = test_overload.flooded_quietly(r, load, kind, FLOOD, offered, seen)
            worst = max(worst, (100 * lost / media, kind.title))
        load.process.terminate()
        load.process.wait()
    yield Row("G15", "media lost in floods, the worst", VETH, worst[0], "%", 0.1, 0,
              note=f"{worst[1] or 'none'}; {offered / 1e3:.0f} kpps of flood")


CASES = [
    ("G1", "AF_XDP on a veth against testpmd macswap", port, False),
    ("G3", "most packets a second against coturn", rate, False),
    ("G3c", "CPU time a packet against coturn", cost, False),
    ("G15", "calls among floods", floods, False),
]
