// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/dtls.h"

#include "common/base/clock.h"
#include "common/wire/dtls_hello.h"
#include "dataplane/path/answer.h"
#include "dataplane/path/count.h"
#include "dataplane/path/dtls_table.h"
#include "dataplane/path/inject.h"
#include "dataplane/path/source.h"
#include "dataplane/path/stream_slots.h"

#define COOKIE_PERIOD_NS (60 * TP_NS_PER_S) // a cookie is good for this one and the next

// ---- cookies

// What a cookie is bound to: a time, the five-tuple, and the hello that asked for it.
struct cookie_input {
	struct dp_dtls_tuple tuple;
	uint64_t period;
	uint8_t random[DTLS_RANDOM_BYTES];
};

static uint64_t cookie(const struct dp_worker *w, const struct dp_dtls_tuple *tuple,
	const struct dtls_hello *hello, uint64_t period)
{
	struct cookie_input input = {.tuple = *tuple, .period = period};

	static_assert(sizeof(input) == sizeof(*tuple) + 8 + DTLS_RANDOM_BYTES);
	memcpy(input.random, hello->random, sizeof(input.random));
	return tp_siphash(&w->dtls->cookie_key, &input, sizeof(input));
}

static bool cookie_fits(const struct dp_worker *w, const struct dp_batch *b,
	const struct dp_dtls_tuple *tuple, const struct dtls_hello *hello)
{
	uint64_t period = b->now_ns / COOKIE_PERIOD_NS;

	if (hello->cookie_bytes != DTLS_COOKIE_BYTES)
		return false;
	for (uint64_t i = 0; i < 2; i++) {
		uint64_t good = cookie(w, tuple, hello, period - i);
		if (tp_equal_secret(&good, hello->cookie, DTLS_COOKIE_BYTES))
			return true;
	}
	return false;
}

static void answer(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p,
	const struct dp_dtls_tuple *tuple, const struct dtls_hello *hello)
{
	uint64_t made = cookie(w, tuple, hello, b->now_ns / COOKIE_PERIOD_NS);
	uint8_t record[sizeof(hello->record)], bytes[DTLS_COOKIE_BYTES];

	static_assert(sizeof(made) == DTLS_COOKIE_BYTES);
	memcpy(record, hello->record, sizeof(record));
	memcpy(bytes, &made, sizeof(bytes));
	uint8_t *at = dp_answer_begin(p, DTLS_HELLO_VERIFY_BYTES);
	if (at == NULL) {
		dp_packet_drop(b, p, TP_DROP_no_headroom);
		return;
	}
	dtls_hello_verify_write(record, bytes, at);
	dp_answer_send(w, b, p, DTLS_HELLO_VERIFY_BYTES);
	dp_count(w, TP_COUNTER_hello_verify, 1);
}

// ---- from clients

static struct dp_dtls_tuple tuple_of(const struct dp_worker *w, const struct dp_packet *p)
{
	uint16_t local;
	struct dp_dtls_tuple tuple = {
		.client = {.ip.family = p->in.family, .port = rte_be_to_cpu_16(p->in.src_port)},
		.listener = *dp_listener_at(w->locals, p->listener, &local)};

	memcpy(tuple.client.ip.bytes, p->key.ip, sizeof(tuple.client.ip.bytes));
	return tuple;
}

static void send(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p,
	const struct dp_dtls_tuple *tuple, struct dp_stream_link *link)
{
	uint32_t slots = dp_stream_slots_of(p->payload_length);
	struct tp_stream_slot head = {.kind = TP_STREAM_DATAGRAM,
		.more = (uint16_t)(slots - 1),
		.client = tuple->client,
		.listener = tuple->listener,
		.path = {.port = b->in_port, .vlan = p->in.vlan_tci, .valid = 1}};

	p->prefix = DP_PREFIX_NONE;
	memcpy(head.path.mac, dp_packet_at(p, 6), sizeof(head.path.mac));
	if (!dp_stream_has_room(&link->down, slots)) {
		dp_packet_drop(b, p, TP_DROP_stream_full);
		return;
	}
	dp_stream_write(&link->down, &head, NULL, 0, p);
	dp_count(w, TP_COUNTER_stream_down, p->stands_for & DP_FRAME_FRAMES);
	rte_pktmbuf_free(p->m);
	dp_packet_next(b, p, DP_VERDICT_HELD);
}

// Whoever repeats our cookie receives what is sent to where it comes from. A session that it has is
// not this one (section 4.2.8): only a stream that takes new ones gets it.
static struct dp_stream_link *take_hello(struct dp_worker *w, struct dp_batch *b,
	struct dp_packet *p, const struct dp_dtls_tuple *tuple, const struct dtls_hello *hello)
{
	uint64_t hash = dp_dtls_hash(w->dtls, tuple);
	struct dp_stream_link *link = dp_dtls_known(w, hash);

	if (link == NULL || !dp_stream_takes_new(link))
		link = dp_dtls_choose(w, hash);
	if (link == NULL) {
		dp_packet_drop(b, p, TP_DROP_dtls_unserved);
		return NULL;
	}
	if (!dp_source_possible(w, p)) {
		dp_packet_drop(b, p, TP_DROP_bad_source);
		return NULL;
	}
	bool proven = cookie_fits(w, b, tuple, hello);
	if (proven ? !dp_budget_dtls(w->budget, p->in.family, p->key.ip, b->now_ns)
		   : !dp_budget_source(w->budget, p->in.family, p->key.ip, b->now_ns)) {
		dp_packet_drop(b, p, TP_DROP_budget_dtls);
		return NULL;
	}
	if (!proven) {
		answer(w, b, p, tuple, hello);
		return NULL;
	}
	dp_dtls_learn(w, hash, link->stream);
	return link;
}

static struct dp_stream_link *take_record(struct dp_worker *w, struct dp_batch *b,
	struct dp_packet *p, const struct dp_dtls_tuple *tuple, const uint8_t *bytes)
{
	struct dp_stream_link *link = dp_dtls_known(w, dp_dtls_hash(w->dtls, tuple));

	if (link != NULL)
		return link;
	link = dp_dtls_next(w, NULL);
	if (link == NULL)
		dp_packet_drop(b, p, TP_DROP_dtls_unserved);
	else if (!dtls_is_record(bytes, p->payload_length))
		dp_packet_drop(b, p, TP_DROP_bad_dtls);
	else if (!dp_source_possible(w, p))
		dp_packet_drop(b, p, TP_DROP_bad_source);
	else if (!dp_budget_source(w->budget, p->in.family, p->key.ip, b->now_ns) ||
		 !dp_budget_dtls_unproven(w->budget, b->now_ns))
		dp_packet_drop(b, p, TP_DROP_budget_dtls);
	else
		return link;
	return NULL;
}

// Returns the ring that it went to, NULL: none.
static struct tp_ring *take(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	const uint8_t *bytes = rte_pktmbuf_read(p->m, p->payload, p->payload_length, w->scratch);
	struct dp_stream_link *link = NULL;
	struct dtls_hello hello;

	if (bytes == NULL) {
		dp_packet_drop(b, p, TP_DROP_bad_dtls);
		return NULL;
	}
	const struct dp_dtls_tuple tuple = tuple_of(w, p);
	switch (dtls_hello_read(bytes, p->payload_length, &hello)) {
	case DTLS_HELLO:
		link = take_hello(w, b, p, &tuple, &hello);
		break;
	case DTLS_BAD_HELLO:
		dp_packet_drop(b, p, TP_DROP_bad_dtls);
		break;
	case DTLS_NO_HELLO:
		link = take_record(w, b, p, &tuple, bytes);
		break;
	}
	if (link == NULL)
		return NULL;
	send(w, b, p, &tuple, link);
	return &link->down;
}

void dp_step_dtls(struct dp_worker *w, struct dp_batch *b)
{
	struct tp_ring *written[DP_BURST];
	uint32_t n = 0;

	if (!dp_batch_has(b, DP_VERDICT_DTLS))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict != DP_VERDICT_DTLS)
			continue;
		struct tp_ring *down = take(w, b, &b->packet[i]);
		if (down != NULL)
			written[n++] = down;
	}
	for (uint32_t i = 0; i < n; i++) // the first one of each ring does it
		tp_ring_flush(written[i]);
}

// ---- from stream processes

// A listener's to a client's address that a datagram can have come from.
static bool sane(
	const struct dp_worker *w, const struct tp_stream_slot *head, const uint8_t *payload)
{
	uint8_t family = head->client.ip.family;

	if (w->dtls == NULL || head->more != 0 || head->listener.ip.family != family ||
		(family != TP_FAMILY_IPV4 && family != TP_FAMILY_IPV6) || head->client.port == 0 ||
		!dtls_is_record(payload, head->length))
		return false;
	uint16_t local = dp_local_find(w->locals, family, head->listener.ip.bytes);
	if (local == DP_LOCAL_NONE)
		return false;
	uint16_t listener =
		dp_listener_find(w->locals, local, rte_cpu_to_be_16(head->listener.port));
	return listener != DP_LISTENER_NONE &&
	       dp_listener_serves(w->locals, listener, CONF_TRANSPORT_DTLS);
}

// Padding is no part of what is hashed; a stream may have left something there.
static struct dp_dtls_tuple tuple_said(const struct tp_stream_slot *head)
{
	struct dp_dtls_tuple tuple = {
		.client = {.ip.family = head->client.ip.family, .port = head->client.port},
		.listener = {.ip.family = head->client.ip.family, .port = head->listener.port}};
	size_t bytes = tp_ip_length(&tuple.client.ip);

	memcpy(tuple.client.ip.bytes, head->client.ip.bytes, bytes);
	memcpy(tuple.listener.ip.bytes, head->listener.ip.bytes, bytes);
	return tuple;
}

// Of what nobody is known to have, it is this stream's that answers; but no stream takes from
// another what is.
static void send_up(struct dp_worker *w, struct dp_batch *b, const struct dp_stream_link *from,
	const struct tp_stream_slot *head, const uint8_t *payload)
{
	const struct dp_dtls_tuple tuple = tuple_said(head);
	uint64_t hash = dp_dtls_hash(w->dtls, &tuple);
	const struct tp_inject in = {.source = tuple.listener,
		.destination = tuple.client,
		.path = head->path,
		.length = head->length};

	if (dp_dtls_known(w, hash) == NULL)
		dp_dtls_learn(w, hash, from->stream);
	if (!dp_inject_append(w, b, &in, payload))
		dp_count(w, TP_COUNTER_inject_failed, 1);
}

static void pass_on(struct dp_worker *w, const struct dp_stream_link *from,
	const struct tp_stream_slot *head, const uint8_t *payload)
{
	const struct dp_dtls_tuple tuple = tuple_said(head);
	bool was_known = dp_dtls_forget(w, dp_dtls_hash(w->dtls, &tuple), from->stream);
	struct dp_stream_link *to = dp_dtls_next(w, was_known ? NULL : from);

	if (to == from)
		to = dp_dtls_next(w, from);
	if (to == NULL || !dp_stream_has_room(&to->down, 1)) {
		dp_count_drop(w, to == NULL ? TP_DROP_dtls_not_mine : TP_DROP_stream_full, 1);
		return;
	}
	struct tp_stream_slot down = {.kind = TP_STREAM_DATAGRAM,
		.length = head->length,
		.client = tuple.client,
		.listener = tuple.listener,
		.path = head->path};
	struct tp_stream_slot *slot = tp_ring_reserve(&to->down);
	memcpy(slot, &down, sizeof(down));
	memcpy(slot->payload, payload, head->length);
	tp_ring_commit(&to->down);
	tp_ring_flush(&to->down);
	dp_count(w, TP_COUNTER_stream_down, 1);
}

void dp_dtls_up(struct dp_worker *w, struct dp_batch *b, struct dp_stream_link *from,
	const struct tp_stream_slot *head, const uint8_t *payload)
{
	bool good = sane(w, head, payload);

	// One for a client began here; the other two came as frames.
	if (!good || head->kind == TP_STREAM_NOT_MINE)
		dp_count(w, TP_COUNTER_stream_up, 1);
	if (!good)
		dp_count_drop(w, TP_DROP_bad_stream, 1);
	else if (head->kind == TP_STREAM_NOT_MINE)
		pass_on(w, from, head, payload);
	else
		send_up(w, b, from, head, payload);
}
