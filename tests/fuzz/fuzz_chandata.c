// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/chandata.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size)
{
	uint16_t channel, data_len;
	uint8_t header[CHANDATA_HEADER_BYTES];

	if (!chandata_read(data, size, CHANDATA_CHANNEL_MAX, &channel, &data_len))
		return;
	FUZZ_CHECK(fuzz_inside(data + CHANDATA_HEADER_BYTES, data_len, data, size));
	FUZZ_CHECK(data[0] >= 0x40 && data[0] <= 0x4f);
	chandata_write(header, channel, data_len);
	FUZZ_CHECK(memcmp(header, data, sizeof(header)) == 0);
	if (data_len > 0)
		fuzz_canary(data + size);
}
