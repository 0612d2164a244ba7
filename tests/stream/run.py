#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""turnpike-stream alone, between real clients on one side and a dataplane and a control that are
played here: run.py [-v] BINARY [Class.test ...]. Needs root for a network namespace of its own."""
import os
import subprocess
import sys
import unittest

import case
from test_away import Away  # noqa: F401
from test_basics import Basics, Drain  # noqa: F401
from test_dtls import Dtls  # noqa: F401
from test_errors import Errors  # noqa: F401
from test_limits import Limits  # noqa: F401
from test_proxy import Proxy  # noqa: F401
from test_relay import Relay, RelayLimit, RelayRate  # noqa: F401
from test_slow import Burst, FullRing, SlowReader  # noqa: F401
from test_tls import Tls  # noqa: F401

if __name__ == "__main__":
    if os.environ.get("TURNPIKE_STREAM_NAMESPACE") != "1":
        os.environ["TURNPIKE_STREAM_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])
    for command in (f"addr add {case.ADDRESS}/32 dev lo", f"addr add {case.ADDRESS6}/128 dev lo nodad", "link set lo up"):
        subprocess.run(["ip", *command.split()], check=True)
    arguments = [a for a in sys.argv[1:] if not a.startswith("-")]
    case.BINARY = os.path.abspath(arguments[0])
    unittest.main(argv=[sys.argv[0]] + [a for a in sys.argv[1:] if a.startswith("-")] + arguments[1:])
