# SPDX-License-Identifier: BSD-3-Clause
"""Plots as SVG by gnuplot: rate by flows, rate by frame size, latency by load. Of the relay alone; each point is
measured once, so they show shapes, and the table has the figures."""

import pathlib
import shutil
import subprocess

import core
import lab
import ports
from lab import h

import test_load  # of tests/netns

SIZES = (64, 152, 222, 570, 1250, 1518)
LOADS = (20000, 50000, 80000, 110000, 140000)  # datagrams a second, both ways together


def by_flows():
    for flows in core.sizes():
        got = core.run(f"--flows={flows}", "--case=channel_ipv4", "--rounds=3")
        for result in got["results"]:
            yield flows, got["tsc_hz"] / result["table"]["median"] / 1e6


def by_size():
    with lab.directory() as d:
        made = ports.numbering()
        for size in SIZES:
            path = lab.frames(d, made, "up", size, ports.FLOWS)
            yield size, ports.relay_rate(ports.replay(path), [lab.cpu()], "up")["pps"] / 1e6


def by_load():
    for load in LOADS:
        with h.relay() as _:
            _, got = test_load.load("--clients=100", f"--rate={load // 200}", "--duration=2", check=False)
        yield load / 1000, got["up"]["latency_us"]["p50"], got["up"]["latency_us"]["p99"]


PLOTS = (
    ("rate-by-flows", by_flows, "flows", "Mpps a core", "function: relay core, ChannelData over IPv4",
     "set logscale x", "'{data}' using 1:2 with linespoints title 'relay core'"),
    ("rate-by-size", by_size, "frame, bytes with check sequence", "Mpps a core", "in-process port: net_pcap, 4,096 flows", "",
     "'{data}' using 1:2 with linespoints title 'uplink'"),
    ("latency-by-load", by_load, "thousand datagrams a second, both ways", "microseconds",
     "veth: 100 calls, load and relay on one machine", "",
     "'{data}' using 1:2 with linespoints title 'median', '{data}' using 1:3 with linespoints title '99 %'"),
)


def possible():
    return shutil.which("gnuplot") is not None


def draw(directory):
    """Writes a .dat and an .svg for each."""
    out = pathlib.Path(directory)
    out.mkdir(parents=True, exist_ok=True)
    for name, measure, x, y, title, more, what in PLOTS:
        data = out / f"{name}.dat"
        data.write_text("".join(" ".join(f"{v:g}" for v in row) + "\n" for row in measure()))
        script = (f"set terminal svg size 800,500\nset output '{out / name}.svg'\nset title '{title}'\nset xlabel '{x}'\n"
                  f"set ylabel '{y}'\nset yrange [0:*]\nset grid\n{more}\nplot {what.format(data=data)}\n")
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
