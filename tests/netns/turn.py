# SPDX-License-Identifier: BSD-3-Clause
"""A TURN client over real sockets, written from RFC 8489 and RFC 8656 alone, so that the relay is
judged by a second reading of them. Blocking, one socket a client, every wait has a deadline."""

import base64
import hashlib
import hmac
import ipaddress
import os
import socket
import struct
import time
import zlib

COOKIE = 0x2112A442
REQUEST, INDICATION, SUCCESS, ERROR = range(4)
BINDING, ALLOCATE, REFRESH, SEND, DATA, CREATE_PERMISSION, CHANNEL_BIND = 1, 3, 4, 6, 7, 8, 9

MAPPED_ADDRESS, USERNAME, MESSAGE_INTEGRITY, ERROR_CODE = 0x0001, 0x0006, 0x0008, 0x0009
UNKNOWN_ATTRIBUTES, CHANNEL_NUMBER, LIFETIME = 0x000A, 0x000C, 0x000D
XOR_PEER_ADDRESS, DATA_ATTR, REALM, NONCE = 0x0012, 0x0013, 0x0014, 0x0015
XOR_RELAYED_ADDRESS, REQUESTED_ADDRESS_FAMILY, EVEN_PORT = 0x0016, 0x0017, 0x0018
REQUESTED_TRANSPORT, DONT_FRAGMENT, XOR_MAPPED_ADDRESS = 0x0019, 0x001A, 0x0020
MESSAGE_INTEGRITY_SHA256, PASSWORD_ALGORITHM, USERHASH = 0x001C, 0x001D, 0x001E
PASSWORD_ALGORITHMS = 0x8002
ACCESS_TOKEN, THIRD_PARTY_AUTHORIZATION = 0x001B, 0x802E
ADDITIONAL_ADDRESS_FAMILY, ICMP, SOFTWARE, FINGERPRINT = 0x8000, 0x8004, 0x8022, 0x8028


class TurnError(Exception):
    def __init__(self, code, reason, message):
        super().__init__(f"{code} {reason}")
        self.code = code
        self.message = message


def message_type(klass, method):
    return ((method & 0xF) | (method & 0x70) << 1 | (method & 0xF80) << 2 | (klass & 1) << 4
            | (klass & 2) << 7)


def attribute(kind, value):
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def xor_address(address, transaction):
    host, port = address[0], address[1]
    ip = ipaddress.ip_address(host)
    mask = struct.pack("!I", COOKIE) + transaction
    body = bytes(a ^ b for a, b in zip(ip.packed, mask))
    return struct.pack("!BBH", 0, 1 if ip.version == 4 else 2, port ^ (COOKIE >> 16)) + body


def read_xor_address(value, transaction):
    port = struct.unpack("!H", value[2:4])[0] ^ (COOKIE >> 16)
    mask = struct.pack("!I", COOKIE) + transaction
    packed = bytes(a ^ b for a, b in zip(value[4:], mask))
    assert len(packed) == (4 if value[1] == 1 else 16), "family and length of an address disagree"
    return str(ipaddress.ip_address(packed)), port


class Message:
    """One STUN message; attributes as a list of (type, value) in their order."""

    def __init__(self, klass, method, attributes=(), transaction=None):
        self.klass, self.method = klass, method
        self.attributes = list(attributes)
        self.transaction = transaction or os.urandom(12)

    def encode(self, key=None, fingerprint=False, sha256=False):
        body = b"".join(attribute(k, v) for k, v in self.attributes)

        def head(length):
            return struct.pack("!HHI", message_type(self.klass, self.method), length,
                               COOKIE) + self.transaction

        if key is not None:
            kind, digest, size = (MESSAGE_INTEGRITY_SHA256, hashlib.sha256, 36) if sha256 \
                else (MESSAGE_INTEGRITY, hashlib.sha1, 24)
            body += attribute(kind, hmac.new(key, head(len(body) + size) + body, digest).digest())
        if fingerprint:
            crc = zlib.crc32(head(len(body) + 8) + body) ^ 0x5354554E
            body += attribute(FINGERPRINT, struct.pack("!I", crc))
        return head(len(body)) + body

    @classmethod
    def decode(cls, data):
        kind, length, cookie = struct.unpack("!HHI", data[:8])
        assert kind < 0x4000 and cookie == COOKIE and length + 20 == len(data), "not a STUN message"
        klass = (kind >> 4 & 1) | (kind >> 7 & 2)
        method = (kind & 0xF) | (kind >> 1 & 0x70) | (kind >> 2 & 0xF80)
        message = cls(klass, method, transaction=data[8:20])
        at = 20
        while at < len(data):
            k, n = struct.unpack("!HH", data[at:at + 4])
            value, padding = data[at + 4:at + 4 + n], data[at + 4 + n:at + 4 + n + -n % 4]
            assert len(value) == n, "an attribute overruns the message"
            assert not any(padding), "padding is not zero"
            message.attributes.append((k, value))
            at += 4 + n + -n % 4
        message.bytes = data
        return message

    def get(self, kind):
        return next((v for k, v in self.attributes if k == kind), None)

    def address(self, kind):
        value = self.get(kind)
        return value and read_xor_address(value, self.transaction)

    def integrity_ok(self, key, sha256=False):
        kind, digest = (MESSAGE_INTEGRITY_SHA256, hashlib.sha256) if sha256 else \
            (MESSAGE_INTEGRITY, hashlib.sha1)
        at = 20
        for k, v in self.attributes:
            if k == kind:
                head = self.bytes[:2] + struct.pack("!H", at + 4 + len(v) - 20) + self.bytes[4:20]
                return hmac.new(key, head + self.bytes[20:at], digest).digest() == v
            at += 4 + len(v) + -len(v) % 4
        return False


def error_of(message):
    value = message.get(ERROR_CODE)
    return value[2] * 100 + value[3], value[4:].decode()


class Client:
    """A client behind one UDP socket. `sock` is bound, unconnected or connected, and stays ours."""

    def __init__(self, sock, server, user="u", password="p", timeout=8.0,
                 sha256=False, token=None, mac_key=None):
        self.sock, self.server = sock, server
        self.token, self.mac_key = token, mac_key  # of third-party authorization; user is the kid
        self.user, self.password, self.timeout = user, password, timeout
        self.sha256 = sha256  # a client of RFC 8489, else of RFC 5389
        self.algorithms = None
        self.realm = self.nonce = self.key = None
        self.pending = []  # what arrived while an answer was awaited
        self.relayed = self.mapped = None
        sock.connect(server)

    def close(self):
        self.sock.close()

    # ---- requests

    def exchange(self, data, transaction, timeout=None):
        """Sends until the answer comes, RFC 8489 section 6.2.1, RTO 0.5 s."""
        deadline = time.monotonic() + (timeout or self.timeout)
        rto, resend = 0.5, 0.0
        while True:
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError("no answer")
            if now >= resend:
                self.sock.send(data)
                resend, rto = now + rto, min(rto * 2, 4)
            got = self.receive_raw(min(resend, deadline) - now)
            if got is None:
                continue
            if got[0] < 0x40 and got[8:20] == transaction and got[0] & 1:
                return Message.decode(got)
            self.pending.append(got)

    def receive_raw(self, wait):
        self.sock.settimeout(max(wait, 0.001))
        try:
            return self.sock.recv(65536)
        except (TimeoutError, socket.timeout):
            return None

    def request(self, method, attributes=(), authenticate=True, raw=False, transaction=None,
                timeout=None):
        """One request with long-term credentials; 401 and 438 are followed once each."""
        for _ in range(3):
            message = Message(REQUEST, method, attributes, transaction)
            if authenticate and self.nonce is not None:
                message.attributes += self.credentials()
                if self.token is not None and method in (ALLOCATE, REFRESH):  # RFC 7635 section 9
                    message.attributes.append((ACCESS_TOKEN, self.token))
                answer = self.exchange(message.encode(self.key, sha256=self.sha256),
                                       message.transaction, timeout)
            else:
                answer = self.exchange(message.encode(), message.transaction, timeout)
            if answer.klass == SUCCESS:
                if authenticate and self.key and method != BINDING:
                    assert answer.integrity_ok(self.key, self.sha256), "answer without valid MESSAGE-INTEGRITY"
                return answer
            code, reason = error_of(answer)
            if not authenticate or raw or code not in (401, 438) or \
                    (code == 401 and self.nonce is not None):
                raise TurnError(code, reason, answer)
            self.realm, self.nonce = answer.get(REALM), answer.get(NONCE)
            secret = b":".join((self.user.encode(), self.realm, self.password.encode()))
            self.algorithms = answer.get(PASSWORD_ALGORITHMS)
            self.key = self.mac_key or (
                hashlib.sha256 if self.sha256 else hashlib.md5)(secret).digest()
        raise TurnError(code, reason, answer)

    def credentials(self):
        user = (USERNAME, self.user.encode())
        if not self.sha256 or self.mac_key:
            return [user, (REALM, self.realm), (NONCE, self.nonce)]
        # RFC 8489 section 9.2.5; the cookie's second bit is "Username anonymity".
        assert self.nonce.startswith(b"obMatJos2"), "no nonce cookie"
        features = base64.b64decode(self.nonce[9:13])
        assert features[0] & 0x80 and self.algorithms, "no PASSWORD-ALGORITHMS offered"
        if features[0] & 0x40:
            user = (USERHASH, hashlib.sha256(self.user.encode() + b":" + self.realm).digest())
        return [user, (REALM, self.realm), (NONCE, self.nonce),
                (PASSWORD_ALGORITHMS, self.algorithms),
                (PASSWORD_ALGORITHM, struct.pack("!HH", 2, 0))]

    def binding(self, attributes=()):
        answer = self.request(BINDING, attributes, authenticate=False)
        return answer.address(XOR_MAPPED_ADDRESS)

    def allocate(self, family=None, lifetime=None, attributes=(), **kw):
        wanted = [(REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))]
        if family is not None:
            wanted.append((REQUESTED_ADDRESS_FAMILY, bytes((1 if family == 4 else 2, 0, 0, 0))))
        if lifetime is not None:
            wanted.append((LIFETIME, struct.pack("!I", lifetime)))
        answer = self.request(ALLOCATE, wanted + list(attributes), **kw)
        self.relayed = answer.address(XOR_RELAYED_ADDRESS)
        self.mapped = answer.address(XOR_MAPPED_ADDRESS)
        self.lifetime = struct.unpack("!I", answer.get(LIFETIME))[0]
        return self.relayed

    def refresh(self, lifetime=None, **kw):
        attributes = [] if lifetime is None else [(LIFETIME, struct.pack("!I", lifetime))]
        answer = self.request(REFRESH, attributes, **kw)
        return struct.unpack("!I", answer.get(LIFETIME))[0]

    def permit(self, *peers, **kw):
        transaction = os.urandom(12)
        # The transaction id is part of XOR-PEER-ADDRESS for IPv6, so it is fixed here, and a retry
        # after 438 builds the attributes anew.
        for _ in range(2):
            try:
                return self.request(CREATE_PERMISSION, [
                    (XOR_PEER_ADDRESS, xor_address((p, 0), transaction)) for p in peers
                ], transaction=transaction, raw=self.nonce is not None, **kw)
            except TurnError as e:
                if e.code != 438:
                    raise
                self.nonce = e.message.get(NONCE)
                transaction = os.urandom(12)
        raise AssertionError("438 twice")

    def bind(self, channel, peer, **kw):
        transaction = os.urandom(12)
        for _ in range(2):
            try:
                return self.request(CHANNEL_BIND, [
                    (CHANNEL_NUMBER, struct.pack("!HH", channel, 0)),
                    (XOR_PEER_ADDRESS, xor_address(peer, transaction)),
                ], transaction=transaction, raw=self.nonce is not None, **kw)
            except TurnError as e:
                if e.code != 438:
                    raise
                self.nonce = e.message.get(NONCE)
                transaction = os.urandom(12)
        raise AssertionError("438 twice")

    # ---- data

    def send_channel(self, channel, data, padding=0):
        self.sock.send(struct.pack("!HH", channel, len(data)) + data + bytes(padding))

    def send_indication(self, peer, data, attributes=()):
        message = Message(INDICATION, SEND)
        message.attributes = [(XOR_PEER_ADDRESS, xor_address(peer, message.transaction)),
                              (DATA_ATTR, data), *attributes]
        self.sock.send(message.encode())

    def receive(self, timeout=2.0):
        """The next datagram: ('channel', number, data), ('data', peer, data), ('icmp', peer, value),
        ('stun', message, None), or None when nothing came in time."""
        if self.pending:
            got = self.pending.pop(0)
        else:
            got = self.receive_raw(timeout)
        if got is None:
            return None
        if 0x40 <= got[0] <= 0x4F:
            channel, length = struct.unpack("!HH", got[:4])
            assert len(got) >= 4 + length, "ChannelData shorter than its Length"
            return "channel", channel, got[4:4 + length]
        message = Message.decode(got)
        if message.klass == INDICATION and message.method == DATA:
            peer = message.address(XOR_PEER_ADDRESS)
            if message.get(ICMP) is not None:
                return "icmp", peer, message.get(ICMP)
            return "data", peer, message.get(DATA_ATTR)
        return "stun", message, None
