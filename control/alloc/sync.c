// SPDX-License-Identifier: BSD-3-Clause
// The whole store as idempotent commands: for a living dataplane and for an empty one.
#include "control/alloc/adopt.h"
#include "control/alloc/store_private.h"

enum sync_phase { SYNC_BEGIN, SYNC_ALLOCATIONS, SYNC_END, SYNC_DONE };

bool ctl_store_resync_due(struct ctl_store *s)
{
	bool due = s->resync_due;
	s->resync_due = false;
	return due;
}

void ctl_sync_start(struct ctl_sync *sync)
{
	*sync = (struct ctl_sync){.phase = SYNC_BEGIN};
}

static bool room_for(const struct ctl_store *s, uint64_t commands, uint32_t reserve)
{
	return ctl_room(s) >= commands + reserve;
}

static uint64_t send_plain(struct ctl_store *s, enum tp_cmd_type type)
{
	struct tp_cmd cmd = {.type = (uint16_t)type, .layout = 1, .alloc = TP_ALLOC_NONE};
	return s->commands.send(s->commands.context, &cmd);
}

// Permissions before channels: a channel's deadline in the dataplane depends on its permission.
static void send_peers(struct ctl_store *s, const struct tp_alloc_record *r, enum tp_peer_kind kind,
	uint64_t now_ns)
{
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = s->peers[i].next)
		if (s->peers[i].kind == kind && s->peers[i].deadline_ns > now_ns)
			ctl_send_peer(s, i, true, NULL);
}

bool ctl_sync_step(
	struct ctl_store *s, struct ctl_sync *sync, struct ctl_time now, uint32_t reserve)
{
	if (sync->phase == SYNC_BEGIN) {
		if (!room_for(s, 1, reserve))
			return false;
		send_plain(s, TP_CMD_SYNC_BEGIN);
		sync->phase = SYNC_ALLOCATIONS;
	}
	for (; sync->phase == SYNC_ALLOCATIONS; sync->index++) {
		if (sync->index >= s->alloc_capacity) {
			sync->phase = SYNC_END;
			break;
		}
		const struct tp_alloc_record *r = &s->allocs[sync->index];
		if (r->state != TP_RECORD_LIVE || r->deadline_ns <= now.now_ns)
			continue;
		if (!room_for(s, UINT64_C(1) + r->peers, reserve))
			return false;
		ctl_send_alloc_set(s, r, NULL);
		send_peers(s, r, TP_PEER_PERMISSION, now.now_ns);
		send_peers(s, r, TP_PEER_CHANNEL, now.now_ns);
	}
	if (sync->phase == SYNC_END) {
		if (!room_for(s, 1, reserve))
			return false;
		sync->end_sequence = send_plain(s, TP_CMD_SYNC_END);
		sync->phase = SYNC_DONE;
	}
	return true;
}
