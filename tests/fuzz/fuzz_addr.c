// SPDX-License-Identifier: BSD-3-Clause
// The text parsers of addresses: what they accept is printed and parsed to the same again.
#include "common/base/addr.h"

#include <sys/socket.h>

#include "tests/fuzz/fuzz.h"

static void check_address(const struct tp_ip *ip)
{
	char text[TP_ADDR_STRLEN];
	struct sockaddr_storage sa;
	struct tp_addr addr = {.ip = *ip, .port = 65535}, back;
	struct tp_ip again;

	FUZZ_CHECK(tp_ip_parse(tp_ip_format(ip, text), &again) == 0);
	FUZZ_CHECK(tp_ip_equal(ip, &again));
	FUZZ_CHECK(strlen(tp_addr_format(&addr, text)) < TP_ADDR_STRLEN);
	FUZZ_CHECK(tp_addr_to_sockaddr(&addr, &sa) > 0);
	FUZZ_CHECK(tp_addr_from_sockaddr(&sa, &back) == 0 && back.port == addr.port);
}

// Addresses as the kernel's structures carry them.
static void check_sockaddr(const uint8_t *data, size_t size)
{
	struct sockaddr_storage sa = {0}, again;
	struct tp_addr addr = {0}, back;
	char text[TP_ADDR_STRLEN];

	if (size > 0)
		memcpy(&sa, data, size < sizeof(sa) ? size : sizeof(sa));
	bool known = tp_addr_from_sockaddr(&sa, &addr) == 0;
	FUZZ_CHECK(strlen(tp_addr_format(&addr, text)) > 0);
	FUZZ_CHECK((tp_addr_to_sockaddr(&addr, &again) > 0) == known);
	FUZZ_CHECK(!known ||
		   (tp_addr_from_sockaddr(&again, &back) == 0 && tp_addr_equal(&addr, &back)));
	FUZZ_CHECK(!tp_ip_in_prefix(&addr.ip, &addr.ip, 129));
	struct tp_ip documentation = tp_ip4(0xc0000200);
	FUZZ_CHECK(!tp_ip_in_prefix(&addr.ip, &documentation, 24) || addr.ip.bytes[2] == 2);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct tp_ip ip;
	uint8_t bits;

	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (tp_ip_parse(text, &ip) == 0)
		check_address(&ip);
	if (tp_prefix_parse(text, &ip, &bits) == 0) {
		FUZZ_CHECK(bits <= tp_ip_length(&ip) * 8);
		FUZZ_CHECK(tp_ip_in_prefix(&ip, &ip, bits));
		check_address(&ip);
		if (bits == 48)
			fuzz_canary((const uint8_t *)text + size + 1);
	}
	free(text);
	check_sockaddr(data, size);
}
