// SPDX-License-Identifier: BSD-3-Clause
// Byte access without alignment or aliasing assumptions, and bounded cursors over wire data.
#pragma once

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t tp_rd16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

static inline uint32_t tp_rd32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static inline uint64_t tp_rd64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

// As it lies in memory: for fields that stay in network order.
static inline uint16_t tp_raw16(const void *p)
{
	uint16_t v;
	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void tp_wr16(void *p, uint16_t host)
{
	uint16_t v = htobe16(host);
	memcpy(p, &v, sizeof(v));
}

static inline void tp_wr32(void *p, uint32_t host)
{
	uint32_t v = htobe32(host);
	memcpy(p, &v, sizeof(v));
}

static inline void tp_wr64(void *p, uint64_t host)
{
	uint64_t v = htobe64(host);
	memcpy(p, &v, sizeof(v));
}

// Reads forward over [at, end). A read past the end sets `overrun`, returns zero or NULL, and every
// later read does the same, so one check at the end suffices.
struct tp_cursor {
	const uint8_t *at;
	const uint8_t *end;
	bool overrun;
};

static inline struct tp_cursor tp_cursor_init(const void *data, size_t len)
{
	return (struct tp_cursor){.at = data, .end = (const uint8_t *)data + len};
}

static inline size_t tp_cursor_left(const struct tp_cursor *c)
{
	return (size_t)(c->end - c->at);
}

static inline const uint8_t *tp_cursor_take(struct tp_cursor *c, size_t len)
{
	if (c->overrun || tp_cursor_left(c) < len) {
		c->overrun = true;
		return NULL;
	}
	const uint8_t *p = c->at;
	c->at += len;
	return p;
}

static inline uint16_t tp_cursor_rd16(struct tp_cursor *c)
{
	const uint8_t *p = tp_cursor_take(c, 2);
	return p ? tp_rd16(p) : 0;
}

static inline uint32_t tp_cursor_rd32(struct tp_cursor *c)
{
	const uint8_t *p = tp_cursor_take(c, 4);
	return p ? tp_rd32(p) : 0;
}
