# SPDX-License-Identifier: BSD-3-Clause
"""A headless Chromium in the client's namespace, told what to do over two pipes (--remote-debugging-pipe):
one JSON object a message, a NUL behind it."""

import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import tempfile
import time

import harness as h

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-default-apps",
    "--disable-extensions", "--disable-sync", "--metrics-recording-only",
    # Cameras and microphones that are generated, and nobody to ask whether they may be used.
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
)


class Browser:
    def __init__(self, process, to, back):
        self.process, self.to, self.back = process, to, back
        self.number, self.buffer, self.session = 0, b"", None

    def call(self, method, timeout=60, **params):
        """The result of one method of the DevTools protocol; events that come meanwhile are dropped."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + timeout
        while True:
            answer = self.read(deadline, method)
            if answer.get("id") == self.number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]

    def read(self, deadline, what):
        while b"\0" not in self.buffer:
            left = deadline - time.monotonic()
            assert left > 0, f"the browser does not answer {what}"
            if select.select([self.back], [], [], left)[0]:
                more = os.read(self.back, 1 << 20)
                assert more, f"the browser ended during {what}"
                self.buffer += more
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def open(self, url):
        """A page of its own, which calls go to from now on."""
        target = self.call("Target.createTarget", url=url)["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def run(self, expression, timeout=60):
        """The value of a JavaScript expression, when it is a promise, what became of it."""
        got = self.call("Runtime.evaluate", timeout, expression=expression, awaitPromise=True,
                        returnByValue=True)
        assert "exceptionDetails" not in got, got["exceptionDetails"]["exception"].get(
            "description", got["exceptionDetails"])
        return got["result"].get("value")


@contextlib.contextmanager
def browser(authority=None):
    """`authority`: a certificate that this browser trusts besides those it comes with."""
    home = pathlib.Path(tempfile.mkdtemp(prefix=h.RUN_PREFIX, dir="/run"))
    if authority:
        store = home / ".pki" / "nssdb"
        store.mkdir(parents=True)
        for arguments in (("-N", "--empty-password"), ("-A", "-n", "test", "-t", "C,,", "-i", authority)):
            subprocess.run(["certutil", "-d", f"sql:{store}", *arguments], check=True,
                           capture_output=True)
    # It reads descriptor 3 and writes descriptor 4.
    their_in, to = os.pipe()
    back, their_out = os.pipe()
    with open(home / "log", "wb") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "ip", "netns", "exec", h.namespace("client"), "bash", "-c",
             f'exec 3<&{their_in} 4>&{their_out}; exec "$@"', "bash", "chromium", *FLAGS,
             "--remote-debugging-pipe", f"--user-data-dir={home}/profile"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(their_in, their_out),
            env={**os.environ, "HOME": str(home)})
    os.close(their_in)
    os.close(their_out)
    b = Browser(process, to, back)
    try:
        yield b
        b.session = None
        b.call("Browser.close")
        process.wait(20)
    except BaseException:
        print((home / "log").read_text(errors="replace")[-3000:])
        raise
    finally:
        os.close(to)
        os.close(back)
        # Its other processes end with it.
        process.kill()
        process.wait(5)
        shutil.rmtree(home, ignore_errors=True)
