// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dataplane/manage/fakes.h"

#include <errno.h>
#include <string.h>

#include "dataplane/cmd/apply.h"
#include "dataplane/net/net.h"
#include "dataplane/path/worker.h"
#include "dataplane/setup/setup.h"

static struct fakes *world(const void *object)
{
	// Every fake object is the world itself.
	return (struct fakes *)(uintptr_t)object;
}

void dp_apply_command(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack)
{
	struct fakes *f = world(a);

	f->executed++;
	f->last_sequence = cmd->sequence;
	ack->sequence = cmd->sequence;
	ack->type = cmd->type;
	ack->result = cmd->type == TP_CMD_ALLOC_SET ? 0 : -EINVAL;
}

bool dp_apply_resolve_slice(struct dp_apply *a, uint32_t max)
{
	return world(a)->slices_left-- > 1;
}

void dp_apply_status(const struct dp_apply *a, struct tp_status_reply *out)
{
	out->allocations = 42;
}

void dp_apply_memory(const struct dp_apply *a, struct tp_memory *out)
{
	tp_memory_block(
		out, TP_MEMORY_allocations, TP_MEMORY_heap, world(a)->block, world(a)->block_bytes);
}

bool dp_apply_moved(struct dp_apply *a, uint32_t flow, struct tp_ack *event)
{
	struct fakes *f = world(a);

	f->moves++;
	*event = (struct tp_ack){.type = TP_EVENT_MOVED, .moved = flow};
	return true;
}

bool dp_worker_take_move(struct dp_worker *w, uint32_t *flow)
{
	struct fakes *f = world(w);

	*flow = f->n_named;
	return f->n_named != 0 && f->n_named-- != 0;
}

void dp_worker_set_link(struct dp_worker *w, struct dp_control_link *link)
{
	world(w)->link = link;
	world(w)->links_set++;
}

void dp_worker_set_stream(struct dp_worker *w, uint32_t place, struct dp_stream_link *link)
{
	world(w)->stream[place] = link;
	world(w)->streams_set += link != NULL;
}

int dp_worker_event_fd(const struct dp_worker *w)
{
	return world(w)->worker_event_fd;
}

void dp_worker_add_stats(const struct dp_worker *w, uint64_t counter[TP_COUNTERS],
	uint64_t drop[TP_DROPS], uint64_t *held)
{
	counter[TP_COUNTER_rx] += 100;
	drop[TP_DROP_policed] += 3;
	*held += 1;
}

void dp_worker_memory(const struct dp_worker *w, struct tp_memory *out)
{
}

uint64_t dp_worker_last_seen_ns(const struct dp_worker *w)
{
	return world(w)->last_seen_ns;
}

void dp_worker_probe(struct dp_worker *w, uint32_t round)
{
	world(w)->probes = round;
}

void dp_worker_probe_report(const struct dp_worker *w, struct dp_probe_report *out)
{
	*out = world(w)->report;
}

int dp_net_fd(const struct dp_net *net)
{
	return world(net)->net_fd;
}

int dp_net_process(struct dp_net *net)
{
	return 0;
}

void dp_net_tick(struct dp_net *net, uint64_t now_ns)
{
	world(net)->net_ticks++;
}

uint64_t dp_net_generation(const struct dp_net *net)
{
	return world(net)->generation;
}

void dp_net_status(const struct dp_net *net, struct tp_status_reply *out)
{
	out->routes = 7;
}

void dp_net_memory(const struct dp_net *net, struct tp_memory *out)
{
}

void dp_flow_table_memory(const struct dp_flow_table *t, struct tp_memory *out)
{
}

void dp_pool_memory(struct tp_memory *out)
{
}

bool dp_eal_owns(const void *address)
{
	return false;
}

void dp_steer_status(const struct dp *dp, struct tp_status_reply *out)
{
}
