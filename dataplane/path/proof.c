// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/proof.h"

// Both keys of control are tried. How old the nonce is does not matter here: the keys are not older
// than two of its lifetimes, and whether it is stale control says.
bool dp_nonce_proves(
	struct dp_worker *w, const struct dp_packet *p, const void *text, uint32_t length)
{
	struct tp_nonce nonce;
	uint64_t tag;

	if (!tp_nonce_read(text, length, &nonce, &tag) ||
		!dp_nonce_renew(&w->dp->nonce_key, &w->nonce_keys))
		return false;
	dp_nonce_place(w, p, &nonce);
	bool proven = false;
	for (uint64_t i = 0; i < w->nonce_keys.keys; i++) {
		struct tp_siphash_key key;
		memcpy(key.bytes, w->nonce_keys.key[i], sizeof(key.bytes));
		proven |= tp_nonce_tag(&key, &nonce) == tag; // one word: constant time
		explicit_bzero(&key, sizeof(key));
	}
	return proven;
}
