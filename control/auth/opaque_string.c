// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/opaque_string.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "control/auth/freeform.h"

// NFC makes at most three code points of one, and they are as many as bytes at most.
#define CODES_MAX (3 * CTL_OPAQUE_MAX_BYTES)

struct codes {
	uint32_t raw[CTL_OPAQUE_MAX_BYTES], normal[CODES_MAX];
	size_t n_raw, n_normal;
};

static bool is_plain(const uint8_t *text, size_t length)
{
	uint8_t strange = 0;
	for (size_t i = 0; i < length; i++)
		strange |= text[i] < 0x20 || text[i] > 0x7e;
	return !strange;
}

// UTF-8 as RFC 3629 has it: no overlong form, no surrogate, nothing above U+10FFFF. RFC 8265
// section 4.2.2, second rule: spaces of any kind become U+0020.
static bool decode(const uint8_t *text, size_t length, struct codes *c)
{
	c->n_raw = 0;
	for (size_t at = 0; at < length;) {
		ucs4_t code;
		int n = u8_mbtoucr(&code, text + at, length - at);
		if (n <= 0)
			return false;
		at += (size_t)n;
		if (code > 0x7f && uc_is_general_category_withtable(code, UC_CATEGORY_MASK_Zs))
			code = 0x20;
		c->raw[c->n_raw++] = code;
	}
	return true;
}

static int encode(const struct codes *c, uint8_t *out, size_t capacity)
{
	size_t at = 0;
	for (size_t i = 0; i < c->n_normal; i++) {
		int n = u8_uctomb(out + at, c->normal[i], (ptrdiff_t)(capacity - at));
		if (n < 0)
			return n == -2 ? -E2BIG : -EINVAL;
		at += (size_t)n;
	}
	return (int)at;
}

// The rules in the order of RFC 8264 section 7: mapping, normalization, and then which code points
// are allowed. So a syllable that was typed as its jamo is the syllable.
static int prepare(
	struct codes *c, const uint8_t *text, size_t length, uint8_t *out, size_t capacity)
{
	if (!decode(text, length, c))
		return -EINVAL;
	c->n_normal = CODES_MAX;
	uint32_t *normal = u32_normalize(UNINORM_NFC, c->raw, c->n_raw, c->normal, &c->n_normal);
	if (!normal)
		return -ENOMEM;
	if (normal != c->normal) { // it did not fit, which cannot be
		free(normal);
		return -E2BIG;
	}
	return ctl_freeform_ok(c->normal, c->n_normal) ? encode(c, out, capacity) : -EINVAL;
}

int ctl_opaque_prepare(const void *text, size_t length, uint8_t *out, size_t capacity)
{
	if (length == 0)
		return -EINVAL;
	if (length > CTL_OPAQUE_MAX_BYTES)
		return -E2BIG;
	if (is_plain(text, length)) {
		if (length > capacity)
			return -E2BIG;
		memcpy(out, text, length);
		return (int)length;
	}
	struct codes c;
	int rc = prepare(&c, text, length, out, capacity);
	OPENSSL_cleanse(&c, sizeof(c)); // it may be a password
	return rc;
}
