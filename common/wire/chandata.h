// SPDX-License-Identifier: BSD-3-Clause
// ChannelData, RFC 8656 section 12.4:
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// |         Channel Number        |            Length             |
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// /                       Application Data                        /
// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
// First byte 0x40-0x4F is ChannelData; 0x50-0xFF is reserved and dropped (section 12.6).
#pragma once

#include "common/base/bytes.h"

#define CHANDATA_HEADER_BYTES 4
#define CHANDATA_CHANNEL_MIN  0x4000
#define CHANDATA_CHANNEL_MAX  0x4fff
// RFC 5766 section 11 allowed more; clients written for it choose from all of these.
#define CHANDATA_CHANNEL_MAX_RFC5766 0x7fff

// `max`: the highest number in use, one of the two above.
static inline bool chandata_channel_ok(uint16_t channel, uint16_t max)
{
	return channel >= CHANDATA_CHANNEL_MIN && channel <= max;
}

// Reads the header of a datagram; false when it is too short for its own Length or the channel is
// reserved. Over UDP the bytes after Length (padding or not) are not application data.
static inline bool chandata_read(const void *datagram, size_t len, uint16_t max, uint16_t *channel,
	uint16_t *data_len)
{
	if (len < CHANDATA_HEADER_BYTES)
		return false;
	*channel = tp_rd16(datagram);
	*data_len = tp_rd16((const uint8_t *)datagram + 2);
	return *data_len <= len - CHANDATA_HEADER_BYTES && chandata_channel_ok(*channel, max);
}

static inline void chandata_write(void *out, uint16_t channel, uint16_t data_len)
{
	tp_wr16(out, channel);
	tp_wr16((uint8_t *)out + 2, data_len);
}
