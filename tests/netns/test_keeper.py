# SPDX-License-Identifier: BSD-3-Clause
"""turnpike-keeper, and what stands in for systemd: both daemons killed at once lose no call where
somebody holds the session region; what died is started anew, with pauses that grow."""

import array
import contextlib
import fcntl
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import harness as h
import test_stream
from test_survival import identities

CHANNEL = 0x4001
SEALS = 1 | 2 | 4  # F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW
F_ADD_SEALS = 1033


class Kept:
    """A relay whose daemons a keeper starts; both are killed with whatever is left at the end."""

    def __init__(self, holder="keeper", control=h.CONTROL, **changes):
        self.relay = h.Relay(region={"holder": holder}, **changes)
        self.control_path = self.relay.directory / "control-program"
        shutil.copy(control, self.control_path)
        os.symlink(control.parent / "turnpike-stream", self.relay.directory / "turnpike-stream")
        self.keeper = None

    def start(self):
        """Their socket, made as root, is for the user that they become."""
        umask = os.umask(0)
        try:
            self.keeper = h.Daemon(self.relay, h.KEEPER, "keeper", extra=[
                "--dataplane", str(h.DATAPLANE), "--control", str(self.control_path)])
        finally:
            os.umask(umask)
        self.keeper.wait_ready()

    def pid(self, name):
        return int((self.relay.directory / f"{name}.lock").read_text())

    def pids(self):
        return {name: self.pid(name) for name in ("dataplane", "control")}

    def wait_healthy(self, timeout=15):
        h.wait_until(lambda: self.relay.ctl("status", check=False)[0] == 0, timeout, "healthy")

    def says(self, words, timeout=10):
        h.wait_until(lambda: words in self.keeper.output(), timeout, f"the keeper says: {words}")

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__(True)
            raise
        return self

    def __exit__(self, failed, *_):
        if failed:
            print(self.keeper.output()[-8000:])
        # What runs by now, whether or not somebody looks after it.
        if self.keeper.process.poll() is None:
            self.keeper.end(signal.SIGKILL if failed else signal.SIGTERM, timeout=40)
        for name in ("control", "dataplane"):
            with contextlib.suppress(OSError, ValueError):
                pid = self.pid(name)
                if "turnpike-" in os.readlink(f"/proc/{pid}/exe"):
                    os.kill(pid, signal.SIGKILL)
                    assert failed, f"{name} was left behind"
        left = self.relay.kill_streams()
        assert failed or not left, f"{left} were left behind"
        shutil.rmtree(self.relay.directory, ignore_errors=True)


class Calls:
    """Some clients with a channel and a peer each; connected sockets, so that an ICMP error raises."""

    def __init__(self, n=10):
        self.calls, self.count = [], 0
        for i in range(n):
            client, peer = h.client(), h.udp("peer", h.PEER4)
            relayed = client.allocate()
            client.bind(CHANNEL, peer.getsockname()[:2])
            peer.connect(relayed)
            self.calls.append((client, peer))

    def once(self, wait=0.5):
        """Sends one numbered datagram each way for every call; True when all arrived."""
        self.count += 1
        tag = b"%d" % self.count
        for client, peer in self.calls:
            client.send_channel(CHANNEL, b"up" + tag)
            peer.send(b"down" + tag)
        return all(self.arrived(peer, b"up" + tag, wait) and self.channel(client, b"down" + tag, wait)
                   for client, peer in self.calls)

    @staticmethod
    def arrived(peer, data, wait):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            got = h.receive(peer, end - time.monotonic())
            if got and got[0] == data:
                return True
        return False

    @staticmethod
    def channel(client, data, wait):
        end = time.monotonic() + wait
        while time.monotonic() < end:
            if client.receive(max(end - time.monotonic(), 0.001)) == ("channel", CHANNEL, data):
                return True
        return False

    def gap(self, since, timeout=15):
        """Until media of all calls is back: seconds since `since`."""
        while not self.once(0.02):
            assert time.monotonic() < since + timeout, "media did not come back"
        return time.monotonic() - since

    def close(self):
        for client, peer in self.calls:
            client.close()
            peer.close()


def kill(*pids):
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def stranger(kept, message, fd=None):
    """Root, but none of the daemons."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))] if fd else []
        sock.sendmsg([message], ancillary, 0, str(kept.relay.directory / "keeper.sock"))


def capabilities(pid):
    status = open(f"/proc/{pid}/status").read()
    return int(re.search(r"CapEff:\t(\w+)", status).group(1), 16)


def packets(relay):
    return {i: relay.ctl("allocation", "show", f"id={i}")["up_packets"] for i in identities(relay)}


def test_both_killed_at_once():
    """Every call is there again: ids, relayed addresses, channels, counters; the clients see a
    pause and no error. Daemons that became another user, and a stranger at the keeper's socket."""
    nobody = pwd.getpwnam("nobody")
    kept = Kept(privileges={"user": "nobody"})
    os.chown(kept.relay.directory, nobody.pw_uid, nobody.pw_gid)
    os.chmod(kept.relay.directory, 0o750)
    os.chown(kept.relay.config_path, 0, nobody.pw_gid)
    os.chmod(kept.relay.config_path, 0o640)
    kept.control_path.chmod(0o755)
    with kept:
        calls = Calls()
        assert calls.once()
        before, counted = identities(kept.relay), packets(kept.relay)
        assert len(before) == 10 and all(n == 1 for n in counted.values())
        stranger(kept, b"FDSTOREREMOVE=1\nFDNAME=turnpike-sessions")
        stranger(kept, b"FDSTORE=1\nFDNAME=turnpike-sessions", fd=0)
        stranger(kept, b"MAINPID=%d" % os.getpid())
        # Of what it was started with, the keeper keeps KILL and DAC_OVERRIDE; the daemons theirs.
        assert capabilities(kept.keeper.pid) == 1 << 5 | 1 << 1
        assert capabilities(kept.pid("dataplane")) != 0 and capabilities(kept.pid("control")) == 0
        for _ in range(2):
            was = kept.pids()
            killed = time.monotonic()
            kill(*was.values())
            gap = calls.gap(killed)
            kept.wait_healthy()
            healthy = time.monotonic() - killed
            now = kept.pids()
            assert not set(now.values()) & set(was.values()), (was, now)
            assert identities(kept.relay) == before
            print(f"  both killed: media back after {gap:.2f} s, requests after {healthy:.2f} s")
            sums = packets(kept.relay)
            assert all(counted[i] < sums[i] <= counted[i] + calls.count for i in before), (counted, sums)
            counted = sums
        assert "10 allocations" in kept.keeper.output()
        for client, _ in calls.calls:
            assert client.refresh() > 0
        new = h.client()
        new.allocate()
        assert len(identities(kept.relay)) == 11
        calls.close()


def test_without_a_holder_the_loss_is_stated():
    with Kept(holder="none") as kept:
        assert "region.holder is none" in kept.keeper.output()
        calls = Calls(2)
        kill(*kept.pids().values())
        kept.says("next start in")
        h.wait_until(lambda: kept.keeper.output().count("all allocations are lost") >= 3, 10, "stated")
        kept.wait_healthy()
        assert identities(kept.relay) == {}
        assert not calls.once(0.1)
        calls.close()


def test_each_alone_is_started_anew():
    """Also by a keeper that was itself killed: it finds them, and is given the region again. An
    upgrade is followed. At the end nothing is left."""
    reserved = "net.ipv4.ip_local_reserved_ports"
    ports = h.run_in("relay", "sysctl", "-n", reserved).stdout
    with Kept() as kept:
        calls = Calls(2)
        before = identities(kept.relay)
        assert calls.once()
        control = kept.pid("control")
        kill(control)
        for _ in range(10):
            assert calls.once(), "media paused while control was dead"
        kept.says(f"pid {control}, ended after")
        kept.wait_healthy()
        assert kept.pid("control") != control

        killed = time.monotonic()
        kill(kept.pid("dataplane"))
        print(f"  dataplane killed: media back after {calls.gap(killed):.2f} s")
        kept.wait_healthy()
        assert identities(kept.relay) == before

        reply = kept.relay.ctl("upgrade", "control")
        kept.says(f"pid {reply['pid']} is in the place of pid {reply['pid_before']}")
        kept.wait_healthy()
        kill(reply["pid"])
        kept.says(f"pid {reply['pid']}, ended after")
        kept.wait_healthy()

        # The control that hands over dies in the middle: the other one has the lock by then.
        old = kept.pid("control")
        fresh = kept.control_path.with_suffix(".new")
        fresh.write_text(HEIR)
        fresh.chmod(0o755)
        fresh.rename(kept.control_path)
        kept.relay.ctl("upgrade", "control", check=False)
        kept.says(f"pid {old}, ended after")
        kept.says("runs already: looked after")
        heir = kept.pid("control")
        assert heir != old
        replace(kept.control_path)
        kill(heir)
        kept.says(f"pid {heir}, ended after")
        kept.wait_healthy()
        assert identities(kept.relay) == before

        was = kept.pids()
        kept.keeper.end(signal.SIGKILL)
        assert calls.once(), "media stopped with the keeper"
        kept.start()
        for name, pid in was.items():
            assert f"turnpike-{name}, pid {pid}, runs already" in kept.keeper.output()
        kept.says("gave it the region again")
        kill(*was.values())
        calls.gap(time.monotonic())
        kept.wait_healthy()
        assert identities(kept.relay) == before

        kept.keeper.signal(signal.SIGHUP)
        kept.says("SIGHUP: reading")
        second = h.Daemon(kept.relay, h.KEEPER, "second", extra=[
            "--dataplane", str(h.DATAPLANE), "--control", str(h.CONTROL)])
        assert second.process.wait(10) == 1 and "another turnpike-keeper" in second.output()
        assert calls.once()
        assert kept.keeper.end(timeout=40) == 0, kept.keeper.output()
        assert not (kept.relay.directory / "keeper.sock").exists()
        assert not (kept.relay.directory / "control.sock").exists()
        calls.close()
    assert h.run_in("relay", "sysctl", "-n", reserved).stdout == ports
    assert "xdp" not in h.run_in("relay", "ip", "link", "show", "dev", "eth0").stdout
    assert h.run_in("relay", "tc", "filter", "show", "dev", "eth0", "ingress").stdout == ""


def test_a_control_that_fails_at_once():
    """Its starts come further and further apart; the calls do not care."""
    with Kept() as kept:
        calls = Calls(2)
        before = identities(kept.relay)
        fresh = kept.control_path.with_suffix(".new")
        fresh.write_text("#!/bin/sh\necho broken >&2\nexit 3\n")
        fresh.chmod(0o755)
        fresh.rename(kept.control_path)
        kill(kept.pid("control"))
        pauses = []

        def grown():
            assert calls.once()
            pauses[:] = map(int, re.findall(r"control: next start in (\d+) ms", kept.keeper.output()))
            return len(pauses) >= 5

        h.wait_until(grown, 15, "five starts")
        assert "exit code 3" in kept.keeper.output()
        for i, pause in enumerate(pauses[:5]):
            assert 100 << i <= pause <= 125 << i, pauses
        replace(kept.control_path)
        kept.wait_healthy()
        assert identities(kept.relay) == before
        calls.close()


def test_a_call_by_tcp():
    """Its stream process outlives both daemons; what a dead control leaves of it ends with the keeper."""
    listeners = [{"address": h.RELAY4, "port": 3478, "transports": ["udp", "tcp"]}]
    with Kept(listeners=listeners) as kept:
        h.wait_until(lambda: test_stream.attached(kept.relay), 10, "the stream process is there")
        stream, = test_stream.processes(kept.relay)
        client, peer = test_stream.call("tcp")
        before = identities(kept.relay)
        kill(*kept.pids().values())
        kept.says("next start in")
        kept.wait_healthy()
        h.wait_until(lambda: test_stream.attached(kept.relay), 10, "it has come back")
        assert test_stream.processes(kept.relay)[0]["pid"] == stream["pid"]
        assert identities(kept.relay) == before
        test_stream.echo(client, peer)

        fresh = kept.control_path.with_suffix(".new")
        fresh.write_text("#!/bin/sh\nexit 3\n")
        fresh.chmod(0o755)
        fresh.rename(kept.control_path)
        kill(kept.pid("control"))
        kept.says("exit code 3")
        test_stream.echo(client, peer)
        assert kept.keeper.end(timeout=40) == 0, kept.keeper.output()
        assert not test_stream.alive(stream["pid"])
        test_stream.end(client, peer)


# A new control to which the old one hands over; the old one dies of it.
HEIR = """#!/usr/bin/env python3
import os, signal, socket, struct, time
link = socket.socket(fileno=int(os.environ["TURNPIKE_UPGRADE_FD"]))
link.setblocking(True)
link.send(struct.pack("=IHBBI116s", 0x54504855, 1, 0, 0, 0, b"heir"))
fds = socket.recv_fds(link, 200, 3)[1]
os.ftruncate(fds[0], 0)
os.pwrite(fds[0], b"%d" % os.getpid(), 0)
os.kill(os.getppid(), signal.SIGKILL)
time.sleep(60)
"""


def replace(path):
    """As a package manager does: the old file stays with who runs it."""
    fresh = path.with_suffix(".new")
    shutil.copy(h.CONTROL, fresh)
    fresh.rename(path)


def restarts(kept):
    """As `status` says; `health` has the same."""
    keeper = kept.relay.ctl("status", check=False)[1]["keeper"]
    assert keeper["running"] and keeper["pid"] == kept.keeper.pid
    return {name: (keeper[name]["restarts"], keeper[name]["hung"]) for name in ("dataplane", "control")}


def test_restarts_are_visible():
    """And what hangs is not ended unless the configuration says so."""
    with Kept() as kept:
        assert restarts(kept) == {"dataplane": (0, 0), "control": (0, 0)}
        assert kept.relay.ctl("health", check=False)[1]["keeper"]["control"]["restarts"] == 0
        for _ in range(2):
            kill(kept.pid("control"))
            kept.says("next start in")
            kept.wait_healthy()
        h.wait_until(lambda: restarts(kept) == {"dataplane": (0, 0), "control": (2, 0)}, 5, "counted")
        text = subprocess.run([h.CTL, "-s", str(kept.relay.directory / "control.sock"), "health", "timeout=3"],
                              capture_output=True, text=True, timeout=20).stdout
        assert "control: died 2 times, last " in text and "signal 9 (Killed)" in text, text
        assert "dataplane: never restarted" in text, text
        pid = kept.pid("control")
        os.kill(pid, signal.SIGSTOP)
        time.sleep(2.5)  # nothing tells that it is not killed
        os.kill(pid, signal.SIGCONT)
        kept.wait_healthy()
        assert kept.pid("control") == pid
        kept.keeper.end(signal.SIGKILL)
        assert not kept.relay.ctl("status", check=False)[1]["keeper"]["running"]
        code, answer = kept.relay.ctl("health", check=False)
        assert code == 2 and any("turnpike-keeper is dead" in p for p in answer["problems"]), answer
        kept.start()
        kept.wait_healthy()
    assert not (kept.relay.directory / "keeper.json").exists()


def test_what_hangs_is_killed_when_the_configuration_says_so():
    with Kept(keeper={"watchdog_s": 3}) as kept:
        calls = Calls(2)
        before = identities(kept.relay)
        # A group of processes that is frozen whole: of a time in which it did not run itself the keeper says nothing.
        frozen = [kept.pid("control"), kept.pid("dataplane"), kept.keeper.pid]
        for pid in reversed(frozen):
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3.5)  # longer than the watchdog waits
        for pid in reversed(frozen):  # the keeper first, which finds the others silent
            os.kill(pid, signal.SIGCONT)
            time.sleep(0.3)
        kept.wait_healthy()
        assert [kept.pid("control"), kept.pid("dataplane")] == frozen[:2], restarts(kept)
        for name in ("control", "dataplane"):
            pid = kept.pid(name)
            stopped = time.monotonic()
            os.kill(pid, signal.SIGSTOP)
            kept.says(f"turnpike-{name}, pid {pid}, hangs", 10)
            assert time.monotonic() - stopped > 2
            calls.gap(stopped)
            kept.wait_healthy()
            assert kept.pid(name) != pid
            assert identities(kept.relay) == before
        assert restarts(kept) == {"dataplane": (1, 1), "control": (1, 1)}
        # One that took the place of another is watched, too.
        reply = kept.relay.ctl("upgrade", "control")
        kept.says(f"pid {reply['pid']} is in the place of pid {reply['pid_before']}")
        time.sleep(0.5)  # twice as long as until it says for the first time that it works
        os.kill(reply["pid"], signal.SIGSTOP)
        kept.says(f"turnpike-control, pid {reply['pid']}, hangs", 10)
        kept.wait_healthy()
        calls.close()


# ---- something else in the place of the keeper

def sent_region(daemon):
    """The region that a dataplane gave to the socket of its service manager, which the harness is."""
    daemon.notify.settimeout(5)
    while True:
        data, fds, _, _ = socket.recv_fds(daemon.notify, 4096, 1)
        if fds:
            # The keeper does both; systemd the first, and the second with the message that follows.
            assert data == b"FDSTOREREMOVE=1\nFDSTORE=1\nFDNAME=turnpike-sessions", data
            return fds[0]


def start_with(relay, fd):
    """A dataplane to which systemd would hand this descriptor back."""
    script = ('exec 3<>"$0"; export LISTEN_PID=$$ LISTEN_FDS=1 '
              'LISTEN_FDNAMES=turnpike-sessions; exec "$@"')
    wrapper = ("sh", "-c", script, f"/proc/{os.getpid()}/fd/{fd}")
    return relay.start_dataplane(wrapper=wrapper)


def copy_of(region, change=lambda at, data: data, size=None, seals=SEALS):
    """Another memfd of the same bytes, but for what `change` makes of each megabyte."""
    bytes_ = os.fstat(region).st_size
    fd = os.memfd_create("copy", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, bytes_ if size is None else size)
    at = 0
    while at < (bytes_ if size is None else min(size, bytes_)):
        try:
            at = os.lseek(region, at, os.SEEK_DATA)
        except OSError:
            break
        data = change(at, os.pread(region, min(1 << 20, (size or bytes_) - at), at))
        os.pwrite(fd, data, at)
        at += len(data)
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def replaced(data, offset, fresh):
    return data[:offset] + fresh + data[offset + len(fresh):]


@contextlib.contextmanager
def managed(**changes):
    relay = h.Relay(region={"holder": "systemd"}, **changes)
    try:
        region = sent_region(started_unread(relay))
        relay.start_control()
        yield relay, region
        relay.close()
    except BaseException:
        sys.stderr.write(relay.logs())
        relay.kill_all()
        raise
    os.close(region)


def started_unread(relay):
    """Started, and nothing read of what it says: READY comes after the region."""
    relay.dataplane = h.Daemon(relay, h.DATAPLANE, "dataplane")
    return relay.dataplane


def both_dead(relay):
    relay.dataplane.end(signal.SIGKILL)
    relay.control.end(signal.SIGKILL)


def test_a_region_handed_back():
    """As systemd does it: whole, of another capacity, and in any state in which it is of no use."""
    with managed() as (relay, region):
        calls = Calls(2)
        before = identities(relay)
        both_dead(relay)
        start_with(relay, region)
        relay.start_control()
        assert "kept since the run before" in relay.dataplane.output()
        assert identities(relay) == before
        assert calls.once()

        both_dead(relay)
        relay.config["limits"] = {"allocations": 8192}
        relay.write_config()
        start_with(relay, region)
        relay.start_control()
        assert "limits.allocations is 8192 and was 4096" in relay.dataplane.output()
        assert identities(relay) == before
        assert relay.ctl("status")["control"]["pid"] == relay.control.pid
        assert calls.once()
        relay.config["limits"] = {"allocations": 4096}
        relay.write_config()

        # Records of noise: taken, and dropped one by one by control.
        both_dead(relay)
        noise = copy_of(region, lambda at, data: data[:4096] + os.urandom(len(data) - 4096)
                        if at == 0 and len(data) > 4096 else data)
        start_with(relay, noise)
        relay.start_control()
        assert "kept since the run before" in relay.dataplane.output()
        h.client().allocate()
        os.close(noise)

        size = os.fstat(region).st_size
        useless = {
            "seals": copy_of(region, seals=0),
            "its size is": copy_of(region, size=size - 4096),
            "capacities": copy_of(region, lambda at, data: replaced(data, 12, b"\xff" * 12) if at == 0 else data),
        }
        relay.control.end(signal.SIGKILL)
        for words, fd in useless.items():
            relay.dataplane.end(signal.SIGKILL)
            start_with(relay, fd)
            output = relay.dataplane.output()
            assert "its allocations are lost" in output and words in output, (words, output)
            os.close(fd)
        relay.start_control()
        assert identities(relay) == {}
        h.client().allocate()
        calls.close()


def test_a_holder_that_is_not_there():
    relay = h.Relay(region={"holder": "keeper"})
    try:
        daemon = h.Daemon(relay, h.DATAPLANE, "dataplane", wrapper=("env", "-u", "NOTIFY_SOCKET"))
        assert daemon.process.wait(20) == 1
        assert "region.holder needs a service manager" in daemon.output(), daemon.output()
    finally:
        relay.kill_all()
