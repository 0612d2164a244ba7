# SPDX-License-Identifier: BSD-3-Clause
"""`turnpikectl upgrade control`: the next generation takes over while calls go on, and the old one
takes everything back when it does not."""

import os
import pathlib
import select
import shutil
import signal
import subprocess
import threading
import time

import harness as h
from test_survival import BEFORE_OTHERS, Load, identities, machine_drops

CHANNEL = 0x4001
SCRAPE = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:9641/metrics').read().decode())"


class Generation:
    """A control that another one started: looks like the harness's own process."""

    def __init__(self, pid):
        self.pid, self.fd, self.returncode = pid, os.pidfd_open(pid), None

    def poll(self):
        if self.returncode is None and select.select([self.fd], [], [], 0)[0]:
            self.returncode = 0
        return self.returncode

    def wait(self, timeout=None):
        if not select.select([self.fd], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("control", timeout)
        return self.poll()

    def send_signal(self, number):
        signal.pidfd_send_signal(self.fd, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


def program_of(relay):
    """A copy of control, that a test may replace."""
    path = relay.directory / "turnpike-control"
    shutil.copy(h.CONTROL, path)
    return path


def replace(path, text):
    """As a package manager does: the old file stays with who runs it."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.chmod(0o755)
    fresh.rename(path)


def upgrade(relay):
    """The reply; the relay's control is the new one from here on."""
    old = relay.control.process
    reply = relay.ctl("upgrade", "control")
    assert reply["pid_before"] != reply["pid"]
    assert old.wait(5) == 0, "the old generation did not end well"
    relay.control.process = Generation(reply["pid"])
    return reply


class relay_of:
    """A relay whose control is a copy; ends what took over, too."""

    def __init__(self, **changes):
        self.changes = changes

    def __enter__(self):
        self.context = h.relay(**self.changes)
        self.relay = self.context.__enter__()
        self.relay.control.end()
        self.path = program_of(self.relay)
        self.relay.control = h.Daemon(self.relay, self.path, "control").wait_ready()
        return self.relay

    def __exit__(self, *error):
        return self.context.__exit__(*error)


def pid_in_lock(relay):
    return int((relay.directory / "control.lock").read_text())


@h.alone
def test_under_load():
    """Five upgrades at a random moment each: nothing lost, the same calls, the same ids; a socket that always answers."""
    config = dict(h.CONFIG, lifetimes={"allocation_default_s": 60, "channel_s": 600,
                                       "permission_s": 300},
                  metrics={"address": "127.0.0.1", "port": 9641})
    for attempt in range(3):
        lost, machine = load_and_upgrade(config)
        if lost == 0:
            return
        assert lost <= machine, f"{lost} lost, only {machine} of them by this machine"
        print(f"  {lost} lost, {machine} by this machine for want of CPU: again")


def load_and_upgrade(config):
    with relay_of(config=config, dataplane_wrapper=BEFORE_OTHERS) as relay:
        machine = machine_drops(relay)
        load = Load(relay, 4, clients=300, rate=50, duration=25, refresh=5)
        load.wait_ready()
        before = identities(relay)
        refused, asked, stop = [], [], threading.Event()

        def ask():
            while not stop.is_set():
                code, answer = relay.ctl("status", check=False)
                asked.append(code)
                if code not in (0, 1):
                    refused.append((code, answer))

        asker = h.in_thread(ask)
        gaps = []
        for _ in range(5):
            time.sleep(1.5)
            gaps.append(upgrade(relay)["handover_ms"])
            assert pid_in_lock(relay) == relay.control.process.pid
            assert relay.ctl("status")["control"]["pid"] == relay.control.process.pid
            assert identities(relay) == before
            assert "turnpike_" in h.run_in("relay", "python3", "-c", SCRAPE).stdout
        stop.set()
        asker.result()
        result = load.result(60)
        print("  handed over in", ", ".join(f"{g:.1f} ms" for g in gaps), f"; {len(asked)} questions meanwhile")
        assert result["failures"] == 0, load.output()
        # A question of the moment of handing over is refused with a reason, never left alone.
        assert all(code == 1 or code == 3 for code, _ in refused), refused[:3]
        assert len(refused) <= 10, refused
        assert identities(relay) == before
        lost = sum(result[way]["lost"] for way in ("up", "down"))
        return lost, machine_drops(relay) - machine


def call(relay):
    peer = h.udp("peer", h.PEER4)
    client = h.client()
    client.allocate()
    client.bind(CHANNEL, peer.getsockname()[:2])
    return client, peer


def talk(client, peer):
    client.send_channel(CHANNEL, b"up")
    got = h.receive(peer)
    assert got and got[0] == b"up", got
    peer.sendto(b"down", got[1])
    assert client.receive(2)[2] == b"down"


def refused(relay):
    done = subprocess.run([h.CTL, "-s", str(relay.directory / "control.sock"), "upgrade",
                           "control"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr)
    assert f"pid {relay.control.process_pid()} goes on" in done.stderr, done.stderr
    return done.stderr


FAKE = '''#!/usr/bin/env python3
import os, socket, struct, sys, time
link = socket.socket(fileno=int(os.environ["TURNPIKE_UPGRADE_FD"]))
link.setblocking(True)
def send(kind):
    link.send(struct.pack("=IHBBI116s", 0x54504855, kind, 0, 0, 0, b"fake"))
%s
'''
TAKE = '''
send(1)
data, fds, flags, _ = socket.recv_fds(link, 200, 3)
'''


def test_a_new_one_that_fails():
    """Whatever it does, the old one goes on, or takes back what it had handed over."""
    bodies = {
        "ends at once": ("sys.exit(7)", "exit code 7"),
        "dies at once": ("os.kill(os.getpid(), 9)", "signal 9"),
        "says nonsense": ("link.send(b'hello'); time.sleep(60)", "out of turn"),
        "says ready at once": ("send(3); time.sleep(60)", "out of turn"),
        "ends when it was handed over": (TAKE + "sys.exit(9)", "exit code 9"),
        "says hello twice": (TAKE + "send(1); time.sleep(60)", "out of turn"),
    }
    with relay_of() as relay:
        relay.control.process_pid = lambda: relay.control.process.pid
        client, peer = call(relay)
        before = identities(relay)
        path = relay.directory / "turnpike-control"
        for what, (body, reason) in bodies.items():
            replace(path, FAKE % body)
            text = refused(relay)
            assert reason in text, (what, text)
            h.wait_until(lambda: relay.ctl("status", check=False)[0] == 0, 10, what)
            assert pid_in_lock(relay) == relay.control.process.pid, what
            assert identities(relay) == before, what
            talk(client, peer)
            client.refresh(600)
            client.permit("198.18.0.21")
        path.unlink()
        assert "No such file" in refused(relay)
        replace(path, "no program at all")
        refused(relay)
        # And then one that works.
        shutil.copy(h.CONTROL, path.with_suffix(".new"))
        path.with_suffix(".new").rename(path)
        upgrade(relay)
        assert identities(relay) == before
        talk(client, peer)
        client.refresh(0)


def test_a_new_one_that_hangs():
    """Before it was handed anything: ten seconds, in which the old one serves."""
    with relay_of() as relay:
        relay.control.process_pid = lambda: relay.control.process.pid
        path = relay.directory / "turnpike-control"
        replace(path, FAKE % "time.sleep(60)")
        started = time.monotonic()
        under_way = h.in_thread(refused, relay)
        time.sleep(0.5)
        client, peer = call(relay)
        talk(client, peer)
        # One at a time.
        code, _ = relay.ctl("upgrade", "control", check=False)
        assert code == 1
        assert "in time" in under_way.result()
        assert 9 < time.monotonic() - started < 15
        client.refresh(0)


def test_a_configuration_that_is_wrong():
    """The new generation reads it before anything is handed over."""
    with relay_of() as relay:
        relay.control.process_pid = lambda: relay.control.process.pid
        good = dict(relay.config)
        relay.config["realmm"] = "x"
        relay.write_config()
        assert "exit code 1" in refused(relay)
        assert "realmm" in relay.control.output()
        relay.config = good
        relay.write_config()
        # What a reload could not change is changed by this.
        relay.config["lifetimes"] = {"allocation_default_s": 700}
        relay.write_config()
        upgrade(relay)
        client = h.client()
        assert client.allocate() and client.lifetime == 700
        client.refresh(0)


def test_the_dataplane_is_away():
    """Nothing to be in step with: the new one waits for it in the place of the old one."""
    with relay_of() as relay:
        client, peer = call(relay)
        relay.dataplane.end(signal.SIGKILL)
        h.wait_until(lambda: relay.ctl("status", check=False)[0] == 1, 5, "degraded")
        upgrade(relay)
        relay.start_dataplane()
        h.wait_until(lambda: relay.ctl("status", check=False)[0] == 0, 10, "healthy")
        client.close()


def test_ended_in_the_middle():
    """SIGTERM while a new one is prepared: neither stays."""
    with relay_of() as relay:
        path = relay.directory / "turnpike-control"
        replace(path, FAKE % f"open('{relay.directory}/fake.pid', 'w').write(str(os.getpid())); time.sleep(60)")
        under_way = h.in_thread(lambda: relay.ctl("upgrade", "control", check=False))
        h.wait_until(lambda: (relay.directory / "fake.pid").exists()
                     and (relay.directory / "fake.pid").read_text(), 5, "started")
        assert relay.control.end() == 0
        pid = int((relay.directory / "fake.pid").read_text())
        h.wait_until(lambda: not pathlib.Path(f"/proc/{pid}").exists(), 5, "the new one is gone")
        assert under_way.result()[0] in (1, 3)
        shutil.copy(h.CONTROL, path)
        relay.control = h.Daemon(relay, path, "control").wait_ready()
