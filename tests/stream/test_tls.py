# SPDX-License-Identifier: BSD-3-Clause
"""Certificates, names, versions, tickets; replaced while clients are there."""
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import time
import warnings

import case
from case import BOTH, ADDRESS, ONLY_TLS, certificate, stun, ALLOCATE, SUCCESS, read_exactly, Stream
import fake


def data_segments_in(s):
    """struct tcp_info.tcpi_data_segs_in"""
    return struct.unpack_from("<I", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 160), 152)[0]


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

    def test_a_ticket_leaves_with_the_first_answer(self):
        """Two segments with data: the server's flight, and both of these. Once in five times at least, for the kernel waits
        200 ms for the answer."""
        self.run_with_peers()
        least = 9
        for n in range(5):
            s = self.tls()
            s.sendall(stun(ALLOCATE, number=n))
            number, _ = self.opened()
            self.control.expect(fake.NOTE_REQUEST)
            self.control.tell(fake.NOTE_RESPONSE, number, stun(SUCCESS, number=n))
            self.assertEqual(read_exactly(s, 20), stun(SUCCESS, number=n))
            self.assertTrue(s.session.has_ticket)
            least = min(least, data_segments_in(s))
        self.assertEqual(least, 2)

    def test_a_ticket_without_an_answer_comes_by_itself(self):
        self.run_with_peers()
        s = self.tls()
        self.until(lambda: data_segments_in(s) == 2)
        s.settimeout(0.1)
        with self.assertRaises(TimeoutError):
            s.recv(1)  # it is no data
        self.assertTrue(s.session.has_ticket)

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

    def test_a_handshake_under_way_at_a_reload(self):
        """Its name is read after the certificates that it began with were put aside."""
        self.run_with_peers()
        wants = ssl.create_default_context(cafile=self.directory + "/two.example.pem")
        arrived, leaves = ssl.MemoryBIO(), ssl.MemoryBIO()
        half = wants.wrap_bio(arrived, leaves, server_hostname="two.example")
        with self.assertRaises(ssl.SSLWantReadError):
            half.do_handshake()
        hello = leaves.read()
        s = self.connect(BOTH)
        s.sendall(hello[:100])
        self.until(lambda: self.counters()["accepted"] == 1)
        self.process.send_signal(signal.SIGHUP)
        self.until(lambda: "read again" in self.log())
        s.sendall(hello[100:])
        while True:
            arrived.write(s.recv(16384))
            try:
                half.do_handshake()
                break
            except ssl.SSLWantReadError:
                pass
        s.sendall(leaves.read())
        self.assertEqual(dict(half.getpeercert()["subject"][0])["commonName"], "two.example")

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
        r = subprocess.run([case.BINARY, "-c", self.directory + "/t.json"], capture_output=True, text=True, timeout=10)
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
