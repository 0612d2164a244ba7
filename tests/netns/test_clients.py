# SPDX-License-Identifier: BSD-3-Clause
"""coturn's clients through the relay: second opinions on the protocol."""

import contextlib
import re
import subprocess

import harness as h


@contextlib.contextmanager
def echo_peer(address):
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", h.namespace("peer"),
         "turnutils_peer", "-L", address, "-p", "3480"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        h.wait_until(lambda: "3480" in h.run_in("peer", "ss", "-Hulpn").stdout, 5, "turnutils_peer")
        yield
    finally:
        process.kill()
        process.wait(5)


def uclient(*flags, **more):
    """What is lost is lost again: a machine that is busy elsewhere drops a datagram now and then, a relay that does not work
    more."""
    lost = [uclient_once(*flags, **more)]
    if lost[0]:
        lost.append(uclient_once(*flags, **more))
    assert 0 in lost, lost


def uclient_once(*flags, server=h.RELAY4, peer=h.PEER4, clients=10, messages=100, rtcp=False):
    """Datagrams lost. -c: without RTCP connections, which come as EVEN-PORT pairs with a RESERVATION-TOKEN."""
    done = h.run_in("client", "turnutils_uclient", "-u", "u", "-w", "p", "-e", peer, "-r", "3480",
                    "-n", messages, "-m", clients, "-l", 172, *([] if rtcp else ["-c"]), *flags, server, check=False,
                    timeout=120)
    text = done.stdout + done.stderr
    assert done.returncode == 0, text[-3000:]
    sent, received = re.findall(r"tot_send_msgs=(\d+), tot_recv_msgs=(\d+)", text)[-1]
    lost = int(re.findall(r"Total lost packets (\d+)", text)[-1])
    assert int(sent) == int(received) + lost == clients * messages, text[-3000:]
    return lost


def uclients(*all_flags, **more):
    """One process for each tuple of flags, at the same time: they wait more than they do."""
    for job in [h.in_thread(lambda flags=flags: uclient(*flags, **more)) for flags in all_flags]:
        job.result()


# Debian's turnutils_uclient picks channel numbers from all that RFC 5766 allowed, and asks for dual
# allocations by the number of a draft (0x8032).
LEGACY = {"compatibility": {"channel_numbers": "rfc5766", "dual_allocation": "draft"}}


def test_turnutils_uclient():
    with h.relay(**LEGACY) as relay, echo_peer(h.PEER4):
        uclients((), ("-s",))
        assert relay.counter("channel_up") >= 1000 and relay.counter("channel_down") >= 1000
        assert relay.counter("send_up") >= 1000 and relay.counter("data_down") >= 1000


def test_turnutils_uclient_ipv6():
    with h.relay(**LEGACY), echo_peer(h.PEER6):
        job = h.in_thread(lambda: uclient("-x", server=h.RELAY6, peer=h.PEER6))
        uclient("-x", "-s", server=h.RELAY4, peer=h.PEER6)
        job.result()


def test_turnutils_uclient_combinations():
    """DONT-FRAGMENT (-g), even ports (no -c: RTCP pairs), dual allocations (-Z), and all of it
    with Send indications; each relayed and none lost."""
    with h.relay(**LEGACY), echo_peer(h.PEER4):
        uclients(("-g",), ("-g", "-s"), ("-Z",), ("-Z", "-s"), ("-Z", "-g"))


def test_turnutils_uclient_even_ports():
    with h.relay(**LEGACY), echo_peer(h.PEER4):
        uclients((), ("-s",), ("-g",), rtcp=True)


def test_turnutils_uclient_mobility():
    """-M: each client opens its socket again and again, and takes its allocation along by its ticket."""
    with h.relay(mobility=True, **LEGACY) as relay, echo_peer(h.PEER4):
        uclients(("-M",), ("-M", "-s"))
        left = relay.ctl("allocation", "list")["allocations"]
        assert left and all(a["mobile"] and a["moves"] == 1 for a in left), left


def test_turnutils_uclient_client_to_client():
    """-y: the clients are each other's peers, through two allocations of this appliance."""
    with h.relay(**LEGACY) as relay:
        done = h.run_in("client", "turnutils_uclient", "-u", "u", "-w", "p", "-y", "-c", "-n", 50,
                        "-m", 10, "-l", 172, h.RELAY4, check=False, timeout=120)
        text = done.stdout + done.stderr
        assert done.returncode == 0 and "Total lost packets 0 " in text, text[-3000:]
        assert relay.counter("hairpin") >= 500


def test_turnutils_stunclient():
    with h.relay() as relay:
        for server in (h.RELAY4, h.RELAY6):
            done = h.run_in("client", "turnutils_stunclient", server)
            expected = h.CLIENT6 if ":" in server else h.CLIENT4
            assert f"UDP reflexive addr: {expected}" in done.stdout.replace("[", "").replace("]", ""), \
                done.stdout
        assert relay.counter("binding") >= 2, "Binding was not answered in the worker"
