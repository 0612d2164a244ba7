# SPDX-License-Identifier: BSD-3-Clause
"""The table as text and as JSON, and what it does not show."""

import dataclasses
import json
import os
import pathlib
import platform
import re

NOT_SHOWN = """What this does not show
  A NIC: veth and in-process ports have no wire, no DMA, no receive-side hashing, and a veth tops out at about
  0.6 million frames a second whatever reads it. Rates here are no rates of a product; ratios are of this machine.
  More than two cores: G14 says that two workers write nothing in common, not how sixteen scale.
  Other machines' caches: function figures are of frames and flows larger than this one's last-level cache.
  Weeks, restarts and hostile packets: tests/netns, tests/faults and tests/fuzz are for that.
"""


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", text)
    return {"cpu": model.group(1) if model else "unknown", "cores": os.cpu_count(), "kernel": platform.release().split("-")[0],
            "load": os.getloadavg()[0]}


def number(value):
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}" if abs(value) >= 0.01 else f"{value:.2g}"


def verdict(row):
    return "stretch" if row.met() and row.stretched() else "met" if row.met() else "MISSED"


def line(row):
    spread = f"{number(row.spread[0])} .. {number(row.spread[1])}" if row.spread else ""
    sign = ">=" if row.more else "<="
    return (f"{row.gate:4} {row.metric:42.42} {row.label:15} {number(row.value):>9} {row.unit:14.14} "
            f"{sign} {number(row.limit):>7} {number(row.stretch):>7}  {spread:20} {verdict(row):8} {row.note}")


HEAD = (f"{'gate':4} {'metric':42} {'label':15} {'value':>9} {'unit':14}    {'gate':>7} {'stretch':>7}  "
        f"{'spread':20} {'':8} both sides")


def text(rows, facts):
    yield (f"{facts['cpu']}, {facts['cores']} cores, Linux {facts['kernel']}, load {facts['load']:.1f} at the start; "
           "ratios are medians of pairs taken in turns, the first pair dropped")
    yield HEAD
    for row in rows:
        yield line(row)
    yield ""
    yield NOT_SHOWN


def write_json(path, rows, facts, problems):
    document = {"machine": facts, "refused": problems,
                "rows": [{**dataclasses.asdict(r), "met": r.met(), "stretched": r.stretched()} for r in rows]}
    pathlib.Path(path).write_text(json.dumps(document, indent=1) + "\n")
