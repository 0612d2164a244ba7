// SPDX-License-Identifier: BSD-3-Clause
// A dataplane or a control that a stream cannot trust: its attach message, then what it writes into
// the rings. What is refused is explained and leaves no descriptor behind; what is taken out is one
// message, and stays in its place.
#include "tests/unit/control/stream/attach_fixture.h"
// After cmocka's headers.
#include "control/stream/attach.h"
#include "control/stream/frame.h"
#include "control/stream/slots.h"
#include "tests/fuzz/script.h"

static struct stream_fixture media, control;

// The message with pieces of the input written over it: where, how many bytes, the bytes.
static void alter(uint8_t *message, size_t size, struct fuzz_script *s)
{
	uint8_t n = fuzz_u8(s) & 0xf;

	for (uint8_t i = 0; i < n; i++) {
		size_t at = fuzz_u16(s) % size, length = 1 + (fuzz_u8(s) & 0x1f);
		uint8_t bytes[32];

		fuzz_take(s, bytes, length);
		memcpy(message + at, bytes, length < size - at ? length : size - at);
	}
}

// Heads, tails and slots as a mad peer leaves them: after each, as many as it says are taken.
static void scribble(struct tp_ring *ring, struct fuzz_script *s)
{
	uint8_t how = fuzz_u8(s);

	if (how & 1) {
		uint32_t index;
		fuzz_take(s, &index, sizeof(index));
		atomic_store(how & 2 ? &ring->shared->head : &ring->shared->tail, index);
	} else {
		uint8_t slot = fuzz_u8(s) % FIXTURE_SLOTS, length = fuzz_u8(s);
		fuzz_take(s, ring->shared->slots + (size_t)slot * ring->slot_bytes, length);
	}
}

static void give_back(struct tp_ring *up, const struct stream_slots_message *d)
{
	const struct tp_stream_slot head = {
		.kind = TP_STREAM_NOT_MINE, .client = d->client, .listener = d->listener};

	FUZZ_CHECK(d->client.port != 0 && d->listener.port != 0);
	FUZZ_CHECK(tp_ip_length(&d->client.ip) > 0 && tp_ip_length(&d->listener.ip) > 0);
	if (d->length <= TP_STREAM_SLOT_PAYLOAD)
		stream_slots_put_datagram(up, &head, d->bytes, d->length);
}

static uint32_t take_media(struct stream_media *m)
{
	static struct stream_slots_message out;
	enum stream_taken taken;
	uint32_t messages = 0, slots = 0;

	for (; slots <= FIXTURE_SLOTS &&
		(taken = stream_slots_take(&m->down[0], &out)) != STREAM_TAKEN_NOTHING;
		slots++) {
		FUZZ_CHECK(out.length <= sizeof(out.bytes));
		if (taken != STREAM_TAKEN_MESSAGE)
			continue;
		messages++;
		if (out.kind == TP_STREAM_DATAGRAM) {
			give_back(&m->up[0], &out);
			continue;
		}
		FUZZ_CHECK(stream_frame_is_message(out.bytes, out.length));
		if (stream_slots_fit(&m->up[0], out.length))
			stream_slots_put(&m->up[0], out.connection, out.bytes, out.length);
	}
	FUZZ_CHECK(slots <= FIXTURE_SLOTS);
	tp_ring_flush(&m->up[0]);
	return messages;
}

static uint32_t take_notes(struct stream_requests_rings *r)
{
	struct stream_note note;
	enum stream_taken taken;
	uint32_t messages = 0, slots = 0;

	for (; slots <= FIXTURE_SLOTS &&
		(taken = stream_note_take(&r->response, &note)) != STREAM_TAKEN_NOTHING;
		slots++) {
		if (taken != STREAM_TAKEN_MESSAGE)
			continue;
		FUZZ_CHECK(note.length <= sizeof(note.payload));
		FUZZ_CHECK(note.kind != TP_STREAM_RESPONSE || note.length >= 20);
		messages++;
		const struct tp_stream_note head = {
			.kind = note.kind, .length = note.length, .connection = note.connection};
		stream_note_put(&r->request, &head, note.payload);
	}
	FUZZ_CHECK(slots <= FIXTURE_SLOTS);
	tp_ring_flush(&r->request);
	return messages;
}

static size_t descriptors(const struct stream_fixture *f, uint8_t how, int *fds)
{
	size_t n = how & 1 ? how >> 4 : f->n_fds;

	for (size_t i = 0; i < n; i++) // how & 2: the first two the wrong way round
		fds[i] = fcntl(f->fds[how & 2 && i < 2 ? 1 - i : i % f->n_fds], F_DUPFD_CLOEXEC, 3);
	if (how & 8 && n > 1)
		close(fds[1]);
	return n;
}

static uint32_t try_media(
	const void *message, size_t length, const int *fds, size_t n_fds, struct fuzz_script *s)
{
	char why[TP_WHY_BYTES] = "";
	struct stream_media m;
	uint32_t messages = 0;
	int rc = stream_media_open(message, length, fds, n_fds, &m, why);

	FUZZ_CHECK((rc == 0) == (why[0] == '\0'));
	if (rc)
		return 0;
	FUZZ_CHECK(m.workers >= 1 && m.workers <= 2 && m.n_event_fds == n_fds - 1);
	while (fuzz_left(s) > 0) {
		scribble(&m.down[0], s);
		messages += take_media(&m);
	}
	stream_media_close(&m);
	return messages;
}

static uint32_t try_control(
	const void *message, size_t length, const int *fds, size_t n_fds, struct fuzz_script *s)
{
	char why[TP_WHY_BYTES] = "";
	struct stream_requests_rings r;
	uint32_t messages = 0;
	int rc = stream_requests_rings_open(message, length, fds, n_fds, &r, why);

	FUZZ_CHECK((rc == 0) == (why[0] == '\0'));
	if (rc)
		return 0;
	while (fuzz_left(s) > 0) {
		scribble(&r.response, s);
		messages += take_notes(&r);
	}
	stream_requests_rings_close(&r);
	return messages;
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct fuzz_script s = fuzz_script(data, size);
	int fds[TP_STREAM_ATTACHED_MAX_FDS];

	if (media.n_fds == 0) {
		stream_fixture_media(&media, 2);
		stream_fixture_control(&control);
	}
	bool of_control = fuzz_u8(&s) & 1;
	struct stream_fixture *f = of_control ? &control : &media;
	size_t whole = of_control ? sizeof(f->control) : sizeof(f->media);
	uint8_t *message = malloc(whole);

	memcpy(message, of_control ? (void *)&f->control : (void *)&f->media, whole);
	alter(message, whole, &s);
	uint8_t how = fuzz_u8(&s);
	size_t n_fds = descriptors(f, how, fds);
	size_t length = how & 4 ? fuzz_u16(&s) % whole : whole;
	uint8_t *copy = malloc(length);

	memcpy(copy, message, length);
	free(message);
	if ((of_control ? try_control : try_media)(copy, length, fds, n_fds, &s) > 0)
		fuzz_canary(data + size);
	free(copy);
	memset(f->memory.base, 0, f->memory.bytes);
	int next = fcntl(0, F_DUPFD_CLOEXEC, 3);
	FUZZ_CHECK(next >= 0 && next < 64); // none leaked
	close(next);
}
