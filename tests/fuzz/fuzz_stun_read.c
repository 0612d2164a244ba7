// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/stun_read.h"
#include "common/wire/stun_write.h"
#include "tests/fuzz/fuzz.h"

// All questions that the reader answers about one attribute.
static void check_attr(const struct stun_message *m, const struct stun_attr *a)
{
	struct stun_attr first;
	struct tp_addr addr;

	FUZZ_CHECK(fuzz_inside(a->value, a->length, m->bytes, m->length));
	if (stun_find(m, a->type, &first))
		FUZZ_CHECK(first.type == a->type && first.offset <= m->length - 4);
	if (stun_read_address(a, &addr))
		FUZZ_CHECK(tp_ip_length(&addr.ip) > 0);
	if (stun_read_xor_address(a, m->transaction_id, &addr))
		FUZZ_CHECK(stun_attr_name(a->type) == NULL || a->length % 4 == 0);
	stun_attr_length_ok(a);
	if (a->type == STUN_ATTR_LIFETIME)
		fuzz_canary(m->bytes + m->length);
}

// The writer makes the same message of what the reader saw, and ours can be read again.
static void check_written_again(const struct stun_message *m)
{
	uint8_t *copy = malloc(m->length);
	struct stun_message again;
	struct stun_writer w;
	struct stun_attr a, b;
	uint16_t at = STUN_HEADER_BYTES, at_again = STUN_HEADER_BYTES;

	stun_write_begin(&w, copy, m->length, m->class, m->method, m->transaction_id);
	while (stun_next_attr(m, &at, &a))
		stun_write_attr(&w, a.type, a.value, a.length);
	FUZZ_CHECK(stun_write_finish(&w) == m->length);
	FUZZ_CHECK(stun_read(copy, m->length, &again) == STUN_READ_OK);
	FUZZ_CHECK(again.type == m->type);
	at = STUN_HEADER_BYTES;
	while (stun_next_attr(m, &at, &a)) {
		FUZZ_CHECK(stun_next_attr(&again, &at_again, &b));
		FUZZ_CHECK(a.type == b.type && a.length == b.length && a.offset == b.offset);
		FUZZ_CHECK(memcmp(a.value, b.value, a.length) == 0);
	}
	FUZZ_CHECK(!stun_next_attr(&again, &at_again, &b));
	free(copy);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct stun_message m;
	struct stun_attr a;
	uint16_t at = STUN_HEADER_BYTES, before = 0, unknown[4];
	size_t n = 0;

	if (stun_read(data, size, &m) != STUN_READ_OK)
		return;
	FUZZ_CHECK(m.bytes == data && m.length == size);
	FUZZ_CHECK(stun_type(m.class, m.method) == m.type);
	while (stun_next_attr(&m, &at, &a)) {
		FUZZ_CHECK(a.offset > before && at > a.offset); // it ends
		before = a.offset;
		if (n++ < 64) // each looks through the whole message
			check_attr(&m, &a);
	}
	FUZZ_CHECK(at == m.length);
	FUZZ_CHECK(stun_unknown_required(&m, unknown, 4) <= n);
	FUZZ_CHECK(!stun_fingerprint_ok(&m) || stun_has_fingerprint(&m));
	check_written_again(&m);
}
