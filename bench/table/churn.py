# SPDX-License-Identifier: BSD-3-Clause
"""G9: what a worker relays while allocations are made and ended by real requests, against the same without.

Media is replayed on a port of mode bench, whose worker has the last core. Requests come over the veth to another worker,
which shares the first core with control and the clients: so what the media feels is what all of them write, and not
what a veth costs. One core makes a few thousand allocations a second and not 10,000; that row is of as many as it makes."""

import contextlib
import pathlib
import statistics
import time

import lab
import ports
from lab import h
from row import PORT, interleave, of_pairs

import test_load  # of tests/netns
from signalling import OPEN

WORKER = "tp-worker-1\n"  # of the second port
DEVICE, HERE, GATEWAY = "bench0", "198.18.250.1", "198.18.250.2"
SECONDS = 1.0   # of each window; the one without churn is just before, since this machine changes its speed within seconds
BEGUN = 500     # requests that control saw by then
SPARE = 1.0     # seconds that clients have for it, and go on


@contextlib.contextmanager
def routes():
    """The interface whose routes the port of mode bench has: all synthetic clients and peers are behind it."""
    h.run_in("relay", "ip", "link", "add", DEVICE, "type", "veth", "peer", "name", f"{DEVICE}-end")
    try:
        for command in (f"addr add {HERE}/30 dev {DEVICE}", f"link set {DEVICE} up", f"link set {DEVICE}-end up",
                        f"neigh replace {GATEWAY} lladdr 02:00:00:00:00:01 dev {DEVICE} nud permanent",
                        f"route add 198.19.0.0/16 via {GATEWAY}"):
            h.run_in("relay", "ip", *command.split())
        yield
    finally:
        h.run_in("relay", "ip", "link", "del", DEVICE)


def config(vdev):
    media = lab.bench_config(vdev, [0, lab.cpu()], ports.FLOWS)
    bench = {**media["ports"][0], "interface": DEVICE, "queues": 1}
    return {**media, "ports": [{"name": "lan", "mode": "af_xdp", "interface": "eth0", "queues": 1}, bench],
            "workers": {**media["workers"], "idle": "backoff"}, "unauthenticated": OPEN,
            "relay": {**media["relay"], "addresses": [{"address": h.RELAY4}, *media["relay"]["addresses"]]},
            "limits": {"allocations": 65536}}


def provisioned(relay, count=ports.FLOWS):
    relay.ctl("provision", f"count={count}", f"relay={lab.PREFIX}")
    h.wait_until(lambda: relay.ctl("provision", "status")["synthetic"] == count, 60, "all are there")
    return relay.ctl("provision", "status")


def media_cpu_s(relay):
    """CPU time of the worker that relays the media: it never sleeps, so what is missing others took."""
    task = next(t for t in pathlib.Path(f"/proc/{relay.dataplane.pid}/task").iterdir() if (t / "comm").read_text() == WORKER)
    return int((task / "schedstat").read_text().split()[0]) / 1e9


def rate(relay):
    """Datagrams a CPU-second of that worker."""
    begin, before = media_cpu_s(relay), relay.counter("channel_up")
    time.sleep(SECONDS)
    return (relay.counter("channel_up") - before) / (media_cpu_s(relay) - begin)


def beside(relay, per_second, made):
    """The rate while clients make and end that many allocations a second, 0: as many as they can."""
    before = relay.counter("punted")
    job = h.in_thread(lambda: test_load.load(
        "--test=cycles", "--clients=1000", f"--per-second={per_second}", f"--duration={int(SECONDS + SPARE)}", check=False,
        wrapper=("taskset", "-c", "0")))
    h.wait_until(lambda: relay.counter("punted") > before + BEGUN, 10, "clients have begun")
    got = rate(relay)
    made.append(job.result()[1]["per_second"])
    return got


def churn(options):
    with routes(), lab.directory() as d:
        with h.relay(config("net_null0")) as r:
            path = lab.frames(d, provisioned(r), "up", ports.SIZE, ports.FLOWS)
        with h.relay(config(ports.replay(path))) as r:
            provisioned(r)
            r.ctl("relay", "drain", lab.PREFIX)  # clients have ports of the other address
            h.wait_until(lambda: lab.stats_rate(r, ["channel_up"], 0.2)["dropped"] < 0.001, 20, "all is relayed")
            for per_second, name, limit, stretch in ((1000, "1 k a second", 0.98, 1), (0, "as many as one core makes", 0.95, 0.98)):
                made = []
                without = interleave(options.pairs, lambda: rate(r), lambda: beside(r, per_second, made))
                pairs = [(b, a) for a, b in without]
                yield of_pairs(pairs, "G9", f"relayed beside churn, {name}", PORT, unit="of it without", limit=limit,
                               stretch=stretch, more=True, note=f"{pairs[-1][0] / 1e6:.2f} and {pairs[-1][1] / 1e6:.2f} Mpps, "
                               f"{statistics.median(made):.0f} allocations a second")


CASES = [
    ("G9", "rate beside churn", churn, False),
]
