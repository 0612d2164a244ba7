// SPDX-License-Identifier: BSD-3-Clause
// Creation, and the table of commands.
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/cmd/apply_impl.h"
#include "dataplane/net/net.h"

static void *map_zeroed(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

static size_t allocs_bytes(const struct dp_apply *a)
{
	return (size_t)a->capacity * sizeof(*a->allocs);
}

static size_t police_bytes(const struct dp_apply *a)
{
	return (size_t)a->capacity * sizeof(*a->dp->police);
}

static size_t moving_bytes(const struct dp_apply *a)
{
	return (size_t)a->capacity * sizeof(*a->dp->moving);
}

static size_t deadlines_bytes(const struct dp_apply *a)
{
	return ((size_t)dp_flow_capacity(a->flows) + 1) * sizeof(*a->own_deadline);
}

int dp_apply_create(struct dp *dp, struct dp_apply **out)
{
	struct dp_apply *a = calloc(1, sizeof(*a));

	*out = NULL;
	if (a == NULL)
		return -ENOMEM;
	a->dp = dp;
	a->flows = dp->flows;
	a->locals = dp->locals;
	a->capacity = dp->conf->limits.allocations;
	a->allocs = map_zeroed(allocs_bytes(a));
	a->own_deadline = map_zeroed(deadlines_bytes(a));
	dp->police = map_zeroed(police_bytes(a));
	dp->moving = map_zeroed(moving_bytes(a));
	if (a->allocs == NULL || a->own_deadline == NULL || dp->police == NULL ||
		dp->moving == NULL) {
		dp_apply_destroy(a);
		return -ENOMEM;
	}
	a->resolve_next = UINT32_MAX;
	if (dp->net != NULL)
		a->route_target = dp_net_generation(dp->net);
	*out = a;
	return 0;
}

// Flows stay in the table, which goes with its own destroy.
void dp_apply_destroy(struct dp_apply *a)
{
	if (a == NULL)
		return;
	if (a->allocs != NULL)
		munmap(a->allocs, allocs_bytes(a));
	if (a->own_deadline != NULL)
		munmap(a->own_deadline, deadlines_bytes(a));
	if (a->dp->police != NULL)
		munmap(a->dp->police, police_bytes(a));
	if (a->dp->moving != NULL)
		munmap(a->dp->moving, moving_bytes(a));
	a->dp->police = NULL;
	a->dp->moving = NULL;
	free(a);
}

void dp_apply_memory(const struct dp_apply *a, struct tp_memory *out)
{
	tp_memory_block(out, TP_MEMORY_allocations, TP_MEMORY_heap, a->allocs, allocs_bytes(a));
	tp_memory_block(
		out, TP_MEMORY_allocations, TP_MEMORY_heap, a->own_deadline, deadlines_bytes(a));
	tp_memory_block(out, TP_MEMORY_allocations, TP_MEMORY_heap, a->dp->police, police_bytes(a));
	tp_memory_block(out, TP_MEMORY_allocations, TP_MEMORY_heap, a->dp->moving, moving_bytes(a));
}

static int execute(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack)
{
	switch (cmd->type) {
	case TP_CMD_SYNC_BEGIN:
		return dp_sync_begin(a);
	case TP_CMD_SYNC_END:
		return dp_sync_end(a, ack);
	case TP_CMD_ALLOC_SET:
		return dp_alloc_set(a, cmd, ack);
	case TP_CMD_ALLOC_DELETE:
		return dp_alloc_delete(a, cmd, ack);
	case TP_CMD_PERMISSION_SET:
		return dp_permission_set(a, cmd);
	case TP_CMD_PERMISSION_DELETE:
		return dp_permission_delete(a, cmd);
	case TP_CMD_CHANNEL_SET:
		return dp_channel_set(a, cmd);
	case TP_CMD_CHANNEL_DELETE:
		return dp_channel_delete(a, cmd);
	case TP_CMD_COUNTERS:
		return dp_alloc_counters(a, cmd, ack);
	case TP_CMD_SETTINGS:
		return dp_settings_set(a, cmd);
	default:
		return -EINVAL;
	}
}

void dp_apply_command(struct dp_apply *a, const struct tp_cmd *cmd, struct tp_ack *ack)
{
	*ack = (struct tp_ack){.sequence = cmd->sequence, .type = cmd->type, .alloc = cmd->alloc};
	ack->result = cmd->layout == 1 ? execute(a, cmd, ack) : -EINVAL;
}

void dp_apply_status(const struct dp_apply *a, struct tp_status_reply *out)
{
	out->allocations = a->n_allocations;
	out->permissions = a->n_permissions;
	out->channels = a->n_channels;
	out->flows = dp_flow_count(a->flows) - (a->dp->probe_flow != NULL); // nobody's
	out->flow_capacity = dp_flow_capacity(a->flows);
}
