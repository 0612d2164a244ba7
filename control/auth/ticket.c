// SPDX-License-Identifier: BSD-3-Clause
#include "control/auth/ticket.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <string.h>

#include "common/base/bytes.h"

#define HEADER_BYTES 4
#define NONCE_AT     HEADER_BYTES
#define KDF_BYTES    12 // of the nonce; the rest is the IV
#define IV_BYTES     (CTL_TICKET_NONCE_BYTES - KDF_BYTES)
#define SEALED_AT    (NONCE_AT + CTL_TICKET_NONCE_BYTES)
#define SEALED_BYTES 36
#define TAG_AT       (SEALED_AT + SEALED_BYTES)
#define TAG_BYTES    16

static_assert(TAG_AT + TAG_BYTES == CTL_TICKET_BYTES);

static const uint8_t header[HEADER_BYTES] = {1};
static const char label[] = "turnpike mobility ticket";

static int derive(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t *nonce, uint8_t out[32])
{
	uint8_t input[sizeof(label) + KDF_BYTES];

	memcpy(input, label, sizeof(label));
	memcpy(input + sizeof(label), nonce, KDF_BYTES);
	return ctl_crypto_hmac_sha256(crypto, key, CTL_TICKET_KEY_BYTES, input, sizeof(input), out);
}

int ctl_ticket_seal(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t nonce[CTL_TICKET_NONCE_BYTES], const struct ctl_ticket *ticket,
	uint8_t out[CTL_TICKET_BYTES])
{
	uint8_t own[32], plain[SEALED_BYTES];
	int n;

	memcpy(plain, ticket->uid, 16);
	tp_wr32(plain + 16, ticket->alloc.index);
	tp_wr32(plain + 20, ticket->alloc.generation);
	tp_wr32(plain + 24, ticket->counter);
	tp_wr64(plain + 28, ticket->issued_wall_s);
	memcpy(out, header, HEADER_BYTES);
	memcpy(out + NONCE_AT, nonce, CTL_TICKET_NONCE_BYTES);
	if (derive(crypto, key, nonce, own))
		return -EIO;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx &&
		  EVP_EncryptInit_ex2(ctx, EVP_aes_256_gcm(), own, nonce + KDF_BYTES, NULL) == 1 &&
		  EVP_EncryptUpdate(ctx, NULL, &n, header, HEADER_BYTES) == 1 &&
		  EVP_EncryptUpdate(ctx, out + SEALED_AT, &n, plain, SEALED_BYTES) == 1 &&
		  n == SEALED_BYTES && EVP_EncryptFinal_ex(ctx, out + TAG_AT, &n) == 1 && n == 0 &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, out + TAG_AT) == 1;
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(own, sizeof(own));
	OPENSSL_cleanse(plain, sizeof(plain));
	return ok ? 0 : -EIO;
}

bool ctl_ticket_open(struct ctl_crypto *crypto, const uint8_t key[CTL_TICKET_KEY_BYTES],
	const uint8_t *bytes, size_t len, struct ctl_ticket *out)
{
	uint8_t own[32], plain[SEALED_BYTES + 16], tag[TAG_BYTES];
	int n;

	if (len != CTL_TICKET_BYTES || memcmp(bytes, header, HEADER_BYTES) != 0)
		return false;
	memcpy(tag, bytes + TAG_AT, TAG_BYTES);
	if (derive(crypto, key, bytes + NONCE_AT, own))
		return false;
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	bool ok = ctx &&
		  EVP_DecryptInit_ex2(
			  ctx, EVP_aes_256_gcm(), own, bytes + NONCE_AT + KDF_BYTES, NULL) == 1 &&
		  EVP_DecryptUpdate(ctx, NULL, &n, header, HEADER_BYTES) == 1 &&
		  EVP_DecryptUpdate(ctx, plain, &n, bytes + SEALED_AT, SEALED_BYTES) == 1 &&
		  n == SEALED_BYTES &&
		  EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1 &&
		  EVP_DecryptFinal_ex(ctx, plain + SEALED_BYTES, &n) == 1;
	EVP_CIPHER_CTX_free(ctx);
	OPENSSL_cleanse(own, sizeof(own));
	if (ok) {
		memcpy(out->uid, plain, 16);
		out->alloc.index = tp_rd32(plain + 16);
		out->alloc.generation = tp_rd32(plain + 20);
		out->counter = tp_rd32(plain + 24);
		out->issued_wall_s = tp_rd64(plain + 28);
	}
	OPENSSL_cleanse(plain, sizeof(plain));
	return ok;
}
