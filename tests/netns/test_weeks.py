# SPDX-License-Identifier: BSD-3-Clause
"""Weeks in minutes, through the real processes: allocations made and ended by real requests, with
every refusal, while control is killed. What is in use after the last part is what was after the
first: ports, records, descriptors, memory."""

import json
import os
import signal
import subprocess
import time

import harness as h

QUOTA = 250  # of each user; v has used its own up
CHANGES = {
    "lifetimes": {"allocation_default_s": 2, "allocation_max_s": 3600, "port_rest_s": 1},
    "quotas": {"allocations_per_user": QUOTA},
    "unauthenticated": {"requests_per_address": 0, "requests_per_network": 0,
                        "requests_to_control": 0, "requests_unproven": 0},
}


def begin_cycles(relay, count):
    flags = {"server": h.RELAY4, "client-address": h.CLIENT4, "peer-address": h.PEER4,
             "client-namespace": h.namespace("client"), "peer-namespace": h.namespace("peer"),
             "quota-user": "v", "quota-password": "q", "cycles": count}
    return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", h.BENCH, "cycles",
                             *(f"--{k}={v}" for k, v in flags.items())],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def allocated(relay):
    return relay.stats()["control"]["methods"]["allocate"]["successes"]


def kill_in_the_middle(relay, process, after):
    """Twice: the successes of the process that is killed are counted anew by the next."""
    for _ in range(2):
        h.wait_until(lambda: allocated(relay) >= after or process.poll() is not None, 600, "cycles")
        assert process.poll() is None, "the cycles were over before control could be killed"
        relay.control.end(signal.SIGKILL)
        relay.start_control()


def end_cycles(process, count, timeout):
    out, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, out + errors
    result = json.loads(out)
    assert result["cycles"] == count
    for way in ("wrong_password", "quota_used_up", "wrong_transport", "no_allocation",
                "second_allocate", "expires"):
        assert result[way] >= count // 256 - 1, (way, result)
    print(f"  {result['cycles']} cycles, {result['cycles_per_second']} a second, "
          f"{result['retransmissions']} retransmissions")


def bytes_in_use(relay, answers):
    """By process. Without `answers`: all of control but its heap, which for 40 seconds holds the
    answers to what may come again, and but the region: its records are handed out in turn, so that its
    pages come one after the other, up to its capacity."""
    memory = relay.ctl("memory")
    used = {f"{p} {k}": memory[p][k] for p in ("dataplane", "control")
            for k in ("resident_bytes", "hugetlb_bytes")}
    if not answers:
        used["control resident_bytes"] -= sum(memory["control"]["parts"].get(p, 0)
                                              for p in ("heap", "heap_free", "replay", "region"))
    return used


def descriptors(daemon):
    """The fewest of some looks: the connection of the question before may not be closed yet."""
    looks = []
    for _ in range(20):
        looks.append(len(os.listdir(f"/proc/{daemon.pid}/fd")))
        time.sleep(0.02)
    return min(looks)


def settled(relay, answers):
    """What is in use when everything that ends by itself has ended."""
    def quiet():
        ports = relay.ctl("relay", "ports")["total"]
        return all(ports[f]["resting"] == 0 for f in ("ipv4", "ipv6")) and \
            relay.ctl("status")["control"]["allocations"] == QUOTA

    h.wait_until(quiet, 30, "allocations expire and ports have rested")
    status, ports = relay.ctl("status"), relay.ctl("relay", "ports")["total"]
    exact = {f"free ports {f}": ports[f]["free"] for f in ("ipv4", "ipv6")}
    for name, daemon in (("dataplane", relay.dataplane), ("control", relay.control)):
        exact[f"{name} descriptors"] = descriptors(daemon)
    exact["flows"] = relay.stats()["flows"]
    for key in ("allocations", "permissions", "channels", "users"):
        exact[f"control {key}"] = status["control"][key]
    for key in ("allocations", "permissions", "channels"):
        exact[f"dataplane {key}"] = status["dataplane"][key]
    return exact, bytes_in_use(relay, answers)


def use_up_quota():
    clients = [h.client(user="v", password="q") for _ in range(QUOTA)]
    for c in clients:
        c.allocate(lifetime=3600)
    return clients


def weeks(part, long):
    with h.relay(**CHANGES) as relay:
        clients = use_up_quota()
        process = begin_cycles(relay, part)
        kill_in_the_middle(relay, process, part // 8)
        end_cycles(process, part, 3600)
        exact, used = settled(relay, long)
        end_cycles(begin_cycles(relay, part), part, 3600)
        now, now_used = settled(relay, long)
        print("  " + ", ".join(f"{k} {used[k]} {v}" for k, v in now_used.items()))
        assert now == exact, {k: (exact[k], now[k]) for k in exact if exact[k] != now[k]}
        for key, first in used.items():
            assert abs(now_used[key] - first) <= first * 0.01, (key, first, now_used[key])
        for c in clients:
            c.close()


@h.alone
def test_nothing_grows_over_eight_thousand_cycles():
    weeks(4000, False)


@h.alone
@h.long_test
def test_nothing_grows_over_two_million_cycles():
    weeks(1000000, True)
