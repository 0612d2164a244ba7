# SPDX-License-Identifier: BSD-3-Clause
"""What goes wrong with TLS is said clearly, to the client and in the log."""
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import warnings

import case
from case import ONLY_TLS, certificate, stun, ALLOCATE, read_exactly, Stream
import fake


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
        # The same with a reset.
        s = self.connect(ONLY_TLS, set=((socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)),))
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        self.until(lambda: self.counters()["accepted"] == 12)
        s.close()
        self.until(lambda: self.counters()["tls_failed"] == 11)
        values = self.counters()
        self.assertEqual((values["accepted"] - values["closed"], values["handshakes"]), (1, 1))
        self.until(lambda: self.descriptors() == before)
        for line in ("unsupported protocol", "no shared cipher", "peer did not return a certificate", "certificate verify failed", "no application protocol", "(tlsv1 alert unknown ca|connection reset)",  # whose reset overtakes its alert
                     "unexpected message", "packet length too long", "wrong version number", "connection ended", "connection reset"):
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
            r = subprocess.run([case.BINARY, "-c", self.directory + "/t.json", *command], capture_output=True, text=True, timeout=10)
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
