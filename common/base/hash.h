// SPDX-License-Identifier: BSD-3-Clause
// SipHash-2-4: keyed, for anything an outsider can aim at (nonces, five-tuple maps of control).
// The dataplane's flow hash is its own (dataplane/table/flow_hash.h).
#pragma once

#include <stddef.h>
#include <stdint.h>

struct tp_siphash_key {
	uint8_t bytes[16];
};

// SipHash-2-4 with 64-bit output, little-endian as in the reference test vectors.
uint64_t tp_siphash(const struct tp_siphash_key *key, const void *data, size_t len);

// Fills out[len] from getrandom(2), blocking until the pool is ready. 0 or -errno.
int tp_random_bytes(void *out, size_t len);
