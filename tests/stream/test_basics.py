# SPDX-License-Identifier: BSD-3-Clause
"""Messages both ways, over TCP and TLS, and how a connection and the process end."""
import os
import socket
import ssl
import struct

from case import (ADDRESS, ADDRESS6, PLAIN, BOTH, ONLY_TLS, channel_data,
                  padded, stun, ALLOCATE, SEND, SUCCESS, read_exactly, Stream)
import fake


class Basics(Stream):
    def echo(self, s):
        """One request, one ChannelData in each direction. Returns the connection's number."""
        s.sendall(stun(ALLOCATE, number=7))
        connection, facts = self.opened()
        self.assertEqual(facts[0], s.getsockname()[1])
        number, request = self.control.expect(fake.NOTE_REQUEST)
        self.assertEqual((number, request), (connection, stun(ALLOCATE, number=7)))
        self.control.tell(fake.NOTE_RESPONSE, connection, stun(SUCCESS, number=7))
        self.assertEqual(read_exactly(s, 20), stun(SUCCESS, number=7))
        worker = connection % self.workers
        s.sendall(padded(channel_data(0x4001, b"hello")))
        self.assertEqual(self.dataplane.messages(worker), [(connection, channel_data(0x4001, b"hello"))])
        self.dataplane.down(worker, connection, channel_data(0x4001, b"world!!"))
        self.assertEqual(read_exactly(s, 12), padded(channel_data(0x4001, b"world!!")))
        return connection, facts

    def test_plain(self):
        self.run_with_peers()
        for address in (ADDRESS, ADDRESS6):
            _, facts = self.echo(self.connect(PLAIN, address))
            self.assertEqual(facts[1:], (PLAIN, 1))

    def test_tls_and_plain_on_one_port(self):
        self.run_with_peers()
        self.assertEqual(self.echo(self.tls(BOTH))[1][1:], (BOTH, 2))
        self.assertEqual(self.echo(self.connect(BOTH))[1][1:], (BOTH, 1))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            s = self.tls(ONLY_TLS, version=version)
            self.assertEqual(s.version(), {ssl.TLSVersion.TLSv1_2: "TLSv1.2", ssl.TLSVersion.TLSv1_3: "TLSv1.3"}[version])
            self.echo(s)

    def test_messages_byte_by_byte_and_all_at_once(self):
        self.run_with_peers(control=True)
        s = self.connect()
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        first = channel_data(0x4000, b"abc")
        for byte in padded(first):
            s.send(bytes([byte]))
        connection, _ = self.opened()
        worker = connection % self.workers
        self.assertEqual(self.dataplane.messages(worker), [(connection, first)])
        sent = [channel_data(0x4000 + n, bytes([n]) * n) for n in range(200)] + [stun(SEND, bytes(8))]
        s.sendall(b"".join(map(padded, sent)))
        got = []
        while len(got) < len(sent):
            got += self.dataplane.messages(worker)
        self.assertEqual([m for _, m in got], sent)

    def test_long_messages(self):
        self.run_with_peers()
        s = self.tls()
        up = channel_data(0x4000, os.urandom(65535))
        s.sendall(padded(up))
        connection, _ = self.opened()
        worker, got = connection % self.workers, b""
        while len(got) < len(up):
            got += b"".join(m for _, m in self.dataplane.messages(worker))
        self.assertEqual(got, up)
        down = channel_data(0x4000, os.urandom(30001))
        self.dataplane.down(worker, connection, down)
        self.assertEqual(read_exactly(s, len(padded(down))), padded(down))

    def test_close_of_either_side(self):
        self.run_with_peers()
        s = self.connect()
        connection, _ = self.echo(s)
        s.close()
        self.assertEqual(self.control.expect(fake.CLOSED)[0], connection)
        s = self.tls()
        connection, _ = self.echo(s)
        self.control.tell(fake.NOTE_RESPONSE, connection, stun(SUCCESS))
        self.control.tell(fake.CLOSE, connection)
        self.assertEqual(read_exactly(s, 20), stun(SUCCESS))
        self.assertEqual(s.recv(1), b"")
        s.close()
        self.assertEqual(self.control.expect(fake.CLOSED)[0], connection)

    def test_what_is_no_message_closes(self):
        self.run_with_peers()
        for bad in (b"\x80abc", b"\x00\x01\x00\x03" + bytes(20), b"\x00\x01\x00\x00\xde\xad\xbe\xef" + bytes(12)):
            s = self.connect()
            s.sendall(bad)
            self.assertTrue(self.ended(s))
        s = self.connect()
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while more := s.recv(4096):
            answer += more
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and answer.endswith(b"\r\n\r\n"), answer)
        s = self.connect(ONLY_TLS)
        s.sendall(stun(ALLOCATE))
        self.assertTrue(self.ended(s))
        values = self.counters()
        self.assertEqual((values["protocol_errors"], values["http"], values["plain_refused"]), (3, 1, 1))
        self.assertIn("speaks no TLS", self.log())

    def test_signal_and_drain(self):
        self.run_with_peers()
        s = self.connect()
        self.echo(s)
        self.control.tell(fake.DRAIN)
        self.assertEqual(self.dataplane.socket.recv(4096)[8:10], struct.pack("<H", fake.STREAM_STATE))
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection((ADDRESS, PLAIN))
        s.close()
        self.assertEqual(self.process.wait(10), 0)


class Drain(Stream):
    options = {"drain_s": 1}

    def test_has_an_end(self):
        self.run_with_peers()
        s = self.connect()
        s.sendall(stun(ALLOCATE))
        self.opened()
        self.control.tell(fake.DRAIN)
        self.assertEqual(self.process.wait(10), 0)
        self.assertTrue(self.ended(s))
        self.assertIn("streams.drain_s is over", self.log())
