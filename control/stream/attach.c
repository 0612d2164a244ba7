// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/attach.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

// What is said in a message of exactly `bytes`, at the beginning of which its header stands.
static int read_message(
	const void *message, size_t length, uint16_t type, void *out, size_t bytes, char *why)
{
	const struct tp_message_header *h = out;

	if (length != bytes)
		return tp_attach_wrong(why, "message of %zu bytes, expected %zu", length, bytes);
	memcpy(out, message, bytes);
	if (h->magic != TP_ABI_MAGIC || h->type != type || h->length_bytes != length)
		return tp_attach_wrong(why, "not an attach message");
	if (h->major != TP_ABI_MAJOR)
		return tp_attach_wrong(why, "ABI version %u.%u, ours is %u.%u", h->major, h->minor,
			TP_ABI_MAJOR, TP_ABI_MINOR);
	return 0;
}

static int check_memory_bytes(uint64_t bytes, char *why)
{
	if (bytes == 0 || bytes > SIZE_MAX / 2)
		return tp_attach_wrong(why, "ring memory of %llu bytes", (unsigned long long)bytes);
	return 0;
}

static void close_all(const int *fds, size_t n)
{
	for (size_t i = 0; i < n; i++)
		close(fds[i]);
}

// What both attachments have: memory of rings, the first descriptor; eventfds, which follow; where
// each ring goes.
struct attachment {
	const struct tp_ring_place *place;
	unsigned int rings;
	uint64_t bytes;
	struct tp_shm *memory;
	int *event_fd;
	size_t *n_event_fds;
	struct tp_ring *(*ring)(void *context, const struct tp_ring_place *place);
	void *context;
};

// `owned` says how many descriptors have their place in the attachment now.
static int take(const struct attachment *a, const int *fds, size_t n_fds, size_t *owned, char *why)
{
	int rc = tp_attach_memory(fds[0], a->bytes, "ring memory", a->memory, why);

	if (rc)
		return rc;
	*owned = 1;
	rc = tp_attach_event_fds(fds + 1, n_fds - 1, 1, why);
	if (rc)
		return rc;
	memcpy(a->event_fd, fds + 1, (n_fds - 1) * sizeof(*fds));
	*a->n_event_fds = n_fds - 1;
	*owned = n_fds;
	return 0;
}

static bool is_ours_to_fill(const struct tp_ring_place *p)
{
	return p->kind == TP_RING_STREAM_UP || p->kind == TP_RING_STREAM_REQUEST;
}

// Every descriptor is the attachment's or closed afterwards. What is open already when this fails
// is the caller's to close.
static int open_rings(const struct attachment *a, const int *fds, size_t n_fds, char *why)
{
	size_t owned = 0;
	int rc = take(a, fds, n_fds, &owned, why);

	close_all(fds + owned, n_fds - owned);
	for (unsigned int i = 0; rc == 0 && i < a->rings; i++) {
		const struct tp_ring_place *p = &a->place[i];

		if ((is_ours_to_fill(p) ? tp_ring_producer_init : tp_ring_consumer_init)(
			    a->ring(a->context, p), (uint8_t *)a->memory->base + p->offset,
			    a->memory->bytes - p->offset, p->slots, p->slot_bytes,
			    a->event_fd[p->event_fd - 1]))
			rc = tp_attach_wrong(why, "ring %u cannot be opened", i);
	}
	return rc;
}

// ---- the dataplane's

static int check_media(const struct tp_stream_attached *m, size_t n_fds, char *why)
{
	static const struct tp_ring_wanted wanted[] = {
		{TP_RING_STREAM_UP, true, TP_PACKET_SLOT_BYTES},
		{TP_RING_STREAM_DOWN, true, TP_PACKET_SLOT_BYTES},
	};
	const struct tp_rings_said said = {.place = m->ring,
		.n = m->rings,
		.workers = m->workers,
		.memory_bytes = m->rings_bytes,
		.first_event_fd = 1,
		.n_fds = n_fds,
		.wanted = wanted,
		.n_wanted = 2};

	if (m->workers == 0 || m->workers > TP_MAX_WORKERS)
		return tp_attach_wrong(
			why, "%u workers, expected 1 to %u", m->workers, TP_MAX_WORKERS);
	if (m->rings != 2 * m->workers)
		return tp_attach_wrong(why, "%u rings for %u workers, expected %u", m->rings,
			m->workers, 2 * m->workers);
	if (n_fds < 2 || n_fds > TP_STREAM_ATTACHED_MAX_FDS)
		return tp_attach_wrong(why, "%zu descriptors, expected 2 to %u", n_fds,
			TP_STREAM_ATTACHED_MAX_FDS);
	int rc = check_memory_bytes(m->rings_bytes, why);
	// With 2 * workers rings and no two of one kind and worker, each is there once.
	return rc == 0 ? tp_rings_check(&said, why) : rc;
}

static struct tp_ring *media_ring(void *context, const struct tp_ring_place *p)
{
	struct stream_media *m = context;

	return p->kind == TP_RING_STREAM_UP ? &m->up[p->worker] : &m->down[p->worker];
}

int stream_media_open(const void *message, size_t length, const int *fds, size_t n_fds,
	struct stream_media *out, char why[TP_WHY_BYTES])
{
	struct tp_stream_attached said;
	int rc = read_message(message, length, TP_MSG_STREAM_ATTACHED, &said, sizeof(said), why);

	*out = (struct stream_media){.memory.fd = -1};
	if (rc == 0)
		rc = check_media(&said, n_fds, why);
	if (rc) {
		close_all(fds, n_fds);
		return rc;
	}
	out->workers = said.workers;
	out->pid = said.pid;
	rc = open_rings(&(struct attachment){.place = said.ring,
				.rings = said.rings,
				.bytes = said.rings_bytes,
				.memory = &out->memory,
				.event_fd = out->event_fd,
				.n_event_fds = &out->n_event_fds,
				.ring = media_ring,
				.context = out},
		fds, n_fds, why);
	if (rc)
		stream_media_close(out);
	return rc;
}

void stream_media_close(struct stream_media *m)
{
	close_all(m->event_fd, m->n_event_fds);
	tp_shm_close(&m->memory);
	*m = (struct stream_media){.memory.fd = -1};
}

// ---- control's

static int check_requests(const struct tp_stream_control *m, size_t n_fds, char *why)
{
	static const struct tp_ring_wanted wanted[] = {
		{TP_RING_STREAM_REQUEST, false, TP_PACKET_SLOT_BYTES},
		{TP_RING_STREAM_RESPONSE, false, TP_PACKET_SLOT_BYTES},
	};
	const struct tp_rings_said said = {.place = m->ring,
		.n = m->rings,
		.workers = 1,
		.memory_bytes = m->rings_bytes,
		.first_event_fd = 1,
		.n_fds = n_fds,
		.wanted = wanted,
		.n_wanted = 2};

	if (m->rings != 2)
		return tp_attach_wrong(why, "%u rings, expected 2", m->rings);
	if (n_fds != TP_STREAM_CONTROL_FDS)
		return tp_attach_wrong(
			why, "%zu descriptors, expected %u", n_fds, TP_STREAM_CONTROL_FDS);
	int rc = check_memory_bytes(m->rings_bytes, why);
	return rc == 0 ? tp_rings_check(&said, why) : rc;
}

static struct tp_ring *requests_ring(void *context, const struct tp_ring_place *p)
{
	struct stream_requests_rings *r = context;

	return p->kind == TP_RING_STREAM_REQUEST ? &r->request : &r->response;
}

int stream_requests_rings_open(const void *message, size_t length, const int *fds, size_t n_fds,
	struct stream_requests_rings *out, char why[TP_WHY_BYTES])
{
	struct tp_stream_control said;
	int rc = read_message(message, length, TP_MSG_STREAM_CONTROL, &said, sizeof(said), why);

	*out = (struct stream_requests_rings){.memory.fd = -1};
	if (rc == 0)
		rc = check_requests(&said, n_fds, why);
	if (rc) {
		close_all(fds, n_fds);
		return rc;
	}
	out->pid = said.pid;
	rc = open_rings(&(struct attachment){.place = said.ring,
				.rings = said.rings,
				.bytes = said.rings_bytes,
				.memory = &out->memory,
				.event_fd = out->event_fd,
				.n_event_fds = &out->n_event_fds,
				.ring = requests_ring,
				.context = out},
		fds, n_fds, why);
	if (rc)
		stream_requests_rings_close(out);
	return rc;
}

void stream_requests_rings_close(struct stream_requests_rings *r)
{
	close_all(r->event_fd, r->n_event_fds);
	tp_shm_close(&r->memory);
	*r = (struct stream_requests_rings){.memory.fd = -1};
}
