// SPDX-License-Identifier: BSD-3-Clause
// The flow table's hash: keyed by a random secret, non-linear, a few cycles a key. A client chooses
// its own port and channel numbers, so a hash it can predict (or a linear one, whose collisions do
// not depend on the secret) would let it pile its flows into one bucket.
#pragma once

#include <stdint.h>
#include <string.h>

#include "common/base/mix.h"
#include "dataplane/table/flow.h"

struct dp_flow_secret {
	uint64_t word[4];
};

// Of a key in three words.
static inline uint64_t dp_flow_hash_words(
	const struct dp_flow_secret *secret, uint64_t k0, uint64_t k1, uint64_t k2)
{
	uint64_t address = tp_mix(k0 ^ secret->word[0], k1 ^ secret->word[1]);
	uint64_t all = tp_mix(k2 ^ secret->word[2], address ^ secret->word[3]);
	return tp_mix(all ^ address, secret->word[0] ^ TP_MIX_ODD);
}

static inline uint64_t dp_flow_hash(
	const struct dp_flow_secret *secret, const struct dp_flow_key *key)
{
	uint64_t k[3];
	static_assert(sizeof(k) == sizeof(*key));
	memcpy(k, key, sizeof(k));
	return dp_flow_hash_words(secret, k[0], k[1], k[2]);
}

// The bucket comes from the low bits, the tag from the high ones; zero marks an empty slot.
static inline uint16_t dp_flow_tag(uint64_t hash)
{
	uint16_t tag = (uint16_t)(hash >> 48);
	return tag ? tag : 1;
}
