# SPDX-License-Identifier: BSD-3-Clause
"""Control is killed, stopped, upgraded and told to read its configuration again, at random moments under load:
not one numbered datagram of a thousand channels is lost, the calls and their ids stay the same.

    TURNPIKE_SEED=17 TURNPIKE_SECONDS=60 tests/netns/run.py test_random_moments"""

import os
import pathlib
import random
import signal
import time

import harness as h
from test_survival import CLIENTS, BEFORE_OTHERS, Load, identities, machine_drops
from test_upgrade import Generation, relay_of, upgrade

SECONDS = int(os.environ.get("TURNPIKE_SECONDS", "300"))
QUIET_S = 8  # at the end of the load, so that the last fault is seen under load too


def program(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return None  # it ended


class Faults:
    """What may happen to control. Each leaves one that serves."""

    def __init__(self, relay, path, rng):
        self.relay, self.path, self.rng = relay, path, rng

    def start(self):
        self.relay.control = h.Daemon(self.relay, self.path, "control").wait_ready()

    def kill(self):
        self.relay.control.end(signal.SIGKILL)
        time.sleep(self.rng.uniform(0, 3))
        self.start()

    def stop(self):
        pid = self.relay.control.process.pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.1, 3))
        os.kill(pid, signal.SIGCONT)

    def upgrade(self):
        upgrade(self.relay)

    def reload(self):
        self.relay.config["software"] = f"reloaded {self.rng.random()}"
        self.relay.write_config()
        assert self.relay.ctl("reload")["live"] == ["software"]

    def stop_and_kill(self):
        os.kill(self.relay.control.process.pid, signal.SIGSTOP)
        time.sleep(self.rng.uniform(0.1, 2))
        self.kill()

    def generations(self):
        """Pids of all controls of this relay, whoever started them."""
        return [int(p.name) for p in pathlib.Path("/proc").glob("[0-9]*")
                if program(p.name) == str(self.path)]

    def kill_in_upgrade(self):
        """The old one dies while it hands over: the new one has it all, or is gone, too."""
        old = self.relay.control
        under_way = h.in_thread(lambda: self.relay.ctl("upgrade", "control", check=False))
        time.sleep(self.rng.uniform(0, 0.15))
        old.end(signal.SIGKILL)
        under_way.result()

        def decided():
            left = self.generations()
            return not left or (len(left) == 1 and self.serves(left[0]))

        h.wait_until(decided, 20, "the new generation serves or is gone")
        left = self.generations()
        if left:
            self.relay.control.process = Generation(left[0])
            print(f"    {left[0]} took over from one that died")
        else:
            self.start()

    def serves(self, pid):
        code, status = self.relay.ctl("status", check=False)
        return code == 0 and status["control"]["pid"] == pid

    def any(self):
        name = self.rng.choice(("kill", "stop", "upgrade", "reload", "stop_and_kill",
                                "kill_in_upgrade"))
        getattr(self, name)()
        return name


def campaign(seed, rate):
    """Datagrams lost, and how many of these the machine lost by its own account."""
    rng = random.Random(seed)
    config = dict(h.CONFIG, lifetimes={"allocation_default_s": 90, "channel_s": 600,
                                       "permission_s": 300})
    with relay_of(config=config, dataplane_wrapper=BEFORE_OTHERS) as relay:
        dataplane = relay.dataplane.pid
        faults = Faults(relay, relay.directory / "turnpike-control", rng)
        machine = machine_drops(relay)
        half = CLIENTS // 2
        loads = [Load(relay, f, clients=half, rate=rate, duration=SECONDS, refresh=20)
                 for f in (4, 6)]
        for load in loads:
            load.wait_ready()
        begin, rounds = time.monotonic(), {}
        before = identities(relay)
        assert len(before) == CLIENTS
        while time.monotonic() < begin + SECONDS - QUIET_S:
            time.sleep(rng.uniform(0, 2))
            at = time.monotonic() - begin
            name = faults.any()
            rounds[name] = rounds.get(name, 0) + 1
            h.wait_until(lambda: relay.ctl("status", check=False)[0] == 0, 10, "healthy")
            assert identities(relay) == before, f"after {name} at {at:.3f} s"
        results = [load.result(SECONDS + 120) for load in loads]
        print(f"  {sum(rounds.values())} rounds: {rounds}")
        for load, r in zip(loads, results):
            print(f"  up {r['up']['sent']} lost {r['up']['lost']}, down {r['down']['sent']} lost "
                  f"{r['down']['lost']}, retransmitted requests {r['retransmissions']}")
            assert r["failures"] == 0, load.output()
            for way in ("up", "down"):
                assert r[way]["damaged"] == 0, load.output()
                assert r[way]["sent"] >= half * rate * SECONDS * 0.5, load.output()
        assert identities(relay) == before
        assert relay.dataplane.pid == dataplane and relay.dataplane.process.poll() is None
        lost = sum(r[way]["lost"] for r in results for way in ("up", "down"))
        return lost, machine_drops(relay) - machine


@h.alone
@h.long_test
def test_control_at_random_moments():
    seed = int(os.environ.get("TURNPIKE_SEED", "0")) or random.SystemRandom().getrandbits(31)
    for rate in (20, 8, 4):
        print(f"  TURNPIKE_SEED={seed} TURNPIKE_SECONDS={SECONDS}", flush=True)
        lost, machine = campaign(seed, rate)
        if lost == 0:
            return
        assert lost <= machine, f"{lost} lost, only {machine} of them by this machine"
        print(f"  {lost} lost at {rate}/s, {machine} by this machine for want of CPU: again")
    raise AssertionError("this machine was too busy three times to show that nothing is lost")
