# SPDX-License-Identifier: BSD-3-Clause
"""Synthetic allocations: made without a client, used by plain sockets at the addresses of the formula."""

import json
import signal
import socket
import struct
import subprocess

import frames
import harness as h

COUNT = 2000
CONFIG = {**h.CONFIG, "provision": {"allow": True}, "quotas": {"allocations_total": 2}}
WHERE = (f"client={h.CLIENT4}", f"peer={h.PEER4}")


def chandata(channel, data):
    return struct.pack("!HH", channel, len(data)) + data


def assert_flow_relays(numbering, flow, peers):
    """Up and down by the numbers alone: what bits of `flow` say is what the sockets see."""
    allocation, k = flow >> numbering["channel_bits"], flow & (1 << numbering["channel_bits"]) - 1
    client = h.udp("client", h.CLIENT4, 16384 + allocation)
    peer = peers.setdefault(k, None) or h.udp("peer", h.PEER4, 32768 + k)
    peers[k] = peer
    client.sendto(chandata(0x4000 + k, b"up %d" % flow), (h.RELAY4, 3478))
    got = h.receive(peer)
    assert got == (b"up %d" % flow, (h.RELAY4, 49152 + allocation)), got
    peer.sendto(b"down %d" % flow, got[1])
    assert h.receive(client)[0] == chandata(0x4000 + k, b"down %d" % flow)
    client.close()


def ports(relay):
    entry = relay.ctl("relay", "list")["relays"][0]
    return {k: entry[k] for k in ("free", "taken", "resting")}


def test_provisioned_flows_relay():
    addresses = [{"address": h.RELAY4}, {"prefix": "198.18.7.0/26"}]
    with h.relay(CONFIG, relay={**CONFIG["relay"], "addresses": addresses}) as relay:
        relay.ctl("relay", "drain", h.RELAY4)  # clients are served from the other one
        before, real = ports(relay), h.client()
        real.allocate()
        job = relay.ctl("provision", f"count={COUNT}", "channels=2", f"relay={h.RELAY4}", *WHERE)
        assert (job["state"], job["made"], job["synthetic"]) == ("made", COUNT, COUNT), job
        assert ports(relay)["taken"] == COUNT
        peers = {}
        for flow in (0, 1, 2, 1023, 2 * COUNT - 1):
            assert_flow_relays(job["numbering"], flow, peers)

        shown = relay.ctl("allocation", "show", f"client={h.CLIENT4}:16384")
        assert shown["synthetic"] and "realm" not in shown and shown["user"] == "synthetic", shown
        assert (shown["up_packets"], shown["down_packets"]) == (2, 2), shown
        assert [c["channel"] for c in shown["channels"]].count("0x4001") == 1, shown
        listed = relay.ctl("allocation", "list", "limit=500")["allocations"]
        assert sum(not a["synthetic"] for a in listed) == 1
        assert relay.ctl("status")["control"]["synthetic"] == COUNT

        # They are in no quota: of two allocations a client still has the second.
        h.client().allocate()
        code, _ = relay.ctl("provision", "count=1", *WHERE, check=False)
        assert code == 1, "there are some already"

        job = relay.ctl("unprovision")
        assert (job["state"], job["removed"], job["synthetic"]) == ("idle", COUNT, 0), job
        assert ports(relay) == before
        client = h.udp("client", h.CLIENT4, 16384)
        client.sendto(chandata(0x4000, b"gone"), (h.RELAY4, 3478))
        assert h.receive(peers[0], 0.3) is None
        real.refresh(600)


def test_provisioned_flows_survive_control():
    """They outlive a control like all others while the configuration allows them; else they go."""
    with h.relay(CONFIG) as relay:
        job = relay.ctl("provision", "count=100", *WHERE)
        numbering, peers = job["numbering"], {}
        relay.control.end(signal.SIGKILL)
        assert_flow_relays(numbering, 5, peers)
        relay.start_control()
        assert_flow_relays(numbering, 6, peers)
        job = relay.ctl("provision", "status")
        assert (job["synthetic"], job["numbering"], job["state"]) == (100, None, "idle"), job

        relay.control.end()
        relay.config["provision"] = {"allow": False}
        relay.write_config()
        relay.start_control()
        assert relay.ctl("provision", "status")["synthetic"] == 0
        code, _ = relay.ctl("provision", "count=1", check=False)
        assert code == 1, "not allowed"
        client = h.udp("client", h.CLIENT4, 16384 + 5)
        client.sendto(chandata(0x4000, b"gone"), (h.RELAY4, 3478))
        assert h.receive(peers[0], 0.3) is None
        relay.control.end()
        relay.start_control()


def test_provision_meets_a_client():
    """A relayed address that a client has: nothing is left, and the client keeps it."""
    narrow = {**CONFIG["relay"], "port_range": [49152, 50175]}
    with h.relay(CONFIG, relay=narrow) as relay:
        real = h.client()
        relayed = real.allocate()
        before = ports(relay)
        code, job = relay.ctl("provision", "count=1024", *WHERE, check=False)
        assert code == 1 and job["state"] == "failed" and "taken" in job["error"], (code, job)
        status = relay.ctl("provision", "status")
        assert status["synthetic"] == 0, status
        assert ports(relay) == before
        assert relay.ctl("allocation", "list")["allocations"][0]["relayed"] == [
            f"{relayed[0]}:{relayed[1]}"]


def addressed(first, address, port):
    """'198.19.0.0:16384' and what bits of the flow's number add to both."""
    host, _, base = first.rpartition(":")
    number = struct.unpack("!I", socket.inet_aton(host))[0] + address
    return socket.inet_ntoa(struct.pack("!I", number)), int(base) + port


def as_relayed(n, direction, flow):
    """(source, destination) of what leaves the relay."""
    k, allocation = flow & (1 << n["channel_bits"]) - 1, flow >> n["channel_bits"]
    high, low = allocation >> n["port_bits"], allocation & (1 << n["port_bits"]) - 1
    if direction == "up":
        return (addressed(n["relayed"], high, low),
                addressed(n["peer"], k & (1 << n["peer_bits"]) - 1, k >> n["peer_bits"]))
    return addressed(n["listener"], 0, 0), addressed(n["client"], high, low)


def stamped(frame, i):
    """As a generator with statistics sends it: an IPv4 ID, and 16 bytes of its own at the end."""
    head = frame[14:18] + struct.pack("!H", i) + frame[20:24] + b"\0\0" + frame[26:34]
    head = head[:10] + struct.pack("!H", frames.checksum(head)) + head[12:]
    return frame[:14] + head + frame[34:-16] + b"stamp" + struct.pack("!IHIB", i, 0, ~i & 0xffffffff, 0)


def pcap_frames(relay, document, direction, mac):
    path = relay.directory / f"{direction}.pcap"
    subprocess.run([h.BENCH, "pcap", "--numbering", document, "--direction", direction, "--size", "152",
                    "--destination-mac", mac, "--out", path], check=True, stdout=subprocess.DEVNULL)
    data, at = path.read_bytes(), 24
    while at < len(data):
        length, = struct.unpack_from("=I", data, at + 8)
        yield data[at + 16:at + 16 + length]
        at += 16 + length


def relayed_of(frame):
    """(IPv4 ID, last 16 bytes, source, destination), or None for what is no UDP over IPv4."""
    if frame[12:14] != b"\x08\0" or frame[23] != 17:
        return None
    sport, dport = struct.unpack_from("!HH", frame, 34)
    return (struct.unpack_from("!H", frame, 18)[0], frame[-16:],
            (socket.inet_ntoa(frame[26:30]), sport), (socket.inet_ntoa(frame[30:34]), dport))


def test_frames_of_the_file_are_relayed():
    """Every frame of turnpike-bench pcap finds its flow and leaves as the numbering says, with its ID and
    the end of its payload."""
    addresses = [{"prefix": "198.18.7.0/26"}]
    with h.relay(CONFIG, relay={**CONFIG["relay"], "addresses": addresses},
                 forwarding={"ip_id": "keep"}) as relay, h.inside("client"):
        mac = (h.run_in("relay", "cat", "/sys/class/net/eth0/address").stdout).strip()
        job = relay.ctl("provision", "count=250", "channels=4", "peers=2")
        document = relay.directory / "made.json"
        document.write_text(json.dumps(job))
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 23)
        wire.bind(("eth0", 0))
        for direction in ("up", "down"):
            sent = [stamped(f, i + 1) for i, f in enumerate(pcap_frames(relay, document, direction, mac))]
            expected = {(i + 1, frame[-16:], *as_relayed(job["numbering"], direction, i))
                        for i, frame in enumerate(sent)}
            assert len(sent) == len(expected) == 1000
            got, before = set(), relay.counter(f"channel_{direction}")
            for attempt in range(5):  # the first ones may meet a neighbour that is not resolved yet
                for i, frame in enumerate(sent):
                    wire.send(frame)
                    if i % 50 == 49:
                        drain(wire, got, 0.001)
                drain(wire, got, 0.3)
                if expected <= got:
                    break
            assert expected <= got, (direction, len(expected & got), sorted(expected - got)[:2])
            assert relay.counter(f"channel_{direction}") - before >= 1000
        assert relay.drops("no_channel") == relay.drops("no_permission") == 0
        wire.close()


def drain(wire, got, quiet_s):
    wire.settimeout(quiet_s)
    try:
        while True:
            got.add(relayed_of(wire.recv(2048)))
    except (TimeoutError, socket.timeout):
        pass
