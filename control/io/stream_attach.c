// SPDX-License-Identifier: BSD-3-Clause
#include "control/io/stream_attach.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/abi/sizes.h"

#define RING_ALIGNMENT 4096

static struct tp_message_header header_of(uint16_t type, size_t bytes)
{
	return (struct tp_message_header){.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = type,
		.length_bytes = (uint32_t)bytes};
}

int ctl_stream_greeting(const void *message, size_t length_bytes, struct tp_stream_hello *out)
{
	const struct tp_hello *hello = &out->hello;

	memset(out, 0, sizeof(*out));
	memcpy(out, message, length_bytes < sizeof(*out) ? length_bytes : sizeof(*out));
	if (length_bytes < sizeof(hello->header) || hello->header.magic != TP_ABI_MAGIC)
		return TP_REFUSED_MAGIC;
	if (hello->header.major != TP_ABI_MAJOR)
		return TP_REFUSED_MAJOR;
	if (length_bytes != sizeof(*out) || hello->header.length_bytes != length_bytes ||
		hello->header.type != TP_MSG_HELLO || hello->role != TP_ROLE_STREAM ||
		out->stream == 0)
		return TP_REFUSED_ROLE;
	if (hello->sizes[TP_SIZE_STREAM_NOTE] != sizeof(struct tp_stream_note))
		return TP_REFUSED_SIZES;
	return 0;
}

static void place(struct tp_stream_control *m, enum tp_ring_kind kind, uint32_t slots, uint16_t fd)
{
	m->ring[m->rings++] = (struct tp_ring_place){.kind = (uint16_t)kind,
		.slots = slots,
		.slot_bytes = TP_PACKET_SLOT_BYTES,
		.event_fd = fd,
		.offset = m->rings_bytes};
	m->rings_bytes += (tp_ring_bytes(slots, TP_PACKET_SLOT_BYTES) + RING_ALIGNMENT - 1) &
			  ~(uint64_t)(RING_ALIGNMENT - 1);
}

static int init_rings(
	struct ctl_stream_link *link, const struct tp_stream_control *m, struct ctl_stream *stream)
{
	uint8_t *base = link->rings.base;
	int rc = tp_ring_consumer_init(&stream->request, base + m->ring[0].offset,
		link->rings.bytes - m->ring[0].offset, m->ring[0].slots, m->ring[0].slot_bytes,
		link->request_fd);

	return rc ? rc
		  : tp_ring_producer_init(&stream->response, base + m->ring[1].offset,
			    link->rings.bytes - m->ring[1].offset, m->ring[1].slots,
			    m->ring[1].slot_bytes, link->response_fd);
}

int ctl_stream_link_open(int sock, struct ctl_stream_link *link, struct ctl_stream *stream)
{
	struct tp_stream_control m = {
		.header = header_of(TP_MSG_STREAM_CONTROL, sizeof(m)), .pid = (uint32_t)getpid()};
	int rc;

	place(&m, TP_RING_STREAM_REQUEST, TP_STREAM_REQUEST_SLOTS, 1);
	place(&m, TP_RING_STREAM_RESPONSE, TP_STREAM_RESPONSE_SLOTS, 2);
	*link = (struct ctl_stream_link){.rings.fd = -1,
		.request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
		.response_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	rc = link->request_fd < 0 || link->response_fd < 0 ? -errno : 0;
	if (rc == 0)
		rc = tp_shm_create("turnpike-requests", m.rings_bytes, &link->rings);
	if (rc == 0)
		rc = init_rings(link, &m, stream);
	if (rc == 0) {
		const int fds[TP_STREAM_CONTROL_FDS] = {
			link->rings.fd, link->request_fd, link->response_fd};
		rc = tp_message_send(sock, &m, sizeof(m), fds, TP_STREAM_CONTROL_FDS);
	}
	if (rc)
		ctl_stream_link_close(link);
	return rc;
}

void ctl_stream_link_close(struct ctl_stream_link *link)
{
	tp_shm_close(&link->rings);
	if (link->request_fd >= 0)
		close(link->request_fd);
	if (link->response_fd >= 0)
		close(link->response_fd);
	link->request_fd = link->response_fd = -1;
}

void ctl_stream_refuse(int sock, enum tp_refusal why, uint32_t detail)
{
	struct tp_refused m = {.header = header_of(TP_MSG_REFUSED, sizeof(m)),
		.reason = (uint16_t)why,
		.detail = detail};

	tp_message_send(sock, &m, sizeof(m), NULL, 0); // it closes anyway
}
