// SPDX-License-Identifier: BSD-3-Clause
#include "control/dpcmd/attach.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/abi/cmd.h"
#include "common/abi/punt.h"
#include "common/abi/record.h"
#include "common/abi/ring_place.h"
#include "control/dpcmd/valid.h"

static int check_counts(const struct tp_attached *m, size_t n_fds, char *why)
{
	if (m->workers == 0 || m->workers > TP_MAX_WORKERS)
		return tp_attach_wrong(
			why, "%u workers, expected 1 to %u", m->workers, TP_MAX_WORKERS);
	if (m->rings != 2 + 2 * m->workers)
		return tp_attach_wrong(why, "%u rings for %u workers, expected %u", m->rings,
			m->workers, 2 + 2 * m->workers);
	if (m->listeners == 0 || m->listeners > TP_MAX_LISTENERS)
		return tp_attach_wrong(
			why, "%u listeners, expected 1 to %u", m->listeners, TP_MAX_LISTENERS);
	if (m->relays == 0 || m->relays > TP_MAX_RELAYS)
		return tp_attach_wrong(
			why, "%u relay addresses, expected 1 to %u", m->relays, TP_MAX_RELAYS);
	if (m->port_min == 0 || m->port_min > m->port_max)
		return tp_attach_wrong(why, "relay port range %u to %u", m->port_min, m->port_max);
	if (n_fds < 3 || n_fds > TP_ATTACHED_MAX_FDS)
		return tp_attach_wrong(
			why, "%zu descriptors, expected 3 to %u", n_fds, TP_ATTACHED_MAX_FDS);
	if (m->region_bytes < TP_REGION_HEADER_BYTES || m->region_bytes > SIZE_MAX / 2)
		return tp_attach_wrong(
			why, "session region of %llu bytes", (unsigned long long)m->region_bytes);
	if (m->rings_bytes == 0 || m->rings_bytes > SIZE_MAX / 2)
		return tp_attach_wrong(
			why, "ring memory of %llu bytes", (unsigned long long)m->rings_bytes);
	return 0;
}

static int check_addresses(const struct tp_attached *m, char *why)
{
	for (unsigned int i = 0; i < m->listeners; i++) {
		const struct tp_addr *a = &m->listener[i];
		if (!ctl_addr_valid(a))
			return tp_attach_wrong(why, "listener %u is no transport address", i);
	}
	for (unsigned int i = 0; i < m->relays; i++) {
		const struct tp_relay_place *r = &m->relay[i];
		if (!ctl_ip_valid(&r->address) || !ctl_ip_valid(&r->public_address) ||
			r->address.family != r->public_address.family ||
			r->prefix_bits > 8 * tp_ip_length(&r->address))
			return tp_attach_wrong(why, "relay address %u is no address or prefix", i);
	}
	return 0;
}

static int check_rings(const struct tp_attached *m, size_t n_fds, char *why)
{
	static const struct tp_ring_wanted wanted[] = {
		{TP_RING_COMMAND, false, sizeof(struct tp_cmd)},
		{TP_RING_ACK, false, sizeof(struct tp_ack)},
		{TP_RING_PUNT, true, TP_PACKET_SLOT_BYTES},
		{TP_RING_INJECT, true, TP_PACKET_SLOT_BYTES},
	};
	const struct tp_rings_said said = {.place = m->ring,
		.n = m->rings,
		.workers = m->workers,
		.memory_bytes = m->rings_bytes,
		.first_event_fd = 2,
		.n_fds = n_fds,
		.wanted = wanted,
		.n_wanted = sizeof(wanted) / sizeof(*wanted)};

	return tp_rings_check(&said, why);
}

static int check_message(
	const void *message, size_t length, size_t n_fds, struct tp_attached *m, char *why)
{
	int rc;

	if (length < tp_attached_bytes(0) || length > sizeof(*m))
		return tp_attach_wrong(why, "message of %zu bytes, expected %zu to %zu", length,
			tp_attached_bytes(0), sizeof(*m));
	memset(m, 0, sizeof(*m));
	memcpy(m, message, length);
	if (m->header.magic != TP_ABI_MAGIC || m->header.type != TP_MSG_ATTACHED ||
		m->header.length_bytes != length)
		return tp_attach_wrong(why, "not an attach message");
	if (m->header.major != TP_ABI_MAJOR)
		return tp_attach_wrong(why, "ABI version %u.%u, ours is %u.%u", m->header.major,
			m->header.minor, TP_ABI_MAJOR, TP_ABI_MINOR);
	rc = check_counts(m, n_fds, why);
	if (rc == 0 && length < tp_attached_bytes(m->relays))
		rc = tp_attach_wrong(why, "message of %zu bytes has no room for %u relay addresses",
			length, m->relays);
	if (rc == 0)
		rc = check_addresses(m, why);
	// With 2 + 2 * workers rings and no two of one kind and worker, each is there once.
	return rc == 0 ? check_rings(m, n_fds, why) : rc;
}

// The descriptors from the third on.
static int take_event_fds(struct ctl_attachment *a, const int *fds, size_t n_fds, char *why)
{
	int rc = tp_attach_event_fds(fds + 2, n_fds - 2, 2, why);

	for (size_t i = 2; rc == 0 && i < n_fds; i++)
		a->event_fd[a->n_event_fds++] = fds[i];
	return rc;
}

static int open_rings(struct ctl_attachment *a, char *why)
{
	for (unsigned int i = 0; i < a->said.rings; i++) {
		const struct tp_ring_place *p = &a->said.ring[i];
		void *memory = (uint8_t *)a->rings.base + p->offset;
		size_t bytes = a->rings.bytes - p->offset;
		int event_fd = a->event_fd[p->event_fd - 2];
		int rc;

		if (p->kind == TP_RING_COMMAND)
			rc = tp_ring_producer_init(
				&a->command, memory, bytes, p->slots, p->slot_bytes, event_fd);
		else if (p->kind == TP_RING_INJECT)
			rc = tp_ring_producer_init(&a->inject[p->worker], memory, bytes, p->slots,
				p->slot_bytes, event_fd);
		else if (p->kind == TP_RING_ACK)
			rc = tp_ring_consumer_init(
				&a->ack, memory, bytes, p->slots, p->slot_bytes, event_fd);
		else
			rc = tp_ring_consumer_init(&a->punt[p->worker], memory, bytes, p->slots,
				p->slot_bytes, event_fd);
		if (rc)
			return tp_attach_wrong(why, "ring %u cannot be opened", i);
	}
	return 0;
}

int ctl_attachment_open(const void *message, size_t length_bytes, const int *fds, size_t n_fds,
	struct ctl_attachment *out, char why[CTL_ATTACH_WHY_BYTES])
{
	size_t taken = 0; // descriptors that *out owns by now
	int rc;

	*out = (struct ctl_attachment){.region.fd = -1, .rings.fd = -1};
	rc = check_message(message, length_bytes, n_fds, &out->said, why);
	if (rc)
		goto fail;
	rc = tp_attach_memory(fds[0], out->said.region_bytes, "session region", &out->region, why);
	if (rc)
		goto fail;
	taken = 1;
	rc = tp_attach_memory(fds[1], out->said.rings_bytes, "ring memory", &out->rings, why);
	if (rc)
		goto fail;
	taken = 2;
	rc = take_event_fds(out, fds, n_fds, why);
	if (rc)
		goto fail;
	taken = n_fds;
	rc = open_rings(out, why);
	if (rc)
		goto fail;
	return 0;
fail:
	for (size_t i = taken; i < n_fds; i++)
		close(fds[i]);
	ctl_attachment_close(out);
	return rc;
}

void ctl_attachment_close(struct ctl_attachment *a)
{
	for (size_t i = 0; i < a->n_event_fds; i++)
		close(a->event_fd[i]);
	a->n_event_fds = 0;
	tp_shm_close(&a->rings);
	tp_shm_close(&a->region);
}
