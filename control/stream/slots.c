// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/slots.h"

#include <string.h>

#include "control/stream/frame.h"

static uint32_t slots_of(size_t length)
{
	return (uint32_t)((length + TP_STREAM_SLOT_PAYLOAD - 1) / TP_STREAM_SLOT_PAYLOAD);
}

bool stream_slots_fit(struct tp_ring *up, size_t length)
{
	uint32_t needed = slots_of(length);

	// The other side's cache line is read only when what is known of it is not enough.
	return up->size - (up->own - up->other) >= needed || tp_ring_free_slots(up) >= needed;
}

void stream_slots_put(struct tp_ring *up, uint32_t connection, const uint8_t *bytes, size_t length)
{
	uint32_t n = slots_of(length);

	for (uint32_t i = 0; i < n; i++) {
		uint8_t *slot = tp_ring_reserve(up);
		size_t piece = length < TP_STREAM_SLOT_PAYLOAD ? length : TP_STREAM_SLOT_PAYLOAD;
		const struct tp_stream_slot head = {
			.kind = i == 0 ? TP_STREAM_MESSAGE : TP_STREAM_REST,
			.more = i == 0 ? (uint16_t)(n - 1) : 0,
			.length = (uint16_t)piece,
			.connection = connection};

		memcpy(slot, &head, sizeof(head));
		memcpy(slot + sizeof(head), bytes, piece);
		bytes += piece;
		length -= piece;
		tp_ring_commit(up);
	}
}

bool stream_slots_put_datagram(
	struct tp_ring *up, const struct tp_stream_slot *head, const void *bytes, size_t length)
{
	uint8_t *slot = tp_ring_reserve(up);
	struct tp_stream_slot whole = *head;

	if (!slot)
		return false;
	whole.length = (uint16_t)length;
	memcpy(slot, &whole, sizeof(whole));
	memcpy(slot + sizeof(whole), bytes, length);
	tp_ring_commit(up);
	return true;
}

static bool begins(uint16_t kind)
{
	return kind == TP_STREAM_MESSAGE || kind == TP_STREAM_DATAGRAM;
}

static void take_head(const struct tp_stream_slot *head, struct stream_slots_message *out)
{
	out->kind = head->kind;
	out->connection = head->connection;
	out->client = head->client;
	out->listener = head->listener;
	out->path = head->path;
}

// One slot of a message, appended to `out`. Its head is copied before it is looked at.
static bool take_slot(
	struct tp_ring *down, bool first, uint16_t *more, struct stream_slots_message *out)
{
	const uint8_t *slot = tp_ring_front(down);
	struct tp_stream_slot head;

	if (!slot)
		return false;
	memcpy(&head, slot, sizeof(head));
	bool good = (first ? begins(head.kind) : head.kind == TP_STREAM_REST) &&
		    head.length <= TP_STREAM_SLOT_PAYLOAD &&
		    head.length <= sizeof(out->bytes) - out->length;
	if (good) {
		memcpy(out->bytes + out->length, slot + sizeof(head), head.length);
		out->length += head.length;
		if (first)
			take_head(&head, out);
		*more = head.more;
	}
	// What is no rest of this message may be the next one.
	if (good || first)
		tp_ring_pop(down);
	return good;
}

// Comparable to others of its kind.
static bool is_address(const struct tp_addr *a)
{
	struct tp_addr clean = {.ip.family = a->ip.family, .port = a->port};

	memcpy(clean.ip.bytes, a->ip.bytes, tp_ip_length(&a->ip));
	return tp_ip_length(&a->ip) > 0 && a->port != 0 && tp_addr_equal(&clean, a);
}

enum stream_taken stream_slots_take(struct tp_ring *down, struct stream_slots_message *out)
{
	uint16_t more = 0, ignored;

	if (!tp_ring_front(down))
		return STREAM_TAKEN_NOTHING;
	out->length = 0;
	if (!take_slot(down, true, &more, out))
		return STREAM_TAKEN_WRONG;
	for (; more > 0; more--)
		if (!take_slot(down, false, &ignored, out))
			return STREAM_TAKEN_WRONG;
	bool right = out->kind == TP_STREAM_MESSAGE
			     ? stream_frame_is_message(out->bytes, out->length)
			     : is_address(&out->client) && is_address(&out->listener);
	return right ? STREAM_TAKEN_MESSAGE : STREAM_TAKEN_WRONG;
}

bool stream_note_put(
	struct tp_ring *request, const struct tp_stream_note *head, const void *payload)
{
	uint8_t *slot = tp_ring_reserve(request);

	if (!slot)
		return false;
	memcpy(slot, head, sizeof(*head));
	if (head->length > 0)
		memcpy(slot + sizeof(*head), payload, head->length);
	tp_ring_commit(request);
	return true;
}

static bool is_right(const struct stream_note *note)
{
	switch (note->kind) {
	case TP_STREAM_RESPONSE:
		return note->length % 4 == 0 && note->payload[0] < 0x40 &&
		       stream_frame_is_message(note->payload, note->length);
	case TP_STREAM_CLOSE:
	case TP_STREAM_ASK:
	case TP_STREAM_DRAIN:
	case TP_STREAM_RELOAD:
		return true;
	case TP_STREAM_LISTEN:
		return note->length == sizeof(struct tp_stream_listen);
	case TP_STREAM_UNLISTEN:
		return note->length == 0;
	case TP_STREAM_FAR_BIND:
		return note->length > sizeof(struct tp_stream_far) && note->length % 4 == 0 &&
		       note->payload[sizeof(struct tp_stream_far)] < 0x40 &&
		       stream_frame_is_message(note->payload + sizeof(struct tp_stream_far),
			       note->length - sizeof(struct tp_stream_far));
	case TP_STREAM_FAR_CONNECT:
	case TP_STREAM_FAR_ADMIT:
	case TP_STREAM_FAR_HAND_OVER:
	case TP_STREAM_FAR_CLOSE:
		return note->length == sizeof(struct tp_stream_far);
	default:
		return false;
	}
}

enum stream_taken stream_note_take(struct tp_ring *response, struct stream_note *out)
{
	const uint8_t *slot = tp_ring_front(response);

	if (!slot)
		return STREAM_TAKEN_NOTHING;
	memcpy(out, slot, offsetof(struct stream_note, payload));
	out->payload[0] = 0xff;
	bool fits = out->length <= sizeof(out->payload);
	if (fits)
		memcpy(out->payload, slot + offsetof(struct stream_note, payload), out->length);
	tp_ring_pop(response);
	return fits && is_right(out) ? STREAM_TAKEN_MESSAGE : STREAM_TAKEN_WRONG;
}
