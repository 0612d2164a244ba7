// SPDX-License-Identifier: BSD-3-Clause
// Mobility tickets: what a stranger sends is no ticket; what was sealed from the input is one, and
// is another or none when the input is laid over it.
#include "control/auth/ticket.h"
#include "tests/fuzz/fuzz.h"

static const uint8_t key[CTL_TICKET_KEY_BYTES] = "a key of the fuzz target";
static struct ctl_crypto *crypto;

// Whether a text opens. If it does it was sealed with this key: the seed was, and what the fuzzer
// sees compared below. A ticket has one text.
static bool opens(const uint8_t *text, size_t len, struct ctl_ticket *read)
{
	uint8_t sealed[CTL_TICKET_CHARS];

	if (!ctl_ticket_open(crypto, key, text, len, read))
		return false;
	FUZZ_CHECK(ctl_ticket_seal(crypto, key, read, sealed) == 0);
	FUZZ_CHECK(memcmp(sealed, text, sizeof(sealed)) == 0);
	return true;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	uint8_t sealed[CTL_TICKET_CHARS], laid[CTL_TICKET_CHARS];
	struct ctl_ticket says, read;

	if (!crypto)
		FUZZ_CHECK(ctl_crypto_create(&crypto) == 0);
	opens(data, size, &read);
	if (size < sizeof(says))
		return;
	memcpy(&says, data, sizeof(says));
	FUZZ_CHECK(ctl_ticket_seal(crypto, key, &says, sealed) == 0);
	FUZZ_CHECK(ctl_ticket_open(crypto, key, sealed, sizeof(sealed), &read));
	FUZZ_CHECK(memcmp(&read, &says, sizeof(says)) == 0);
	memcpy(laid, sealed, sizeof(laid));
	for (size_t i = 0; i < size; i++)
		laid[i % sizeof(laid)] ^= data[i];
	bool same = memcmp(laid, sealed, sizeof(laid)) == 0;
	if (same)
		fuzz_canary(data + size);
	// The fuzzer lays one that it has seen over another: it then says something else.
	if (opens(laid, sizeof(laid), &read))
		FUZZ_CHECK((memcmp(&read, &says, sizeof(says)) == 0) == same);
	else
		FUZZ_CHECK(!same);
}
