# SPDX-License-Identifier: BSD-3-Clause
"""Seeds of the targets that read their input as a script; make_seeds.py runs it. What the bytes mean
is said in each target's source."""
import base64
import json
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
TP_STREAM_SLOT_PAYLOAD = 2048 - 80
save = attr = COOKIE = ID = stun = xor_address = checksum = ethernet = ipv4 = udp = V4 = V6 = classic = None  # of make_seeds.py


def make(seeds):
    for name in ("save", "attr", "COOKIE", "ID", "stun", "xor_address", "checksum", "ethernet", "ipv4", "udp", "V4", "V6", "classic"):
        globals()[name] = getattr(seeds, name)
    netlink_seeds()
    state_seeds()
    pipeline_seeds()
    stream_up_seeds()
    dtls_seeds()
    apply_seeds()
    socket_seeds()
    cli_seeds()
    turn_seeds()
    adopt_seeds()
    stream_notes_seeds()
    over_tcp_seeds()
    conf_seeds()
    stream_seeds()


def dictionary(target, words):
    """What libFuzzer puts together; tests/fuzz.sh gives it to the target of that name."""
    def escaped(word):
        if isinstance(word, bytes):
            return "".join("\\x%02X" % byte for byte in word)
        return word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\x0A")

    (HERE / "dict").mkdir(exist_ok=True)
    (HERE / "dict" / (target + ".dict")).write_text("".join('"%s"\n' % escaped(w) for w in dict.fromkeys(words)))


def nested(kind, body):
    return struct.pack("<HH", 4 + len(body), kind) + body + b"\0" * (-len(body) % 4)


def netlink_seeds():
    """Operations and datagrams of rtnetlink, host order; see fuzz_netlink.c."""
    wan, vlan, other = 7, 12, 20
    newlink, dellink, newaddr, deladdr, newroute, delroute, newneigh, delneigh, newnexthop = 16, 17, 20, 21, 24, 25, 28, 29, 104
    up, inet, inet6, main_table = 0x41, 2, 10, 254
    v4, v6 = bytes([198, 18, 0, 9]), V6[0]

    def message(kind, body, flags=0, sequence=1):
        return struct.pack("<IHHII", 16 + len(body), kind, flags, sequence, 0) + body

    def event(*messages):
        data = b"".join(messages)
        return b"\7" + struct.pack(">H", len(data)) + data

    def datagram(*messages):
        data = b"".join(messages)
        return struct.pack(">H", len(data)) + data

    def u32(kind, value):
        return nested(kind, struct.pack("<I", value))

    def link(kind, index, flags=up, mtu=1500, *attrs):
        return message(kind, struct.pack("<BBHiII", 0, 0, 1, index, flags, 0) + u32(4, mtu) + b"".join(attrs))

    def vlan_of(parent, tag, protocol=0x8100, kind=b"vlan\0"):
        data = nested(2, nested(1, struct.pack("<H", tag)) + nested(5, struct.pack(">H", protocol)))
        return u32(5, parent) + nested(18, nested(1, kind) + data)

    def neighbour(kind, ip, index=wan, state=2, mac=bytes([2, 0, 0, 0, 0, 9]), flags=0, *attrs):
        return message(kind, struct.pack("<BBHiHBB", inet if len(ip) == 4 else inet6, 0, 0, index, state, flags, 0) +
                       nested(1, ip) + nested(2, mac) + b"".join(attrs))

    def route(kind, ip, bits, *attrs, table=main_table, type_=1, flags=0, header_flags=0, tos=0):
        family = inet if ip is None or len(ip) == 4 else inet6
        return message(kind, struct.pack("<BBBBBBBBI", family, bits, 0, tos, table, 0, 0, type_, header_flags) +
                       (nested(1, ip) if ip else b"") + b"".join(attrs), flags)

    def hop(index, *attrs, flags=0, length=None):
        body = b"".join(attrs)
        return struct.pack("<HBBi", 8 + len(body) if length is None else length, flags, 0, index) + body

    oif, gateway = u32(4, wan), nested(5, v4)
    via6 = nested(18, struct.pack("<H", inet6) + v6)
    error, done = message(2, struct.pack("<i", 0)), message(3, struct.pack("<i", 0))

    def save_all(name, *steps):
        save("netlink", name, b"".join(steps))

    held = event(route(newroute, v4, 24, oif, gateway), route(newroute, v6, 64, u32(4, vlan), nested(5, V6[1])))
    save_all("held", held, event(link(newlink, 7, up, 1400)), event(link(newlink, vlan, up, 1496, vlan_of(9, 7))), event(link(dellink, 7)), b"\2\0", event(route(delroute, v4, 24)),
             event(route(newroute, v4, 24, oif, gateway)), event(neighbour(newneigh, v4, wan, 0x80, bytes(6))), event(route(delroute, v4, 24)), event(neighbour(newneigh, v4, wan, 1)))
    save_all("links", event(link(newlink, 30, up, 1400, vlan_of(wan, 7))), event(link(newlink, 30, up, 70000, vlan_of(9, 7))),
             event(link(newlink, vlan, 0, 1496, vlan_of(wan, 100)), link(dellink, 30)), event(link(newlink, other)),
             event(link(newlink, 31, up, 1500, vlan_of(wan, 7, 0x88A8))), event(link(newlink, 31, up, 1500, vlan_of(wan, 7, kind=b"v"))),
             event(link(newlink, 31, up, 1500, vlan_of(other, 7))), event(link(newlink, 31, up, 1500, u32(5, wan), nested(18, b""))),
             event(link(newlink, 31, up, 1500, u32(5, wan), nested(18, nested(1, b"vlan\0") + nested(2, b"")))),
             event(link(newlink, 7, 0, 1280)), event(message(newlink, b"")))
    save_all("neighbours", event(neighbour(newneigh, v4), neighbour(newneigh, v6)), event(neighbour(newneigh, v4, state=1)),
             event(neighbour(newneigh, v6, wan, 0x80)), event(neighbour(delneigh, v6)), event(neighbour(newneigh, v4, other)),
             event(neighbour(newneigh, v4, wan, 2, b"abc")), event(neighbour(newneigh, v4, wan, 2, bytes(6), 8)),
             event(neighbour(newneigh, v4[:3])), event(neighbour(newneigh, v4, wan, 2, bytes(6), 0, u32(15, 1))),
             event(message(newneigh, b"")), b"\2\0", b"\2\7")
    save_all("routes", event(route(newroute, v4, 32, oif)), event(route(newroute, v4, 24, oif, gateway)),
             event(route(newroute, v6, 64, oif, nested(5, V6[1]))), event(route(newroute, None, 0, oif, gateway)),
             event(route(newroute, v4, 24, oif, via6, u32(6, 10))), event(route(newroute, v4, 24, oif, u32(15, 253))),
             event(route(newroute, v4, 24, type_=7)), event(route(newroute, v4, 24, table=100)),
             event(route(newroute, v4, 24, type_=9)), event(route(newroute, v4, 33)), event(route(newroute, v4[:3], 24)),
             event(route(newroute, v4, 24, u32(4, other))), event(route(newroute, v4, 24, oif, nested(22, b""))),
             event(route(newroute, v4, 24, oif, nested(18, b"\2"))), event(route(newroute, v4, 24, oif, nested(5, v4[:2]))),
             event(route(delroute, v4, 24), route(delroute, v4, 24), route(delroute, v4, 32)), event(message(newroute, b"")),
             event(route(newroute, v4, 32, tos=4)), event(route(newroute, v4, 32, table=255, type_=2)), b"\2\0", b"\2\7")
    save_all("multipath", event(route(newroute, v4, 24, nested(9, hop(other) + hop(wan, gateway, flags=1) + hop(wan, gateway)))),
             event(route(newroute, v6, 64, nested(9, hop(wan, via6)))), event(route(newroute, v6, 64, nested(9, hop(wan, via6)), flags=0x800)),
             event(route(delroute, v6, 64)), event(route(newroute, v4, 24, nested(9, hop(wan, length=4)))),
             event(route(newroute, v4, 24, oif, flags=0x100)), event(route(newroute, v4, 24, nested(9, hop(wan, length=200)))))
    save_all("dump", b"\1\0", datagram(link(newlink, 7), route(newroute, v4, 24, oif), route(newroute, v4, 24, oif, gateway)),
             datagram(done), b"\1\0", datagram(done), b"\1\0", datagram(message(3, b"\0\0\0\0", 0x10, 3)),
             b"\1\xff\0", b"\1\xff\1", b"\1\0\x20\0", b"\1\0\x30\0")
    save_all("ask", event(route(newroute, v4, 24, oif, gateway)) + b"\xa5\0", datagram(error), b"\0" + datagram(neighbour(newneigh, v4), message(2, struct.pack("<i", 0), 0, 1)),
             event(route(delroute, v4, 24)) + b"\xa5\0", datagram(error),
             event(route(newroute, v4, 24, oif, gateway)) + b"\xa5\xff\0",
             b"\0\0", datagram(message(2, b"", 0, 9), message(2, b"")), b"\0\0", datagram(message(2, struct.pack("<i", -2), 0, 4)),
             b"\2\0", b"\0\0", event(route(delroute, v4, 24)))
    save_all("sockets", b"\7\x10\4abcd", b"\7\x20\0", b"\7\x20\1", b"\7\x30\0", b"\7\0\3abc", event(message(1, b"")))
    save_all("rest", event(message(newaddr, bytes(8)), message(deladdr, struct.pack("<BBBBI", inet, 32, 0, 0, wan) + nested(2, bytes([198, 18, 0, 2]))),
                           message(deladdr, bytes(8)), message(deladdr, b""), message(newnexthop, bytes(8)), message(99, b"")))
    save_all("inside", *[event(route(kind, ip, bits, oif)) for kind, ip, bits in
                         ((newroute, v4[:3] + b"\0", 24), (newroute, v4, 32), (delroute, v4, 32), (newroute, v6[:8] + bytes(8), 64),
                          (newroute, v6, 128), (delroute, v6, 128), (newroute, v4, 32), (newroute, v4, 32))])
    many = [event(route(newroute, bytes([10, i, 0, 0]), 16, oif)) for i in range(40)]
    save_all("many", *many)
    rtmsg = struct.pack("<BBBBBBBBI", inet, 0, 0, 0, main_table, 0, 0, 1, 0)
    dictionary("netlink", [b"\7" + struct.pack(">H", size) + struct.pack("<IHHII", size, kind, 0, 1, 0) for size, kind in
                           ((16, newnexthop), (32, newlink), (32, dellink), (28, newneigh), (28, delneigh), (36, newroute), (36, delroute), (24, deladdr))] +
               [rtmsg, oif, gateway, via6, nested(1, v4), nested(1, v6), nested(2, bytes([2, 0, 0, 0, 0, 9]))])
    save_all("too-many", *(event(*(route(newroute, bytes([10, i, n, 0]), 24, oif, u32(6, n)) for n in range(8))) for i in range(18)))


def state_seeds():
    """Scripts of the targets that drive something with state; each target's source says what the bytes mean."""
    for how in range(0, 64, 3):
        save("nonce", "ours-%02d" % how, bytes([how, 0x80, 0]))
    save("nonce", "altered", bytes([2, 0x80, 0, 28, 1, 9, 0x40]))
    save("nonce", "text", b"\0obMatJos2gAAAabcdefghijklmnop")
    save("nonce", "short", b"\0obMatJos2gAA")
    save("nonce", "digits", b"\0obMatJos2gAAA+/0+/0+/0+/0+/0~")
    save("nonce", "draw-fails", bytes([1 | 63 << 2, 0]))

    index = struct.pack("<I", 0xFFFFFFFF)
    save("ring", "use", bytes(13) + bytes([3, 3, 4, 5, 7, 3, 4, 7, 13, 2, 1, 3, 4]))
    save("ring", "mad", bytes(13) + (b"\0" + index + b"\5" + b"\1" + index + b"\3") * 4 + b"\6\5")
    save("ring", "full", bytes(13) + b"\3" * 12 + b"\4" + b"\x0d" * 2 + b"\3\3\4")
    save("ring", "geometry", bytes(8) + struct.pack(">HHB", 8, 64, 0) + b"\3\4")
    save("ring", "geometry-odd", bytes(8) + struct.pack(">HHB", 8, 64, 64))
    save("ring", "geometry-large", bytes(8) + struct.pack(">HHB", 0x800F, 0xFFC0, 0))
    save("ring", "not-fresh", struct.pack("<II", 5, 2) + bytes(5) + b"\5\3\4\5")

    for name, text in (("ports", "80,9000-9010"), ("ports-end", "1,\n"), ("ports-wrong", "5-4"), ("ports-large", "65536"), ("ports-word", "80;"),
                       ("ports-none", ""), ("ports-range", "1-x"), ("ports-many", ",".join(str(n) for n in range(1, 60, 2))),
                       ("held4", "  12: 020012C6:0D96 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 4711 2 0 0"),
                       ("held6", "  12: 000198FD180000000000000002000000:0D96 00000000:0000 07 0:0 00:0 0 0 0 4711 2"),
                       ("held-mapped", "  1: 0000000000000000FFFF0000020012C6:0D96 0:0 07 0:0 00:0 0 0 0 4711 2"),
                       ("held-short", "  1: 0200:0D96 0:0 07 0:0 00:0 0 0 0 4711 2"), ("heading", "  sl  local_address"),
                       ("record", "reserved 49152-65535\ninterface eth0 3 xdp=7 qdisc=1\n"), ("record-wrong", "reserved 9-1\ninterface eth0 x\n"),
                       ("record-foreign", "-turnpike-steer 1\nplace x 1\n"),
                       ("record-many", "".join("interface e%d %d xdp=1 qdisc=0\n" % (n, n) for n in range(17))),
                       ("record-long", "reserved " + ",".join(str(n) for n in range(1, 60, 2)) + "\ninterface sixteencharacters 1 xdp=1 qdisc=0\n")):
        save("setup", name, text.encode())


def pipeline_seeds():
    """Steps of fuzz_pipeline.c."""
    raw, udp_, other, fragment, inject, world, run = 0, 1, 3, 4, 5, 6, 7
    client, client6, peer, peer6, third, peer_of_third, peer_dual, stranger, stranger6, late, multicast, portless, unbound, nobody, elsewhere, not_ours = range(16)

    def payload(data, fill=0):
        return bytes([len(data), fill]) + data

    def udp_from(way, data, fill=0, flags=0):
        return bytes([udp_, way, flags]) + payload(data, fill)

    def channel(number, data, length=None):
        return struct.pack(">HH", number, len(data) if length is None else length) + data

    def piece(way, offset, more, ident, data, fill=0, flags=0):
        return bytes([fragment, way, flags, offset, more | ident << 1]) + payload(data, fill)

    def icmp(way, kind, code, quote, rest=0, flags=0):
        return bytes([other, way, flags]) + payload(struct.pack(">BBHI", kind, code, 0, rest) + quote)

    def change(what, value):
        return bytes([world, what, value])

    def ip4(text):
        return bytes(int(x) for x in text.split("."))

    def quote4(src, dst, protocol=17, sport=50001, dport=6000):
        head = struct.pack(">BBHHHBBH", 0x45, 0, 36, 7, 0, 64, protocol, 0) + ip4(src) + ip4(dst)
        head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
        return head + struct.pack(">HHHH", sport, dport, 16, 0)

    p4, p6 = xor_address(ip4("198.18.2.2"), 6000), xor_address(bytes.fromhex("fd0001980018") + bytes(8) + b"\0\x99", 6000)
    hairpin, denied = xor_address(ip4("203.0.113.5"), 50002), xor_address(ip4("198.18.0.2"), 3478)
    data = attr(0x0013, b"payload")

    def send(*attrs, **more):
        return stun(0x0016, *attrs, **more)

    def save_all(name, *steps):
        save("pipeline", name, b"".join(steps))

    save_all("channels", udp_from(client, channel(0x4001, b"hello")), udp_from(client6, channel(0x4001, b"hello") + b"\0\0\0"),
             udp_from(peer, b"down"), udp_from(peer6, b"down"), udp_from(peer_dual, b"down"), udp_from(client, channel(0x4004, b"across")),
             udp_from(client, channel(0x4003, b"late")), udp_from(client, channel(0x4009, b"none")), udp_from(client, channel(0x4001, b"x", 9)),
             udp_from(client, b"\x40"), udp_from(client, channel(0x4001, b"odd") + b"tail!", flags=4), bytes([run]))
    # Long enough for the lane.
    save_all("lane-data", *(udp_from(way, b"datagram") for way in range(16)), change(2, 255), *(udp_from(way, b"datagram") for way in range(16)), bytes([run]))
    save_all("lane-binding", *(udp_from(way, stun(1)) for way in range(16)), change(4, 255), *(udp_from(stranger, stun(1, fingerprint=True)) for _ in range(9)), *(udp_from(client, stun(1)) for _ in range(9)), bytes([run]))
    save_all("settings", change(10 | 0x90, 0x1d), udp_from(client, channel(0x4001, b"marked")), udp_from(stranger, stun(0x0001)),
             change(10 | 0xf0, 0xff), udp_from(stranger, stun(0x0004)), change(11, 0x11), udp_from(third, channel(0x4001, b"x")),
             udp_from(peer_of_third, b"x", 200), change(11, 0xff), udp_from(third, channel(0x4001, b"x")), change(11, 0),
             udp_from(third, channel(0x4001, b"x")), udp_from(third, stun(0x0004)), bytes([run]))
    save_all("hairpin", udp_from(client, channel(0x4002, b"hello")), udp_from(client, send(attr(0x0012, hairpin), data)),
             udp_from(client, send(attr(0x0012, denied), data)), udp_from(third, channel(0x4001, b"x")),
             udp_from(third, send(attr(0x0012, xor_address(ip4("198.18.0.2"), 50001)), data)),
             udp_from(client, send(attr(0x0012, xor_address(ip4("203.0.113.5"), 50009)), data)))
    save_all("send", udp_from(client, send(attr(0x0012, p4), data)), udp_from(client, send(attr(0x0012, p6), data, attr(0x001A))),
             udp_from(client6, send(attr(0x0012, p6), attr(0x001A), data, fingerprint=True)),
             udp_from(client, send(attr(0x0012, p4), data, attr(0x7F00))), udp_from(client, send(attr(0x0012, p4))),
             udp_from(client, send(data)), udp_from(client, send(attr(0x0012, p4[:6]), data)), udp_from(stranger, send(attr(0x0012, p4), data)),
             udp_from(client, send(attr(0x0012, p4), attr(0x0012, p6), attr(0x0013))), udp_from(client, send(attr(0x0012, p4), data, attr(0x8028, bytes(4)))),
             udp_from(client, send(attr(0x0012, xor_address(ip4("198.18.7.7"), 1)), data)), udp_from(client, send(attr(0x0012, p4), data), flags=4),
             udp_from(client, send(attr(0x0012, xor_address(ip4("198.18.2.2"), 0)), data)), udp_from(client, send(attr(0x0012, xor_address(ip4("198.18.2.3"), 9)), data)))
    save_all("binding", udp_from(client, stun(1)), udp_from(client6, stun(1, fingerprint=True)), udp_from(stranger, stun(1), flags=1),
             udp_from(stranger6, stun(1, attr(0x8022, b"x"))), udp_from(stranger, stun(1, attr(0x0003, bytes(4)))), udp_from(multicast, stun(1)),
             udp_from(stranger, stun(1, attr(0x8028, bytes(4)))), udp_from(stranger, stun(0x0101)), udp_from(stranger, stun(0x0011)),
             udp_from(stranger, stun(1) + b"x"), udp_from(stranger, b"\0\1"), udp_from(stranger, b"\x16\xfe"), udp_from(stranger, b"\xff"), udp_from(stranger, b""))
    save_all("challenge", change(4, 1), udp_from(stranger, stun(3, attr(0x0019, b"\x11\0\0\0"))), udp_from(stranger6, stun(3, attr(0x0019, b"\x11\0\0\0"), fingerprint=True)),
             udp_from(stranger, stun(3, attr(0x0008, bytes(20)))), udp_from(stranger, stun(3, attr(0x7F00))), udp_from(stranger, stun(4)))
    save_all("punt", udp_from(client, stun(4, attr(0x0008, bytes(20)))), udp_from(stranger, stun(3)), udp_from(client, stun(3), 150),
             change(3, 0), udp_from(client, stun(4)), change(3, 1), *(udp_from(client, stun(4)) for _ in range(12)))
    save_all("budget", *(udp_from(stranger, stun(1)) for _ in range(8)), *(udp_from(stranger, stun(4)) for _ in range(3)),
             change(4, 1), *(udp_from(stranger6, stun(3)) for _ in range(9)), *(udp_from(peer_dual - 6 + 7, stun(1)) for _ in range(3)), change(2, 16), *(udp_from(stranger, stun(4)) for _ in range(6)))
    save_all("too-big", change(0, 6), change(0, 7), udp_from(client, channel(0x4001, b"x", 1241) + bytes(0), 155), udp_from(peer, b"x", 200, 2), udp_from(peer, b"x", 200, 3),
             udp_from(peer6, b"x", 200), udp_from(client6, channel(0x4001, b"x", 1201), 155), udp_from(client, send(attr(0x0012, p4), attr(0x001A), attr(0x0013, bytes(100), 1200)), 140, 2))
    save_all("fragments-out", change(0, 4), udp_from(client, channel(0x4001, b"x", 1201), 150), udp_from(peer, b"x", 220), change(6, 2), udp_from(peer, b"x", 220),
             change(7, 1), udp_from(peer, b"x", 220))
    first = struct.pack(">HHHH", 6000, 50001, 8 + 32, 0x1234)
    save_all("fragments", piece(peer, 0, 1, 1, first + bytes(16)), piece(peer, 3, 0, 1, bytes(16)), piece(peer, 3, 0, 2, bytes(16)), piece(peer, 0, 1, 2, first + bytes(16)),
             piece(peer6, 0, 1, 3, first + bytes(16)), piece(peer6, 3, 0, 3, bytes(16), flags=0x41), piece(peer, 0, 1, 4, first + bytes(16)), piece(peer, 0, 1, 4, first + bytes(16)),
             piece(peer, 2, 0, 4, bytes(16)), piece(peer, 3, 0, 4, bytes(16)), piece(peer, 9, 1, 5, bytes(16)), piece(peer, 3, 0, 5, bytes(8)), piece(peer, 0, 1, 6, bytes(7)),
             piece(peer, 255, 1, 7, bytes(8), 220, 0x80), bytes([run]), change(2, 255))
    save_all("fragments-many", *(piece(peer, n, 1, 1, bytes(8), 31, 0x80) for n in range(66)))
    save_all("fragments-large", piece(peer, 0, 1, 1, struct.pack(">HHHH", 6000, 50001, 8 + 3792, 0), 159), piece(peer, 160, 1, 1, b"", 160),
             piece(peer, 255, 1, 1, b"", 65), piece(peer, 80, 0, 1, b"", 155, 0x80), change(0, 0), piece(peer, 0, 1, 2, struct.pack(">HHHH", 6000, 50001, 2552, 0), 159),
             piece(peer, 160, 0, 2, b"", 159), change(7, 1), piece(peer6, 0, 1, 3, struct.pack(">HHHH", 6000, 50001, 2552, 0x1234), 159), piece(peer6, 160, 0, 3, b"", 159),
             piece(client, 0, 1, 4, struct.pack(">HHHH", 40000, 3478, 2552, 0) + stun(1)[:2] + struct.pack(">HI", 2524, COOKIE) + ID + attr(0x8022, b"", 2520)[:4], 156), piece(client, 160, 0, 4, b"", 159))
    save_all("icmp", icmp(peer, 3, 3, quote4("198.18.0.2", "198.18.2.2")), icmp(peer, 3, 4, quote4("198.18.0.2", "198.18.2.2"), 1280), icmp(peer, 11, 0, quote4("198.18.0.2", "198.18.2.2")),
             icmp(peer, 8, 0, b""), icmp(peer, 3, 3, b"short"), icmp(peer, 3, 3, quote4("198.18.0.2", "198.18.9.9")), icmp(peer, 3, 3, quote4("198.18.0.9", "198.18.2.2")),
             icmp(peer, 3, 3, quote4("198.18.0.2", "198.18.2.2", 6)), icmp(peer, 3, 3, quote4("198.18.0.2", "198.18.2.2"), flags=0x40), icmp(peer, 5, 0, quote4("198.18.0.2", "198.18.2.2")),
             icmp(peer, 3, 3, quote4("198.18.0.2", "203.0.113.5", dport=50002)), icmp(peer, 3, 3, quote4("198.18.0.2", "198.18.2.2", sport=80)), bytes([other, peer, 0x80]) + payload(bytes(20)))
    quote6 = struct.pack(">IHBB", 0x60000000, 16, 17, 64) + bytes.fromhex("fd000198001800000000000000000002") + bytes.fromhex("fd000198001800000000000000000099") + \
        struct.pack(">HHHH", 50001, 6000, 16, 0)
    save_all("icmp6", icmp(peer6, 1, 4, quote6), icmp(peer6, 2, 0, quote6, 1280), icmp(peer6, 3, 0, quote6), icmp(peer6, 128, 0, b""), icmp(peer6, 4, 0, quote6))
    save_all("inject", *(bytes([inject, way]) + payload(b"answer", fill) for way, fill in ((0, 0), (0x10, 0), (0x30, 0), (1, 10), (0x11, 180), (0x10, 235), (3, 0))),
             bytes([inject, 0x80]) + bytes(200), bytes([run]), change(1, 0), change(1, 1), bytes([inject, 0x10]) + payload(b"x"), bytes([inject, 0]) + payload(b"x"), bytes([run]))
    save_all("next-hop", change(1, 0), change(1, 1), udp_from(client, channel(0x4001, b"x")), udp_from(client, stun(1)), change(1, 2), change(1, 3), change(6, 2), udp_from(client, channel(0x4001, b"x"), flags=17),
             change(5, 33), udp_from(client, channel(0x4001, b"x"), flags=16), udp_from(client, send(attr(0x0012, p4), data), flags=16))
    save_all("police", *(udp_from(peer_of_third, b"x", 150) for _ in range(20)), *(udp_from(third, channel(0x4001, b"x", 1201), 150) for _ in range(20)), *(udp_from(third, send(attr(0x0012, p4), attr(0x0013, bytes(100), 1100)), 125) for _ in range(20)))
    save_all("not-ours", udp_from(late, b"x"), udp_from(portless, b"x"), udp_from(unbound, b"x"), udp_from(nobody, b"x"), udp_from(elsewhere, b"x"), udp_from(not_ours, b"x"),
             udp_from(client, channel(0x4001, b"x"), flags=8), bytes([raw]) + payload(b"short"), bytes([raw]) + payload(ethernet(0x0806, bytes(46))),
             bytes([raw]) + payload(ethernet(0x0800, b"\x46" + bytes(30))), bytes([raw]) + payload(ethernet(0x0800, ipv4(bytes(20), protocol=6))),
             bytes([raw]) + payload(ethernet(0x0800, ipv4(udp(b"abc", *V4, length=4)))))
    for left in (0, 1, 2, 3):
        save_all("no-buffers-%d" % left, udp_from(client, stun(1)), udp_from(peer, b"x", 220), change(0, 4), piece(peer, 0, 1, 1, first + bytes(16)), bytes([run]), change(8, 3 + left), piece(peer, 3, 0, 1, bytes(16)), udp_from(peer, b"x", 220), bytes([run]),
                 change(8, left), bytes([inject, 0x10]) + payload(b"x"), udp_from(peer, b"x", 220, 2), bytes([run]))
    save_all("tight", udp_from(client, stun(1), flags=32), udp_from(client6, stun(1, fingerprint=True), flags=32), udp_from(peer, b"x", flags=32), change(4, 1), udp_from(stranger, stun(3), flags=32),
             udp_from(client, channel(0x4001, b"x"), flags=32), change(9, 0), udp_from(client, channel(0x5001, b"x")), bytes([raw | 0x80]) + payload(ethernet(0x0800, ipv4(udp(b"abc", *V4)))))
    save_all("zero-checksum", udp_from(client, channel(0x4001, b"x"), flags=4), udp_from(client, channel(0x4004, b"x"), flags=4), udp_from(peer, b"x", flags=4), udp_from(unbound, b"x", flags=4))

    def proven(way, method, key=0, data=b"", flags=0, short=0, twice=0):
        return udp_from(way, bytes([method | key << 4 | short << 7 | twice << 6]) + data, 0, 64 | flags)

    save_all("proof", proven(stranger, 3), change(4, 1), proven(stranger, 3), proven(stranger6, 4), proven(client, 4), proven(client, 4, 1), change(4, 2 | 1 << 4), proven(client, 4, 1), proven(third, 8, 2), proven(client6, 9, 0, b"x" * 90, 32),
             proven(stranger, 3, short=1), proven(stranger, 3, twice=1), change(4, 3), proven(stranger, 3), proven(stranger, 1), udp_from(stranger, stun(3, attr(0x0015, b"x" * 29), attr(0x0008, bytes(20)))))
    save_all("proof-budget", change(4, 1), change(10 | 0x50, 64), proven(stranger, 3), change(10 | 0x50, 64 | 2), *(proven(stranger, 3) for _ in range(5)), *(proven(stranger6, 3) for _ in range(5)), change(10 | 0x50, 64 | 8), *(udp_from(stranger, stun(4)) for _ in range(4)))
    save_all("settings-punts", change(4, 1), change(10 | 0x50, 1), proven(stranger, 3), change(10 | 0x50, 2), *(proven(stranger, 3) for _ in range(5)), change(10 | 0x50, 3), *(proven(stranger6, 3) for _ in range(5)), change(10 | 0x50, 8), *(udp_from(stranger, stun(4)) for _ in range(4)), change(10 | 0x50, 4), udp_from(stranger, stun(4)), change(10 | 0x50, 0), *(proven(n, 3) for n in (stranger, stranger6, client) * 5))
    save_all("classic", udp_from(stranger, classic()), udp_from(client, classic(attr(0x0003, b"\0\0\0\6"))), udp_from(stranger, classic(kind=2)), udp_from(multicast, classic()), udp_from(stranger6, classic()), *(udp_from(stranger, classic()) for _ in range(8)))
    save_all("move", change(12, 1), udp_from(client, channel(0x4001, b"x")), udp_from(stranger, channel(0x4001, b"x")), udp_from(stranger, channel(0x4001, b"x")), bytes([run]), udp_from(peer, b"x"), udp_from(client, channel(0x4001, b"x")), udp_from(stranger, channel(0x4004, b"x")), bytes([run]), change(12, 1), change(12, 0))
    save_all("move-by-send", change(12, 1), udp_from(stranger, send(attr(0x0012, p4), data)), udp_from(stranger, send(attr(0x0012, p6), data)), udp_from(stranger, stun(4)), bytes([run]), udp_from(peer, b"x"), udp_from(client, send(attr(0x0012, p4), data)))
    save_all("move-cancelled", change(12, 1), change(12, 0), udp_from(stranger, channel(0x4001, b"x")), change(12, 9), udp_from(stranger, stun(4)), udp_from(peer, b"x"), change(12, 6), udp_from(client, send(attr(0x0012, p4), data)), udp_from(client, stun(4)), udp_from(peer, b"x"))
    save_all("one-family", change(12, 2), udp_from(client, send(attr(0x0012, p6), data)), udp_from(client, channel(0x4004, b"x")), udp_from(peer_dual, b"x"), udp_from(client6, send(attr(0x0012, p4), data)), udp_from(client, send(attr(0x0012, hairpin), data)))
    save_all("hairpin-gone", change(13, 0), udp_from(client, channel(0x4002, b"x")), change(13, 1), udp_from(client, channel(0x4002, b"x")), udp_from(client, send(attr(0x0012, hairpin), data)), udp_from(third, channel(0x4001, b"x")))
    save_all("police-packets", change(11, 0xf0), *(udp_from(third, channel(0x4001, b"x")) for _ in range(20)), *(udp_from(peer_of_third, b"x") for _ in range(20)), change(11, 0xff), *(udp_from(third, send(attr(0x0012, p4), data)) for _ in range(20)))
    save_all("too-long", piece(client, 0, 1, 1, struct.pack(">HHHH", 40000, 3478, 2552, 0) + struct.pack(">HHI", 4, 2524, COOKIE) + ID + attr(0x8022, b"", 2520)[:4], 156), piece(client, 160, 0, 1, b"", 159),
             *(piece(peer, n, 1, n & 7, bytes(8)) for n in range(64)), bytes([run]), change(2, 255))


def dtls_seeds():
    """Steps of fuzz_dtls.c."""
    hello, datagram, slot, run, world, take = range(6)
    record = b"\x17\xfe\xfd\0\1" + bytes(7) + b"\4data"
    ours, six, alone = 32, 1, 16

    def say(how=0, *alter):
        return bytes([hello, how | (64 if alter else 0)] + ([len(alter)] if alter else [])) + b"".join(map(bytes, alter))

    def from_client(data, how=0):
        return bytes([datagram, how, len(data)]) + data

    def from_stream(kind, who=0, client=0, data=record, how=0, **more):
        extra = b"".join(more[k] for k in ("more", "length", "client_bytes", "listener_bytes") if k in more)
        return bytes([slot, kind | how, who | client << 2, len(data)]) + extra + data

    def change(what, value):
        return bytes([world, what, value])

    def save_all(name, *steps):
        save("dtls", name, b"".join(steps) + bytes([run, take]))

    for name, how in (("", 0), ("6", six), ("-alone", alone)):
        save_all("session" + name, say(how), say(how | ours), bytes([take]), from_client(record, how),
                 from_stream(2, 0, how), bytes([run, take]), from_stream(3, 0, how), bytes([run]), from_stream(3, 1, how), bytes([run]), from_stream(3, 2, how))
    save_all("wrong-cookie", say(), say(2 | ours), change(3, 200), say(ours), say(ours, (62, 1)), say(0, (60, 7)))
    save_all("strangers", from_client(record), from_client(record[:5]), from_client(b"\x3f"), from_client(b""), from_client(record, 128), say(0, (21, 1)), say(0, (12, 4)))
    save_all("draining", say(), say(ours), change(0, 3 << 2), change(0, 3 << 2 | 1), change(0, 3 << 2 | 2), say(ours), from_client(record), change(0, 1 << 2), say(ours), change(0, 0), change(0, 1), change(0, 2), say(), from_client(record))
    save_all("leaves", say(), say(ours), change(1, 0), change(1, 1), change(1, 2), from_client(record), say(), change(2, 1), from_client(record), say(ours))
    save_all("budgets", change(4, 255), *(say() for _ in range(6)), *(from_client(record, n << 1) for n in range(8)), *(say(ours) for _ in range(8)))
    save_all("full", say(), say(ours), *(from_client(record) for _ in range(70)), from_stream(3), bytes([run]))
    save_all("mad-slots", from_stream(2, data=b"\x40\1\0\0"), from_stream(2, how=8, more=b"\1"), from_stream(3, how=16, length=b"\xff\xff"), from_stream(2, how=32, client_bytes=bytes(24)),
             from_stream(3, how=64, listener_bytes=bytes(36)), from_stream(2, how=64, listener_bytes=bytes([198, 18, 0, 2]) + bytes(12) + b"\4\0\0\0" + struct.pack("<H", 53) + bytes(14)),
             from_stream(2, how=64, listener_bytes=bytes([10, 0, 0, 9]) + bytes(12) + b"\4\0\0\0" + struct.pack("<H", 3478) + bytes(14)), from_stream(7), from_stream(0), from_stream(1), bytes([run]))
    here = bytes([198, 18, 0, 2]) + bytes(12) + b"\4\0\0\0" + struct.pack("<HH", 3478, 0)
    save_all("impossible", say(14), say(15), say(14 | ours), from_client(record, 14), from_client(record, 15))
    save_all("no-record", from_client(b"\x17\0\0\0\0"), from_client(b"\x17\xfe\xfd" + bytes(10)))
    save_all("sends-first", from_stream(2, 2), bytes([run]), from_client(record), from_stream(3, 2), bytes([run, take]), from_stream(2, 2), bytes([run]), change(1, 0), change(1, 1), from_stream(3, 2), bytes([run]), from_stream(3, 2))
    save_all("nowhere", from_stream(2, how=64, listener_bytes=here + bytes(6) + struct.pack("<HHH", 99, 0xffff, 1)), from_stream(2, how=64, listener_bytes=here + bytes(12)))
    save_all("mad-rings", change(5, 9), change(6, 9), say(), say(ours), from_client(record), from_stream(3))


def stream_up_seeds():
    """Steps of fuzz_stream_up.c."""
    slot, message, run, peer, world, take = range(6)

    def payload(data, fill=0):
        return bytes([len(data), fill]) + data

    def channel(number, data, length=None):
        return struct.pack(">HH", number, len(data) if length is None else length) + data

    def whole(data, more=0, fill=0, second=0):
        return bytes([message, more | second << 6]) + payload(data, fill)

    def piece(kind, data, more=0, how=0, length=None, fill=0):
        head = bytes([slot, kind | how]) + (struct.pack(">H", more) if how & 8 else bytes([more]))
        return head + payload(data, fill) + (struct.pack(">H", length) if length is not None else b"")

    def down(how, data, fill=0):
        return bytes([peer, how]) + payload(data, fill)

    def change(what, value):
        return bytes([world, what, value])

    def send(*attrs):
        return stun(0x0016, *attrs)

    def save_all(name, *steps):
        save("stream_up", name, b"".join(steps) + bytes([run, take]))

    p4 = xor_address(bytes([198, 18, 2, 2]), 6000)
    data = attr(0x0013, b"payload")
    hello = channel(0x4001, b"hello")
    save_all("channels", whole(hello), whole(channel(0x4002, b"six")), whole(channel(0x4009, b"none")), whole(channel(0x4001, b"x", 9)),
             whole(b"\x40"), whole(b""), whole(channel(0x4001, b"odd") + b"tail!"))
    save_all("send", whole(send(attr(0x0012, p4), data)), whole(send(attr(0x0012, p4), attr(0x001a, b""), data)), whole(send(data)),
             whole(stun(0x0001)), whole(stun(0x0003)), whole(b"\0\1\0\0abcdefghijklmnop"), whole(b"\0\1"))
    save_all("hairpin", whole(channel(0x4003, b"to a stream")), whole(channel(0x4004, b"to udp")), whole(hello, second=1))
    save_all("long", whole(channel(0x4001, b"", 3932), more=1, fill=255), bytes([run]), whole(channel(0x4002, b"", 65000), more=33, fill=255),
             bytes([run]), whole(channel(0x4003, b"", 60000), more=31, fill=255), bytes([run]), whole(channel(0x4001, b""), more=33, fill=255))
    save_all("no-fragments", whole(send(attr(0x0012, p4), attr(0x001a, b""), attr(0x0013, b"z" * 100))), change(0, 6),
             whole(send(attr(0x0012, p4), attr(0x001a, b""), attr(0x0013, b"z" * 100))))
    save_all("kinds", *[piece(kind, hello) for kind in range(8)])
    save_all("lengths", piece(1, hello, how=64, length=1969), piece(1, hello, how=64, length=65535), piece(1, hello, how=64, length=0),
             piece(1, hello, how=8, more=35), piece(1, hello, how=8, more=65535), piece(1, hello, how=32))
    save_all("unfinished", piece(1, hello, more=1), bytes([run]), piece(1, hello, more=2), piece(4, b"abc"), piece(1, hello), piece(1, hello, more=1),
             piece(4, b"abc", how=64, length=1969))
    save_all("pieces", piece(1, b"\x40\1\0\3", more=3), piece(4, b"a"), piece(4, b"b"), piece(4, b"c"), piece(1, b"\x40", more=1), piece(4, b"\1\0\0"))
    save_all("no-buffers", change(1, 1), whole(hello, more=3, fill=255), bytes([run]), change(1, 0), whole(hello))
    save_all("down", down(0, b"channel"), down(2, b"data"), down(1, b"six"), down(3, b"data six"), down(4, b"no checksum"), down(8, b"damaged"),
             down(16, b""), bytes([take]), down(0, b"", 255), down(2, b"", 237), down(0, b"xyz", 246))
    save_all("full", *([down(0, b"x")] * 66), bytes([take]), down(0, b"y"))
    save_all("away", change(3, 0), down(0, b"x"), whole(hello), bytes([run]), change(3, 1), down(0, b"x"))
    save_all("mad", change(5, 200), bytes([run]), change(6, 200), *([down(0, b"x")] * 4))
    save_all("hops", change(4, 9), whole(hello), change(2, 40), whole(hello))


def apply_seeds():
    """Commands of fuzz_apply.c: type, allocation and generation, deadline, then what the type wants."""
    begin, end, alloc_set, alloc_delete, permission_set, permission_delete, channel_set, channel_delete, counters, settings, fill, arrive, routes = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15
    relay, behind, public, relay6, client, other, client6, listener6, listener = range(9)
    none, at_3478, port0 = 0x40, 0x80, 0x40

    def ref(index, generation):
        return index | generation << 2

    def allocation(index=0, generation=1, deadline=3, client_=client, listener_=0, first=relay, second=None, port=1, rate=0, listener_port=at_3478):
        return bytes([alloc_set, ref(index, generation), deadline, client_, 2, listener_, listener_port, first, port]) + \
            (bytes([none, 0]) if second is None else bytes([second, port])) + struct.pack(">H", rate)

    def permission(kind, peer, index=0, generation=1, deadline=3):
        return bytes([kind, ref(index, generation), deadline, peer, 0])

    def channel(kind, peer, port=1, index=0, generation=1, deadline=3, number=None):
        return bytes([kind, ref(index, generation), deadline, peer, port]) + (b"\0" if number is None else b"\x80" + struct.pack(">H", number))

    def simple(kind, index=0, generation=1, deadline=3):
        return bytes([kind, ref(index, generation), deadline])

    def save_all(name, *steps):
        save("apply", name, b"".join(steps))

    live = allocation() + permission(permission_set, other) + channel(channel_set, other)
    save_all("live", live, simple(counters), simple(alloc_delete))
    save_all("refresh", live, allocation(deadline=2, rate=1001), permission(permission_set, other, deadline=1), channel(channel_set, other, deadline=1), live)
    save_all("deletes", live, channel(channel_delete, other, number=0x4444), channel(channel_delete, other), channel(channel_delete, other), permission(permission_delete, other),
             permission(permission_delete, other), simple(alloc_delete), simple(alloc_delete), simple(counters), simple(counters, 1, 2))
    save_all("rebinds", live, channel(channel_set, 10), channel(channel_set, other, number=0x4005), channel(channel_set, 10, 3), permission(permission_delete, other), permission(permission_set, other, deadline=1))
    save_all("sync", live, allocation(1, 1, client_=other, first=behind), permission(permission_set, other, 1), channel(channel_set, other, index=1), simple(begin), allocation(),
             simple(end), simple(end), simple(begin), live, simple(end))
    save_all("dual", allocation(second=relay6), permission(permission_set, 11), channel(channel_set, 11), permission(permission_set, other), allocation(1, 1, client_=client6, listener_=listener6, first=relay6, port=2),
             permission(permission_set, relay6, 1), channel(channel_set, relay6, 1, 1), bytes([routes, 1, 0]), bytes([routes, 0, 0]))
    save_all("hairpin", allocation(), allocation(1, 1, client_=other, first=behind), permission(permission_set, public), channel(channel_set, public), channel(channel_set, behind, number=0x4006),
             permission(permission_set, 0, 1), channel(channel_set, 0, at_3478, 1), channel(channel_set, 0, 1, 1), channel(channel_set, listener, at_3478, 1), permission(permission_set, listener, 1))
    save_all("refused", allocation(client_=9, listener_=client), allocation(listener_=10), allocation(listener_port=1), allocation(first=client), allocation(first=listener), allocation(port=at_3478), allocation(second=behind),
             allocation(second=0xC0), allocation(client_=none), allocation(first=none), allocation(client_=client6), allocation(0, 0), bytes([alloc_set, 0x40 | 4]) + allocation()[2:], allocation(1, 1, listener_=8, first=relay),
             allocation(), allocation(1, 1), allocation(client_=other), allocation(0, 2), allocation(0, 1), channel(channel_set, 11), channel(channel_set, other, port0), channel(channel_set, other, number=0x3FFF),
             permission(permission_set, none), permission(permission_set, other, 2), channel(channel_set, other, index=2), permission(permission_delete, none), simple(0), bytes([0x43, 4, 0]), simple(12))
    save_all("raw", b"\x80" + bytes(8) + struct.pack("<HHIIIQ", 3, 1, 0, 0, 1, 2**63) + bytes(160))
    save_all("full", *(allocation(n & 3, 1, client_=0x80) + b"" for n in range(3)), live, *(permission(permission_set, 0x80) for _ in range(3)))
    def move(to, port=3, number=1, to_listener=listener, index=0, of=client):
        whole = allocation(index, client_=of)
        return bytes([whole[0] | 0x10]) + whole[1:] + bytes([to, port, to_listener, at_3478, number])

    def come(which, index=0):
        return simple(arrive) + bytes([which]) + (struct.pack(">H", index) if which & 0x80 else b"")

    def many(n, index=0):
        return simple(fill, index) + bytes([n])

    def families(v4, v6, second=None, deadline=3):
        whole = allocation(second=second, deadline=deadline)
        return bytes([whole[0] | 0x20]) + whole[1:] + bytes([v4, v6])

    save_all("settings", *(simple(settings) + bytes(values) for values in ((5, 0, 64), (0, 1, 0), (9, 4, 63), (1, 2, 0), (1, 3, 0), (1, 8, 0), (1, 12, 0), (1, 0, 65), (31, 0, 5))))
    dual = allocation(second=relay6) + b"".join(permission(permission_set, n) + channel(channel_set, n, number=0x4000 + n) for n in (other, 11))
    save_all("close-family", dual, bytes([routes, 1, 0]), allocation(), allocation(second=relay6), permission(permission_set, 11), simple(alloc_delete))
    save_all("close-permissions", allocation(second=relay6), permission(permission_set, 11), permission(permission_set, other), allocation(second=none), simple(counters))
    save_all("close-first", dual, allocation(first=relay6), simple(counters), allocation(first=relay6), permission(permission_set, 11))
    save_all("close-while-moving", dual, move(10), allocation(), dual, move(10), come(0), allocation(client_=10))
    save_all("families", families(1, 2, relay6), permission(permission_set, 11), permission(permission_set, other), channel(channel_set, 11), families(3, 1, relay6), families(0, 0, relay6), families(2, 2), families(2, 2, deadline=1))
    save_all("move", live, move(10), channel(channel_set, 10, number=0x4007), permission(permission_set, other, deadline=1), channel(channel_set, other, deadline=2), move(10), come(0), come(0), come(1), move(10), allocation(client_=10), simple(counters))
    save_all("move-by-channel", live, channel(channel_set, 10, number=0x4007), move(10), come(1), move(client, 2, 2, 0, of=10), come(0), come(1), come(2), come(3), come(0x80, 1), come(0x80, 0), come(0x80, 60000), simple(alloc_delete))
    save_all("move-cancelled", live, move(10), come(0x40), allocation(), come(0), move(10), move(10, number=2), move(10, port=4), come(0x40), simple(alloc_delete), come(0))
    save_all("move-anew", move(10), channel(channel_set, other), permission(permission_set, other), channel(channel_delete, other), come(0), move(10, number=3), channel(channel_set, other), simple(begin), live, simple(end))
    save_all("move-refused", live, allocation(1, 1, client_=other, first=behind), move(other, 2, to_listener=0), move(none), move(10, to_listener=client), move(client6, to_listener=listener6), move(10, to_listener=listener6), move(10, of=11),
             move(other, 2, to_listener=0, index=1), move(10, port=port0), come(0), move(client6, to_listener=listener6, of=other), simple(alloc_delete), simple(alloc_delete, 1))
    save_all("move-new-refused", allocation(1, 1, client_=other, first=behind), move(other, 2, to_listener=0), simple(counters))
    save_all("move-to-ipv6", live, bytes([routes, 1, 0]), move(client6, to_listener=listener6), come(1), bytes([routes, 0, 0]), move(client, 2, 2, 0, of=client6), come(0), simple(alloc_delete))
    full = many(255) + many(255) + many(255)
    save_all("full-table", live, full, permission(permission_set, 10), channel(channel_set, 10, number=0x4008), allocation(1, 1, client_=other, first=behind), move(10), simple(alloc_delete))
    for free in range(1, 5):
        gone = b"".join(permission(permission_delete, n) for n in (0, 1, 10, 9)[:free])
        begun = allocation() + b"".join(permission(permission_set, n) for n in (0, 1, 10, 9)) + permission(permission_set, other) + channel(channel_set, other) + channel(channel_set, 2, number=0x4009)
        save_all("full-but-%d" % free, begun, full, gone, channel(channel_set, 10, number=0x4008), simple(counters), allocation(1, 1, client_=other, first=behind), channel(channel_set, other, index=1, number=0x4001))
        save_all("full-move-%d" % free, begun, full, gone, move(10), many(255), channel(channel_set, 10, number=0x4008), come(0), come(0), come(1), come(2), simple(alloc_delete))
    save_all("routes", live, bytes([routes, 1, 0]), bytes([routes, 0, 0]), allocation(1, 1, client_=other, first=behind), bytes([routes, 1, 0]), bytes([routes, 0, 0]))


def socket_seeds():
    """Scripts of manage, client and attach."""
    greet, send_, close_, turn, tick, rings, command, read = range(8)
    save("manage", "status", bytes([greet, 3, send_, 0, read]))
    save("manage", "memory", bytes([greet, 3, send_, 255, read, send_, 0, read]))
    save("manage", "control", bytes([greet, 1, read, command, 3, command, 1, read, greet | 8, 1, read | 8, close_, greet | 8, 1, read | 8]))
    save("manage", "commands", bytes([greet, 1, read]) + bytes([command, 3]) * 20 + bytes([read, close_, turn]))
    save("manage", "rings", bytes([greet, 1, read]) + bytes([rings, 3]) + b"\x05\0\0\0" + bytes([rings, 0]) + b"\xff" * 4 + bytes([rings, 1]) + b"\xff" * 4 + bytes([turn]))
    save("manage", "acks-full", bytes([greet, 1, read]) + (b"".join(bytes([rings, 3]) + struct.pack("<I", n * 4096) + bytes([turn]) for n in (1, 2, 3)) + bytes([close_])) + b"")
    save("manage", "refused", bytes([greet, 0, close_, greet, 2, 0, close_, greet, 5, 4, 9, close_, greet, 7, 0, 9, close_, greet, 11, 3, close_, greet, 19]) + b"x" * 16 + bytes([close_, greet, 35, 20, close_, greet, 99, 20, close_, greet, 99, 40, close_, greet, 131]))
    save("manage", "bytes", bytes([send_, 1]) + b"x" * 8 + bytes([close_]) + bytes([send_, 150]) + b"y" * 100 + bytes([send_ | 8, 2]) + b"z" * 16)
    save("manage", "slow", bytes([turn, greet | 8, 3, tick, tick, tick, send_, 0]))
    save("manage", "unread", bytes([greet, 3]) + bytes([send_, 0]) * 60)
    save("manage", "twice", bytes([greet, 1, greet, 1, send_, 0, read, greet | 8, 1, read | 8, greet | 8, 2, 9, greet | 16, 1, read | 16]))
    save("manage", "other-sizes", bytes([greet, 6, 0, 1, 9, read, greet | 8, 6, 8, 0, 9, greet | 16, 5, 0, 0, greet, 5, 3, 0]))
    state = struct.pack("<IHHHHIIIQ", 0x54504b31, 1, 1, 11, 0, 32, 2, 0, 0)
    save("manage", "streams", bytes([greet, 2, 5, greet | 8, 2, 5, greet | 8, 2, 69, greet | 16, 2, 6, read, read | 8, read | 16, close_, greet, 2, 5, read]))
    save("manage", "stream-state", bytes([greet, 2, 5, read, send_, 4]) + state + bytes([send_, 4]) + state + bytes([send_, 0, read, turn]))
    save("manage", "stream-state-of-none", bytes([greet, 3, send_, 4]) + state + bytes([greet | 8, 2, 0, greet | 16, 2 | 4, 9, 1, 3, close_ | 16, greet | 16, 2 | 32 | 64, 7, 90, close_ | 16, greet | 16, 2 | 32 | 64, 7, 100]))
    save("manage", "stream-and-control", bytes([greet, 2, 5, greet | 8, 1, read | 8, close_ | 8, read, greet | 8, 1, close_, read | 8, turn]))
    save("client", "attached", bytes([0, 0, 4, 2, 0, 4, 2, 0, 6, 7]))
    save("client", "attached-refuse", bytes([8, 0, 0, 0]))
    save("client", "refused", bytes(sum(([1, n, 0] for n in range(8)), [])))
    for n in range(8):
        save("client", "refused-%d" % n, bytes([1, n, 0, 6]))
    save("client", "refused-short", bytes([1, 1, 17]))
    save("client", "wrong", bytes([0, 1, 99]))
    save("client", "wrong-type", bytes([0, 2, 99]))
    save("client", "few-descriptors", bytes([0, 4 | 1 << 4]))
    save("client", "bytes", bytes([3, 20]) + b"x" * 20)
    save("client", "too-long", bytes([3, 255]) + b"x" * 255)
    save("client", "unexpected", bytes([0, 0, 1, 1, 0]))
    save("client", "status-unasked", bytes([0, 0, 2, 0]))
    save("client", "status-wrong", bytes([0, 0, 4, 2, 1, 0, 0]) + b"12345678")
    save("client", "status-short", bytes([0, 0, 4, 2, 2, 0, 9]))
    save("client", "many-questions", bytes([0, 0, 0xE4, 0xE4, 2, 0, 2, 0, 6]))
    save("client", "nowhere", b"\xff")
    save("client", "long-path", b"\xfe")
    save("client", "gone", bytes([0, 0, 4, 6, 4]))
    save("client", "later", bytes([0, 0, 20, 20, 22, 22, 22, 22, 0, 0]))
    save("client", "drop", bytes([0, 0, 7, 4, 39]))

    # struct tp_attached: where a field is, then what it becomes; `how` of fuzz_attach.c, then ring scribbles.
    def alter(name, *pieces, how=0, rest=b""):
        save("attach", name, bytes([len(pieces)]) + b"".join(struct.pack(">HB", at, len(data) - 1) + data
                                                              for at, data in pieces) + bytes([how]) + rest)

    def u16(at, value):
        return at, struct.pack("<H", value)

    def u64(at, value):
        return at, struct.pack("<Q", value)

    for name, at, value in (("magic", 0, 0), ("major", 4, 99), ("type", 8, 2), ("length", 12, 1), ("workers", 20, 0), ("workers-many", 20, 999),
                            ("rings", 22, 5), ("port-min", 48, 0), ("port-max", 50, 1), ("listeners", 52, 0), ("relays", 54, 0),
                            ("ring-kind", RING, 9), ("ring-twice", RING + 24, 1), ("ring-worker", RING + 2, 3), ("ring-slots", RING + 4, 3),
                            ("ring-slot-bytes", RING + 8, 64), ("ring-event", RING + 12, 99), ("ring-offset", RING + 16, 1),
                            ("ring-far", RING + 18, 999), ("listener-port", LISTENER + 20, 0), ("listener-pad", LISTENER + 17, 1),
                            ("listener-family", LISTENER + 16, 9), ("listener-rest", LISTENER + 5, 1), ("relay-family", RELAY + 16, 6), ("relay-bits", RELAY + 40, 99)):
        alter(name, u16(at, value))
    alter("overlap", u64(RING + 24 + 16, 0))
    alter("region-small", u64(32, 1))
    alter("region-large", u64(32, 1 << 32))
    alter("rings-none", u64(40, 0))
    alter("rings-large", u64(40, 1 << 32))
    alter("swapped", how=2)
    alter("few-descriptors", how=1 | 2 << 4)
    alter("fewer-descriptors", how=1 | 5 << 4)
    alter("short", how=4)
    alter("closed", how=8)
    punt = bytes(8) + addr(198, 18, 1, 1, 4000) + addr(198, 18, 0, 2, 3478) + bytes(20) + struct.pack("<HHBBH", 0, 3, 0, 0, 0)
    slot = bytes([1, 0, len(punt)]) + punt
    head = bytes([1 | 2 | 4]) + struct.pack("<I", 2)
    alter("punt", rest=slot + head)
    alter("punt-elsewhere", rest=bytes([1, 0, 60]) + punt[:52] + b"\1" + punt[53:60] + head)
    alter("punt-malformed", rest=bytes([1, 1, 40]) + punt[:40] + head)
    alter("punt-mad", rest=bytes([1 | 2 | 4]) + b"\xff" * 4)
    ack = struct.pack("<QiHH", 1, 0, 9, 0)
    alter("ack", rest=bytes([0, 0, len(ack)]) + ack + bytes([2 | 4]) + struct.pack("<I", 2))
    alter("ack-order", rest=bytes([0, 0, 1, 9]) + bytes([2 | 4]) + struct.pack("<I", 2))
    alter("punts-many", rest=bytes([1 | 2 | 4]) + struct.pack("<I", 100))


RING, LISTENER, RELAY = 64, 880, 2416  # offsets in struct tp_attached


def addr(a, b, c, d, port):
    return bytes([a, b, c, d]) + bytes(12) + b"\4\0\0\0" + struct.pack("<HH", port, 0)


def cli_seeds():
    """Words of the command line, an empty line, answers; see fuzz_cli.c."""
    def ask(name, *words, answers=()):
        lines = [w.encode() for w in words] + [b""] + [a if isinstance(a, bytes) else json.dumps(a).encode() for a in answers]
        save("cli", name, b"\n".join(lines) + b"\n")

    allocation = {"id": "0" * 32, "client": "198.18.1.1:4000", "listener": "198.18.0.2:3478", "relayed": ["198.18.0.2:50001", "[fd00::2]:50001"], "user": "u\x1b[2J", "expires_in_s": 12,
                  "permissions": [{"peer": "198.18.2.2", "expires_in_s": 3}], "channels": [{"peer": "198.18.2.2:5000", "channel": "0x4000", "expires_in_s": 3.5}],
                  "up_packets": 1, "up_bytes": 2, "down_packets": 3, "down_bytes": 4, "counters": {"up_packets": 5}}
    stats = {"now_ns": 1000000000, "instance": "1", "counters": {"rx": 10, "cycles_busy": 1000, "nonsense": -5}, "drops": {"not_ip": 3, "policed": 0, "zzz": 1},
             "ports": [{"name": "wan", "interface": "eth0", "rx": 1, "tx": 2, "steering": {"udp": 3}, "xdp": {"drops": 4}}], "books": {"rx": 10, "difference": 1}, "cycles_per_packet": 100.5}
    later = {**stats, "now_ns": 2000000000, "counters": {"rx": 20, "cycles_busy": 3000}}
    status = {"state": "degraded", "reasons": ["because"], "control": {"state": "up", "pid": 1, "version": "1", "started": "today", "allocations": 1000000,
              "listeners": [{"address": "198.18.0.2:3478", "udp": True}, {"address": "x", "udp": True}, {"address": "x", "udp": False}]},
              "dataplane": {"state": "up", "workers": 2, "flows": 1, "hugepages": True, "ports": [{"name": "wan", "link_up": True, "mtu": 1500}, {}]}}
    relay = {"address": "198.18.0.2", "public": "198.18.0.2", "state": "in_use", "ports": 16, "free": 14, "taken": 1, "resting": 1, "reserved": 0}
    relays = [relay, {**relay, "public": "203.0.113.2", "state": "drained", "empty": True}, {**relay, "state": "drained"}, {}]
    total = {"ipv4": {"addresses": 2, "drained": 1, "removed": 0, "ports": 32}, "ipv6": {"addresses": 0}}
    reloaded = {"file": "/etc/turnpike.json", "live": ["quotas", 5], "restart": [{"option": "realm", "of": "both"}, {}]}
    refused = b'!{"code": -32602, "message": "no \\u001b such"}'
    ask("list", "allocation", "list", answers=[{"allocations": [allocation, {}], "next": 5}, {"allocations": [allocation], "next": None}])
    ask("list-limit", "allocation", "list", "limit=1", answers=[{"allocations": [allocation], "next": 7}])
    ask("list-json", "--json", "allocation", "list", answers=[{"allocations": 5, "next": 5}, {"next": 5}])
    ask("list-refused", "allocation", "list", answers=[refused])
    ask("show", "allocation", "show", "client=198.18.1.1:4000", answers=[allocation])
    ask("show-json", "allocation", "show", "id=" + "0" * 32, "--json", answers=[allocation])
    ask("show-refused", "allocation", "show", "id=" + "0" * 32, answers=[b"?1"])
    ask("close", "allocation", "close", "relayed=198.18.0.2:50000", answers=[{"closed": 1}])
    ask("close-json", "--json", "allocation", "close", "relayed=198.18.0.2:50000", answers=[{"closed": 1}])
    ask("close-refused", "allocation", "close", "id=" + "0" * 32, answers=[b'!{"code": 1}'])
    ask("status", "status", answers=[status])
    ask("status-json", "-s", "/run/x/control.sock", "status", "--json", answers=[{"state": "healthy"}])
    ask("status-down", "status", answers=[{"state": "down", "control": {"state": "down"}, "dataplane": {"state": "no"}}])
    ask("status-nobody", "status", answers=[b"?1"])
    ask("status-busy", "status", answers=[b'!{"code": -32001, "message": "too many"}'])
    ask("status-refused", "status", answers=[b'!{"code": -32000}'])
    ask("status-dataplane", "status", answers=[b"?1", b"z" * 2000])
    ask("stats", "stats", answers=[stats, later])
    ask("stats-restart", "stats", "interval=2", answers=[stats, {**later, "instance": "2"}])
    ask("stats-totals", "stats", "interval=0", answers=[{**stats, "cycles_per_packet": None, "drops": {}}])
    ask("stats-json", "--json", "stats", "interval=0.5", answers=[stats, stats])
    ask("stats-idle", "stats", answers=[stats, {**stats, "now_ns": 3000000000}])
    ask("stats-dataplane", "stats", answers=[b"?1", b"z" * 20000])
    ask("stats-nobody", "stats", answers=[b"?1"])
    ask("stats-refused", "stats", answers=[b'!{"code": 1, "message": "x"}'])
    ask("stats-refused-dataplane", "stats", "interval=0", answers=[b'!{"code": 1, "message": "x"}', b"z" * 20000])
    ask("stats-large", "stats", answers=[stats, {**later, "counters": {"rx": 2**63 - 1, "cycles_busy": -2**63}}])
    ask("help", "help")
    ask("help-option", "--help", "status")
    ask("wrong-noun", "nonsense")
    ask("wrong-verb", "allocation", "burn")
    ask("no-verb", "allocation")
    ask("nothing", "--json")
    ask("option", "-x")
    ask("option-value", "status", "-r")
    ask("directory", "-r", "/run/x", "status", answers=[status])
    ask("both", "-r", "/run/x", "-s", "control.sock", "help")
    ask("socket", "-s", "control.sock", "help")
    ask("long-path", "-r", "x" * 300, "help")
    ask("long-socket", "-s", "x" * 300, "help")
    ask("long-beside", "-r", "x" * 243, "help")
    ask("interval", "stats", "interval=-1")
    ask("interval-word", "stats", "interval=1x")
    ask("param-unknown", "allocation", "list", "colour=red")
    ask("param-twice", "allocation", "list", "limit=1", "limit=2")
    ask("param-wrong", "allocation", "list", "limit=x")
    ask("param-none", "allocation", "list", "limit")
    ask("param-missing", "allocation", "show")
    ask("list-long", "allocation", "list", answers=[{"allocations": [{**allocation, "mobile": True, "relayed": ["x" * 60] * 5}, {"moving_to": "198.18.1.2:4000"}]}])
    ask("show-moving", "allocation", "show", "id=" + "0" * 32, answers=[{**allocation, "realm": "example.org", "mobile": True, "moves": 3, "moving_to": "198.18.1.2:4000", "moving_to_listener": "198.18.0.2:3478", "counters_live": True}])
    ask("help-json", "help", "--json")
    ask("relay-list", "relay", "list", answers=[{"relays": relays}])
    ask("relay-list-json", "--json", "relay", "list", answers=[{"relays": 5}])
    ask("relay-list-refused", "relay", "list", answers=[refused])
    ask("relay-ports", "relay", "ports", answers=[{"addresses": relays, "next": 5, "total": total}, {"addresses": relays, "next": None, "total": total}])
    ask("relay-ports-limit", "relay", "ports", "limit=1", answers=[{"addresses": relays, "next": 7}])
    ask("relay-ports-json", "--json", "relay", "ports", answers=[{"addresses": 5, "next": 5}, {"next": 5}])
    ask("relay-ports-refused", "relay", "ports", answers=[refused])
    ask("relay-drain", "relay", "drain", "198.18.0.2", answers=[relay])
    ask("relay-undrain", "relay", "undrain", "address=198.18.0.2", answers=[relays[1]])
    ask("relay-remove-json", "--json", "relay", "remove", "address=198.18.0.2", answers=[relays[2]])
    ask("relay-remove-refused", "relay", "remove", "address=198.18.0.2", answers=[refused])
    ask("reload", "reload", answers=[reloaded])
    ask("reload-check", "reload", "check=true", answers=[{**reloaded, "checked_only": True}])
    ask("reload-json", "--json", "reload", answers=[reloaded])
    ask("reload-problems", "reload", answers=[b'!{"code": -32005, "message": "a: is wrong\\nb: \\u001b is\\n"}'])
    ask("reload-nobody", "reload", answers=[b"?1"])
    budgets = {"requests_per_address": 10, "requests_per_network": 1000, "requests_to_control": 5, "requests_unproven": 4}
    for in_force in (False, True):
        conf = {"file": "/etc/turnpike.json", "read": "today", "unauthenticated": {**budgets, "in_force": in_force}}
        ask("status-budgets-%d" % in_force, "status", answers=[{**status, "control": {**status["control"], "configuration": conf}}])
    for name, failures, oauth in (("counted", {"unknown_user": 5, "zzz": 1, "algorithm": 0}, {"oauth_accepted": 7, "oauth_tag": 1}), ("none", {"unknown_user": 0}, {})):
        ask("stats-control-" + name, "stats", "interval=0", answers=[{**stats, "control": {"auth_failures": failures, **oauth}}])
    ask("status-strange", "status", answers=[b"?1", b"x" * 2456])
    reply = bytearray(2456)  # struct tp_status_reply
    struct.pack_into("<QQ", reply, 1048, 0, 8192)  # mbufs
    struct.pack_into("<4H", reply, 88, 2, 1, 0, 1)  # workers, ports, hugepages, late workers
    ask("status-starved", "status", answers=[b"?1", bytes(reply)])
    struct.pack_into("<H", reply, 90, 9)
    ask("status-many-ports", "status", answers=[b"?1", bytes(reply)])
    # The dataplane is asked first: struct tp_memory_reply, its header written by the target.
    reply = bytes(16) + struct.pack("<IIQQQ32Q", 77, 15, 4096, 5000000, 2000000, *range(0, 32000, 1000))
    process = b'{"pid": 78, "resident_bytes": 1234567, "hugetlb_bytes": 0, "parts": {"store": 1234567, "heap": "x"}, "unexplained_bytes": -1}'
    ask("memory", "memory", answers=[reply + process])
    ask("memory-json", "--json", "memory", answers=[reply + process])
    ask("memory-other", "memory", answers=[b"x" + reply[1:] + process])
    ask("memory-short", "memory", answers=[reply[:40]])
    ask("memory-too-many", "memory", answers=[reply[:20] + struct.pack("<I", 99) + reply[24:] + b'!{"message": "no"}'])
    source = (HERE.parent.parent / "control" / "cli" / "args.c").read_text()
    commands = re.findall(r'^\t\{"(\w+)", (?:NULL|"(\w+)"), CTL_OP_', source, re.M)
    members = [json.dumps(key) + ":" for answer in (allocation, stats, status, status["control"], status["dataplane"]) for key in answer]
    dictionary("cli", ["\n".join(filter(None, words)) + "\n" for words in commands] + ["--json\n", "-s\n", "-r\n", "limit=", "after=", "id=", "client=", "relayed=", "interval=", "\n{}\n", "\n[]\n", "\n!{}\n", "\n?1\n"] + members)


def turn_seeds():
    """Conversations of fuzz_turn.c."""
    raw, request_, _, ack, time, hold, store, detach = range(8)
    allocate, refresh, permission, channel, binding, unknown, indication, usual = range(8)
    transport, family, additional, even, dont, lifetime, number, change, port, token, algorithms, peer, access, ticket, small, any_ = range(16)
    no_user, no_realm, no_nonce, old, wrong, hashed, fingerprint, indicate = (1 << n for n in range(8))
    udp17, v4, v6 = b"\x11\0\0\0", b"\1\0\0\0", b"\2\0\0\0"
    serial = [0]

    def ask(method, *attrs, client=0, how=0, ident=None):
        serial[0] = (serial[0] + 1) % 256
        return bytes([request_, method | len(attrs) << 3, client, how, serial[0] if ident is None else ident]) + b"".join(attrs)

    def a(kind, data=b""):
        return bytes([kind]) + data

    def p(which):
        return bytes([peer, which])

    def u32(value):
        return struct.pack(">I", value)

    def datagram(data, client=0):
        return bytes([raw, client, min(len(data), 255)]) + data

    def talk(name, options, *steps):
        save("turn", name, bytes([options]) + b"".join(steps))

    ok = ask(usual)
    talk("binding", 8, ask(binding, client=0x80), ask(binding, a(change, u32(6)), client=0x80, how=fingerprint), ask(binding, a(port, u32(0x12340000)), client=0x80),
         ask(binding, a(port, u32(0)), client=0x80), ask(binding, a(any_, struct.pack(">HB", 0x26, 40) + bytes(40)), client=0x80), ask(binding, a(any_, struct.pack(">HB", 0x26, 4) + bytes(4)), a(port, u32(0x12340000)), client=0x80),
         ask(binding, a(any_, struct.pack(">HB", 0x7F00, 0)), client=0x80), ask(binding, a(any_, struct.pack(">HB", 3, 3) + bytes(3)), client=0x80), ask(unknown), ask(indication), ask(allocate, how=indicate))
    talk("raw", 0, datagram(stun(1, attr(0x8022, b"abcdefgh"))), datagram(stun(0x0101, attr(0x8022, b"abcdefgh"))), datagram(b"x" * 16), datagram(stun(1, attr(0x8028, bytes(4)))), datagram(bytes(2060)))
    talk("credentials", 0, ask(usual, client=0x80), ask(usual, how=no_user), ask(usual, how=no_realm), ask(usual, how=no_nonce), ask(usual, how=old), ask(usual, how=wrong), ask(usual, how=hashed | no_user), ask(usual, how=hashed),
         ask(usual, client=8), ask(usual, a(algorithms, b"\2"), client=9), ask(usual, a(algorithms, b"\1"), client=0x4A), ask(usual, a(algorithms, b"\7"), client=0x4B), ask(usual, a(any_, struct.pack(">HB", 0x8002, 4) + bytes(4)), client=8),
         ask(usual, a(any_, struct.pack(">HB", 8, 19) + bytes(19))), ask(usual, client=0x43))
    talk("store", 0, bytes([store | 8]), ask(usual), bytes([store | 16]), ask(usual), bytes([store | 24]), ask(usual), ask(refresh), bytes([store]), bytes([store | 32]), ask(refresh), bytes([store | 24]), ask(refresh, client=1), bytes([store | 8]))
    talk("expired-credential", 0, ok, bytes([store | 40]), ask(refresh), ask(usual, client=1), ask(refresh, client=2), bytes([store]), ask(refresh, how=no_user | no_realm))
    talk("allocate", 1, ask(allocate), ask(allocate, a(transport, b"\6\0\0\0")), ask(usual, a(even, b"\x80")), ask(usual, a(token), client=1), ask(usual, a(token), client=2), ask(usual, a(token), a(even, b"\0"), client=2),
         ask(usual, a(family, v6), client=2), ask(usual, a(additional, v6), client=3), ask(usual, a(additional, v4), client=0x13), ask(usual, a(family, v4), a(additional, v6), client=0x13), ask(usual, a(family, b"\3\0\0\0"), client=0x13),
         ask(usual, a(even, b"\x80"), a(additional, v6), client=0x13), ask(usual, a(lifetime, u32(99999)), a(dont), client=0x13), ask(usual, a(lifetime, u32(1)), client=0x12), ask(usual, a(family, v6), a(token), client=0x11), ask(usual, a(even, b"\0"), client=0x11),
         ask(usual, a(any_, struct.pack(">HB", 0x22, 3) + bytes(3)), client=0x21), ask(usual, a(any_, struct.pack(">HB", 0x19, 3) + bytes(3))), ask(usual, a(any_, struct.pack(">HB", 0x18, 3) + bytes(3)), client=0x21), ask(usual, a(any_, struct.pack(">HB", 0x17, 3) + bytes(3)), client=0x21),
         ask(usual, a(any_, struct.pack(">HB", 0x8000, 3) + bytes(3)), client=0x21), ask(usual, a(any_, struct.pack(">HB", 0x0D, 3) + bytes(3)), client=0x21), ask(usual, a(any_, struct.pack(">HB", 0x7F01, 0)), client=0x21))
    talk("allocate-one-family", 0, ask(usual, a(additional, v6)), ask(usual, a(family, v6), client=1), ask(usual, a(even, b"\x80"), client=2), ask(usual, a(token), a(family, v4), client=3))
    talk("replay", 9, ask(usual, ident=7), ask(usual, ident=7), ask(usual, ident=8), ask(refresh, ident=9), ask(refresh, ident=9), bytes([time, 50]), ask(refresh, ident=9), ask(usual, a(additional, v6), client=1, ident=7),
         *(ask(refresh, client=0, ident=n) for n in range(20, 30)), ask(usual, ident=7), ask(usual, a(additional, v6), client=1, ident=7), ask(usual, client=0x41, how=fingerprint))
    talk("replay-reserved", 1, ask(usual, a(even, b"\x80"), ident=7), bytes([time, 50]), ask(usual, a(even, b"\x80"), ident=7), ask(usual, a(additional, v6), client=1, ident=9), bytes([time, 50]), ask(usual, a(additional, v6), client=1, ident=9))
    talk("refresh", 1, ask(refresh), ok, ask(refresh, a(lifetime, u32(100))), ask(refresh, a(family, v6)), ask(refresh, a(family, b"\3\0\0\0")), ask(refresh, a(any_, struct.pack(">HB", 0x0D, 2) + bytes(2))), ask(refresh, a(lifetime, u32(0))), ask(refresh, a(lifetime, u32(0))),
         ask(usual, a(additional, v6), client=1), ask(refresh, a(family, v6), a(lifetime, u32(0)), client=1), ask(refresh, a(family, v6), client=1), ask(refresh, a(family, v4), a(lifetime, u32(0)), client=1), ask(refresh, a(any_, struct.pack(">HB", 0x17, 1) + b"\1"), client=1))
    talk("permission", 1, ask(permission, p(0)), ok, ask(permission, p(0), p(1)), ask(permission), ask(permission, p(0), p(3)), ask(permission, p(2)), ask(permission, p(0), p(0)), ask(permission, a(any_, struct.pack(">HB", 0x12, 5) + bytes(5))),
         ask(permission, a(any_, struct.pack(">HB", 0x12, 8) + b"\0\3" + bytes(6))), ask(usual, a(additional, v6), client=1), ask(permission, p(2), p(0), client=1), *(ask(permission, *(p(n) for n in (0, 1, 7)), client=1) for _ in range(3)))
    talk("channel", 1, ask(channel, a(number, b"\x40\0\0\0"), p(0)), ok, ask(channel, a(number, b"\x40\0\0\0"), p(0)), ask(channel, a(number, b"\x40\0\0\0"), p(0)), ask(channel, a(number, b"\x40\1\0\0"), p(0)), ask(channel, a(number, b"\x40\0\0\0"), p(1)),
         ask(channel, a(number, b"\x50\0\0\0"), p(1)), ask(channel, p(1)), ask(channel, a(number, b"\x40\2\0\0")), ask(channel, a(number, b"\x40\2\0\0"), p(3)), ask(channel, a(number, b"\x40\2\0\0"), p(2)), ask(channel, a(number, b"\x40\2\0\0"), p(0x81)),
         ask(channel, a(any_, struct.pack(">HB", 0x0C, 2) + bytes(2)), p(1)))
    held = bytes([hold | 8])
    talk("held", 0, held, ok, ask(refresh), ask(refresh, ident=200), ask(refresh, ident=200), ask(permission, p(0)), bytes([ack]), bytes([ack]), ask(usual, client=1), bytes([ack | 16]), bytes([ack | 0xC0]), ask(channel, a(number, b"\x40\0\0\0"), p(0)), bytes([ack]), bytes([ack | 16]),
         ask(permission, p(0), p(1)), bytes([ack | 0x20]), bytes([ack | 8]), ask(refresh), bytes([ack | 0xC0]))
    talk("lost", 0, held, ok, ask(usual, client=1), bytes([ack | 8]), bytes([ack]), bytes([ack]), ask(permission, p(0)), ask(refresh, client=1), bytes([detach]), ask(refresh))
    talk("lost-acknowledgement", 0, held, ok, ask(usual, client=1), ask(usual, client=2), bytes([ack | 0x18, ack | 8, ack]), ask(permission, p(0), p(1)), ask(permission, p(0), p(1), client=1), ask(permission, p(0), p(1), client=2), bytes([ack | 8]) * 4 + bytes([ack]) * 3)
    talk("detached", 0, held, ok, ask(refresh), ask(permission, p(0)), bytes([detach]), ask(usual, client=1), bytes([ack | 0xC0]), ask(refresh, a(lifetime, u32(0)), client=1), ask(usual, client=1), bytes([detach]))
    talk("overload", 4, held, ok, ask(usual, client=1), ask(usual, client=2), bytes([ack | 0xC0]))
    talk("many-deferred", 0, held, ok, *(ask(refresh) for _ in range(36)), bytes([ack | 0xC0]), bytes([ack | 0xC0]), bytes([ack | 0xC0]))
    talk("end-while-held", 0, held, ok, ask(refresh), ask(usual, client=1), ask(refresh, client=1))
    talk("end-of-process", 16, held, ok, ask(refresh), ask(usual, client=1), ask(refresh, client=1))
    talk("no-room", 0, ok, bytes([hold | 16]), ask(refresh), ask(permission, p(0), p(1)), ask(channel, a(number, b"\x40\0\0\0"), p(0)), ask(usual, client=1), bytes([hold]))
    talk("quota", 2, ok, ask(usual, client=1), ask(usual, client=2))
    talk("full", 0, *(ask(usual, client=n) for n in range(64) if n & 0xC == 0))
    talk("expired", 0, ok, ask(permission, p(0)), ask(channel, a(number, b"\x40\0\0\0"), p(0)), bytes([time | 8, 6]), ask(refresh), bytes([time | 8, 20]), ask(refresh), ask(usual), bytes([time | 8, 250]))
    talk("unknown", 0, ok, ask(refresh, *(a(any_, struct.pack(">HB", 0x7F00 + n, 0)) for n in range(30))), ask(usual, *(a(small, bytes([0x50 + n, 0])) for n in range(20))))
    bearer, mobile, third, sends_away = 4, 32, 64, 128
    renew, refuse, moved = 1 << 3, 2 << 3, 3 << 3

    def shows(made, *more, method=usual, client=bearer, **rest):
        return ask(method, a(access, bytes([made])), *more, client=client, **rest)

    def mob(how):
        return a(ticket, bytes([how]))

    talk("third-party", third, ask(usual), shows(0xF0), ask(permission, p(0), client=bearer), ask(channel, a(number, b"\x40\0\0\0"), p(0), client=bearer), shows(0x50, method=refresh), ask(refresh, client=bearer), ask(permission, p(0)),
         ask(permission, p(1), client=bearer, how=wrong), shows(0xF1, method=refresh), shows(0x51, client=bearer | 1), ask(permission, p(0), client=bearer | 1), shows(0xF0, method=refresh, client=bearer | 1), shows(0xF0, client=bearer | 0x42), shows(0xF1, client=bearer | 3), ok)
    talk("third-party-wrong", third, shows(0xF2), shows(0xF4), shows(0xF8), shows(0), shows(0x10), shows(0xF0, how=no_user), shows(0xF0, client=0), shows(0xF0, how=wrong), shows(0xF0, how=old), shows(0xF0, how=no_realm), shows(0xF0, how=no_user | no_realm), shows(0xF0, client=bearer | 8),
         bytes([detach | refuse, detach | renew]), shows(0xF0), shows(0xF0, client=1), ask(permission, p(0), client=bearer))
    talk("third-party-off", 0, shows(0xF0), ok, shows(0xF0, method=refresh, client=0), bytes([detach | refuse]))
    talk("third-party-short", third, shows(0x10), shows(0x20, a(lifetime, u32(3000))), bytes([time, 150]), shows(0xF0, method=refresh), bytes([time, 50]), ask(permission, p(0), client=bearer), shows(0x20, a(lifetime, u32(0)), method=refresh))
    talk("mobile", mobile, ask(usual, mob(0)), ask(refresh, mob(0)), ask(refresh, mob(1), client=1, ident=5), ask(refresh, mob(1), client=1, ident=5), bytes([time, 50]), ask(refresh, mob(1), client=1, ident=5), bytes([detach | moved]), ask(permission, p(0), client=1), ask(refresh, mob(1), client=2),
         bytes([detach | moved | 1 << 5]), ask(refresh, mob(1), client=0), ask(refresh, a(lifetime, u32(0)), client=0), ask(refresh, a(lifetime, u32(0)), client=2))
    talk("mobile-repeated", mobile, ask(usual, mob(0), ident=1), ask(refresh, mob(1), ident=5, client=1), *(ask(refresh, client=0, ident=n) for n in range(20, 32)), ask(refresh, mob(1), client=1, ident=5),
         held, ask(refresh, mob(1), ident=6, client=2), *(ask(refresh, client=0, ident=n) for n in range(40, 52)), bytes([ack | 0xC0]), ask(refresh, mob(1), client=2, ident=6))
    talk("mobile-wrong", mobile, ok, ask(refresh, mob(1)), ask(usual, mob(1), client=1), ask(usual, mob(0), client=1), ask(refresh, mob(1), client=0), ask(refresh, mob(3), client=2), ask(refresh, mob(1), client=1), ask(refresh, mob(1), client=2, how=wrong), bytes([detach | renew]), ask(refresh, mob(1), client=2),
         ask(usual, mob(0), client=3), bytes([detach | renew | 4 << 3]), ask(refresh, mob(1), a(lifetime, u32(0)), client=2), ask(refresh, mob(1), client=3), ask(usual, client=1), ask(refresh, a(any_, struct.pack(">HB", 0x8030, 5) + bytes(5)), client=1))
    talk("mobile-held", mobile, ask(usual, mob(0)), held, ask(refresh, mob(1), client=1), ask(refresh, mob(1), client=2), bytes([ack | 16]), bytes([ack | 0xC0]), ask(refresh, mob(1), client=3), bytes([detach]), ask(refresh, mob(1), client=2), bytes([ack | 0xC0]))
    talk("mobile-later", mobile | 1, ask(usual, mob(0), a(additional, v6)), ask(refresh, mob(1), a(family, v6), client=1), bytes([time, 50]), ask(refresh, mob(1), a(family, v6), client=1), bytes([time | 8, 100]), ask(refresh, mob(1), client=2))
    talk("mobile-no-room", mobile, ask(usual, mob(0)), bytes([hold | 16]), ask(refresh, mob(1), client=1), ask(refresh, mob(1), client=2), bytes([hold]), ask(refresh, mob(1), client=3))
    talk("mobile-third-party", mobile | third, shows(0xF0, mob(0)), shows(0xF0, mob(1), method=refresh, client=bearer | 1), ask(refresh, mob(1), client=2), shows(0xF1, mob(1), method=refresh, client=bearer | 3), bytes([detach | moved]), shows(0xF1, mob(1), method=refresh, client=bearer | 2))
    for n in (0, 1):
        talk("alternate-%d" % n, sends_away | n, ok, ask(usual, client=0x60), ask(usual, client=0x20), ask(usual, a(token), client=1), ask(usual, a(additional, v6), client=2), ask(usual, a(any_, struct.pack(">HB", 0x8032, 0)), client=2), ask(refresh))
        talk("alternate-full-%d" % n, sends_away | 2 | n, *(ask(usual, client=c) for c in (0, 1, 2, 3, 0x60, 0x70)), ask(refresh), ask(usual, a(token), client=2))
    talk("draft-dual", sends_away | 3, ask(usual, a(any_, struct.pack(">HB", 0x8032, 4) + b"\2\0\0\0")), ask(usual, a(additional, v6), client=1))
    change_ = attr(0x0003, b"\0\0\0\6")
    talk("classic", 0, datagram(classic()), datagram(classic(change_)), datagram(classic(attr(0x0003, b"\0\0\0\2"))), datagram(classic(attr(0x0003, b"\0\0\0\4"))), datagram(classic(attr(0x0002, bytes(8)))), datagram(classic(attr(0x0008, bytes(20)))),
         datagram(classic(attr(0x0041), attr(0x0042), attr(0x0043))), datagram(classic(), 0x10), datagram(classic(kind=2)), datagram(classic(attr(0x0006, b"name"), attr(0x8022, b"softwares"))))
    talk("families", 1, ask(usual, a(additional, v6)), ask(refresh, a(family, v6), a(lifetime, u32(60))), ask(refresh, a(family, v4), a(lifetime, u32(900))), ask(permission, p(0), p(2)), bytes([time, 100]), ask(permission, p(2)), ask(refresh, a(family, v6)), ask(refresh, a(family, v4), a(lifetime, u32(0))),
         ask(refresh, a(family, v4), a(lifetime, u32(0))), ask(permission, p(0)), ask(refresh, a(family, v6)), ask(refresh))
    talk("deferred-lookups", 0, bytes([store | 24]), ok, *(ask(refresh) for _ in range(3)))


def adopt_seeds():
    """Changes to a region that is good; see fuzz_adopt.c. Offsets of struct tp_alloc_record and its neighbours."""
    def patch(name, *pieces, policy=0):
        save("adopt", name, bytes([policy]) + b"".join(struct.pack(">HB", at, len(data)) + data for at, data in pieces))

    size = 464
    alloc, peer, name_ = 0, 8 * size, 8 * size + 16 * 64
    patch("good")
    for policy in range(1, 32):
        patch("policy-%d" % policy, policy=policy)
    ip4, none = b"\xc6\x12", b"\xff" * 4
    for what, at, data in (("torn", 0, b"\1"), ("layout", 4, b"\7"), ("state", 6, b"\7"), ("resting", 6, b"\2"), ("identity", 8, b"\7"), ("generation", 12, bytes(4)), ("deadline-past", 40, bytes(8)),
                           ("deadline-far", 40, b"\xff" * 8), ("client", 64, b"\x09"), ("client-port", 68, bytes(2)), ("client-pad", 70, b"\1"), ("client-rest", 53, b"\1"), ("listener", 72, b"\x09"), ("listener-port", 92, b"\7"),
                           ("relay", 96, b"\x09"), ("relay-port", 116, b"\1"), ("relay-family", 112, b"\x09"), ("second-relay", 136, b"\4"), ("second-relay-bad", 138, b"\1"), ("user-none", 242, bytes(2)), ("user-more", 244, bytes(4)),
                           ("user-long", 242, b"\x3d\0"), ("user-too-long", 242, none), ("transport", 308, b"\7"), ("closed", 309, b"\3"), ("closed-one", 309, b"\1"), ("key-short", 310, b"\1"), ("key-long", 310, b"\xff"),
                           ("family-past", 344, struct.pack("<QQ", 1, 1)), ("family-far", 344, b"\xff" * 16), ("family-one", 344, struct.pack("<QQ", 1, 2 * 10**9)), ("family-neither", 344, bytes(16)),
                           ("realm", 376, b"\7" * 8), ("realm-old", 376, bytes(8)), ("reserved-past", 368, struct.pack("<Q", 1)), ("move-leftover", 392, b"\1"), ("move-unasked", 410, b"\4"),
                           ("move-lost", 412, none), ("move-family", 410, b"\6"), ("move-port", 408, bytes(2)), ("move-transport", 411, b"\4"), ("move-address", 392, ip4 + b"\1\1"), ("move-ticket", 384, b"\1\0\0\0")):
        index = 2 if what.startswith(("move-", "user-more", "user-too")) and what not in ("move-leftover", "move-unasked") else 1
        patch("alloc-" + what, (alloc + index * size + at, data))
    client = ip4 + b"\1\1" + bytes(12) + b"\4\0\0\0" + struct.pack("<HH", 4000, 0)
    patch("same-five-tuple", (alloc + size + 48, client))
    patch("same-relay", *((alloc + n * size + 96, ip4 + b"\0\2" + bytes(12) + b"\4\0\0\0" + struct.pack("<HH", 50004, 0)) for n in (0, 2)))
    patch("move-taken", (alloc + 2 * size + 392, ip4 + b"\1\1" + bytes(12) + struct.pack("<H", 4001)))
    for what, index, at, data in (("none", 1, 440, bytes(8)), ("unnumbered", 1, 444, bytes(4)), ("of-udp", 0, 440, b"\1"), ("move-none", 2, 448, bytes(8)), ("move-of-udp", 2, 411, b"\0"), ("move-leftover", 0, 448, b"\1"),
                                  ("before-leftover", 2, 456, b"\1"), ("same", 2, 308, b"\1"), ("dtls", 1, 308, b"\3"), ("udp", 1, 308, b"\0")):
        patch("stream-" + what, (alloc + index * size + at, data))
    patch("stream-twice", (alloc + 308, b"\1"), (alloc + 440, struct.pack("<II", 9, 1)))
    patch("stream-move-taken", (alloc + 2 * size + 448, struct.pack("<II", 9, 1)))
    for what, connection in (("before", 3), ("before-taken", 1)):
        patch("stream-" + what, (alloc + 2 * size + 384, struct.pack("<I", 5)),
              (alloc + 2 * size + 416, ip4 + b"\1\3" + bytes(12) + struct.pack("<H", 4002) + b"\4\1" + bytes(4)), (alloc + 2 * size + 456, struct.pack("<II", 9, connection)))
    for what, family in (("before", b"\4"), ("before-bad", b"\7")):
        patch("move-" + what, (alloc + 2 * size + 384, struct.pack("<I", 5)), (alloc + 2 * size + 416, ip4 + b"\1\3" + bytes(12) + struct.pack("<H", 4002) + family + bytes(5)))
    for what, at, data in (("torn", 0, b"\1"), ("layout", 4, b"\7"), ("state", 6, b"\7"), ("kind", 7, b"\7"), ("owner", 8, b"\7"), ("owner-generation", 12, b"\7"), ("channel", 20, b"\1\1"), ("deadline-past", 24, bytes(8)),
                           ("deadline-far", 24, b"\xff" * 8), ("family", 48, b"\6"), ("port", 52, b"\1\1"), ("port-none", 52, bytes(2)), ("pad", 54, b"\1"), ("permission", 7, b"\1")):
        for n in range(1, 6):
            patch("peer-%s-%d" % (what, n), (peer + n * 64 + at, data))
    patch("same-channel", *((peer + n * 64 + 20, b"\0\x40") for n in range(16)))
    patch("same-peer", *((peer + n * 64 + 7, b"\2" + b"\1" + bytes(3)) for n in range(6)), *((peer + n * 64 + 32, ip4 + b"\0\1" + bytes(12) + b"\4") for n in range(6)))
    for what, at, data in (("torn", 0, b"\1"), ("layout", 4, b"\7"), ("state", 6, b"\7"), ("owner", 8, b"\7")):
        patch("name-" + what, (name_ + at, data))
    patch("same-uid", *((alloc + n * size + 16, bytes(16)) for n in range(3)))
    patch("future-uid", (alloc + 24, b"\xff" * 7 + b"\xfe"))
    patch("free-all", *((alloc + n * size + 6, b"\0") for n in range(3)))
    save("adopt", "ones", b"\x80" + b"\xff" * 64)
    save("adopt", "zeros", b"\x80" + bytes(64))
    # The layout before: the same places, records of 448 bytes.
    old = 448
    patch("before", policy=32)
    for policy in (1, 2, 4, 8, 16):
        patch("before-policy-%d" % policy, policy=32 | policy)
    for what, n, at, data in (("torn", 1, 0, b"\1"), ("none", 1, 4, bytes(2)), ("ours", 1, 4, b"\2"), ("unknown", 0, 4, b"\7\7"), ("state", 1, 6, b"\7"), ("resting", 1, 6, b"\2"), ("user-more", 2, 244, bytes(4)),
                              ("stream-none", 1, 440, bytes(8)), ("moves", 0, 384, struct.pack("<II", 5, 0) + ip4 + b"\1\7" + bytes(12) + struct.pack("<HBBI", 4009, 4, 0, 0)),
                              ("moves-to-connection", 0, 384, struct.pack("<II", 5, 0) + ip4 + b"\1\7" + bytes(12) + struct.pack("<HBBI", 4009, 4, 1, 0)), ("before-by-connection", 0, 416, ip4 + b"\1\7" + bytes(12) + b"\1\1\4\1")):
        patch("before-" + what, (n * old + at, data), policy=32)
    patch("before-peer-torn", (8 * old, b"\1"), policy=32)
    patch("before-name-layout", (8 * old + 16 * 64 + 4, b"\2"), policy=32)
    save("adopt", "before-ones", b"\xa0" + b"\xff" * 64)
    save("adopt", "before-zeros", b"\xa0" + bytes(64))


def stream_notes_seeds():
    """See fuzz_stream_notes.c."""
    def opened(connection=5, at=255, value=0):
        return bytes((0, connection, at)) + (bytes((value,)) if at < 56 else b"")

    def note(kind, connection=5, payload=b"", length=None):
        return bytes((1, kind, connection)) + struct.pack(">H", len(payload) if length is None else length) + payload

    def respond(kind, connection=5, times=0):
        return bytes((3, connection)) + struct.pack(">HB", kind, times)

    drain, read = b"\2\7", b"\4"
    for name, script in {
            "call": opened() + note(2, payload=b"abc") + drain + respond(0x0103) + read + note(3) + drain,
            "unannounced": note(2, 6) + note(3, 6) + drain + respond(0x0103, 6),
            "twice": opened() + opened(), "many": b"".join(map(opened, range(1, 6))) + drain + read, "gap": b"".join(map(opened, (1, 2, 3))) + note(3, 2) + opened(4) + drain,
            "long": opened() + note(2, length=2033) + note(2, length=65535), "kinds": b"".join(note(k) for k in (0, 1, 4, 5, 6, 32, 36, 255)) + drain, "short": note(1, payload=bytes(55)), "counters": note(5) + opened() + note(5, payload=bytes(24)) + note(5, payload=bytes(23)) + note(5, 6, bytes(24)) + drain,
            "fails": opened() + drain + respond(0x0113, times=9), "forgiven": opened() + drain + respond(0x0113, times=6) + respond(0x0103) + respond(0x0101) + respond(0x0113, times=6),
            "full": opened() + drain + respond(0x0104, times=130), "runt": opened() + drain + respond(0x0104, times=7), "full-close": opened() + drain + respond(0x0101, times=130) + opened(6, 45, 9) + drain}.items():
        save("stream_notes", name, script)
    for at in (4, 16, 18, 20, 22, 23, 28, 40, 44, 46, 48, 49):
        save("stream_notes", "opened-%d" % at, opened(5, at, 9) + drain + note(2, payload=b"x") + drain)
    def dtls(connection):
        return opened(connection, 48, 3)

    def find(connection):
        return bytes((0xf2, connection))

    save("stream_notes", "dtls", dtls(1) + dtls(2) + opened(3) + drain + find(1) + find(2) + find(3) + find(9) + note(3, 1) + drain + find(2) + note(3, 2) + note(3, 2) + drain)
    save("stream_notes", "tell", bytes((0xf0, 0, 5)) + b"hello" + bytes((0xf0, 0, 0)) + read + bytes((0xf0, 130, 1)) + b"x" + opened(7, 46, 9) + drain)
    save("stream_notes", "gone", opened() + drain + note(2, payload=b"x") + note(9) + note(11) + opened(6) + note(3) + b"\xf1" + opened(7) + drain)
    save("stream_notes", "opened-none", opened(0) + drain)
    for at, less in ((255, 0), (0, 0), (4, 0), (6, 0), (8, 0), (12, 0), (16, 0), (64, 0), (88, 0), (89, 0), (255, 1), (255, 8), (255, 100)):
        save("stream_notes", "hello-%d-%d" % (at, less), bytes((5, at, less)) + (b"\0" if at < 96 else b""))


def over_tcp_seeds():
    """See fuzz_over_tcp.c: an operation, a client, what the operation takes."""
    def allocate(client, how=0):
        return bytes((0, client, how))

    def listened(client, error=0):
        return bytes((1, client, error))

    def connect(client, peer=0, port=7):
        return bytes((2, client, peer, port))

    def note(client, how, at=200, number=0, value=None):
        return bytes((3, client, how, at, number)) + (b"" if value is None else bytes((value,)))

    def bind(client, number=0, how=0):
        return bytes((4, client, number, how))

    def handed(process=0, number=0, fails=0):
        return bytes((5, 0, process | fails << 1, number))

    came, connected, standing, counted, gone = range(5)
    def closed(client):
        return bytes((6, client))

    def permit(client, peer=0):
        return bytes((9, client, peer, 0))

    def refresh(client, seconds=0, family=0):
        return bytes((10, client, seconds, family))

    there = allocate(0) + listened(0)
    lost, late = b"\7\0\0", b"\x08\0\xff"
    # how: 16 times the state less one, note's kind from `came` on; 8: of the other process, of no client
    waits = there + connect(0) + note(0, connected)
    for name, script in {
            "bind": waits + bind(2) + note(0, counted + 48) + note(0, gone), "hand-over": waits + bind(1) + handed() + note(1, counted), "refused": there + connect(0) + note(0, connected, 4, 0, 110),
            "not-handed": waits + bind(1) + handed(fails=1), "not-there": waits + bind(1) + note(0, gone) + handed(), "impatient": waits + bind(1) + closed(1) + handed(), "hangs": waits + bind(1) + bytes((8, 0, 4)),
            "lost": waits + bind(1) + lost, "came": there + permit(0) + note(0, came + 16) + bind(2, 0), "stranger": there + note(0, came + 16), "twice": waits + connect(0) + connect(0, 1) + bind(2) + bind(4),
            "others": waits + bind(5), "own": waits + bind(0), "none": bind(2) + bind(2, 0, 255) + connect(0), "udp": allocate(0, 1) + connect(0), "dual": allocate(0, 2) + listened(0) + connect(0) + refresh(0, 0, 1) + late,
            "not-listening": allocate(0) + listened(0, 98), "impatient-allocate": allocate(0) + closed(0), "silent": allocate(0) + late, "fragment": allocate(0, 4), "refresh-0": waits + refresh(0), "late": waits + late,
            "late-bound": waits + bind(2) + late, "deaf": bytes((11, 0, 1)) + allocate(0) + bytes((11, 0, 0)) + waits + bytes((11, 0, 1)) + bind(2) + connect(0, 1), "opened": there + bytes((12, 0)) + bytes((12, 2)),
            "told-anew": waits + lost + note(0, standing + 32) + note(0, standing + 48, number=1) + note(2, standing + 48, number=2) + note(0, standing + 16, number=3) + note(0, standing, number=4) + bind(2),
            "told-by-another": waits + lost + note(0, standing + 8 + 48) + note(0, standing + 8 + 32, number=1), "listens-for-nobody": listened(2) + listened(2, 1) + listened(0, 255) + listened(0, 254),
            "no-port-left": there + listened(0, 98), "detach": allocate(0) + bytes((13, 0)) + listened(0) + connect(0) + bytes((13, 0)) + note(0, connected), "denied": there + connect(0, 2) + connect(0, 4) + connect(0, 0, 0) + connect(0, 0, 255),
            "relay-as-peer": there + connect(0, 3, 60) + permit(0, 3), "short": note(0, came, 255), "many": there + b"".join(connect(0, n & 1, 1 + n) for n in range(70)) + refresh(0)}.items():
        save("over_tcp", name, script)
    for at in (0, 8, 12, 16, 32, 36, 40, 56, 60, 64, 76):
        save("over_tcp", "said-%d" % at, there + permit(0) + note(0, standing + 32, at, 0, 9) + note(0, came + 16, at, 1, 9))


def conf_seeds():
    """Members beside the required ones, or in the place of some; see fuzz_conf.c. And a dictionary of all options."""
    realm, ports, listeners, relay = 1, 2, 4, 8
    port, address = {"name": "wan", "interface": "eth0"}, {"address": "198.18.0.2"}

    def members(name, omit, text):
        save("conf", name, bytes([0x30 | omit]) + (text if isinstance(text, bytes) else json.dumps(text)[1:-1].encode()))

    def listener(ip="198.18.0.2", port_=3478, *transports):
        return {"address": ip, "port": port_, "transports": list(transports) or ["udp"]}

    members("hop-limit", 0, {"forwarding": {"hop_limit": 64}})
    members("users", 0, {"auth": {"users": [{"name": "a", "password": "b"}, {"name": "a", "password": "c"}], "rest_secrets": ["x", "x"]}})
    members("secrets-control-character", 0, {"auth": {"rest_secrets": ["\u0001"]}})
    members("lifetimes", 0, {"lifetimes": {"allocation_default_s": 7200}})
    members("types", 0, {"log_level": 1.5, "workers": True, "metrics": False, "quotas": None, "limits": [], "auth": {"users": {}}, "peers": "x"})
    members("real", 0, {"limits": {"flows": 4.5, "mbufs": True, "routes": False, "allocations": None}})
    members("interface-twice", ports, {"ports": [port, {"name": "lan", "interface": "eth0"}, {"name": "wan", "mode": "bench", "vdev": "net_null0"}, {"name": "b", "mode": "bench"}, {"name": "c c"}]})
    members("port-modes", ports, {"ports": [{"name": "a", "interface": "eth0", "vdev": "x"}, {"name": "b", "mode": "bench", "interface": "eth1", "vdev": "x"}, {"name": "c", "interface": ".."}]})
    members("listeners-overlap", listeners, {"listeners": [listener(), listener(), listener("198.18.0.2", 3478, "tcp"), listener("198.18.0.2", 3478, "dtls", "tls"), listener("198.18.0.3", 9641, "tcp")], "metrics": {"address": "0.0.0.0"}})
    members("listener-in-range", listeners, {"listeners": [listener("198.18.0.2", 50000)]})
    members("discovery", 0, {"nat_discovery": {"alternate_address": "198.18.0.3"}})
    members("discovery-public", relay, {"nat_discovery": {"alternate_address": "198.18.0.3"}, "relay": {"addresses": [address, {"address": "198.18.0.3", "public": "203.0.113.3"}]}})
    members("discovery-in-range", 0, {"nat_discovery": {"alternate_address": "198.18.0.2", "alternate_port": 50000}})
    members("discovery-range", relay, {"nat_discovery": {"alternate_address": "198.18.0.3", "alternate_port": 50000}, "relay": {"addresses": [address, {"address": "198.18.0.3"}]}})
    members("discovery-family", 0, {"nat_discovery": {"alternate_address": "fd00::3", "alternate_address6": "198.18.0.3"}})
    members("discovery-no-listener", 0, {"nat_discovery": {"alternate_address6": "fd00::3"}})
    members("discovery-same-port", 0, {"nat_discovery": {"alternate_address": "198.18.0.3", "alternate_port": 3478}})
    members("discovery-none", 0, {"nat_discovery": {"alternate_port": 3478}})
    members("discovery-dtls", listeners, {"listeners": [listener(), listener("198.18.0.3", 3479, "dtls"), listener("198.18.0.3", 3478)], "nat_discovery": {"alternate_address": "198.18.0.3"}})
    members("discovery-full", listeners, {"listeners": [{"address": "198.18.1.%d" % n} for n in range(1, 65)], "nat_discovery": {"alternate_address": "198.18.0.3"}})
    members("relay-overlap", relay, {"relay": {"addresses": [address, {"prefix": "198.18.0.0/24"}, {"address": "198.18.1.1", "public": "203.0.113.1"}, {"address": "198.18.1.2", "public": "203.0.113.1"},
                                                            {"prefix": "198.18.7.0/30", "public": "203.0.113.9"}, {"address": "198.18.1.3", "public": "fd00::1"}, {}, {"address": "198.18.1.4", "prefix": "198.18.9.0/30"}]}})
    members("relay-large", relay, {"relay": {"addresses": [{"prefix": "198.18.0.0/19"}, {"prefix": "fd00::/64"}]}})
    members("range-wrong", relay, {"relay": {"addresses": [address], "port_range": [60000, 50000]}})
    members("range-types", relay, {"relay": {"addresses": [address], "port_range": ["x", 5]}})
    members("addresses", listeners, {"listeners": [{"address": a} for a in ("0.0.0.0", "0.1.2.3", "169.254.1.1", "224.0.0.1", "255.255.255.255", "::", "fe80::1", "ff02::1", "::ffff:1.2.3.4", "127.0.0.1", "::1", "x")]})
    members("prefixes", relay, {"relay": {"addresses": [{"prefix": p} for p in ("0.0.0.0/0", "169.254.0.0/16", "224.0.0.0/4", "198.18.0.1/24", "198.18.0.0/99", "::/0", "fe80::/10", "198.18.0.0/33", "240.0.0.0/1")]}})
    members("metrics-multicast", 0, {"metrics": {"address": "224.0.0.1"}})
    members("directory", 0, {"run_directory": "run", "software": "a\u0007"})
    members("cores", 0, {"workers": {"cores": [1, 1, 99, 3], "idle": "poll"}})
    members("tls", listeners, {"listeners": [listener("198.18.0.2", 5349, "tls")]})
    members("tls-files", listeners, {"listeners": [listener("198.18.0.2", 5349, "tls")], "t\u006cs": {"certificate": "/nowhere", "key": "nowhere"}})
    members("unknown-path", 0, {"alternate_address": 1, "colour": 2, "hop_limit": 3})
    members("not-utf8", 0, b'"software":"\xff"')
    members("long-key", 0, b'"' + b"k" * 300 + b'":1')
    members("control-key", 0, b'"\\u0001\\u009f":1')
    members("twice", 0, b'"realm":"x"')
    members("nul", 0, b'"software":"a\\u0000b"')
    for what, text in (("blank", b"\n \t\r\n"), ("blank-nul", b"\n \0"), ("not-json", b"\n?"), ("no-object", b"\n[]")):
        save("conf", "document-" + what, text)
    server = {"address": "198.18.0.9", "port": 3478}
    members("alternates", 0, {"alternate_servers": {"servers": [server, {"address": "198.18.0.9", "port": 3479, "domain": "b.example.org"}]}})
    members("alternates-wrong", 0, {"alternate_servers": {"when": "always", "servers": [server, server, {"address": "198.18.0.2"}, {"address": "198.18.0.2", "port": 0}, {"address": "224.0.0.1"}]}})
    oauth_key = {"kid": "north", "key": base64.b64encode(bytes(32)).decode(), "algorithm": "A256GCM"}
    oauth = {"server_name": "turn.example.org", "keys": [oauth_key, {**oauth_key, "kid": "union", "key": base64.b64encode(bytes(16)).decode(), "algorithm": "A128GCM", "timestamp": 1700000000, "lifetime": 5}]}
    members("oauth", 0, {"auth": {"oauth": oauth}})
    members("oauth-wrong", 0, {"auth": {"oauth": {**oauth, "keys": [oauth_key, oauth_key, {**oauth_key, "kid": "a", "key": "!"}, {**oauth_key, "kid": "b", "algorithm": "A128GCM"},
                                                                    {**oauth_key, "kid": "c", "key": "AAAA", "lifetime": 5}, {"kid": 5}, {**oauth_key, "kid": "d", "algorithm": "x"}]}}})
    members("realms-users", listeners, {"listeners": [listener(), {**listener("198.18.0.3"), "realm": "example.net"}], "auth": {"users": [{"name": "a", "password": "b", "realm": "example.net"}, {"name": "a", "password": "b", "realm": "example.com"}]}})
    members("users-keys", 0, {"realm_": 1, "auth": {"users": [{"name": "a", "key": "g" * 32}, {"name": "b", "key": "0" * 32, "key_sha256": "f" * 64}, {"name": "c", "password": "x", "key_sha256": "f" * 64}, {"name": "d"}, {"name": "e", "key": 5}]}})
    members("realm-quoted", 1, {"realm": "a\"b"})
    members("peers-twice", 0, {"peers": {"allow": ["198.18.0.0/15", "198.18.0.0/15"], "deny": ["198.18.0.0/15"]}})
    members("transports", listeners, {"listeners": [{**listener(), "transports": t} for t in ("udp", [], ["udp", "udp"], ["usp", 5])]})
    members("booleans", 0, {"ports": 5, "forwarding": 5, "mobility": {"enabled": 5}})
    members("metrics-port", listeners, {"listeners": [listener("198.18.0.3", 9641, "tcp")], "metrics": {"address": "198.18.0.3"}})
    members("broadcast", relay, {"relay": {"addresses": [{"prefix": "198.18.0.0/30", "public": "255.255.255.252"}]}})
    members("discovery-prefix", 0b1100, {"listeners": [listener("198.18.0.1"), listener("198.18.0.3")], "nat_discovery": {"alternate_address": "198.18.0.3"},
                                         "relay": {"addresses": [{"prefix": "198.18.0.0/30", "public": "203.0.113.0"}]}})

    # Two documents: a daemon runs by the first and is told to read the second. 0x40: the process refuses it.
    def reload_(name, *documents, refuse=0):
        save("conf", "reload-" + name, b"\x1e".join(bytes([0x30 | omit | refuse * (n > 0)]) + json.dumps(text)[1:-1].encode() for n, (omit, text) in enumerate(documents)))

    users, quotas = {"auth": {"users": [{"name": "a", "password": "b"}], "rest_secrets": ["s"]}}, {"quotas": {"allocations_per_user": 5}}
    with_oauth = {"auth": {"oauth": oauth}}
    reload_("same", (0, users), (0, users))
    reload_("live", (0, {}), (0, {**users, **quotas}))
    reload_("back", (0, {**users, **quotas}), (0, {}))
    reload_("restart", (0, quotas), (1, {"realm": "example.net", "workers": {"idle": "poll"}, "software": "x"}))
    reload_("refused", (0, {}), (0, quotas), refuse=0x40)
    reload_("wrong", (0, quotas), (0, {"colour": 1}))
    reload_("cut", (0, quotas), (15, {}))
    reload_("oauth-goes", (0, with_oauth), (0, {}))
    reload_("oauth-comes", (0, {}), (0, with_oauth))
    reload_("oauth-stays", (0, with_oauth), (0, {"auth": {"oauth": {**oauth, "keys": [oauth_key]}}}))
    reload_("alternates-go", (0, {"alternate_servers": {"servers": [server]}}), (0, {}))
    reload_("alternates-come", (0, {}), (0, {"alternate_servers": {"servers": [server]}}))
    reload_("contradiction", (listeners, {"listeners": [listener("198.18.0.2", 3479)]}),
            (0, {"alternate_servers": {"servers": [{"address": "198.18.0.2", "port": 3479}]}}))
    reload_("section", (0, {"nat_discovery": {"alternate_address": "198.18.0.2", "alternate_port": 3479}}), (0, {}))
    members("prefix-list", 0, {"peers": {"allow": ["198.18.0.0/15", "10.0.0.1/8", "x", 5], "deny": ["fd00::/8"]}})
    members("many", 0, {"auth": {"rest_secrets": ["x%d" % n for n in range(17)]}})
    members("quotas", 0, {"quotas": {"allocations_total": 2**63, "allocations_per_user": -1, "bits_per_second_per_allocation": 5}})
    source = (HERE.parent.parent / "config" / "conf_schema.c").read_text()
    words = []
    for path in re.findall(r'^\{"([^"]+)", CONF_', source, re.M):
        opened = "".join('"%s":%s' % (key.rstrip("[]"), "[{" if key.endswith("[]") else "{") for key in path.split(".")[:-1])
        words.append('%s"%s":' % (opened, path.split(".")[-1].rstrip("[]")))
    words += ['"software":"x"', '"log_level":"debug"', '"peers":{}', "}", "]}", "}]}", "{", "[", ",", "true", "5", '"198.18.0.3"', '"fd00::1"', '"x"'] + re.findall(r'"[a-z0-9_]+"', " ".join(re.findall(r"static const char \*const .*?;", source, re.S)))
    dictionary("conf", words)


def stream_seeds():
    """Bytes of a client (fuzz_stream_frame.c); headers of proxies (fuzz_stream_proxy.c); attachments and rings of a stream's peers (fuzz_stream_shared.c)."""
    def channel(number, data, length=None):
        return struct.pack(">HH", number, len(data) if length is None else length) + data + bytes(-len(data) % 4)

    send = stun(0x0016, attr(0x0012, xor_address(V4[0], 5000)), attr(0x0013, b"data"))
    mixed = channel(0x4000, b"") + channel(0x4001, b"a") + send + stun(0x0003) + channel(0x4FFF, bytes(range(256)) * 2) + stun(0x0101)
    for name, data in (("mixed", mixed), ("half", mixed + channel(0x4000, b"abc")[:6]), ("long", channel(0x4000, bytes(5000)) * 2),
                       ("no-message", channel(0x4000, b"x") + b"\x80"), ("odd-length", stun(0x0001)[:2] + b"\0\3" + stun(0x0001)[4:]),
                       ("no-cookie", stun(0x0001)[:4] + bytes(16)), ("too-long", stun(0x0001)[:2] + b"\xff\xfc" + stun(0x0001)[4:])):
        for piece in (0, 2, 0x7F, 0x83):
            save("stream_frame", "%s-%02x" % (name, piece), bytes([piece]) + data)

    def proxy(command, family, body=b"", length=None):
        return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", command, family, len(body) if length is None else length) + body

    v4 = bytes((203, 0, 113, 7, 198, 18, 0, 2)) + struct.pack(">HH", 51000, 3478)
    v6 = bytes.fromhex("20010db8" + "00" * 11 + "01" + "fd00" + "00" * 13 + "02") + v4[8:]
    for name, data in {
            "line4": b"PROXY TCP4 203.0.113.7 198.18.0.2 51000 3478\r\n\x16\3\1", "line6": b"PROXY TCP6 2001:db8::1 fd00::2 51000 3478\r\nx",
            "line-mapped": b"PROXY TCP6 ::ffff:203.0.113.7 ::ffff:198.18.0.2 7 8\r\n", "line-unknown": b"PROXY UNKNOWN and more\r\n",
            "line-short": b"PROXY TCP4 203.0.113.7 198.18.0.2 51000\r\n", "line-long": b"PROXY UNKNOWN " + b"x" * 120, "line-newline": b"PROXY TCP4\n",
            "line-nobody": b"PROXY TCP4 0.0.0.0 198.18.0.2 1 2\r\n", "line-port": b"PROXY TCP4 203.0.113.7 198.18.0.2 0 x\r\n", "line-nothing": b"PROXY \r\n",
            "line-spaces": b"PROXY  TCP4\r\n", "http": b"GET / HTTP/1.1\r\n", "local": proxy(0x20, 0), "unspec": proxy(0x21, 0), "unix": proxy(0x21, 0x31, bytes(216)),
            "v4": proxy(0x21, 0x11, v4) + b"\0\1", "v6": proxy(0x21, 0x21, v6 + b"\3\0\4abcd") + b"x", "cut": proxy(0x21, 0x21, v4), "udp": proxy(0x21, 0x12, v4),
            "command": proxy(0x22, 0x11, v4), "longest": proxy(0x20, 0, bytes(2032)), "too-long": proxy(0x20, 0, length=2033), "multicast": proxy(0x21, 0x21, b"\xff" + v6[1:])}.items():
        save("stream_proxy", name, data)

    def shared(name, control=0, alter=(), how=0, cut=b"", *script):
        pieces = b"".join(struct.pack(">HB", at, len(data) - 1) + data for at, data in alter)
        save("stream_shared", name, bytes([control, len(alter)]) + pieces + bytes([how]) + cut + b"".join(script))

    def slot(index, kind, length, payload, more=0, connection=9):
        data = struct.pack("<HHHBBI", kind, more, length, 0, 0, connection) + bytes(68) + payload
        return bytes([0, index, len(data)]) + data

    def note(index, kind, payload, length=None):
        data = struct.pack("<HHIQ", kind, len(payload) if length is None else length, 9, 0) + payload
        return bytes([0, index, len(data)]) + data

    def head(n):
        return b"\3" + struct.pack("<I", n)

    rest = TP_STREAM_SLOT_PAYLOAD
    shared("media", 0, (), 0, b"", slot(0, 1, 8, channel(0x4000, b"data")), slot(1, 1, 20, stun(0x0017)), head(2))
    shared("media-long", 0, (), 0, b"", slot(0, 1, rest, struct.pack(">HH", 0x4000, rest), 1), slot(1, 4, 4, b"tail"), head(2))
    shared("media-no-rest", 0, (), 0, b"", slot(0, 1, rest, struct.pack(">HH", 0x4000, rest), 1), slot(1, 1, 8, channel(0x4000, b"data")), head(2))
    shared("media-rest-missing", 0, (), 0, b"", slot(0, 1, 4, channel(0x4000, b""), 3), head(1))
    shared("media-wrong", 0, (), 0, b"", slot(0, 9, 8, b""), slot(1, 1, 8, b"\x80"), slot(2, 1, 2000, b""), slot(3, 4, 8, b""), head(4), head(1000), b"\1" + bytes(4))
    places = bytes([198, 18, 1, 1]) + bytes(12) + b"\4\0\0\0" + struct.pack("<HH", 40000, 0) + bytes([198, 18, 0, 2]) + bytes(12) + b"\4\0\0\0" + struct.pack("<HH", 5349, 0)
    for name, datagram in (("", places), ("-nowhere", bytes(48)), ("-no-port", places[:20] + bytes(28)), ("-leftover", places[:9] + b"\1" + places[10:])):
        head_bytes = struct.pack("<HHHBBII", 2, 0, 4, 0, 0, 0, 0) + datagram + struct.pack("<6xHHH4x", 0, 0xFFFF, 1)
        shared("datagram" + name, 0, (), 0, b"", bytes([0, 0, len(head_bytes) + 4]) + head_bytes + b"\x17\xfe\xfd\0", head(1))
    shared("media-endless", 0, (), 0, b"", *(slot(n, 4 if n else 1, rest, b"\x40\0\xff\xff", 0 if n else 60) for n in range(50)), head(50))
    shared("control", 1, (), 0, b"", note(0, 32, stun(0x0101)), note(1, 33, b""), note(2, 34, b""), note(3, 35, b""), note(4, 36, b""), note(5, 1, b""), head(6))
    shared("control-wrong", 1, (), 0, b"", note(0, 32, stun(0x0101)[:19]), note(1, 32, channel(0x4000, bytes(16))), note(2, 33, b"", 2033), note(3, 32, b""), head(4))
    places = {"media": 40, "control": 32}
    for control, (name, at) in enumerate(places.items()):
        u16, u32, u64 = (lambda v: struct.pack("<H", v)), (lambda v: struct.pack("<I", v)), (lambda v: struct.pack("<Q", v))
        ring = at + 24  # the second one
        for what, change in (("magic", (0, u32(1))), ("major", (4, u16(9))), ("type", (8, u16(2))), ("length", (12, u32(5))),
                             ("workers", (20, u16(0))), ("many-workers", (20, u16(17))), ("rings", (22 if not control else 20, u16(7))),
                             ("memory", (32 if not control else 24, u64(0))), ("more-memory", (32 if not control else 24, u64(1 << 30))),
                             ("kind", (ring, u16(1))), ("worker", (ring + 2, u16(5))), ("same", (ring, u16(5 if not control else 7))),
                             ("slots", (ring + 4, u32(3))), ("slot-bytes", (ring + 8, u32(64))), ("event", (ring + 12, u16(0))),
                             ("outside", (ring + 16, u64(1 << 40))), ("overlap", (ring + 16, u64(64)))):
            shared("%s-%s" % (name, what), control, (change,))
        shared(name + "-short", control, (), 4, b"\0\x20")
        shared(name + "-swapped", control, (), 2)
        shared(name + "-few-fds", control, (), 0x11)
        shared(name + "-closed-fd", control, (), 8)
