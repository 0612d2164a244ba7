// SPDX-License-Identifier: BSD-3-Clause
#include "control/io/punt_in.h"

#include <string.h>

#include "control/dpcmd/valid.h"

union slot {
	struct tp_punt punt;
	uint8_t bytes[TP_PACKET_SLOT_BYTES];
};

static bool serves(const struct conf *conf, const struct tp_addr *destination)
{
	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		if (l->port == destination->port && tp_ip_equal(&l->address, &destination->ip))
			return (l->transports & CONF_TRANSPORT_UDP) != 0;
	}
	return false;
}

static void punt_one(struct ctl_punt_in *in, const union slot *slot, uint16_t worker)
{
	const struct tp_punt *p = &slot->punt;
	struct ctl_punt_way way = {.path = p->path, .worker = worker, .dscp_ecn = p->dscp_ecn};
	struct ctl_request request = {.client = p->source,
		.listener = p->destination,
		.transport = CTL_TRANSPORT_UDP,
		.bytes = p->payload,
		.length = p->length};

	in->counters.received++;
	if (p->length > sizeof(*slot) - sizeof(*p) || !ctl_addr_valid(&p->source) ||
		!ctl_addr_valid(&p->destination) ||
		p->source.ip.family != p->destination.ip.family) {
		in->counters.malformed++;
		return;
	}
	if (!serves(in->conf, &p->destination)) {
		in->counters.not_listener++;
		return;
	}
	memcpy(request.reply_to.bytes, &way, sizeof(way));
	in->sink(in->context, &request);
}

bool ctl_punt_drain(struct ctl_punt_in *in, struct ctl_attachment *a, uint32_t max)
{
	bool more = false;

	for (uint16_t w = 0; w < a->said.workers; w++) {
		struct tp_ring *ring = &a->punt[w];
		const void *shared;
		uint32_t n = 0;

		while (n < max && (shared = tp_ring_front(ring))) {
			union slot slot;
			memcpy(&slot, shared, sizeof(slot));
			tp_ring_pop(ring);
			punt_one(in, &slot, w);
			n++;
		}
		more = more || n == max;
	}
	return more;
}

void ctl_inject_send(struct ctl_punt_in *in, struct ctl_attachment *a,
	const struct ctl_reply_to *reply_to, const struct tp_addr *source,
	const struct tp_addr *destination, const uint8_t *bytes, size_t length)
{
	struct tp_inject *slot = NULL;
	struct ctl_punt_way way;

	memcpy(&way, reply_to->bytes, sizeof(way));
	// The worker of another attachment may not exist in this one.
	if (way.worker < a->said.workers && length <= TP_PACKET_SLOT_BYTES - sizeof(*slot))
		slot = tp_ring_reserve(&a->inject[way.worker]);
	if (!slot) {
		in->counters.inject_full++;
		return;
	}
	memset(slot, 0, sizeof(*slot));
	slot->source = *source;
	slot->destination = *destination;
	slot->path = way.path;
	slot->length = (uint16_t)length;
	slot->dscp_ecn = way.dscp_ecn & 0xfc; // ECN is not echoed
	memcpy(slot->payload, bytes, length);
	tp_ring_commit(&a->inject[way.worker]);
	in->counters.sent++;
}

void ctl_inject_flush(struct ctl_attachment *a)
{
	for (uint16_t w = 0; w < a->said.workers; w++)
		tp_ring_flush(&a->inject[w]);
}
