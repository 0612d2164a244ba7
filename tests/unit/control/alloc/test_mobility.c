// SPDX-License-Identifier: BSD-3-Clause
// Moves in the store: ten thousand of them, with every ending, leave nothing behind; a control that
// dies in the middle of one is succeeded by one that knows it.
#include "tests/unit/control/alloc/check.h"
// After cmocka's headers.
#include "control/alloc/mobility.h"

#define ALLOCS 48
#define MOVES  10000

// The dataplane's view: which client it knows, and which is pending.
struct model {
	struct world w;
	struct tp_cmd alloc[ALLOCS];
	uint32_t moved[ALLOCS];
};

static int setup(void **state)
{
	struct model *m = calloc(1, sizeof(*m));
	world_policy(&m->w.policy);
	world_open(&m->w, ALLOCS, 200, 2);
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct model *m = *state;
	world_close(&m->w);
	free(m);
	return 0;
}

static struct tp_alloc_ref allocate(struct world *w, uint32_t n)
{
	struct ctl_allocation_request q = world_request(n);
	struct ctl_change change;
	q.mobile = true;
	ctl_change_init(&change);
	assert_int_equal(ctl_allocation_create(w->store, &q, w->now, &change, NULL), 0);
	return change.alloc;
}

static int move(struct world *w, struct tp_alloc_ref ref, uint32_t to, struct ctl_change *change)
{
	static const uint8_t transaction_id[12] = "resume";
	struct ctl_allocation_request q = world_request(to);
	struct ctl_move_request m = {.client = q.client,
		.listener = q.listener,
		.transaction_id = transaction_id,
		.lifetime_s = 600};
	ctl_change_init(change);
	return ctl_allocation_move(w->store, ref, &m, w->now, change);
}

static const struct tp_alloc_record *at(const struct world *w, uint32_t n)
{
	struct ctl_allocation_request q = world_request(n);
	return ctl_allocation_find(w->store, 0, &q.client, &q.listener, w->now);
}

static void continue_with(struct tp_cmd *have, const struct tp_addr *client)
{
	have->allocation.client = *client;
}

// Takes the commands, refusing moves now and then, and completing some on its own.
static void dataplane(struct model *m, struct ctl_change *change, bool refuse)
{
	struct world *w = &m->w;
	for (; w->n_acked < w->n_commands; w->n_acked++) {
		const struct tp_cmd cmd = w->command[w->n_acked];
		bool sync = cmd.type == TP_CMD_SYNC_BEGIN || cmd.type == TP_CMD_SYNC_END;
		struct tp_cmd *have = &m->alloc[sync ? 0 : cmd.alloc.index];
		struct tp_ack ack = {
			.sequence = cmd.sequence, .type = cmd.type, .alloc = cmd.alloc};
		bool ours = change && cmd.sequence == change->last_sequence;
		if (cmd.type == TP_CMD_ALLOC_DELETE) {
			assert_int_equal(have->alloc.generation, cmd.alloc.generation);
			*have = (struct tp_cmd){};
		} else if (cmd.type == TP_CMD_ALLOC_SET) {
			uint32_t *moved = &m->moved[cmd.alloc.index];
			bool moving = cmd.allocation.pending.ip.family != TP_FAMILY_NONE;
			if (have->type == 0)
				*moved = moving ? 0 : cmd.move;
			ack.moved = *moved;
			struct tp_addr client = have->allocation.client;
			if (ours && refuse)
				ack.result = -ENOSPC;
			else if (have->type && moving && *moved == cmd.move)
				continue_with(have, &client);
			else
				*have = cmd;
			// The move before was completed here: the last one goes on from it.
			if (have->type && moving && *moved != 0 && *moved + 1 == cmd.move)
				continue_with(have, &client);
		}
		if (change)
			ctl_change_ack(change, &ack);
		ctl_store_ack(w->store, &ack, ours, w->now);
		if (ours && ack.result)
			ctl_change_rollback(w->store, change, w->now);
	}
}

static void complete(struct model *m, struct tp_alloc_ref ref, bool tell)
{
	struct tp_cmd *have = &m->alloc[ref.index];
	if (have->allocation.pending.ip.family == TP_FAMILY_NONE)
		return;
	have->allocation.client = have->allocation.pending;
	have->allocation.pending = (struct tp_addr){};
	m->moved[ref.index] = have->move;
	struct tp_ack event = {.type = TP_EVENT_MOVED, .alloc = ref, .moved = have->move};
	if (tell)
		ctl_store_ack(m->w.store, &event, true, m->w.now);
}

static void ten_thousand_moves_leave_nothing_behind(void **state)
{
	struct model *m = *state;
	struct world *w = &m->w;
	struct ctl_store_status start = world_status(w), s;
	struct tp_alloc_ref ref[8];
	uint32_t next = 100;
	uint64_t ports[2];
	for (uint32_t n = 0; n < 8; n++)
		ref[n] = allocate(w, n);
	dataplane(m, NULL, false);
	for (uint32_t n = 0; n < MOVES; n++) {
		struct ctl_change change;
		struct tp_alloc_ref *r = &ref[world_next(w) % 8];
		if (w->n_commands > WORLD_COMMANDS / 4)
			world_forget(w);
		if (world_next(w) % 4 == 0)
			complete(m, *r, false); // the next move is made before control knows
		assert_int_equal(move(w, *r, next++, &change), 0);
		assert_ptr_equal(at(w, next - 1), ctl_allocation_get(w->store, *r));
		bool refuse = world_next(w) % 8 == 0;
		dataplane(m, &change, refuse);
		if (refuse)
			assert_null(at(w, next - 1));
		if (world_next(w) % 2)
			complete(m, *r, true);
		if (world_next(w) % 16 == 0) {
			ctl_allocation_delete(w->store, *r, TP_END_REFRESH_ZERO, w->now, NULL);
			world_pass(w, 61 * TP_NS_PER_S);
			ctl_store_expire(w->store, w->now, 10);
			*r = allocate(w, next++);
			dataplane(m, NULL, false);
		}
		for (uint32_t k = 0; k < 8; k++) // nobody expires meanwhile
			ctl_allocation_refresh(
				w->store, ref[k], TP_FAMILY_NONE, 600, w->now, &change);
		dataplane(m, NULL, false);
		if (n % 100 == 0)
			check_store(w, ports);
		for (uint32_t k = 0; k < 8; k++) {
			const struct tp_alloc_record *record = ctl_allocation_get(w->store, ref[k]);
			const struct tp_cmd *have = &m->alloc[ref[k].index];
			assert_non_null(record);
			assert_true(tp_addr_equal(&record->client, &have->allocation.client));
			struct tp_addr to = {}, by;
			ctl_allocation_moving(w->store, record, &to, &by);
			assert_true(tp_addr_equal(&to, &have->allocation.pending));
		}
	}
	for (uint32_t n = 0; n < 8; n++)
		ctl_allocation_delete(w->store, ref[n], TP_END_OPERATOR, w->now, NULL);
	dataplane(m, NULL, false);
	for (uint32_t i = 0; i < ALLOCS; i++)
		assert_int_equal(m->alloc[i].type, 0);
	world_pass(w, 61 * TP_NS_PER_S);
	ctl_store_expire(w->store, w->now, 100);
	s = world_status(w);
	assert_int_equal(s.ports_free[0], start.ports_free[0]);
	assert_int_equal(s.allocs_free, start.allocs_free);
	assert_int_equal(s.peers_free, start.peers_free);
	assert_int_equal(s.users, 0);
	for (uint32_t n = 0; n < next; n++) // no five-tuple is known any more
		assert_null(at(w, n));
}

// By a synchronisation, to a dataplane that has no place for the second client.
static void a_refused_second_client_is_not_the_end(void **state)
{
	struct model *m = *state;
	struct world *w = &m->w;
	struct tp_alloc_ref ref = allocate(w, 1);
	struct ctl_change change;
	assert_int_equal(move(w, ref, 2, &change), 0);
	struct tp_ack ack = {
		.sequence = 9, .type = TP_CMD_ALLOC_SET, .alloc = ref, .result = -ENOSPC};
	ctl_store_ack(w->store, &ack, false, w->now);
	assert_non_null(at(w, 1));
	assert_null(at(w, 2));
	const struct tp_cmd *again = &w->command[w->n_commands - 1];
	assert_int_equal(again->type, TP_CMD_ALLOC_SET);
	assert_int_equal(again->allocation.pending.ip.family, TP_FAMILY_NONE);
	ctl_store_ack(w->store, &ack, false, w->now); // refused without a move, too
	assert_null(at(w, 1));
}

// ---- A new control.

static struct tp_alloc_record *record_of(struct model *m, struct tp_alloc_ref ref)
{
	uint8_t *records = (uint8_t *)m->w.region + TP_REGION_HEADER_BYTES;
	return (struct tp_alloc_record *)records + ref.index;
}

static struct ctl_adoption readopt(struct model *m)
{
	struct world *w = &m->w;
	struct ctl_adoption report;
	struct ctl_store_options options = world_options(w);
	ctl_store_destroy(w->store);
	world_forget(w);
	assert_int_equal(ctl_store_create(&options, &w->store), 0);
	assert_int_equal(ctl_store_adopt(w->store, w->now, &report), 0);
	return report;
}

// Two moves; the dataplane completed the first before the second came, and control learns it by the
// answer to the second, by an event before, or after it was killed.
static void the_last_move_goes_on_from_the_one_before(void **state)
{
	for (int how = 0; how < 5; how++) {
		struct model *m = *state;
		struct world *w = &m->w;
		uint32_t n = 10 * (uint32_t)how;
		struct tp_alloc_ref ref = allocate(w, n + 1);
		struct ctl_change change;
		assert_int_equal(move(w, ref, n + 2, &change), 0);
		dataplane(m, &change, false);
		complete(m, ref, false);
		assert_int_equal(move(w, ref, n + 3, &change), 0);
		// Until the dataplane has said which, all of them are the allocation's.
		for (uint32_t k = 1; k <= 3; k++)
			assert_ptr_equal(at(w, n + k), ctl_allocation_get(w->store, ref));
		struct tp_ack event = {.type = TP_EVENT_MOVED, .alloc = ref, .moved = 1};
		struct ctl_sync sync;
		if (how == 1)
			ctl_store_ack(w->store, &event, true, w->now);
		if (how >= 3) {
			if (how == 3)
				dataplane(m, NULL, false); // it had begun the second
			readopt(m);
			for (uint32_t k = how == 3 ? 2 : 1; k <= 3; k++)
				assert_ptr_equal(at(w, n + k), ctl_allocation_get(w->store, ref));
			ctl_sync_start(&sync);
			assert_true(ctl_sync_step(w->store, &sync, w->now, 0));
			dataplane(m, NULL, false);
		} else {
			dataplane(m, &change, how == 2);
		}
		assert_null(at(w, n + 1));
		assert_non_null(at(w, n + 2));
		assert_int_equal(at(w, n + 2)->before.family, TP_FAMILY_NONE);
		struct ctl_allocation_request there = world_request(n + 2);
		assert_true(tp_addr_equal(&at(w, n + 2)->client, &there.client));
		if (how == 2) { // refused: the first one counts all the same
			assert_null(at(w, n + 3));
			assert_int_equal(at(w, n + 2)->move_family, TP_FAMILY_NONE);
			assert_int_equal(ctl_allocation_moves(at(w, n + 2)), 1);
		} else {
			assert_ptr_equal(at(w, n + 2), at(w, n + 3));
			complete(m, ref, true);
			assert_null(at(w, n + 2));
			assert_non_null(at(w, n + 3));
		}
		uint64_t ports[2];
		check_store(w, ports);
	}
}

// The dataplane had not completed it: the five-tuple is free again, but not before it says so.
static void a_move_that_was_given_up_frees_its_five_tuple(void **state)
{
	struct model *m = *state;
	struct world *w = &m->w;
	struct tp_alloc_ref ref = allocate(w, 1);
	struct ctl_change change, refresh;
	assert_int_equal(move(w, ref, 2, &change), 0);
	dataplane(m, &change, false);
	// An answer to what was sent before the second move says nothing about it.
	ctl_allocation_refresh(w->store, ref, TP_FAMILY_NONE, 600, w->now, &refresh);
	struct tp_cmd before = w->command[w->n_commands - 1];
	assert_int_equal(move(w, ref, 3, &change), 0);
	struct tp_ack late = {.sequence = before.sequence, .type = before.type, .alloc = ref};
	ctl_store_ack(w->store, &late, false, w->now);
	assert_non_null(at(w, 2));
	struct ctl_change other;
	assert_int_equal(move(w, allocate(w, 4), 2, &other), -EEXIST);
	dataplane(m, &change, false);
	assert_null(at(w, 2));
	assert_non_null(at(w, 1));
	assert_ptr_equal(at(w, 1), at(w, 3));
	// Taken back: what was under way before is so again.
	assert_int_equal(move(w, ref, 5, &change), 0);
	dataplane(m, &change, true);
	assert_null(at(w, 5));
	assert_ptr_equal(at(w, 1), at(w, 3));
	assert_int_equal(at(w, 3)->before.family, TP_FAMILY_NONE);
	uint64_t ports[2];
	check_store(w, ports);
}

static void a_new_control_knows_the_move(void **state)
{
	struct model *m = *state;
	struct world *w = &m->w;
	struct tp_alloc_ref ref = allocate(w, 1);
	struct ctl_change change;
	struct ctl_sync sync;
	uint8_t key[32];
	memcpy(key, ctl_store_ticket_key(w->store), sizeof(key));
	assert_int_equal(move(w, ref, 2, &change), 0);
	dataplane(m, &change, false);
	assert_int_equal(readopt(m).allocations, 1);
	assert_memory_equal(key, ctl_store_ticket_key(w->store), sizeof(key));
	assert_non_null(at(w, 1));
	assert_ptr_equal(at(w, 1), at(w, 2));
	ctl_sync_start(&sync);
	assert_true(ctl_sync_step(w->store, &sync, w->now, 0));
	assert_int_equal(w->command[1].type, TP_CMD_ALLOC_SET);
	assert_int_equal(w->command[1].allocation.pending.port, at(w, 2)->move_port);
	// The dataplane completed it while nobody was there to be told: its answer tells.
	complete(m, ref, false);
	dataplane(m, NULL, false);
	assert_null(at(w, 1));
	assert_non_null(at(w, 2));
	assert_int_equal(at(w, 2)->move_family, TP_FAMILY_NONE);
}

static void a_new_dataplane_is_told_of_the_move(void **state)
{
	struct model *m = *state;
	struct world *w = &m->w;
	struct tp_alloc_ref ref = allocate(w, 1);
	struct ctl_change change;
	uint8_t key[32];
	memcpy(key, ctl_store_ticket_key(w->store), sizeof(key));
	assert_int_equal(move(w, ref, 2, &change), 0);
	void *fresh = aligned_alloc(64, (w->region_bytes + 63) / 64 * 64);
	memset(fresh, 0, w->region_bytes);
	assert_int_equal(ctl_region_format(fresh, w->region_bytes, ALLOCS, 200, 2, 8), 0);
	assert_int_equal(ctl_store_move(w->store, fresh, w->region_bytes, -1, w->now, NULL), 0);
	free(w->region);
	w->region = fresh;
	assert_memory_equal(key, ctl_store_ticket_key(w->store), sizeof(key));
	assert_non_null(at(w, 1));
	assert_ptr_equal(at(w, 1), at(w, 2));
}

static void damaged_moves_are_dropped(void **state)
{
	struct model *m = *state;
	struct world *w = &m->w;
	struct ctl_change change;
	for (uint32_t n = 0; n < 13; n++)
		assert_int_equal(move(w, allocate(w, n), 100 + n, &change), 0);
	for (uint32_t n = 9; n < 13; n++)
		assert_int_equal(move(w, at(w, n)->self, 110 + n, &change), 0);
	struct tp_alloc_record *r = record_of(m, (struct tp_alloc_ref){});
	r[0].ticket = 0;
	r[1].ticket = 1;
	r[2].move_family = 9;
	r[3].move_family = TP_FAMILY_NONE;
	r[4].move_port = 0;
	r[5].move_ip[9] = 1;
	r[6].move_transport = 99;
	r[9].before.family = TP_FAMILY_NONE;
	r[10].before.port = 0;
	r[11].ticket = 2; // there was but one
	r[12].before.listener ^= 2;
	struct ctl_adoption report = readopt(m);
	assert_int_equal(report.allocations, 3);
	assert_int_equal(report.dropped_allocations[CTL_ADOPT_MOBILITY], 10);
	assert_non_null(at(w, 122)); // only the move before is forgotten
	assert_null(at(w, 112));
	assert_non_null(at(w, 107));
	assert_non_null(at(w, 108));
}

// The old five-tuple is sound: only the move is given up.
static void a_move_to_nowhere_is_given_up(void **state)
{
	struct model *m = *state;
	struct world *w = &m->w;
	struct ctl_change change;
	for (uint32_t n = 0; n < 4; n++)
		assert_int_equal(move(w, allocate(w, n), 100 + n, &change), 0);
	struct tp_alloc_record *r = record_of(m, (struct tp_alloc_ref){});
	r[0].move_listener ^= 2;                        // not configured any more
	memcpy(r[1].move_ip, r[2].client.ip.bytes, 16); // another one's
	r[1].move_port = r[2].client.port;
	memcpy(r[2].move_ip, r[3].move_ip, 16); // both: the first has it
	r[2].move_port = r[3].move_port;
	struct ctl_adoption report = readopt(m);
	assert_int_equal(report.allocations, 4);
	for (uint32_t n = 0; n < 4; n++)
		assert_int_equal(at(w, n)->self.index, n);
	assert_int_equal(at(w, 0)->move_family, TP_FAMILY_NONE);
	assert_int_equal(at(w, 1)->move_family, TP_FAMILY_NONE);
	assert_int_equal(at(w, 103)->self.index, 2);
	assert_int_equal(at(w, 3)->move_family, TP_FAMILY_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(ten_thousand_moves_leave_nothing_behind),
		T(the_last_move_goes_on_from_the_one_before),
		T(a_move_that_was_given_up_frees_its_five_tuple),
		T(a_refused_second_client_is_not_the_end),
		T(a_new_control_knows_the_move),
		T(a_new_dataplane_is_told_of_the_move),
		T(damaged_moves_are_dropped),
		T(a_move_to_nowhere_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
