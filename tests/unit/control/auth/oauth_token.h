// SPDX-License-Identifier: BSD-3-Clause
// Access tokens as an authorization server makes them (RFC 7635 section 6.2), well-formed or not,
// by libcrypto alone.
#pragma once

#include <openssl/evp.h>
#include <stdint.h>
#include <string.h>

#include "common/base/bytes.h"

#define TOKEN_MOST 512

// nonce_length, nonce, AES-GCM(block), tag. `bits` of the key: 256 or 128. The length written.
static inline size_t token_seal(unsigned int bits, const void *key, const char *server_name,
	const void *block, size_t length, uint8_t out[TOKEN_MOST])
{
	static const uint8_t nonce[12] = "nonce-nonce";
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	int n = 0, last = 0;
	tp_wr16(out, sizeof(nonce));
	memcpy(out + 2, nonce, sizeof(nonce));
	EVP_EncryptInit_ex(
		ctx, bits == 256 ? EVP_aes_256_gcm() : EVP_aes_128_gcm(), NULL, key, nonce);
	EVP_EncryptUpdate(
		ctx, NULL, &n, (const unsigned char *)server_name, (int)strlen(server_name));
	EVP_EncryptUpdate(ctx, out + 14, &n, block, (int)length);
	EVP_EncryptFinal_ex(ctx, out + 14 + n, &last);
	EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, out + 14 + n);
	EVP_CIPHER_CTX_free(ctx);
	return 14 + (size_t)n + 16;
}

// key_length as told, mac_key of mac_length bytes, timestamp, lifetime. The length written.
static inline size_t token_block(uint16_t key_length, const void *mac_key, size_t mac_length,
	uint64_t timestamp, uint32_t lifetime_s, uint8_t *out)
{
	tp_wr16(out, key_length);
	memcpy(out + 2, mac_key, mac_length);
	tp_wr64(out + 2 + mac_length, timestamp);
	tp_wr32(out + 10 + mac_length, lifetime_s);
	return 14 + mac_length;
}
