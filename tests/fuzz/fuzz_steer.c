// SPDX-License-Identifier: BSD-3-Clause
// What the XDP program reads of a frame, against the parser of the workers: both must see the same
// destination, or the worker would get what is the kernel's and the other way round.
#include <arpa/inet.h>

#include "bpf/parse.h"
#include "common/wire/ipudp.h"
#include "tests/fuzz/fuzz.h"

// The worker's parser took it as UDP, or as an ICMP error: then so must steering, unless a chain of
// extension headers is too long for it.
static void check_same(const uint8_t *data, const struct tp_packet *p, enum steer_kind kind,
	const struct steer_seen *seen)
{
	size_t n = p->family == TP_FAMILY_IPV4 ? 4 : 16;

	// Nor does steering tell an atomic fragment (RFC 6946) from others: both are the worker's.
	if (p->family == TP_FAMILY_IPV6 && (kind == STEER_OTHER || kind == STEER_FRAGMENT))
		return;
	if (p->protocol == TP_PROTO_UDP) {
		FUZZ_CHECK(kind == STEER_UDP);
		FUZZ_CHECK(seen->family == (p->family == TP_FAMILY_IPV4 ? 4 : 6));
		FUZZ_CHECK(memcmp(seen->address, p->dst_ip, n) == 0);
		FUZZ_CHECK(seen->port == p->dst_port);
	}
	struct tp_quoted q;
	if (tp_packet_parse_quoted(data, p, &q) == TP_PARSE_OK && kind == STEER_QUOTE) {
		FUZZ_CHECK(memcmp(seen->address, q.src_ip, n) == 0);
		FUZZ_CHECK(seen->port == q.src_port);
	}
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct steer_seen seen = {0}, untagged = {0};
	struct tp_packet p;
	enum steer_kind kind = steer_parse(data, data + size, 1, &seen);
	enum steer_kind without = steer_parse(data, data + size, 0, &untagged);

	if (without == STEER_UDP || without == STEER_FRAGMENT || without == STEER_QUOTE)
		FUZZ_CHECK(kind == without && memcmp(&seen, &untagged, sizeof(seen)) == 0);
	if (kind == STEER_QUOTE)
		fuzz_canary(data + size);
	enum tp_parse_result r = tp_packet_parse(data, size, &p);
	if (r == TP_PARSE_OK)
		check_same(data, &p, kind, &seen);
	if (r == TP_PARSE_FRAGMENT && p.family == TP_FAMILY_IPV4)
		FUZZ_CHECK(kind == STEER_FRAGMENT && memcmp(seen.address, p.dst_ip, 4) == 0);
}
