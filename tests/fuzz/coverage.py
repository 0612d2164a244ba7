#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Line coverage of a fuzz target over corpora: coverage.py [--verbose] [--whole] BUILD TARGET CORPUS...

The corpora are replayed as in the ordinary tests, truncations included (not with --whole).
Counts the lines of the files that the target covers (targets.txt in the build, else its own sources)
except those that unreachable.txt names with a reason. Last line: "TARGET: 97.1 % of 210 lines".
Exit 1 under 95 %, or when an entry of unreachable.txt for these files fits no line or one that is
reached everywhere.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
WANTED = 95.0


def tool(name):
    path = shutil.which(name) or shutil.which(name + "-14")
    if path is None:
        sys.exit(f"{name} is missing: install llvm")
    return path


def covered_paths(build, target):
    """What the target is measured by: files, or folders with a slash at the end; "-" before a file: not that one."""
    for line in (build / "tests/fuzz/targets.txt").read_text().splitlines():
        name, *paths = line.split()
        if name == target and paths:
            return paths
    listing = subprocess.run(["meson", "introspect", str(build), "--targets"], capture_output=True, check=True)
    for entry in json.loads(listing.stdout):
        if entry["name"] == "fuzz_" + target:
            sources = [pathlib.Path(os.path.normpath(s)) for group in entry["target_sources"] for s in group["sources"]]
            inside = [str(s.relative_to(TOP)) for s in sources if s.is_relative_to(TOP)]
            return [s for s in inside if not s.startswith(("tests/", build.name))]
    sys.exit(f"no target {target}")


def run(build, target, corpora, whole, scratch):
    exe = build / "tests/fuzz" / ("fuzz_" + target)
    raw, data = scratch / "raw", scratch / "data"
    done = subprocess.run([exe, *whole, *corpora], env={**os.environ, "LLVM_PROFILE_FILE": str(raw)},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        sys.exit(f"{target}: replaying the corpus ended with {done.returncode}\n{done.stdout.decode(errors='replace')[-2000:]}")
    subprocess.run([tool("llvm-profdata"), "merge", "-sparse", raw, "-o", data], check=True)
    lcov = subprocess.run([tool("llvm-cov"), "export", "-format=lcov", "-instr-profile", data, exe],
                          check=True, capture_output=True).stdout.decode()
    lines, path = {}, None
    for line in lcov.splitlines():
        if line.startswith("SF:"):
            path = pathlib.Path(os.path.normpath(build / line[3:]))
            path = str(path.relative_to(TOP)) if path.is_relative_to(TOP) else None
        elif line.startswith("DA:") and path:
            number, count = line[3:].split(",")[:2]
            lines.setdefault(path, {})[int(number)] = int(count)
    return lines


def unreachable():
    """{path: {text: why}}; see the head of unreachable.txt."""
    entries, path = {}, None
    for line in (HERE / "unreachable.txt").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if not line[0].isspace():
            path = line.strip()
            continue
        text, _, why = line.partition(" ## ")
        if not why:
            sys.exit(f"unreachable.txt: no reason given for: {line.strip()}")
        entries.setdefault(path, {})[text.strip()] = why.strip()
    return entries


def measure(path, lines, excuses, verbose):
    """(reached, counted, problems) of one file."""
    source = (TOP / path).read_text().splitlines()
    lines = {n: c for n, c in lines.items() if not source[n - 1].lstrip().startswith("#")}
    excused = {number for number in lines if source[number - 1].strip() in excuses}
    stale = [t for t in excuses if all(lines[n] > 0 for n in excused if source[n - 1].strip() == t)]
    counted = {n: c for n, c in lines.items() if n not in excused or c > 0}
    missed = sorted(n for n, c in counted.items() if c == 0)
    if verbose:
        print(f"  {path}: {len(counted) - len(missed)} of {len(counted)} lines, {len(lines) - len(counted)} excused")
        for n in missed:
            print(f"    {n}: {source[n - 1].strip()}")
    return len(counted) - len(missed), len(counted), [f"{path}: unreachable.txt names a line that is reached: {t}" for t in stale]


def main():
    args = sys.argv[1:]
    verbose, whole = "--verbose" in args, ["-whole"] if "--whole" in args else []
    args = [a for a in args if not a.startswith("--")]
    if len(args) < 3:
        sys.exit(__doc__)
    build, target, corpora = (TOP / args[0]).resolve(), args[1], args[2:]
    wanted = covered_paths(build, target)
    with tempfile.TemporaryDirectory() as scratch:
        lines = run(build, target, corpora, whole, pathlib.Path(scratch))
    excuses, reached, counted, problems = unreachable(), 0, 0, []
    files = sorted(p for p in lines if "-" + p not in wanted and
                   any(p == w or (w.endswith("/") and p.startswith(w)) for w in wanted))
    problems += [f"{w}: nothing of it is in the target" for w in wanted if w[0] != "-" and not any(f.startswith(w) for f in files)]
    for path in files:
        r, c, p = measure(path, lines[path], excuses.get(path, {}), verbose)
        reached, counted, problems = reached + r, counted + c, problems + p
    percent = 100.0 * reached / counted if counted else 0.0
    for problem in problems:
        print("  " + problem)
    print(f"{target}: {percent:.1f} % of {counted} lines")
    sys.exit(0 if percent >= WANTED and not problems else 1)


if __name__ == "__main__":
    main()
