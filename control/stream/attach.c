// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/attach.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static int check_header(const struct tp_message_header *h, uint16_t type, size_t length, char *why)
{
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

// What both attachments have: the first descriptor is the rings' memory, eventfds follow. `owned`
// says how many descriptors have their place in the attachment now.
static int take(const int *fds, size_t n_fds, uint64_t bytes, struct tp_shm *memory, int *event_fd,
	size_t *owned, char *why)
{
	int rc = tp_attach_memory(fds[0], bytes, "ring memory", memory, why);

	if (rc)
		return rc;
	*owned = 1;
	rc = tp_attach_event_fds(fds + 1, n_fds - 1, 1, why);
	if (rc)
		return rc;
	memcpy(event_fd, fds + 1, (n_fds - 1) * sizeof(*fds));
	*owned = n_fds;
	return 0;
}

static int open_ring(const struct tp_ring_place *p, const struct tp_shm *memory,
	const int *event_fd, bool produce, struct tp_ring *out)
{
	return (produce ? tp_ring_producer_init : tp_ring_consumer_init)(out,
		(uint8_t *)memory->base + p->offset, memory->bytes - p->offset, p->slots,
		p->slot_bytes, event_fd[p->event_fd - 1]);
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

int stream_media_open(const void *message, size_t length, const int *fds, size_t n_fds,
	struct stream_media *out, char why[TP_WHY_BYTES])
{
	struct tp_stream_attached said;
	size_t owned = 0;
	int rc;

	*out = (struct stream_media){.memory.fd = -1};
	if (length != sizeof(said)) {
		close_all(fds, n_fds);
		return tp_attach_wrong(
			why, "message of %zu bytes, expected %zu", length, sizeof(said));
	}
	memcpy(&said, message, sizeof(said));
	rc = check_header(&said.header, TP_MSG_STREAM_ATTACHED, length, why);
	if (rc == 0)
		rc = check_media(&said, n_fds, why);
	if (rc == 0)
		rc = take(fds, n_fds, said.rings_bytes, &out->memory, out->event_fd, &owned, why);
	close_all(fds + owned, n_fds - owned);
	out->n_event_fds = owned > 1 ? owned - 1 : 0;
	out->workers = said.workers;
	out->pid = said.pid;
	for (unsigned int i = 0; rc == 0 && i < said.rings; i++) {
		const struct tp_ring_place *p = &said.ring[i];
		bool up = p->kind == TP_RING_STREAM_UP;

		if (open_ring(p, &out->memory, out->event_fd, up,
			    up ? &out->up[p->worker] : &out->down[p->worker]))
			rc = tp_attach_wrong(why, "ring %u cannot be opened", i);
	}
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

int stream_requests_rings_open(const void *message, size_t length, const int *fds, size_t n_fds,
	struct stream_requests_rings *out, char why[TP_WHY_BYTES])
{
	struct tp_stream_control said;
	size_t owned = 0;
	int rc;

	*out = (struct stream_requests_rings){.memory.fd = -1};
	if (length != sizeof(said)) {
		close_all(fds, n_fds);
		return tp_attach_wrong(
			why, "message of %zu bytes, expected %zu", length, sizeof(said));
	}
	memcpy(&said, message, sizeof(said));
	rc = check_header(&said.header, TP_MSG_STREAM_CONTROL, length, why);
	if (rc == 0)
		rc = check_requests(&said, n_fds, why);
	if (rc == 0)
		rc = take(fds, n_fds, said.rings_bytes, &out->memory, out->event_fd, &owned, why);
	close_all(fds + owned, n_fds - owned);
	out->n_event_fds = owned > 1 ? owned - 1 : 0;
	out->pid = said.pid;
	for (unsigned int i = 0; rc == 0 && i < said.rings; i++) {
		const struct tp_ring_place *p = &said.ring[i];
		bool request = p->kind == TP_RING_STREAM_REQUEST;

		if (open_ring(p, &out->memory, out->event_fd, request,
			    request ? &out->request : &out->response))
			rc = tp_attach_wrong(why, "ring %u cannot be opened", i);
	}
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
