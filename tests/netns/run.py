#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the namespace tests: every function test_* of every test_*.py beside this file.

    tests/netns/run.py [--long | --browser] [--list] [--jobs=N] [PATTERN ...]      PATTERN: part of "module.function"

A test that needs more than a minute is marked with @long_test and runs with --long or by name;
those marked with @browser_test need Chromium and run, they alone, with --browser.
With --jobs=N as many run side by side, each in a lab of its own; those marked with @alone follow one by one.
With TURNPIKE_BUILD naming a build with sanitizers, a report of any daemon fails the test it came in;
what such a build cannot pass is left out (LEFT_OUT in sanitizer.py).
Each line is `ok NAME (seconds)`, `FAIL NAME` or `left out NAME: REASON`; the last is `N passed, N failed`."""

import concurrent.futures
import fnmatch
import importlib
import inspect
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness  # noqa: E402
import sanitizer  # noqa: E402


def collect():
    for path in sorted(pathlib.Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(path.stem)
        functions = [(n, f) for n, f in inspect.getmembers(module, inspect.isfunction)
                     if n.startswith("test_") and f.__module__ == path.stem]
        for name, function in sorted(functions, key=lambda p: p[1].__code__.co_firstlineno):
            yield f"{path.stem}.{name}", function


def wanted(function, flags):
    """Whether a test runs that no pattern asks for."""
    if "--browser" in flags or getattr(function, "browser_test", False):
        return "--browser" in flags and getattr(function, "browser_test", False)
    return "--long" in flags or not getattr(function, "long_test", False)


def choose(flags, patterns):
    return [(n, f) for n, f in collect()
            if (any(p in n or fnmatch.fnmatch(n, p) for p in patterns) if patterns
                else wanted(f, flags))]


def run_one(name, function, reports):
    """Its line, and whether it passed."""
    begin = time.monotonic()
    try:
        try:
            function()
        finally:
            text = reports.take()
            assert not text, f"a sanitizer reports:\n{text}"
    except Exception:
        print(f"FAIL {name} ({time.monotonic() - begin:.1f} s)", flush=True)
        traceback.print_exc(file=sys.stdout)
        return False
    print(f"ok {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    return True


def run_all(chosen):
    """In this process and one lab; yields whether each passed."""
    reports = sanitizer.Reports(harness.BUILD)
    try:
        reports.open()
        harness.lab("up")
        for name, function in chosen:
            yield run_one(name, function, reports)
    finally:
        harness.lab("down")
        reports.close()


class Side:
    """A process of this script that runs one test after another as it is told, in a lab of its own."""

    def __init__(self, letter):
        command = ["setpriv", "--pdeathsig", "TERM", sys.executable, __file__, "--side"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, "TURNPIKE_LAB": harness.PREFIX + letter})

    def run(self, name):
        """What it printed, and whether the test passed."""
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        text = ""
        for line in self.process.stdout:
            if line in ("=passed\n", "=failed\n"):
                return text, line == "=passed\n"
            text += line
        raise RuntimeError(f"the process that ran {name} ended:\n{text}")

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)


def serve_side():
    """The other end of Side: names come in, a line =passed or =failed ends what each prints."""
    functions = dict(collect())
    names = (line.strip() for line in iter(sys.stdin.readline, ""))
    for good in run_all((name, functions[name]) for name in names):
        print("=passed" if good else "=failed", flush=True)


def run_beside(chosen, jobs):
    """Each as soon as a side is free; yields whether each passed."""
    sides = queue.SimpleQueue()
    started = [Side(chr(ord("a") + i)) for i in range(jobs)]
    for side in started:
        sides.put(side)

    def run(name):
        side = sides.get()
        try:
            return side.run(name)
        finally:
            sides.put(side)

    pool = concurrent.futures.ThreadPoolExecutor(jobs)
    try:
        for done in concurrent.futures.as_completed([pool.submit(run, n) for n, _ in chosen]):
            text, good = done.result()
            print(text, end="", flush=True)
            yield good
    except BaseException:
        for side in started:
            side.process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        for side in started:
            side.close()


def main():
    flags = [a for a in sys.argv[1:] if a.startswith("--")]
    patterns = [a for a in sys.argv[1:] if not a.startswith("--")]
    jobs = [int(f.removeprefix("--jobs=")) for f in flags if re.fullmatch("--jobs=[1-9]", f)]
    if {f for f in flags if not f.startswith("--jobs=")} - {"--long", "--browser", "--list", "--side"} or \
            len(jobs) != sum(f.startswith("--jobs=") for f in flags):
        sys.exit(__doc__)
    # An interrupted run still takes its namespaces and daemons down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if "--side" in flags:
        serve_side()
        return 0
    chosen = choose(flags, patterns)
    if "--list" in flags:
        print("\n".join(n for n, _ in chosen))
        return 0
    if harness.SANITIZED:
        for name, _ in chosen:
            if name in sanitizer.LEFT_OUT:
                print(f"left out {name}: {sanitizer.LEFT_OUT[name]}")
        chosen = [(n, f) for n, f in chosen if n not in sanitizer.LEFT_OUT]

    beside = [(n, f) for n, f in chosen if jobs and not getattr(f, "alone", False)]
    alone = [c for c in chosen if c not in beside]
    results = list(run_beside(beside, jobs[-1])) if beside else []
    if alone:
        results += run_all(alone)
    passed, failed = results.count(True), results.count(False)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
