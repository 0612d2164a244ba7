# SPDX-License-Identifier: BSD-3-Clause
"""Ports of mode bench: a device of DPDK, and the routes of a kernel interface."""

import json
import pathlib
import signal
import subprocess
import tempfile

import harness as h

FLOWS = 1024


def config(vdev, interface=True):
    port = {"name": "wan", "mode": "bench", "vdev": vdev, **({"interface": "eth0"} if interface else {})}
    return {"ports": [port], "listeners": [{"address": h.RELAY4, "port": 3478, "transports": ["udp"]}],
            "relay": {"addresses": [{"prefix": "198.18.7.0/26"}], "port_range": [49152, 65535]},
            "provision": {"allow": True}}


def frames(directory, direction):
    """A file of frames of as many synthetic allocations as are made below."""
    with h.relay(**config("net_null0")) as relay:
        relay.ctl("provision", f"count={FLOWS}")
        made = pathlib.Path(directory, "made.json")
        made.write_text(json.dumps(relay.ctl("provision", "status")))
    path = pathlib.Path(directory, "frames.pcap")
    subprocess.run([h.BENCH, "pcap", "--numbering", made, "--direction", direction, "--size", "206", "--out", path],
                   check=True, capture_output=True)
    return path


def relayed(path, counter, interface=True):
    """Frames relayed and dropped while one more million came."""
    with h.relay(**config(f"net_pcap0,rx_pcap={path},infinite_rx=1", interface)) as relay:
        relay.ctl("provision", f"count={FLOWS}")
        if interface:
            h.wait_until(lambda: relay.counter(counter) > 0, 10, "the next hop is resolved")
        before = relay.stats()
        h.wait_until(lambda: relay.counter("rx") > before["counters"]["rx"] + 1000000, 20, "a million came")
        after = relay.stats()
        return (after["counters"][counter] - before["counters"][counter],
                {k: v - before["drops"][k] for k, v in after["drops"].items() if v != before["drops"][k]})


def test_frames_of_a_file_are_relayed():
    for direction, counter in (("up", "channel_up"), ("down", "channel_down")):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as d:
            n, drops = relayed(frames(d, direction), counter)
            assert n >= 1000000 and not drops, (n, drops)


def test_without_an_interface_nothing_has_a_way_out():
    with tempfile.TemporaryDirectory(dir="/dev/shm") as d:
        n, drops = relayed(frames(d, "up"), "channel_up", interface=False)
        assert set(drops) == {"no_route"} and drops["no_route"] >= 1000000, (n, drops)


def shares_memory(daemon):
    """Whether it has mapped the memory of a memif's other end, which ends the handshake: DPDK 22.11 keeps the
    descriptor of memory that it has not mapped yet when the other end leaves."""
    assert daemon.process.poll() is None, f"{daemon.process.returncode}: {daemon.output()}"
    return "memfd:memif" in pathlib.Path(f"/proc/{daemon.pid}/maps").read_text()


@h.alone
def test_the_other_end_of_a_memif_comes_and_goes():
    """DPDK's thread of interrupts does it, under the filter of system calls."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as d:
        server, client = (h.Relay(**config(f"net_memif0,role={role},socket={d}/memif,socket-abstract=no", False))
                          for role in ("server", "client"))
        try:
            server.start_dataplane()
            for end in (signal.SIGKILL, signal.SIGTERM):
                client.start_dataplane()
                h.wait_until(lambda: shares_memory(server.dataplane), 10, "connected")
                client.dataplane.end(end)
                h.wait_until(lambda: not shares_memory(server.dataplane), 10, "let go")
            client.close()
            server.close()
        except BaseException:
            server.kill_all()
            client.kill_all()
            raise
