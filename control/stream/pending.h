// SPDX-License-Identifier: BSD-3-Clause
// Requests of one client in their order: those that control did not take yet, and those that it
// took and has not answered. Pure.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream_request {
	struct stream_request *next;
	uint64_t received_ns;
	uint32_t length;
	uint8_t bytes[];
};

// Zeroed is empty.
struct stream_pending {
	struct stream_request *head, *tail;
	uint32_t count, bytes;
};

// A copy; the caller frees it, or gives it to a list. NULL without memory.
struct stream_request *stream_request_new(
	const uint8_t *bytes, size_t length, uint64_t received_ns);
// Whether it is one that is answered: a STUN message of class request.
bool stream_request_is_answered(const struct stream_request *r);

// Behind all others. Takes the request.
void stream_pending_append(struct stream_pending *p, struct stream_request *r);
// The oldest one, which is the caller's then. NULL: there is none.
struct stream_request *stream_pending_take(struct stream_pending *p);
// Puts all of `earlier`, which is empty then, before those of `p`.
void stream_pending_put_back(struct stream_pending *p, struct stream_pending *earlier);
// Frees the request that has this transaction id (12 bytes). False: there is none.
bool stream_pending_answered(struct stream_pending *p, const uint8_t *transaction_id);
// Frees those that came before `ns`, as far as they are the oldest. Returns how many.
uint32_t stream_pending_expire(struct stream_pending *p, uint64_t ns);
