# SPDX-License-Identifier: BSD-3-Clause
"""Clients by DTLS, whose datagrams a worker hands over."""
import socket
import struct

from case import ADDRESS, PLAIN, ONLY_TLS, channel_data, stun, ALLOCATE, SUCCESS, Stream
import dtls
import fake


class Dtls(Stream):
    workers = 1

    def configure(self, tls=None, streams=None, listeners=None):
        super().configure(tls, streams, listeners or [{"address": ADDRESS, "port": ONLY_TLS, "transports": ["dtls"]},
                                                      {"address": ADDRESS, "port": PLAIN, "transports": ["tcp", "dtls"]}])

    def run_with_worker(self):
        self.run_with_peers()
        self.assertEqual(self.dataplane.flags, 1)  # takes datagrams
        self.worker = fake.Worker(self.dataplane, "198.18.1.1", (ADDRESS, ONLY_TLS))
        self.peers.insert(0, self.worker)

    def session(self, **options):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect(self.worker.address)
        s = dtls.Session(s, ca=self.directory + "/one.example.pem", name="one.example", **options)
        self.addCleanup(s.close, False)
        return s

    def echo(self, s):
        s.send(channel_data(0x4001, b"up"))
        kind, connection, message = self.worker.next()
        self.assertEqual((kind, message), (fake.MESSAGE, channel_data(0x4001, b"up")))
        self.dataplane.down(0, connection, channel_data(0x4001, b"down!"))
        self.assertEqual(s.recv(2000), channel_data(0x4001, b"down!"))  # no padding
        return connection

    def test_a_record_is_a_message(self):
        self.run_with_worker()
        s = self.session()
        s.send(stun(ALLOCATE, number=7))
        connection, facts = self.opened()
        self.assertEqual(facts, (s.getsockname()[1], ONLY_TLS, 3))
        self.assertEqual(self.control.expect(fake.NOTE_REQUEST), (connection, stun(ALLOCATE, number=7)))
        self.control.tell(fake.NOTE_RESPONSE, connection, stun(SUCCESS, number=7))
        self.assertEqual(s.recv(2000), stun(SUCCESS, number=7))
        self.assertEqual(self.echo(s), connection)
        s.close()  # close_notify
        self.assertEqual(self.control.expect(fake.CLOSED)[0], connection)
        s = self.session()
        connection = self.echo(s)
        self.opened()
        self.control.tell(fake.CLOSE, connection)
        with self.assertRaises(dtls.Ended):
            s.recv(1)
        self.assertEqual(self.control.expect(fake.CLOSED)[0], connection)

    def test_a_draining_one_keeps_what_it_has(self):
        self.run_with_worker()
        s = self.session()
        connection = self.echo(s)
        self.control.tell(fake.DRAIN)
        self.assertEqual(struct.unpack("<II", self.dataplane.socket.recv(4096)[-8:])[0], 3)  # DTLS, drains
        self.assertEqual(self.echo(s), connection)
        for strange in (b"\x17\xfe\xfd\0\1" + bytes(7) + b"\4abcd", b"\x15"):
            self.worker.hand_over(1234, strange)
            self.assertEqual(self.worker.next(), (fake.NOT_MINE, 1234, strange))
        with self.assertRaises(TimeoutError):
            self.session(timeout=0.8)  # it would be repeated after a second
        kind, _, hello = self.worker.next()
        self.assertEqual((kind, hello[13]), (fake.NOT_MINE, 1))
        self.assertEqual(self.echo(s), connection)
        s.close()
        self.assertEqual(self.process.wait(10), 0)

    def test_limits(self):
        self.configure(streams={"connections_per_address": 2, "dtls_idle_s": 1})
        self.run_with_worker()
        first = self.session()
        connection = self.echo(first)
        self.opened()
        second = self.session()
        with self.assertRaises(TimeoutError):
            self.session(timeout=0.8)  # it would be repeated after a second
        self.assertGreater(self.counters()["refused_address"], 0)
        self.assertEqual(self.opened()[1][0], second.getsockname()[1])
        self.assertEqual(self.control.expect(fake.CLOSED)[0], connection)  # said nothing for a second
        values = self.counters()
        self.assertEqual((values["idle"], values["closed"], values["handshakes"]), (1, 1, 2))
        self.session()  # there is room again
