#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""The table of gates: every figure beside its reference, in one run, in turns.

    sudo bench/run.sh [--quick] [--pairs N] [--json FILE] [--plots DIR] [--coturn PATH] [GATE ...]
    bench/run.sh --list

Exit code 1 when a gate is missed, a case fails or the report contradicts itself. With --quick only the cases that
are quick and do not ask for a quiet machine run, and gates listed in known_shortfalls do not fail: they are known to be missed,
and the list says why. Nothing else should run on the machine."""

import argparse
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import churn  # noqa: E402
import consistency  # noqa: E402
import core  # noqa: E402
import lab  # noqa: E402
import latency  # noqa: E402
import plots  # noqa: E402
import ports  # noqa: E402
import report  # noqa: E402
import scripts  # noqa: E402
import signalling  # noqa: E402
import synthetic  # noqa: E402
import veth  # noqa: E402

MODULES = (core, ports, synthetic, churn, veth, latency, signalling, scripts)


def shortfalls():
    """{row: reason} of gates that are known to be missed."""
    lines = (HERE / "known_shortfalls").read_text().splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


def cases(options):
    for module in MODULES:
        for gate, title, function, quick in module.CASES:
            wanted = set(gate.split()) & set(options.gates) if options.gates else quick or not options.quick
            if wanted:
                yield gate, title, function


def run(options):
    rows, failed = [], []
    for gate, title, function in cases(options):
        begin = time.monotonic()
        try:
            for row in function(options):
                rows.append(row)
                print(report.line(row), file=sys.stderr, flush=True)
        except Exception:
            traceback.print_exc()
            failed.append(f"{gate}, {title}: failed")
        print(f"# {gate}, {title}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    return rows, failed


def draw(directory):
    try:
        plots.draw(directory)
    except Exception:
        traceback.print_exc()
        return ["plots: failed"]
    return []


def missed(rows, options):
    known = shortfalls()
    for row in rows:
        if row.met() and row.key() in known:
            print(f"{row.key()} is met here: known_shortfalls can do without it")
        elif not row.met() and not (options.quick and row.key() in known):
            yield f"{row.key()}: {report.number(row.value)}, not {report.number(row.limit)}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--list", action="store_true", help="what there is")
    p.add_argument("--quick", action="store_true", help="the short form, for CI")
    p.add_argument("--pairs", type=int, default=8, help="of each comparison, the first is dropped (8)")
    p.add_argument("--json", help="result file")
    p.add_argument("--plots", help="directory for plots, SVG")
    p.add_argument("--coturn", default="turnserver", help="the program to compare with (turnserver)")
    p.add_argument("gates", nargs="*", help="G1 G2 ...: these only")
    options = p.parse_args()
    if options.list:
        for module in MODULES:
            for gate, title, _, quick in module.CASES:
                print(f"{gate:10} {title}{' (quick)' if quick else ''}")
        return 0
    known = {g for module in MODULES for gate, *_ in module.CASES for g in gate.split()}
    if not set(options.gates) <= known:
        p.error(f"no case for {' '.join(sorted(set(options.gates) - known))}: --list names them")
    if options.plots and not plots.possible():
        p.error("--plots needs gnuplot (Debian: gnuplot-nox)")
    if os.geteuid() != 0:
        p.error("needs root, for namespaces and hugepages")
    facts = report.machine()
    lab.h.lab("up")
    try:
        rows, failed = run(options)
        if options.plots:
            failed += draw(options.plots)
    finally:
        lab.h.lab("down")
    problems = list(consistency.wrong(rows))
    print("\n".join(report.text(rows, facts)))
    if options.json:
        report.write_json(options.json, rows, facts, problems)
    bad = failed + [f"refused: {p}" for p in problems] + list(missed(rows, options))
    for line in bad:
        print("missed:", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
