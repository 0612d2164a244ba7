# SPDX-License-Identifier: BSD-3-Clause
"""G4, G10, G11, G12, G13: what other scripts of bench/ measure, as rows."""

import json
import pathlib
import subprocess
import sys
import tempfile

import lab
from row import VETH, Row


def run(script, *options):
    """The JSON document of a script, of which the rows are made; they judge it."""
    with tempfile.NamedTemporaryFile(suffix=".json") as f:
        done = subprocess.run([sys.executable, lab.TOP / "bench" / script, "--json", f.name, *options],
                              capture_output=True, text=True, timeout=1800)
        text = pathlib.Path(f.name).read_text()
    assert text, f"{script}: {done.stdout[-2000:]} {done.stderr[-4000:]}"
    return json.loads(text)


def adoption(options):
    lab.h.lab("down")  # the script makes it
    try:
        results = run("adopt/run.py", "100000", "1000000")
    finally:
        lab.h.lab("up")
    for r, name, limit, stretch in zip(results, ("100 k", "1 M"), (2, 10), (0.5, 3)):
        yield Row("G12", f"new Allocate, control killed at {name}", VETH, max(r["adoption_s"]), "s", limit, stretch)
        yield Row("G12", f"lost while it was dead, {name}", VETH, r["lost_while_control_was_dead"], "datagrams", 0, 0)
        yield Row("G12", f"ICMP errors to the client, {name}", VETH, r["icmp_errors"], "errors", 0, 0)
        assert r["ids_unbroken"] and r["adopted"] >= r["allocations"] + 2, f"{name}: calls are lost: {r}"
        if "dataplane" in r:
            d = r["dataplane"]
            yield Row("G13", f"dataplane killed at {name}: replay", VETH, d["replay_s"], "s", 1, 0.3,
                      note=f"silence with its start {d['media_gap_s']} s")
    yield Row("G4", "memory an allocation at 1 M", VETH, results[-1]["memory"]["bytes_per_allocation"], "bytes", 1536, 768)


def streams(options):
    lab.h.lab("down")
    try:
        got = run("stream/run.py", "--pairs", str(options.pairs))
    finally:
        lab.h.lab("up")
    result = got["result"]
    for name, limit, stretch in (("up 172", 2, 4), ("up 1200", 1.5, 3), ("down 172", 1.2, 2), ("down 1200", 1.2, 2)):
        r = result[name]["ratio_work"]
        yield Row("G10", f"TLS {name} bytes, packets a CPU-second", VETH, r[0], "of coturn's", limit, stretch, more=True,
                  spread=(r[1], r[2]), pairs=len(got["pairs"]),
                  note=f"{result[name]['turnpike']['work'][0]:.1f} and {result[name]['coturn'][0]:.1f} us")
        direction, size = name.split()
        fraction = int(size) * 1e6 / result[name]["turnpike"]["first"][0] / got["openssl_speed"][size]
        yield Row("G10", f"TLS {name} bytes, of AES-128-GCM", VETH, fraction, "of it", 0.15, 0.4, more=True)
    full, resumed = result["full"]["turnpike"]["first"], result["resumed/full"]
    yield Row("G11", "full handshakes a CPU-second", VETH, 1e6 / full[0], "a second", 2500, 5000, more=True,
              spread=(1e6 / full[2], 1e6 / full[1]), note=f"OpenSSL alone {1e6 / got['openssl_alone_us']['full']:.0f}")
    yield Row("G11", "resumed / full", VETH, resumed[0], "times", 1.5, 2, more=True, spread=(resumed[1], resumed[2]))
    yield Row("G11", "memory an idle TLS client", VETH, result["idle"]["turnpike"]["all"][0] / 1024, "KiB", 48, 24)


CASES = [
    ("G4 G12 G13", "memory, adoption, replay", adoption, False),
    ("G10 G11", "TLS clients against coturn", streams, False),
]
