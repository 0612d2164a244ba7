# SPDX-License-Identifier: BSD-3-Clause
"""What no machine can do: a row that claims it was counted wrongly, and the whole report is refused.

Of a row's `facts` these are looked at, where they are there: pps, cycles_per_packet, hz, cores, bits_per_packet,
link_bits_per_s, latency_s, burst."""


def wrong(rows):
    for row in rows:
        f = row.facts
        pps = f.get("pps", 0)
        if "cycles_per_packet" in f and pps * f["cycles_per_packet"] > f["hz"] * f.get("cores", 1) * 1.02:
            yield (f"{row.key()}: {pps:.0f} packets a second times {f['cycles_per_packet']:.0f} cycles are more than "
                   f"{f.get('cores', 1)} core(s) of {f['hz']:.0f} Hz have")
        if "link_bits_per_s" in f and pps * f["bits_per_packet"] > f["link_bits_per_s"]:
            yield f"{row.key()}: {pps * f['bits_per_packet']:.0f} bits a second are more than the link takes"
        if "latency_s" in f and pps and f["latency_s"] < (f.get("burst", 1) - 1) / pps:
            yield f"{row.key()}: a latency of {f['latency_s']:.2e} s is less than its burst takes to arrive"
        if row.spread and not row.spread[0] <= row.value <= row.spread[1]:
            yield f"{row.key()}: {row.value} is outside of its own spread {row.spread}"
