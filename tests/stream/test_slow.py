# SPDX-License-Identifier: BSD-3-Clause
"""More than fits: clients that do not read, bursts, a ring that is full."""
import os
import signal
import socket
import struct
import time

from case import BOTH, channel_data, padded, stun, ALLOCATE, SUCCESS, read_exactly, Stream
import fake


class SlowReader(Stream):
    def test_drops_only_its_own(self):
        self.run_with_peers()
        small = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)]
        slow, quick = self.connect(set=small), self.connect()
        numbers = []
        for s in (slow, quick):
            s.sendall(stun(ALLOCATE))
            numbers.append(self.opened()[0])
            self.control.expect(fake.NOTE_REQUEST)
        for n in range(3000):
            for connection in numbers:
                self.dataplane.down(connection % 2, connection, channel_data(0x4000, struct.pack(">I", n) + bytes(996)))
            read_exactly(quick, 1004)
        self.control.tell(fake.NOTE_RESPONSE, numbers[0], stun(SUCCESS))
        self.control.tell(fake.ASK, numbers[0])
        self.control.tell(fake.ASK, numbers[1])
        (a, of_slow), (b, of_quick) = (self.control.expect(fake.COUNTERS) for _ in range(2))
        packets, dropped, queued = struct.unpack("<QQQ", of_slow)
        self.assertEqual([a, b], numbers)
        self.assertGreater(packets, 1000)
        self.assertLessEqual(queued, 65536 + 1004 + 20)
        self.assertEqual(struct.unpack("<QQQ", of_quick), (0, 0, 0))
        # What is left comes whole and in order; the answer is among it.
        slow.settimeout(2)
        seen, answers = [], 0
        while not answers:
            head = read_exactly(slow, 4)
            if head[0] == 0x40:
                seen.append(struct.unpack(">I", read_exactly(slow, 1000)[:4])[0])
            else:
                self.assertEqual(head + read_exactly(slow, 16), stun(SUCCESS))
                answers += 1
        self.assertEqual(seen, sorted(seen))

    def test_a_rush_in_one_turn_is_not_dropped(self):
        self.run_with_peers()
        for connect in (self.connect, self.tls):
            s = connect()
            s.sendall(stun(ALLOCATE))
            connection, _ = self.opened()
            self.control.expect(fake.NOTE_REQUEST)
            os.kill(self.process.pid, signal.SIGSTOP)
            for n in range(75):  # 75 kB, of 64 that may wait
                self.dataplane.down(connection % 2, connection, channel_data(0x4000, struct.pack(">I", n) + bytes(996)))
            os.kill(self.process.pid, signal.SIGCONT)
            for n in range(75):
                self.assertEqual(read_exactly(s, 1004)[4:8], struct.pack(">I", n))
        self.assertEqual(self.counters()["down_dropped"], 0)

    def test_the_same_over_tls(self):
        self.run_with_peers()
        plain = self.connect(BOTH, set=[(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)])
        slow = self.tls(plain=plain)
        slow.sendall(stun(ALLOCATE))
        connection, _ = self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        for n in range(2000):
            self.dataplane.down(connection % 2, connection, channel_data(0x4000, struct.pack(">I", n) + bytes(996)))
            if n % 100 == 99:
                time.sleep(0.01)
        self.control.tell(fake.NOTE_RESPONSE, connection, stun(SUCCESS))
        seen = []
        while True:
            head = read_exactly(slow, 4)
            if head[0] != 0x40:
                break
            seen.append(struct.unpack(">I", read_exactly(slow, 1000)[:4])[0])
        self.assertEqual(head + read_exactly(slow, 16), stun(SUCCESS))
        self.assertEqual(seen, sorted(seen))
        self.assertGreater(self.counters()["down_dropped"], 100)


class Burst(Stream):
    options = {"buffer_bytes": 8192}

    def test_more_than_may_wait_is_there_at_once(self):
        """What the socket takes does not wait, so it is not dropped for its length."""
        self.run_with_peers()
        sent = [channel_data(0x4000, struct.pack(">I", n) + bytes(996)) for n in range(24)]
        for connect in (self.connect, self.tls):
            s = connect()
            s.sendall(stun(ALLOCATE))
            connection, _ = self.opened()
            self.control.expect(fake.NOTE_REQUEST)
            self.dataplane.down(connection % 2, connection, *sent)
            self.assertEqual(read_exactly(s, 24 * 1004), b"".join(sent))
        self.assertEqual(self.counters()["down_dropped"], 0)

    def test_what_came_together_leaves_together(self):
        """However many messages a turn takes."""
        self.run_with_peers()
        s = self.tls()
        s.sendall(stun(ALLOCATE))
        connection, _ = self.opened()
        before = self.counters()["writes"]
        self.dataplane.down(connection % 2, connection, *[channel_data(0x4000, bytes(4))] * 1000)
        read_exactly(s, 8000)
        self.assertEqual(self.counters()["writes"] - before, 1)


class FullRing(Stream):
    workers, up_slots = 1, 64

    def test_a_full_ring_loses_nothing(self):
        self.run_with_peers()
        sockets = [self.connect(), self.tls()]
        sent = [channel_data(0x4000, struct.pack(">I", n) + bytes(200)) for n in range(500)]
        numbers = []
        for s in sockets:
            s.sendall(stun(ALLOCATE))
            numbers.append(self.opened()[0])
            s.sendall(b"".join(map(padded, sent)))
        got = {n: [] for n in numbers}
        while sum(map(len, got.values())) < 1000:
            for connection, message in self.dataplane.messages(0):
                got[connection].append(message)
        self.assertEqual(list(got.values()), [sent, sent])
        self.assertGreater(self.counters()["up_waits"], 0)
