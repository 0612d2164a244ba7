#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The first 10,000 frames of `turnpike-bench pcap`, of the TRex profile, and of the formula that
provision prints are the same. TRex is not needed: its field engine's arithmetic is done here, by the
parameters that the profile gives it.

    test_trex.py TURNPIKE_BENCH PROFILE"""

import functools
import importlib.util
import json
import socket
import struct
import subprocess
import sys
import tempfile
import types

FRAMES = 10000
PLAIN = {"allocations": 64512, "channel_bits": 0, "peer_bits": 0, "port_bits": 14, "channel": 16384,
         "listener": "198.18.0.2:3478", "client": "198.19.0.0:16384",
         "relayed": "198.18.7.0:49152", "peer": "198.19.128.0:32768",
         "formula": {"client_address": "198.19.0.0 + (flow >> 14)",
                     "client_port": "16384 + (flow >> 0 & 16383)",
                     "relayed_address": "198.18.7.0 + (flow >> 14)",
                     "relayed_port": "49152 + (flow >> 0 & 16383)",
                     "channel": "16384 + (flow & 0)",
                     "peer_address": "198.19.128.0 + (flow & 0)",
                     "peer_port": "32768 + ((flow & 0) >> 0)"}}
# As tests/unit/control/alloc/test_numbering.c has it; few ports, so that addresses change early.
RICH = {"allocations": 4000, "channel_bits": 3, "peer_bits": 1, "port_bits": 6, "channel": 16384,
        "listener": "198.18.0.2:3478", "client": "198.19.0.0:16384",
        "relayed": "198.18.7.0:49152", "peer": "198.19.128.0:32768",
        "formula": {"client_address": "198.19.0.0 + (flow >> 9)",
                    "client_port": "16384 + (flow >> 3 & 63)",
                    "relayed_address": "198.18.7.0 + (flow >> 9)",
                    "relayed_port": "49152 + (flow >> 3 & 63)",
                    "channel": "16384 + (flow & 7)",
                    "peer_address": "198.19.128.0 + (flow & 1)",
                    "peer_port": "32768 + ((flow & 7) >> 1)"}}


class Given:
    """Whatever the profile says to TRex."""

    def __init__(self, *positional, **named):
        self.positional = positional
        self.__dict__.update(named)


def load_profile(path):
    api = types.ModuleType("trex_stl_lib.api")
    for name in ("STLFlowLatencyStats", "STLFlowStats", "STLPktBuilder", "STLScVmRaw", "STLStream",
                 "STLTXCont", "STLVmFixIpv4", "STLVmFlowVar", "STLVmWrMaskFlowVar"):
        setattr(api, name, type(name, (Given,), {}))
    api.STLStreamDstMAC_PKT = 1
    sys.modules["trex_stl_lib"] = types.ModuleType("trex_stl_lib")
    sys.modules["trex_stl_lib.api"] = api
    spec = importlib.util.spec_from_file_location("turnpike_profile", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.register()


def checksum(header):
    total = sum(struct.unpack("!10H", header[:10] + b"\0\0" + header[12:20]))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def engine(stream, flow):
    """One run of the field engine: a write adds, shifts, and replaces the bits of its mask."""
    frame = bytearray(stream.packet.pkt_buffer)
    for command in stream.packet.vm.positional[0]:
        kind = type(command).__name__
        if kind == "STLVmWrMaskFlowVar":
            size, at = command.pkt_cast_size, command.pkt_offset
            value = flow + getattr(command, "add_value", 0)
            value = value << command.shift if command.shift > 0 else value >> -command.shift
            old = int.from_bytes(frame[at:at + size], "big")
            frame[at:at + size] = (old & ~command.mask | value & command.mask).to_bytes(size, "big")
        elif kind == "STLVmFixIpv4":
            at = command.offset
            frame[at + 10:at + 12] = struct.pack("!H", checksum(bytes(frame[at:at + 20])))
        else:
            assert kind == "STLVmFlowVar", kind
    return bytes(frame)


@functools.cache
def read_field(text):
    """'198.19.0.0 + (flow >> 14)' as a number and a function of the flow."""
    first, _, bits = text.partition(" + ")
    number = struct.unpack("!I", socket.inet_aton(first))[0] if "." in first else int(first)
    return number, eval("lambda flow: " + bits)


def by_formula(numbering, direction, flow, size):
    """The documented formula, from its own words."""
    def field(name):
        first, bits = read_field(numbering["formula"][name])
        return first + bits(flow)

    def place(text):
        address, _, port = text.rpartition(":")
        return struct.unpack("!I", socket.inet_aton(address))[0], int(port)

    if direction == "up":
        source, destination = (field("client_address"), field("client_port")), place(numbering["listener"])
    else:
        source = field("peer_address"), field("peer_port")
        destination = field("relayed_address"), field("relayed_port")
    data = size - 4 - 14 - 20 - 8
    if direction == "up":
        data -= 4
    payload = bytes(i & 0xFF for i in range(data))
    if direction == "up":
        payload = struct.pack("!HH", field("channel"), data) + payload
    ip = struct.pack("!BBHHHBBHII", 0x45, 0, 28 + len(payload), 0, 0x4000, 64, 17, 0, source[0],
                     destination[0])
    return (bytes.fromhex("020000000002" "020000000001" "0800") + ip[:10]
            + struct.pack("!H", checksum(ip)) + ip[12:]
            + struct.pack("!HHHH", source[1], destination[1], 8 + len(payload), 0) + payload)


def read_pcap(path):
    with open(path, "rb") as f:
        data = f.read()
    magic, major, minor, _, _, _, network = struct.unpack_from("=IHHiIII", data)
    assert (magic, major, minor, network) == (0xA1B2C3D4, 2, 4, 1)
    at = 24
    while at < len(data):
        _, _, captured, length = struct.unpack_from("=IIII", data, at)
        assert captured == length
        yield data[at + 16:at + 16 + captured]
        at += 16 + captured


def compare(bench, profile, numbering, direction, size, frames=FRAMES):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as document, \
            tempfile.NamedTemporaryFile(suffix=".pcap") as pcap:
        json.dump({"state": "made", "numbering": numbering}, document)
        document.flush()
        subprocess.run([bench, "pcap", "--numbering", document.name, "--direction", direction, "--size",
                        str(size), "--frames", str(frames), "--out", pcap.name], check=True,
                       stdout=subprocess.DEVNULL)
        stream, = profile.get_streams(["--numbering", document.name, "--direction", direction, "--size",
                                       str(size)])
        written = list(read_pcap(pcap.name))
    variable = stream.packet.vm.positional[0][0]
    flows = numbering["allocations"] << numbering["channel_bits"]
    assert (variable.min_value, variable.max_value, variable.size) == (0, flows - 1, 4)
    assert len(written) == frames and len(written[0]) == size - 4
    assert len(set(written)) == min(frames, flows)
    for i, frame in enumerate(written):
        for what, other in (("TRex", engine(stream, i % flows)),
                            ("the formula", by_formula(numbering, direction, i % flows, size))):
            assert frame == other, (f"frame {i}, {direction}, {size} bytes: not that of {what}:\n"
                                    f"{frame.hex()}\n{other.hex()}")


def main():
    bench, profile = sys.argv[1], load_profile(sys.argv[2])
    compare(bench, profile, PLAIN, "up", 64)
    compare(bench, profile, RICH, "up", 64)
    compare(bench, profile, RICH, "down", 64)
    compare(bench, profile, PLAIN, "down", 222, 1000)
    print("ok")


if __name__ == "__main__":
    main()
