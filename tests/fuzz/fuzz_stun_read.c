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

// All that the writer can say, cut short by its buffer at any place, and read again.
static void check_writer(const struct stun_message *m, const uint16_t *types, size_t n)
{
	size_t capacity = m->transaction_id[0] * (size_t)2;
	uint8_t *buffer = malloc(capacity);
	struct tp_addr addr = {
		.ip = {.family = m->method & 1 ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6}, .port = m->type};
	struct stun_message again;
	struct stun_writer w;
	struct stun_attr a;
	struct tp_addr back;

	memcpy(addr.ip.bytes, m->transaction_id, m->method & 1 ? 4 : 12);
	stun_write_begin(&w, buffer, capacity, STUN_ERROR, m->method, m->transaction_id);
	stun_write_error(&w, m->transaction_id[1] * 3);
	stun_write_address(&w, STUN_ATTR_MAPPED_ADDRESS, &addr);
	stun_write_xor_address(&w, STUN_ATTR_XOR_MAPPED_ADDRESS, &addr);
	stun_write_u32(&w, STUN_ATTR_LIFETIME, m->length);
	stun_write_unknown_attributes(&w, types, n);
	stun_write_fingerprint(&w);
	int length = stun_write_finish(&w);
	FUZZ_CHECK(length <= (int)capacity && (length < 0) == w.overflow);
	if (length > 0) {
		FUZZ_CHECK(stun_read(buffer, (size_t)length, &again) == STUN_READ_OK);
		FUZZ_CHECK(stun_fingerprint_ok(&again));
		FUZZ_CHECK(stun_find(&again, STUN_ATTR_XOR_MAPPED_ADDRESS, &a));
		FUZZ_CHECK(stun_read_xor_address(&a, again.transaction_id, &back));
		FUZZ_CHECK(tp_addr_equal(&addr, &back));
		FUZZ_CHECK(stun_find(&again, STUN_ATTR_MAPPED_ADDRESS, &a));
		FUZZ_CHECK(stun_read_address(&a, &back) && tp_addr_equal(&addr, &back));
	}
	free(buffer);
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
	size_t n_unknown = stun_unknown_required(&m, unknown, 4);
	FUZZ_CHECK(n_unknown <= n);
	stun_method_name(m.method);
	for (uint16_t i = 0; i < 16; i++)
		FUZZ_CHECK(!stun_method_name(i) || stun_method_name(i)[0]);
	FUZZ_CHECK(stun_reason(m.transaction_id[0] * 3) && stun_reason(STUN_OK));
	FUZZ_CHECK(!stun_fingerprint_ok(&m) || stun_has_fingerprint(&m));
	check_written_again(&m);
	check_writer(&m, unknown, n_unknown < 4 ? n_unknown : 4);
}
