# SPDX-License-Identifier: BSD-3-Clause
"""TRex STL profile: traffic for the synthetic allocations of `turnpikectl provision`.

    trex> start -f turnpike.py -p 0 -m 1mpps -t --numbering made.json --direction up --size 222

One variable, the number of the flow, writes every field: what bits of it go where is read from the
JSON document that provision printed. The frames are those of `turnpike-bench pcap` in turn, when one
core sends them (each core of TRex takes a part of the variable's range)."""

import argparse
import json
import socket
import struct

from trex_stl_lib.api import (STLFlowLatencyStats, STLFlowStats, STLPktBuilder, STLScVmRaw, STLStream,
                              STLStreamDstMAC_PKT, STLTXCont, STLVmFixIpv4, STLVmFlowVar,
                              STLVmWrMaskFlowVar)

FCS_BYTES, ETHER, IP, UDP = 4, 0, 14, 34
SOURCE, DESTINATION, SOURCE_PORT, DESTINATION_PORT, CHANNEL = IP + 12, IP + 16, UDP, UDP + 2, UDP + 8
# A second of a video call: frames of a size, of 200.
WEBRTC = ((222, 50), (1250, 140), (152, 10))


def place(text):
    """'198.18.0.2:3478' as bytes and a number."""
    address, _, port = text.rpartition(":")
    return socket.inet_aton(address), int(port)


def checksum(header):
    total = sum(struct.unpack("!10H", header))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def mac(text):
    return bytes(int(part, 16) for part in text.split(":"))


class Frames:
    """The frame of flow 0, and what its number changes."""

    def __init__(self, numbering, direction, source_mac, destination_mac):
        self.n, self.up = numbering, direction == "up"
        self.link = mac(destination_mac) + mac(source_mac) + b"\x08\x00"
        self.source = place(self.n["client" if self.up else "peer"])
        self.destination = place(self.n["listener" if self.up else "relayed"])

    def first(self, size):
        """Without the frame check sequence, which TRex's port adds."""
        data = size - FCS_BYTES - UDP - 8 - (4 if self.up else 0)
        payload = bytes(i & 0xFF for i in range(data))
        if self.up:
            payload = struct.pack("!HH", self.n["channel"], data) + payload
        udp = struct.pack("!HHHH", self.source[1], self.destination[1], 8 + len(payload), 0) + payload
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 64, 17, 0,
                         self.source[0], self.destination[0])
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        return self.link + ip + udp

    def writes(self):
        """(offset, bytes, number of bits, how far to the right they are in the flow's number)."""
        channel, peer, port = (self.n[k] for k in ("channel_bits", "peer_bits", "port_bits"))
        addresses = (self.n["allocations"] - 1 >> port).bit_length()
        of_allocation = ((SOURCE if self.up else DESTINATION, 4, addresses, channel + port),
                         (SOURCE_PORT if self.up else DESTINATION_PORT, 2, port, channel))
        if self.up:
            of_channel = ((CHANNEL, 2, channel, 0),)
        else:
            of_channel = ((SOURCE, 4, min(peer, channel), 0),
                          (SOURCE_PORT, 2, max(channel - peer, 0), peer))
        return [w for w in of_allocation + of_channel if w[2] > 0]

    def program(self, flows, op):
        variable = STLVmFlowVar(name="flow", min_value=0, max_value=flows - 1, size=4, op=op)
        return STLScVmRaw([variable] + [
            STLVmWrMaskFlowVar(fv_name="flow", pkt_offset=offset, pkt_cast_size=size,
                               mask=(1 << bits) - 1, shift=-right)
            for offset, size, bits, right in self.writes()] + [STLVmFixIpv4(offset=IP)])


class Turnpike:
    def get_streams(self, tunables=(), **kwargs):
        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--numbering", required=True, help="what turnpikectl --json provision printed")
        parser.add_argument("--direction", choices=("up", "down"), default="up")
        parser.add_argument("--size", default="64", help="64 to 1518, FCS included, or webrtc")
        parser.add_argument("--flows", type=int, help="the first ones of the numbering")
        parser.add_argument("--choice", choices=("inc", "random"), default="inc")
        parser.add_argument("--source-mac", default="02:00:00:00:00:01")
        parser.add_argument("--destination-mac", default="02:00:00:00:00:02")
        parser.add_argument("--stats", type=int, metavar="PG_ID", help="flow statistics (IPv4 ID)")
        parser.add_argument("--latency", type=int, metavar="PG_ID",
                            help="latency (IPv4 ID and the last 16 bytes: frames of 66 and more)")
        args = parser.parse_args(tunables)
        with open(args.numbering) as f:
            document = json.load(f)
        numbering = document.get("numbering", document)
        frames = Frames(numbering, args.direction, args.source_mac, args.destination_mac)
        flows = args.flows or numbering["allocations"] << numbering["channel_bits"]
        sizes = WEBRTC if args.size == "webrtc" else ((int(args.size), 1),)
        return [self.stream(args, frames, flows, size, pps) for size, pps in sizes]

    @staticmethod
    def stream(args, frames, flows, size, pps):
        statistics = None
        if args.latency is not None:
            statistics = STLFlowLatencyStats(pg_id=args.latency)
        elif args.stats is not None:
            statistics = STLFlowStats(pg_id=args.stats)
        builder = STLPktBuilder(pkt_buffer=frames.first(size), vm=frames.program(flows, args.choice))
        return STLStream(packet=builder, mode=STLTXCont(pps=pps), flow_stats=statistics,
                         mac_src_override_by_pkt=1, mac_dst_override_mode=STLStreamDstMAC_PKT)


def register():
    return Turnpike()
