# SPDX-License-Identifier: BSD-3-Clause
"""Connections with peers of TCP allocations (RFC 6062), between what control says and what both ends see."""
import random
import socket
import ssl
import struct
import threading
import time

import fake
from case import ADDRESS, ALLOCATE, PLAIN, SUCCESS, Stream, read_exactly, stun

CONNECTION_BIND, BOUND, REFUSED = 0x000B, 0x010B, 0x011B
RELAYED = 50000
CONNECTING, WAITING = 1, 3
LISTENED, CONNECTED, GONE = 6, 8, 11
LISTEN, CONNECT, BIND, CLOSE = 37, 39, 41, 43
HANDED = 13  # TP_MSG_STREAM_FAR
NO_ADDRESS = bytes(24)


def far(number, stream=0, connection=0, relay=NO_ADDRESS, peer=NO_ADDRESS, state=0, rate=0):
    """struct tp_stream_far"""
    return (struct.pack("<IiII", number, 0, stream, connection) + relay + peer + bytes(12) +
            struct.pack("<B3xQQQ", state, 0, 0, rate))


def facts(note):
    """Number and error."""
    return struct.unpack_from("<Ii", note)


class RelayCase(Stream):
    def peer(self):
        """A socket of a peer, listening, and its address."""
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        s.listen(8)
        s.settimeout(10)
        self.sockets.append(s)
        return s, fake.transport_address(*s.getsockname())

    def owner(self):
        """A client with a TCP allocation: its connection's number."""
        s = self.connect()
        s.sendall(stun(ALLOCATE, number=1))
        number, _ = self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        self.control.tell(LISTEN, number, fake.transport_address(ADDRESS, RELAYED) + NO_ADDRESS)
        _, said = self.control.expect(LISTENED)
        self.assertEqual(facts(said)[0], 0)
        self.control.tell(fake.NOTE_RESPONSE, number, stun(SUCCESS, number=1))
        read_exactly(s, 20)
        return number

    def connected(self, owner, number=77):
        """A connection with a peer that waits to be bound; the peer's socket."""
        listener, address = self.peer()
        self.control.tell(CONNECT, owner, far(number, self.control.stream, owner,
                                              fake.transport_address(ADDRESS, RELAYED), address, CONNECTING))
        peer, _ = listener.accept()
        peer.settimeout(10)
        self.sockets.append(peer)
        _, said = self.control.expect(CONNECTED)
        self.assertEqual(facts(said), (number, 0))
        return peer

    def data_connection(self, tls=False):
        s = self.tls() if tls else self.connect(PLAIN)
        s.sendall(stun(CONNECTION_BIND, number=9))
        number, _ = self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        return s, number

    def bound(self, tls=False, rate=0, owner=None, far_number=77):
        """(client, peer), bound to each other."""
        owner = owner or self.owner()
        peer = self.connected(owner, far_number)
        client, number = self.data_connection(tls)
        self.control.tell(BIND, number, far(far_number, self.control.stream, owner, rate=rate) + stun(BOUND, number=9))
        self.assertEqual(read_exactly(client, 20), stun(BOUND, number=9))
        return client, peer


class Relay(RelayCase):
    def both_ways(self, tls):
        self.run_with_peers()
        client, peer = self.bound(tls)
        client.sendall(b"question")
        self.assertEqual(read_exactly(peer, 8), b"question")
        peer.sendall(b"answer")
        self.assertEqual(read_exactly(client, 6), b"answer")
        return client, peer

    def both_ends(self, client, peer):
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(peer.recv(1), b"")
        peer.sendall(b"still")  # half-closed only
        self.assertEqual(read_exactly(client, 5), b"still")
        peer.close()
        self.assertEqual(client.recv(1), b"")
        while self.control.note()[0] != GONE:
            pass

    def test_both_ways_and_the_ends_of_both(self):
        self.both_ends(*self.both_ways(tls=False))

    def test_the_same_over_tls(self):
        client, peer = self.both_ways(tls=True)
        client.settimeout(1)
        with self.assertRaises(TimeoutError):
            client.unwrap()  # says close_notify, and waits for the other one
        self.assertEqual(peer.recv(1), b"")
        peer.close()
        client.settimeout(10)
        client.unwrap()
        while self.control.note()[0] != GONE:
            pass

    def test_a_cut_tls_connection_resets_the_peer(self):
        """An end without close_notify may be a third party's: the peer must not take it for the whole."""
        self.run_with_peers()
        client, peer = self.bound(tls=True)
        client.sendall(b"half of it")
        self.assertEqual(read_exactly(peer, 10), b"half of it")
        client.shutdown(socket.SHUT_WR)
        with self.assertRaises(ConnectionResetError):
            peer.recv(1)

    def test_a_reset_of_the_peer_is_no_end_of_tls(self):
        self.run_with_peers()
        client, peer = self.bound(tls=True)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sendall(b"x")
        self.assertEqual(read_exactly(client, 1), b"x")
        peer.close()
        client.suppress_ragged_eofs = False
        with self.assertRaises((ssl.SSLEOFError, ConnectionResetError)):
            client.recv(1)

    def test_the_answer_comes_before_the_peers_bytes(self):
        """Also where more waits for the client than leaves in one piece."""
        self.run_with_peers()
        owner = self.owner()
        peer = self.connected(owner)
        peer.sendall(b"p" * 4096)
        client, number = self.data_connection()
        first = [stun(0x0111, bytes(1900), number=n) for n in range(8)]
        answer = stun(BOUND, bytes(1200), number=9)
        self.control.tell_all([(fake.NOTE_RESPONSE, number, message) for message in first] +
                              [(BIND, number, far(77, self.control.stream, owner) + answer)])
        self.assertEqual(read_exactly(client, 8 * 1920), b"".join(first))
        self.assertEqual(read_exactly(client, len(answer)), answer)
        self.assertEqual(read_exactly(client, 4096), b"p" * 4096)

    def test_what_was_never_here_is_said_to_be_gone(self):
        self.run_with_peers()
        client, number = self.data_connection()
        self.control.tell(BIND, number, far(5, self.control.stream, 1) + stun(BOUND, number=9))
        said = {}
        while GONE not in said or fake.CLOSED not in said:
            kind, connection, payload = self.control.note()
            said[kind] = connection, payload
        self.assertEqual(facts(said[GONE][1]), (5, 0))
        self.assertEqual(said[fake.CLOSED][0], number)
        self.assertTrue(self.ended(client))

    def test_a_socket_that_blocks_holds_nobody_up(self):
        """Handed over by a process that has it otherwise: the flag is of the socket, not of a process."""
        self.run_with_peers()
        owner = self.owner()
        ours, peer = socket.socketpair()
        ours.setblocking(True)
        peer.settimeout(10)
        self.sockets.append(peer)
        client, number = self.data_connection()
        known = far(9, self.control.stream, owner, state=WAITING)
        message = fake.header(HANDED, 16 + len(known)) + known
        socket.send_fds(self.control.socket, [message], [ours.fileno()])
        self.control.tell(BIND, number, far(9, self.control.stream, owner) + stun(BOUND, number=9))
        self.assertEqual(read_exactly(client, 20), stun(BOUND, number=9))
        client.sendall(b"to the peer")
        self.assertEqual(read_exactly(peer, 11), b"to the peer")
        other = self.connect()  # nobody waits for the peer's next byte
        other.sendall(stun(ALLOCATE, number=3))
        self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        # Nor for its reading.
        client.settimeout(0.5)
        try:
            while True:
                client.send(b"x" * 65536)
        except TimeoutError:
            pass
        other.sendall(stun(ALLOCATE, number=4))
        while self.control.note()[0] != fake.NOTE_REQUEST:
            pass
        ours.close()

    def test_who_reads_nothing_is_refused_a_bind(self):
        """The refusal ends the connection: it has more unread answers than may wait."""
        self.run_with_peers()
        client = self.connect(PLAIN, set=((socket.SOL_SOCKET, socket.SO_RCVBUF, 4096),))
        client.sendall(stun(ALLOCATE, number=1))
        number, _ = self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        client.sendall(stun(CONNECTION_BIND, number=9))
        self.control.expect(fake.NOTE_REQUEST)
        for _ in range(50):
            for _ in range(100):
                self.control.tell(fake.NOTE_RESPONSE, number, stun(REFUSED, bytes(1900), number=9))
            if self.counters()["unread_answers"] == 1:
                break
        self.assertEqual(self.control.expect(fake.CLOSED)[0], number)


class RelayRate(RelayCase):
    RATE, SAVED, READ = 200000, 25000, 16384  # bytes a second; at once after a pause; what one read may take too much

    def pass_through(self, ways):
        """Seconds in which data comes out of all (source, sink) as it went in."""
        data = random.Random(1).randbytes(150000)
        jobs = [threading.Thread(target=source.sendall, args=(data,)) for source, _ in ways]
        got = {}
        jobs += [threading.Thread(target=lambda s=sink: got.update({s: read_exactly(s, len(data))})) for _, sink in ways]
        begin = time.monotonic()
        for job in jobs:
            job.start()
        for job in jobs:
            job.join(60)
        took = time.monotonic() - begin
        self.assertEqual([got.get(sink) for _, sink in ways], [data] * len(ways))
        return took

    def least(self, bytes_each_way):
        return (bytes_each_way - self.SAVED - self.READ) / self.RATE

    def test_each_way_has_the_rate(self):
        self.run_with_peers()
        client, peer = self.bound(rate=self.RATE)
        self.assertGreater(self.pass_through([(client, peer), (peer, client)]), self.least(150000))
        self.assertGreater(self.counters()["relay_held"], 0)

    def test_the_same_over_tls(self):
        self.run_with_peers()
        client, peer = self.bound(tls=True, rate=self.RATE)
        for way in ((client, peer), (peer, client)):
            self.assertGreater(self.pass_through([way]), self.least(150000))

    def test_connections_of_an_allocation_share_it_and_others_do_not(self):
        self.run_with_peers()
        owner = self.owner()
        first = self.bound(rate=self.RATE, owner=owner)
        second = self.bound(rate=self.RATE, owner=owner, far_number=78)
        other = self.bound(far_number=79)
        self.pass_through([other])
        self.assertEqual(self.counters()["relay_held"], 0)
        self.assertGreater(self.pass_through([first, second]), self.least(300000))

    def test_the_newest_bind_says_the_rate(self):
        self.run_with_peers()
        owner = self.owner()
        client, peer = self.bound(rate=1, owner=owner)
        client.sendall(bytes(100))
        self.assertEqual(read_exactly(peer, 100), bytes(100))
        client.sendall(b"late")  # by a minute and a half
        self.until(lambda: self.counters()["relay_held"] > 0)
        self.bound(rate=0, owner=owner, far_number=78)
        self.assertEqual(read_exactly(peer, 4), b"late")

    def test_the_end_is_not_held(self):
        """What control ends, ends."""
        self.run_with_peers()
        client, peer = self.bound(rate=1)
        client.sendall(bytes(100))
        read_exactly(peer, 100)
        client.sendall(b"never read")
        self.until(lambda: self.counters()["relay_held"] > 0)
        self.control.tell(CLOSE, 0, far(77))
        self.assertEqual(peer.recv(1), b"")


class RelayLimit(RelayCase):
    options = {"connections": 2}

    def test_a_connect_too_many_is_answered(self):
        self.run_with_peers()
        owner = self.owner()
        self.connected(owner, 77)
        self.connected(owner, 78)
        _, address = self.peer()
        self.control.tell(CONNECT, owner, far(79, self.control.stream, owner,
                                              fake.transport_address(ADDRESS, RELAYED), address, CONNECTING))
        number, error = facts(self.control.expect(CONNECTED)[1])
        self.assertEqual(number, 79)
        self.assertNotEqual(error, 0)
