#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Writes the hand-made seeds of the fuzz corpus: the same bytes every time."""
import base64
import hashlib
import json
import pathlib
import re
import struct
import sys
import zlib

import script_seeds

ROOT = pathlib.Path(__file__).resolve().parent
COOKIE = 0x2112A442
ID = bytes(range(0xA0, 0xAC))


def save(target, name, data):
    path = ROOT / "corpus" / target
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_bytes(data)
    if target == "stun_read":  # the worker's own walk reads the same messages
        save("stun_scan", name, data)
    if target == "packet":  # steering the same frames
        save("steer", name, data)


def attr(kind, value=b"", length=None):
    pad = b"\0" * (-len(value) % 4)
    return struct.pack(">HH", kind, len(value) if length is None else length) + value + pad


def stun(kind, *attrs, fingerprint=False):
    body = b"".join(attrs)
    head = struct.pack(">HHI", kind, len(body) + (8 if fingerprint else 0), COOKIE) + ID
    if fingerprint:
        body += attr(0x8028, struct.pack(">I", zlib.crc32(head + body) ^ 0x5354554E))
    return head + body


def xor_address(ip, port):
    mask = struct.pack(">I", COOKIE) + ID
    family = 1 if len(ip) == 4 else 2
    return struct.pack(">BBH", 0, family, port ^ COOKIE >> 16) + bytes(a ^ b for a, b in zip(ip, mask))


V4 = (bytes([198, 18, 0, 1]), bytes([198, 18, 0, 2]))
V6 = tuple(bytes.fromhex("fd0001980018") + bytes(9) + bytes([n]) for n in (1, 2))


def dtls_hello(cookie=b"", session=b"", suites=b"\xc0\x2b", extensions=None, cut=0, sequence=1, offset=0):
    body = (b"\xfe\xfd" + bytes(range(32)) + bytes([len(session)]) + session + bytes([len(cookie)]) + cookie +
            struct.pack(">H", len(suites)) + suites + b"\1\0")
    if extensions is not None:
        body += struct.pack(">H", len(extensions)) + extensions
    length = struct.pack(">I", len(body))[1:]
    message = b"\1" + length + b"\0\0" + struct.pack(">I", offset)[1:] + length + body
    message = message[:len(message) - cut]
    return b"\x16\xfe\xff\0\0" + struct.pack(">Q", sequence)[2:] + struct.pack(">H", len(message)) + message


def dtls_seeds():
    alpn = b"\0\x10\0\x0c\0\x0a\x09stun.turn"
    for name, data in (("plain", dtls_hello()), ("cookie", dtls_hello(b"12345678")), ("long-cookie", dtls_hello(bytes(255))),
                       ("session", dtls_hello(session=bytes(32))), ("session-too-long", dtls_hello(session=bytes(33))),
                       ("extensions", dtls_hello(b"12345678", extensions=alpn)), ("no-extensions", dtls_hello(extensions=b"")),
                       ("no-suites", dtls_hello(suites=b"")), ("cut", dtls_hello(cut=1)), ("fragment", dtls_hello(offset=9)),
                       ("two-records", dtls_hello() + dtls_hello()), ("application", b"\x17\xfe\xfd\0\1" + bytes(7) + b"\4abcd"),
                       ("server", b"\x16\xfe\xfd" + bytes(8) + b"\0\x0c\2" + bytes(11)), ("short", b"\x16\xfe\xfd" + bytes(8) + b"\0\4\1\0\0\0"),
                       ("tls", b"\x16\3\1\0\5\1\0\0\1\0" + bytes(9))):
        save("dtls_hello", name, data)
    # Three lengths agree in it; a word has at most 64 bytes.
    hello, random_ends = dtls_hello(b"c"), 25 + 2 + 32
    script_seeds.dictionary("dtls_hello", [hello[:random_ends], hello[random_ends:], b"\x16\xfe\xfd", b"\x17\xfe\xfd"])


def stun_seeds():
    peer4, peer6 = xor_address(V4[0], 5000), xor_address(V6[0], 5000)
    auth = (attr(0x0006, b"user"), attr(0x0014, b"example.org"), attr(0x0015, b"nonce-of-9"), attr(0x0008, bytes(20)))
    save("stun_read", "behind-integrity", stun(0x0016, attr(0x0012, b"\0\1" + bytes(6)), attr(0x001C, bytes(32)),
        attr(0x0008, bytes(20)), attr(0x0013, b"data"), attr(0x001A), attr(0x7FF0, b"?"), fingerprint=True))
    save("stun_read", "binding", stun(0x0001))
    save("stun_read", "binding-fingerprint", stun(0x0001, attr(0x8022, b"seed!"), fingerprint=True))
    save("stun_read", "allocate", stun(0x0003, attr(0x0019, b"\x11\0\0\0"), attr(0x001A), attr(0x000D, b"\0\0\2\x58")))
    save("stun_read", "allocate-auth", stun(0x0003, attr(0x0019, b"\x11\0\0\0"), *auth, fingerprint=True))
    save("stun_read", "after-integrity", stun(0x0003, *auth, attr(0x001C, bytes(32)), attr(0x7FFE, b"x"), fingerprint=True))
    save("stun_read", "sha256", stun(0x0003, attr(0x0019, b"\x11\0\0\0"), attr(0x001E, bytes(32)), attr(0x0014, b"example.org"),
                                    attr(0x0015, b"obMatJos2wAAAabcdefghijklmnop"), attr(0x8002, b"\0\2\0\0\0\1\0\0"),
                                    attr(0x001D, b"\0\2\0\0"), attr(0x001C, bytes(32)), fingerprint=True))
    save("stun_read", "refresh", stun(0x0004, attr(0x000D, bytes(4)), *auth))
    save("stun_read", "permission", stun(0x0008, attr(0x0012, peer4), attr(0x0012, peer6), *auth))
    save("stun_read", "channel-bind", stun(0x0009, attr(0x000C, b"\x40\0\0\0"), attr(0x0012, peer6), *auth))
    save("stun_read", "send", stun(0x0016, attr(0x0012, peer4), attr(0x0013, b"payload")))
    save("stun_read", "send-empty", stun(0x0016, attr(0x0013), attr(0x0012, peer6), attr(0x001A)))
    save("stun_read", "error", stun(0x0113, attr(0x0009, b"\0\0\4\x01Unauthenticated"), attr(0x000A, b"\x7f\xfe\0\3")))
    save("stun_read", "unknown", stun(0x0003, *(attr(0x7F00 + i % 7, b"u") for i in range(12))))
    save("stun_read", "overrun", stun(0x0001, attr(0x0013, b"abcd", length=5), attr(0x0013, b"", length=0xFFFD)))
    for first in (0, 5, 20, 28, 40, 50, 140):  # the target's writer gets twice as many bytes
        save("stun_read", "id-%d" % first, stun(0x0001)[:8] + bytes([first]) + ID[1:])
    save("stun_read", "not-stun", b"\xff" * 20)
    save("stun_read", "no-cookie", stun(0x0001)[:4] + bytes(16))
    save("stun_read", "odd-length", stun(0x0001)[:2] + b"\0\3" + stun(0x0001)[4:] + b"abc")
    save("stun_read", "behind", stun(0x0001) + b"abcd")
    text = (ROOT.parent / "rfc" / "rfc5769.h").read_text()
    for name, body in re.findall(r"rfc5769_(\w+)\[\] = \{(.*?)\};", text, re.S):
        save("stun_read", "rfc5769-" + name, bytes(int(x, 16) for x in re.findall(r"0x(\w\w),", body)))


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(">%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return 0xFFFF ^ total


def udp(payload, src, dst, length=None, zero=False):
    length = 8 + len(payload) if length is None else length
    head = struct.pack(">HHHH", 5000, 3478, length, 0)
    pseudo = src + dst + struct.pack(">IHBB", length, 0, 0, 17)
    value = 0 if zero else checksum(pseudo + head + payload) or 0xFFFF
    return head[:6] + struct.pack(">H", value) + payload


def ipv4(payload, protocol=17, options=b"", fragment=0x4000):
    size = 20 + len(options)
    head = struct.pack(">BBHHHBBH", 0x40 + size // 4, 0xB8, size + len(payload), 7, fragment, 64, protocol, 0)
    head += V4[0] + V4[1] + options
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def ipv6(payload, protocol=17, extensions=()):
    kinds = [kind for kind, _ in extensions] + [protocol]
    chain = b"".join(bytes([after]) + rest for after, (_, rest) in zip(kinds[1:], extensions))
    return struct.pack(">IHBB", 0x6B800000, len(chain + payload), kinds[0], 64) + V6[0] + V6[1] + chain + payload


def ethernet(kind, payload, tag=None):
    vlan = b"" if tag is None else struct.pack(">HH", 0x8100, tag)
    return bytes([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]) + vlan + struct.pack(">H", kind) + payload


def packet_seeds():
    v4, v6 = udp(b"abcde", *V4), udp(b"abcde", *V6)
    dest, hop = (60, b"\0\1\4" + bytes(4)), (0, b"\0\5\2\0\0\1\0")
    routing = (43, b"\0\0\0" + bytes(4))

    def frag(word):
        return (44, b"\0" + struct.pack(">HI", word, 7))

    quote4, quote6 = ipv4(v4)[:28], ipv6(v6, extensions=[dest])
    save("packet", "udp4", ethernet(0x0800, ipv4(v4)))
    save("packet", "udp4-padded", ethernet(0x0800, ipv4(v4) + bytes(9)))
    save("packet", "udp4-tag", ethernet(0x0800, ipv4(v4), 0x2064))
    save("packet", "udp4-options", ethernet(0x0800, ipv4(v4, options=b"\1" * 40)))
    save("packet", "udp4-trimmed", ethernet(0x0800, ipv4(udp(b"abcde", *V4, length=10))))
    save("packet", "udp4-no-checksum", ethernet(0x0800, ipv4(udp(b"abcde", *V4, zero=True))))
    save("packet", "udp4-two-tags", ethernet(0x8100, struct.pack(">HH", 5, 0x0800) + ipv4(v4), 4))
    save("packet", "fragment4-first", ethernet(0x0800, ipv4(v4 + b"xyz", fragment=0x2000)))
    save("packet", "fragment4-last", ethernet(0x0800, ipv4(b"tail", fragment=0x0002)))
    save("packet", "tcp4", ethernet(0x0800, ipv4(bytes(20), protocol=6)))
    save("packet", "udp6", ethernet(0x86DD, ipv6(v6)))
    save("packet", "udp6-tag-chain", ethernet(0x86DD, ipv6(v6, extensions=[hop, dest, routing, dest]), 100))
    save("packet", "udp6-atomic", ethernet(0x86DD, ipv6(v6, extensions=[frag(0)])))
    save("packet", "udp6-no-checksum", ethernet(0x86DD, ipv6(udp(b"a", *V6, zero=True))))
    save("packet", "udp6-long-chain", ethernet(0x86DD, ipv6(v6, extensions=[dest] * 9)))
    save("packet", "fragment6-first", ethernet(0x86DD, ipv6(v6 + b"xyz", extensions=[frag(1)])))
    save("packet", "fragment6-last", ethernet(0x86DD, ipv6(b"tail", extensions=[dest, frag(16)])))
    for kind, code in ((3, 3), (3, 4), (11, 0), (8, 0)):
        save("packet", "icmp4-%d-%d" % (kind, code),
             ethernet(0x0800, ipv4(struct.pack(">BBHI", kind, code, 0, 1280) + quote4, protocol=1)))
    for kind in (1, 2, 3, 128):
        save("packet", "icmp6-%d" % kind,
             ethernet(0x86DD, ipv6(struct.pack(">BBHI", kind, 0, 0, 1280) + quote6, protocol=58)))
    save("packet", "arp", ethernet(0x0806, bytes(46)))


def jsonrpc_seeds():
    def call(method, params=None, **other):
        call = {"jsonrpc": "2.0", "id": 1, "method": method, **other}
        if params is not None:
            call["params"] = params
        return json.dumps(call, ensure_ascii=False).encode()

    lines = [call("status"), call("help", {}), call("allocation.list", {"limit": 500, "after": 4294967295}),
             call("allocation.show", {"id": "0" * 32}), call("allocation.show", {"client": "[fd00::1]:3478"}),
             call("allocation.close", {"relayed": "198.18.0.2:50000", "id": "x"}), call("nonsense", id="a"),
             call("\u00e4" * 30), call("status", id=None), call("status", id=[1]), call("status", [1]),
             call("stats", jsonrpc="1.0"), b"[" + call("status") + b"]", b"{", b"", b"\xff\x1b[2J\x00", b"[" * 3000,
             call("status", 5), call(5), call("status", {"colour": 1}), call("allocation.list", {"limit": "x"}), call("allocation.list", {"limit": 501}),
             call("allocation.show", {}), call("allocation.show", {"id": "0", "client": "x"}), call("allocation.show", {"id": 5}), call("allocation.show", {"id": "0"}),
             b"198.18.0.2:3478", b"[fd00::1]:3478", b"198.18.0.2:0", b"198.18.0.2", b"198.18.0.2:x", b"[fd00::1:3478", b"fd00::1:3478", b"[198.18.0.2]:3478",
             b"[]:1", b"1.2.3.4.5:6", b"x" * 70 + b":1", b"5", b"99999999999999999999", b"\x80\xe2\x82", b"\xf0\x9f\x98\x80\xc0\xaf\xed\xa0\x80",
             b'{"jsonrpc":"2.0","method":"status"}', b'{"jsonrpc":"2.0","jsonrpc":"2.0"}',
             b'{"jsonrpc":"2.0","id":1e999,"method":"status"}', b'{"jsonrpc":"2.0","id":1,"method":"a\\u0000b"}']
    for line in lines:
        save("jsonrpc", hashlib.sha1(line).hexdigest()[:12], line)
    source = (ROOT.parent.parent / "control" / "api" / "operation.c").read_text()
    methods = re.findall(r'\.name = "([a-z.]+)"', source)
    script_seeds.dictionary("jsonrpc", ['{"jsonrpc":"2.0","id":1,"method":"%s"}' % name for name in methods] +
                            [',"params":{}', ',"params":{"limit":5}', ',"params":{"id":"00000000000000000000000000000000"}', "198.18.0.2:3478", "[fd00::1]:3478"])


def classic(*attrs, kind=1, length=None):
    body = b"".join(attrs)
    return struct.pack(">HH", kind, len(body) if length is None else length) + bytes(range(16)) + body


def classic_seeds():
    """Binding requests of RFC 3489, whose transaction ID is 16 bytes."""
    change = attr(0x0003, b"\0\0\0\6")
    dtls_seeds()
    save("stun_classic", "plain", classic())
    save("stun_classic", "change", classic(change))
    save("stun_classic", "change-short", classic(attr(0x0003)))
    save("stun_classic", "response-address", classic(attr(0x0002, b"\0\1\x12\x34" + V4[0]), change))
    save("stun_classic", "unknown", classic(*(attr(i, b"user") for i in range(6, 20)), attr(6)))
    save("stun_classic", "unaligned", classic(attr(0x8022, b"abc", 3)))
    save("stun_classic", "overrun", classic(attr(0x8022, b"abcd", 0xFFFC)))
    save("stun_classic", "cookie", stun(0x0001, change))
    save("stun_classic", "shared-secret", classic(kind=2))
    save("stun_classic", "long", classic(change, length=400))


def oauth_seeds():
    """Kid and hour (0x80: that of the tokens), then a token or its inside; see fuzz_oauth.c."""
    north, union, south = b"\x80", b"\x81", b"\x82"
    # turnutils_oauth -e -i turn.example.org -q $((1700000000 << 16)) -r 3600 -l 1699990000 -m 21600000 and the
    # keys of fuzz_oauth.c with their NUL; session keys of 20, 32 and 20 bytes.
    tokens = {
        "a256": (north, "AAxoNGozazJsMm40YjXGy9XrIAAOs2PZ65n7/hwzKopjeWyoHkbFGd4IZaZleTAIvoe3hd3IepL2YxuXN//6Pw=="),
        "a256-long": (north, "AAxoNGozazJsMm40YjXG/7+xYVlK8TCButjC8Qk5edtme2r2KnOWfRcxJOQmPXteNwV6vXNh5wsYeDGZFtqPmvYjNrWhWaVVxB+E6Q=="),
        "a128": (union, "AAxoNGozazJsMm40YjVLWkQy7v/9432JHRoPJVS28o1/4y+veoEvH6yzLmjhiGsK4CnNbSKCwmIpT6niIaPpAQ=="),
        "south": (south, "AAxoNGozazJsMm40YjXGy9XrIAAOs2PZ65n7/hwzKopjeWyoHkbFGd4IZaZleTAIvoe3hd3IepL2YxuXN//6Pw=="),
        "key-period": (b"\xc1", "AAxoNGozazJsMm40YjVLWkQy7v/9432JHRoPJVS28o1/4y+veoEvH6yzLmjhiGsK4CnNbSKCwmIpT6niIaPpAQ=="),
    }
    for name, (first, text) in tokens.items():
        save("oauth", "token-" + name, first + base64.b64decode(text))
        save("oauth", "text-" + name, first + text.encode())
    save("oauth", "text-padding", north + b"AAxoNGozazJsMm40YjV=")

    def inside(name, first, told, size, seconds, lifetime):
        save("oauth", "inside-" + name,
             first + struct.pack(">H", told) + b"k" * size + struct.pack(">QI", seconds << 16, lifetime))

    for size in (19, 20, 21, 32, 33):
        inside("key-%d" % size, north, size, size, 1700000000, 3600)
    inside("key-lies", union, 0xFFFF, 20, 1700000000, 3600)
    inside("expired", north, 20, 20, 1699990000, 3600)
    inside("early", north, 20, 20, 1700010000, 3600)
    inside("no-lifetime", north, 20, 20, 1700000000, 0)
    inside("last-second", union, 20, 20, 1699999000, 996)
    inside("last", union, 20, 20, 1699999000, 995)
    # Messages for the session keys: form (whole, SHA-1, cut, another), cut keys taken (16), 32 bytes (32).
    for form in range(16):
        for kind, sizes in ((0x0008, (20,) if form < 12 else (20, 16)), (0x001C, (32,) if form < 12 else (32, 16))):
            for size in sizes:
                save("oauth", "message-%x-%d-%d" % (form, kind, size), bytes((form << 2,)) + stun(0x0003, attr(0x0006, b"north"), attr(kind, bytes(size)), fingerprint=form % 2 == 0))
    for kid in (b"", b"north", b"x" * 43, b"x" * 44):
        save("oauth", "kid-%d" % len(kid), north + kid)
    inside("far", north, 20, 20, 2**48 - 1, 2**32 - 1)


def ticket_seeds():
    """One that fuzz_ticket.c's key opens (made by ctl_ticket_seal), and what it is not."""
    good = b"mi84R92hKBZYBiv/iJleo1d6ylAG2iFo"
    save("ticket", "sealed", good)
    save("ticket", "short", good[:-1])
    save("ticket", "long", good + b"\0")
    save("ticket", "padded", good[:-1] + b"=")
    save("ticket", "character", b"-" + good[1:])
    save("ticket", "tag", b"n" + good[1:])
    save("ticket", "zeros", bytes(32))
    save("ticket", "says", bytes(range(160)))


def notify_seeds():
    messages = ["READY=1", "READY=1\nSTATUS=attached", "STOPPING=1\n", "MAINPID=1234", "MAINPID=99999999999",
                "FDSTORE=1\nFDNAME=turnpike-sessions", "FDSTOREREMOVE=1\nFDNAME=turnpike-sessions", "FDSTORE=1\nFDNAME=a:b",
                "FDNAME=" + "x" * 64, "STATUS=\x1b[2J" + "y" * 200, "=\n==\n\nREADY", "READY=1\0", "STATUS=longer\nSTATUS=", "7", "0x7", "b:a:", "1" * 5000]
    for message in messages:
        data = message.encode()
        save("notify", hashlib.sha1(data).hexdigest()[:12], data)
    script_seeds.dictionary("notify", ["READY=1", "STOPPING=1", "MAINPID=", "FDSTORE=1", "FDSTOREREMOVE=1", "FDNAME=", "STATUS="])


def main():
    ticket_seeds()
    stun_seeds()
    classic_seeds()
    jsonrpc_seeds()
    notify_seeds()
    oauth_seeds()
    packet_seeds()
    script_seeds.make(sys.modules[__name__])
    for channel, data, length in ((0x4000, b"", 0), (0x4001, b"hello", 5), (0x4FFF, b"hello\0\0\0", 5),
                                  (0x5000, b"hello", 5), (0x4001, b"hell", 5), (0x4001, b"", 0xFFFF)):
        raw = struct.pack(">HH", channel, length) + data
        save("chandata", hashlib.sha1(raw).hexdigest()[:12], raw)
    for text in ("198.18.0.2", "198.18.0.0/15", "fd00:198:18::/48", "::ffff:198.18.0.2", "::/0", "::1/128", "10.0.0.1/8",
                 "1.2.3.4/033", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "fe80::1%eth0", "[::1]:3478"):
        save("addr", hashlib.sha1(text.encode()).hexdigest()[:12], text.encode())
    for raw in (b"user", "cafe\u0301".encode(), "a\u3000b".encode(), "l\u00b7l".encode(), "\u1100\u1161".encode(),
                "\u0628\u064e\u200c\u064e\u0627".encode(), "\u0661\u0662".encode(), "\u0375\u03b1".encode(),
                "\u05d0\u05f3".encode(), "\u30fb\u30a2".encode(), "\ufb2c".encode() * 341, b"a" * 1025,
                "\u0915\u094d\u200d".encode(), "stra\u00dfe".encode(), "\u0640".encode(), "\u0378".encode(), b"a\0b", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"):
        save("opaque_string", hashlib.sha1(raw).hexdigest()[:12], raw)


if __name__ == "__main__":
    main()
