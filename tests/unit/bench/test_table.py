#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""What bench/run.sh refuses, of made-up reports, and how it judges rows: test_table.py DIRECTORY_OF_THE_TABLE"""

import sys
import unittest

sys.path.insert(0, sys.argv[1])
import consistency  # noqa: E402
import report  # noqa: E402
from row import FUNCTION, Row, interleave, of_pairs  # noqa: E402


def row(value=100, more=False, spread=(), **facts):
    return Row("G0", "made up", FUNCTION, value, "units", 150, 120, more=more, spread=spread, facts=facts)


class Consistency(unittest.TestCase):
    def refused(self, **facts):
        return list(consistency.wrong([row(**facts)]))

    def test_a_sound_report_is_not_refused(self):
        self.assertEqual(self.refused(pps=1e7, cycles_per_packet=200, hz=2.4e9, bits_per_packet=1760,
                                      link_bits_per_s=1e11, latency_s=1e-5, burst=32), [])
        self.assertEqual(self.refused(), [])

    def test_more_cycles_than_the_cores_have(self):
        self.assertEqual(len(self.refused(pps=1e7, cycles_per_packet=250, hz=2.4e9)), 1)
        self.assertEqual(self.refused(pps=1e7, cycles_per_packet=250, hz=2.4e9, cores=2), [])

    def test_more_bits_than_the_link(self):
        self.assertEqual(len(self.refused(pps=1e7, bits_per_packet=1760, link_bits_per_s=1e10)), 1)

    def test_a_latency_below_its_burst(self):
        self.assertEqual(len(self.refused(pps=1e6, latency_s=1e-5, burst=32)), 1)

    def test_a_median_outside_of_its_spread(self):
        self.assertEqual(len(self.refused(spread=(101, 110))), 1)


class Rows(unittest.TestCase):
    def test_verdicts(self):
        self.assertEqual([report.verdict(row(v)) for v in (100, 120, 130, 151)], ["stretch", "stretch", "met", "MISSED"])
        self.assertEqual(report.verdict(row(149, more=True)), "MISSED")

    def test_the_first_pair_is_dropped_and_the_median_taken(self):
        calls = []
        pairs = interleave(4, lambda: calls.append("a") or len(calls) * 10, lambda: calls.append("b") or 10)
        self.assertEqual("".join(calls), "abababab")
        r = of_pairs([(1000, 1), (2, 1), (3, 1), (7, 1)], "G0", "x", FUNCTION, unit="", limit=3, stretch=1)
        self.assertEqual((r.value, r.spread, r.pairs, r.met()), (3, (2, 7), 3, True))
        self.assertEqual(len(pairs), 4)

    def test_every_row_has_a_line(self):
        for value in (0, 0.0012, 0.5, 99.5, 1e7):
            self.assertIn("made up", report.line(row(value)))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
