# SPDX-License-Identifier: BSD-3-Clause
"""Control and dataplane of neighbouring ABI minors: each takes the other, and the calls go from hand to hand."""

import shutil
import signal

import harness as h
from test_survival import identities
from test_upgrade import call, program_of, talk, upgrade

BEFORE, AFTER = (h.BUILD / "tests" / "netns" / f"control-minor-{n}" for n in (0, 2))


def said(relay, minor):
    return f"the dataplane is of ABI 1.1, this control of 1.{minor}" in relay.control.output()


def test_controls_of_other_minors_take_over():
    """One that is killed is followed by a newer, an older and one of the dataplane's own version."""
    with h.relay() as relay:
        client, peer = call(relay)
        before = identities(relay)
        for program, minor in ((AFTER, 2), (BEFORE, 0), (h.CONTROL, 1)):
            relay.control.end(signal.SIGKILL)
            talk(client, peer)
            relay.control = h.Daemon(relay, program, "control").wait_ready()
            assert said(relay, minor) == (minor != 1), relay.control.output()
            assert identities(relay) == before
            client.permit("198.18.0.21")
            assert client.refresh(600) == 600
            talk(client, peer)
            other, echo = call(relay)
            talk(other, echo)
            other.refresh(0)
            h.wait_until(lambda: identities(relay) == before, 2, "the other call is gone")
        client.refresh(0)


def test_upgrade_to_the_next_minor_and_back():
    with h.relay() as relay:
        relay.control.end()
        path = program_of(relay)
        relay.control = h.Daemon(relay, path, "control").wait_ready()
        client, peer = call(relay)
        before = identities(relay)
        for program in (AFTER, BEFORE, h.CONTROL):
            fresh = path.with_suffix(".new")
            shutil.copy(program, fresh)
            fresh.rename(path)
            upgrade(relay)
            assert identities(relay) == before
            talk(client, peer)
            assert client.refresh(600) == 600
        assert said(relay, 2) and said(relay, 0)
        client.refresh(0)
