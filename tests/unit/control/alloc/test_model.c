// SPDX-License-Identifier: BSD-3-Clause
// Random life of a store with every error path, against a model of what the dataplane was told: in
// the end nothing has leaked, and the dataplane holds what the store holds.
#include "tests/unit/control/alloc/check.h"

#define ALLOCS 48
#define CYCLES 20000

// The dataplane as the commands describe it.
struct model {
	struct world w;
	struct tp_cmd alloc[ALLOCS]; // type 0: none
	struct tp_cmd peer[ALLOCS][64];
	uint32_t peers[ALLOCS];
};

static bool same_peer(const struct tp_cmd *a, const struct tp_cmd *b)
{
	bool a_permission = a->type == TP_CMD_PERMISSION_SET || a->type == TP_CMD_PERMISSION_DELETE;
	bool b_permission = b->type == TP_CMD_PERMISSION_SET || b->type == TP_CMD_PERMISSION_DELETE;
	if (a_permission != b_permission)
		return false;
	return a_permission ? tp_ip_equal(&a->permission, &b->permission)
			    : a->channel.channel == b->channel.channel &&
				      tp_addr_equal(&a->channel.peer, &b->channel.peer);
}

static void apply_peer(struct model *m, const struct tp_cmd *cmd)
{
	uint32_t i = cmd->alloc.index, k = 0;
	assert_int_equal(m->alloc[i].alloc.generation, cmd->alloc.generation);
	while (k < m->peers[i] && !same_peer(&m->peer[i][k], cmd))
		k++;
	if (cmd->type == TP_CMD_PERMISSION_SET || cmd->type == TP_CMD_CHANNEL_SET) {
		assert_true(k < 64);
		if (k == m->peers[i])
			m->peers[i]++;
		m->peer[i][k] = *cmd;
	} else {
		assert_true(k < m->peers[i]);
		m->peer[i][k] = m->peer[i][--m->peers[i]];
	}
}

static bool has_family(const struct tp_cmd *set, uint8_t family)
{
	return set->allocation.relay[0].ip.family == family ||
	       set->allocation.relay[1].ip.family == family;
}

// A relayed address that is not named any more goes with its peers.
static void drop_families(struct model *m, uint32_t i)
{
	for (uint32_t k = 0; k < m->peers[i];) {
		const struct tp_cmd *c = &m->peer[i][k];
		uint8_t family = c->type == TP_CMD_PERMISSION_SET ? c->permission.family
								  : c->channel.peer.ip.family;
		if (has_family(&m->alloc[i], family))
			k++;
		else
			m->peer[i][k] = m->peer[i][--m->peers[i]];
	}
}

static struct tp_ip some_peer(struct world *w)
{
	static const char *const v6[] = {"2001:db8::1", "2001:db8::2", "2001:db8::3"};
	uint64_t n = world_next(w) % 12;
	return n < 3 ? ip(v6[n]) : tp_ip4(0xc6130000 + (uint32_t)n);
}

static void apply(struct model *m, const struct tp_cmd *cmd)
{
	uint32_t i = cmd->alloc.index;
	assert_true(i < ALLOCS);
	switch (cmd->type) {
	case TP_CMD_ALLOC_SET:
		if (m->alloc[i].type)
			assert_int_equal(m->alloc[i].alloc.generation, cmd->alloc.generation);
		else
			m->peers[i] = 0;
		m->alloc[i] = *cmd;
		drop_families(m, i);
		break;
	case TP_CMD_ALLOC_DELETE:
		assert_int_equal(m->alloc[i].alloc.generation, cmd->alloc.generation);
		m->alloc[i].type = 0;
		break;
	default:
		apply_peer(m, cmd);
	}
}

static void drain(struct model *m, uint32_t from)
{
	for (uint32_t i = from; i < m->w.n_commands; i++)
		apply(m, &m->w.command[i]);
	world_forget(&m->w);
}

// The dataplane refuses the last command of the change: all of it is taken back. What was sent
// before it has been executed.
static void refuse(struct model *m, struct ctl_change *change)
{
	struct world *w = &m->w;
	uint32_t sent = w->n_commands;
	for (uint32_t i = 0; i + 1 < sent; i++)
		apply(m, &w->command[i]);
	struct tp_ack ack = {.sequence = change->last_sequence, .result = -ENOSPC};
	assert_true(ctl_change_ack(change, &ack));
	// A SET that only moved a deadline and is refused leaves what was there.
	ctl_change_rollback(w->store, change, w->now);
	// A refused creation has no DELETE; a refused new peer gets one that finds nothing.
	for (uint32_t i = sent; i < w->n_commands; i++) {
		const struct tp_cmd *cmd = &w->command[i];
		bool refused_one = (cmd->type == TP_CMD_PERMISSION_DELETE ||
					   cmd->type == TP_CMD_CHANNEL_DELETE) &&
				   same_peer(cmd, &w->command[sent - 1]);
		if (!refused_one)
			apply(m, cmd);
	}
	world_forget(w);
}

static void settle(struct model *m, struct ctl_change *change, int rc, bool refusable)
{
	struct world *w = &m->w;
	if (rc) {
		ctl_change_rollback(w->store, change, w->now);
		drain(m, 0);
	} else if (refusable && change->first_sequence == change->last_sequence &&
		   world_next(w) % 8 == 0) {
		refuse(m, change);
	} else {
		drain(m, 0);
	}
}

static const struct tp_alloc_record *any_allocation(struct model *m)
{
	uint32_t index = (uint32_t)(world_next(&m->w) % ALLOCS);
	const struct tp_alloc_record *r = ctl_allocation_next(m->w.store, &index);
	return r && r->deadline_ns > m->w.now.now_ns ? r : NULL;
}

static void create(struct model *m)
{
	struct world *w = &m->w;
	static uint8_t name[100];
	struct ctl_allocation_request q = world_request((uint32_t)(world_next(w) % 60));
	uint8_t token[8];
	struct ctl_change change;
	ctl_change_init(&change);
	q.families = (uint8_t)(1 + world_next(w) % 3);
	q.optional_families = world_next(w) % 2 ? q.families : 0;
	q.lifetime_s = (uint32_t)(20 + world_next(w) % 300);
	if (q.families != 3)
		q.even_port = (uint8_t)(world_next(w) % 3);
	if (world_next(w) % 4 == 0) {
		q.user = name;
		q.user_length = sizeof(name);
	}
	uint32_t before = w->n_commands;
	int rc = ctl_allocation_create(w->store, &q, w->now, &change, token);
	// The DELETE of an expired predecessor is no part of the change.
	if (!rc && w->n_commands - before == 2) {
		apply(m, &w->command[before]);
		w->command[before] = w->command[before + 1];
		w->n_commands = before + 1;
	}
	settle(m, &change, rc, true);
	if (!rc && q.even_port == CTL_PORT_RESERVE && world_next(w) % 2) {
		q = world_request(60 + (uint32_t)(world_next(w) % 20));
		q.token = token;
		ctl_change_init(&change);
		settle(m, &change, ctl_allocation_create(w->store, &q, w->now, &change, token),
			false);
	}
}

static void change_peers(struct model *m, const struct tp_alloc_record *r)
{
	struct world *w = &m->w;
	struct ctl_change change;
	ctl_change_init(&change);
	struct tp_alloc_ref ref = r->self;
	int n = (int)(1 + world_next(w) % 4), rc = 0;
	if (world_next(w) % 2) {
		for (; n-- && !rc;) {
			struct tp_ip peer = some_peer(w);
			rc = ctl_permission_set(w->store, ref, &peer, w->now, &change);
		}
	} else {
		struct tp_addr peer = {
			.ip = some_peer(w), .port = (uint16_t)(1 + world_next(w) % 3)};
		rc = ctl_channel_bind(w->store, ref, (uint16_t)(0x4000 + world_next(w) % 12), &peer,
			w->now, &change);
	}
	settle(m, &change, rc, true);
}

static uint8_t some_family(struct world *w)
{
	static const uint8_t of[] = {TP_FAMILY_NONE, TP_FAMILY_IPV4, TP_FAMILY_IPV6};
	return of[world_next(w) % 3];
}

static void step(struct model *m)
{
	struct world *w = &m->w;
	const struct tp_alloc_record *r = any_allocation(m);
	struct ctl_change change;
	ctl_change_init(&change);
	uint64_t what = world_next(w) % 16;
	if (world_next(w) % 50 == 0)
		w->room = (uint32_t)(world_next(w) % 4);
	if (what < 5) {
		create(m);
	} else if (what < 11 && r) {
		change_peers(m, r);
	} else if (what == 11 && r) {
		int rc = ctl_allocation_refresh(
			w->store, r->self, some_family(w), 100, w->now, &change);
		settle(m, &change, rc, true);
	} else if (what == 12 && r) {
		int rc = ctl_allocation_delete(
			w->store, r->self, TP_END_REFRESH_ZERO, w->now, &change);
		settle(m, &change, rc, false);
	} else if (what == 13 && r) {
		int rc = ctl_allocation_close_family(
			w->store, r->self, some_family(w), w->now, &change);
		settle(m, &change, rc, false);
	} else {
		world_pass(w, world_next(w) % (20 * TP_NS_PER_S));
		ctl_store_expire(w->store, w->now, (uint32_t)(world_next(w) % 20));
		drain(m, 0);
	}
	world_forget(w);
}

// Allocations and peers of the store are exactly those of the dataplane.
static void compare(struct model *m)
{
	struct world *w = &m->w;
	const struct tp_alloc_record *r;
	uint32_t seen = 0, have = 0;
	for (uint32_t i = 0; (r = ctl_allocation_next(w->store, &i));) {
		const struct tp_cmd *cmd = &m->alloc[r->self.index];
		assert_int_equal(cmd->type, TP_CMD_ALLOC_SET);
		assert_int_equal(cmd->alloc.generation, r->self.generation);
		assert_int_equal(cmd->deadline_ns, r->deadline_ns);
		assert_memory_equal(cmd->allocation.family_deadline_ns, r->family_deadline_ns,
			sizeof(r->family_deadline_ns));
		assert_memory_equal(cmd->allocation.relay, r->relay, sizeof(r->relay));
		assert_int_equal(m->peers[r->self.index], r->peers);
		uint32_t at = r->first_peer;
		const struct tp_peer_record *p;
		while ((p = ctl_peer_next(w->store, &at))) {
			uint32_t k = 0;
			for (; k < r->peers; k++) {
				const struct tp_cmd *c = &m->peer[r->self.index][k];
				if (p->kind == TP_PEER_CHANNEL
						? c->type == TP_CMD_CHANNEL_SET &&
							  c->channel.channel == p->channel
						: c->type == TP_CMD_PERMISSION_SET &&
							  tp_ip_equal(&c->permission, &p->peer.ip))
					break;
			}
			assert_true(k < r->peers);
			assert_int_equal(m->peer[r->self.index][k].deadline_ns, p->deadline_ns);
		}
		seen++;
	}
	for (uint32_t i = 0; i < ALLOCS; i++)
		have += m->alloc[i].type != 0;
	assert_int_equal(have, seen);
}

// The dataplane is restarted: it is told all that the store holds.
static void resynchronise(struct model *m)
{
	struct world *w = &m->w;
	struct ctl_sync sync;
	world_forget(w);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	world_forget(w);
	memset(m->alloc, 0, sizeof(m->alloc));
	ctl_sync_start(&sync);
	assert_true(ctl_sync_step(w->store, &sync, w->now, 0));
	assert_int_equal(w->command[0].type, TP_CMD_SYNC_BEGIN);
	assert_int_equal(w->command[w->n_commands - 1].type, TP_CMD_SYNC_END);
	w->n_commands--;
	drain(m, 1);
}

static void random_life_leaks_nothing(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	struct world *w = &m->w;
	world_policy(&w->policy);
	w->policy.port_max = 50015;
	w->policy.port_rest_s = 20;
	w->policy.allocations_per_user = 12;
	world_open(w, ALLOCS, 200, 6);
	struct ctl_store_status start = world_status(w);
	uint64_t total[2];
	for (uint32_t i = 0; i < CYCLES; i++) {
		step(m);
		if (ctl_store_resync_due(w->store))
			resynchronise(m);
		if (i % 16 == 0) {
			compare(m);
			check_store(w, total);
			// Ports beyond the records' are those of reservations.
			assert_true(total[0] <= start.ports_free[0]);
			assert_true(total[1] <= start.ports_free[1]);
		}
	}
	assert_true(world_status(w).created > CYCLES / 20);
	world_pass(w, 4000 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	drain(m, 0);
	world_pass(w, 60 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, UINT32_MAX);
	compare(m);
	struct ctl_store_status end = world_status(w);
	assert_int_equal(end.ports_free[0], start.ports_free[0]);
	assert_int_equal(end.ports_free[1], start.ports_free[1]);
	assert_int_equal(end.allocs_free, start.allocs_free);
	assert_int_equal(end.peers_free, start.peers_free);
	assert_int_equal(end.names_free, start.names_free);
	assert_int_equal(end.users, 0);
	assert_int_equal(end.permissions + end.channels + end.allocations + end.resting, 0);
	assert_int_equal(ctl_store_next_deadline(w->store), UINT64_MAX);
	world_close(w);
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(random_life_leaks_nothing)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
