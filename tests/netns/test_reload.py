# SPDX-License-Identifier: BSD-3-Clause
"""The configuration changed under running calls."""

import base64
import hashlib
import hmac
import signal
import struct
import time

import harness as h
import turn


def change(relay, *, verb=("reload",), check=True, **changes):
    """Writes the file anew and reloads it; what turnpikectl said."""
    relay.config.update(changes)
    relay.write_config()
    return relay.ctl(*verb, check=check)


def rest_client(secret, name="guest"):
    """A client with time-limited credentials of that secret."""
    user = f"{int(time.time()) + 3600}:{name}"
    digest = hmac.new(secret.encode(), user.encode(), hashlib.sha1).digest()
    return h.client(user=user, password=base64.b64encode(digest).decode())


def code_of(action, *arguments):
    try:
        action(*arguments)
    except turn.TurnError as e:
        return e.code
    return 0


def call(client, peer, channel=0x4001):
    """Binds a channel; returns a function that proves that media goes both ways."""
    client.permit(h.PEER4)
    client.bind(channel, peer.getsockname()[:2])

    def talk():
        client.send_channel(channel, b"up")
        got = h.receive(peer)
        assert got and got[0] == b"up"
        peer.sendto(b"down", got[1])
        assert client.receive() == ("channel", channel, b"down")

    return talk


def users(*secrets):
    return {"users": h.CONFIG["auth"]["users"], "rest_secrets": list(secrets)}


def test_secrets_come_and_go_under_calls():
    with h.relay(auth=users("old")) as relay:
        peer = h.udp("peer", h.PEER4)
        caller = rest_client("old")
        caller.allocate()
        talk = call(caller, peer)
        talk()
        assert code_of(rest_client("new").allocate) == 401
        said = change(relay, auth=users("old", "new"))
        assert said["live"] == ["auth.rest_secrets"] and said["restart"] == []
        # Both are alive.
        for secret in ("old", "new"):
            rest_client(secret).allocate()
        caller.refresh()
        talk()
        # The old one retires: nobody enters by it, who is inside talks on.
        change(relay, auth=users("new"))
        assert code_of(rest_client("old").allocate) == 401
        rest_client("new").allocate()
        talk()
        assert code_of(caller.refresh) == 401
        talk()
        change(relay, auth=users("new", "old"))
        caller.refresh()


def test_users_and_peers_change():
    with h.relay() as relay:
        caller, peer = h.client(), h.udp("peer", h.PEER4)
        caller.allocate()
        talk = call(caller, peer)
        assert code_of(h.client(user="w", password="x").allocate) == 401
        change(relay, auth={"users": [{"name": "w", "password": "x"}]},
               peers={"allow": h.CONFIG["peers"]["allow"], "deny": ["198.18.0.20"]})
        h.client(user="w", password="x").allocate()
        assert code_of(h.client().allocate) == 401
        talk()  # a permission that was given
        other = h.client(user="w", password="x")
        other.allocate()
        assert code_of(other.permit, h.PEER4) == 403


def test_a_wrong_file_changes_nothing():
    with h.relay() as relay:
        good = dict(relay.config)
        relay.config["quotas"] = {"allocations_totl": 1}
        relay.config["auth"] = {"users": [], "nonce_lifetime_s": 0}
        relay.write_config()
        done = h.subprocess.run([h.CTL, "-s", str(relay.directory / "control.sock"), "reload"],
                                capture_output=True, text=True, timeout=30)
        assert done.returncode == 1, done
        assert f"{relay.config_path}: quotas.allocations_totl: unknown key" in done.stderr, done
        assert "nothing was changed" in done.stderr
        assert f"turnpikectl: {relay.config_path}: auth.nonce_lifetime_s: must" in done.stderr, done
        h.client().allocate()  # its user is still there
        relay.control.signal(signal.SIGHUP)
        h.wait_until(lambda: "the old configuration stays in force" in relay.control.output(), 5,
                     "SIGHUP told of the wrong file")
        assert "quotas.allocations_totl" in relay.control.output()
        h.client().allocate()
        relay.config_path.unlink()
        assert relay.ctl("reload", check=False)[0] == 1
        h.client().allocate()
        relay.config = good
        relay.write_config()
        assert relay.ctl("reload")["live"] == []


def test_what_needs_a_restart_is_named_and_stays():
    with h.relay() as relay:
        changes = {"realm": "elsewhere.example", "limits": {"allocations": 8192},
                   "metrics": {"address": "127.0.0.1", "port": 9999}, "software": "Other"}
        said = change(relay, verb=("reload", "check=true"), **changes)
        want = {"realm": "both daemons", "limits.allocations": "turnpike-dataplane",
                "metrics.address": "turnpike-control", "metrics.port": "turnpike-control"}
        for checked in (True, False):
            assert said["checked_only"] is checked
            assert said["live"] == ["software"]
            assert {r["option"]: r["of"] for r in said["restart"]} == want, said
            client = h.client()
            client.allocate()
            assert client.realm == b"example.org"
            software = client.request(turn.REFRESH, []).get(turn.SOFTWARE)
            assert software == (b"Turnpike" if checked else b"Other"), software
            if checked:
                said = relay.ctl("reload")
        # Still to be done, so said again.
        said = relay.ctl("reload")
        assert said["live"] == [] and {r["option"] for r in said["restart"]} == set(want)


def test_sighup_reloads():
    with h.relay() as relay:
        relay.config["auth"] = {"users": [{"name": "w", "password": "x"}]}
        relay.write_config()
        relay.control.signal(signal.SIGHUP)
        h.wait_until(lambda: "auth.users changed" in relay.control.output(), 5, "reloaded")
        h.client(user="w", password="x").allocate()


def test_budgets_change_live():
    with h.relay() as relay:
        binding = turn.Message(turn.REQUEST, turn.BINDING).encode()

        def ask(count):
            """Asks from an address that nobody used before; how many answers."""
            client = h.client(h.CLIENT6)
            for _ in range(count):
                client.sock.send(binding)
            answers = 0
            while client.receive_raw(0.3):
                answers += 1
            return answers

        def budgets():
            return relay.ctl("status", check=False)[1]["control"]["configuration"][
                "unauthenticated"]

        assert ask(100) == 100
        assert budgets()["requests_per_address"] == 50000 and budgets()["in_force"]
        change(relay, unauthenticated={"requests_per_address": 10})
        h.wait_until(lambda: budgets()["in_force"], 2, "the dataplane took them")
        assert budgets()["requests_per_address"] == 10
        time.sleep(1.1)
        assert 10 <= ask(100) <= 20
        assert relay.drops("budget_binding") >= 80
        # They hold while control is away, and a control that comes back tells them again.
        relay.control.end()
        assert ask(100) <= 20
        relay.start_control()
        h.wait_until(lambda: budgets()["in_force"], 5, "told again")
        time.sleep(1.1)
        assert ask(100) <= 20
        change(relay, unauthenticated={})
        h.wait_until(lambda: budgets()["in_force"], 2, "the dataplane took them")
        time.sleep(1.1)
        assert ask(100) == 100


def arrived(peer, seconds=0.5):
    count = 0
    while h.receive(peer, seconds):
        count += 1
    return count


def flows(client, peers):
    """Three channels and a permission of one allocation: functions that send one datagram each."""
    for i, peer in enumerate(peers):
        client.permit(h.PEER4)
        client.bind(0x4001 + i, peer.getsockname()[:2])
    last = peers[-1].getsockname()[:2]
    return [lambda data, c=0x4001 + i: client.send_channel(c, data) for i in range(len(peers))] + [
        lambda data: client.send_indication(last, data)]


def test_rates_reach_calls_that_exist():
    with h.relay() as relay:
        client = h.client()
        client.allocate()
        peers = [h.udp("peer", h.PEER4) for _ in range(3)]
        senders = flows(client, peers)

        def offered(count, size):
            """Sends so many by each flow; how many come through all together."""
            for _ in range(count):
                for send in senders:
                    send(bytes(size))
            return sum(arrived(p) for p in peers)

        assert offered(50, 100) == 200
        change(relay, quotas={"packets_per_second_per_allocation": 20})
        h.wait_until(lambda: offered(25, 10) < 100, 5, "the rate is there")
        before = relay.drops("policed_packets")
        time.sleep(1)  # the bucket holds four, and 134 ms of the rate
        begin = time.monotonic()
        got = offered(50, 10)
        assert 4 <= got <= 6 + 20 * (time.monotonic() - begin), got
        assert relay.drops("policed_packets") - before >= 200 - got
        assert relay.drops("policed") == 0
        # By bits: 80 kbit/s are ten datagrams of 1000 bytes, and the bucket holds 6000 bytes more.
        change(relay, quotas={"bits_per_second_per_allocation": 80000})
        h.wait_until(lambda: offered(5, 1000) < 20, 5, "the other rate is there")
        time.sleep(1)
        begin = time.monotonic()
        got = offered(20, 1000)
        assert 6 <= got <= 9 + 10 * (time.monotonic() - begin), got
        assert relay.drops("policed") >= 80 - got
        # The other direction has a bucket of its own.
        policed = relay.drops("policed")
        for _ in range(20):
            peers[0].sendto(bytes(1000), client.relayed)
        h.wait_until(lambda: relay.drops("policed") - policed >= 10, 3, "downlink is policed")
        change(relay, quotas={})
        h.wait_until(lambda: offered(10, 1000) == 40, 5, "unlimited again")


def test_channel_numbers_change_live():
    with h.relay() as relay:
        client, peer = h.client(), h.udp("peer", h.PEER4)
        client.allocate()
        client.permit(h.PEER4)
        assert code_of(client.bind, 0x5001, peer.getsockname()[:2]) == 400
        change(relay, compatibility={"channel_numbers": "rfc5766"})
        client.bind(0x5001, peer.getsockname()[:2])
        for _ in range(20):  # the worker takes it at the beginning of a turn
            client.send_channel(0x5001, struct.pack("!I", 7))
            if h.receive(peer, 0.2):
                break
        else:
            raise AssertionError("the wider channel carries nothing")
