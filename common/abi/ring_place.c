// SPDX-License-Identifier: BSD-3-Clause
#include "common/abi/ring_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int tp_attach_wrong(char why[TP_WHY_BYTES], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why, TP_WHY_BYTES, format, ap);
	va_end(ap);
	return -EPROTO;
}

static const struct tp_ring_wanted *find_wanted(const struct tp_rings_said *said, uint16_t kind)
{
	for (size_t i = 0; i < said->n_wanted; i++)
		if (said->wanted[i].kind == kind)
			return &said->wanted[i];
	return NULL;
}

static int check_alone(const struct tp_rings_said *said, unsigned int i, char why[TP_WHY_BYTES])
{
	const struct tp_ring_place *p = &said->place[i];
	const struct tp_ring_wanted *wanted = find_wanted(said, p->kind);
	size_t bytes = tp_ring_bytes(p->slots, p->slot_bytes);

	if (!wanted)
		return tp_attach_wrong(why, "ring %u is of the unknown kind %u", i, p->kind);
	if (p->worker >= (wanted->per_worker ? said->workers : 1))
		return tp_attach_wrong(
			why, "ring %u is of worker %u, there are %u", i, p->worker, said->workers);
	if (p->slot_bytes != wanted->slot_bytes)
		return tp_attach_wrong(why, "ring %u has slots of %u bytes, expected %u", i,
			p->slot_bytes, wanted->slot_bytes);
	if (bytes == 0)
		return tp_attach_wrong(why, "ring %u has %u slots", i, p->slots);
	if (p->event_fd < said->first_event_fd || p->event_fd >= said->n_fds)
		return tp_attach_wrong(
			why, "ring %u names descriptor %u of %zu", i, p->event_fd, said->n_fds);
	if (p->offset % 64 != 0 || p->offset > said->memory_bytes ||
		bytes > said->memory_bytes - p->offset)
		return tp_attach_wrong(why, "ring %u lies outside of the shared memory", i);
	return 0;
}

static int check_pair(
	const struct tp_rings_said *said, unsigned int i, unsigned int j, char why[TP_WHY_BYTES])
{
	const struct tp_ring_place *p = &said->place[i], *q = &said->place[j];
	size_t p_bytes = tp_ring_bytes(p->slots, p->slot_bytes);
	size_t q_bytes = tp_ring_bytes(q->slots, q->slot_bytes);

	if (q->kind == p->kind && q->worker == p->worker)
		return tp_attach_wrong(why, "rings %u and %u are the same", j, i);
	if (p->offset < q->offset + q_bytes && q->offset < p->offset + p_bytes)
		return tp_attach_wrong(why, "rings %u and %u overlap", j, i);
	return 0;
}

int tp_rings_check(const struct tp_rings_said *said, char why[TP_WHY_BYTES])
{
	int rc = 0;

	for (unsigned int i = 0; rc == 0 && i < said->n; i++) {
		rc = check_alone(said, i, why);
		for (unsigned int j = 0; rc == 0 && j < i; j++)
			rc = check_pair(said, i, j, why);
	}
	return rc;
}

int tp_attach_memory(
	int fd, uint64_t bytes, const char *what, struct tp_shm *out, char why[TP_WHY_BYTES])
{
	int rc = tp_shm_open(fd, bytes, out);

	if (rc == -EPERM)
		tp_attach_wrong(why, "the %s is not sealed against shrinking", what);
	else if (rc == -EINVAL)
		tp_attach_wrong(why, "the %s is smaller than announced", what);
	else if (rc)
		tp_attach_wrong(why, "cannot map the %s: %s", what, strerror(-rc));
	return rc;
}

int tp_attach_event_fds(const int *fds, size_t n, size_t first, char why[TP_WHY_BYTES])
{
	for (size_t i = 0; i < n; i++) {
		int flags = fcntl(fds[i], F_GETFL);

		if (flags < 0 || fcntl(fds[i], F_SETFL, flags | O_NONBLOCK) < 0)
			return tp_attach_wrong(
				why, "descriptor %zu is unusable: %s", first + i, strerror(errno));
	}
	return 0;
}
