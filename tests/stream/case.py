# SPDX-License-Identifier: BSD-3-Clause
"""A turnpike-stream, real clients on one side, and a dataplane and a control that are played (fake.py)."""
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

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "netns"))
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

    def another_control(self):
        """In the place of the one before, which is closed, or was not there."""
        self.control = fake.Control(self.directory + "/run")
        self.peers.append(self.control)
        self.control.attach()

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
