# SPDX-License-Identifier: BSD-3-Clause
"""`turnpikectl memory` against what the kernel says of the daemons, as they really run: filters of
system calls loaded, user given up, memory closed to others."""

import re
import signal
import subprocess

import harness as h
import test_privilege

USERS = 2000


def kernel(daemon):
    """(resident, hugepages) in bytes, read by root from outside."""
    values = dict(line.split(":", 1) for line in open(f"/proc/{daemon.pid}/status"))
    return [int(values[k].split()[0]) << 10 for k in ("VmRSS", "HugetlbPages")]


def assert_adds_up(said, daemon):
    resident, hugetlb = kernel(daemon)
    total = sum(said["parts"].values())
    assert said["pid"] == daemon.pid
    assert all(n >= 0 for n in said["parts"].values()), said
    assert abs(said["hugetlb_bytes"] - hugetlb) <= hugetlb * 0.05, (said, hugetlb)
    assert abs(said["resident_bytes"] - resident) <= resident * 0.05, (said, resident)
    assert abs(total - resident - hugetlb) <= (resident + hugetlb) * 0.05, (said, resident, hugetlb)
    # Small pages by themselves, too: hugepages would hide them.
    small = total - said["hugetlb_bytes"]
    assert abs(small - resident) <= resident * 0.05, (said, resident)


def both(relay):
    said = relay.ctl("memory")
    assert_adds_up(said["dataplane"], relay.dataplane)
    assert_adds_up(said["control"], relay.control)
    return said


def allocate(relay, count):
    load = ("prlimit", "--nofile=8192", h.BENCH, "load", f"--clients={count}", "--rate=1",
            "--duration=1")
    flags = {"server": h.RELAY4, "client-address": h.CLIENT4, "peer-address": h.PEER4,
             "client-namespace": h.namespace("client"), "peer-namespace": h.namespace("peer"),
             "json": relay.directory / "load.json"}
    done = subprocess.run([*load, *(f"--{k}={v}" for k, v in flags.items())], timeout=60,
                          capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    assert relay.ctl("status")["dataplane"]["allocations"] == count


@h.alone
def test_parts_add_up_idle_and_with_allocations():
    with h.relay() as relay:
        idle = both(relay)
        allocate(relay, USERS)
        used = both(relay)
        assert used["dataplane"]["parts"]["packets"] > 1 << 20
        assert used["dataplane"]["parts"]["flows"] > 1 << 20
        # Records are touched by control alone: the dataplane keeps the descriptor.
        assert used["control"]["parts"]["region"] > USERS * 256
        assert used["dataplane"]["session_region_bytes"] >= used["control"]["parts"]["region"]
        assert used["dataplane"]["parts"]["region"] <= 8192
        assert used["dataplane"]["parts"]["allocations"] > idle["dataplane"]["parts"].get("allocations", 0)


@h.alone
def test_parts_add_up_as_the_user_that_is_left():
    with test_privilege.dropped() as relay:
        test_privilege.start(relay)
        both(relay)


@h.alone
def test_parts_add_up_without_hugepages():
    # More flows than hugepages hold. Killed: an orderly stop would touch them all to clear them.
    free = int(re.search(r"HugePages_Free: +(\d+)", open("/proc/meminfo").read()).group(1))
    with h.relay(limits={"allocations": 4096, "flows": (free + 200) * 10000}) as relay:
        both(relay)
        assert relay.ctl("memory")["dataplane"]["hugetlb_bytes"] == 0
        relay.dataplane.end(signal.SIGKILL)
        relay.config["limits"] = h.CONFIG["limits"]
        relay.write_config()
        relay.start_dataplane()


@h.alone
def test_each_process_speaks_for_itself():
    with h.relay() as relay:
        relay.control.end(signal.SIGKILL)
        code, said = relay.ctl("memory", check=False)
        assert code == 4 and said["control"] is None
        assert_adds_up(said["dataplane"], relay.dataplane)
        relay.start_control()
        relay.dataplane.end(signal.SIGKILL)
        code, said = relay.ctl("memory", check=False)
        assert code == 4 and said["dataplane"] is None
        assert_adds_up(said["control"], relay.control)
        relay.control.end(signal.SIGKILL)
        assert relay.ctl("memory", check=False)[0] == 3
        relay.start_dataplane()
        relay.start_control()
