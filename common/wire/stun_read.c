// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/stun_read.h"

#include "common/base/bytes.h"
#include "common/wire/fingerprint.h"
#include "common/wire/stun_table.h"

#define STUN_FINGERPRINT_ATTR_BYTES (STUN_ATTR_HEADER_BYTES + 4)

// A value's bytes with padding to the next multiple of four: wide, because 65533 does not fit.
static inline size_t stun_padded(uint16_t length)
{
	return ((size_t)length + 3) & ~(size_t)3;
}

// RFC 8489 section 14: header (type, length), value, padding, until the message ends exactly.
static bool stun_attrs_tile(const uint8_t *bytes, size_t total)
{
	size_t at = STUN_HEADER_BYTES;

	while (at < total) {
		if (total - at < STUN_ATTR_HEADER_BYTES)
			return false;
		size_t padded = stun_padded(tp_rd16(bytes + at + 2));
		at += STUN_ATTR_HEADER_BYTES;
		if (total - at < padded)
			return false;
		at += padded;
	}
	return true;
}

enum stun_read_result stun_read(const void *data, size_t len, struct stun_message *out)
{
	const uint8_t *bytes = data;

	if (len < STUN_HEADER_BYTES)
		return STUN_READ_TOO_SHORT;
	uint16_t type = tp_rd16(bytes);
	if ((type & 0xc000) != 0 || tp_rd32(bytes + 4) != STUN_MAGIC_COOKIE)
		return STUN_READ_NOT_STUN;
	uint16_t message_length = tp_rd16(bytes + 2);
	size_t total = STUN_HEADER_BYTES + (size_t)message_length;
	if (message_length % 4 != 0 || total > UINT16_MAX || total < len)
		return STUN_READ_BAD_LENGTH;
	if (total > len)
		return STUN_READ_TOO_SHORT;
	if (!stun_attrs_tile(bytes, total))
		return STUN_READ_BAD_ATTR;
	*out = (struct stun_message){.bytes = bytes,
		.length = (uint16_t)total,
		.type = type,
		.method = stun_type_method(type),
		.class = stun_type_class(type),
		.transaction_id = bytes + 8};
	return STUN_READ_OK;
}

bool stun_next_attr(const struct stun_message *m, uint16_t *at, struct stun_attr *out)
{
	if (*at >= m->length)
		return false;
	const uint8_t *header = m->bytes + *at;
	uint16_t length = tp_rd16(header + 2);
	*out = (struct stun_attr){.type = tp_rd16(header),
		.length = length,
		.value = header + STUN_ATTR_HEADER_BYTES,
		.offset = *at};
	// Inside the message, which stun_read saw to: no wrap.
	*at = (uint16_t)(*at + STUN_ATTR_HEADER_BYTES + stun_padded(length));
	return true;
}

// A walk over the attributes that count.
struct stun_walk {
	uint16_t at;
	bool integrity; // MESSAGE-INTEGRITY was seen
	bool sha256;    // MESSAGE-INTEGRITY-SHA256 was seen
};

static bool stun_walk_next(
	const struct stun_message *m, struct stun_walk *walk, struct stun_attr *out)
{
	while (stun_next_attr(m, &walk->at, out)) {
		bool is_sha256 = out->type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256;
		bool counts = out->type == STUN_ATTR_FINGERPRINT ||
			      (!walk->sha256 && (is_sha256 || !walk->integrity));
		if (is_sha256)
			walk->sha256 = true;
		else if (out->type == STUN_ATTR_MESSAGE_INTEGRITY)
			walk->integrity = true;
		if (counts)
			return true;
	}
	return false;
}

bool stun_find(const struct stun_message *m, uint16_t type, struct stun_attr *out)
{
	struct stun_walk walk = {.at = STUN_HEADER_BYTES};

	while (stun_walk_next(m, &walk, out)) {
		if (out->type == type)
			return true;
	}
	return false;
}

// Types below 0x8000, a bit each: many attributes must not cost the square of their number.
struct stun_type_set {
	uint64_t word[0x8000 / 64];
};

static bool stun_type_add(struct stun_type_set *set, uint16_t type)
{
	uint64_t bit = UINT64_C(1) << (type & 63);
	bool was = (set->word[type >> 6] & bit) != 0;

	set->word[type >> 6] |= bit;
	return !was;
}

size_t stun_unknown_required(const struct stun_message *m, uint16_t *types, size_t max)
{
	struct stun_walk walk = {.at = STUN_HEADER_BYTES};
	struct stun_type_set seen;
	struct stun_attr a;
	size_t found = 0;

	while (stun_walk_next(m, &walk, &a)) {
		if (a.type >= 0x8000 || stun_attr_understood(a.type))
			continue;
		if (found == 0)
			memset(&seen, 0, sizeof(seen)); // few messages come this far
		if (!stun_type_add(&seen, a.type))
			continue;
		if (found < max)
			types[found] = a.type;
		found++;
	}
	return found;
}

// RFC 8489 section 14.1, `mask` XORed over the address and its first half over the port (14.2):
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |0 0 0 0 0 0 0 0|    Family     |           Port                |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |                 Address (32 bits or 128 bits)                 |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
static bool stun_decode_address(
	const struct stun_attr *a, const uint8_t mask[16], struct tp_addr *out)
{
	struct tp_addr addr = {0};

	if (a->length == 8 && a->value[1] == 0x01)
		addr.ip.family = TP_FAMILY_IPV4;
	else if (a->length == 20 && a->value[1] == 0x02)
		addr.ip.family = TP_FAMILY_IPV6;
	else
		return false;
	addr.port = tp_rd16(a->value + 2) ^ tp_rd16(mask);
	for (size_t i = 0; i < tp_ip_length(&addr.ip); i++)
		addr.ip.bytes[i] = a->value[4 + i] ^ mask[i];
	*out = addr;
	return true;
}

bool stun_read_address(const struct stun_attr *a, struct tp_addr *out)
{
	static const uint8_t no_mask[16];

	return stun_decode_address(a, no_mask, out);
}

bool stun_read_xor_address(
	const struct stun_attr *a, const uint8_t transaction_id[12], struct tp_addr *out)
{
	uint8_t mask[16];

	tp_wr32(mask, STUN_MAGIC_COOKIE);
	memcpy(mask + 4, transaction_id, STUN_TRANSACTION_ID_BYTES);
	return stun_decode_address(a, mask, out);
}

// Walks to the end: the last eight bytes might as well be the inside of another attribute.
static bool stun_last_is_fingerprint(const struct stun_message *m, struct stun_attr *out)
{
	uint16_t at = STUN_HEADER_BYTES;
	bool any = false;

	while (stun_next_attr(m, &at, out))
		any = true;
	return any && out->type == STUN_ATTR_FINGERPRINT && out->length == 4;
}

bool stun_has_fingerprint(const struct stun_message *m)
{
	struct stun_attr last;

	return stun_last_is_fingerprint(m, &last);
}

bool stun_fingerprint_ok(const struct stun_message *m)
{
	struct stun_attr last;

	return stun_last_is_fingerprint(m, &last) &&
	       tp_rd32(last.value) ==
		       stun_fingerprint(m->bytes, m->length - STUN_FINGERPRINT_ATTR_BYTES);
}
