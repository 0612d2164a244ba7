// SPDX-License-Identifier: BSD-3-Clause
// What keyed hashes of a few words are made of, where SipHash (hash.h) would cost more than what it
// protects: tables that outsiders choose the keys of but never see the order of.
#pragma once

#include <stdint.h>

// High and low half of the full product, folded: one multiplication diffuses every bit both ways.
static inline uint64_t tp_mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#define TP_MIX_ODD UINT64_C(0x9e3779b97f4a7c15)
