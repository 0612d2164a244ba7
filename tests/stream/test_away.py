# SPDX-License-Identifier: BSD-3-Clause
"""Control or the dataplane is not there, comes late, goes, hangs."""
import os
import signal

from case import READY, channel_data, padded, stun, ALLOCATE, SUCCESS, read_exactly, Stream
import fake


class Away(Stream):
    def test_control_goes_and_comes_back(self):
        self.run_with_peers()
        s = self.connect()
        s.sendall(stun(ALLOCATE, number=1))
        connection, _ = self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        other = self.tls()
        second, _ = self.opened()
        other.sendall(stun(ALLOCATE, number=2))
        self.control.expect(fake.NOTE_REQUEST)
        s.sendall(stun(ALLOCATE, number=3))  # not taken by this control: it dies
        self.until(lambda: self.counters()["requests"] == 3)
        stream = self.control.stream
        self.control.close()
        self.until(lambda: "control is gone" in self.log())
        s.sendall(stun(ALLOCATE, number=4))
        worker = connection % self.workers
        s.sendall(padded(channel_data(0x4000, b"media goes on")))
        self.assertEqual(self.dataplane.messages(worker), [(connection, channel_data(0x4000, b"media goes on"))])
        self.another_control()
        self.assertEqual(self.control.stream, stream)
        self.assertEqual({self.opened()[0], self.opened()[0]}, {connection, second})
        self.control.expect(READY)
        # What was not answered is asked again, taken or not.
        got = {connection: [], second: []}
        for _ in range(4):
            number, request = self.control.expect(fake.NOTE_REQUEST)
            got[number].append(request)
        self.assertEqual(got, {connection: [stun(ALLOCATE, number=n) for n in (1, 3, 4)], second: [stun(ALLOCATE, number=2)]})

    def test_what_was_answered_is_not_asked_again(self):
        self.run_with_peers()
        s = self.connect()
        s.sendall(b"".join(stun(ALLOCATE, number=n) for n in range(4)) + stun(SUCCESS, number=9))
        connection, _ = self.opened()
        for _ in range(5):
            self.control.expect(fake.NOTE_REQUEST)
        self.control.tell(fake.NOTE_RESPONSE, connection, stun(SUCCESS, number=1))
        self.assertEqual(read_exactly(s, 20), stun(SUCCESS, number=1))
        # An answer that is still in the ring when control dies counts.
        os.kill(self.process.pid, signal.SIGSTOP)
        self.control.tell(fake.NOTE_RESPONSE, connection, stun(SUCCESS, number=2))
        self.control.close()
        os.kill(self.process.pid, signal.SIGCONT)
        self.assertEqual(read_exactly(s, 20), stun(SUCCESS, number=2))
        self.another_control()
        self.opened()
        self.control.expect(READY)
        got = [self.control.expect(fake.NOTE_REQUEST)[1] for _ in range(2)]
        self.assertEqual(got, [stun(ALLOCATE, number=n) for n in (0, 3)])
        self.assertEqual(self.counters()["requests_again"], 2)

    def test_unanswered_requests_are_bounded(self):
        self.run_with_peers()
        s = self.connect()
        s.sendall(b"".join(stun(ALLOCATE, number=n) for n in range(40)))
        connection, _ = self.opened()
        for _ in range(40):
            self.control.expect(fake.NOTE_REQUEST)
        self.control.close()
        self.another_control()
        self.opened()
        self.control.expect(READY)
        got = [self.control.expect(fake.NOTE_REQUEST)[1] for _ in range(16)]
        self.assertEqual(got, [stun(ALLOCATE, number=n) for n in range(24, 40)])
        self.assertEqual(self.counters()["requests_again"], 16)

    def test_a_control_that_hangs_stops_no_media(self):
        self.run_with_peers()
        flood, s = self.connect(), self.connect()
        s.sendall(stun(ALLOCATE))
        connection, _ = self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        # It takes nothing any more: its ring is full, then as many wait as may.
        for first in range(0, 1100, 20):
            flood.sendall(b"".join(stun(ALLOCATE, number=n) for n in range(first, first + 20)))
        self.until(lambda: self.counters()["requests_dropped"] > 0)
        s.sendall(b"".join(stun(ALLOCATE, number=n) for n in range(17)) + padded(channel_data(0x4000, b"media goes on")))
        self.assertEqual(self.dataplane.messages(connection % self.workers), [(connection, channel_data(0x4000, b"media goes on"))])
        # It is back: of those that waited the newest come.
        for _ in range(1024):
            self.control.note()
        got = [self.control.note() for _ in range(32)]
        self.assertEqual([n[2] for n in got if n[1] == connection], [stun(ALLOCATE, number=n) for n in range(1, 17)])

    def test_requests_that_wait_are_bounded(self):
        self.run_with_peers(control=False)
        s = self.connect()
        s.sendall(b"".join(stun(ALLOCATE, number=n) for n in range(40)) + padded(channel_data(0x4000, b"x")))
        self.until(lambda: self.counters()["up"] == 1)
        self.assertEqual(self.counters()["requests_dropped"], 24)
        self.another_control()
        self.opened()
        self.control.expect(READY)
        got = [self.control.expect(fake.NOTE_REQUEST)[1] for _ in range(16)]
        self.assertEqual(got, [stun(ALLOCATE, number=n) for n in range(24, 40)])

    def test_dataplane_comes_late_goes_and_comes_back(self):
        self.run_with_peers(dataplane=False)
        s = self.connect()
        s.sendall(padded(channel_data(0x4000, b"lost")))
        connection, _ = self.opened()
        for n in range(2):
            self.dataplane = fake.Dataplane(self.directory + "/run")
            self.dataplane.attach()
            self.until(lambda: self.log().count("attached to the dataplane") == n + 1)
            s.sendall(padded(channel_data(0x4000, b"kept")))
            self.assertEqual(self.dataplane.messages(connection % 2), [(connection, channel_data(0x4000, b"kept"))])
            self.dataplane.down(connection % 2, connection, channel_data(0x4000, b"back"))
            self.assertEqual(read_exactly(s, 8), channel_data(0x4000, b"back"))
            self.dataplane.close()
        self.assertEqual(self.counters()["up_away"], 1)

    def test_busy_takes_another_number(self):
        self.make_run_directory()
        self.dataplane = fake.Dataplane(self.directory + "/run")
        self.peers.append(self.dataplane)
        self.start()
        self.dataplane.hello()
        first = self.dataplane.stream
        self.dataplane.refuse(4)
        self.dataplane.attach()
        self.assertNotEqual(self.dataplane.stream, first)
        self.assertNotEqual(self.dataplane.stream, 0)

    def test_memory_without_seals_is_refused(self):
        self.make_run_directory()
        self.dataplane = fake.Dataplane(self.directory + "/run")
        self.peers.append(self.dataplane)
        self.start()
        self.dataplane.attach(seal=False)
        self.until(lambda: "not sealed against shrinking" in self.log())
        self.dataplane.attach()  # a second later, with seals
        self.until(lambda: "attached to the dataplane" in self.log())
