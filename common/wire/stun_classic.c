// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/stun_classic.h"

#include "common/base/bytes.h"
#include "common/wire/stun.h"

static void add_unknown(struct stun_classic *c, uint16_t type)
{
	for (uint32_t i = 0; i < c->n_unknown; i++)
		if (c->unknown[i] == type)
			return;
	if (c->n_unknown < STUN_CLASSIC_UNKNOWN_MAX)
		c->unknown[c->n_unknown++] = type;
}

static bool read_attr(struct stun_classic *c, uint16_t type, const uint8_t *value, uint16_t length)
{
	if (type == STUN_ATTR_CHANGE_REQUEST) {
		if (length != 4)
			return false;
		if (!c->has_change)
			c->change = tp_rd32(value);
		c->has_change = true;
	} else if (type < 0x8000) {
		add_unknown(c, type);
	}
	return true;
}

bool stun_classic_read(const void *data, size_t len, struct stun_classic *out)
{
	const uint8_t *bytes = data;

	if (len < STUN_HEADER_BYTES || tp_rd16(bytes) != stun_type(STUN_REQUEST, STUN_BINDING) ||
		len % 4 != 0 || tp_rd16(bytes + 2) != len - STUN_HEADER_BYTES ||
		tp_rd32(bytes + 4) == STUN_MAGIC_COOKIE)
		return false;
	*out = (struct stun_classic){.transaction_id = bytes + 4};
	// `len` and every step are multiples of four: a header always fits.
	for (size_t at = STUN_HEADER_BYTES; at < len;) {
		uint16_t type = tp_rd16(bytes + at);
		uint16_t length = tp_rd16(bytes + at + 2);
		at += STUN_ATTR_HEADER_BYTES;
		if (length % 4 != 0 || length > len - at ||
			!read_attr(out, type, bytes + at, length))
			return false;
		at += length;
	}
	return true;
}
