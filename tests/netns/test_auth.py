# SPDX-License-Identifier: BSD-3-Clause
"""Who may log in: realms by listener, users by key, prepared names, temporary credentials."""

import base64
import hashlib
import hmac
import os
import subprocess
import time
import unicodedata

import harness as h
import turn

OTHER = "b.example.org"
COMPOSED = "caf\u00e9"
STRANGE = "%n%s\"'\\{}<>&$(x)`;--"
SECRETS = ["north", "south"]


def key(name, realm, password, digest="md5"):
    return hashlib.new(digest, f"{name}:{realm}:{password}".encode()).hexdigest()


USERS = [
    {"name": "u", "password": "p"},
    {"name": "u", "password": "of b", "realm": OTHER},
    {"name": "bea", "password": "bee", "realm": OTHER},
    {"name": "old", "key": key("old", "example.org", "pw")},
    {"name": "new", "key": key("new", "example.org", "pw"),
     "key_sha256": key("new", "example.org", "pw", "sha256")},
    # Written decomposed, with an ideographic space: the relay prepares both.
    {"name": unicodedata.normalize("NFD", COMPOSED), "password": "a\u3000b"},
    {"name": STRANGE, "password": "p"},
]


def config(**auth):
    return {
        "listeners": [{"address": h.RELAY4, "port": 3478}, {"address": h.RELAY6, "port": 3478},
                      {"address": h.RELAY4, "port": 3479, "realm": OTHER}],
        "auth": {"users": USERS, "rest_secrets": SECRETS, **auth},
    }


def at_b(**kw):
    return h.client(server=(h.RELAY4, 3479), **kw)


def refused(client, code=401, method=turn.ALLOCATE):
    """A request with the credentials that the client has, or gets by a challenge, is refused."""
    try:
        client.request(method, [(turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0)))])
    except turn.TurnError as e:
        assert e.code == code, e
        return e.message
    raise AssertionError("accepted")


def failures(relay):
    return relay.stats()["control"]["auth_failures"]


def temporary(seconds, secret="north", digest="sha1", form="{}:id"):
    name = form.format(int(time.time()) + seconds)
    tag = hmac.new(secret.encode(), name.encode(), digest).digest()
    return {"user": name, "password": base64.b64encode(tag).decode()}


def test_the_listener_decides_the_realm():
    with h.relay(**config()) as relay:
        for make, realm in ((h.client, b"example.org"), (at_b, OTHER.encode())):
            # From the worker, and, with an attribute that nobody knows, from control.
            for strange in ([], [(0x7001, b"")]):
                client = make()
                client.sock.send(turn.Message(turn.REQUEST, turn.ALLOCATE, [
                    (turn.REQUESTED_TRANSPORT, bytes((17, 0, 0, 0))), *strange]).encode())
                assert turn.Message.decode(client.receive_raw(2)).get(turn.REALM) == realm
        at_b(user="bea", password="bee").allocate()
        at_b(user="u", password="of b", sha256=True).allocate()
        h.client().allocate()
        realms = sorted(a["realm"] for a in relay.ctl("allocation", "list")["allocations"])
        assert realms == [OTHER, OTHER, "example.org"], realms
        refused(h.client(user="bea", password="bee"))
        refused(h.client(user="u", password="of b"))
        refused(at_b())
        # A client that insists on the other listener's realm.
        client = h.client()
        client.allocate()
        client.realm = OTHER.encode()
        client.key = bytes.fromhex(key("u", OTHER, "of b"))
        refused(client, method=turn.REFRESH)
        assert failures(relay)["wrong_realm"] == 1
        text = subprocess.run([h.CTL, "-s", relay.directory / "control.sock", "stats",
                               "interval=0"], capture_output=True, text=True, check=True).stdout
        assert "wrong_realm" in text and "REALM is not the listener's" in text, text


def test_quotas_of_realms():
    with h.relay(**config(), quotas={"allocations_per_realm": 2}):
        clients = [h.client(), h.client(user="old", password="pw")]
        for c in clients:
            c.allocate()
        refused(h.client(), 486)
        at_b(user="bea", password="bee").allocate()
        clients[0].refresh(0)
        h.client().allocate()


def test_users_by_key():
    with h.relay(**config()) as relay:
        h.client(user="old", password="pw").allocate()
        h.client(user="new", password="pw").allocate()
        h.client(user="new", password="pw", sha256=True).allocate()
        refused(h.client(user="old", password="pw", sha256=True))
        assert failures(relay)["algorithm"] == 1


def test_names_are_prepared():
    with h.relay(**config()) as relay:
        client = h.client(user=COMPOSED, password="a b")
        client.allocate()
        # The same user, as a client sends it that does not prepare what it puts on the wire.
        client.user = unicodedata.normalize("NFD", COMPOSED)
        client.refresh()
        listed = relay.ctl("allocation", "list")["allocations"]
        assert [a["user"] for a in listed] == [COMPOSED], listed
        refused(h.client(user="cafe", password="a b"))


def answer_to(name):
    """What a request with this user name (bytes) and a wrong key is answered."""
    client = h.client()
    client.realm = b"example.org"
    client.sock.send(turn.Message(turn.REQUEST, turn.ALLOCATE).encode())
    nonce = turn.Message.decode(client.receive_raw(2)).get(turn.NONCE)
    message = turn.Message(turn.REQUEST, turn.ALLOCATE, [
        (turn.USERNAME, name), (turn.REALM, b"example.org"), (turn.NONCE, nonce)])
    return client.exchange(message.encode(bytes(16)), message.transaction)


def test_hostile_names_reach_no_sink():
    with h.relay(**config(), metrics={"address": "127.0.0.1", "port": 9641}) as relay:
        stranger = answer_to(b"nobody")
        hostile = [b"\0", b"u\0", b"u\nINJECTED", b"\x1b[31mINJECTED", b"u\x7f", b"%n%n%n%s\xff",
                   b"\xc0\xaf", b"\xed\xa0\x80", "\u202eu".encode(), b'"}]INJECTED',
                   b"INJECTED" * 64 + b"x"]
        for name in hostile:
            answer = answer_to(name)
            assert [k for k, _ in answer.attributes] == [k for k, _ in stranger.attributes]
            for kind, value in stranger.attributes:
                assert answer.get(kind) == value or kind == turn.NONCE, (name, kind)
        # RFC 8489 section 14.3: 763 bytes are a name that is nobody's, more are none.
        assert turn.error_of(answer_to(b"u" * 763))[0] == 401
        assert turn.error_of(answer_to(b"u" * 764))[0] == 400
        # A name that is allowed and looks like anything but one.
        client = h.client(user=STRANGE, password="p")
        client.allocate()
        assert relay.ctl("allocation", "list")["allocations"][0]["user"] == STRANGE
        shown = relay.ctl("allocation", "show", "client=%s:%d" % client.sock.getsockname())
        assert shown["user"] == STRANGE
        metrics = h.run_in("relay", "python3", "-c",
                           "import urllib.request as u;"
                           "print(u.urlopen('http://127.0.0.1:9641/metrics').read().decode())").stdout
        counted = failures(relay)
        # The last but one and the one before can be names; nobody has them. 763 bytes are too many
        # to be prepared.
        assert counted["unusable_name"] == len(hostile) - 2 + 1, counted
        assert counted["unknown_user"] == 3, counted
        assert counted["malformed_credentials"] == 1, counted
        for name, value in counted.items():
            assert f'turnpike_auth_failures_total{{reason="{name}"}} {value}\n' in metrics
        for text in (metrics, relay.control.output(), relay.dataplane.output()):
            assert "INJECTED" not in text and STRANGE not in text and "\x1b" not in text


def test_temporary_credentials():
    with h.relay(**config()) as relay:
        for kw in (temporary(60), temporary(60, "south", "sha256"), temporary(60, form="{}"),
                   temporary(60, "south", form="id:{}"), {**temporary(60), "sha256": True}):
            h.client(**kw).allocate()
        at_b(**temporary(60, "south")).allocate()
        refused(h.client(**temporary(60, "west")))
        refused(h.client(**temporary(-1)))
        counted = failures(relay)
        assert counted["wrong_password"] == 1 and counted["expired"] == 1, counted


def expire(rest_expiry):
    with h.relay(**config(**rest_expiry)) as relay:
        client = h.client(**temporary(2))
        client.allocate()
        client.permit(h.PEER4)
        end = int(client.user.split(":")[0]) + 1
        h.wait_until(lambda: time.time() >= end, 5, "the credential runs out")
        yield relay, client
        refused(h.client(user=client.user, password=client.password))
        assert failures(relay)["expired"] >= 1


def test_a_call_outlives_its_credential():
    for _, client in expire({}):
        assert client.refresh() == 600
        client.permit(h.PEER4)
        client.bind(0x4000, (h.PEER4, 5000))
        client.refresh(0)


def test_unless_expiry_is_enforced_always():
    for _, client in expire({"rest_expiry": "always"}):
        refused(client, method=turn.REFRESH)
        refused(client, method=turn.CREATE_PERMISSION)


def test_check_names_what_cannot_be_prepared():
    relay = h.Relay(**config())
    try:
        relay.config["auth"]["users"] = [
            {"name": "a\u200bb", "password": "hunter2"},
            {"name": COMPOSED, "password": "hunter2\ue000"},
            {"name": "k", "key": "hunter2" * 4 + "hunt"}]
        relay.config["listeners"][2]["realm"] = unicodedata.normalize("NFD", COMPOSED)
        relay.write_config()

        def check():
            done = h.run_in("relay", h.CONTROL, "-c", relay.config_path, "--check", check=False)
            assert done.returncode == 1 and "hunter2" not in done.stdout + done.stderr, done
            return done.stderr

        assert "auth.users[2].key: has characters other than" in check()
        relay.config["auth"]["users"].pop()
        relay.write_config()
        said = check()
        for path in ("auth.users[0].name", "auth.users[1].password", "listeners[2].realm"):
            assert f"{path}: " in said, said
    finally:
        relay.kill_all()


def test_no_password_stays_in_memory():
    """Nothing of a password is in the memory of either process once it runs."""
    needle = "needle-" + os.urandom(16).hex()
    users = [{"name": "u", "password": needle}]
    with h.relay(auth={"users": users}) as relay:
        h.client(password=needle).allocate()
        for daemon in (relay.dataplane, relay.control):
            found = realms = 0
            with open(f"/proc/{daemon.pid}/maps") as maps, \
                    open(f"/proc/{daemon.pid}/mem", "rb", 0) as memory:
                for line in maps:
                    span, rights = line.split()[:2]
                    first, last = (int(x, 16) for x in span.split("-"))
                    if "rw" not in rights or last - first > 1 << 26:
                        continue
                    try:
                        memory.seek(first)
                        bytes_there = memory.read(last - first)
                    except OSError:
                        continue
                    found += bytes_there.count(needle.encode())
                    realms += bytes_there.count(b"example.org")
            assert realms > 0, "the memory was not read"
            assert found == 0, f"{daemon.name} holds the password {found} times"
