// SPDX-License-Identifier: BSD-3-Clause
// Access tokens of RFC 7635. The input is taken for a token, so that what stands before decryption
// is reached; and it is sealed with the right key as the inside of one, as only an authorization
// server can, so that what stands behind it is reached. Its first byte chooses the kid and the
// hour.
#include <openssl/evp.h>

#include "common/base/bytes.h"
#include "common/base/clock.h"
#include "control/auth/oauth.h"
#include "tests/fuzz/fuzz.h"

#define SERVER_NAME "turn.example.org"
#define INSIDE_MOST 256
#define WALL_S      UINT64_C(1700000000)

static const struct ctl_oauth_key keys[] = {
	{.kid = "north", .algorithm = CTL_OAUTH_A256GCM, .key = "0123456789012345678901234567890"},
	{.kid = "union",
		.algorithm = CTL_OAUTH_A128GCM,
		.key = "123456789012345",
		.valid_from_s = WALL_S - 1000,
		.valid_until_s = WALL_S + 1000},
};
static const char *const kids[] = {"north", "union", "south", ""};

static size_t seal(const struct ctl_oauth_key *k, const uint8_t *inside, size_t length,
	uint8_t out[INSIDE_MOST + 30])
{
	static const uint8_t nonce[CTL_OAUTH_NONCE_BYTES] = "fuzz nonce";
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;

	tp_wr16(out, sizeof(nonce));
	memcpy(out + 2, nonce, sizeof(nonce));
	FUZZ_CHECK(
		EVP_EncryptInit_ex(ctx,
			k->algorithm == CTL_OAUTH_A256GCM ? EVP_aes_256_gcm() : EVP_aes_128_gcm(),
			NULL, k->key, nonce) == 1);
	FUZZ_CHECK(EVP_EncryptUpdate(ctx, NULL, &n, (const uint8_t *)SERVER_NAME,
			   sizeof(SERVER_NAME) - 1) == 1);
	FUZZ_CHECK(EVP_EncryptUpdate(ctx, out + 14, &n, inside, (int)length) == 1);
	FUZZ_CHECK(EVP_EncryptFinal_ex(ctx, out + 14 + n, &last) == 1);
	FUZZ_CHECK(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + 14 + length) == 1);
	EVP_CIPHER_CTX_free(ctx);
	return 14 + length + 16;
}

static void check_accepted(const struct ctl_oauth_token *t, const char *kid)
{
	struct ctl_key beyond = t->mac_key;

	FUZZ_CHECK(t->mac_key.length >= CTL_OAUTH_MAC_KEY_MIN);
	FUZZ_CHECK(t->mac_key.length <= CTL_OAUTH_MAC_KEY_MAX);
	memset(beyond.bytes, 0, beyond.length);
	for (size_t i = 0; i < sizeof(beyond.bytes); i++)
		FUZZ_CHECK(beyond.bytes[i] == 0);
	FUZZ_CHECK(t->left_s >= 1 && t->left_s <= t->lifetime_s);
	FUZZ_CHECK(t->identity_length == strlen(kid) + CTL_OAUTH_IDENTITY_MORE);
	FUZZ_CHECK(memcmp(t->identity, kid, strlen(kid)) == 0);
}

static enum ctl_oauth_result verify(struct ctl_oauth *o, const char *kid, const uint8_t *data,
	size_t size, uint64_t wall_ns, struct ctl_oauth_token *t)
{
	static const struct ctl_oauth_token none;
	enum ctl_oauth_result result =
		ctl_oauth_verify(o, kid, strlen(kid), data, size, wall_ns, t);

	FUZZ_CHECK(ctl_oauth_result_name(result));
	if (result == CTL_OAUTH_accepted)
		check_accepted(t, kid);
	else
		FUZZ_CHECK(memcmp(t, &none, sizeof(none)) == 0);
	return result;
}

// The inside once more by hand: accepted means that all of it was what it should be.
static void check_inside(const uint8_t *data, size_t size, const struct ctl_oauth_token *t)
{
	size_t n = t->mac_key.length;

	FUZZ_CHECK(size == 14 + n && tp_rd16(data) == n);
	FUZZ_CHECK(memcmp(data + 2, t->mac_key.bytes, n) == 0);
	FUZZ_CHECK(tp_rd64(data + 2 + n) == t->timestamp);
	FUZZ_CHECK(tp_rd32(data + 10 + n) == t->lifetime_s);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	uint8_t sealed[INSIDE_MOST + 30];
	struct ctl_oauth_token t;
	struct ctl_oauth *o;

	if (size == 0)
		return;
	const char *kid = kids[data[0] & 3];
	uint64_t wall_ns = (WALL_S - 2048 + (data[0] >> 2) * UINT64_C(64)) * TP_NS_PER_S;
	const struct ctl_oauth_key *k = &keys[data[0] & 1];
	FUZZ_CHECK(ctl_oauth_create(SERVER_NAME, keys, 2, &o) == 0);
	verify(o, kid, data + 1, size - 1, wall_ns, &t);
	if (size - 1 <= INSIDE_MOST) {
		size_t n = seal(k, data + 1, size - 1, sealed);
		if (verify(o, k->kid, sealed, n, wall_ns, &t) == CTL_OAUTH_accepted) {
			check_inside(data + 1, size - 1, &t);
			fuzz_canary(data + size);
		}
	}
	ctl_oauth_destroy(o);
}
