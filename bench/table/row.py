# SPDX-License-Identifier: BSD-3-Clause
"""One line of the table, and series of which its figure is made."""

import dataclasses
import statistics

FUNCTION, PORT, VETH = "function", "in-process port", "veth"


@dataclasses.dataclass
class Row:
    gate: str          # G1 ... G17
    metric: str
    label: str         # FUNCTION, PORT, VETH: what may be compared with what
    value: float
    unit: str
    limit: float       # the gate
    stretch: float
    more: bool = False  # whether more is better
    spread: tuple = ()  # least, most of the pairs
    pairs: int = 1
    note: str = ""     # figures of both sides
    facts: dict = dataclasses.field(default_factory=dict)  # for consistency.py

    def met(self):
        return self.value >= self.limit if self.more else self.value <= self.limit

    def stretched(self):
        return self.value >= self.stretch if self.more else self.value <= self.stretch

    def key(self):
        return f"{self.gate} {self.metric}"


def of_pairs(pairs, *args, **kw):
    """A row of ratios, pair by pair: the first one is dropped, the median is the figure."""
    kept = pairs[1:] if len(pairs) > 1 else pairs
    ratios = [a / b for a, b in kept]
    return Row(*args, value=statistics.median(ratios), spread=(min(ratios), max(ratios)), pairs=len(kept), **kw)


def interleave(count, a, b):
    """count times a(), b(), in turns: [(of a, of b), ...]"""
    return [(a(), b()) for _ in range(count)]
