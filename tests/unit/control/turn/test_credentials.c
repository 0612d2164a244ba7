// SPDX-License-Identifier: BSD-3-Clause
// RFC 8489 section 9.2.4 beyond RFC 5389. Keys, hashes and HMACs come from libcrypto here, not from
// what is tested.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/unit/control/turn/client.h"

static const uint8_t both[8] = {0, 2, 0, 0, 0, 1, 0, 0};
static const uint8_t sha256_one[4] = {0, 2, 0, 0};
static const uint8_t md5_one[4] = {0, 1, 0, 0};

// What a request says of itself; NULL or 0 leaves it out.
struct credentials {
	const void *algorithms, *algorithm;
	size_t algorithms_length, algorithm_length;
	bool sha256_key;        // else MD5
	bool mi, hashed, named; // MESSAGE-INTEGRITY, USERHASH, USERNAME
	size_t mi256;           // bytes of MESSAGE-INTEGRITY-SHA256
	uint16_t after;         // type of an attribute that follows integrity
	uint8_t after_value[8];
	size_t after_length;
};

static const struct credentials full = {.algorithms = both,
	.algorithms_length = 8,
	.algorithm = sha256_one,
	.algorithm_length = 4,
	.sha256_key = true,
	.named = true,
	.mi256 = 32};

static void make_key(struct relay *r, bool sha256, uint8_t key[32], unsigned int *length)
{
	char text[128];
	int n = snprintf(text, sizeof(text), "%s:" RELAY_REALM ":%s", r->user, r->password);
	assert_int_equal(
		EVP_Digest(text, (size_t)n, key, length, sha256 ? EVP_sha256() : EVP_md5(), NULL),
		1);
}

// HMAC over bytes up to `end`, Message Length ending after `value` bytes more.
static void mac(const EVP_MD *md, const uint8_t *key, unsigned int key_length, const uint8_t *bytes,
	size_t end, size_t value, uint8_t out[32])
{
	uint8_t copy[CTL_REQUEST_MAX_BYTES + 100];
	memcpy(copy, bytes, end);
	tp_wr16(copy + 2, (uint16_t)(end + 4 + value - 20));
	assert_non_null(HMAC(md, key, (int)key_length, copy, end, out, NULL));
}

// The code of the answer to a request begun, -1 when there was none.
static int code_with(struct relay *r, const struct credentials *c)
{
	uint8_t key[32], hash[32], digest[32];
	unsigned int key_length;
	char text[64];
	make_key(r, c->sha256_key, key, &key_length);
	if (c->named)
		stun_write_attr(&r->writer, STUN_ATTR_USERNAME, r->user, strlen(r->user));
	if (c->hashed) {
		int n = snprintf(text, sizeof(text), "%s:" RELAY_REALM, r->user);
		EVP_Digest(text, (size_t)n, hash, NULL, EVP_sha256(), NULL);
		stun_write_attr(&r->writer, STUN_ATTR_USERHASH, hash, 32);
	}
	stun_write_attr(&r->writer, STUN_ATTR_REALM, RELAY_REALM, strlen(RELAY_REALM));
	stun_write_attr(&r->writer, STUN_ATTR_NONCE, r->nonce, r->nonce_length);
	if (c->algorithms)
		stun_write_attr(&r->writer, STUN_ATTR_PASSWORD_ALGORITHMS, c->algorithms,
			c->algorithms_length);
	if (c->algorithm)
		stun_write_attr(&r->writer, STUN_ATTR_PASSWORD_ALGORITHM, c->algorithm,
			c->algorithm_length);
	if (c->mi) {
		mac(EVP_sha1(), key, key_length, r->bytes, r->writer.length, 20, digest);
		stun_write_attr(&r->writer, STUN_ATTR_MESSAGE_INTEGRITY, digest, 20);
	}
	if (c->mi256) {
		mac(EVP_sha256(), key, key_length, r->bytes, r->writer.length, c->mi256, digest);
		stun_write_attr(&r->writer, STUN_ATTR_MESSAGE_INTEGRITY_SHA256, digest, c->mi256);
	}
	if (c->after)
		stun_write_attr(&r->writer, c->after, c->after_value, c->after_length);
	request_finish(r);
	r->n_sent = 0;
	return request_send(r) ? sent_code(last_sent(r)) : -1;
}

static int allocate_with(struct relay *r, const struct credentials *c)
{
	relay_challenge(r);
	request_allocate(r);
	return code_with(r, c);
}

static bool answer_has(struct relay *r, uint16_t type)
{
	struct stun_attr a;
	return stun_find(&last_sent(r)->message, type, &a);
}

// The answer carries the one integrity that it should, right, and not the other.
static void check_integrity(struct relay *r, bool sha256_key, bool sha256)
{
	const struct sent *s = last_sent(r);
	struct stun_attr a;
	uint8_t key[32], digest[32];
	unsigned int key_length;
	make_key(r, sha256_key, key, &key_length);
	assert_int_equal(answer_has(r, STUN_ATTR_MESSAGE_INTEGRITY), !sha256);
	assert_int_equal(answer_has(r, STUN_ATTR_MESSAGE_INTEGRITY_SHA256), sha256);
	stun_find(&s->message,
		sha256 ? STUN_ATTR_MESSAGE_INTEGRITY_SHA256 : STUN_ATTR_MESSAGE_INTEGRITY, &a);
	assert_int_equal(a.length, sha256 ? 32 : 20);
	mac(sha256 ? EVP_sha256() : EVP_sha1(), key, key_length, s->bytes, a.offset, a.length,
		digest);
	assert_memory_equal(a.value, digest, a.length);
	assert_false(answer_has(r, STUN_ATTR_USERNAME));
	assert_false(answer_has(r, STUN_ATTR_USERHASH));
	assert_false(answer_has(r, STUN_ATTR_NONCE));
	assert_false(answer_has(r, STUN_ATTR_REALM));
}

static void challenge_offers_algorithms(void **state)
{
	struct relay *r = *state;
	struct stun_attr a;
	relay_challenge(r);
	// No username anonymity: a hash would not find time-limited users.
	assert_memory_equal(r->nonce, "obMatJos2gAAA", 13);
	assert_true(stun_find(&last_sent(r)->message, STUN_ATTR_PASSWORD_ALGORITHMS, &a));
	assert_int_equal(a.length, 8);
	assert_memory_equal(a.value, both, 8);
	assert_true(last_sent(r)->length + 28 <= (r->length + 28) * 5 / 2);
}

static void sha256_is_answered_with_sha256(void **state)
{
	struct relay *r = *state;
	assert_int_equal(allocate_with(r, &full), 0);
	check_integrity(r, true, true);
	request_begin(r, STUN_REFRESH);
	stun_write_attr(&r->writer, 0x7ffe, "x", 1); // errors, too
	assert_int_equal(code_with(r, &full), 420);
	check_integrity(r, true, true);
}

// RFC 8489 sections 14.5 and 14.6: what somebody on the way appends is not the client's wish.
static void after_either_integrity_nothing_counts(void **state)
{
	struct relay *r = *state;
	struct credentials old = {.named = true, .mi = true}, kinds[2] = {full, old};
	for (int i = 0; i < 2; i++) {
		struct credentials c = kinds[i];
		r->client.port++;
		assert_int_equal(allocate_with(r, &c), 0);
		c.after = STUN_ATTR_LIFETIME; // 0
		c.after_length = 4;
		request_begin(r, STUN_REFRESH);
		assert_int_equal(code_with(r, &c), 0);
		assert_int_equal(sent_lifetime(last_sent(r)), 600);
		assert_non_null(relay_allocation(r));
		// 198.19.0.2, which nobody asked for.
		c.after = STUN_ATTR_XOR_PEER_ADDRESS;
		c.after_length = 8;
		memcpy(c.after_value,
			(const uint8_t[8]){0, 1, 0, 0, 198 ^ 0x21, 19 ^ 0x12, 0xa4, 2 ^ 0x42}, 8);
		request_begin(r, STUN_CREATE_PERMISSION);
		request_peer(r, "198.19.0.1", 0);
		assert_int_equal(code_with(r, &c), 0);
		assert_int_equal(relay_allocation(r)->peers, 1);
		request_begin(r, STUN_CREATE_PERMISSION);
		assert_int_equal(code_with(r, &c), 400); // no peer at all
		c.after = 0x7abc;                        // not even unknown
		request_begin(r, STUN_REFRESH);
		assert_int_equal(code_with(r, &c), 0);
	}
}

static void md5_chosen_from_the_list(void **state)
{
	struct relay *r = *state;
	struct credentials c = full;
	c.algorithm = md5_one;
	c.sha256_key = false;
	assert_int_equal(allocate_with(r, &c), 0);
	check_integrity(r, false, true);
}

static void without_algorithms_md5_and_sha1(void **state)
{
	struct relay *r = *state;
	struct credentials c = {.named = true, .mi = true};
	assert_int_equal(allocate_with(r, &c), 0);
	check_integrity(r, false, false);
	// Section 9.2.4: the key decides the answer's kind, not the request's integrity.
	c = (struct credentials){.named = true, .mi256 = 32};
	request_begin(r, STUN_REFRESH);
	assert_int_equal(code_with(r, &c), 0);
	check_integrity(r, false, false);
	c.sha256_key = true;
	request_begin(r, STUN_REFRESH);
	assert_int_equal(code_with(r, &c), 401);
}

static void with_both_integrities_sha256_counts(void **state)
{
	struct relay *r = *state;
	struct credentials c = full;
	c.mi = true;
	assert_int_equal(allocate_with(r, &c), 0);
	check_integrity(r, true, true);
	// A right MESSAGE-INTEGRITY does not save a wrong MESSAGE-INTEGRITY-SHA256.
	request_begin(r, STUN_REFRESH);
	assert_int_equal(code_with(r, &c), 0);
	r->bytes[r->length - 1] ^= 1;
	r->n_sent = 0;
	assert_int_equal(request_send(r), 1);
	assert_int_equal(sent_code(last_sent(r)), 401);
}

static void truncation_is_not_for_turn(void **state)
{
	struct relay *r = *state;
	struct credentials c = full;
	for (size_t n = 4; n <= 32; n += 4) {
		c.mi256 = n;
		assert_int_equal(allocate_with(r, &c), n < 16 ? 400 : n < 32 ? 401 : 0);
	}
}

static void userhash_names_the_user(void **state)
{
	struct relay *r = *state;
	struct credentials c = full;
	c.named = false;
	c.hashed = true;
	assert_int_equal(allocate_with(r, &c), 0);
	check_integrity(r, true, true);
	uint8_t user[CTL_USER_MAX_BYTES];
	assert_int_equal(ctl_allocation_user(r->w.store, relay_allocation(r), user), 5);
	assert_memory_equal(user, "alice", 5);
	request_begin(r, STUN_REFRESH); // the same user by name
	assert_int_equal(code_with(r, &full), 0);
	r->user = "bob";
	r->password = "build";
	request_begin(r, STUN_REFRESH);
	assert_int_equal(code_with(r, &c), 441);
	c.named = true; // either, not both
	request_begin(r, STUN_REFRESH);
	assert_int_equal(code_with(r, &c), 400);
	c.named = c.hashed = false;
	request_begin(r, STUN_REFRESH);
	assert_int_equal(code_with(r, &c), 400);
}

// Same bytes but for the nonce's tag: nobody learns which hashes are users.
static void unknown_hash_and_wrong_password_look_the_same(void **state)
{
	struct relay *r = *state;
	struct credentials c = full;
	uint8_t unknown[CTL_RESPONSE_MAX_BYTES];
	c.named = false;
	c.hashed = true;
	r->user = "nobody";
	assert_int_equal(allocate_with(r, &c), 401);
	size_t length = last_sent(r)->length;
	memcpy(unknown, last_sent(r)->bytes, length);
	r->user = "alice";
	r->password = "wrong";
	assert_int_equal(allocate_with(r, &c), 401);
	assert_int_equal(last_sent(r)->length, length);
	memset(unknown + 8, 0, 12); // the transaction id
	uint8_t wrong[CTL_RESPONSE_MAX_BYTES];
	memcpy(wrong, last_sent(r)->bytes, length);
	memset(wrong + 8, 0, 12);
	assert_memory_equal(wrong, unknown, length);
	assert_true(answer_has(r, STUN_ATTR_PASSWORD_ALGORITHMS));
}

// Section 9.2.4, third check: 400 without integrity.
static void algorithms_that_were_not_offered_so(void **state)
{
	static const uint8_t reversed[8] = {0, 1, 0, 0, 0, 2, 0, 0};
	static const uint8_t none_such[4] = {0, 3, 0, 0}, with_parameter[8] = {0, 2, 0, 1};
	struct relay *r = *state;
	struct credentials bad[8];
	for (int i = 0; i < 8; i++)
		bad[i] = full;
	bad[0].algorithms = NULL;
	bad[1].algorithm = NULL;
	bad[2].algorithms = reversed;
	bad[3].algorithms = md5_one; // SHA-256 taken out on the way
	bad[3].algorithms_length = 4;
	bad[3].algorithm = md5_one;
	bad[3].sha256_key = false;
	bad[4].algorithm = none_such;
	bad[5].algorithm = with_parameter;
	bad[5].algorithm_length = 8;
	bad[6].algorithm_length = 0;
	bad[7].algorithms_length = 0;
	for (int i = 0; i < 8; i++) {
		assert_int_equal(allocate_with(r, &bad[i]), 400);
		assert_false(answer_has(r, STUN_ATTR_MESSAGE_INTEGRITY));
		assert_false(answer_has(r, STUN_ATTR_MESSAGE_INTEGRITY_SHA256));
		assert_false(answer_has(r, STUN_ATTR_NONCE));
	}
}

// Somebody takes the bit out of the cookie and the list out of the 401: the client falls back to
// MD5, and its nonce is not ours.
static void bid_down_ends_at_the_nonce(void **state)
{
	struct relay *r = *state;
	struct credentials c = {.named = true, .mi = true};
	relay_challenge(r);
	memcpy(r->nonce, "obMatJos2AAAA", 13);
	request_allocate(r);
	assert_int_equal(code_with(r, &c), 438);
	assert_true(answer_has(r, STUN_ATTR_PASSWORD_ALGORITHMS));
	learn_nonce(r, last_sent(r));
	assert_memory_equal(r->nonce, "obMatJos2gAAA", 13);
	request_allocate(r);
	assert_int_equal(code_with(r, &full), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, relay_setup, relay_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(challenge_offers_algorithms),
		TEST(sha256_is_answered_with_sha256),
		TEST(after_either_integrity_nothing_counts),
		TEST(md5_chosen_from_the_list),
		TEST(without_algorithms_md5_and_sha1),
		TEST(with_both_integrities_sha256_counts),
		TEST(truncation_is_not_for_turn),
		TEST(userhash_names_the_user),
		TEST(unknown_hash_and_wrong_password_look_the_same),
		TEST(algorithms_that_were_not_offered_so),
		TEST(bid_down_ends_at_the_nonce),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
