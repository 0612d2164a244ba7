#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Prints common/abi/record.h with the allocation records of layout 1, for a control as ABI 1.1 had it.

    layout1.py record.h

The record ended with `stream`. Where a client moves to was no connection then, so both those fields lie in its place,
which is right as long as every client comes by UDP: all three are zero."""

import re
import sys

CHANGES = (
    (r"(#define TP_ALLOC_LAYOUT +)2\b", r"\g<1>1"),
    (r"struct tp_stream_client stream; (.*\n)\s*struct tp_stream_client move_stream;.*\n"
     r"\s*struct tp_stream_client before_stream;.*\n", r"union { struct tp_stream_client stream, move_stream, before_stream; }; \1"),
    (r"(sizeof\(struct tp_alloc_record\) == )464", r"\g<1>448"),
)

with open(sys.argv[1]) as f:
    text = f.read()
for pattern, new in CHANGES:
    text, n = re.subn(pattern, new, text)
    if n != 1:
        sys.exit(f"{sys.argv[1]}: {pattern} is there {n} times, not once")
print(text, end="")
