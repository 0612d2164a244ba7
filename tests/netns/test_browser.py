# SPDX-License-Identifier: BSD-3-Clause
"""Calls of a real browser, both sides of them relayed: `tests/run.sh --browser`."""

import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile

import harness as h
import test_stream
from chromium import browser

PAGE = pathlib.Path(__file__).parent / "call.html"
MESSAGES = 64  # of 16 KiB each, there and back
FRAMES = 30
KINDS = {
    "udp": "turn:{}:3478?transport=udp",
    "tcp": "turn:{}:3478?transport=tcp",
    "tls": f"turns:{{}}:{test_stream.TLS_PORT}?transport=tcp",
}


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


@contextlib.contextmanager
def certificate():
    """An authority, and a certificate that it gave the relay for its addresses."""
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    at = pathlib.Path(tempfile.mkdtemp(prefix=h.RUN_PREFIX, dir="/run"))
    at.chmod(0o755)
    try:
        openssl("req", "-x509", *key, "-days", 2, "-subj", "/CN=authority of the test",
                "-keyout", at / "ca.key", "-out", at / "ca.pem")
        openssl("req", "-x509", *key, "-days", 2, "-subj", "/CN=turn.example.org",
                "-addext", f"subjectAltName=IP:{h.RELAY4},IP:{h.RELAY6}",
                "-addext", "basicConstraints=critical,CA:FALSE",
                "-CA", at / "ca.pem", "-CAkey", at / "ca.key",
                "-keyout", at / "key.pem", "-out", at / "cert.pem")
        (at / "key.pem").chmod(0o644)
        yield at
    finally:
        shutil.rmtree(at, ignore_errors=True)


@contextlib.contextmanager
def page():
    """A relay, and a browser that trusts its certificate, with the page of calls open."""
    with certificate() as at, \
            test_stream.relay(tls={"certificate": str(at / "cert.pem"), "key": str(at / "key.pem")}) as r, \
            browser(authority=at / "ca.pem") as b:
        b.open(PAGE.as_uri())
        h.wait_until(lambda: b.run("typeof hangUp") == "function", 20, "the page is there")
        yield r, b


def server(kind, family=4, credential="p"):
    url = KINDS[kind].format(h.RELAY4 if family == 4 else f"[{h.RELAY6}]")
    return {"urls": url, "username": "u", "credential": credential}


def calls(function, amount):
    """Both sides by the same transport, each transport and family, then each by another."""
    with page() as (r, b):
        for kinds, families in [((k, k), (f, f)) for f in (4, 6) for k in KINDS] + \
                [(("udp", "tls"), (4, 4)), (("tcp", "tls"), (6, 4))]:
            servers = [server(*of) for of in zip(kinds, families)]
            got = b.run(f"{function}({json.dumps(servers)}, {amount})", timeout=120)
            assert got["good"], "what came back is not what was sent"
            for side, its, kind in zip(got["sides"], servers, kinds):
                assert (side["local"], side["remote"]) == ("relay", "relay"), side
                assert side["by"] == kind and side["url"] == its["urls"], side
                assert side["received"] > 0 and side["sent"] > 0, side
            served = test_stream.listed(r)
            assert sorted(a["transport"] for a in served) == sorted(kinds), served
            b.run("hangUp()")
            h.wait_until(lambda: not test_stream.listed(r), 10, "who hangs up ends its allocation")
        assert r.counter("hairpin") > 0, "media did not cross the relay"


@h.alone
@h.browser_test
def test_data_channels():
    calls("dataCall", MESSAGES)


@h.alone
@h.browser_test
def test_camera():
    calls("cameraCall", FRAMES)


@h.alone
@h.browser_test
def test_who_is_refused_is_told():
    """A wrong password by each transport; a certificate of an authority that the browser does not know."""
    with page() as (r, b):
        for kind in KINDS:
            said = b.run(f"refusal({json.dumps(server(kind, credential='wrong'))})")
            assert "401" in said, (kind, said)
            b.run("hangUp()")
    with test_stream.relay() as r, browser() as b:
        b.open(PAGE.as_uri())
        h.wait_until(lambda: b.run("typeof hangUp") == "function", 20, "the page is there")
        said = b.run(f"refusal({json.dumps(server('tls'))})")
        assert "701" in said, said
        assert not test_stream.listed(r)
