#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# embed.py OBJECT HEADER NAME: writes the object's bytes as a C array, so that the daemon carries
# its BPF programs in itself and needs no path at run time.
import sys

source, target, name = sys.argv[1:4]
data = open(source, "rb").read()
with open(target, "w", encoding="ascii") as out:
    out.write("// SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only\n")
    out.write(f"// Made by bpf/embed.py from {name}.bpf.c.\n#pragma once\n\n")
    out.write(f"static const unsigned char {name}_bpf_object[] __attribute__((aligned(8))) = {{\n")
    for i in range(0, len(data), 16):
        out.write("\t" + ", ".join(f"0x{b:02x}" for b in data[i:i + 16]) + ",\n")
    out.write("};\n")
