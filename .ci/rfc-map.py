#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Keeps docs/rfc-map.md true. Every code place `FILE:FUNCTION` must be a function of that file, or
FILE a file; every test must exist: `test_x.c:NAME` a function of that unit test, `test_x.py:NAME` of
that namespace test. A row whose status begins with "done" names code and a test; one without a test
begins with "declined" or "not yet" and says why; what is "not yet" or "partly" is listed at the end
of the document, and nothing else is. The table of mistakes in tests/netns/README.md is checked in
the same way. Prints LINE: what is wrong, and exits 1."""

import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[1]
PLACE = re.compile(r"`([^`]+)`")
failed = False


def bad(where, why):
    global failed
    failed = True
    print(f"{where}: {why}")


def test_files():
    """By name; a name that is there twice must be given by its whole path."""
    files = {}
    for path in list((TOP / "tests/unit").rglob("test_*.c")) + \
            list((TOP / "tests/netns").glob("test_*.py")):
        files.setdefault(path.name, []).append(path)
    return files


def has_function(path, name):
    text = path.read_text()
    if path.suffix == ".py":
        return re.search(rf"^def {re.escape(name)}\(", text, re.M)
    # A definition, and not only a prototype or a call: in a .def file an entry.
    word = re.escape(name)
    return re.search(rf"^[a-z_][^\n;=#]*\b{word}\([^;{{}}]*\)\s*\{{", text, re.M)


def registered(path, name):
    """A unit test that no list of its file names never runs."""
    return path.suffix == ".py" or len(re.findall(rf"\b{re.escape(name)}\b", path.read_text())) > 1


def check_code(where, place):
    file, _, function = place.partition(":")
    path = TOP / file
    if not path.is_file():
        bad(where, f"{file}: no such file")
    elif function and not has_function(path, function):
        bad(where, f"{file} has no function {function}")


def check_test(where, place, files):
    file, _, name = place.partition(":")
    if "/" in file:
        paths = [TOP / file] if (TOP / file).is_file() else []
    else:
        paths = files.get(file, [])
    if not paths:
        bad(where, f"{file}: no such test file")
    elif len(paths) > 1 and not any(has_function(p, name) for p in paths):
        bad(where, f"none of the files {file} has a test {name}")
    elif len(paths) > 1 and sum(bool(has_function(p, name)) for p in paths) > 1:
        bad(where, f"{place} is there more than once: give the whole path")
    elif len(paths) == 1 and name and not has_function(paths[0], name):
        bad(where, f"{file} has no test {name}")
    elif name and not any(has_function(p, name) and registered(p, name) for p in paths):
        bad(where, f"{place} is never run")


def rows(path, columns):
    """(line number, RFC or section heading, cells) of every table row."""
    heading = ""
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line.startswith("## "):
            heading = line[3:]
        if not line.startswith("|") or set(line) <= set("| -") or line.startswith("| section |"):
            continue
        cells = [c.strip() for c in line.strip("|").split("|")]
        if len(cells) == columns:
            yield number, heading, cells
        else:
            bad(f"{path.name}:{number}", f"{len(cells)} columns, not {columns}")


def check_map():
    path, files, open_rows = TOP / "docs/rfc-map.md", test_files(), []
    for number, heading, (section, text, code, tests, status) in rows(path, 5):
        where = f"rfc-map.md:{number}"
        word = re.match(r"done|partly|not yet|declined", status)
        if not word:
            bad(where, f'status "{status}" begins with none of done, partly, not yet, declined')
            continue
        for place in PLACE.findall(code):
            check_code(where, place)
        for place in PLACE.findall(tests):
            check_test(where, place, files)
        if word[0] in ("done", "partly") and not (PLACE.search(code) and PLACE.search(tests)):
            bad(where, "is done without code or without a test")
        if word[0] != "done" and len(status) < len(word[0]) + 8:
            bad(where, f"{word[0]}, but not why")
        if word[0] in ("not yet", "partly"):
            open_rows.append((heading.partition(":")[0], section))
    listed = re.findall(r"^- (RFC \d+), section ([^:]+): ", path.read_text(), re.M)
    for row in sorted(set(open_rows) ^ set(listed)):
        bad("rfc-map.md", f"{row[0]}, section {row[1]}: "
            + ("is open and not in the list at the end" if row in open_rows
               else "is in the list at the end and not open"))


def check_mistakes():
    path, files, seen = TOP / "tests/netns/README.md", test_files(), 0
    for number, _, (mistake, tests) in rows(path, 2):
        if mistake == "mistake":
            continue
        seen += 1
        if not PLACE.search(tests):
            bad(f"README.md:{number}", "no test")
        for place in PLACE.findall(tests):
            check_test(f"README.md:{number}", place, files)
    if seen < 10:
        bad("README.md", "the table of mistakes is not there")


check_map()
check_mistakes()
sys.exit(failed)
