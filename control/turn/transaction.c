// SPDX-License-Identifier: BSD-3-Clause
// Transactions under way, at most one a five-tuple; later requests of the five-tuple wait behind
// it, so that a roll-back never meets changes that were made on top of it.
#include <stdlib.h>

#include "common/base/hash.h"
#include "control/turn/turn_private.h"

// ---- Memory.

struct ctl_transaction *ctl_transaction_new(
	struct ctl_turn *turn, const struct ctl_request *request)
{
	struct ctl_transaction *t = turn->spare;
	if (t) {
		turn->spare = t->next;
		turn->n_spare--;
	} else {
		t = malloc(sizeof(*t));
		if (!t)
			return NULL;
	}
	memset(t, 0, offsetof(struct ctl_transaction, change));
	ctl_change_init(&t->change);
	t->turn = turn;
	t->request = *request;
	memcpy(t->bytes, request->bytes, request->length);
	t->request.bytes = t->bytes;
	t->respond_from = request->listener;
	t->respond_to = request->client;
	turn->counters.pending++;
	return t;
}

void ctl_transaction_free(struct ctl_transaction *t)
{
	struct ctl_turn *turn = t->turn;
	ctl_key_cleanse(&t->key);
	ctl_key_cleanse(&t->mac_key);
	turn->counters.pending--;
	if (t->state == CTL_TRANSACTION_APART)
		turn->apart--;
	if (turn->n_spare >= CTL_SPARE_TRANSACTIONS) {
		free(t);
		return;
	}
	t->next = turn->spare;
	turn->spare = t;
	turn->n_spare++;
}

// ---- Busy five-tuples.

static struct ctl_transaction **bucket_of(struct ctl_turn *turn, const struct ctl_request *q)
{
	uint8_t bytes[2 * sizeof(struct tp_addr) + 1];
	struct tp_addr client = ctl_request_key(q);
	memcpy(bytes, &client, sizeof(client));
	memcpy(bytes + sizeof(q->client), &q->listener, sizeof(q->listener));
	bytes[2 * sizeof(q->client)] = q->transport;
	return &turn->busy[tp_siphash(&turn->key, bytes, sizeof(bytes)) % CTL_BUSY_BUCKETS];
}

struct ctl_transaction *ctl_transaction_busy(struct ctl_turn *turn, const struct ctl_request *q)
{
	struct ctl_transaction *t = *bucket_of(turn, q);
	struct tp_addr client = ctl_request_key(q);
	for (; t; t = t->busy_next) {
		struct tp_addr other = ctl_request_key(&t->request);
		if (t->request.transport == q->transport && tp_addr_equal(&other, &client) &&
			tp_addr_equal(&t->request.listener, &q->listener))
			break;
	}
	return t;
}

static bool same_transaction(const struct ctl_transaction *a, const struct ctl_transaction *b)
{
	return memcmp(a->message.transaction_id, b->message.transaction_id,
		       STUN_TRANSACTION_ID_BYTES) == 0;
}

bool ctl_transaction_defer(struct ctl_transaction *busy, struct ctl_transaction *t)
{
	if (busy->n_deferred >= CTL_DEFERRED_MAX || same_transaction(busy, t))
		return false;
	for (struct ctl_transaction *d = busy->deferred; d; d = d->next)
		if (same_transaction(d, t))
			return false;
	t->state = CTL_TRANSACTION_DEFERRED;
	t->next = NULL;
	if (busy->deferred)
		busy->deferred_last->next = t;
	else
		busy->deferred = t;
	busy->deferred_last = t;
	busy->n_deferred++;
	return true;
}

void ctl_transaction_hold(struct ctl_transaction *t, enum ctl_transaction_state state)
{
	struct ctl_transaction **bucket = bucket_of(t->turn, &t->request);
	if (t->state == CTL_TRANSACTION_RUNNING) {
		t->busy_next = *bucket;
		*bucket = t;
	}
	t->state = state;
}

void ctl_transaction_drop_deferred(struct ctl_transaction *t)
{
	for (struct ctl_transaction *d = t->deferred, *next; d; d = next) {
		next = d->next;
		ctl_transaction_free(d);
	}
	t->deferred = NULL;
	t->n_deferred = 0;
}

void ctl_transaction_forget_all(struct ctl_turn *turn)
{
	for (size_t i = 0; i < CTL_BUSY_BUCKETS; i++)
		for (struct ctl_transaction *t = turn->busy[i]; t; t = t->busy_next) {
			ctl_transaction_drop_deferred(t);
			t->forgotten = true;
		}
}

static void release(struct ctl_transaction *t)
{
	struct ctl_transaction **at = bucket_of(t->turn, &t->request);
	while (*at && *at != t)
		at = &(*at)->busy_next;
	if (*at)
		*at = t->busy_next;
}

// What was deferred runs in order, until one of them holds the five-tuple again; the rest then
// waits for that one.
static void run_deferred(
	struct ctl_transaction *queue, struct ctl_transaction *last, uint32_t count)
{
	while (queue) {
		struct ctl_transaction *t = queue;
		struct ctl_turn *turn = t->turn;
		queue = t->next;
		count--;
		struct ctl_request place = t->request; // t may be gone after its run
		t->next = NULL;
		t->state = CTL_TRANSACTION_RUNNING;
		ctl_transaction_run(t);
		struct ctl_transaction *busy = queue ? ctl_transaction_busy(turn, &place) : NULL;
		if (busy) {
			// Nothing else can have queued up behind it meanwhile.
			busy->deferred = queue;
			busy->deferred_last = last;
			busy->n_deferred = count;
			return;
		}
	}
}

void ctl_transaction_part(struct ctl_transaction *t)
{
	struct ctl_transaction *queue = t->deferred, *last = t->deferred_last;
	uint32_t count = t->n_deferred;
	if (t->state != CTL_TRANSACTION_RUNNING)
		release(t);
	t->state = CTL_TRANSACTION_APART;
	t->turn->apart++;
	t->deferred = NULL;
	t->n_deferred = 0;
	run_deferred(queue, last, count);
}

void ctl_transaction_end(struct ctl_transaction *t)
{
	struct ctl_transaction *queue = t->deferred, *last = t->deferred_last;
	uint32_t count = t->n_deferred;
	if (t->state != CTL_TRANSACTION_RUNNING)
		release(t);
	ctl_transaction_free(t);
	run_deferred(queue, last, count);
}
