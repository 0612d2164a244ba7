# SPDX-License-Identifier: BSD-3-Clause
"""Least privilege, as /proc tells it: user, groups, capabilities, filters, modes; and that nothing of
the relay's life needs more: stops, restarts, reloads."""

import contextlib
import grp
import os
import pwd
import re
import shutil
import signal
import stat

import harness as h
from test_survival import identities
from test_upgrade import upgrade

USER, GROUP = "nobody", pwd.getpwnam("nobody").pw_gid
UID = pwd.getpwnam(USER).pw_uid
NET_BIND_SERVICE, NET_ADMIN, NET_RAW, IPC_LOCK, PERFMON, BPF = 10, 12, 13, 14, 38, 39
DATAPLANE_CAPS = sum(1 << c for c in (NET_ADMIN, NET_RAW, IPC_LOCK, PERFMON, BPF))
SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
RESERVED = "/proc/sys/net/ipv4/ip_local_reserved_ports"
FILES = {"dataplane.sock", "control.sock", "dataplane.lock", "control.lock", "steer.state", "streams.sock"}


def threads(pid):
    """Fields of /proc/PID/task/*/status."""
    found = []
    for task in os.listdir(f"/proc/{pid}/task"):
        text = open(f"/proc/{pid}/task/{task}/status").read()
        found.append(dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line))
    return found


# A sanitizer's runtime needs calls that the lists do not have: such a build loads no filter.
FILTERED = "0" if h.SANITIZED else "2"


def assert_privileges(pid, caps, uid, gid, groups, seccomp=FILTERED):
    tasks = threads(pid)
    for t in tasks:
        who = f"{t['Name']} ({t['Pid']})"
        assert t["Uid"].split() == [str(uid)] * 4, (who, t["Uid"])
        assert t["Gid"].split() == [str(gid)] * 4, (who, t["Gid"])
        assert t["Groups"].split() == [str(g) for g in groups], (who, t["Groups"])
        want = dict(zip(SETS, (0, caps, caps, 0, 0)))
        have = {s: int(t[s], 16) for s in SETS}
        assert have == want, (who, {s: hex(v) for s, v in have.items()})
        assert t["NoNewPrivs"] == "1", who
        assert t["Seccomp"] == seccomp, (who, t["Seccomp"])
    return len(tasks)


def modes(relay):
    """name -> (uid, gid, mode) of what the daemons made in the run directory."""
    found = {}
    for name in os.listdir(relay.directory):
        if re.search(r"\.(log|notify|json)$", name):
            continue  # the harness made these
        s = os.lstat(relay.directory / name)
        found[name] = (s.st_uid, s.st_gid, stat.S_IMODE(s.st_mode))
    return found


@contextlib.contextmanager
def dropped(**changes):
    """A relay whose daemons are started as root and become nobody, in the run directory that the
    recipe of the manual makes."""
    privileges = {"user": USER, **changes.pop("privileges", {})}
    relay = h.Relay(privileges=privileges, **changes)
    try:
        os.chown(relay.directory, UID, GROUP)
        os.chmod(relay.directory, 0o750)
        permit(relay)
        yield relay
    except BaseException:
        import sys
        sys.stderr.write(relay.logs())
        relay.kill_all()
        raise
    relay.close()


def permit(relay):
    os.chown(relay.config_path, 0, GROUP)
    os.chmod(relay.config_path, 0o640)


def start(relay):
    """The socket of the service manager is one that everybody may write to."""
    umask = os.umask(0)
    try:
        relay.start_dataplane()
        relay.start_control()
    finally:
        os.umask(umask)


def media(relay):
    client = h.client()
    relayed = client.allocate()
    peer = h.udp("peer", h.PEER4)
    client.bind(0x4001, (h.PEER4, peer.getsockname()[1]))

    def both_ways(timeout=2.0):
        client.send_channel(0x4001, b"up")
        peer.sendto(b"down", relayed)
        return (h.receive(peer, timeout) == (b"up", relayed)
                and client.receive(timeout) == ("channel", 0x4001, b"down"))

    return client, both_ways


def assert_no_trace(reserved):
    link = h.run_in("relay", "ip", "-d", "link", "show", "dev", "eth0").stdout
    assert "xdp" not in link, link
    filters = h.run_in("relay", "tc", "filter", "show", "dev", "eth0", "ingress", check=False).stdout
    assert "tp_" not in filters, filters
    assert h.run_in("relay", "cat", RESERVED).stdout == reserved


def test_every_thread_has_what_it_needs_and_no_more():
    groups = sorted(os.getgrouplist(USER, GROUP))
    with dropped() as relay:
        start(relay)
        _, both_ways = media(relay)
        assert both_ways()
        assert assert_privileges(relay.dataplane.pid, DATAPLANE_CAPS, UID, GROUP, groups) >= 3
        assert_privileges(relay.control.pid, 0, UID, GROUP, groups)
        assert both_ways()


def test_files_belong_to_the_user_and_to_nobody_else():
    with dropped() as relay:
        start(relay)
        found = modes(relay)
        assert set(found) == FILES, found
        for name, (uid, gid, mode) in found.items():
            assert (uid, gid) == (UID, GROUP), (name, uid, gid)
            assert mode in (0o600, 0o660), f"{name}: {mode:o}"


def test_run_directory_is_made_and_what_root_left_is_handed_over():
    with dropped() as relay:
        made = relay.directory / "run"
        relay.config["run_directory"] = str(made)
        relay.write_config()
        permit(relay)
        os.chmod(relay.directory, 0o755)
        # As a version that ran as root left it, before and after: nobody could not open any of it.
        made.mkdir(mode=0o700)
        for name in ("dataplane.lock", "control.lock"):
            (made / name).touch(mode=0o600)
        for _ in range(2):
            start(relay)
            s = made.stat()
            assert (s.st_uid, s.st_gid, stat.S_IMODE(s.st_mode)) == (UID, GROUP, 0o750), oct(s.st_mode)
            assert all(os.lstat(made / n).st_uid == UID for n in os.listdir(made))
            relay.stop()
            shutil.rmtree(made)


def test_run_directory_of_somebody_else_is_refused_and_left_alone():
    with dropped() as relay:
        os.chown(relay.directory, 0, 0)
        daemon = h.Daemon(relay, h.DATAPLANE, "dataplane")
        assert daemon.process.wait(20) == 1
        assert str(relay.directory) in daemon.output() and "chown nobody" in daemon.output()
        assert relay.directory.stat().st_uid == 0


def test_a_link_in_the_run_directory_is_not_followed():
    with dropped() as relay:
        target = relay.directory / "precious.json"
        target.write_text("precious")
        os.chmod(target, 0o600)
        os.symlink(target, relay.directory / "dataplane.lock")
        daemon = h.Daemon(relay, h.DATAPLANE, "dataplane")
        assert daemon.process.wait(20) == 1
        assert target.read_text() == "precious" and target.stat().st_uid == 0


def test_orderly_stop_and_kills_need_no_root():
    reserved = h.run_in("relay", "cat", RESERVED).stdout
    with dropped() as relay:
        start(relay)
        client, both_ways = media(relay)
        assert both_ways()
        assert "49152" in h.run_in("relay", "cat", RESERVED).stdout
        relay.control.end(signal.SIGKILL)
        assert both_ways()
        umask = os.umask(0)
        relay.start_control()
        h.wait_until(lambda: both_ways(0.2), 5, "media after control's restart")
        relay.dataplane.end(signal.SIGKILL)
        relay.start_dataplane()
        h.wait_until(lambda: both_ways(0.2), 10, "media after the dataplane's restart")
        os.umask(umask)
        assert client.refresh() > 0
        assert relay.stop() == {"control": 0, "dataplane": 0}
        assert_no_trace(reserved)


def test_program_of_a_forgotten_run_is_known_by_its_name():
    """The record is gone, so only the name tells; it is read before the capability goes."""
    with dropped() as relay:
        start(relay)
        relay.control.end(signal.SIGKILL)
        relay.dataplane.end(signal.SIGKILL)
        (relay.directory / "steer.state").unlink()
        start(relay)
        _, both_ways = media(relay)
        assert both_ways()
    h.run_in("relay", "sysctl", "-qw", "net.ipv4.ip_local_reserved_ports=")


def test_reload_by_signal_and_by_operator():
    with dropped() as relay:
        start(relay)
        relay.config["auth"]["users"].append({"name": "w", "password": "r"})
        relay.write_config()
        relay.control.signal(signal.SIGHUP)
        h.wait_until(lambda: "auth.users changed" in relay.control.output(), 5, "reload by SIGHUP")
        h.client(user="w", password="r").allocate()
        relay.config["software"] = "again"
        relay.write_config()
        assert relay.ctl("reload")

        # Unreadable: said with path, reason, user and group; the old one stays.
        os.chmod(relay.config_path, 0o600)
        code, _ = relay.ctl("reload", check=False)
        assert code == 1
        line = next(x for x in relay.control.output().splitlines() if "cannot be read" in x)
        group = grp.getgrgid(GROUP).gr_name
        for word in (str(relay.config_path), "Permission denied", f"user {USER}", f"group {group}"):
            assert word in line, line
        h.client(user="w", password="r").allocate()


def test_unreadable_config_is_said_at_start():
    with dropped() as relay:
        os.chmod(relay.config_path, 0o600)
        start(relay)
        assert f"{relay.config_path}: user {USER}" in relay.control.output()
        assert "reload will be refused" in relay.control.output()


def test_root_without_a_user_of_ours_keeps_few_capabilities():
    # This machine may have a user turnpike: then root has to be asked for.
    exists = "turnpike" in (p.pw_name for p in pwd.getpwall())
    with h.relay(**({"privileges": {"user": "root"}} if exists else {})) as relay:
        assert_privileges(relay.dataplane.pid, DATAPLANE_CAPS, 0, 0, [])
        assert_privileges(relay.control.pid, 0, 0, 0, [])
        if not exists:
            assert "there is no user turnpike" in relay.dataplane.output()
            assert "there is no user turnpike" in relay.control.output()


def test_unknown_user_is_refused():
    relay = h.Relay(privileges={"user": "no-such-user"})
    try:
        for binary, name in ((h.DATAPLANE, "dataplane"), (h.CONTROL, "control")):
            daemon = h.Daemon(relay, binary, name)
            assert daemon.process.wait(20) == 1
            assert "privileges.user: user no-such-user" in daemon.output(), daemon.output()
    finally:
        relay.kill_all()


def test_low_metrics_port_keeps_one_capability():
    with dropped(metrics={"address": "127.0.0.1", "port": 641}) as relay:
        start(relay)
        assert_privileges(relay.control.pid, 1 << NET_BIND_SERVICE, UID, GROUP,
                          sorted(os.getgrouplist(USER, GROUP)))
        text = h.run_in("relay", "python3", "-c", "import urllib.request as r;"
                        "print(r.urlopen('http://127.0.0.1:641/metrics').status)").stdout
        assert text.strip() == "200"


def test_filter_can_be_switched_off_and_memory_opened():
    def readable(pid):
        # The owner of /proc/PID is root where the process' memory is nobody's business.
        return os.stat(f"/proc/{pid}/environ").st_uid == UID

    groups = sorted(os.getgrouplist(USER, GROUP))
    with dropped() as relay:
        start(relay)
        assert not readable(relay.control.pid) and readable(relay.dataplane.pid)
    with dropped(privileges={"seccomp": "off", "core_dumps": True}) as relay:
        start(relay)
        assert readable(relay.control.pid)
        for daemon, caps in ((relay.dataplane, DATAPLANE_CAPS), (relay.control, 0)):
            assert_privileges(daemon.pid, caps, UID, GROUP, groups, seccomp="0")
            assert "no filter of system calls" in daemon.output()


def test_the_next_generation_of_a_dropped_control_takes_over():
    """Started by a process that has no privileges left: the same user, nothing more, the same calls."""
    groups = sorted(os.getgrouplist(USER, GROUP))
    with dropped() as relay:
        program = relay.directory / "turnpike-control"
        shutil.copy(h.CONTROL, program)
        umask = os.umask(0)
        relay.start_dataplane()
        relay.control = h.Daemon(relay, program, "control").wait_ready()
        os.umask(umask)
        client, both_ways = media(relay)
        before = identities(relay)
        for _ in range(2):
            upgrade(relay)
            assert both_ways()
            assert identities(relay) == before
            assert client.refresh() > 0
            assert_privileges(relay.control.process.pid, 0, UID, GROUP, groups)
        assert relay.control.process.pid == int((relay.directory / "control.lock").read_text())
        h.client().allocate()
