// SPDX-License-Identifier: BSD-3-Clause
// Mobility tickets: what a stranger sends is no ticket; what was sealed from the input is one, and
// is none any more when the input is laid over it.
#include "control/auth/ticket.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size)
{
	static const uint8_t key[CTL_TICKET_KEY_BYTES] = "a key of the fuzz target";
	static struct ctl_crypto *crypto;
	uint8_t sealed[CTL_TICKET_CHARS], laid[CTL_TICKET_CHARS];
	struct ctl_ticket says, read;

	if (!crypto)
		FUZZ_CHECK(ctl_crypto_create(&crypto) == 0);
	// The seed, which was sealed with this key, and what the fuzzer sees compared below: a
	// ticket has one text.
	if (ctl_ticket_open(crypto, key, data, size, &read)) {
		FUZZ_CHECK(ctl_ticket_seal(crypto, key, &read, sealed) == 0);
		FUZZ_CHECK(memcmp(sealed, data, sizeof(sealed)) == 0);
	}
	if (size < sizeof(says))
		return;
	memcpy(&says, data, sizeof(says));
	FUZZ_CHECK(ctl_ticket_seal(crypto, key, &says, sealed) == 0);
	FUZZ_CHECK(ctl_ticket_open(crypto, key, sealed, sizeof(sealed), &read));
	FUZZ_CHECK(memcmp(&read, &says, sizeof(says)) == 0);
	memcpy(laid, sealed, sizeof(laid));
	for (size_t i = 0; i < size; i++)
		laid[i % sizeof(laid)] ^= data[i];
	if (memcmp(laid, sealed, sizeof(laid)) == 0)
		fuzz_canary(data + size);
	FUZZ_CHECK(ctl_ticket_open(crypto, key, laid, sizeof(laid), &read) ==
		   (memcmp(laid, sealed, sizeof(laid)) == 0));
}
