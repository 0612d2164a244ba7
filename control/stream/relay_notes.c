// SPDX-License-Identifier: BSD-3-Clause
// What control says of TCP allocations, and what it is told. Of a connection it is told what is due
// in its order; one that is over stays until then.
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/abi/shm_map.h"
#include "control/stream/stream.h"

// ---- to control

static struct tp_stream_far describe(const struct stream_relay *r)
{
	struct tp_stream_far said = {.id = r->id,
		.owner = r->owner,
		.relay = r->address,
		.peer = r->peer,
		.state = r->state,
		.up_bytes = r->up.total - r->up.told,
		.down_bytes = r->down.total - r->down.told};

	memcpy(said.transaction_id, r->transaction_id, sizeof(said.transaction_id));
	return said;
}

static bool put(struct stream *s, struct stream_relay *r, uint16_t kind, int error)
{
	struct tp_stream_far said = describe(r);
	const struct tp_stream_note head = {.kind = kind,
		.length = sizeof(said),
		.connection = r->owner.stream == s->number ? r->owner.connection : 0};

	said.error = error;
	if (!stream_note_put(&s->control.request, &head, &said))
		return false;
	r->known = true;
	r->up.told = r->up.total;
	r->down.told = r->down.total;
	return true;
}

// One that did not come to be: told once, then over.
static bool put_failed(struct stream *s, struct stream_relay *r)
{
	if (!put(s, r, TP_STREAM_FAR_CONNECTED, r->error))
		return false;
	r->known = false;
	stream_relay_end(s, r);
	return true;
}

static bool talk(struct stream *s, struct stream_relay *r)
{
	static const struct {
		uint16_t due, kind;
	} notes[] = {
		{STREAM_RELAY_DUE_IS, TP_STREAM_FAR_IS},
		{STREAM_RELAY_DUE_CAME, TP_STREAM_FAR_CAME},
		{STREAM_RELAY_DUE_CONNECTED, TP_STREAM_FAR_CONNECTED},
		{STREAM_RELAY_DUE_BYTES, TP_STREAM_FAR_BYTES},
	};

	for (size_t i = 0; i < sizeof(notes) / sizeof(notes[0]); i++) {
		if (!(r->due & notes[i].due))
			continue;
		if (notes[i].due == STREAM_RELAY_DUE_CONNECTED && r->error)
			return put_failed(s, r);
		if (!put(s, r, notes[i].kind, 0))
			return false;
		r->due &= (uint16_t)~notes[i].due;
	}
	stream_list_remove(&r->talk);
	if (!(r->due & STREAM_RELAY_DUE_GONE))
		return true;
	if (!put(s, r, TP_STREAM_FAR_GONE, 0)) {
		stream_list_add(&s->relays.talk, &r->talk);
		return false;
	}
	stream_relay_forget(s, r);
	return true;
}

bool stream_relays_talk(struct stream *s)
{
	struct stream_link *link;

	while ((link = stream_list_first(&s->relays.talk)))
		if (!talk(s, STREAM_OF(link, struct stream_relay, talk)))
			return false;
	return true;
}

// A new control learns of all there is, what is over included: its bytes count.
static void announce(struct stream *s, struct stream_relay *r)
{
	r->due = 0;
	if (r->fd < 0) {
		stream_relay_tell(s, r, STREAM_RELAY_DUE_GONE);
		return;
	}
	stream_relay_tell(s, r, STREAM_RELAY_DUE_IS);
	if (r->error)
		stream_relay_tell(s, r, STREAM_RELAY_DUE_CONNECTED);
}

void stream_relays_attached(struct stream *s)
{
	for (size_t i = 0; i < STREAM_RELAY_BUCKETS; i++)
		for (struct stream_relay *r = s->relays.bucket[i]; r; r = r->next)
			announce(s, r);
}

void stream_relay_take_back(struct stream *s, const struct tp_stream_far *said)
{
	struct stream_relay *r = stream_relay_find(s, said->id);

	if (!r)
		return;
	r->up.told -= said->up_bytes;
	r->down.told -= said->down_bytes;
}

// ---- from control

static void admit(struct stream *s, struct stream_relay *r)
{
	struct stream_relayed *of = r->of;

	if (r->state != TP_STREAM_FAR_UNJUDGED)
		return;
	r->state = TP_STREAM_FAR_WAITING;
	if (of)
		stream_relay_judged(s, of);
}

static void hand_over(struct stream *s, struct stream_relay *r)
{
	struct tp_stream_far_socket message = {.header = {.magic = TP_ABI_MAGIC,
						       .major = TP_ABI_MAJOR,
						       .minor = TP_ABI_MINOR,
						       .type = TP_MSG_STREAM_FAR,
						       .length_bytes = sizeof(message)},
		.far = describe(r)};

	// Otherwise its end tells that it cannot.
	if (r->state == TP_STREAM_FAR_WAITING &&
		tp_message_send(
			s->peers[STREAM_CONTROL].fd, &message, sizeof(message), &r->fd, 1) == 0) {
		stream_count(s, STREAM_COUNT_relay_given, 1);
		r->known = false;
	}
	stream_relay_end(s, r);
}

void stream_relay_handed(struct stream *s, const struct tp_stream_far *said, int fd)
{
	struct stream_relay *r =
		stream_relay_find(s, said->id) ? NULL : stream_relay_new(s, said->id);

	if (!r) {
		close(fd); // FAR_BIND, which follows, finds nothing and says so
		return;
	}
	stream_count(s, STREAM_COUNT_relay_taken, 1);
	r->fd = fd;
	r->state = TP_STREAM_FAR_WAITING;
	r->known = true;
	r->owner = said->owner;
	r->address = said->relay;
	r->peer = said->peer;
	r->rate_bytes_per_s = said->rate_bytes_per_s;
	memcpy(r->transaction_id, said->transaction_id, sizeof(r->transaction_id));
	stream_relay_time(s, r, STREAM_RELAY_TIMER_WAIT);
}

// The socket that goes with it was sent before, but by the other way.
static struct stream_relay *find_handed(struct stream *s, uint32_t id)
{
	struct stream_relay *r;

	for (int i = 0; !(r = stream_relay_find(s, id)) && s->has_control && i < 64; i++)
		stream_peer_event(s, STREAM_CONTROL);
	return r;
}

static void bind_it(struct stream *s, uint32_t connection, const uint8_t *payload, size_t length)
{
	struct stream_connection *c = stream_table_find(&s->table, connection);
	struct tp_stream_far said;
	struct stream_relay *r;

	memcpy(&said, payload, sizeof(said));
	r = find_handed(s, said.id);
	if (c && (c->state != STREAM_IS_OPEN || !c->binds))
		c = NULL;
	if (r && r->fd >= 0 && r->state == TP_STREAM_FAR_WAITING && c) {
		r->rate_bytes_per_s = said.rate_bytes_per_s;
		stream_request_answered(s, c, payload + sizeof(said));
		stream_relay_bind(s, r, c, payload + sizeof(said), length - sizeof(said));
		return;
	}
	if (!r)
		stream_relay_deny(s, &said, 0);
	else if (r->fd >= 0 && !r->client)
		stream_relay_end(s, r);
	if (c)
		stream_connection_end(s, c);
}

static void about(struct stream *s, uint16_t kind, const struct tp_stream_far *said)
{
	struct stream_relay *r = stream_relay_find(s, said->id);

	if (!r || r->fd < 0) // over, and control will know
		return;
	switch (kind) {
	case TP_STREAM_FAR_ADMIT:
		admit(s, r);
		break;
	case TP_STREAM_FAR_HAND_OVER:
		hand_over(s, r);
		break;
	case TP_STREAM_FAR_CLOSE:
		r->known = false;
		stream_relay_finish(s, r);
		break;
	}
}

void stream_relay_note(
	struct stream *s, uint16_t kind, uint32_t connection, const void *payload, size_t length)
{
	struct stream_connection *c = stream_table_find(&s->table, connection);
	struct tp_stream_listen listen;
	struct tp_stream_far far;

	switch (kind) {
	case TP_STREAM_LISTEN:
		memcpy(&listen, payload, sizeof(listen));
		if (c && c->state == STREAM_IS_OPEN)
			stream_relay_listen(s, c, &listen);
		return;
	case TP_STREAM_UNLISTEN:
		if (c)
			stream_relayed_free(s, c);
		return;
	case TP_STREAM_FAR_BIND:
		bind_it(s, connection, payload, length);
		return;
	}
	memcpy(&far, payload, sizeof(far));
	if (kind == TP_STREAM_FAR_CONNECT)
		stream_relay_connect(s, &far);
	else
		about(s, kind, &far);
}
