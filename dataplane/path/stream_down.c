// SPDX-License-Identifier: BSD-3-Clause
// A datagram of a peer, or an ICMP error, to a client behind a stream process (RFC 8656
// sections 11.3, 12.7 and 16): the whole message goes into the stream's ring, one flush a burst.
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/prefix.h"
#include "dataplane/path/steps.h"
#include "dataplane/path/stream_slots.h"
#include "dataplane/path/streams.h"

// TCP has no place for the sender's checksum, by which its receiver would see damage.
static bool intact(const struct dp_packet *p)
{
	if (p->flags & (DP_PACKET_ZERO_SUM | DP_PACKET_MADE))
		return true;
	uint32_t rest = dp_sum_subtract(p->sum, dp_sum_mbuf(p->m, p->payload, p->payload_length));
	return rest == 0 || rest == UINT16_MAX;
}

static void write_message(struct dp_worker *w, const struct dp_packet *p, struct tp_ring *down,
	uint32_t slots, uint32_t connection)
{
	uint32_t prefix = dp_prefix_bytes((enum dp_prefix)p->prefix, p->key.family);
	uint8_t before[64];
	const struct tp_stream_slot head = {
		.kind = TP_STREAM_MESSAGE, .more = (uint16_t)(slots - 1), .connection = connection};

	static_assert(20 + 24 + 12 <= sizeof(before));
	if (p->prefix == DP_PREFIX_CHANNEL)
		dp_write_channel(p, before);
	else
		dp_write_indication(w, p, before, prefix);
	dp_stream_write(down, &head, before, prefix, p);
}

// Returns the ring that it went to, NULL: dropped.
static struct tp_ring *send_down(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct tp_stream_client client;

	memcpy(&client, p->out_ip, sizeof(client));
	struct dp_stream_link *link = dp_stream_find(w, client.stream);
	if (link == NULL) {
		dp_packet_drop(b, p, TP_DROP_stream_away);
		return NULL;
	}
	uint32_t bytes = dp_prefix_bytes((enum dp_prefix)p->prefix, p->key.family) +
			 p->payload_length + dp_prefix_padding(p);
	uint32_t slots = dp_stream_slots_of(bytes);
	if (!dp_stream_has_room(&link->down, slots)) {
		dp_packet_drop(b, p, TP_DROP_stream_full);
		return NULL;
	}
	if (!intact(p)) {
		dp_packet_drop(b, p, TP_DROP_bad_checksum);
		return NULL;
	}
	write_message(w, p, &link->down, slots, client.connection);
	dp_count(w, TP_COUNTER_stream_down, p->stands_for & DP_FRAME_FRAMES);
	rte_pktmbuf_free(p->m);
	dp_packet_next(b, p, DP_VERDICT_HELD);
	return &link->down;
}

void dp_step_stream_down(struct dp_worker *w, struct dp_batch *b)
{
	struct tp_ring *written[DP_BURST];
	uint32_t n = 0;

	if (!dp_batch_has(b, DP_VERDICT_STREAM))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict != DP_VERDICT_STREAM)
			continue;
		struct tp_ring *down = send_down(w, b, &b->packet[i]);
		if (down != NULL)
			written[n++] = down;
	}
	for (uint32_t i = 0; i < n; i++) // the first one of each ring does it
		tp_ring_flush(written[i]);
}
