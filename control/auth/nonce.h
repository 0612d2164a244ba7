// SPDX-License-Identifier: BSD-3-Clause
// Stateless nonces (RFC 8489 section 9.2; their text: common/wire/nonce.h), bound to the client's
// transport address (no two clients get the same one) and the listener. Two keys are alive, in the
// region header, so that nonces survive a restart of control and a rotation.
#pragma once

#include <stdbool.h>

#include "common/abi/record.h"
#include "common/wire/nonce.h"
#include "control/alloc/environment.h"

// Draws a first key when there is none, a new one when [0] is older than `lifetime_s`; the old one
// then verifies for one more lifetime. 0 or -errno of the random source (keys unchanged).
int ctl_nonce_rotate(struct tp_nonce_key keys[2], uint64_t wall_ns, uint32_t lifetime_s,
	const struct ctl_random *random);

// Writes TP_NONCE_CHARS characters, no NUL; `features` are the STUN_FEATURE_ bits of its cookie.
void ctl_nonce_write(const struct tp_nonce_key keys[2], uint64_t wall_ns, uint32_t features,
	const struct tp_addr *client, const struct tp_addr *listener, char out[TP_NONCE_CHARS]);

// Whether it is ours, its cookie unchanged, for this client and listener, and at most lifetime_s
// old. Constant-time in the tag.
bool ctl_nonce_ok(const struct tp_nonce_key keys[2], uint64_t wall_ns, uint32_t lifetime_s,
	const struct tp_addr *client, const struct tp_addr *listener, const void *nonce,
	size_t len);
