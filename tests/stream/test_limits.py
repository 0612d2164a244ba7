# SPDX-License-Identifier: BSD-3-Clause
"""Connections of one address, and deadlines."""
from case import ADDRESS6, PLAIN, ONLY_TLS, stun, ALLOCATE, Stream
import fake


class Limits(Stream):
    options = {"connections": 4, "connections_per_address": 3, "handshake_s": 1, "first_request_s": 1, "message_s": 1}

    def test_connections_of_one_address(self):
        self.run_with_peers()
        for _ in range(3):
            self.connect().sendall(stun(ALLOCATE))
            self.opened()
            self.control.expect(fake.NOTE_REQUEST)
        self.assertTrue(self.ended(self.connect()))
        self.connect(PLAIN, ADDRESS6).sendall(stun(ALLOCATE))  # another address
        self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        self.assertTrue(self.ended(self.connect(PLAIN, ADDRESS6)))
        values = self.counters()
        self.assertEqual((values["refused_address"], values["refused_total"]), (1, 1))
        self.sockets[0].close()
        self.control.expect(fake.CLOSED)
        self.connect().sendall(stun(ALLOCATE))
        self.opened()

    def test_deadlines(self):
        self.run_with_peers()
        silent, half, shaking = self.connect(), self.connect(), self.connect(ONLY_TLS)
        half.sendall(stun(ALLOCATE) + b"\x40\x00\x00\x10ab")
        shaking.sendall(b"\x16\x03\x01")
        for s in (silent, half, shaking):
            self.assertTrue(self.ended(s))
        values = self.counters()
        self.assertEqual([values[k] for k in ("late_first", "late_message", "late_handshake")], [1, 1, 1])

    def test_idle_after_the_first_message_stays(self):
        self.run_with_peers()
        s = self.connect()
        s.sendall(stun(ALLOCATE))
        s.settimeout(1.5)
        with self.assertRaises(TimeoutError):
            s.recv(1)
