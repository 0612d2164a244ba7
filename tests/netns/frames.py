# SPDX-License-Identifier: BSD-3-Clause
"""Frames made by hand, to send through a packet socket."""

import socket
import struct

UDP, ICMP, ICMPV6, TCP, FRAGMENT, DESTINATION = 17, 1, 58, 6, 44, 60


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def packed(address):
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def udp(source, destination, sport, dport, payload=b"x"):
    head = struct.pack("!HHHH", sport, dport, 8 + len(payload), 0)
    pseudo = (packed(source) + packed(destination)
              + struct.pack("!IHBB", 8 + len(payload), 0, 0, UDP))
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xffff) + payload


def ip(source, destination, protocol, payload, fragment=0, options=b"", identification=77):
    """An IPv4 or IPv6 packet. `fragment`: IPv4 flags and offset; IPv6 (non-zero): a fragment header."""
    if ":" in source:
        if fragment:
            payload = struct.pack("!BBHI", protocol, 0, fragment, identification) + payload
            protocol = FRAGMENT
        return (struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64)
                + packed(source) + packed(destination) + payload)
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, words * 4 + len(payload), identification,
                       fragment, 64, protocol, 0) + packed(source) + packed(destination) + options
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def extension(protocol, payload):
    """Destination options of 8 bytes (padding) in front of `payload`; its next header value."""
    return DESTINATION, struct.pack("!BBBB4x", protocol, 0, 1, 4) + payload


def icmp_error(source, destination, kind, quoted):
    body = struct.pack("!BBHI", kind, 0, 0, 0) + quoted
    pseudo = b""
    if ":" in source:
        pseudo = packed(source) + packed(destination) + struct.pack("!II", len(body), ICMPV6)
    body = body[:2] + struct.pack("!H", checksum(pseudo + body)) + body[4:]
    return ip(source, destination, ICMPV6 if pseudo else ICMP, body)


def ethernet(destination_mac, packet, tags=()):
    kind = 0x86dd if packet[0] >> 4 == 6 else 0x0800
    middle = b"".join(struct.pack("!HH", 0x8100, tag) for tag in tags)
    return destination_mac + b"\x02\0\0\0\0\x01" + middle + struct.pack("!H", kind) + packet
