// SPDX-License-Identifier: BSD-3-Clause
// Access tokens of RFC 7635. The input is taken for a token, so that what stands before decryption
// is reached; and it is sealed with the right key as the inside of one, as only an authorization
// server can, so that what stands behind it is reached. Its first byte chooses the kid and the
// hour. Where it reads as a STUN message with an integrity attribute, the first byte chooses the
// form of the session key, and the message is verified as it came and once it is signed.
#include <errno.h>
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

	FUZZ_CHECK(ctl_oauth_result_name(result) && ctl_oauth_result_help(result));
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

// The key as clients use it: whole, its SHA-1, its first 16 bytes, another one.
enum form {
	FORM_WHOLE,
	FORM_SHA1,
	FORM_CUT,
	FORM_OTHER,
};

static struct ctl_key form_of(const struct ctl_key *mac_key, enum form form)
{
	struct ctl_key key = *mac_key;

	if (form == FORM_SHA1) {
		key = (struct ctl_key){.length = CTL_INTEGRITY_BYTES};
		FUZZ_CHECK(EVP_Q_digest(NULL, "SHA1", NULL, mac_key->bytes, mac_key->length,
				   key.bytes, NULL) == 1);
	} else if (form == FORM_CUT) {
		key = (struct ctl_key){.length = 16};
		memcpy(key.bytes, mac_key->bytes, key.length);
	} else if (form == FORM_OTHER) {
		key.bytes[0] ^= 1;
	}
	return key;
}

// Over the message up to the attribute, with a length that ends with it.
static void sign(struct ctl_crypto *crypto, uint8_t *bytes, const struct stun_attr *mi,
	const struct ctl_key *key)
{
	uint8_t digest[CTL_INTEGRITY_SHA256_BYTES] = {0}, length[2];

	memcpy(length, bytes + 2, sizeof(length));
	tp_wr16(bytes + 2,
		(uint16_t)(mi->offset + STUN_ATTR_HEADER_BYTES + mi->length - STUN_HEADER_BYTES));
	if (mi->type == STUN_ATTR_MESSAGE_INTEGRITY)
		FUZZ_CHECK(ctl_crypto_hmac_sha1(crypto, key->bytes, key->length, bytes, mi->offset,
				   digest) == 0);
	else
		FUZZ_CHECK(ctl_crypto_hmac_sha256(crypto, key->bytes, key->length, bytes,
				   mi->offset, digest) == 0);
	memcpy(bytes + 2, length, sizeof(length));
	memcpy(bytes + mi->offset + STUN_ATTR_HEADER_BYTES, digest,
		mi->length < sizeof(digest) ? mi->length : sizeof(digest));
}

static bool accepts(
	bool cut_keys, const struct stun_attr *mi, const struct ctl_key *mac_key, enum form form)
{
	if (mi->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256)
		return mi->length == CTL_INTEGRITY_SHA256_BYTES && form == FORM_WHOLE;
	return mi->length == CTL_INTEGRITY_BYTES &&
	       (form == FORM_WHOLE ||
		       (form == FORM_SHA1 && mac_key->length > CTL_INTEGRITY_BYTES) ||
		       (form == FORM_CUT && cut_keys));
}

static void check_integrity(struct ctl_oauth *o, uint8_t how, const uint8_t *data, size_t size)
{
	static struct ctl_crypto *crypto;
	struct ctl_key mac_key = {.bytes = "a session key of the target", .length = 20}, key, out;
	enum form form = how >> 2 & 3;
	struct stun_message m;
	struct stun_attr mi;

	if (!crypto)
		FUZZ_CHECK(ctl_crypto_create(&crypto) == 0);
	if (stun_read(data, size, &m) != STUN_READ_OK ||
		!(stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY, &mi) ||
			stun_find(&m, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, &mi)))
		return;
	if (how & 16)
		ctl_oauth_take_cut_keys(o);
	if (how & 32)
		mac_key.length = 32;
	else
		memset(mac_key.bytes + mac_key.length, 0, sizeof(mac_key.bytes) - mac_key.length);
	if (ctl_oauth_integrity_ok(o, &m, &mi, &mac_key, &out))
		FUZZ_CHECK(ctl_integrity_ok(crypto, &m, &mi, out.bytes, out.length));
	key = form_of(&mac_key, form);
	uint8_t *copy = malloc(m.length);
	FUZZ_CHECK(copy);
	memcpy(copy, m.bytes, m.length);
	sign(crypto, copy, &mi, &key);
	mi.value = copy + (mi.value - m.bytes);
	m.bytes = copy;
	bool ok = ctl_oauth_integrity_ok(o, &m, &mi, &mac_key, &out);
	FUZZ_CHECK(ok == accepts(how & 16, &mi, &mac_key, form));
	FUZZ_CHECK(!ok || ctl_oauth_same_key(&key, &out));
	free(copy);
}

// Keys that cannot serve are refused, and leave nothing behind.
static void check_keys(const uint8_t *data, size_t size)
{
	char kid[CTL_OAUTH_KID_BYTES + 3];
	size_t n = size < sizeof(kid) - 1 ? size : sizeof(kid) - 1;
	struct ctl_oauth *o;

	memcpy(kid, data, n);
	kid[n] = '\0';
	const struct ctl_oauth_key both[] = {keys[0], {.kid = kid}};
	int rc = ctl_oauth_create(SERVER_NAME, both, 2, &o);
	bool right = kid[0] && strlen(kid) <= CTL_OAUTH_KID_BYTES && strcmp(kid, keys[0].kid) != 0;
	FUZZ_CHECK(rc == (right ? 0 : -EINVAL) && right == (o != NULL));
	ctl_oauth_destroy(o);
	FUZZ_CHECK(ctl_oauth_create(SERVER_NAME, keys, 0, &o) == -EINVAL && !o);
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
	FUZZ_CHECK(strcmp(ctl_oauth_server_name(o), SERVER_NAME) == 0);
	check_keys(data + 1, size - 1);
	verify(o, kid, data + 1, size - 1, wall_ns, &t);
	check_integrity(o, data[0], data + 1, size - 1);
	if (size - 1 <= INSIDE_MOST) {
		size_t n = seal(k, data + 1, size - 1, sealed);
		if (verify(o, k->kid, sealed, n, wall_ns, &t) == CTL_OAUTH_accepted) {
			check_inside(data + 1, size - 1, &t);
			fuzz_canary(data + size);
		}
	}
	ctl_oauth_destroy(o);
}
