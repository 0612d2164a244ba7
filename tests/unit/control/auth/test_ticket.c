// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka wants the above first.
#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "control/auth/ticket.h"

static const uint8_t key[CTL_TICKET_KEY_BYTES] = {1, 2, 3}, other_key[CTL_TICKET_KEY_BYTES] = {1};
static const struct ctl_ticket ticket = {
	.alloc = {.index = 0x01020304, .generation = 0x05060708}, .counter = 0x090a0b0c};

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
	uint8_t bytes[CTL_TICKET_CHARS];
	struct ctl_ticket out = {};
	assert_int_equal(ctl_ticket_seal(*state, key, &ticket, bytes), 0);
	assert_true(ctl_ticket_open(*state, key, bytes, sizeof(bytes), &out));
	assert_memory_equal(&out, &ticket, sizeof(ticket));
}

static void another_key_does_not_open(void **state)
{
	uint8_t bytes[CTL_TICKET_CHARS];
	struct ctl_ticket out = {}, nothing = {};
	assert_int_equal(ctl_ticket_seal(*state, key, &ticket, bytes), 0);
	assert_false(ctl_ticket_open(*state, other_key, bytes, sizeof(bytes), &out));
	assert_memory_equal(&out, &nothing, sizeof(out));
}

static void no_bit_can_be_changed(void **state)
{
	uint8_t bytes[CTL_TICKET_CHARS];
	struct ctl_ticket out = {}, nothing = {};
	assert_int_equal(ctl_ticket_seal(*state, key, &ticket, bytes), 0);
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
	uint8_t bytes[CTL_TICKET_CHARS + 1] = {};
	struct ctl_ticket out;
	assert_int_equal(ctl_ticket_seal(*state, key, &ticket, bytes), 0);
	for (size_t len = 0; len <= sizeof(bytes); len++)
		assert_int_equal(
			ctl_ticket_open(*state, key, bytes, len, &out), len == CTL_TICKET_CHARS);
	assert_false(ctl_ticket_open(*state, key, NULL, 0, &out));
}

// Section 5: nothing can be gleaned by looking at the ticket, nor at one beside the next.
static void nothing_shows(void **state)
{
	uint8_t one[CTL_TICKET_CHARS], two[CTL_TICKET_CHARS];
	struct ctl_ticket next = ticket;

	assert_int_equal(ctl_ticket_seal(*state, key, &ticket, one), 0);
	for (int which = 0; which < 3; which++) {
		next = ticket;
		*(which == 0         ? &next.counter
			: which == 1 ? &next.alloc.index
				     : &next.alloc.generation) += 1;
		assert_int_equal(ctl_ticket_seal(*state, key, &next, two), 0);
		unsigned int same = 0;
		for (size_t i = 0; i < sizeof(one); i++)
			same += one[i] == two[i];
		assert_true(same < 8);
	}
}

// So that a request which is answered twice has one ticket.
static void the_same_is_sealed_alike(void **state)
{
	uint8_t one[CTL_TICKET_CHARS], two[CTL_TICKET_CHARS];
	assert_int_equal(ctl_ticket_seal(*state, key, &ticket, one), 0);
	assert_int_equal(ctl_ticket_seal(*state, key, &ticket, two), 0);
	assert_memory_equal(one, two, sizeof(one));
	assert_int_equal(ctl_ticket_seal(*state, other_key, &ticket, two), 0);
	assert_memory_not_equal(one, two, sizeof(one));
}

// What coturn's client can keep: a C string of 32 characters.
static void it_is_text(void **state)
{
	uint8_t text[CTL_TICKET_CHARS];
	struct ctl_ticket says = ticket;
	for (uint32_t i = 0; i < 1000; i++) {
		says.counter = i;
		assert_int_equal(ctl_ticket_seal(*state, key, &says, text), 0);
		for (size_t c = 0; c < sizeof(text); c++)
			assert_true(isalnum(text[c]) || text[c] == '+' || text[c] == '/');
	}
	assert_int_equal(sizeof(text), 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_sealed_is_opened, setup, teardown),
		cmocka_unit_test_setup_teardown(another_key_does_not_open, setup, teardown),
		cmocka_unit_test_setup_teardown(no_bit_can_be_changed, setup, teardown),
		cmocka_unit_test_setup_teardown(no_other_length_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_shows, setup, teardown),
		cmocka_unit_test_setup_teardown(the_same_is_sealed_alike, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_text, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
