// SPDX-License-Identifier: BSD-3-Clause
// Responses to authenticated requests, remembered for 40 seconds, so that a retransmission gets the
// same bytes (RFC 8489 section 6.3.1). Bounded: the oldest goes first. Found by a keyed hash over
// the five-tuple and the whole request, so only the same bytes from the same client get them.
#pragma once

#include "common/base/hash.h"
#include "control/turn/turn.h"

struct ctl_replay_key {
	uint64_t hash;
	uint8_t transaction_id[STUN_TRANSACTION_ID_BYTES];
};

struct ctl_replay_entry {
	struct ctl_replay_key key;
	uint32_t next; // of the bucket
	uint32_t length;
	uint64_t expires_ns;
	uint8_t *response;
};

struct ctl_replay {
	struct ctl_replay_entry *entry; // a ring, in order of age
	uint32_t *bucket;
	uint32_t slots, mask;
	uint32_t head, count; // oldest, how many
	struct tp_siphash_key hash_key;
};

int ctl_replay_init(struct ctl_replay *r, uint32_t slots, const struct tp_siphash_key *key);
void ctl_replay_fini(struct ctl_replay *r);

struct ctl_replay_key ctl_replay_key_of(
	const struct ctl_replay *r, const struct ctl_request *request);

// NULL when not remembered.
const struct ctl_replay_entry *ctl_replay_find(
	const struct ctl_replay *r, const struct ctl_replay_key *key, uint64_t now_ns);

// Remembers a copy; without memory it does not.
void ctl_replay_add(struct ctl_replay *r, const struct ctl_replay_key *key, const uint8_t *response,
	size_t length, uint64_t now_ns);

// Forgets what is too old.
void ctl_replay_expire(struct ctl_replay *r, uint64_t now_ns);
