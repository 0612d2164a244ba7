// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/challenge.h"

#include "common/base/bytes.h"

// RFC 8489 section 14.11, twice:
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |           Algorithm           |  Algorithm Parameters Length  |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
void stun_password_algorithms(uint8_t out[STUN_PASSWORD_ALGORITHMS_BYTES])
{
	tp_wr16(out, STUN_PASSWORD_SHA256);
	tp_wr16(out + 2, 0);
	tp_wr16(out + 4, STUN_PASSWORD_MD5);
	tp_wr16(out + 6, 0);
}

static size_t attr_bytes(size_t length)
{
	return STUN_ATTR_HEADER_BYTES + ((length + 3) & ~(size_t)3);
}

// RFC 8489 section 14.8, with an empty reason phrase.
static void write_bare_error(struct stun_writer *w, enum stun_err code)
{
	stun_write_u32(w, STUN_ATTR_ERROR_CODE, (uint32_t)code / 100 << 8 | (uint32_t)code % 100);
}

static void write_algorithms(struct stun_writer *w)
{
	uint8_t *at = stun_write_reserve(
		w, STUN_ATTR_PASSWORD_ALGORITHMS, STUN_PASSWORD_ALGORITHMS_BYTES);
	if (at)
		stun_password_algorithms(at);
}

void stun_write_challenge(struct stun_writer *w, enum stun_err code, const char *realm,
	const char *server_name, const char nonce[TP_NONCE_CHARS], uint32_t features,
	size_t after_bytes, size_t max_bytes)
{
	bool algorithms = features & STUN_FEATURE_PASSWORD_ALGORITHMS;
	size_t realm_length = strlen(realm);
	size_t third_party = server_name ? attr_bytes(strlen(server_name)) : 0;
	size_t bare = w->length + attr_bytes(4) + attr_bytes(realm_length) +
		      attr_bytes(TP_NONCE_CHARS) +
		      (algorithms ? attr_bytes(STUN_PASSWORD_ALGORITHMS_BYTES) : 0) + after_bytes;
	// Nobody makes an allocation by less; who has one knows already.
	bool no_allocate =
		max_bytes < STUN_CHALLENGE_MAX_BYTES(STUN_LEAST_ALLOCATE_BYTES + after_bytes);

	if (no_allocate && bare + third_party > max_bytes)
		third_party = 0;
	if (bare + third_party + attr_bytes(4 + strlen(stun_reason(code))) - attr_bytes(4) <=
		max_bytes)
		stun_write_error(w, code);
	else
		write_bare_error(w, code);
	stun_write_attr(w, STUN_ATTR_REALM, realm, realm_length);
	stun_write_attr(w, STUN_ATTR_NONCE, nonce, TP_NONCE_CHARS);
	if (algorithms)
		write_algorithms(w);
	if (third_party > 0)
		stun_write_attr(
			w, STUN_ATTR_THIRD_PARTY_AUTHORIZATION, server_name, strlen(server_name));
}
