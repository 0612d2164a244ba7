// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/nonce.h"

#include <openssl/crypto.h>

#include "common/base/clock.h"

#define NONCE_AHEAD_S 5 // how far a wall clock may have been set back

static struct tp_siphash_key siphash_key(const struct tp_nonce_key *key)
{
	struct tp_siphash_key k;
	memcpy(k.bytes, key->key, sizeof(k.bytes));
	return k;
}

int ctl_nonce_rotate(struct tp_nonce_key keys[2], uint64_t wall_ns, uint32_t lifetime_s,
	const struct ctl_random *random)
{
	// A key of the future comes from a clock that was wrong.
	bool good = keys[0].created_wall_ns != 0 && keys[0].created_wall_ns <= wall_ns &&
		    wall_ns - keys[0].created_wall_ns < lifetime_s * TP_NS_PER_S;
	if (good)
		return 0;
	struct tp_nonce_key fresh = {.created_wall_ns = wall_ns};
	int rc = random->bytes(random->context, fresh.key, sizeof(fresh.key));
	if (rc)
		return rc;
	keys[1] = keys[0];
	keys[0] = fresh;
	OPENSSL_cleanse(&fresh, sizeof(fresh));
	return 0;
}

void ctl_nonce_write(const struct tp_nonce_key keys[2], uint64_t wall_ns, uint32_t features,
	const struct tp_addr *client, const struct tp_addr *listener, char out[TP_NONCE_CHARS])
{
	struct tp_siphash_key k = siphash_key(&keys[0]);
	struct tp_nonce n = {.features = features,
		.time_s = (uint32_t)(wall_ns / TP_NS_PER_S),
		.client = *client,
		.listener = *listener};
	tp_nonce_write(&k, &n, out);
	OPENSSL_cleanse(&k, sizeof(k));
}

bool ctl_nonce_ok(const struct tp_nonce_key keys[2], uint64_t wall_ns, uint32_t lifetime_s,
	const struct tp_addr *client, const struct tp_addr *listener, const void *nonce, size_t len)
{
	struct tp_nonce n = {.client = *client, .listener = *listener};
	uint64_t tag;
	if (!tp_nonce_read(nonce, len, &n, &tag))
		return false;
	// 32 bits are used up in 2106: both sides of the turn are near each other.
	uint32_t age_s = (uint32_t)(wall_ns / TP_NS_PER_S) - n.time_s;
	if (age_s > lifetime_s && age_s < UINT32_MAX - NONCE_AHEAD_S + 1)
		return false;
	bool ok = false;
	for (int i = 0; i < 2; i++) {
		struct tp_siphash_key k = siphash_key(&keys[i]);
		uint64_t right = tp_nonce_tag(&k, &n);
		ok |= (keys[i].created_wall_ns != 0) &
		      (CRYPTO_memcmp(&right, &tag, sizeof(tag)) == 0);
		OPENSSL_cleanse(&k, sizeof(k));
	}
	return ok;
}
