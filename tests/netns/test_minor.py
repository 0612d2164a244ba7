# SPDX-License-Identifier: BSD-3-Clause
"""Control and dataplane of neighbouring ABI minors: each takes the other, and the calls go from hand to hand. The one
before has other records (layout1.py), so the session region changes its layout each time."""

import shutil
import signal
import time

import harness as h
from test_keeper import Calls, Kept, kill
from test_survival import BEFORE_OTHERS, Load, identities, machine_drops
from test_upgrade import call, program_of, talk, upgrade

BEFORE, AFTER = (h.BUILD / "tests" / "netns" / f"control-minor-{n}" for n in (1, 3))
RECORD = {1: 448, 2: 464}


def said(relay, minor):
    return f"the dataplane is of ABI 1.2, this control of 1.{minor}" in relay.control.output()


def converted(relay):
    """How often the dataplane made records of the version before (down), and back (up)."""
    text = relay.dataplane.output()
    return tuple(text.count(f"have {RECORD[to]} bytes for this control, and had {RECORD[of]}")
                 for of, to in ((2, 1), (1, 2)))


def put(program, path):
    """As a package manager does: the old file stays with who runs it."""
    fresh = path.with_suffix(".new")
    shutil.copy(program, fresh)
    fresh.rename(path)


def test_controls_of_other_minors_take_over():
    """One that is killed is followed by a newer, an older and one of the dataplane's own version."""
    with h.relay() as relay:
        client, peer = call(relay)
        before = identities(relay)
        for program, minor in ((AFTER, 3), (BEFORE, 1), (h.CONTROL, 2)):
            relay.control.end(signal.SIGKILL)
            talk(client, peer)
            relay.control = h.Daemon(relay, program, "control").wait_ready()
            assert said(relay, minor) == (minor != 2), relay.control.output()
            assert identities(relay) == before
            client.permit("198.18.0.21")
            assert client.refresh(600) == 600
            talk(client, peer)
            other, echo = call(relay)
            talk(other, echo)
            other.refresh(0)
            h.wait_until(lambda: identities(relay) == before, 2, "the other call is gone")
        assert converted(relay) == (1, 1), relay.dataplane.output()
        client.refresh(0)


def test_upgrade_to_the_next_minor_and_back():
    with h.relay() as relay:
        relay.control.end()
        path = program_of(relay)
        relay.control = h.Daemon(relay, path, "control").wait_ready()
        client, peer = call(relay)
        before = identities(relay)
        for program in (AFTER, BEFORE, h.CONTROL):
            put(program, path)
            upgrade(relay)
            assert identities(relay) == before
            talk(client, peer)
            assert client.refresh(600) == 600
        assert said(relay, 3) and said(relay, 1)
        assert converted(relay) == (1, 1), relay.dataplane.output()
        client.refresh(0)


def load_and_change_layout(clients, rate):
    """Handed over from the version before and back, then killed and followed by the other: lost datagrams, those of
    this machine."""
    config = dict(h.CONFIG, lifetimes={"allocation_default_s": 60, "channel_s": 600, "permission_s": 300})
    with h.relay(config=config, dataplane_wrapper=BEFORE_OTHERS) as relay:
        relay.control.end()
        path = program_of(relay)
        put(BEFORE, path)
        relay.control = h.Daemon(relay, path, "control").wait_ready()
        machine = machine_drops(relay)
        load = Load(relay, 4, clients=clients, rate=rate, duration=5, refresh=2)
        load.wait_ready()
        before = identities(relay)
        for program in (h.CONTROL, BEFORE):
            put(program, path)
            upgrade(relay)
            assert identities(relay) == before
        relay.control.process.kill()
        relay.control.process.wait(5)
        relay.control = h.Daemon(relay, h.CONTROL, "control").wait_ready()
        assert identities(relay) == before
        result = load.result(60)
        assert result["failures"] == 0, load.output()
        assert identities(relay) == before
        assert converted(relay) == (2, 2), relay.dataplane.output()
        sent, lost = (sum(result[way][what] for way in ("up", "down")) for what in ("sent", "lost"))
        print(f"  {sent} datagrams sent, {lost} lost")
        return lost, machine_drops(relay) - machine


@h.alone
def test_another_layout_under_load():
    for _ in range(3):
        lost, machine = load_and_change_layout(clients=50, rate=20)
        if lost == 0:
            return
        assert lost <= machine, f"{lost} lost, only {machine} of them by this machine"
        print(f"  {lost} lost, {machine} by this machine for want of CPU: again")


def test_a_kept_region_of_the_version_before():
    """All die at once, and what comes back is newer: their holder has the old region until it has the new one."""
    with Kept(control=BEFORE) as kept:
        calls = Calls()
        assert calls.once()
        before = identities(kept.relay)
        for program in (h.CONTROL, BEFORE):
            put(program, kept.control_path)
            killed = time.monotonic()
            kill(*kept.pids().values())
            calls.gap(killed)
            kept.wait_healthy()
            assert identities(kept.relay) == before
        assert kept.keeper.output().count("with what was kept for it") == 2
        calls.close()
