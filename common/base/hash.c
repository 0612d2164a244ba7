// SPDX-License-Identifier: BSD-3-Clause
// SipHash as described by Aumasson and Bernstein, "SipHash: a fast short-input PRF" (2012).
#include "common/base/hash.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

struct sip_state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t sip_rotl(uint64_t x, unsigned int bits)
{
	return x << bits | x >> (64 - bits);
}

static inline uint64_t sip_rd64le(const uint8_t *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

static inline void sip_round(struct sip_state *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = sip_rotl(s->v1, 13) ^ s->v0;
	s->v3 = sip_rotl(s->v3, 16) ^ s->v2;
	s->v0 = sip_rotl(s->v0, 32);
	s->v2 += s->v1;
	s->v0 += s->v3;
	s->v1 = sip_rotl(s->v1, 17) ^ s->v2;
	s->v3 = sip_rotl(s->v3, 21) ^ s->v0;
	s->v2 = sip_rotl(s->v2, 32);
}

static inline void sip_compress(struct sip_state *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

// The `n` < 8 bytes that are no whole word.
static inline uint64_t sip_tail(const uint8_t *at, size_t n)
{
	uint64_t word = 0;
	unsigned int bits = 0;
	uint32_t four;
	uint16_t two;

	if (n & 4) {
		memcpy(&four, at, sizeof(four));
		word = le32toh(four);
		bits = 32;
		at += 4;
	}
	if (n & 2) {
		memcpy(&two, at, sizeof(two));
		word |= (uint64_t)le16toh(two) << bits;
		bits += 16;
		at += 2;
	}
	if (n & 1)
		word |= (uint64_t)*at << bits;
	return word;
}

uint64_t tp_siphash(const struct tp_siphash_key *key, const void *data, size_t len)
{
	const uint8_t *at = data;
	uint64_t k0 = sip_rd64le(key->bytes), k1 = sip_rd64le(key->bytes + 8);
	struct sip_state s = {// "somepseudorandomlygeneratedbytes"
		.v0 = k0 ^ UINT64_C(0x736f6d6570736575),
		.v1 = k1 ^ UINT64_C(0x646f72616e646f6d),
		.v2 = k0 ^ UINT64_C(0x6c7967656e657261),
		.v3 = k1 ^ UINT64_C(0x7465646279746573)};
	size_t whole = len / 8;

	for (size_t i = 0; i < whole; i++)
		sip_compress(&s, sip_rd64le(at + 8 * i));
	sip_compress(&s, (uint64_t)len << 56 | sip_tail(at + 8 * whole, len % 8));
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

int tp_random_bytes(void *out, size_t len)
{
	uint8_t *at = out;

	while (len > 0) {
		ssize_t n = getrandom(at, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		at += n;
		len -= (size_t)n;
	}
	return 0;
}
