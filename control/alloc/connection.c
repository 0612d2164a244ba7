// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/connection.h"

#include <errno.h>

#include "control/alloc/mobility.h"
#include "control/alloc/store_private.h"

static bool gone(const struct ctl_connections *c, uint8_t transport, struct tp_stream_client client)
{
	return transport != CTL_TRANSPORT_UDP && !c->is_open(c->context, client);
}

// RFC 8016 section 3.2.2: the end of the old connection ends a move as data from the new place
// does.
static int arrive(struct ctl_store *s, struct tp_alloc_record *r)
{
	if (ctl_room(s) == 0)
		return -ENOBUFS;
	ctl_allocation_moved(s, r->self, ctl_allocation_moves(r));
	ctl_send_alloc_set(s, r, NULL);
	return 0;
}

// 0, -ENOBUFS.
static int settle(struct ctl_store *s, struct tp_alloc_record *r, const struct ctl_connections *c,
	struct ctl_time now)
{
	bool here = gone(c, r->transport, r->stream);
	bool there = ctl_moving(r) && gone(c, r->move_transport, r->move_stream);

	if (here && (there || !ctl_moving(r)))
		return ctl_allocation_delete(s, r->self, TP_END_CLOSED, now, NULL);
	if (there)
		return ctl_move_give_up(s, r->self) ? 0 : -ENOBUFS;
	return here ? arrive(s, r) : 0;
}

int ctl_connection_closed(struct ctl_store *s, struct tp_stream_client client,
	const struct ctl_connections *c, struct ctl_time now)
{
	struct tp_addr key = tp_stream_address(client);
	uint32_t i = ctl_index_find(s, CTL_TRANSPORT_TCP, &key, &key);

	return i == TP_INDEX_NONE ? 0 : settle(s, &s->allocs[i], c, now);
}

bool ctl_connections_sweep(struct ctl_store *s, uint32_t *index, uint32_t max, uint32_t reserve,
	const struct ctl_connections *c, struct ctl_time now)
{
	for (; max > 0 && *index < s->alloc_capacity; max--) {
		struct tp_alloc_record *r = &s->allocs[*index];

		if (ctl_room(s) <= reserve)
			return true;
		if (r->state == TP_RECORD_LIVE && settle(s, r, c, now))
			return true;
		++*index;
	}
	return *index < s->alloc_capacity;
}
