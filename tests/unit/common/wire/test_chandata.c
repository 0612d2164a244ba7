// SPDX-License-Identifier: BSD-3-Clause
#include "common/wire/chandata.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_lengths(void **state)
{
	uint16_t channel, data_len;

	for (size_t len = 0; len < 12; len++) {
		for (uint16_t said = 0; said < 12; said++) {
			uint8_t datagram[12] = {0x40, 0x01};
			chandata_write(datagram, 0x4001, said);
			bool ok = len >= 4 && said <= len - 4;
			assert_int_equal(chandata_read(datagram, len, CHANDATA_CHANNEL_MAX, &channel, &data_len), ok);
			if (ok) {
				assert_int_equal(channel, 0x4001);
				assert_int_equal(data_len, said);
			}
		}
	}
}

static void test_channel_range(void **state)
{
	uint16_t channel, data_len;
	uint8_t datagram[5]; // written and read at an odd address

	for (uint32_t n = 0; n <= 0xffff; n++) {
		chandata_write(datagram + 1, (uint16_t)n, 0);
		assert_int_equal(
			chandata_read(datagram + 1, 4, CHANDATA_CHANNEL_MAX, &channel, &data_len),
			n >= 0x4000 && n <= 0x4fff);
		assert_int_equal(chandata_read(datagram + 1, 4, CHANDATA_CHANNEL_MAX_RFC5766, &channel,
					 &data_len),
			n >= 0x4000 && n <= 0x7fff);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_channel_range),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
