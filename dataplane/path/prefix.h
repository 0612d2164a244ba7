// SPDX-License-Identifier: BSD-3-Clause
// What stands before the application data of a message to a client, written the same for a datagram
// and for a stream process.
#pragma once

#include <endian.h>

#include "common/base/bytes.h"
#include "common/wire/stun.h"
#include "dataplane/path/state.h"

#define DP_ADDRESS_VALUE_IPV4 8
#define DP_ADDRESS_VALUE_IPV6 20

// ChannelData header (RFC 8656 section 12.4), which is returned as it stands in memory.
static inline uint32_t dp_write_channel(const struct dp_packet *p, uint8_t *at)
{
	uint32_t word = htobe32((uint32_t)p->channel << 16 | p->payload_length);

	memcpy(at, &word, sizeof(word));
	return word;
}

// Data indication header and XOR-PEER-ADDRESS (RFC 8656 sections 11.3 and 18.3); returns what
// follows.
static inline uint8_t *dp_write_data_header(
	struct dp_worker *w, const struct dp_packet *p, uint8_t *at, uint32_t message_bytes)
{
	bool ipv4 = p->key.family == TP_FAMILY_IPV4;
	uint32_t value = ipv4 ? DP_ADDRESS_VALUE_IPV4 : DP_ADDRESS_VALUE_IPV6;
	uint64_t random = dp_random(w);
	uint8_t mask[16];

	tp_wr32(mask, STUN_MAGIC_COOKIE);
	memcpy(mask + 4, &random, 8);
	random = dp_random(w);
	memcpy(mask + 12, &random, 4);

	tp_wr16(at, stun_type(STUN_INDICATION, STUN_DATA));
	tp_wr16(at + 2, (uint16_t)message_bytes);
	memcpy(at + 4, mask, 16);
	tp_wr16(at + 20, STUN_ATTR_XOR_PEER_ADDRESS);
	tp_wr16(at + 22, (uint16_t)value);
	tp_wr16(at + 24, ipv4 ? 1 : 2);
	at[26] = ((const uint8_t *)&p->shown_port)[0] ^ mask[0];
	at[27] = ((const uint8_t *)&p->shown_port)[1] ^ mask[1];
	for (uint32_t i = 0; i + 4 < value; i++)
		at[28 + i] = p->shown_ip[i] ^ mask[i];
	return at + 24 + value;
}

// A whole Data indication up to its data, or with its ICMP attribute (section 18.13): `bytes` as
// dp_prefix_bytes has them.
static inline void dp_write_indication(
	struct dp_worker *w, const struct dp_packet *p, uint8_t *at, uint32_t bytes)
{
	uint32_t message = bytes - STUN_HEADER_BYTES + p->payload_length + dp_prefix_padding(p);
	uint8_t *attr = dp_write_data_header(w, p, at, message);

	if (p->prefix == DP_PREFIX_DATA) {
		tp_wr16(attr, STUN_ATTR_DATA);
		tp_wr16(attr + 2, p->payload_length);
		return;
	}
	tp_wr16(attr, STUN_ATTR_ICMP);
	tp_wr16(attr + 2, 8);
	tp_wr16(attr + 4, 0);
	attr[6] = p->icmp_type;
	attr[7] = p->icmp_code;
	memcpy(attr + 8, &p->icmp_data, 4);
}
