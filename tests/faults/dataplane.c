// SPDX-License-Identifier: BSD-3-Clause
// The dataplane's side: memory, rings, the real executor of commands, a worker that counts and a
// client's datagrams; and what can go wrong with acknowledgements.
#include <errno.h>
#include <string.h>

#include "dataplane/cmd/apply_impl.h"
#include "tests/faults/world.h"

static void open_tables(struct world *w)
{
	w->dp.conf = &w->conf;
	w->dp.locals = dp_locals_create(&w->conf, SOCKET_ID_ANY);
	w->dp.flows = dp_flow_table_create(FLOWS, NULL, SOCKET_ID_ANY);
	FAULT_CHECK(w->dp.locals && w->dp.flows, "no memory for flow tables");
	FAULT_CHECK(dp_apply_create(&w->dp, &w->dp.apply) == 0, "dp_apply_create");
	memset(w->media, 0, sizeof(w->media));
}

static void close_tables(struct world *w)
{
	dp_apply_destroy(w->dp.apply);
	dp_flow_table_destroy(w->dp.flows);
	dp_locals_destroy(w->dp.locals);
}

static void open_region(struct world *w)
{
	size_t bytes = tp_region_bytes(FAULT_ALLOCS, FAULT_PEERS, FAULT_NAMES);
	FAULT_CHECK(tp_shm_create("faults-region", bytes, &w->memory.region) == 0, "memfd");
	FAULT_CHECK(ctl_region_format(w->memory.region.base, bytes, FAULT_ALLOCS, FAULT_PEERS,
			    FAULT_NAMES, ++w->instance) == 0,
		"region");
}

void dataplane_open(struct world *w)
{
	w->memory.rings.fd = w->memory.region.fd = w->old.region.fd = w->old.rings.fd = -1;
	open_tables(w);
	open_region(w);
}

void dataplane_close(struct world *w)
{
	close_tables(w);
	tp_shm_close(&w->memory.region);
	tp_shm_close(&w->memory.rings);
	dataplane_forget_old(w);
}

void dataplane_replace(struct world *w)
{
	close_tables(w);
	open_tables(w);
	dataplane_forget_old(w);
	w->old.region = w->memory.region;
	open_region(w);
	w->renewals++;
}

void dataplane_forget_old(struct world *w)
{
	tp_shm_close(&w->old.region);
	w->old.region.fd = -1;
}

void dataplane_rings(struct world *w)
{
	size_t command = tp_ring_bytes(FAULT_SLOTS, sizeof(struct tp_cmd));
	size_t ack = tp_ring_bytes(FAULT_SLOTS, sizeof(struct tp_ack));
	if (w->memory.rings.fd < 0) // control maps them when it is forked: they stay in place
		FAULT_CHECK(tp_shm_create("faults-rings", command + ack, &w->memory.rings) == 0,
			"memfd");
	uint8_t *base = w->memory.rings.base;
	memset(base, 0, sizeof(struct tp_ring_shared));
	memset(base + command, 0, sizeof(struct tp_ring_shared));
	FAULT_CHECK(tp_ring_consumer_init(&w->command, base, command, FAULT_SLOTS,
			    sizeof(struct tp_cmd), -1) == 0 &&
			    tp_ring_producer_init(&w->ack, base + command, ack, FAULT_SLOTS,
				    sizeof(struct tp_ack), -1) == 0,
		"rings");
	w->holding = w->breach = false;
	w->s->region_bytes = w->memory.region.bytes;
	w->s->rings_bytes = w->memory.rings.bytes;
}

// ---- Acknowledgements.

static void put(struct world *w, const struct tp_ack *ack)
{
	struct tp_ack *slot = tp_ring_reserve(&w->ack);
	FAULT_CHECK(slot, "no room for an acknowledgement");
	*slot = *ack;
	tp_ring_commit(&w->ack);
}

// Sends one: as it is, or lost, twice, after the next one, or one that nobody asked for.
static void acknowledge(struct world *w, const struct tp_ack *ack)
{
	uint32_t fault = w->ack_faults && pick(w, w->ack_faults) == 0 ? 1 + pick(w, 4) : 0;
	if (fault) {
		static const char *const what[] = {"lost", "twice", "overtaken", "of nothing"};
		fault_trace("  acknowledgement %llu %s", (unsigned long long)ack->sequence,
			what[fault - 1]);
		w->breach = true;
		w->breaches++;
	}
	if (fault == 3 && !w->holding) {
		w->held = *ack;
		w->holding = true;
		return;
	}
	if (fault == 4) {
		struct tp_ack other = *ack;
		other.sequence = ack->sequence + pick(w, 1000) - 500;
		put(w, &other);
	}
	if (fault != 1)
		put(w, ack);
	if (fault == 2)
		put(w, ack);
	if (w->holding) {
		w->holding = false;
		put(w, &w->held);
	}
}

static bool may_refuse(const struct world *w, const struct tp_cmd *cmd)
{
	enum fault_op op = w->s->op_of[cmd->sequence % sizeof(w->s->op_of)];
	bool set = cmd->type == TP_CMD_ALLOC_SET || cmd->type == TP_CMD_PERMISSION_SET ||
		   cmd->type == TP_CMD_CHANNEL_SET;
	return set && (op == FAULT_allocate || op == FAULT_permit || op == FAULT_bind ||
			      op == FAULT_refresh || op == FAULT_move);
}

void dataplane_work(struct world *w, uint32_t most)
{
	const void *slot;
	while (most-- > 0 && (slot = tp_ring_front(&w->command))) {
		struct tp_cmd cmd;
		struct tp_ack ack;
		memcpy(&cmd, slot, sizeof(cmd));
		tp_ring_pop(&w->command);
		if (w->refuse && may_refuse(w, &cmd)) {
			ack = (struct tp_ack){.sequence = cmd.sequence,
				.type = cmd.type,
				.alloc = cmd.alloc,
				.result = w->refuse};
			w->refuse = 0;
		} else {
			dp_apply_command(w->dp.apply, &cmd, &ack);
		}
		fault_trace("  command %llu type %u of %u.%u: %d", (unsigned long long)cmd.sequence,
			cmd.type, cmd.alloc.index, cmd.alloc.generation, ack.result);
		acknowledge(w, &ack);
	}
	tp_ring_flush(&w->ack);
}

void dataplane_drain(struct world *w)
{
	uint32_t left = tp_ring_filled(&w->command);
	const void *slot;
	while (left-- > 0 && (slot = tp_ring_front(&w->command))) {
		struct tp_cmd cmd;
		struct tp_ack ack;
		memcpy(&cmd, slot, sizeof(cmd));
		tp_ring_pop(&w->command);
		dp_apply_command(w->dp.apply, &cmd, &ack);
		fault_trace("  drained command %llu type %u of %u.%u: %d",
			(unsigned long long)cmd.sequence, cmd.type, cmd.alloc.index,
			cmd.alloc.generation, ack.result);
	}
}

bool dataplane_idle(struct world *w)
{
	return tp_ring_filled(&w->command) == 0;
}

// ---- Workers.

// A published flow: of a client that is on its way, by which its data comes, or any other.
static struct dp_flow *any_flow(struct world *w, bool moving)
{
	uint32_t n = dp_flow_capacity(w->dp.flows), from = pick(w, n);
	for (uint32_t i = 0; i < n; i++) {
		struct dp_flow *flow = dp_flow_at(w->dp.flows, 1 + (from + i) % n);
		bool uplink = flow->kind == DP_FLOW_ALLOCATION || flow->kind == DP_FLOW_CHANNEL_UP;
		if ((uplink && flow->flags & DP_FLOW_MOVE) == moving &&
			dp_flow_lookup(w->dp.flows, &flow->key) == flow) // else it is free
			return flow;
	}
	return NULL;
}

void dataplane_media(struct world *w)
{
	struct dp_flow *flow = any_flow(w, false);
	if (!flow || flow->kind == DP_FLOW_ALLOCATION)
		return;
	uint32_t index = flow->alloc.index;
	struct media *m = &w->media[index];
	if (m->generation != flow->alloc.generation)
		*m = (struct media){.generation = flow->alloc.generation};
	flow->packets++;
	flow->bytes += 100;
	m->packets++;
	// A full bucket that something was taken from.
	struct dp_police_state *police = &w->dp.police[index];
	m->level += 1 + pick(w, 1000);
	police->up.bytes = police->up.packets = m->level;
	police->down.bytes = police->down.packets = m->level;
}

bool dataplane_arrival(struct world *w)
{
	struct dp_flow *flow = any_flow(w, true);
	struct tp_ack event;
	if (!flow)
		return false;
	dp_moves_note(&w->moves, w->dp.flows, flow);
	w->moves = (struct dp_moves){};
	if (!dp_apply_moved(w->dp.apply, dp_flow_index(w->dp.flows, flow), &event))
		return true;
	fault_trace("  client of %u.%u arrived, move %llu", event.alloc.index,
		event.alloc.generation, (unsigned long long)event.moved);
	if (!w->s->attached)
		return true;
	uint32_t fault = w->ack_faults ? pick(w, w->ack_faults) : UINT32_MAX;
	if (fault == 0) { // lost, as with an attachment
		w->breach = true;
		return true;
	}
	put(w, &event);
	if (fault == 1)
		put(w, &event);
	tp_ring_flush(&w->ack);
	return true;
}
