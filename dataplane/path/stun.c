// SPDX-License-Identifier: BSD-3-Clause
// STUN of a client: Send indications are relayed here, plain Binding requests and Allocates without
// integrity answered here, other requests are control's. Indications are never answered (RFC 8656
// section 11.2).
#include "common/wire/stun_classic.h"
#include "common/wire/stun_read.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/proof.h"
#include "dataplane/path/source.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/stun_scan.h"

// The message in one piece.
static const uint8_t *message(struct dp_worker *w, const struct dp_packet *p)
{
	return rte_pktmbuf_read(p->m, p->payload, p->payload_length, w->scratch);
}

// FINGERPRINT, where a client sends it, must be right (RFC 8489 section 6.3).
static bool fingerprint_wrong(const uint8_t *bytes, uint32_t length, const struct stun_scan *s)
{
	struct stun_message parsed;

	if (!s->fingerprint)
		return false;
	return stun_read(bytes, length, &parsed) != STUN_READ_OK || !stun_fingerprint_ok(&parsed);
}

// The packet becomes its DATA: what stands before and after is taken off payload and checksum.
static void strip(struct dp_packet *p, const uint8_t *bytes, const struct stun_scan *s)
{
	uint32_t end = (uint32_t)s->data + s->data_length;
	uint32_t after = p->payload_length - end;

	if (!(p->flags & DP_PACKET_ZERO_SUM)) {
		uint64_t sum = dp_sum_words(bytes, s->data);
		if (after != 0) {
			sum += tp_sum_at(tp_sum_bytes(bytes + end, after), end);
		}
		p->sum = dp_sum_subtract(p->sum, sum);
	}
	p->payload = (uint16_t)(p->payload + s->data);
	p->payload_length = s->data_length;
}

// XOR-PEER-ADDRESS (RFC 8656 section 18.3) into the key of the permission. A relayed address of
// ours is taken in its public form, as in the keys of flows. The port goes to out_destination_port.
static bool key_peer(
	struct dp_worker *w, struct dp_packet *p, const uint8_t *bytes, const struct stun_scan *s)
{
	const uint8_t *value = bytes + s->peer;
	struct tp_ip ip = {0};
	uint32_t address = s->peer_length - 4u;
	uint16_t port;

	if (s->peer_length == 8 && value[1] == 1)
		ip.family = TP_FAMILY_IPV4;
	else if (s->peer_length == 20 && value[1] == 2)
		ip.family = TP_FAMILY_IPV6;
	else
		return false;
	memcpy(&port, value + 2, 2);
	p->out_destination_port = port ^ rte_cpu_to_be_16(STUN_MAGIC_COOKIE >> 16);
	for (uint32_t i = 0; i < address; i++)
		ip.bytes[i] = value[4 + i] ^ bytes[4 + i];

	uint16_t ours = dp_local_find_public(w->locals, &ip);
	p->peer_local = ours;
	if (ours != DP_LOCAL_NONE)
		ip = dp_local_at(w->locals, ours)->public_address;
	p->key = (struct dp_flow_key){.side = DP_KEY_PEER, .family = ip.family};
	memcpy(p->key.ip, ip.bytes, sizeof(p->key.ip));
	return true;
}

// RFC 8656 section 11.2, up to the permission.
static void begin_send(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p,
	const uint8_t *bytes, const struct stun_scan *s)
{
	struct dp_flow *alloc = p->flow;

	if (alloc == NULL) {
		dp_packet_drop(b, p, TP_DROP_no_allocation);
		return;
	}
	if (b->now_ns > atomic_load_explicit(&alloc->deadline_ns, memory_order_relaxed)) {
		dp_packet_drop(b, p, TP_DROP_permission_expired);
		return;
	}
	if (s->unknown_required || s->peer == 0 || s->data == 0 || !key_peer(w, p, bytes, s)) {
		dp_packet_drop(b, p, TP_DROP_bad_send);
		return;
	}
	if (atomic_load_explicit(&alloc->flags, memory_order_relaxed) & DP_FLOW_MOVE)
		dp_moves_note(&w->moves, w->flows, alloc);
	uint16_t ours = p->peer_local;
	if (ours != DP_LOCAL_NONE &&
		dp_listener_find(w->locals, ours, p->out_destination_port) != DP_LISTENER_NONE) {
		dp_packet_drop(b, p, TP_DROP_peer_denied);
		return;
	}
	uint32_t family = p->key.family == TP_FAMILY_IPV6;
	uint16_t relay = atomic_load_explicit(&alloc->relay_local[family], memory_order_relaxed);
	if (relay == DP_LOCAL_NONE) {
		dp_packet_drop(b, p, TP_DROP_family_mismatch);
		return;
	}
	p->out_local = p->key.local = relay;
	p->out_source_port = p->key.selector = alloc->relay_port[family];
	if (s->dont_fragment)
		p->flags |= DP_PACKET_SEND_DF;
	strip(p, bytes, s);
	dp_packet_next(b, p, DP_VERDICT_SEND);
}

// Whoever has an allocation takes from nobody else's budget and keeps nobody else from control: its
// own requests are bounded. Anybody who knows the five-tuple can forge it, so those that show a
// nonce of ours (proof.h) have a bucket of their own.
static bool within_budget(
	const struct dp_worker *w, const struct dp_batch *b, const struct dp_packet *p)
{
	if (p->alloc == NULL)
		return dp_budget_source(w->budget, p->in.family, p->key.ip, b->now_ns);
	return dp_police_packet(&p->alloc->requests[(p->flags & DP_PACKET_PROVEN) != 0],
		DP_ALLOC_REQUESTS, b->now_ns);
}

// Who answers a request, and whether its allocation or its source has a budget left.
static void request(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p,
	const uint8_t *bytes, const struct stun_scan *s)
{
	uint16_t method = stun_type_method(s->type);
	enum dp_verdict verdict = DP_VERDICT_PUNT;
	enum tp_drop_reason over = TP_DROP_budget_punt;

	if (method == STUN_BINDING && !s->any_required) {
		verdict = DP_VERDICT_BINDING;
		over = TP_DROP_budget_binding;
	} else if (method == STUN_ALLOCATE && !s->integrity && !s->unknown_required) {
		verdict = DP_VERDICT_CHALLENGE;
		over = TP_DROP_budget_allocate;
	}
	if (verdict == DP_VERDICT_PUNT && s->integrity &&
		dp_nonce_proves(w, p, bytes + s->nonce, s->nonce_length))
		p->flags |= DP_PACKET_PROVEN;
	if (within_budget(w, b, p))
		dp_packet_next(b, p, verdict);
	else
		dp_packet_drop(b, p, over);
}

// A Binding request of RFC 3489 is control's, where it may come at all: nothing of it is read here
// but that it is one. It is no TURN, so an allocation on its five-tuple does not excuse it.
static void classic(
	struct dp_worker *w, struct dp_batch *b, struct dp_packet *p, const uint8_t *bytes)
{
	struct stun_classic request;

	if (!w->classic || p->in.family != TP_FAMILY_IPV4 ||
		!stun_classic_read(bytes, p->payload_length, &request))
		dp_packet_drop(b, p, TP_DROP_bad_stun);
	else if (!dp_source_possible(w, p))
		dp_packet_drop(b, p, TP_DROP_bad_source);
	else if (!dp_budget_source(w->budget, p->in.family, p->key.ip, b->now_ns))
		dp_packet_drop(b, p, TP_DROP_budget_punt);
	else
		dp_packet_next(b, p, DP_VERDICT_PUNT);
	p->alloc = NULL;
}

static void classify(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	const uint8_t *bytes = message(w, p);
	struct stun_scan s;

	p->alloc = p->flow;
	if (bytes == NULL) {
		dp_packet_drop(b, p, TP_DROP_bad_stun);
		return;
	}
	if (!stun_scan(bytes, p->payload_length, &s)) {
		classic(w, b, p, bytes);
		return;
	}
	if (fingerprint_wrong(bytes, p->payload_length, &s)) {
		dp_packet_drop(b, p, TP_DROP_bad_stun);
		return;
	}
	if (s.fingerprint)
		p->flags |= DP_PACKET_FINGERPRINT;
	uint16_t method = stun_type_method(s.type);
	enum stun_class class = stun_type_class(s.type);
	if (class == STUN_INDICATION && method == STUN_SEND)
		begin_send(w, b, p, bytes, &s);
	else if (class != STUN_REQUEST || p->in.family == TP_FAMILY_STREAM)
		dp_packet_drop(b, p, TP_DROP_stun_unexpected);
	else if (!dp_source_possible(w, p))
		dp_packet_drop(b, p, TP_DROP_bad_source);
	else
		request(w, b, p, bytes, &s);
}

void dp_step_stun(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_STUN))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict == DP_VERDICT_STUN)
			classify(w, b, &b->packet[i]);
	}
}
