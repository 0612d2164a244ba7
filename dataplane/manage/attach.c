// SPDX-License-Identifier: BSD-3-Clause
// Attachment of control: fresh rings each time, laid out in one sealed memfd and described by
// TP_MSG_ATTACHED.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/eventfd.h>

#include "common/abi/punt.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/path/worker.h"

#define RING_ALIGNMENT 4096

static void attachment_free(struct manage_attachment *a)
{
	for (uint16_t i = 0; i < a->n_event_fds; i++)
		if (a->event_fd_ours[i])
			close(a->event_fds[i]);
	tp_shm_close(&a->rings);
	free(a);
}

// Places one ring behind those before it. `event_fd` -1: makes one.
static int place_ring(struct manage_attachment *a, struct tp_attached *out, enum tp_ring_kind kind,
	uint16_t worker, uint32_t slots, uint32_t slot_bytes, int event_fd)
{
	struct tp_ring_place *place = &out->ring[out->rings];
	bool ours = event_fd < 0;

	if (ours)
		event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (event_fd < 0)
		return -errno;
	a->event_fds[a->n_event_fds] = event_fd;
	a->event_fd_ours[a->n_event_fds] = ours;
	*place = (struct tp_ring_place){.kind = (uint16_t)kind,
		.worker = worker,
		.slots = slots,
		.slot_bytes = slot_bytes,
		.event_fd = (uint16_t)(2 + a->n_event_fds),
		.offset = out->rings_bytes};
	out->rings_bytes += (tp_ring_bytes(slots, slot_bytes) + RING_ALIGNMENT - 1) &
			    ~(uint64_t)(RING_ALIGNMENT - 1);
	out->rings++;
	a->n_event_fds++;
	return 0;
}

static int place_rings(
	const struct dp_manage *m, struct manage_attachment *a, struct tp_attached *out)
{
	int rc = place_ring(
		a, out, TP_RING_COMMAND, 0, TP_COMMAND_RING_SLOTS, sizeof(struct tp_cmd), -1);

	if (rc == 0)
		rc = place_ring(
			a, out, TP_RING_ACK, 0, TP_ACK_RING_SLOTS, sizeof(struct tp_ack), -1);
	for (uint16_t w = 0; rc == 0 && w < m->dp->n_workers; w++) {
		rc = place_ring(
			a, out, TP_RING_PUNT, w, TP_PUNT_RING_SLOTS, TP_PACKET_SLOT_BYTES, -1);
		if (rc == 0) // the worker sleeps on its own eventfd, whoever wakes it
			rc = place_ring(a, out, TP_RING_INJECT, w, TP_INJECT_RING_SLOTS,
				TP_PACKET_SLOT_BYTES, dp_worker_event_fd(m->dp->workers[w]));
	}
	return rc;
}

static int init_ring(struct manage_attachment *a, const struct tp_ring_place *place)
{
	void *memory = (char *)a->rings.base + place->offset;
	size_t bytes = a->rings.bytes - place->offset;
	int event_fd = a->event_fds[place->event_fd - 2];

	switch ((enum tp_ring_kind)place->kind) {
	case TP_RING_COMMAND:
		return tp_ring_consumer_init(
			&a->command, memory, bytes, place->slots, place->slot_bytes, event_fd);
	case TP_RING_ACK:
		return tp_ring_producer_init(
			&a->ack, memory, bytes, place->slots, place->slot_bytes, event_fd);
	case TP_RING_PUNT:
		return tp_ring_producer_init(&a->link[place->worker].punt, memory, bytes,
			place->slots, place->slot_bytes, event_fd);
	case TP_RING_INJECT:
		return tp_ring_consumer_init(&a->link[place->worker].inject, memory, bytes,
			place->slots, place->slot_bytes, event_fd);
	default: // a stream's
		break;
	}
	return -EINVAL;
}

static int create_attachment(
	const struct dp_manage *m, struct tp_attached *out, struct manage_attachment **made)
{
	struct manage_attachment *a = calloc(1, sizeof(*a));
	int rc;

	if (!a)
		return -ENOMEM;
	a->rings.fd = -1;
	rc = place_rings(m, a, out);
	if (rc == 0)
		rc = tp_shm_create("turnpike-rings", out->rings_bytes, &a->rings);
	for (uint16_t i = 0; rc == 0 && i < out->rings; i++)
		rc = init_ring(a, &out->ring[i]);
	if (rc < 0) {
		attachment_free(a);
		return rc;
	}
	*made = a;
	return 0;
}

static void describe(const struct dp_manage *m, struct tp_attached *out)
{
	const struct dp *dp = m->dp;
	uint16_t local;

	out->header = (struct tp_message_header){.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = TP_MSG_ATTACHED,
		.length_bytes = (uint32_t)tp_attached_bytes((uint32_t)dp->conf->relay.n_addresses)};
	out->pid = (uint32_t)getpid();
	out->workers = dp->n_workers;
	out->instance = dp->instance;
	out->region_bytes = m->region.bytes;
	out->port_min = dp->conf->relay.port_min;
	out->port_max = dp->conf->relay.port_max;
	out->listeners = dp_listener_count(dp->locals);
	for (uint16_t i = 0; i < out->listeners; i++)
		out->listener[i] = *dp_listener_at(dp->locals, i, &local);
	out->relays = (uint16_t)dp->conf->relay.n_addresses;
	for (uint16_t i = 0; i < out->relays; i++) {
		const struct conf_relay *relay = &dp->conf->relay.addresses[i];
		out->relay[i] = (struct tp_relay_place){.address = relay->address,
			.public_address = relay->public_address,
			.prefix_bits = relay->prefix_bits};
	}
}

static int send_attached(const struct dp_manage *m, const struct manage_client *client,
	const struct manage_attachment *a, const struct tp_attached *message)
{
	int fds[TP_ATTACHED_MAX_FDS];

	fds[0] = m->region.fd;
	fds[1] = a->rings.fd;
	memcpy(&fds[2], a->event_fds, a->n_event_fds * sizeof(fds[0]));
	return tp_message_send(
		client->fd, message, message->header.length_bytes, fds, (size_t)2 + a->n_event_fds);
}

int dp_manage_attach(struct dp_manage *m, struct manage_client *client)
{
	struct tp_attached message = {0};
	struct manage_attachment *a;
	int rc;

	assert(!m->attached);
	rc = create_attachment(m, &message, &a);
	if (rc < 0)
		return rc;
	describe(m, &message);
	dp_manage_region_head(m);
	dp_manage_beat_attach(m);
	rc = dp_manage_watch(m, a->command.event_fd, MANAGE_EVENT_COMMAND, 0);
	if (rc == 0)
		rc = send_attached(m, client, a, &message);
	if (rc < 0) {
		epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, a->command.event_fd, NULL);
		attachment_free(a);
		return rc;
	}
	for (uint16_t w = 0; w < m->dp->n_workers; w++)
		dp_worker_set_link(m->dp->workers[w], &a->link[w]);
	m->attached = a;
	m->control = client;
	m->control_since_ns = tp_now_ns();
	m->acks_full = false;
	tp_notice("control attached, pid %u", client->pid);
	return 0;
}

void dp_manage_detach(struct dp_manage *m)
{
	struct manage_attachment *a = m->attached;

	if (!a)
		return;
	dp_manage_commands_drain(m);
	for (uint16_t w = 0; w < m->dp->n_workers; w++)
		dp_worker_set_link(m->dp->workers[w], NULL);
	// Control holds the same eventfd: closing ours would not end the watch.
	epoll_ctl(m->epoll_fd, EPOLL_CTL_DEL, a->command.event_fd, NULL);
	a->token = m->dp->qsbr ? rte_rcu_qsbr_start(m->dp->qsbr) : 0;
	a->next = m->retired;
	m->retired = a;
	m->attached = NULL;
	m->asleep = false;
	m->acks_full = false;
	m->control_since_ns = tp_now_ns();
	tp_notice("control detached, pid %u: media goes on, requests wait",
		m->control ? m->control->pid : 0);
	m->control = NULL;
}

void dp_manage_reclaim(struct dp_manage *m, bool workers_stopped)
{
	struct manage_attachment **link = &m->retired;

	while (*link) {
		struct manage_attachment *a = *link;
		if (!workers_stopped && m->dp->qsbr &&
			!rte_rcu_qsbr_check(m->dp->qsbr, a->token, false)) {
			link = &a->next;
			continue;
		}
		*link = a->next;
		attachment_free(a);
	}
}
