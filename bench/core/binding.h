// SPDX-License-Identifier: BSD-3-Clause
// Cycles per Binding request that a worker answers itself, from clients without an allocation, each
// from an address of its own: without and with FINGERPRINT.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// Prints its figures, as further members of the array `results` with `json`; false above a gate, or
// when an answer is wrong.
bool bench_binding(uint32_t rounds, bool json, bool first);
