# SPDX-License-Identifier: BSD-3-Clause
"""As many real allocations against synthetic ones: what is measured with provision is what clients will have.

Real clients allocate over the veth, and stop; then frames of their channels are replayed on a port of mode bench. Another
relay has synthetic allocations and the same frames, but for addresses, ports and channels. Of the two dataplanes
only the measured one runs."""

import contextlib
import pathlib
import signal
import socket
import statistics
import struct
import subprocess

import churn
import lab
import ports
from lab import h
from row import PORT, Row, interleave

import test_load  # of tests/netns

FIRST_PORT, FLOWS = 1024, 64512  # of the clients' one address, one after the other, and as CSIT has it
LOADS = 4                        # processes, since one may have too few descriptors
CHANNELS = 0x1000                # each uses so many numbers in turn, from 0x4000 on
SECONDS = 1.0               # of each window
PEER = "198.19.255.1"       # behind the interface of the bench port
CLIENTS_MAKE_S = 120        # all of them
FILE_BYTES, RECORD_BYTES = 24, 16  # headers of a pcap file and of its frames
ETHER, IPV4, UDP = 14, 20, 8


def ones_sum(data):
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total > 0xffff:
        total = (total & 0xffff) + (total >> 16)
    return total


def rewritten(frame, number):
    """The frame as if that client had sent it on its channel; its UDP checksum is none."""
    port, channel = FIRST_PORT + number, 0x4000 + number % (FLOWS // LOADS) % CHANNELS
    ends = socket.inet_aton(h.CLIENT4) + socket.inet_aton(h.RELAY4)
    ip = frame[ETHER:ETHER + 10] + bytes(2) + ends
    ip = ip[:10] + struct.pack(">H", ones_sum(ip) ^ 0xffff) + ip[12:]
    udp = frame[ETHER + IPV4:]
    return frame[:ETHER] + ip + struct.pack(">H", port) + udp[2:UDP] + struct.pack(">H", channel) + udp[UDP + 2:]


def real_frames(synthetic, out):
    """Frame by frame those of the file, each synthetic flow turned into a real client's."""
    data, at, whose, pieces = synthetic.read_bytes(), FILE_BYTES, {}, []
    while at < len(data):
        length, = struct.unpack_from("<I", data, at + 8)
        frame = data[at + RECORD_BYTES:at + RECORD_BYTES + length]
        flow = frame[ETHER + 12:ETHER + 16] + frame[ETHER + IPV4:ETHER + IPV4 + 2] + frame[ETHER + IPV4 + UDP:][:2]
        number = whose.setdefault(flow, len(whose))
        pieces += (data[at:at + RECORD_BYTES], rewritten(frame, number))
        at += RECORD_BYTES + length
    assert len(whose) == FLOWS, len(whose)
    out.write_bytes(data[:FILE_BYTES] + b"".join(pieces))


def load(directory, number):
    """A process of FLOWS / LOADS clients, and the file that it makes when all have their channel."""
    each = FLOWS // LOADS
    ready, log = (pathlib.Path(directory, f"{name}{number}") for name in ("ready", "log"))
    with log.open("w") as f:
        process = subprocess.Popen([
            "setpriv", "--pdeathsig", "KILL", "taskset", "-c", "0", h.BENCH, "load", *test_load.FLAGS, "--peer-address", PEER,
            "--direction", "up", "--rate", "1", f"--clients={each}", f"--client-port={FIRST_PORT + each * number}",
            f"--ready-file={ready}"], stdout=f, stderr=f)
    return process, ready, log


@contextlib.contextmanager
def clients(directory):
    """FLOWS clients with a channel each, which say nothing more."""
    loads = []
    h.run_in("peer", "ip", "addr", "add", f"{PEER}/32", "dev", "lo")
    try:
        for number in range(LOADS):  # in turn: all of the control core is one's
            process, ready, log = load(directory, number)
            loads.append(process)
            h.wait_until(lambda: ready.exists() or process.poll() is not None, CLIENTS_MAKE_S, "all clients are there")
            assert process.poll() is None, log.read_text()[-500:]
            process.send_signal(signal.SIGSTOP)
        yield
    finally:
        for process in loads:
            process.kill()
            process.wait(10)
        h.run_in("peer", "ip", "addr", "del", f"{PEER}/32", "dev", "lo")


def cycles(relay):
    """Of a datagram, while this dataplane alone runs."""
    relay.dataplane.signal(signal.SIGCONT)
    h.wait_until(lambda: lab.stats_rate(relay, ["channel_up"], 0.1)["dropped"] < 0.001, 20, "all is relayed")
    got = lab.stats_rate(relay, ["channel_up"], SECONDS)
    relay.dataplane.signal(signal.SIGSTOP)
    return got["cycles"]


def in_turns(count, real, synthetic):
    """Pairs of cycles; both dataplanes run again afterwards."""
    both = (real.dataplane, synthetic.dataplane)
    for dataplane in both:
        dataplane.signal(signal.SIGSTOP)
    try:
        return interleave(count, lambda: cycles(real), lambda: cycles(synthetic))
    finally:
        for dataplane in both:
            dataplane.signal(signal.SIGCONT)


def config(vdev):
    """net_pcap that repeats a file keeps each frame of it in an mbuf."""
    base = churn.config(vdev)
    return {**base, "limits": {**base["limits"], "mbufs": FLOWS + 32768}}


def alone(vdev):
    """Without the port that requests come by."""
    base = config(vdev)
    return {**base, "ports": base["ports"][1:], "workers": {**base["workers"], "cores": [lab.cpu()]}}


def compare(options):
    with churn.routes(), lab.directory() as d:
        with h.relay(churn.config("net_null0")) as r:
            made = lab.frames(d, churn.provisioned(r, FLOWS), "up", ports.SIZE, FLOWS)
        path = pathlib.Path(d, "real.pcap")
        real_frames(made, path)
        with h.relay(alone(ports.replay(made))) as synthetic:
            churn.provisioned(synthetic, FLOWS)
            with h.relay(config(ports.replay(path))) as real, clients(d):
                pairs = in_turns(options.pairs, real, synthetic)[1:]
    ratios = [a / b for a, b in pairs]
    middle = statistics.median(ratios)
    yield Row("G2", f"{FLOWS} real allocations and synthetic ones", PORT, max(middle, 1 / middle), "apart", 1.02, 1.01,
              pairs=len(pairs), note=f"real ones {min(ratios):.3f} .. {max(ratios):.3f}, median {middle:.3f}, of the cycles of "
              f"synthetic ones; {pairs[-1][0]:.0f} and {pairs[-1][1]:.0f} cycles")


CASES = [
    ("G2", "real allocations against synthetic ones", compare, False),
]
