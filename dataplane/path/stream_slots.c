// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/stream_slots.h"

bool dp_stream_has_room(struct tp_ring *down, uint32_t slots)
{
	return down->size - (down->own - down->other) >= slots || tp_ring_free_slots(down) >= slots;
}

// Where a message goes on being written: bytes of the slot that is reserved.
struct writer {
	struct tp_ring *down;
	struct tp_stream_slot *slot;
	struct tp_stream_slot head; // of the next slot
};

// Header and length at once: nothing is read back out of memory that somebody else can write.
static void end_slot(struct writer *to)
{
	memcpy(to->slot, &to->head, sizeof(to->head));
	tp_ring_commit(to->down);
	to->head.kind = TP_STREAM_REST;
	to->head.more = 0;
	to->head.length = 0;
}

static void append(struct writer *to, const void *bytes, uint32_t length)
{
	while (length > 0) {
		if (to->head.length == TP_STREAM_SLOT_PAYLOAD) {
			end_slot(to);
			to->slot = tp_ring_reserve(to->down);
		}
		uint32_t part = RTE_MIN(length, (uint32_t)TP_STREAM_SLOT_PAYLOAD - to->head.length);
		memcpy(to->slot->payload + to->head.length, bytes, part);
		to->head.length = (uint16_t)(to->head.length + part);
		bytes = (const uint8_t *)bytes + part;
		length -= part;
	}
}

static void append_payload(struct writer *to, const struct dp_packet *p)
{
	const struct rte_mbuf *m = p->m;
	uint32_t offset = p->payload, left = p->payload_length;

	while (m != NULL && offset >= m->data_len) {
		offset -= m->data_len;
		m = m->next;
	}
	for (; m != NULL && left > 0; m = m->next) {
		uint32_t part = RTE_MIN(left, m->data_len - offset);
		append(to, rte_pktmbuf_mtod_offset(m, const uint8_t *, offset), part);
		left -= part;
		offset = 0;
	}
}

void dp_stream_write(struct tp_ring *down, const struct tp_stream_slot *head, const void *before,
	uint32_t before_bytes, const struct dp_packet *p)
{
	static const uint8_t zero[4];
	struct writer to = {.down = down, .slot = tp_ring_reserve(down), .head = *head};

	append(&to, before, before_bytes);
	append_payload(&to, p);
	append(&to, zero, dp_prefix_padding(p));
	end_slot(&to);
}
