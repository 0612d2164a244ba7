# SPDX-License-Identifier: BSD-3-Clause
"""A dataplane and a control as turnpike-stream sees them: their sockets, their rings (common/abi/stream.h)."""
import fcntl
import mmap
import os
import queue
import select
import socket
import struct
import threading

MAGIC, MAJOR, MINOR = 0x54504B31, 1, 1
HELLO, REFUSED, STREAM_ATTACHED, STREAM_STATE, STREAM_CONTROL = 1, 3, 10, 11, 12
UP, DOWN, REQUEST, RESPONSE = 5, 6, 7, 8
SLOT, SHARED = 2048, 192
HEAD = 80  # struct tp_stream_slot
MESSAGE, DATAGRAM, NOT_MINE, REST = 1, 2, 3, 4
OPENED, NOTE_REQUEST, CLOSED, READY, COUNTERS = 1, 2, 3, 4, 5
NOTE_RESPONSE, CLOSE, ASK, DRAIN, RELOAD = 32, 33, 34, 35, 36
MAX_WORKERS = 16


class Ring:
    """One side of a ring in shared memory."""

    def __init__(self, memory, offset, slots, event):
        self.memory, self.offset, self.slots, self.event, self.own = memory, offset, slots, event, 0

    def _word(self, at):
        return struct.unpack_from("<I", self.memory, self.offset + at)[0]

    def _set(self, at, value):
        struct.pack_into("<I", self.memory, self.offset + at, value & 0xFFFFFFFF)

    def _slot(self):
        return self.offset + SHARED + self.own % self.slots * SLOT

    def put(self, *slots):
        for data in slots:
            at = self._slot()
            self.memory[at:at + len(data)] = data
            self.own += 1
        self._set(0, self.own)
        self._set(128, 0)
        os.eventfd_write(self.event, 1)

    def take(self):
        """All slots there are."""
        out = []
        while self.own != self._word(0):
            at = self._slot()
            out.append(bytes(self.memory[at:at + SLOT]))
            self.own += 1
        self._set(64, self.own)
        return out

    def sleep(self):
        self._set(128, 1)
        return self._word(0) == self.own


def make_rings(places, seal=True):
    """places: (kind, worker, slots). Returns memory, its bytes, descriptors, the places' bytes, rings by (kind, worker)."""
    total = sum(SHARED + slots * SLOT for _, _, slots in places)
    fd = os.memfd_create("rings", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, total)
    if seal:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    memory = mmap.mmap(fd, total)
    fds, text, rings, offset = [fd], b"", {}, 0
    for kind, worker, slots in places:
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        text += struct.pack("<HHIIHHQ", kind, worker, slots, SLOT, len(fds), 0, offset)
        fds.append(event)
        rings[kind, worker] = Ring(memory, offset, slots, event)
        offset += SHARED + slots * SLOT
    return total, fds, text, rings


def header(kind, length):
    return struct.pack("<IHHHHI", MAGIC, MAJOR, MINOR, kind, 0, length)


class Peer:
    """Listens on a socket of the run directory and greets the stream that comes."""

    def __init__(self, path):
        if os.path.exists(path):
            os.unlink(path)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(8)
        self.listener.settimeout(10)
        self.socket, self.fds, self.path = None, [], path

    def hello(self):
        if self.socket:
            self.socket.close()
        self.socket, _ = self.listener.accept()
        self.socket.settimeout(10)
        message = self.socket.recv(4096)
        self.stream, self.flags = struct.unpack("<II", message[-8:])
        return message

    def send(self, message, fds):
        socket.send_fds(self.socket, [message], fds)
        self.fds = fds

    def refuse(self, reason):
        self.socket.send(header(REFUSED, 24) + struct.pack("<HHI", reason, 0, 0))
        self.socket.close()

    def close(self):
        for s in (self.socket, self.listener):
            if s:
                s.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []
        if os.path.exists(self.path):
            os.unlink(self.path)

    def wait(self, ring, timeout=10):
        """Slots of a ring, as soon as there are any."""
        slots = ring.take()
        while not slots:
            if ring.sleep() and not select.select([ring.event], [], [], timeout)[0]:
                raise TimeoutError("nothing came through the ring")
            try:
                os.eventfd_read(ring.event)
            except BlockingIOError:
                pass
            slots = ring.take()
        return slots


class Dataplane(Peer):
    def __init__(self, directory, workers=2, up_slots=1024):
        super().__init__(directory + "/dataplane.sock")
        self.workers, self.up_slots = workers, up_slots

    def attach(self, seal=True):
        self.hello()
        places = [p for w in range(self.workers) for p in ((UP, w, self.up_slots), (DOWN, w, 4096))]
        total, fds, text, self.rings = make_rings(places, seal)
        text += bytes(24 * (2 * MAX_WORKERS - len(places)))
        body = struct.pack("<IHHQQ", os.getpid(), self.workers, len(places), 42, total) + text
        self.send(header(STREAM_ATTACHED, 16 + len(body)) + body, fds)

    def messages(self, worker):
        """(connection, message) of all that came up from one worker's clients."""
        out = []
        for slot in self.wait(self.rings[UP, worker]):
            kind, more, length, _, _, connection = struct.unpack_from("<HHHBBI", slot)
            if kind == MESSAGE:
                out.append((connection, slot[HEAD:HEAD + length]))
            else:
                out[-1] = (out[-1][0], out[-1][1] + slot[HEAD:HEAD + length])
        return out

    def down(self, worker, connection, *messages):
        """Seen by the stream all at once."""
        self.rings[DOWN, worker].put(*(slot for m in messages for slot in self.slots(connection, m)))

    def slots(self, connection, message):
        size = SLOT - HEAD
        pieces = [message[i:i + size] for i in range(0, len(message), size)]
        for i, p in enumerate(pieces):
            yield struct.pack("<HHHBBI", REST if i else MESSAGE, 0 if i else len(pieces) - 1, len(p), 0, 0,
                              0 if i else connection) + bytes(HEAD - 12) + p


def transport_address(host, port):
    return socket.inet_aton(host) + bytes(12) + struct.pack("<B3xHH", 4, port, 0)


class Worker(threading.Thread):
    """A worker with DTLS between UDP on the loopback and the rings: it gives every hello without a
    cookie the same one, hands all else over as datagrams of `host` to `listener`, and sends what
    comes back."""
    COOKIE = b"a cookie"

    def __init__(self, dataplane, host, listener, worker=0):
        super().__init__(daemon=True)
        self.up, self.down = dataplane.rings[UP, worker], dataplane.rings[DOWN, worker]
        self.host, self.listener = host, listener
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.came, self.halt = queue.Queue(), False
        self.start()

    def hand_over(self, port, data):
        head = struct.pack("<HHHBBII", DATAGRAM, 0, len(data), 0, 0, 0, 0)
        head += transport_address(self.host, port) + transport_address(*self.listener)
        self.down.put(head + struct.pack("<6xHHH4x", 0, 0xFFFF, 1) + data)

    def _from_client(self):
        data, (_, port) = self.socket.recvfrom(65536)
        if data[0] == 22 and data[3:5] == bytes(2) and data[13] == 1 and self.COOKIE not in data:
            body = b"\xfe\xff" + bytes([len(self.COOKIE)]) + self.COOKIE
            length = len(body).to_bytes(3, "big")
            message = b"\3" + length + bytes(5) + length + body
            self.socket.sendto(b"\x16\xfe\xff" + data[3:11] + len(message).to_bytes(2, "big") + message,
                               ("127.0.0.1", port))
        else:
            self.hand_over(port, data)

    def _from_stream(self, slot):
        kind, _, length, _, _, connection = struct.unpack_from("<HHHBBI", slot)
        port, data = struct.unpack_from("<H", slot, 16 + 20)[0], slot[HEAD:HEAD + length]
        if kind == DATAGRAM:
            assert slot[16:20] == socket.inet_aton(self.host) and slot[40:64] == transport_address(*self.listener)
            self.socket.sendto(data, ("127.0.0.1", port))
        else:
            self.came.put((kind, connection if kind == MESSAGE else port, data))

    def run(self):
        while not self.halt:
            for slot in self.up.take():
                self._from_stream(slot)
            if not self.up.sleep():
                continue
            ready = select.select([self.socket, self.up.event], [], [], 0.1)[0]
            if self.socket in ready:
                self._from_client()
            if self.up.event in ready:
                os.eventfd_read(self.up.event)

    def next(self):
        """What came up that is for no client: (MESSAGE, connection, bytes) or (NOT_MINE, port, bytes)."""
        return self.came.get(timeout=10)

    def close(self):
        self.halt = True
        self.join()
        self.socket.close()


class Control(Peer):
    def __init__(self, directory):
        super().__init__(directory + "/streams.sock")
        self.notes = []

    def attach(self):
        self.hello()
        total, fds, text, self.rings = make_rings([(REQUEST, 0, 1024), (RESPONSE, 0, 1024)])
        body = struct.pack("<IHHQ", os.getpid(), 2, 0, total) + text
        self.send(header(STREAM_CONTROL, 16 + len(body)) + body, fds)

    def note(self):
        """The next (kind, connection, payload)."""
        if not self.notes:
            for slot in self.wait(self.rings[REQUEST, 0]):
                kind, length, connection = struct.unpack_from("<HHI", slot)
                self.notes.append((kind, connection, slot[16:16 + length]))
        return self.notes.pop(0)

    def expect(self, kind):
        note = self.note()
        assert note[0] == kind, "note %d, expected %d" % (note[0], kind)
        return note[1:]

    def tell(self, kind, connection=0, payload=b""):
        self.tell_all([(kind, connection, payload)])

    def tell_all(self, notes):
        """Seen by the stream all at once."""
        self.rings[RESPONSE, 0].put(*(struct.pack("<HHIQ", kind, len(payload), connection, 0) + payload
                                      for kind, connection, payload in notes))
