# SPDX-License-Identifier: BSD-3-Clause
"""turnpike-bench load against ours and against Debian's coturn: what it says of a server is so."""

import contextlib
import json
import pathlib
import shutil
import signal
import subprocess
import tempfile

import harness as h
import turn

FLAGS = ("--client-address", h.CLIENT4, "--peer-address", h.PEER4, "--client-namespace",
         h.namespace("client"), "--peer-namespace", h.namespace("peer"), "--server", h.RELAY4)


def load(*flags, check=True, wrapper=()):
    """Exit code and result."""
    with tempfile.NamedTemporaryFile() as result:
        done = subprocess.run([*wrapper, h.BENCH, "load", *FLAGS, *flags, "--json", result.name],
                              capture_output=True, text=True, timeout=120)
        text = pathlib.Path(result.name).read_text()
    assert not check or done.returncode == 0, (done.returncode, done.stdout, done.stderr)
    return done.returncode, json.loads(text) if text else None


@contextlib.contextmanager
def coturn(program="turnserver", more=()):
    """Gives its pid."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix=h.RUN_PREFIX, dir="/run"))
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", h.namespace("relay"), program, "-n", *more,
         "--listening-ip", h.RELAY4, "--relay-ip", h.RELAY4, "-u", "u:p", "-r", "example.org",
         "--lt-cred-mech", "--no-tls", "--no-dtls", "--no-cli", "--simple-log", "--log-file",
         directory / "log", "--pidfile", directory / "pid", "--userdb", directory / "db"],
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers():
        client = h.client()
        try:
            client.request(turn.BINDING, timeout=0.2)
            return True
        except (TimeoutError, OSError):
            return False
        finally:
            client.sock.close()

    try:
        h.wait_until(answers, 10, "coturn answers")
        yield process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(5)
        shutil.rmtree(directory, ignore_errors=True)


def assert_counts_and_rates_work():
    _, r = load("--clients=20", "--rate=20", "--duration=1")
    assert r["bound"] == 20 and r["failures"] == 0, r
    for way in ("up", "down"):
        assert r[way]["sent"] > 0 and r[way]["lost"] == 0, r
        latency = r[way]["latency_us"]
        assert 0 < latency["p50"] <= latency["p99"] <= latency["p99_99"] <= latency["max"], r
    _, r = load("--test=allocations", "--clients=200")
    assert (r["done"], r["failures"]) == (200, 0) and r["per_second"] > 0, r
    _, r = load("--test=cycles", "--clients=20", "--duration=1")
    assert r["done"] > 20 and r["failures"] == 0, r


def assert_search_works():
    _, r = load("--test=search", "--clients=10", "--max-pps=1000", "--trial=1", "--ndr-loss=0.01")
    assert r["pdr_pps"] >= r["ndr_pps"] > 0 and r["mrr_pps"] > 0 and r["trials"], r


@h.alone
def test_load_against_ours():
    with h.relay() as relay:
        assert_counts_and_rates_work()
        # The server knows what the generator says: all of it ended but what the traffic left.
        status = relay.ctl("status")["control"]
        assert status["allocations"] == 20, status
        # As many would go a thousand times faster.
        _, r = load("--test=cycles", "--clients=20", "--per-second=40", "--duration=1")
        assert 0 < r["done"] <= 40 * r["seconds"] + 1, r


@h.alone
def test_load_against_coturn():
    with coturn():
        assert_counts_and_rates_work()


@h.alone
def test_load_against_a_reflector():
    """What returns is counted as the uplink's, what does not is lost, and what is not ours is damaged."""
    server = h.udp("relay", h.RELAY4, 3478)
    count, ended = 0, False

    def reflect():
        nonlocal count
        while (got := h.receive(server, 0.1)) or not ended:
            if not got:
                continue
            count += 1
            data = got[0]
            if count % 10 == 5:
                data = data[:-1] + bytes([data[-1] ^ 1])
            if count % 10:
                server.sendto(data, got[1])

    job = h.in_thread(reflect)
    code, r = load("--test=echo", "--clients=20", "--rate=20", "--duration=1", check=False)
    ended = True
    job.result()
    server.close()
    up = r["up"]
    assert code == 1 and r["requests"] == 0 and count == up["sent"] >= 40, (code, r, count)
    assert up["received"] == up["sent"] - count // 10 - (count + 5) // 10, (r, count)
    assert up["damaged"] == (count + 5) // 10 and r["down"]["sent"] == 0, (r, count)
    assert 0 < up["latency_us"]["p50"] <= up["latency_us"]["p99"], r


def udp_datagrams(role):
    """What the kernel's sockets of a namespace have received."""
    return h.kernel_udp(role)["InDatagrams"]


def programs():
    return [role for role in ("client", "peer") if "xdp" in h.run_in(role, "ip", "link", "show", "eth0").stdout]


@h.alone
def test_load_by_af_xdp():
    """Media passes the kernel's sockets by, requests do not; nothing is left at the interfaces."""
    ipv6 = ("--client-address", h.CLIENT6, "--peer-address", h.PEER6, "--server", h.RELAY6)
    with h.relay():
        for flags in (("--direction=both",), ("--direction=down",), ("--direction=both", *ipv6)):
            before = [udp_datagrams(role) for role in ("client", "peer")]
            _, r = load("--xdp", *flags, "--clients=20", "--rate=50", "--duration=1")
            client, peer = (udp_datagrams(role) - n for role, n in zip(("client", "peer"), before))
            assert r["bound"] == 20 and r["failures"] == 0, r
            assert client == r["requests"] and peer < 10, (client, peer, r)
            for way in ("up", "down"):
                used = way == "down" or "--direction=both" in flags
                assert r[way]["lost"] == 0 and (r[way]["sent"] > 500) == used, r
            assert 0 < r["down"]["latency_us"]["p50"] <= r["down"]["latency_us"]["p99"], r
            assert not programs()
        job = h.in_thread(lambda: load("--xdp", "--clients=20", "--duration=2", check=False))
        h.wait_until(lambda: len(programs()) == 2, 5, "it has begun")
        code, said = refused("--xdp")  # two cannot have one interface
        assert code == 1 and f"AF_XDP at {h.CLIENT4}: " in said, said
        job.result()
        assert not programs()


def refused(*flags):
    done = subprocess.run([h.BENCH, "load", *FLAGS, "--clients=1", "--duration=1", *flags], capture_output=True, text=True,
                          timeout=60)
    return done.returncode, done.stderr


@h.alone
def test_load_by_af_xdp_says_what_is_missing():
    with coturn():
        _, r = load("--xdp", "--clients=5", "--rate=50", "--duration=1")
        assert r["failures"] == 0 and r["up"]["received"] > 0 and r["down"]["received"] > 0, r
    for flags, code, words in ((("--test=cycles",), 2, "--xdp is for traffic"),
                               (("--test=echo",), 2, "--xdp is for traffic"),
                               (("--peer-address", "127.0.0.2"), 1, "AF_XDP at 127.0.0.2: no interface has this address")):
        got, said = refused("--xdp", *flags)
        assert got == code and words in said, (got, said)


@h.alone
@h.long_test
def test_load_searches():
    with h.relay():
        assert_search_works()
    with coturn():
        assert_search_works()


@h.alone
@h.long_test
def test_load_sees_loss():
    """A policer of the server drops: the generator counts what is missing, and finds the rate."""
    quotas = {"packets_per_second_per_allocation": 100}
    with h.relay(quotas=quotas) as relay:
        code, r = load("--clients=2", "--rate=400", "--duration=2", check=False)
        assert code == 1, r
        for way in ("up", "down"):
            lost = r[way]["lost"] / r[way]["sent"]
            assert 0.5 < lost < 0.8, r  # of 800, 200 and a burst pass
        assert relay.drops("policed_packets") == r["up"]["lost"] + r["down"]["lost"], r
        # Two allocations with 100 a second each, and a burst of theirs.
        _, r = load("--test=search", "--clients=2", "--max-pps=2000", "--trial=2", "--direction=up")
        assert 150 < r["pdr_pps"] < 500, r
