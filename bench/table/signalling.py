# SPDX-License-Identifier: BSD-3-Clause
"""G5, G6: what requests cost control, against coturn, and what strangers' requests leave behind."""

import contextlib

import lab
from lab import h
from row import VETH, Row, interleave, of_pairs

import test_load  # of tests/netns
from test_flood import Flood, key_published, memory, settled

CLIENTS, SECONDS = 1000, 2
MILLION = 1000000
OPEN = {"requests_per_address": 0, "requests_per_network": 0}  # all clients have one address here


@contextlib.contextmanager
def turnpike():
    """Gives what tells the CPU time of its work: of control, and of the worker's bursts."""
    with h.relay(unauthenticated=OPEN) as r:
        yield lambda: (lab.cpu_s([r.control.pid]), lab.worker_busy_s(r))


@contextlib.contextmanager
def coturn(options):
    with test_load.coturn(program=options.coturn, more=("-m", "1")) as pid:
        yield lambda: (lab.cpu_s([pid]), 0)


def microseconds(server, test):
    """CPU time of the server for each one done: of its control core, and of a worker."""
    with server() as spent:
        before = spent()
        _, got = test_load.load(f"--clients={CLIENTS}", f"--test={test}", f"--duration={SECONDS}", check=False)
        return [(after - was) / got["done"] * 1e6 for was, after in zip(before, spent())]


def rates(options):
    for test, what in (("allocations", "401 and Allocate"), ("cycles", "the whole cycle of five requests")):
        both = interleave(options.pairs, lambda: microseconds(lambda: coturn(options), test),
                              lambda: microseconds(turnpike, test))
        (theirs, _), (control, worker) = both[-1]
        yield of_pairs([(a[0], b[0]) for a, b in both], "G5", f"{what}, a control core", VETH, unit="of coturn's",
                           limit=5, stretch=10, more=True,
                           note=f"coturn {theirs:.0f} us, control {control:.1f} us and the worker beside {worker:.1f} us")


def growth(options):
    """A million Allocate requests from as many networks: memory of both daemons."""
    with h.relay() as r:
        key_published(r)
        Flood(2, 0, "a").result()  # turns the rings over
        settled(r)
        came = r.counter("rx")
        before = [memory(d) for d in (r.dataplane, r.control)]
        for _ in range(20):  # what does not arrive does not count
            if r.counter("rx") - came < MILLION:
                Flood(1, 0, "a", least=MILLION // 4).result()
        settled(r)
        after = [memory(d) for d in (r.dataplane, r.control)]
        came = r.counter("rx") - came
    assert came >= MILLION, came
    grown = sum(max(0, a[k] - b[k]) for b, a in zip(before, after) for k in ("RssAnon", "RssShmem", "HugetlbPages"))
    yield Row("G6", "growth a million requests of strangers", VETH, grown / came * MILLION / 1e6, "MB", 1, 0,
              note=f"{came} arrived")


CASES = [
    ("G5", "signalling against coturn", rates, False),
    ("G6", "memory after a million requests of strangers", growth, False),
]
