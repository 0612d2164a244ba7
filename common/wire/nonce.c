// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/nonce.h"

#include <assert.h>

#include "common/base/base64.h"
#include "common/base/bytes.h"

#define COOKIE_CONSTANT       "obMatJos2"
#define COOKIE_CONSTANT_CHARS 9
#define BODY_BYTES            12 // time and tag
static_assert(COOKIE_CONSTANT_CHARS + 4 == TP_NONCE_COOKIE_CHARS);
static_assert(TP_NONCE_COOKIE_CHARS + BODY_BYTES / 3 * 4 == TP_NONCE_CHARS);

// n bytes from n / 3 * 4 characters.
static bool read_base64(const uint8_t *text, uint8_t *out, size_t n)
{
	size_t length;
	return tp_base64_read(text, n / 3 * 4, out, n, &length) && length == n;
}

static bool read_cookie(const uint8_t *text, size_t len, uint32_t *features)
{
	uint8_t bits[3];
	if (len < TP_NONCE_COOKIE_CHARS ||
		memcmp(text, COOKIE_CONSTANT, COOKIE_CONSTANT_CHARS) != 0 ||
		!read_base64(text + COOKIE_CONSTANT_CHARS, bits, sizeof(bits)))
		return false;
	*features = (uint32_t)bits[0] << 16 | (uint32_t)bits[1] << 8 | bits[2];
	return true;
}

uint64_t tp_nonce_tag(const struct tp_siphash_key *key, const struct tp_nonce *nonce)
{
	uint8_t bytes[8 + 2 * sizeof(struct tp_addr)];
	tp_wr32(bytes, nonce->features);
	tp_wr32(bytes + 4, nonce->time_s);
	memcpy(bytes + 8, &nonce->client, sizeof(nonce->client));
	memcpy(bytes + 8 + sizeof(nonce->client), &nonce->listener, sizeof(nonce->listener));
	return tp_siphash(key, bytes, sizeof(bytes));
}

void tp_nonce_write(
	const struct tp_siphash_key *key, const struct tp_nonce *nonce, char out[TP_NONCE_CHARS])
{
	uint8_t body[BODY_BYTES];
	uint64_t tag = tp_nonce_tag(key, nonce);
	const uint8_t bits[3] = {(uint8_t)(nonce->features >> 16), (uint8_t)(nonce->features >> 8),
		(uint8_t)nonce->features};
	tp_wr32(body, nonce->time_s);
	tp_wr32(body + 4, (uint32_t)(tag >> 32));
	tp_wr32(body + 8, (uint32_t)tag);
	memcpy(out, COOKIE_CONSTANT, COOKIE_CONSTANT_CHARS);
	tp_base64_write(bits, sizeof(bits), out + COOKIE_CONSTANT_CHARS);
	tp_base64_write(body, sizeof(body), out + TP_NONCE_COOKIE_CHARS);
}

bool tp_nonce_read(const void *text, size_t len, struct tp_nonce *nonce, uint64_t *tag)
{
	uint8_t body[BODY_BYTES];
	if (len != TP_NONCE_CHARS || !read_cookie(text, len, &nonce->features) ||
		!read_base64((const uint8_t *)text + TP_NONCE_COOKIE_CHARS, body, sizeof(body)))
		return false;
	nonce->time_s = tp_rd32(body);
	*tag = (uint64_t)tp_rd32(body + 4) << 32 | tp_rd32(body + 8);
	return true;
}

uint32_t tp_nonce_features(const void *text, size_t len)
{
	uint32_t features;
	return read_cookie(text, len, &features) ? features : 0;
}
