// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <string.h>

#include "control/auth/ticket.h"

static const uint8_t key[CTL_TICKET_KEY_BYTES] = {1, 2, 3}, other_key[CTL_TICKET_KEY_BYTES] = {1};
static const uint8_t nonce[CTL_TICKET_NONCE_BYTES] = {7, 8, 9};
static const struct ctl_ticket ticket = {.uid = "allocation 12345",
	.alloc = {.index = 0x01020304, .generation = 0x05060708},
	.counter = 0x090a0b0c,
	.issued_wall_s = UINT64_C(0x1112131415161718)};

static int setup(void **state)
{
	return ctl_crypto_create((struct ctl_crypto **)state);
}

static int teardown(void **state)
{
	ctl_crypto_destroy(*state);
	return 0;
}

static void what_was_sealed_is_opened(void **state)
{
	uint8_t bytes[CTL_TICKET_BYTES];
	struct ctl_ticket out = {};
	assert_int_equal(ctl_ticket_seal(*state, key, nonce, &ticket, bytes), 0);
	assert_true(ctl_ticket_open(*state, key, bytes, sizeof(bytes), &out));
	assert_memory_equal(&out, &ticket, sizeof(ticket));
}

static void another_key_does_not_open(void **state)
{
	uint8_t bytes[CTL_TICKET_BYTES];
	struct ctl_ticket out = {}, nothing = {};
	assert_int_equal(ctl_ticket_seal(*state, key, nonce, &ticket, bytes), 0);
	assert_false(ctl_ticket_open(*state, other_key, bytes, sizeof(bytes), &out));
	assert_memory_equal(&out, &nothing, sizeof(out));
}

static void no_bit_can_be_changed(void **state)
{
	uint8_t bytes[CTL_TICKET_BYTES];
	struct ctl_ticket out = {}, nothing = {};
	assert_int_equal(ctl_ticket_seal(*state, key, nonce, &ticket, bytes), 0);
	for (size_t bit = 0; bit < 8 * sizeof(bytes); bit++) {
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(ctl_ticket_open(*state, key, bytes, sizeof(bytes), &out));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	assert_memory_equal(&out, &nothing, sizeof(out));
	assert_true(ctl_ticket_open(*state, key, bytes, sizeof(bytes), &out));
}

static void no_other_length_is_read(void **state)
{
	uint8_t bytes[CTL_TICKET_BYTES + 1] = {};
	struct ctl_ticket out;
	assert_int_equal(ctl_ticket_seal(*state, key, nonce, &ticket, bytes), 0);
	for (size_t len = 0; len <= sizeof(bytes); len++)
		assert_int_equal(
			ctl_ticket_open(*state, key, bytes, len, &out), len == CTL_TICKET_BYTES);
	assert_false(ctl_ticket_open(*state, key, NULL, 0, &out));
}

// Section 5: nothing can be gleaned by looking at the ticket.
static void nothing_shows(void **state)
{
	uint8_t one[CTL_TICKET_BYTES], two[CTL_TICKET_BYTES];
	uint8_t next[CTL_TICKET_NONCE_BYTES];
	memcpy(next, nonce, sizeof(next));
	for (size_t at = 0; at < sizeof(next);
		at += 23) { // the half of the key, the half of the IV
		next[at] ^= 1;
		assert_int_equal(ctl_ticket_seal(*state, key, nonce, &ticket, one), 0);
		assert_int_equal(ctl_ticket_seal(*state, key, next, &ticket, two), 0);
		unsigned int same = 0;
		for (size_t i = 28; i < CTL_TICKET_BYTES; i++)
			same += one[i] == two[i];
		assert_true(same < 8);
	}
	for (size_t i = 28; i + 4 <= 64; i++)
		assert_memory_not_equal(one + i, ticket.uid, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_sealed_is_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(another_key_does_not_open, setup, teardown),
		cmocka_unit_test_setup_teardown(no_bit_can_be_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(no_other_length_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_shows, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
