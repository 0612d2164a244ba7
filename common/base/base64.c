// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/base64.h"

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// How many bytes the group holds: 3, or fewer where the text ends; 0: it is malformed.
static size_t read_group(const uint8_t *text, bool last, uint8_t out[3])
{
	size_t padding = last ? (text[3] == '=') + (text[2] == '=' && text[3] == '=') : 0;
	uint32_t group = 0;

	for (size_t i = 0; i < 4; i++) {
		int value = i < 4 - padding ? value_of(text[i]) : 0;
		if (value < 0)
			return 0;
		group = group << 6 | (uint32_t)value;
	}
	// Bits that no byte takes are zero.
	if ((group & ((UINT32_C(1) << 8 * padding) - 1)) != 0)
		return 0;
	out[0] = (uint8_t)(group >> 16);
	out[1] = (uint8_t)(group >> 8);
	out[2] = (uint8_t)group;
	return 3 - padding;
}

bool tp_base64_read(
	const void *text, size_t length, uint8_t *out, size_t capacity, size_t *out_length)
{
	const uint8_t *at = text;
	size_t n = 0;

	if (length % 4 != 0)
		return false;
	for (size_t i = 0; i < length; i += 4) {
		uint8_t group[3];
		size_t used = read_group(at + i, i + 4 == length, group);
		if (used == 0 || used > capacity - n)
			return false;
		for (size_t j = 0; j < used; j++)
			out[n++] = group[j];
	}
	*out_length = n;
	return true;
}

void tp_base64_write(const uint8_t *in, size_t bytes, char *out)
{
	static const char digit[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < bytes; i += 3) {
		uint32_t group = (uint32_t)in[i] << 16 | (uint32_t)in[i + 1] << 8 | in[i + 2];
		for (int shift = 18; shift >= 0; shift -= 6)
			*out++ = digit[group >> shift & 63];
	}
}
