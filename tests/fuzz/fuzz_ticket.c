// SPDX-License-Identifier: BSD-3-Clause
// Mobility tickets: what a stranger sends is no ticket; what was sealed from the input is one, and
// is none any more when the input is laid over it.
#include "control/auth/ticket.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size)
{
	static const uint8_t key[CTL_TICKET_KEY_BYTES] = "a key of the fuzz target";
	static struct ctl_crypto *crypto;
	uint8_t nonce[CTL_TICKET_NONCE_BYTES] = {0}, sealed[CTL_TICKET_BYTES];
	struct ctl_ticket says = {}, read = {}; // padding stays zero

	if (!crypto)
		FUZZ_CHECK(ctl_crypto_create(&crypto) == 0);
	if (ctl_ticket_open(crypto, key, data, size, &read)) {
		// Only the seed, which was sealed with this key.
		FUZZ_CHECK(size == CTL_TICKET_BYTES && memcmp(read.uid, "a seed", 6) == 0);
		fuzz_canary(data + size);
	}
	if (size < 36 + sizeof(nonce))
		return;
	memcpy(says.uid, data, 16);
	memcpy(&says.alloc, data + 16, 8);
	memcpy(&says.counter, data + 24, 4);
	memcpy(&says.issued_wall_s, data + 28, 8);
	memcpy(nonce, data + 36, sizeof(nonce));
	FUZZ_CHECK(ctl_ticket_seal(crypto, key, nonce, &says, sealed) == 0);
	FUZZ_CHECK(ctl_ticket_open(crypto, key, sealed, sizeof(sealed), &read));
	FUZZ_CHECK(memcmp(&read, &says, sizeof(says)) == 0);
	uint8_t laid[sizeof(sealed)];
	memcpy(laid, sealed, sizeof(laid));
	for (size_t i = 0; i < size; i++)
		laid[i % sizeof(laid)] ^= data[i];
	FUZZ_CHECK(ctl_ticket_open(crypto, key, laid, sizeof(laid), &read) ==
		   (memcmp(laid, sealed, sizeof(laid)) == 0));
}
