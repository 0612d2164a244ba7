# SPDX-License-Identifier: BSD-3-Clause
"""The lab, the daemons and the asserts that namespace tests share."""

import contextlib
import copy
import ctypes
import errno
import itertools
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import sanitizer
import turn

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("TURNPIKE_BUILD", TOP / "build"))
PREFIX = os.environ.get("TURNPIKE_LAB", "tpt")
RUN_PREFIX = f"turnpike-{PREFIX}-"
DATAPLANE = BUILD / "dataplane" / "turnpike-dataplane"
CONTROL = BUILD / "control" / "turnpike-control"
KEEPER = BUILD / "keeper" / "turnpike-keeper"
CTL = BUILD / "control" / "turnpikectl"
SANITIZED = sanitizer.kind_of(BUILD) != "none"
BENCH = BUILD / "bench" / "turnpike-bench"

RELAY4, RELAY6 = "198.18.0.2", "fd00:198:18::2"
CLIENT4, CLIENT6 = "198.18.0.10", "fd00:198:18::10"
PEER4, PEER6 = "198.18.0.20", "fd00:198:18::20"

CONFIG = {
    "realm": "example.org",
    "ports": [{"name": "wan", "mode": "af_xdp", "interface": "eth0", "queues": 1}],
    "workers": {"cores": [1], "idle": "backoff"},
    "listeners": [
        {"address": RELAY4, "port": 3478, "transports": ["udp"]},
        {"address": RELAY6, "port": 3478, "transports": ["udp"]},
    ],
    "relay": {"addresses": [{"address": RELAY4}, {"address": RELAY6}],
              "port_range": [49152, 65535]},
    "auth": {"users": [{"name": "u", "password": "p"}, {"name": "v", "password": "q"}]},
    "peers": {"allow": ["fd00:198:18::/64"], "deny": []},
    "limits": {"allocations": 4096},
}


def long_test(function):
    """Marks a test that runs with --long or by name only."""
    function.long_test = True
    return function


def alone(function):
    """Marks a test that measures loss, rates or delays, or changes what the machine has: nothing of
    ours runs beside it."""
    function.alone = True
    return function


def browser_test(function):
    """Marks a test that needs a browser, and runs with --browser or by name only."""
    function.browser_test = True
    return function


libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000


def namespace(role):
    return f"{PREFIX}-{role}"


@contextlib.contextmanager
def inside(role):
    """Runs the body in the namespace of `role` (this thread only)."""
    with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{namespace(role)}") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")
        try:
            yield
        finally:
            if libc.setns(here.fileno(), CLONE_NEWNET):
                os._exit(70)  # never go on in the wrong namespace


# Below the kernel's own range, in turn: a port that the kernel picks may be one of a socket that was
# closed, whose five-tuple still has its allocation.
_ports = itertools.cycle(range(10000, 32000))


def udp(role, host, port=0):
    """A bound UDP socket of that namespace."""
    with inside(role):
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    while True:
        try:
            sock.bind((host, port or next(_ports)))
            return sock
        except OSError as e:
            if port or e.errno != errno.EADDRINUSE:
                raise


def client(host=CLIENT4, server=None, port=0, **kw):
    server = server or (RELAY6 if ":" in host else RELAY4, 3478)
    return turn.Client(udp("client", host, port), server, **kw)


def run_in(role, *command, check=True, timeout=60, **kw):
    return subprocess.run(["ip", "netns", "exec", namespace(role), *map(str, command)],
                          capture_output=True, text=True, check=check, timeout=timeout, **kw)


def lab(verb):
    """Also removes the run directories that an interrupted run left."""
    for left in pathlib.Path("/run").glob(RUN_PREFIX + "*"):
        shutil.rmtree(left, ignore_errors=True)
    subprocess.run([TOP / "config" / "lab.sh", verb], check=True,
                   env={**os.environ, "TURNPIKE_LAB": PREFIX})


class Daemon:
    """One daemon in the relay's namespace; readiness comes by sd_notify(3), not by waiting."""

    def __init__(self, relay, binary, name, extra=(), wrapper=()):
        self.name, self.log_path = name, relay.directory / f"{name}.log"
        notify_path = str(relay.directory / f"{name}.notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(notify_path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(notify_path)
        self.log = open(self.log_path, "ab")
        self.log_start = self.log.tell()
        # A killed test run takes its daemons with it.
        command = ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", namespace("relay"),
                   *wrapper, str(binary), "-c", str(relay.config_path), *extra]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log,
                                        env={**os.environ, "NOTIFY_SOCKET": notify_path})

    @property
    def pid(self):
        return self.process.pid

    def wait_ready(self, timeout=30):
        deadline = time.monotonic() + timeout
        self.notify.settimeout(0.2)
        while time.monotonic() < deadline:
            try:
                if b"READY=1" in self.notify.recv(4096):
                    return self
            except (TimeoutError, socket.timeout):
                pass
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n"
                                     + self.output())
        raise AssertionError(f"{self.name} was not ready in {timeout} s:\n{self.output()}")

    def output(self):
        with open(self.log_path, "rb") as f:
            f.seek(self.log_start)
            return f.read().decode(errors="replace")

    def end(self, number=signal.SIGTERM, timeout=20):
        """Signals, waits, returns the exit code (negative: the signal that ended it)."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(5)
            raise AssertionError(f"{self.name} did not end on signal {number}:\n{self.output()}")
        finally:
            self.log.close()
            self.notify.close()

    # After end(): in the class body the name hides the module, which defaults are read from.
    def signal(self, number):
        """After SIGSTOP no thread runs any more: each stops by itself, a moment later."""
        self.process.send_signal(number)
        if number == signal.SIGSTOP:
            wait_until(self.stopped, 5, f"{self.name} is stopped")

    def stopped(self):
        return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T"
                   for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir())



class Relay:
    """Dataplane and control of one configuration, in a run directory of their own."""

    def __init__(self, config=None, **changes):
        self.config = copy.deepcopy(config or CONFIG)
        self.config.update(changes)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix=RUN_PREFIX, dir="/run"))
        self.config["run_directory"] = str(self.directory)
        self.config_path = self.directory / "turnpike.json"
        self.write_config()
        self.dataplane = self.control = None

    def write_config(self):
        self.config_path.write_text(json.dumps(self.config, indent=1))

    def start_dataplane(self, **kw):
        self.dataplane = Daemon(self, DATAPLANE, "dataplane", **kw).wait_ready()
        return self.dataplane

    def start_control(self, **kw):
        self.control = Daemon(self, CONTROL, "control", **kw).wait_ready()
        return self.control

    def ctl(self, *arguments, check=True):
        """turnpikectl --json: the parsed output; with check=False (exit code, output or text)."""
        done = subprocess.run([CTL, "-s", str(self.directory / "control.sock"), "--json",
                               *arguments], capture_output=True, text=True, timeout=30)
        try:
            value = json.loads(done.stdout) if done.stdout else None
        except json.JSONDecodeError:
            value = done.stdout
        if not check:
            return done.returncode, value
        assert done.returncode == 0, f"turnpikectl {arguments}: {done.returncode} {done.stderr}"
        return value

    def stats(self):
        return self.ctl("stats", "interval=0", check=False)[1]

    def counter(self, name):
        return self.stats()["counters"][name]

    def drops(self, name):
        return self.stats()["drops"][name]

    def assert_books_close(self, timeout=3.0):
        """rx + stream_up = tx + drops + punted + stream_down + held, once nothing moves any more."""
        deadline = time.monotonic() + timeout
        while True:
            books = self.stats()["books"]
            if books["difference"] == 0:
                return books
            assert time.monotonic() < deadline, f"the books do not close: {books}"
            time.sleep(0.05)

    def stop(self):
        codes = {}
        for name in ("control", "dataplane"):
            daemon = getattr(self, name)
            if daemon is not None and daemon.process.poll() is None:
                codes[name] = daemon.end()
        return codes

    def close(self):
        try:
            codes = self.stop()
            assert all(c == 0 for c in codes.values()), f"exit codes {codes}:\n" + "\n".join(
                d.output() for d in (self.control, self.dataplane) if d is not None)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    def kill_all(self):
        for daemon in (self.control, self.dataplane):
            if daemon is not None and daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait(5)
        self.kill_streams()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill_streams(self):
        """Stream processes outlive the control that started them; they run by this relay's configuration.
        The pids of those that were there."""
        left = []
        for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if str(self.config_path).encode() in command.read_bytes().split(b"\0"):
                    os.kill(int(command.parent.name), signal.SIGKILL)
                    left.append(int(command.parent.name))
            except (ProcessLookupError, FileNotFoundError):
                pass
        return left

    def logs(self):
        return "".join(f"--- {d.name}\n{d.output()[-6000:]}" for d in (self.dataplane, self.control)
                       if d is not None)


@contextlib.contextmanager
def relay(config=None, dataplane_wrapper=(), **changes):
    """A running relay; at the end the books must close and both daemons end with 0."""
    r = Relay(config, **changes)
    try:
        r.start_dataplane(wrapper=dataplane_wrapper)
        r.start_control()
        yield r
        if r.dataplane.process.poll() is None:
            r.assert_books_close()
    except BaseException:
        sys.stderr.write(r.logs())
        r.kill_all()
        raise
    r.close()


def kernel_udp(role):
    """UDP statistics of a namespace's kernel, both families summed."""
    text = run_in(role, "cat", "/proc/net/snmp", "/proc/net/snmp6").stdout
    rows = [line.split() for line in text.splitlines()]
    udp_rows = [r for r in rows if r[0] == "Udp:"]
    values = dict(zip(udp_rows[0][1:], map(int, udp_rows[1][1:])))
    for row in rows:
        if row[0].startswith("Udp6"):
            key = row[0][4:]
            values[key] = values.get(key, 0) + int(row[1])
    return values


def receive(sock, timeout=2.0):
    """(data, address) or None."""
    sock.settimeout(timeout)
    try:
        data, address = sock.recvfrom(65536)
        return data, address[:2]
    except (TimeoutError, socket.timeout):
        return None


def wait_until(condition, timeout, what):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
        time.sleep(0.02)


def in_thread(function, *arguments):
    """Runs a function in a thread; .result() joins and re-raises."""
    box = {}

    def body():
        try:
            box["value"] = function(*arguments)
        except BaseException as e:  # handed to the caller of result()
            box["error"] = e

    thread = threading.Thread(target=body, daemon=True)
    thread.start()

    class Handle:
        def result(self, timeout=60):
            thread.join(timeout)
            assert not thread.is_alive(), "thread did not end"
            if "error" in box:
                raise box["error"]
            return box.get("value")

    return Handle()
