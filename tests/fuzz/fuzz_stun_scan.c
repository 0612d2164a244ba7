// SPDX-License-Identifier: BSD-3-Clause
// The worker's single walk against the reader of common/wire: both must accept the same messages
// and find the same attributes in them.
#include "common/wire/stun_read.h"
#include "dataplane/path/stun_scan.h"
#include "tests/fuzz/fuzz.h"

static void check_found(
	const struct stun_message *m, uint16_t type, uint16_t offset, uint16_t length)
{
	struct stun_attr a;
	uint16_t at = STUN_HEADER_BYTES;

	while (stun_next_attr(m, &at, &a)) {
		if (a.type == STUN_ATTR_MESSAGE_INTEGRITY ||
			a.type == STUN_ATTR_MESSAGE_INTEGRITY_SHA256)
			break; // what follows counts for nothing
		if (a.type != type)
			continue;
		FUZZ_CHECK(a.value - m->bytes == offset && a.length == length);
		return;
	}
	FUZZ_CHECK(offset == 0);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct stun_message m;
	struct stun_scan s;

	if (size > UINT16_MAX)
		return;
	bool accepted = stun_scan(data, (uint32_t)size, &s);
	FUZZ_CHECK(accepted == (stun_read(data, size, &m) == STUN_READ_OK));
	if (!accepted)
		return;
	FUZZ_CHECK(s.type == m.type);
	check_found(&m, STUN_ATTR_XOR_PEER_ADDRESS, s.peer, s.peer_length);
	check_found(&m, STUN_ATTR_DATA, s.data, s.data_length);
	check_found(&m, STUN_ATTR_NONCE, s.nonce, s.nonce_length);
	if (stun_has_fingerprint(&m))
		FUZZ_CHECK(s.fingerprint);
	if (s.data != 0)
		fuzz_canary(m.bytes + m.length);
}
