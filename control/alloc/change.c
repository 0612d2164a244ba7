// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/change.h"

#include <errno.h>

#include "common/base/clock.h"
#include "control/alloc/family.h"
#include "control/alloc/mobility.h"
#include "control/alloc/store_private.h"

void ctl_change_init(struct ctl_change *change)
{
	memset(change, 0, offsetof(struct ctl_change, step));
	change->alloc = TP_ALLOC_NONE;
}

bool ctl_change_ack(struct ctl_change *change, const struct tp_ack *ack)
{
	if (change->first_sequence == 0 || ack->sequence < change->first_sequence ||
		ack->sequence > change->last_sequence)
		return false;
	// What was to be deleted and is not there is deleted.
	bool gone = (ack->type == TP_CMD_ALLOC_DELETE || ack->type == TP_CMD_PERMISSION_DELETE ||
			    ack->type == TP_CMD_CHANNEL_DELETE) &&
		    (ack->result == -ENOENT || ack->result == -ESTALE);
	if (change->result == 0 && !gone)
		change->result = ack->result;
	return ack->sequence == change->last_sequence;
}

static void undo_step(struct ctl_store *s, const struct ctl_change_step *step)
{
	if (!step->created)
		ctl_peer_set_deadline(s, step->peer, step->old_deadline_ns);
	if (ctl_room(s) > 0)
		ctl_send_peer(s, step->peer, !step->created, NULL);
	else
		s->resync_due = true;
	if (step->created)
		ctl_peer_remove(s, step->peer);
}

// A step's record may have expired, and even serve another peer, since.
static bool step_holds(
	const struct ctl_store *s, const struct ctl_change_step *step, struct tp_alloc_ref alloc)
{
	const struct tp_peer_record *p = &s->peers[step->peer];
	return p->state == TP_RECORD_LIVE && p->owner.index == alloc.index &&
	       p->owner.generation == alloc.generation;
}

void ctl_change_rollback(struct ctl_store *s, struct ctl_change *change, struct ctl_time now)
{
	struct tp_alloc_record *r = ctl_live(s, change->alloc);
	if (!r)
		return;
	if (change->created_allocation) {
		// Refused: the dataplane has nothing of it, the ports are as good as new. Without
		// an answer it may have: they rest.
		bool refused = change->result != 0;
		// Unless it was told of it once more since (renew.c), which it may have taken.
		if (s->renew_sequence > s->acked_sequence) {
			struct tp_cmd cmd = {
				.type = TP_CMD_ALLOC_DELETE, .layout = 1, .alloc = change->alloc};
			if (ctl_room(s) > 0)
				ctl_send(s, &cmd, NULL);
			else
				s->resync_due = true;
		}
		ctl_reservation_drop_of(s, change->alloc);
		s->resync_due |= !refused;
		ctl_alloc_end(s, change->alloc.index, TP_END_DATAPLANE_REFUSED, now,
			refused ? 0 : now.now_ns + s->policy.port_rest_s * TP_NS_PER_S);
		return;
	}
	if (change->moved_allocation) {
		ctl_move_undo(s, r, change);
		if (ctl_room(s) > 0)
			ctl_send_alloc_set(s, r, NULL);
		else
			s->resync_due = true;
	}
	if (change->refreshed_allocation) {
		ctl_record_begin(s, r);
		r->granted_lifetime_s = change->old_lifetime_s;
		ctl_record_end(s, r);
		ctl_family_undo_refresh(s, r, change->old_deadline_ns);
		if (ctl_room(s) > 0)
			ctl_send_alloc_set(s, r, NULL);
		else
			s->resync_due = true;
	}
	while (change->steps > 0) {
		const struct ctl_change_step *step = &change->step[--change->steps];
		if (step_holds(s, step, change->alloc))
			undo_step(s, step);
	}
}

static void take_snapshot(struct ctl_store *s, const struct tp_ack *ack, struct ctl_time now)
{
	if (ack->alloc.index >= s->alloc_capacity)
		return;
	struct tp_alloc_record *r = &s->allocs[ack->alloc.index];
	if (r->state == TP_RECORD_FREE || r->self.generation != ack->alloc.generation)
		return;
	ctl_record_begin(s, r);
	r->snapshot.up_packets = r->carried.up_packets + ack->counters.up_packets;
	r->snapshot.up_bytes = r->carried.up_bytes + ack->counters.up_bytes;
	r->snapshot.down_packets = r->carried.down_packets + ack->counters.down_packets;
	r->snapshot.down_bytes = r->carried.down_bytes + ack->counters.down_bytes;
	r->snapshot_wall_ns = now.wall_ns;
	ctl_record_end(s, r);
}

void ctl_store_ack(
	struct ctl_store *s, const struct tp_ack *ack, bool of_change, struct ctl_time now)
{
	if (ack->sequence != 0) // what the dataplane says by itself answers no command
		s->acked_sequence = ack->sequence;
	// Before anything is taken back or said once more: which move the dataplane is at.
	if ((ack->type == TP_CMD_ALLOC_SET || ack->type == TP_EVENT_MOVED) && ack->moved != 0 &&
		ack->moved <= UINT32_MAX)
		ctl_allocation_moved(s, ack->alloc, (uint32_t)ack->moved);
	if (ack->result == 0) {
		if (ack->type == TP_CMD_COUNTERS || ack->type == TP_CMD_ALLOC_DELETE)
			take_snapshot(s, ack, now);
		if (ack->type == TP_CMD_ALLOC_SET)
			ctl_move_begun(s, ack->alloc, ack->sequence);
		return;
	}
	if (of_change)
		return;
	// Of a synchronisation, or of a roll-back. A live allocation that the dataplane does not
	// take, or does not know, ends; without a permission or channel it stays: the client's next
	// refresh of that one is refused. It may be the place its client moves to that is refused:
	// then it is said once more without.
	bool peer_set = ack->type == TP_CMD_PERMISSION_SET || ack->type == TP_CMD_CHANNEL_SET;
	bool unknown = ack->result == -ENOENT || ack->result == -ESTALE;
	if (ack->type == TP_CMD_ALLOC_SET && ctl_move_give_up(s, ack->alloc))
		return;
	if (ack->type == TP_CMD_ALLOC_SET || (peer_set && unknown))
		ctl_allocation_delete(s, ack->alloc, TP_END_DATAPLANE_REFUSED, now, NULL);
}
