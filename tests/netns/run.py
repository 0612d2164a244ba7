#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Runs the namespace tests: every function test_* of every test_*.py beside this file.

    tests/netns/run.py [--long] [--list] [PATTERN ...]      PATTERN: part of "module.function"

A test that needs more than a minute is marked with @long_test and runs with --long or by name.
With TURNPIKE_BUILD naming a build with sanitizers, a report of any daemon fails the test it came in;
what such a build cannot pass is left out (LEFT_OUT in sanitizer.py).
Each line is `ok NAME (seconds)`, `FAIL NAME` or `left out NAME: REASON`; the last is `N passed, N failed`."""

import fnmatch
import importlib
import inspect
import pathlib
import signal
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


def main():
    flags = [a for a in sys.argv[1:] if a.startswith("--")]
    patterns = [a for a in sys.argv[1:] if not a.startswith("--")]
    if set(flags) - {"--long", "--list"}:
        sys.exit(__doc__)
    chosen = [(n, f) for n, f in collect()
              if (any(p in n or fnmatch.fnmatch(n, p) for p in patterns) if patterns
                  else "--long" in flags or not getattr(f, "long_test", False))]
    if "--list" in flags:
        print("\n".join(n for n, _ in chosen))
        return 0

    reports = sanitizer.Reports(harness.BUILD)
    if reports.kind != "none":
        for name, _ in chosen:
            if name in sanitizer.LEFT_OUT:
                print(f"left out {name}: {sanitizer.LEFT_OUT[name]}")
        chosen = [(n, f) for n, f in chosen if n not in sanitizer.LEFT_OUT]

    # An interrupted run still takes its namespaces and daemons down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    passed = failed = 0
    try:
        reports.open()
        harness.lab("up")
        for name, function in chosen:
            begin = time.monotonic()
            try:
                try:
                    function()
                finally:
                    text = reports.take()
                    assert not text, f"a sanitizer reports:\n{text}"
            except Exception:
                failed += 1
                print(f"FAIL {name} ({time.monotonic() - begin:.1f} s)", flush=True)
                traceback.print_exc(file=sys.stdout)
            else:
                passed += 1
                print(f"ok {name} ({time.monotonic() - begin:.1f} s)", flush=True)
    finally:
        harness.lab("down")
        reports.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
