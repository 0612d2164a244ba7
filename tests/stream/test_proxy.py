# SPDX-License-Identifier: BSD-3-Clause
"""PROXY protocol, both versions."""
import socket
import struct

from case import ADDRESS, ADDRESS6, PLAIN, BOTH, stun, ALLOCATE, Stream
import fake


def header2(client, family=0x11, command=0x21, more=b""):
    """A header of the PROXY protocol, version 2; `client` is address and port, or all that stands behind the length."""
    body = client
    if isinstance(client, tuple):
        ip = socket.inet_pton(socket.AF_INET6 if ":" in client[0] else socket.AF_INET, client[0])
        body = ip + bytes(len(ip)) + struct.pack(">HH", client[1], 3478)
    return b"\r\n\r\n\0\r\nQUIT\n" + struct.pack(">BBH", command, family, len(body) + len(more)) + body + more


class Proxy(Stream):
    """Clients behind a proxy at 127.0.0.1; 127.0.0.2 is none."""
    options = {"proxy_sources": ["127.0.0.1", "fd00:198:18::/64"], "connections_per_address": 2, "handshake_s": 1}

    def configure(self, **_):
        super().configure(listeners=[{"address": ADDRESS, "port": PLAIN, "transports": ["tcp"], "proxy_protocol": True},
                                     {"address": ADDRESS6, "port": PLAIN, "transports": ["tcp"], "proxy_protocol": True},
                                     {"address": ADDRESS, "port": BOTH, "transports": ["tcp", "tls"], "proxy_protocol": True}])

    def through(self, header, port=PLAIN, source="127.0.0.1", address=ADDRESS):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        s.bind((source, 0))
        s.settimeout(10)
        self.until(lambda: s.connect_ex((address, port)) == 0)
        self.sockets.append(s)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        s.sendall(header)
        return s

    def whom(self):
        """Client and flag of the next OPENED; the request behind it."""
        connection, payload = self.control.expect(fake.OPENED)
        family = socket.AF_INET if payload[16] == 4 else socket.AF_INET6
        ip = socket.inet_ntop(family, payload[:4 if payload[16] == 4 else 16])
        self.assertEqual(self.control.expect(fake.NOTE_REQUEST), (connection, stun(ALLOCATE)))
        return ip, struct.unpack("<H", payload[20:22])[0], payload[49]

    def test_client_is_whom_the_header_names(self):
        self.run_with_peers()
        for header, expected in (
                (b"PROXY TCP4 203.0.113.7 198.18.0.2 51000 3478\r\n", ("203.0.113.7", 51000, 1)),
                (b"PROXY TCP6 2001:db8::7 fd00::2 51001 3478\r\n", ("2001:db8::7", 51001, 1)),
                (header2(("203.0.113.8", 51002), more=b"\3\0\4tlvs"), ("203.0.113.8", 51002, 1)),
                (header2(("2001:db8:1::8", 51003), 0x21), ("2001:db8:1::8", 51003, 1))):
            self.through(header + stun(ALLOCATE))
            self.assertEqual(self.whom(), expected)
            s = self.through(b"")
            for byte in header + stun(ALLOCATE):
                s.send(bytes((byte,)))
            self.assertEqual(self.whom(), expected)
        self.through(header2(("203.0.113.9", 1)) + stun(ALLOCATE), source=ADDRESS6, address=ADDRESS6)
        self.assertEqual(self.whom(), ("203.0.113.9", 1, 1))

    def test_proxy_for_itself(self):
        self.run_with_peers()
        for header in (b"PROXY UNKNOWN\r\n", header2(b"", 0, 0x20), header2(b"", 0), header2(bytes(216), 0x31)):
            s = self.through(header + stun(ALLOCATE))
            self.assertEqual(self.whom(), ("127.0.0.1", s.getsockname()[1], 0))
            s.close()
            self.control.expect(fake.CLOSED)

    def test_tls_behind_the_header(self):
        self.run_with_peers()
        plain = self.through(header2(("203.0.113.7", 51000)), BOTH)
        s = self.tls(plain=plain)
        s.sendall(stun(ALLOCATE))
        self.assertEqual(self.whom(), ("203.0.113.7", 51000, 1))

    def test_strangers_and_nonsense_are_refused(self):
        self.run_with_peers()
        header = b"PROXY TCP4 203.0.113.7 198.18.0.2 51000 3478\r\n"
        for _ in range(2):
            with self.assertRaises((ConnectionResetError, BrokenPipeError, AssertionError)):
                self.assertFalse(self.ended(self.through(header + stun(ALLOCATE), source="127.0.0.2")))
        self.assertEqual(self.log().count("127.0.0.2"), 1)  # once a minute
        self.assertIn("is not in streams.proxy_sources, refused", self.log())
        for bad in (stun(ALLOCATE), b"\x16\x03\x01", b"PROXY TCP4 0.0.0.0 198.18.0.2 1 2\r\n", header2(("203.0.113.7", 1), 0x12), header2(bytes(2033), 0, 0x20)):
            self.assertTrue(self.ended(self.through(bad)))
        late = self.through(header[:10])
        self.assertTrue(self.ended(late))
        values = self.counters()
        self.assertEqual([values[k] for k in ("refused_proxy", "proxy_errors", "late_proxy", "requests")], [2, 5, 1, 0])

    def test_limit_is_of_the_client(self):
        self.run_with_peers()
        header = b"PROXY TCP4 203.0.113.%d 198.18.0.2 51000 3478\r\n"
        for n in (7, 8):
            for _ in range(2):
                self.through(header % n + stun(ALLOCATE))
                self.whom()
            self.assertTrue(self.ended(self.through(header % n)))
        for s in [self.through(b"") for _ in range(3)]:  # of none yet
            s.close()
        self.until(lambda: self.counters()["closed"] == 5)
        self.assertIn("203.0.113.7:51000 by proxy 127.0.0.1:", self.log())
        self.sockets[0].close()
        self.control.expect(fake.CLOSED)
        self.through(header % 7 + stun(ALLOCATE))
        self.whom()
        self.assertEqual(self.counters()["refused_address"], 2)
