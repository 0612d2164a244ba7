// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/ticket.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <string.h>

#include "common/base/base64.h"
#include "common/base/bytes.h"

#define PART_BYTES  12 // the tag, and what is sealed
#define BYTES       (2 * PART_BYTES)
#define LABEL_BYTES 24

static_assert(BYTES / 3 * 4 == CTL_TICKET_CHARS);

static const char tag_label[LABEL_BYTES] = "turnpike ticket: tag";
static const char stream_label[LABEL_BYTES] = "turnpike ticket: stream";

// The first bytes of HMAC-SHA-256 over label and input.
static int prf(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const char label[LABEL_BYTES], const uint8_t in[PART_BYTES], uint8_t out[PART_BYTES])
{
	uint8_t input[LABEL_BYTES + PART_BYTES], digest[32];

	memcpy(input, label, LABEL_BYTES);
	memcpy(input + LABEL_BYTES, in, PART_BYTES);
	if (ctl_crypto_hmac_sha256(crypto, key, CTL_TICKET_KEY_BYTES, input, sizeof(input), digest))
		return -EIO;
	memcpy(out, digest, PART_BYTES);
	OPENSSL_cleanse(digest, sizeof(digest));
	return 0;
}

// Seals and opens: the same again undoes it.
static int cover(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t tag[PART_BYTES], uint8_t text[PART_BYTES])
{
	uint8_t stream[PART_BYTES];

	if (prf(crypto, key, stream_label, tag, stream))
		return -EIO;
	for (size_t i = 0; i < PART_BYTES; i++)
		text[i] ^= stream[i];
	OPENSSL_cleanse(stream, sizeof(stream));
	return 0;
}

int ctl_ticket_seal(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const struct ctl_ticket *ticket, uint8_t out[CTL_TICKET_CHARS])
{
	uint8_t bytes[BYTES], *tag = bytes, *says = bytes + PART_BYTES;

	tp_wr32(says, ticket->alloc.index);
	tp_wr32(says + 4, ticket->alloc.generation);
	tp_wr32(says + 8, ticket->counter);
	if (prf(crypto, key, tag_label, says, tag) || cover(crypto, key, tag, says))
		return -EIO;
	tp_base64_write(bytes, BYTES, (char *)out);
	return 0;
}

bool ctl_ticket_open(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t *text, size_t len, struct ctl_ticket *out)
{
	uint8_t bytes[BYTES], *tag = bytes, *says = bytes + PART_BYTES, expected[PART_BYTES];
	size_t n;

	if (len != CTL_TICKET_CHARS || !tp_base64_read(text, len, bytes, sizeof(bytes), &n) ||
		n != sizeof(bytes))
		return false;
	bool ok = cover(crypto, key, tag, says) == 0 &&
		  prf(crypto, key, tag_label, says, expected) == 0 &&
		  CRYPTO_memcmp(tag, expected, PART_BYTES) == 0;
	if (ok)
		*out = (struct ctl_ticket){.alloc.index = tp_rd32(says),
			.alloc.generation = tp_rd32(says + 4),
			.counter = tp_rd32(says + 8)};
	OPENSSL_cleanse(bytes, sizeof(bytes));
	OPENSSL_cleanse(expected, sizeof(expected));
	return ok;
}
