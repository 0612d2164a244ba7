// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/nonce.h"

#include <openssl/crypto.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "common/base/hash.h"

#define NONCE_TIME_CHARS 8
#define NONCE_TAG_CHARS  16
static_assert(NONCE_TIME_CHARS + NONCE_TAG_CHARS == CTL_NONCE_CHARS);
#define NONCE_AHEAD_S 5 // how far a wall clock may have been set back

static void write_hex(char *out, uint64_t value, int chars)
{
	for (int i = chars - 1; i >= 0; i--, value >>= 4)
		out[i] = "0123456789abcdef"[value & 15];
}

// Lower case only: what we wrote, nothing equivalent.
static bool read_hex(const char *text, int chars, uint64_t *out)
{
	*out = 0;
	for (int i = 0; i < chars; i++) {
		char c = text[i];
		if (c >= '0' && c <= '9')
			*out = *out << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			*out = *out << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	return true;
}

static uint64_t tag_of(const struct tp_nonce_key *key, uint32_t time_s,
	const struct tp_addr *client, const struct tp_addr *listener)
{
	uint8_t bytes[4 + 2 * sizeof(struct tp_addr)];
	struct tp_siphash_key k;
	memcpy(k.bytes, key->key, sizeof(k.bytes));
	tp_wr32(bytes, time_s);
	memcpy(bytes + 4, client, sizeof(*client));
	memcpy(bytes + 4 + sizeof(*client), listener, sizeof(*listener));
	uint64_t tag = tp_siphash(&k, bytes, sizeof(bytes));
	OPENSSL_cleanse(&k, sizeof(k));
	return tag;
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

void ctl_nonce_write(const struct tp_nonce_key keys[2], uint64_t wall_ns,
	const struct tp_addr *client, const struct tp_addr *listener, char out[CTL_NONCE_CHARS + 1])
{
	uint32_t time_s = (uint32_t)(wall_ns / TP_NS_PER_S);
	write_hex(out, time_s, NONCE_TIME_CHARS);
	write_hex(out + NONCE_TIME_CHARS, tag_of(&keys[0], time_s, client, listener),
		NONCE_TAG_CHARS);
	out[CTL_NONCE_CHARS] = '\0';
}

bool ctl_nonce_ok(const struct tp_nonce_key keys[2], uint64_t wall_ns, uint32_t lifetime_s,
	const struct tp_addr *client, const struct tp_addr *listener, const void *nonce, size_t len)
{
	uint64_t time_s, tag;
	if (len != CTL_NONCE_CHARS || !read_hex(nonce, NONCE_TIME_CHARS, &time_s) ||
		!read_hex((const char *)nonce + NONCE_TIME_CHARS, NONCE_TAG_CHARS, &tag))
		return false;
	uint64_t now_s = wall_ns / TP_NS_PER_S;
	if (time_s > now_s + NONCE_AHEAD_S || time_s + lifetime_s < now_s)
		return false;
	bool ok = false;
	for (int i = 0; i < 2; i++) {
		uint64_t right = tag_of(&keys[i], (uint32_t)time_s, client, listener);
		ok |= (keys[i].created_wall_ns != 0) &
		      (CRYPTO_memcmp(&right, &tag, sizeof(tag)) == 0);
	}
	return ok;
}
