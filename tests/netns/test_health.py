# SPDX-License-Identifier: BSD-3-Clause
"""turnpikectl health: a packet through every worker; each thing that hangs or is dead, by name."""

import contextlib
import copy
import ctypes
import os
import pathlib
import signal
import subprocess
import time

import harness as h

WITHIN_S = 1.0
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000

TWO = dict(h.CONFIG, workers={"cores": [0, 1], "idle": "backoff"})


def health(relay, *words):
    """(exit code, document, seconds)."""
    begin = time.monotonic()
    code, document = relay.ctl("health", *words, check=False)
    return code, document, time.monotonic() - begin


def text(relay):
    return subprocess.run([h.CTL, "-s", str(relay.directory / "control.sock"), "health"],
                          capture_output=True, text=True, timeout=30)


def expect(relay, *problems):
    """Unhealthy within a second for exactly these reasons, each the beginning of a line."""
    code, document, took = health(relay)
    assert code == 2, (code, document)
    assert took <= WITHIN_S, f"{took:.2f} s"
    said = sorted(document["problems"])
    assert len(said) == len(problems) and all(
        s.startswith(p) for s, p in zip(said, sorted(problems))), said
    done = text(relay)
    assert done.returncode == 2 and all(
        any(line.startswith(p) for line in done.stdout.splitlines()) for p in problems), done
    return document


def expect_healthy(relay, timeout=3):
    deadline = time.monotonic() + timeout
    while True:
        code, document, _ = health(relay)
        if code == 0:
            assert document["state"] == "healthy" and document["problems"] == []
            return document
        assert time.monotonic() < deadline, document
        time.sleep(0.05)


def ptrace(request, tid, what):
    h.libc.ptrace.argtypes = [ctypes.c_long] * 4
    h.libc.ptrace.restype = ctypes.c_long
    if h.libc.ptrace(request, tid, 0, 0) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {what} {tid}")


@contextlib.contextmanager
def stopped_thread(tid):
    """This one thread stands still, all others of its process go on."""
    ptrace(PTRACE_SEIZE, tid, "seize")
    ptrace(PTRACE_INTERRUPT, tid, "interrupt")
    os.waitpid(tid, WALL)
    try:
        yield
    finally:
        ptrace(PTRACE_DETACH, tid, "detach")


@contextlib.contextmanager
def stopped_process(pid):
    os.kill(pid, signal.SIGSTOP)
    h.wait_until(lambda: state_of(pid) == "T", 2, "stopped")
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def state_of(pid):
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]


def worker_tid(relay, index):
    for task in pathlib.Path(f"/proc/{relay.dataplane.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == f"tp-worker-{index}":
            return int(task.name)
    raise AssertionError(f"no thread of worker {index}")


def channel():
    peer = h.udp("peer", h.PEER4)
    c = h.client()
    c.allocate()
    c.bind(0x4001, (h.PEER4, peer.getsockname()[1]))
    return c, peer, 0x4001


def exchange(c, peer, number, word):
    c.send_channel(number, word)
    got = h.receive(peer, 2)
    assert got and got[0] == word, got


@h.alone
def test_every_worker_relays_a_probe():
    with h.relay(copy.deepcopy(TWO)) as relay:
        document = expect_healthy(relay)
        workers = document["dataplane"]["workers"]
        assert [w["probe"] for w in workers] == ["relayed", "relayed"], workers
        print("  latency us", [w["latency_us"] for w in workers])
        assert document["control"]["attached"] and document["control"]["beat_ms"] < 1000
        before = relay.counter("probe")
        flows, allocations = relay.stats()["flows"], relay.stats()["allocations"]
        for _ in range(20):
            expect_healthy(relay)
        assert relay.counter("probe") - before == 40
        relay.assert_books_close()
        stats = relay.stats()
        assert stats["flows"] == flows == 0 and stats["allocations"] == allocations == 0
        beats = relay.ctl("status")["control"]["beats"]
        assert beats["manager_ms"] < 1000 and len(beats["worker_ms"]) == 2, beats
        assert not beats["manager_hung"]


@h.alone
def test_a_hung_worker_is_named_and_the_others_relay():
    with h.relay(copy.deepcopy(TWO)) as relay:
        expect_healthy(relay)
        for index in (0, 1):
            with stopped_thread(worker_tid(relay, index)):
                document = expect(relay, f"worker {index} hangs")
                probes = [w["probe"] for w in document["dataplane"]["workers"]]
                assert probes[1 - index] == "relayed", probes
                h.wait_until(lambda: f"worker {index} hangs" in relay.dataplane.output(), 2,
                             "logged")
            expect_healthy(relay)
            h.wait_until(lambda: f"worker {index} is back" in relay.dataplane.output(), 2, "logged")
        log = relay.dataplane.output()
        for index in (0, 1):
            assert log.count(f"worker {index} hangs") == 1, log
        hangs = [w["hangs"] for w in expect_healthy(relay)["dataplane"]["workers"]]
        assert hangs == [1, 1], hangs


@h.alone
def test_a_hung_manager_is_named_and_media_goes_on():
    with h.relay() as relay:
        c, peer, number = channel()
        exchange(c, peer, number, b"before")
        with stopped_thread(relay.dataplane.pid):
            expect(relay, "dataplane does not answer: its management thread hangs")
            exchange(c, peer, number, b"meanwhile")
            h.wait_until(lambda: "management thread hangs" in relay.control.output(), 2, "logged")
            assert relay.ctl("status", check=False)[1]["control"]["beats"]["manager_hung"]
        expect_healthy(relay)
        h.wait_until(lambda: "management thread is back" in relay.control.output(), 2, "logged")
        assert relay.control.output().count("management thread hangs") == 1


@h.alone
def test_a_stopped_dataplane_is_named():
    with h.relay() as relay:
        with stopped_process(relay.dataplane.pid):
            expect(relay, f"dataplane does not answer: process {relay.dataplane.pid} is stopped")
        expect_healthy(relay)


@h.alone
def test_a_stopped_control_is_named_and_media_goes_on():
    with h.relay() as relay:
        c, peer, number = channel()
        with stopped_process(relay.control.pid):
            document = expect(relay, "control does not answer: it hangs")
            assert [w["probe"] for w in document["dataplane"]["workers"]] == ["relayed"]
            exchange(c, peer, number, b"meanwhile")
            h.wait_until(lambda: "hangs: no beat for" in relay.dataplane.output(), 2, "logged")
        expect_healthy(relay)
        h.wait_until(lambda: f"control, pid {relay.control.pid}, is back"
                     in relay.dataplane.output(), 2, "logged")
        assert relay.dataplane.output().count("hangs: no beat for") == 1


@h.alone
def test_both_hung_at_once_are_named_within_the_same_second():
    with h.relay() as relay:
        with stopped_process(relay.control.pid), stopped_process(relay.dataplane.pid):
            expect(relay, "control does not answer", "dataplane does not answer: process")
        expect_healthy(relay)


@h.alone
def test_what_is_dead_is_named():
    with h.relay() as relay:
        relay.control.end(signal.SIGKILL)
        expect(relay, "control is dead")
        relay.start_control()
        expect_healthy(relay)
        relay.dataplane.end(signal.SIGKILL)
        expect(relay, "control is not attached to the dataplane", "dataplane is dead")
        relay.start_dataplane()
        expect_healthy(relay, timeout=10)


@h.alone
def test_media_is_not_disturbed_by_probes():
    """A thousand datagrams one by one among probes: none is lost, none is changed."""
    with h.relay() as relay:
        c, peer, number = channel()
        asking = h.in_thread(lambda: [health(relay)[0] for _ in range(15)])
        for i in range(1000):
            exchange(c, peer, number, b"%06d" % i)
        assert asking.result() == [0] * 15
        assert relay.counter("channel_up") - relay.counter("probe") == 1000


@h.alone
def test_the_timeout_is_the_operators():
    with h.relay() as relay:
        with stopped_process(relay.dataplane.pid):
            code, _, took = health(relay, "timeout=0.3")
            assert code == 2 and took < 0.4, took
            code, _, took = health(relay, "timeout=2")
            assert code == 2 and 1 < took < 2.1, took
        assert relay.ctl("health", "timeout=0", check=False)[0] == 2
        assert relay.ctl("health", "timeout=99", check=False)[0] == 2
