// SPDX-License-Identifier: BSD-3-Clause
// Lines of /proc/net/udp and udp6 as a little-endian kernel prints them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/setup/port_holders.h"

static const char heading[] = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when "
			      "retrnsmt   uid  timeout inode ref pointer drops";
static const char line4[] = " 6742: 070712C6:C351 00000000:0000 07 00000000:00000000 00:00000000 "
			    "00000000     0        0 1867530 2 00000000a1f5a1e9 0";
static const char any4[] = "12345: 00000000:C351 00000000:0000 07 00000000:00000000 00:00000000 "
			   "00000000     0        0 17 2 0000000000000000 0";
static const char line6[] = "  305: 981100FD00001800000000000200000000:EA60 ";
static const char any6[] =
	"  305: 00000000000000000000000000000000:EA60 00000000000000000000000000000000:0000 07 "
	"00000000:00000000 00:00000000 00000000     0        0 4242 2 0000000000000000 0";
static const char mapped[] =
	"    1: 0000000000000000FFFF0000020012C6:0D96 00000000000000000000000000000000:0000 07 "
	"00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 0";

static struct tp_ip ip(const char *text)
{
	struct tp_ip out;

	assert_int_equal(tp_ip_parse(text, &out), 0);
	return out;
}

static struct dp_held parsed(
	const char *line, int family, const char *address, uint16_t port, uint64_t inode)
{
	struct dp_held held;
	struct tp_ip expected = ip(address);

	assert_int_equal(dp_held_parse(line, family, &held), 0);
	assert_true(tp_ip_equal(&held.at.ip, &expected));
	assert_int_equal(held.at.port, port);
	assert_int_equal(held.inode, inode);
	return held;
}

static void reads_both_tables(void **state)
{
	parsed(line4, 4, "198.18.7.7", 50001, 1867530);
	parsed(any4, 4, "0.0.0.0", 50001, 17);
	parsed(any6, 6, "::", 60000, 4242);
	parsed(mapped, 6, "198.18.0.2", 3478, 99);
}

static void heading_and_cut_lines_are_no_sockets(void **state)
{
	struct dp_held held;

	assert_int_equal(dp_held_parse(heading, 4, &held), -EINVAL);
	assert_int_equal(dp_held_parse(line6, 6, &held), -EINVAL);
	assert_int_equal(dp_held_parse(any4, 6, &held), -EINVAL);
	assert_int_equal(dp_held_parse("", 4, &held), -EINVAL);
}

static void wildcards_cover_what_they_receive(void **state)
{
	struct dp_held four = parsed(any4, 4, "0.0.0.0", 50001, 17);
	struct dp_held six = parsed(any6, 6, "::", 60000, 4242);
	struct dp_held one = parsed(line4, 4, "198.18.7.7", 50001, 1867530);
	struct tp_ip a = ip("198.18.0.2"), b = ip("fd00::1"), own = ip("198.18.7.7");

	assert_true(dp_held_covers(&four, &a));
	assert_false(dp_held_covers(&four, &b));
	assert_true(dp_held_covers(&six, &a));
	assert_true(dp_held_covers(&six, &b));
	assert_false(dp_held_covers(&one, &a));
	assert_true(dp_held_covers(&one, &own));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_both_tables),
		cmocka_unit_test(heading_and_cut_lines_are_no_sockets),
		cmocka_unit_test(wildcards_cover_what_they_receive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
