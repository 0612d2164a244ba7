// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
// After those.
#include <cmocka.h>

#include "common/wire/stun_read.h"

static const char nonce[TP_NONCE_CHARS + 1] = "obMatJos2wAAAabcdefghijklmnop";

struct built {
	uint8_t bytes[1900];
	struct stun_message message;
};

static void build_for(struct built *b, const char *realm, const char *server_name,
	uint32_t features, size_t max_bytes)
{
	static const uint8_t id[12] = "0123456789a";
	struct stun_writer w;
	stun_write_begin(&w, b->bytes, sizeof(b->bytes), STUN_ERROR, STUN_ALLOCATE, id);
	stun_write_challenge(
		&w, STUN_ERR_UNAUTHENTICATED, realm, server_name, nonce, features, 0, max_bytes);
	int length = stun_write_finish(&w);
	assert_true(length > 0);
	assert_int_equal(stun_read(b->bytes, (size_t)length, &b->message), STUN_READ_OK);
}

static void build(struct built *b, const char *realm, uint32_t features, size_t max_bytes)
{
	build_for(b, realm, NULL, features, max_bytes);
}

static struct stun_attr find(const struct built *b, uint16_t type)
{
	struct stun_attr a;
	assert_true(stun_find(&b->message, type, &a));
	return a;
}

static void carries_what_the_client_needs(void **state)
{
	static const uint8_t sha256_then_md5[8] = {0, 2, 0, 0, 0, 1, 0, 0};
	struct built b;
	build(&b, "example.org", STUN_FEATURE_PASSWORD_ALGORITHMS, SIZE_MAX);
	struct stun_attr a = find(&b, STUN_ATTR_ERROR_CODE);
	assert_int_equal(a.length, 4 + strlen("Unauthenticated"));
	assert_memory_equal(a.value, "\0\0\4\1Unauthenticated", a.length);
	a = find(&b, STUN_ATTR_REALM);
	assert_int_equal(a.length, 11);
	assert_memory_equal(a.value, "example.org", 11);
	a = find(&b, STUN_ATTR_NONCE);
	assert_int_equal(a.length, TP_NONCE_CHARS);
	assert_memory_equal(a.value, nonce, TP_NONCE_CHARS);
	assert_false(stun_find(&b.message, STUN_ATTR_THIRD_PARTY_AUTHORIZATION, &a));
	a = find(&b, STUN_ATTR_PASSWORD_ALGORITHMS);
	assert_int_equal(a.length, 8);
	assert_memory_equal(a.value, sha256_then_md5, 8);
}

static void algorithms_go_with_their_bit(void **state)
{
	struct built b;
	struct stun_attr a;
	build(&b, "example.org", STUN_FEATURE_USERNAME_ANONYMITY, SIZE_MAX);
	assert_false(stun_find(&b.message, STUN_ATTR_PASSWORD_ALGORITHMS, &a));
}

// The least Allocate has a REQUESTED-TRANSPORT: 28 bytes of STUN, 56 with its headers.
static void answers_at_most_two_and_a_half_times_the_request(void **state)
{
	static const char thirty_two[] = "a-realm-of-exactly-32-characters";
	struct built b;
	size_t most = STUN_CHALLENGE_MAX_BYTES(28);
	assert_int_equal(most + 28, 140);
	build(&b, "example.org", STUN_FEATURE_PASSWORD_ALGORITHMS, most);
	assert_int_equal(b.message.length, 108);
	assert_int_equal(find(&b, STUN_ATTR_ERROR_CODE).length, 19);
	build(&b, thirty_two, STUN_FEATURE_PASSWORD_ALGORITHMS, most);
	assert_int_equal(b.message.length, most);
	struct stun_attr error = find(&b, STUN_ATTR_ERROR_CODE);
	assert_int_equal(error.length, 4); // no reason phrase
	assert_memory_equal(error.value, "\0\0\4\1", 4);
}

// RFC 7635 section 6.1: with everything else. 28 bytes of realm and server name fit the bound; the
// reason phrase gives way. Beyond them nothing is left out: a client needs all of it.
static void names_the_server_of_third_party_authorization(void **state)
{
	struct built b;
	size_t most = STUN_CHALLENGE_MAX_BYTES(28);
	build_for(&b, "example.org", "turn.example.org", STUN_FEATURE_PASSWORD_ALGORITHMS, most);
	assert_int_equal(b.message.length, most);
	struct stun_attr a = find(&b, STUN_ATTR_THIRD_PARTY_AUTHORIZATION);
	assert_int_equal(a.type, 0x802e);
	assert_int_equal(a.length, 16);
	assert_memory_equal(a.value, "turn.example.org", 16);
	find(&b, STUN_ATTR_REALM);
	find(&b, STUN_ATTR_NONCE);
	find(&b, STUN_ATTR_PASSWORD_ALGORITHMS);
	assert_int_equal(find(&b, STUN_ATTR_ERROR_CODE).length, 4);
	build_for(
		&b, "example.org", "turn.example.org", STUN_FEATURE_PASSWORD_ALGORITHMS, most + 16);
	assert_int_equal(find(&b, STUN_ATTR_ERROR_CODE).length, 19);
	build_for(&b, "example.org", "turn1.example.org", STUN_FEATURE_PASSWORD_ALGORITHMS, most);
	assert_int_equal(b.message.length, most + 4);
	assert_int_equal(find(&b, STUN_ATTR_THIRD_PARTY_AUTHORIZATION).length, 17);
	assert_int_equal(find(&b, STUN_ATTR_PASSWORD_ALGORITHMS).length, 8);
}

// What is shorter than an Allocate comes from no client that wants an allocation.
static void names_it_to_nobody_who_asks_for_nothing(void **state)
{
	struct built b;
	struct stun_attr a;
	build_for(&b, "example.org", "turn.example.org", STUN_FEATURE_PASSWORD_ALGORITHMS,
		STUN_CHALLENGE_MAX_BYTES(20));
	assert_int_equal(b.message.length, STUN_CHALLENGE_MAX_BYTES(20));
	assert_false(stun_find(&b.message, STUN_ATTR_THIRD_PARTY_AUTHORIZATION, &a));
	build_for(&b, "r", "t", STUN_FEATURE_PASSWORD_ALGORITHMS, STUN_CHALLENGE_MAX_BYTES(20));
	assert_true(b.message.length <= STUN_CHALLENGE_MAX_BYTES(20));
	find(&b, STUN_ATTR_THIRD_PARTY_AUTHORIZATION); // where it fits it is there
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(carries_what_the_client_needs),
		cmocka_unit_test(algorithms_go_with_their_bit),
		cmocka_unit_test(answers_at_most_two_and_a_half_times_the_request),
		cmocka_unit_test(names_the_server_of_third_party_authorization),
		cmocka_unit_test(names_it_to_nobody_who_asks_for_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
