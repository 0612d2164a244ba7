// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/stun_write.h"

#include <errno.h>

#include "common/base/bytes.h"
#include "common/wire/fingerprint.h"

static void stun_write_length(struct stun_writer *w)
{
	tp_wr16(w->buffer + 2, (uint16_t)(w->length - STUN_HEADER_BYTES));
}

void stun_write_begin(struct stun_writer *w, void *buffer, size_t capacity, enum stun_class class,
	uint16_t method, const uint8_t transaction_id[12])
{
	*w = (struct stun_writer){.buffer = buffer, .capacity = capacity};
	if (capacity < STUN_HEADER_BYTES) {
		w->overflow = true;
		return;
	}
	tp_wr16(w->buffer, stun_type(class, method));
	tp_wr16(w->buffer + 2, 0);
	tp_wr32(w->buffer + 4, STUN_MAGIC_COOKIE);
	memcpy(w->buffer + 8, transaction_id, STUN_TRANSACTION_ID_BYTES);
	w->length = STUN_HEADER_BYTES;
}

uint8_t *stun_write_reserve(struct stun_writer *w, uint16_t type, size_t length)
{
	size_t most = w->capacity < STUN_MESSAGE_MAX_BYTES ? w->capacity : STUN_MESSAGE_MAX_BYTES;
	size_t padded = (length + 3) & ~(size_t)3;

	// `length` first: the sums below cannot wrap after it.
	if (w->overflow || length > most || STUN_ATTR_HEADER_BYTES + padded > most - w->length) {
		w->overflow = true;
		return NULL;
	}
	uint8_t *value = w->buffer + w->length + STUN_ATTR_HEADER_BYTES;
	tp_wr16(value - 4, type);
	tp_wr16(value - 2, (uint16_t)length);
	memset(value + length, 0, padded - length);
	w->length += STUN_ATTR_HEADER_BYTES + padded;
	stun_write_length(w);
	return value;
}

void stun_write_attr(struct stun_writer *w, uint16_t type, const void *value, size_t length)
{
	uint8_t *at = stun_write_reserve(w, type, length);

	if (at && length > 0)
		memcpy(at, value, length);
}

void stun_write_u32(struct stun_writer *w, uint16_t type, uint32_t value)
{
	uint8_t *at = stun_write_reserve(w, type, sizeof(value));

	if (at)
		tp_wr32(at, value);
}

static void stun_encode_address(
	struct stun_writer *w, uint16_t type, const struct tp_addr *addr, const uint8_t mask[16])
{
	size_t n = tp_ip_length(&addr->ip);

	if (n == 0) {
		w->overflow = true;
		return;
	}
	uint8_t *at = stun_write_reserve(w, type, 4 + n);
	if (!at)
		return;
	at[0] = 0;
	at[1] = addr->ip.family == TP_FAMILY_IPV4 ? 0x01 : 0x02;
	tp_wr16(at + 2, addr->port ^ tp_rd16(mask));
	for (size_t i = 0; i < n; i++)
		at[4 + i] = addr->ip.bytes[i] ^ mask[i];
}

void stun_write_address(struct stun_writer *w, uint16_t type, const struct tp_addr *addr)
{
	static const uint8_t no_mask[16];

	stun_encode_address(w, type, addr, no_mask);
}

void stun_write_xor_address(struct stun_writer *w, uint16_t type, const struct tp_addr *addr)
{
	// The mask of RFC 8489 section 14.2 stands in the header: cookie, transaction id.
	if (!w->overflow)
		stun_encode_address(w, type, addr, w->buffer + 4);
}

// RFC 8489 section 14.8: 21 reserved bits, class (hundreds), number (modulo 100), reason phrase.
void stun_write_error(struct stun_writer *w, enum stun_err code)
{
	const char *reason = stun_reason(code);
	size_t n = strlen(reason);
	uint8_t *at = stun_write_reserve(w, STUN_ATTR_ERROR_CODE, 4 + n);

	if (!at)
		return;
	tp_wr16(at, 0);
	at[2] = (uint8_t)((unsigned int)code / 100);
	at[3] = (uint8_t)((unsigned int)code % 100);
	memcpy(at + 4, reason, n);
}

void stun_write_unknown_attributes(struct stun_writer *w, const uint16_t *types, size_t count)
{
	// Twice the count of any array fits size_t.
	uint8_t *at = stun_write_reserve(w, STUN_ATTR_UNKNOWN_ATTRIBUTES, 2 * count);

	for (size_t i = 0; at && i < count; i++)
		tp_wr16(at + 2 * i, types[i]);
}

void stun_write_fingerprint(struct stun_writer *w)
{
	size_t before = w->length;
	uint8_t *at = stun_write_reserve(w, STUN_ATTR_FINGERPRINT, 4);

	if (at)
		tp_wr32(at, stun_fingerprint(w->buffer, before));
}

int stun_write_finish(struct stun_writer *w)
{
	if (w->overflow)
		return -ENOBUFS;
	stun_write_length(w);
	return (int)w->length;
}
