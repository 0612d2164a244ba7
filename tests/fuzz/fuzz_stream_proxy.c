// SPDX-License-Identifier: BSD-3-Clause
// The header of a proxy: whatever is said of the whole holds of its beginnings, and a client that
// it names is one that a client can be.
#include "control/stream/proxy.h"
#include "tests/fuzz/fuzz.h"

static void check_client(const struct tp_addr *a)
{
	static const uint8_t zero[16];
	size_t n = tp_ip_length(&a->ip);

	if (a->ip.family == TP_FAMILY_NONE) {
		FUZZ_CHECK(a->port == 0 && memcmp(a->ip.bytes, zero, 16) == 0);
		return;
	}
	FUZZ_CHECK(n > 0 && a->port != 0 && a->pad == 0);
	FUZZ_CHECK(memcmp(a->ip.bytes, zero, n) != 0);
	FUZZ_CHECK(memcmp(a->ip.bytes + n, zero, 16 - n) == 0);
}

// Where the last byte comes apart, as any other one may.
static void check_beginnings(const uint8_t *data, size_t size, enum stream_proxy_result of_all)
{
	struct stream_proxy p;

	for (size_t n = 0; n <= size; n++) {
		uint8_t *copy = malloc(n ? n : 1);
		memcpy(copy, data, n);
		enum stream_proxy_result r = stream_proxy_read(copy, n, &p);
		free(copy);
		if (r == STREAM_PROXY_MORE)
			continue;
		FUZZ_CHECK(r == of_all);
		return;
	}
	FUZZ_CHECK(of_all == STREAM_PROXY_MORE);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct stream_proxy p, again;
	enum stream_proxy_result r = stream_proxy_read(data, size, &p);

	check_beginnings(data, size < 300 ? size : 300,
		size < 300 ? r : stream_proxy_read(data, 300, &again));
	if (r == STREAM_PROXY_MORE)
		FUZZ_CHECK(size < STREAM_PROXY_MOST);
	if (r != STREAM_PROXY_WHOLE)
		return;
	FUZZ_CHECK(p.bytes > 0 && p.bytes <= size && p.bytes <= STREAM_PROXY_MOST);
	check_client(&p.client);
	FUZZ_CHECK(stream_proxy_read(data, p.bytes, &again) == STREAM_PROXY_WHOLE);
	FUZZ_CHECK(memcmp(&p, &again, sizeof(p)) == 0);
	if (p.client.ip.family == TP_FAMILY_IPV6)
		fuzz_canary(data + size);
}
