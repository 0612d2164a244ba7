// SPDX-License-Identifier: BSD-3-Clause
// Byte access without alignment or aliasing assumptions. Every length is checked by the caller.
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

// Whether both are equal, in a time that depends on n alone: for secrets.
static inline bool tp_equal_secret(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;
	uint8_t differ = 0;
	for (size_t i = 0; i < n; i++)
		differ |= x[i] ^ y[i];
	return *(volatile uint8_t *)&differ == 0;
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
