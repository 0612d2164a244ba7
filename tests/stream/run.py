#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""turnpike-stream alone, between real clients on one side and a dataplane and a control that are
played here: run.py [-v] BINARY [test ...]. Needs root for a network namespace of its own."""
import json
import os
import re
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import warnings

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "netns"))
import dtls  # noqa: E402
import fake  # noqa: E402

ADDRESS, ADDRESS6 = "198.18.0.2", "fd00:198:18::2"
PLAIN, BOTH, ONLY_TLS = 3478, 3479, 5349
COOKIE = 0x2112A442
BINARY = None
READY = fake.READY


def certificate(directory, name, kind="ec"):
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-newkey", "rsa:2048"]
    subprocess.run(["openssl", "req", "-x509", "-nodes", *key, "-days", "2", "-subj", "/CN=" + name, "-addext",
                    "subjectAltName=DNS:" + name, "-keyout", f"{directory}/{name}.key", "-out", f"{directory}/{name}.pem"],
                   check=True, stderr=subprocess.DEVNULL)
    os.chmod(f"{directory}/{name}.key", 0o644)  # the process is another user


def channel_data(channel, data):
    return struct.pack(">HH", channel, len(data)) + data


def padded(message):
    return message + bytes(-len(message) % 4)


def stun(kind, body=b"", number=0):
    return struct.pack(">HHI", kind, len(body), COOKIE) + struct.pack(">12x")[:-2] + struct.pack(">H", number) + body


ALLOCATE, SEND, SUCCESS = 0x0003, 0x0016, 0x0103


def read_exactly(s, n):
    data = b""
    while len(data) < n:
        more = s.recv(n - len(data))
        if not more:
            raise EOFError(data)
        data += more
    return data


class Stream(unittest.TestCase):
    options = {}
    workers, up_slots = 2, 1024

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="turnpike-stream-")
        self.sockets, self.peers = [], []
        self.configure()
        self.log_path = self.directory + "/log"

    def configure(self, tls=None, streams=None, listeners=None):
        for name in ("one.example", "two.example"):
            if not os.path.exists(f"{self.directory}/{name}.pem"):
                certificate(self.directory, name)
        document = {
            "realm": "example.org", "run_directory": self.directory + "/run", "log_level": "debug",
            "ports": [{"name": "wan", "mode": "bench", "vdev": "net_null0"}],
            "listeners": listeners or [
                {"address": ADDRESS, "port": PLAIN, "transports": ["udp", "tcp"]},
                {"address": ADDRESS6, "port": PLAIN, "transports": ["tcp"]},
                {"address": ADDRESS, "port": BOTH, "transports": ["tcp", "tls"]},
                {"address": ADDRESS, "port": ONLY_TLS, "transports": ["tls"]}],
            "relay": {"addresses": [{"address": ADDRESS}]},
            "tls": {"certificate": "one.example.pem", "key": "one.example.key",
                    "additional": [{"certificate": "two.example.pem", "key": "two.example.key"}], **(tls or {})},
            "streams": {**self.options, **(streams or {})}}
        with open(self.directory + "/t.json", "w") as f:
            json.dump(document, f)

    def start(self):
        with open(self.log_path, "w") as log:
            self.process = subprocess.Popen([BINARY, "-c", self.directory + "/t.json"], stderr=log)
        self.addCleanup(self.stop)

    def stop(self):
        for s in self.sockets:
            s.close()
        for p in self.peers:
            p.close()
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(10)
        log = self.log()
        shutil.rmtree(self.directory)
        self.assertEqual(code, 0, log)

    def log(self):
        with open(self.log_path) as f:
            return f.read()

    def until(self, condition):
        """Waits until it is true; nothing else tells of what is in the log."""
        deadline = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), deadline, self.log())
            time.sleep(0.01)

    def make_run_directory(self):
        """The process is another user than the one who runs this."""
        os.makedirs(self.directory + "/run")
        os.chmod(self.directory, 0o755)
        os.chmod(self.directory + "/run", 0o777)

    def run_with_peers(self, dataplane=True, control=True):
        self.make_run_directory()
        if dataplane:
            self.dataplane = fake.Dataplane(self.directory + "/run", self.workers, self.up_slots)
            self.peers.append(self.dataplane)
        if control:
            self.control = fake.Control(self.directory + "/run")
            self.peers.append(self.control)
        self.start()
        if dataplane:
            self.dataplane.attach()
        if control:
            self.control.attach()
            self.control.expect(READY)

    def connect(self, port=PLAIN, address=ADDRESS, **options):
        s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        for level, option, value in options.get("set", ()):
            s.setsockopt(level, option, value)
        s.settimeout(10)
        for _ in range(200):  # the process may not listen yet
            try:
                s.connect((address, port))
                break
            except ConnectionRefusedError:
                time.sleep(0.02)
        self.sockets.append(s)
        return s

    def tls(self, port=BOTH, name="one.example", alpn=None, version=None, session=None, context=None, plain=None):
        if context is None:
            context = ssl.create_default_context(cafile=f"{self.directory}/{name}.pem")
            if alpn:
                context.set_alpn_protocols(alpn)
            if version:
                context.minimum_version = context.maximum_version = version
        s = context.wrap_socket(plain or self.connect(port), server_hostname=name, session=session)
        self.sockets.append(s)
        return s

    def counters(self):
        log = self.log()
        seen = log.count("turns=")  # the last one
        self.process.send_signal(signal.SIGUSR1)
        self.until(lambda: self.log().count("turns=") > seen)
        log = self.log()
        values = {}
        for line in log.splitlines():
            if "counters:" in line:
                values.update({k: int(v) for k, v in re.findall(r"(\w+)=(\d+)", line)})
        return values

    def ended(self, s):
        try:
            return s.recv(1) == b""
        except ConnectionResetError:
            return True

    def opened(self):
        """The next client that control hears of: connection, (client, listener, transport)."""
        connection, payload = self.control.expect(fake.OPENED)
        client, listener, transport = payload[:24], payload[24:48], payload[48]
        port = lambda a: struct.unpack("<H", a[20:22])[0]
        return connection, (port(client), port(listener), transport)


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


class Tls(Stream):
    def test_names_protocols_and_tickets(self):
        self.run_with_peers()
        for name in ("one.example", "two.example"):  # the client verifies the certificate by its own file
            s = self.tls(name=name, alpn=["http/1.1", "stun.turn"])
            self.assertEqual(s.selected_alpn_protocol(), "stun.turn")
        self.assertEqual(self.tls(alpn=["stun.nat-discovery"]).selected_alpn_protocol(), "stun.nat-discovery")
        with self.assertRaises(ssl.SSLError) as e:
            self.tls(alpn=["http/1.1"])
        self.assertIn("NO_APPLICATION_PROTOCOL", str(e.exception).upper().replace(" ", "_"))
        context = ssl.create_default_context(cafile=self.directory + "/one.example.pem")
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        first = self.tls(context=context)
        again = self.tls(context=context, session=first.session)
        self.assertTrue(again.session_reused)
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            context = ssl.create_default_context(cafile=self.directory + "/one.example.pem")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
            context.set_ciphers("ALL:@SECLEVEL=0")
            self.tls(context=context)

    def test_tls_1_3_is_resumed_from_a_ticket(self):
        self.run_with_peers()
        context = ssl.create_default_context(cafile=self.directory + "/one.example.pem")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        first = self.tls(context=context)
        first.sendall(stun(ALLOCATE))
        connection, _ = self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        self.control.tell(fake.NOTE_RESPONSE, connection, stun(SUCCESS))
        read_exactly(first, 20)  # the ticket came before it
        self.assertTrue(self.tls(context=context, session=first.session).session_reused)
        counted = self.counters()
        self.assertEqual((counted["handshakes"], counted["resumed"]), (2, 1))

    def test_a_name_that_no_certificate_has(self):
        """It gets the first certificate, and decides itself."""
        self.run_with_peers()
        context = ssl.create_default_context(cafile=self.directory + "/one.example.pem")
        context.check_hostname = False
        for name in ("three.example", "one.example.evil"):
            self.assertIn("DNS:one.example", self.names_of(self.tls(name=name, context=context)))
        context.check_hostname = True
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.tls(name="three.example", context=context)

    def names_of(self, s):
        return [":".join(pair) for pair in s.getpeercert()["subjectAltName"]]

    def test_ends_in_the_middle_of_a_handshake(self):
        """By a close, by a reset, by what is no handshake; wherever it is cut."""
        self.run_with_peers()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="one.example")
        self.assertRaises(ssl.SSLWantReadError, half.do_handshake)
        hello = outgoing.read()
        abort = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset
        for cut in (1, 5, 6, 43, len(hello) - 1, len(hello)):
            for reset in (False, True):
                s = self.connect(ONLY_TLS)
                s.sendall(hello[:cut])
                if cut == len(hello):
                    read_exactly(s, 5)  # the server has begun its part
                if reset:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, abort)
                s.close()
        s = self.connect(ONLY_TLS)
        s.sendall(hello[:9] + bytes(len(hello)))
        self.until(lambda: self.ended_or_alerted(s))
        self.until(lambda: self.counters()["closed"] == 13)
        self.assertEqual(self.counters()["handshakes"], 0)
        self.tls(ONLY_TLS)

    def ended_or_alerted(self, s):
        """All that comes until the end is an alert."""
        try:
            while True:
                data = s.recv(4096)
                if not data:
                    return True
                self.assertEqual(data[0], 0x15)
        except ConnectionResetError:
            return True

    def test_renegotiation_is_refused(self):
        """TLS 1.2; a client that begins it is told so by an alert, or is gone. No second handshake."""
        self.run_with_peers()
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"{ADDRESS}:{ONLY_TLS}", "-tls1_2"],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(client.stdout.close)
        self.until(lambda: self.counters().get("handshakes", 0) == 1)
        client.stdin.write(b"R\n")
        client.stdin.flush()
        said, _ = client.communicate(timeout=10)
        self.assertIn(b"no renegotiation", said)
        self.assertEqual(self.counters()["handshakes"], 1)

    def test_client_certificates_and_minimum_version(self):
        certificate(self.directory, "client.example")
        self.configure(tls={"client_ca": "client.example.pem", "minimum_version": "1.3"})
        self.run_with_peers()
        context = ssl.create_default_context(cafile=self.directory + "/one.example.pem")
        context.load_cert_chain(self.directory + "/client.example.pem", self.directory + "/client.example.key")
        s = self.tls(context=context)
        s.sendall(stun(ALLOCATE))
        self.opened()
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            s = self.tls()
            s.sendall(stun(ALLOCATE))
            s.recv(1)
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            self.tls(version=ssl.TLSVersion.TLSv1_2)

    def test_reload_takes_another_certificate(self):
        self.run_with_peers()
        s = self.tls()
        os.remove(self.directory + "/one.example.pem")
        os.remove(self.directory + "/one.example.key")
        self.configure()
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: "read again" in self.log())
        self.tls()  # verified by the new file
        s.sendall(stun(ALLOCATE))
        self.opened()

    def replace(self, name, **files):
        """As who renews certificates does it: written beside, then renamed."""
        for kind, text in files.items():
            with open(f"{self.directory}/new", "w") as f:
                f.write(text)
            os.chmod(f"{self.directory}/new", 0o644)
            os.rename(f"{self.directory}/new", f"{self.directory}/{name}.{kind}")

    def text(self, file):
        with open(f"{self.directory}/{file}") as f:
            return f.read()

    def test_files_that_change_are_read_again(self):
        self.run_with_peers()
        before = self.tls()
        os.makedirs(self.directory + "/next")
        certificate(self.directory + "/next", "one.example")
        self.replace("one.example", pem=self.text("next/one.example.pem"), key=self.text("next/one.example.key"))
        self.until(lambda: "changed, and were read again" in self.log())
        self.tls()  # verified by the new file
        before.sendall(stun(ALLOCATE))
        self.opened()
        self.assertEqual(self.counters()["certificates_read"], 1)

    def test_files_of_no_use_leave_the_old_ones(self):
        self.run_with_peers()
        good = self.text("one.example.pem")
        os.makedirs(self.directory + "/keep")
        shutil.copy(self.directory + "/one.example.pem", self.directory + "/keep/one.example.pem")
        with open(self.directory + "/one.example.pem", "w") as f:  # half of it
            f.write(good[:200])
        self.until(lambda: "of no use: the old ones stay" in self.log())
        self.assertRegex(self.log(), r"tls.certificate: \S+/one.example.pem is no certificate in PEM")
        context = ssl.create_default_context(cafile=self.directory + "/keep/one.example.pem")
        self.tls(context=context)
        self.replace("one.example", pem=self.text("two.example.pem"))
        self.until(lambda: self.log().count("the old ones stay") == 2)
        self.assertRegex(self.log(), r"tls.key: \S+/one.example.key is not the key of \S+/one.example.pem")
        self.tls(context=context)
        with open(self.directory + "/one.example.pem", "w") as f:
            f.write(good)
        self.until(lambda: "changed, and were read again" in self.log())
        self.tls()

    def test_links_that_are_moved(self):
        """One that is moved beside the file, and one to another directory."""
        for generation in ("1", "2"):
            os.makedirs(self.directory + "/" + generation)
            certificate(self.directory + "/" + generation, "one.example")
        os.makedirs(self.directory + "/served")
        os.symlink("../1", self.directory + "/served/data")
        for kind in ("pem", "key"):
            os.symlink(f"data/one.example.{kind}", f"{self.directory}/served/one.example.{kind}")
        self.configure(tls={"certificate": "served/one.example.pem", "key": "served/one.example.key"})
        self.run_with_peers()
        ca = lambda n: ssl.create_default_context(cafile=f"{self.directory}/{n}/one.example.pem")
        self.tls(context=ca(1))
        os.symlink("../2", self.directory + "/served/data.new")
        os.rename(self.directory + "/served/data.new", self.directory + "/served/data")
        self.until(lambda: self.log().count("were read again") == 1)
        self.tls(context=ca(2))
        # Where the links lead now is watched too; what is no certificate is not read for.
        os.makedirs(self.directory + "/3")
        certificate(self.directory + "/3", "one.example")
        for kind in ("pem", "key"):
            os.rename(f"{self.directory}/3/one.example.{kind}", f"{self.directory}/2/one.example.{kind}")
        self.until(lambda: self.log().count("were read again") == 2)
        self.tls(context=ca(2))
        certificate(self.directory + "/2", "other")
        self.replace("one.example", pem="not served")
        time.sleep(1)  # nothing tells of what does not happen
        self.assertEqual([self.counters()[k] for k in ("certificates_read", "certificates_refused")], [2, 0])

    def check(self):
        r = subprocess.run([BINARY, "-c", self.directory + "/t.json"], capture_output=True, text=True, timeout=10)
        self.assertEqual(r.returncode, 1, r.stderr)
        return r.stderr

    def expired(self, name):
        """A certificate that was valid until yesterday."""
        at = f"{self.directory}/{name}"
        for command in (("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + name, "-keyout", at + ".key",
                         "-out", at + ".csr"),
                        ("x509", "-req", "-in", at + ".csr", "-signkey", at + ".key", "-days", "-1", "-out", at + ".pem")):
            subprocess.run(["openssl", *command], check=True, capture_output=True)

    def test_files_that_are_of_no_use(self):
        certificate(self.directory, "rsa.example", kind="rsa")
        self.expired("old.example")
        self.addCleanup(shutil.rmtree, self.directory)
        for wrong, expected in (
                ({"key": "two.example.key"}, r"tls.key: \S+two.example.key is not the key of \S+one.example.pem"),
                ({"key": "rsa.example.key"}, r"tls.key: \S+rsa.example.key is not the key of \S+one.example.pem"),
                ({"certificate": "t.json"}, r"tls.certificate: \S+t.json is no certificate in PEM"),
                ({"key": "missing.key"}, r"tls.key: \S+missing.key cannot be read: No such file"),
                ({"additional": [{"certificate": "two.example.pem", "key": "one.example.key"}]}, r"tls.additional\[0\].key: \S+ is not the key of"),
                ({"certificate": "old.example.pem", "key": "old.example.key"}, r"tls.certificate: \S+old.example.pem expired on 20"),
                ({"ciphers": "nonsense"}, "tls.ciphers: \"nonsense\" names no cipher")):
            self.configure(tls=wrong)
            self.assertRegex(self.check(), expected)


class Errors(Stream):
    """What strangers and mistakes get: the client its alert or its answer, the log a line, and nothing is left of it."""

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def alert(self, s):
        """The description in the alert that comes instead of a handshake, then the end."""
        kind, _, _, length = struct.unpack(">BBBH", read_exactly(s, 5))
        self.assertEqual((kind, length), (21, 2))
        level, description = read_exactly(s, 2)
        self.assertEqual(level, 2)  # fatal
        self.assertTrue(self.ended(s))
        return description

    def refused(self, reason, **options):
        """A client that OpenSSL refuses for this reason, as soon as it reads."""
        with self.assertRaises(ssl.SSLError) as e:
            s = self.tls(**options)
            s.sendall(stun(ALLOCATE))
            s.recv(1)
        self.assertIn(reason, str(e.exception).upper().replace(" ", "_"))

    def context(self, **options):
        context = ssl.create_default_context(cafile=self.directory + "/one.example.pem")
        for name, value in options.items():
            setattr(context, name, value)
        return context

    def test_alerts(self):
        certificate(self.directory, "client.example")
        certificate(self.directory, "stranger.example")
        self.configure(tls={"client_ca": "client.example.pem", "ciphers": "ECDHE-ECDSA-AES128-GCM-SHA256"})
        self.run_with_peers()
        self.tls(context=self.with_key("client.example")).sendall(stun(ALLOCATE))
        self.opened()
        self.control.expect(fake.NOTE_REQUEST)
        before = self.descriptors()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            old = self.context(minimum_version=ssl.TLSVersion.TLSv1_1, maximum_version=ssl.TLSVersion.TLSv1_1)
        old.set_ciphers("ALL:@SECLEVEL=0")
        self.refused("ALERT_PROTOCOL_VERSION", context=old)
        other = self.context(maximum_version=ssl.TLSVersion.TLSv1_2)
        other.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
        self.refused("ALERT_HANDSHAKE_FAILURE", context=other)
        self.refused("ALERT_CERTIFICATE_REQUIRED")
        self.refused("ALERT_UNKNOWN_CA", context=self.with_key("stranger.example"))
        self.refused("NO_APPLICATION_PROTOCOL", alpn=["http/1.1"])
        # A client that does not trust us, and what is no handshake behind its first byte.
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.tls(context=ssl.create_default_context())
        for record, description in ((b"\x16\x03\x01\x00\x05hello", 10), (b"\x16\x03\x01\xff\xff", 22)):
            s = self.connect(ONLY_TLS)
            s.sendall(record)
            self.assertEqual(self.alert(s), description)
        s = self.connect(ONLY_TLS)
        s.sendall(b"\x16\x02\x00\x00\x05hello")  # no version that an alert could be in
        self.assertTrue(self.ended(s))
        # Gone in the middle of it.
        s = self.connect(ONLY_TLS)
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        s.close()
        self.until(lambda: self.counters()["tls_failed"] == 10)
        values = self.counters()
        self.assertEqual((values["accepted"] - values["closed"], values["handshakes"]), (1, 1))
        self.until(lambda: self.descriptors() == before)
        for line in ("unsupported protocol", "no shared cipher", "peer did not return a certificate", "certificate verify failed", "no application protocol", "tlsv1 alert unknown ca", "unexpected message",
                     "packet length too long", "wrong version number", "connection ended"):
            self.assertRegex(self.log(), r"198\.18\.0\.2:\d+: " + line)

    def with_key(self, name):
        context = self.context()
        context.load_cert_chain(f"{self.directory}/{name}.pem", f"{self.directory}/{name}.key")
        return context

    def test_http_over_tls(self):
        self.run_with_peers()
        s = self.tls(ONLY_TLS)
        s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while more := s.recv(4096):  # b"": close_notify, or it would be an error
            answer += more
        self.assertTrue(answer.startswith(b"HTTP/1.1 400 Bad Request\r\n") and answer.endswith(b"\r\n\r\n"), answer)
        self.assertLess(len(answer), 100)
        s.close()
        self.until(lambda: self.counters()["closed"] == 1)

    def test_names_that_no_certificate_has(self):
        self.run_with_peers()
        for name in ("unknown.example", "UNKNOWN.example", "x" * 60 + ".example", None):
            context = self.context(check_hostname=False)
            s = context.wrap_socket(self.connect(ONLY_TLS), server_hostname=name)
            self.sockets.append(s)
            self.assertEqual(s.getpeercert()["subject"], ((("commonName", "one.example"),),))

    def expire(self, name):
        """Makes its certificate one that ended yesterday."""
        subprocess.run(f"openssl req -new -key {name}.key -subj /CN={name} | openssl x509 -req -signkey {name}.key -days -1 -out {name}.pem",
                       shell=True, check=True, cwd=self.directory, stderr=subprocess.DEVNULL)

    def test_certificate_that_is_over(self):
        self.expire("two.example")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        for command in ([], ["--check"]):
            r = subprocess.run([BINARY, "-c", self.directory + "/t.json", *command], capture_output=True, text=True, timeout=10)
            self.assertEqual(r.returncode, 1, r.stderr)
            self.assertRegex(r.stderr, r"tls.additional\[0\].certificate: \S+/two.example.pem expired on \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC")
            self.assertNotIn("PRIVATE", r.stderr)

    def test_certificate_that_is_over_at_a_reload(self):
        self.run_with_peers()
        self.expire("one.example")
        self.until(lambda: "of no use: the old ones stay" in self.log())
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: "the old configuration stays" in self.log())
        self.assertRegex(self.log(), r"tls.certificate: \S+/one.example.pem expired on ")
        context = self.context(check_hostname=False, verify_mode=ssl.CERT_NONE)
        s = context.wrap_socket(self.connect(ONLY_TLS))
        self.sockets.append(s)
        self.assertIsNotNone(s.cipher())


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
        self.control = fake.Control(self.directory + "/run")
        self.peers.append(self.control)
        self.control.attach()
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
        self.control = fake.Control(self.directory + "/run")
        self.peers.append(self.control)
        self.control.attach()
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
        self.control = fake.Control(self.directory + "/run")
        self.peers.append(self.control)
        self.control.attach()
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
        self.control = fake.Control(self.directory + "/run")
        self.peers.append(self.control)
        self.control.attach()
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


if __name__ == "__main__":
    if os.environ.get("TURNPIKE_STREAM_NAMESPACE") != "1":
        os.environ["TURNPIKE_STREAM_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])
    for command in (f"addr add {ADDRESS}/32 dev lo", f"addr add {ADDRESS6}/128 dev lo nodad", "link set lo up"):
        subprocess.run(["ip", *command.split()], check=True)
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    BINARY = os.path.abspath(arguments[0])
    unittest.main(argv=[sys.argv[0]] + [a for a in sys.argv[1:] if a.startswith("-")] + arguments[1:])
