// SPDX-License-Identifier: BSD-3-Clause
// A client on the move (RFC 8016 section 3.2.2): which flows there are before, during and after.
#include <errno.h>

#include "tests/unit/dataplane/cmd/fixture.h"

#define PEER     "198.18.2.7"
#define OLD      "198.18.1.1"
#define NEW      "198.18.1.9"
#define THIRD    "198.18.1.10"
#define CHANNEL  0x4001
#define DEADLINE 900

static struct tp_cmd alloc_at(const char *client, const char *pending, uint32_t move)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_ALLOC_SET, 3, 1);

	cmd.deadline_ns = DEADLINE;
	cmd.allocation.client = at(client, 1000);
	cmd.allocation.listener = at("198.18.0.2", 3478);
	cmd.allocation.relay[0] = at("10.0.0.5", 50000);
	cmd.move = move;
	if (pending == NULL)
		return cmd;
	cmd.allocation.pending = at(pending, 2000);
	cmd.allocation.pending_listener =
		at(cmd.allocation.pending.ip.family == TP_FAMILY_IPV4 ? "198.18.0.3"
								      : "fd00:198:18::2",
			3478);
	return cmd;
}

static struct dp_flow *uplink(struct fixture *f, const char *client, uint16_t channel)
{
	struct tp_ip address = ip(client);
	bool old = strcmp(client, OLD) == 0;
	struct dp_flow_key key = {.port = rte_cpu_to_be_16(old ? 1000 : 2000),
		.local = old                                ? 0
			 : address.family == TP_FAMILY_IPV4 ? 1
							    : 2,
		.selector = channel,
		.side = DP_KEY_CLIENT,
		.family = address.family};
	memcpy(key.ip, address.bytes, sizeof(key.ip));
	return dp_flow_lookup(f->dp.flows, &key);
}

static struct dp_flow *downlink(struct fixture *f, uint16_t port)
{
	struct tp_ip relay = ip("10.0.0.5"), peer = ip(PEER);
	struct dp_flow_key key = {.port = rte_cpu_to_be_16(port),
		.local = dp_local_find(f->dp.locals, relay.family, relay.bytes),
		.selector = rte_cpu_to_be_16(50000),
		.side = DP_KEY_PEER,
		.family = peer.family};
	memcpy(key.ip, peer.bytes, sizeof(key.ip));
	return dp_flow_lookup(f->dp.flows, &key);
}

static void assert_leads(const struct dp_flow *flow, const char *client)
{
	struct tp_ip address = ip(client);

	assert_non_null(flow);
	assert_int_equal(flow->dst_family, address.family);
	assert_memory_equal(flow->dst_ip, address.bytes, 16);
	assert_int_equal(flow->dst_port, rte_cpu_to_be_16(strcmp(client, OLD) == 0 ? 1000 : 2000));
}

static struct tp_status_reply status_of(struct fixture *f)
{
	struct tp_status_reply status = {0};
	dp_apply_status(f->apply, &status);
	return status;
}

static struct fixture *with_channel_read(struct rte_rcu_qsbr *qsbr)
{
	struct fixture *f = fixture_new_read(qsbr);

	assert_int_equal(run(f, alloc_at(OLD, NULL, 0)), 0);
	assert_int_equal(permission_set(f, 3, 1, PEER, 500), 0);
	assert_int_equal(channel_set(f, 3, 1, PEER, 4000, CHANNEL, 600), 0);
	return f;
}

static struct fixture *with_channel(void)
{
	return with_channel_read(NULL);
}

// What a worker does with the first datagram of a flow (path/moves.c).
static void datagram(struct fixture *f, struct dp_flow *flow)
{
	uint8_t awaited = DP_CLIENT_AWAITED;

	atomic_compare_exchange_strong(
		&dp_flow_at(f->dp.flows, flow->client)->client_state, &awaited, DP_CLIENT_ARRIVED);
	if (dp_flow_at(f->dp.flows, flow->client)->client_state == DP_CLIENT_ARRIVED)
		atomic_store(&flow->seen, 1);
}

static bool arrive(struct fixture *f, struct dp_flow *flow, struct tp_ack *event)
{
	datagram(f, flow);
	return dp_apply_moved(f->apply, dp_flow_index(f->dp.flows, flow), event);
}

static void finish(struct fixture *f)
{
	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 3, 1)), 0);
	struct tp_status_reply status = status_of(f);
	assert_int_equal(status.flows, 0);
	assert_int_equal(status.channels, 0);
	assert_int_equal(status.permissions, 0);
	assert_int_equal(fixture_references(f), 0);
	fixture_free(f);
}

static void both_clients_are_heard_while_the_old_one_is_served(void **state)
{
	struct fixture *f = with_channel();

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	assert_int_equal(f->ack.moved, 0);
	const struct dp_flow *old = uplink(f, OLD, CHANNEL), *new = uplink(f, NEW, CHANNEL);
	assert_non_null(old);
	assert_non_null(new);
	assert_non_null(uplink(f, OLD, 0));
	assert_non_null(uplink(f, NEW, 0));
	assert_int_equal(old->flags, 0);
	assert_int_equal(new->flags, DP_FLOW_MOVE);
	assert_int_equal(uplink(f, NEW, 0)->flags, DP_FLOW_MOVE);
	assert_memory_equal(old->dst_ip, new->dst_ip, 16);
	assert_int_equal(old->dst_port, new->dst_port);
	assert_int_equal(old->src_port, new->src_port);
	assert_int_equal(old->deadline_ns, new->deadline_ns);
	assert_memory_equal(uplink(f, OLD, 0)->relay_local, uplink(f, NEW, 0)->relay_local, 8);
	assert_leads(downlink(f, 4000), OLD);
	assert_leads(downlink(f, 0), OLD);
	assert_int_equal(status_of(f).channels, 1);
	finish(f);
}

static void data_from_the_new_client_ends_the_move(void **state)
{
	for (int by_channel = 0; by_channel < 2; by_channel++) {
		struct fixture *f = with_channel();
		struct tp_ack event = {0};

		assert_int_equal(run(f, alloc_at(OLD, NEW, 7)), 0);
		atomic_store(&downlink(f, 4000)->packets, 5);
		atomic_store(&uplink(f, OLD, CHANNEL)->packets, 3);
		assert_true(arrive(f, uplink(f, NEW, by_channel ? CHANNEL : 0), &event));
		assert_int_equal(event.sequence, 0);
		assert_int_equal(event.type, TP_EVENT_MOVED);
		assert_int_equal(event.alloc.index, 3);
		assert_int_equal(event.moved, 7);
		assert_null(uplink(f, OLD, CHANNEL));
		assert_null(uplink(f, OLD, 0));
		assert_leads(downlink(f, 4000), NEW);
		assert_leads(downlink(f, 0), NEW);
		assert_int_equal(downlink(f, 4000)->channel, CHANNEL);
		assert_int_equal(downlink(f, 4000)->deadline_ns, 500);
		assert_int_equal(downlink(f, 4000)->src_local, uplink(f, NEW, 0)->src_local);
		// What was counted stays counted.
		assert_int_equal(run(f, cmd_of(TP_CMD_COUNTERS, 3, 1)), 0);
		assert_int_equal(f->ack.counters.down_packets, 5);
		assert_int_equal(f->ack.counters.up_packets, 3);
		assert_int_equal(status_of(f).flows, 4);
		// Nothing more comes of it.
		assert_false(arrive(f, uplink(f, NEW, 0), &event));
		finish(f);
	}
}

static void control_may_learn_it_late(void **state)
{
	struct fixture *f = with_channel();
	struct tp_ack event;

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	assert_true(arrive(f, uplink(f, NEW, 0), &event));
	// A refresh that was on its way; a control that was restarted.
	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	assert_int_equal(f->ack.moved, 1);
	assert_null(uplink(f, OLD, 0));
	assert_leads(downlink(f, 4000), NEW);
	// But not another one than the next: something is missing.
	assert_int_equal(run(f, alloc_at("198.18.1.20", NULL, 2)), -EINVAL);
	assert_int_equal(run(f, alloc_at(OLD, THIRD, 3)), -EINVAL);
	assert_int_equal(f->ack.moved, 1);
	assert_non_null(uplink(f, NEW, 0));
	finish(f);
}

// Control did not know that the first move was completed when the client made the second.
static void the_next_move_goes_on_from_the_one_before(void **state)
{
	for (int told = 0; told < 2; told++) {
		struct fixture *f = with_channel();
		struct tp_ack event;

		assert_int_equal(run(f, alloc_at(OLD, NEW, 7)), 0);
		if (told)
			assert_true(arrive(f, uplink(f, NEW, 0), &event));
		else
			datagram(f, uplink(f, NEW, 0)); // the manager has not looked yet
		assert_int_equal(run(f, alloc_at(OLD, THIRD, 8)), 0);
		assert_int_equal(f->ack.moved, 7);
		assert_null(uplink(f, OLD, 0));
		assert_non_null(uplink(f, NEW, CHANNEL));
		assert_non_null(uplink(f, THIRD, CHANNEL));
		assert_leads(downlink(f, 4000), NEW);
		assert_leads(downlink(f, 0), NEW);
		assert_false(dp_apply_moved(f->apply, downlink(f, 0)->alloc.index, &event));
		// Said once more, and by a control that knows by now.
		assert_int_equal(run(f, alloc_at(OLD, THIRD, 8)), 0);
		struct tp_cmd known = alloc_at(NEW, THIRD, 8);
		known.allocation.client.port = 2000;
		known.allocation.listener = at("198.18.0.3", 3478);
		assert_int_equal(run(f, known), 0);
		assert_int_equal(f->ack.moved, 7);
		assert_true(arrive(f, uplink(f, THIRD, CHANNEL), &event));
		assert_int_equal(event.moved, 8);
		assert_null(uplink(f, NEW, 0));
		assert_leads(downlink(f, 4000), THIRD);
		finish(f);
	}
}

// One worker, offline.
static struct rte_rcu_qsbr *reader(void)
{
	size_t bytes = RTE_ALIGN(rte_rcu_qsbr_get_memsize(1), RTE_CACHE_LINE_SIZE);
	struct rte_rcu_qsbr *qsbr = aligned_alloc(RTE_CACHE_LINE_SIZE, bytes);

	assert_int_equal(rte_rcu_qsbr_init(qsbr, 1), 0);
	rte_rcu_qsbr_thread_register(qsbr, 0);
	return qsbr;
}

// A move is not completed and then taken from its client: whoever is first decides.
static void a_datagram_and_a_newer_move_agree_who_was_first(void **state)
{
	struct rte_rcu_qsbr *qsbr = reader();
	struct fixture *f = with_channel_read(qsbr);
	struct tp_ack event;

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	rte_rcu_qsbr_thread_online(qsbr, 0);
	struct dp_flow *given_up = uplink(f, NEW, CHANNEL);
	assert_int_equal(run(f, alloc_at(OLD, THIRD, 2)), 0);
	assert_int_equal(f->ack.moved, 0);
	// A worker that still holds the flow is too late.
	datagram(f, given_up);
	assert_int_equal(given_up->seen, 0);
	assert_leads(downlink(f, 4000), OLD);
	assert_false(dp_apply_moved(f->apply, dp_flow_index(f->dp.flows, given_up), &event));
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	finish(f);
	free(qsbr);
}

static void what_control_takes_back_is_taken_back(void **state)
{
	struct fixture *f = with_channel();
	struct tp_ack event;

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	datagram(f, uplink(f, NEW, 0)); // a client that did not wait for the answer
	assert_int_equal(run(f, alloc_at(OLD, NULL, 0)), 0);
	assert_int_equal(f->ack.moved, 0);
	assert_null(uplink(f, NEW, 0));
	assert_non_null(uplink(f, OLD, CHANNEL));
	assert_leads(downlink(f, 4000), OLD);
	assert_leads(downlink(f, 0), OLD);
	assert_int_equal(status_of(f).flows, 4);
	// To a move that was under way before.
	assert_int_equal(run(f, alloc_at(OLD, THIRD, 2)), 0);
	assert_true(arrive(f, uplink(f, THIRD, 0), &event));
	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	assert_null(uplink(f, THIRD, 0));
	assert_leads(downlink(f, 4000), OLD);
	assert_true(arrive(f, uplink(f, NEW, 0), &event));
	assert_int_equal(event.moved, 1);
	finish(f);
}

static void assert_on_the_move(struct fixture *f, uint16_t port, bool moving)
{
	assert_int_equal(downlink(f, port)->flags & DP_FLOW_MOVE, moving ? DP_FLOW_MOVE : 0);
}

// What workers read of a move (path/moves.c).
static void downlinks_tell_that_their_client_moves(void **state)
{
	struct fixture *f = with_channel();
	struct tp_ack event;

	assert_on_the_move(f, 4000, false);
	assert_int_equal(f->dp.moving[3], 0);
	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	assert_on_the_move(f, 4000, true);
	assert_on_the_move(f, 0, true);
	assert_int_equal(f->dp.moving[3], dp_flow_index(f->dp.flows, uplink(f, NEW, 0)));
	assert_int_equal(uplink(f, NEW, CHANNEL)->client, f->dp.moving[3]);
	assert_int_equal(uplink(f, NEW, 0)->client, f->dp.moving[3]);
	assert_int_equal(channel_set(f, 3, 1, PEER, 4001, CHANNEL + 1, 650), 0);
	assert_on_the_move(f, 4001, true);
	// The newest one.
	assert_int_equal(run(f, alloc_at(OLD, THIRD, 2)), 0);
	assert_on_the_move(f, 4001, true);
	assert_int_equal(f->dp.moving[3], dp_flow_index(f->dp.flows, uplink(f, THIRD, 0)));
	// Its next hop follows a change of routes while it is awaited.
	uint16_t hop = uplink(f, THIRD, 0)->next_hop;
	f->net.shift = 300;
	f->net.generation++;
	while (dp_apply_resolve_slice(f->apply, 3))
		;
	assert_int_equal(uplink(f, THIRD, 0)->next_hop, hop + 300);
	// Taken back.
	assert_int_equal(run(f, alloc_at(OLD, NULL, 2)), 0);
	assert_on_the_move(f, 4000, false);
	assert_on_the_move(f, 0, false);
	assert_int_equal(f->dp.moving[3], 0);
	// Completed.
	assert_int_equal(run(f, alloc_at(OLD, NEW, 3)), 0);
	assert_true(arrive(f, uplink(f, NEW, CHANNEL), &event));
	assert_on_the_move(f, 4000, false);
	assert_on_the_move(f, 4001, false);
	assert_on_the_move(f, 0, false);
	uint32_t freed = f->dp.moving[3];
	assert_int_equal(freed, dp_flow_index(f->dp.flows, uplink(f, NEW, 0)));
	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 3, 1)), 0);
	assert_int_equal(f->dp.moving[3], 0);
	assert_int_equal(run(f, alloc_at(OLD, NULL, 0)), 0);
	finish(f);
}

static void permissions_and_channels_of_meanwhile_serve_both(void **state)
{
	struct fixture *f = with_channel();
	struct tp_ack event;

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	assert_int_equal(channel_set(f, 3, 1, PEER, 4001, CHANNEL + 1, 650), 0);
	assert_int_equal(uplink(f, NEW, CHANNEL + 1)->flags, DP_FLOW_MOVE);
	assert_int_equal(uplink(f, OLD, CHANNEL + 1)->flags, 0);
	assert_int_equal(channel_set(f, 3, 1, PEER, 4000, CHANNEL, 700), 0);
	assert_int_equal(permission_set(f, 3, 1, PEER, 2000), 0);
	assert_int_equal(uplink(f, NEW, CHANNEL)->deadline_ns, 700);
	assert_int_equal(uplink(f, OLD, CHANNEL)->deadline_ns, 700);
	struct tp_cmd refresh = alloc_at(OLD, NEW, 1);
	refresh.deadline_ns = 600;
	refresh.allocation.rate_bytes_per_s = 5000;
	assert_int_equal(run(f, refresh), 0);
	assert_int_equal(uplink(f, NEW, CHANNEL)->deadline_ns, 600);
	assert_int_equal(uplink(f, NEW, CHANNEL)->rate, DP_RATE(5, 0));
	assert_int_equal(uplink(f, NEW, 0)->deadline_ns, 600);
	struct tp_cmd delete = cmd_of(TP_CMD_CHANNEL_DELETE, 3, 1);
	delete.channel.peer = at(PEER, 4001);
	delete.channel.channel = CHANNEL + 1;
	assert_int_equal(run(f, delete), 0);
	assert_null(uplink(f, NEW, CHANNEL + 1));
	assert_null(uplink(f, OLD, CHANNEL + 1));
	assert_true(arrive(f, uplink(f, NEW, CHANNEL), &event));
	assert_int_equal(channel_set(f, 3, 1, PEER, 4001, CHANNEL + 1, 650), 0);
	assert_leads(downlink(f, 4001), NEW);
	assert_non_null(uplink(f, NEW, CHANNEL + 1));
	finish(f);
}

static void another_family_is_as_good(void **state)
{
	static const char client[] = "fd00:198:18::9";
	struct fixture *f = with_channel();
	struct tp_ack event;

	assert_int_equal(run(f, alloc_at(OLD, client, 1)), 0);
	assert_true(arrive(f, uplink(f, client, CHANNEL), &event));
	assert_leads(downlink(f, 4000), client);
	assert_leads(downlink(f, 0), client);
	finish(f);
}

static void the_newest_move_counts(void **state)
{
	struct fixture *f = with_channel();
	struct tp_ack event;
	uint32_t flows;

	assert_int_equal(run(f, alloc_at(OLD, THIRD, 1)), 0);
	flows = status_of(f).flows;
	struct dp_flow *given_up = uplink(f, THIRD, 0);
	assert_int_equal(run(f, alloc_at(OLD, NEW, 2)), 0);
	assert_null(uplink(f, THIRD, 0));
	assert_false(dp_apply_moved(f->apply, dp_flow_index(f->dp.flows, given_up), &event));
	assert_leads(downlink(f, 4000), OLD);
	assert_int_equal(status_of(f).flows, flows);
	// Taken back.
	assert_int_equal(run(f, alloc_at(OLD, NULL, 2)), 0);
	assert_null(uplink(f, NEW, 0));
	assert_int_equal(status_of(f).flows, 4);
	finish(f);
}

static void a_refused_move_leaves_all_as_it_was(void **state)
{
	struct fixture *f = with_channel();
	struct tp_cmd other = alloc_at(NEW, NULL, 0);

	other.alloc.index = 4;
	other.allocation.client.port = 2000;
	other.allocation.listener = at("198.18.0.3", 3478);
	other.allocation.relay[0] = at("10.0.0.5", 50001);
	assert_int_equal(run(f, other), 0);
	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), -EEXIST);
	struct tp_cmd nowhere = alloc_at(OLD, NEW, 1);
	nowhere.allocation.pending_listener.port = 1;
	assert_int_equal(run(f, nowhere), -EADDRNOTAVAIL);
	nowhere.allocation.pending_listener = at("fd00:198:18::2", 3478);
	assert_int_equal(run(f, nowhere), -EINVAL);
	assert_non_null(uplink(f, OLD, CHANNEL));
	assert_leads(downlink(f, 4000), OLD);
	assert_int_equal(status_of(f).flows, 5);
	other.type = TP_CMD_ALLOC_DELETE;
	assert_int_equal(run(f, other), 0);
	finish(f);
}

// No place for the flows of the new client: -ENOSPC; none for those towards it: the old client's
// are given back first.
static void a_full_table_refuses_a_move_and_cannot_stop_one(void **state)
{
	struct fixture *f = with_channel();
	struct tp_ack event;
	char peer[32];

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	uint32_t n = 0;
	do
		snprintf(peer, sizeof(peer), "198.18.%u.%u", 10 + n / 200, 1 + n % 200);
	while (permission_set(f, 3, 1, peer, 500) == 0 && ++n < 2 * FLOWS);
	assert_int_equal(status_of(f).flows, FLOWS);
	assert_true(arrive(f, uplink(f, NEW, CHANNEL), &event));
	assert_leads(downlink(f, 4000), NEW);
	assert_leads(downlink(f, 0), NEW);
	assert_int_equal(status_of(f).flows, FLOWS - 2);
	// Allocation flow and channel would need two; one is left.
	assert_int_equal(permission_set(f, 3, 1, "198.18.9.1", 500), 0);
	struct tp_cmd again = alloc_at(NEW, OLD, 2);
	again.allocation.client = at(NEW, 2000);
	again.allocation.listener = at("198.18.0.3", 3478);
	again.allocation.pending = at("198.18.1.20", 1);
	again.allocation.pending_listener = at("198.18.0.2", 3478);
	assert_int_equal(run(f, again), -ENOSPC);
	assert_int_equal(status_of(f).flows, FLOWS - 1);
	assert_non_null(uplink(f, NEW, CHANNEL));
	finish(f);
}

// Downlinks without a place for their successors: a worker that reads keeps what was freed. They go
// on to say that their client moved; it is no reason to complete the next move, nor is that one
// begun before they are replaced.
static void without_places_the_old_flows_serve(void **state)
{
	struct rte_rcu_qsbr *qsbr = reader();
	struct fixture *f = with_channel_read(qsbr);
	struct tp_ack event;
	char peer[32];

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	for (uint32_t n = 0; status_of(f).flows < FLOWS; n++) {
		snprintf(peer, sizeof(peer), "198.18.%u.%u", 10 + n / 200, 1 + n % 200);
		assert_int_equal(permission_set(f, 3, 1, peer, 500), 0);
	}
	rte_rcu_qsbr_thread_online(qsbr, 0); // reads, and passes nothing
	assert_true(arrive(f, uplink(f, NEW, 0), &event));
	assert_int_equal(event.moved, 1);
	assert_leads(downlink(f, 4000), OLD);
	assert_on_the_move(f, 4000, true);
	uint32_t told = f->dp.moving[3];
	assert_int_equal(told, dp_flow_index(f->dp.flows, uplink(f, NEW, 0)));
	assert_int_equal(dp_flow_at(f->dp.flows, told)->client_state, DP_CLIENT_ARRIVED);
	assert_int_equal(run(f, alloc_at(OLD, THIRD, 2)), -ENOSPC);
	assert_int_equal(f->ack.moved, 1);
	assert_int_equal(f->dp.moving[3], told);
	assert_on_the_move(f, 4000, true);
	// The reader passes; the next datagram is named again, and ends it.
	rte_rcu_qsbr_thread_offline(qsbr, 0);
	assert_int_equal(uplink(f, NEW, 0)->seen, 0);
	assert_false(arrive(f, uplink(f, NEW, 0), &event));
	assert_leads(downlink(f, 4000), NEW);
	assert_leads(downlink(f, 0), NEW);
	assert_on_the_move(f, 4000, false);
	finish(f);
	free(qsbr);
}

// Told, not told before the next, given up, in turn.
static void ten_thousand_moves_leave_nothing(void **state)
{
	struct fixture *f = with_channel();
	struct tp_cmd cmd = alloc_at(OLD, NEW, 1);
	struct tp_addr untold = {0};
	struct tp_ack event;

	for (uint32_t n = 1; n <= 10000; n++) {
		cmd.allocation.pending.port = (uint16_t)(2000 + n % 7);
		cmd.move = n;
		assert_int_equal(run(f, cmd), 0);
		assert_int_equal(status_of(f).flows, 6);
		if (untold.port != 0) {
			assert_int_equal(f->ack.moved, n - 1);
			cmd.allocation.client = untold;
			cmd.allocation.listener = cmd.allocation.pending_listener;
			untold.port = 0;
		}
		struct dp_flow *client = dp_flow_at(f->dp.flows, f->dp.moving[3]);
		if (n % 3 == 0)
			continue;
		datagram(f, client);
		if (n % 3 == 2) {
			untold = cmd.allocation.pending;
			continue;
		}
		assert_true(dp_apply_moved(f->apply, f->dp.moving[3], &event));
		assert_int_equal(event.moved, n);
		assert_int_equal(status_of(f).flows, 4);
		cmd.allocation.client = cmd.allocation.pending;
		cmd.allocation.listener = cmd.allocation.pending_listener;
	}
	finish(f);
}

static uint32_t pick(uint64_t *random, uint32_t below)
{
	*random ^= *random << 13;
	*random ^= *random >> 7;
	*random ^= *random << 17;
	return (uint32_t)(*random >> 16) % below;
}

// What holds at any time: as many flows as there should be, the same mark on all that leads to the
// client, and an array that names a client of this allocation.
static void assert_sound(struct fixture *f, bool moving)
{
	struct tp_status_reply status = status_of(f);
	uint32_t clients = moving ? 2 : 1, at = f->dp.moving[3];

	assert_int_equal(status.flows,
		clients * (1 + status.channels) + status.channels + status.permissions);
	for (uint32_t i = 1; i <= FLOWS; i++) {
		const struct dp_flow *flow = dp_flow_at(f->dp.flows, i);
		if (dp_flow_lookup(f->dp.flows, &flow->key) != flow)
			continue; // was one once
		if (flow->kind == DP_FLOW_CHANNEL_DOWN || flow->kind == DP_FLOW_PERMISSION)
			assert_int_equal(flow->flags & DP_FLOW_MOVE, moving ? DP_FLOW_MOVE : 0);
	}
	if (at != 0) {
		const struct dp_flow *client = dp_flow_at(f->dp.flows, at);
		assert_int_equal(client->kind, DP_FLOW_ALLOCATION);
		assert_int_equal(client->alloc.index, 3);
		assert_int_equal(client->client, at);
	}
	assert_true(!moving || at != 0);
}

// Moves begun, ended, taken back and repeated while channels and permissions come and go.
static void moves_at_random_among_other_commands(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd cmd = alloc_at(OLD, NULL, 0); // as control has it
	uint64_t random = 0x2545f4914f6cdd1d;
	uint32_t begun = 0;
	struct tp_ack event;

	assert_int_equal(run(f, cmd), 0);
	bool moving = false;
	for (uint32_t op = 0; op < 50000; op++) {
		uint16_t n = (uint16_t)pick(&random, 6);
		char peer[32];
		snprintf(peer, sizeof(peer), "198.18.2.%u", 1 + n % 3);
		switch (pick(&random, 9)) {
		case 0: // the next move, from wherever the client is
			if (moving && pick(&random, 2))
				datagram(f, dp_flow_at(f->dp.flows, f->dp.moving[3]));
			struct tp_cmd next = cmd;
			next.move = ++begun;
			next.allocation.pending = at(NEW, (uint16_t)(2000 + begun % 5000));
			next.allocation.pending_listener = at("198.18.0.3", 3478);
			assert_int_equal(run(f, next), 0);
			if (moving && f->ack.moved == cmd.move) {
				next.allocation.client = cmd.allocation.pending;
				next.allocation.listener = cmd.allocation.pending_listener;
			}
			cmd = next;
			moving = true;
			break;
		case 1: // taken back, though data may have come
			if (!moving)
				break;
			if (pick(&random, 2))
				datagram(f, dp_flow_at(f->dp.flows, f->dp.moving[3]));
			cmd.move = --begun;
			cmd.allocation.pending = (struct tp_addr){0};
			cmd.allocation.pending_listener = (struct tp_addr){0};
			assert_int_equal(run(f, cmd), 0);
			moving = false;
			break;
		case 2: // completed
			if (!moving)
				break;
			assert_true(arrive(f, dp_flow_at(f->dp.flows, f->dp.moving[3]), &event));
			assert_int_equal(event.moved, begun);
			if (pick(&random, 2)) // control says it once more before it knows
				assert_int_equal(run(f, cmd), 0);
			cmd.allocation.client = cmd.allocation.pending;
			cmd.allocation.listener = cmd.allocation.pending_listener;
			cmd.allocation.pending = (struct tp_addr){0};
			cmd.allocation.pending_listener = (struct tp_addr){0};
			moving = false;
			break;
		case 3: // a refresh
			cmd.deadline_ns = 500 + pick(&random, 500);
			assert_int_equal(run(f, cmd), 0);
			break;
		case 4:
			assert_int_equal(permission_set(f, 3, 1, peer, 400), 0);
			break;
		case 5: {
			struct tp_cmd drop = cmd_of(TP_CMD_PERMISSION_DELETE, 3, 1);
			drop.permission = ip(peer);
			run(f, drop);
			break;
		}
		case 6: {
			struct tp_cmd drop = cmd_of(TP_CMD_CHANNEL_DELETE, 3, 1);
			drop.channel.peer = at(peer, (uint16_t)(4000 + n));
			drop.channel.channel = CHANNEL + n;
			run(f, drop);
			break;
		}
		default:
			assert_int_equal(
				channel_set(f, 3, 1, peer, (uint16_t)(4000 + n), CHANNEL + n, 450),
				0);
		}
		assert_sound(f, moving);
	}
	finish(f);
}

static void a_replay_and_a_sweep_keep_the_move(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_ack event;

	for (int i = 0; i < 2; i++) { // into an empty dataplane, then over the same
		assert_int_equal(run(f, (struct tp_cmd){.type = TP_CMD_SYNC_BEGIN}), 0);
		assert_int_equal(run(f, alloc_at(OLD, NEW, 4)), 0);
		assert_int_equal(permission_set(f, 3, 1, PEER, 500), 0);
		assert_int_equal(channel_set(f, 3, 1, PEER, 4000, CHANNEL, 600), 0);
		assert_int_equal(run(f, (struct tp_cmd){.type = TP_CMD_SYNC_END}), 0);
		assert_int_equal(f->ack.deleted, 0);
		assert_int_equal(status_of(f).flows, 6);
	}
	assert_int_equal(uplink(f, NEW, CHANNEL)->flags, DP_FLOW_MOVE);
	// Not named any more: the channel goes with both of its uplinks.
	assert_int_equal(run(f, (struct tp_cmd){.type = TP_CMD_SYNC_BEGIN}), 0);
	assert_int_equal(run(f, alloc_at(OLD, NEW, 4)), 0);
	assert_int_equal(permission_set(f, 3, 1, PEER, 500), 0);
	assert_int_equal(run(f, (struct tp_cmd){.type = TP_CMD_SYNC_END}), 0);
	assert_int_equal(f->ack.deleted, 1);
	assert_int_equal(status_of(f).flows, 3);
	assert_true(arrive(f, uplink(f, NEW, 0), &event));
	assert_int_equal(event.moved, 4);
	finish(f);
}

static void noise_moves_nothing(void **state)
{
	struct fixture *f = with_channel();
	struct tp_ack event;

	assert_int_equal(run(f, alloc_at(OLD, NEW, 1)), 0);
	assert_false(dp_apply_moved(f->apply, 0, &event));
	assert_false(dp_apply_moved(f->apply, FLOWS + 1, &event));
	for (uint32_t i = 1; i <= FLOWS; i++) // none was seen
		assert_false(dp_apply_moved(f->apply, i, &event));
	assert_false(arrive(f, uplink(f, OLD, CHANNEL), &event));
	assert_leads(downlink(f, 4000), OLD);
	finish(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_clients_are_heard_while_the_old_one_is_served),
		cmocka_unit_test(data_from_the_new_client_ends_the_move),
		cmocka_unit_test(control_may_learn_it_late),
		cmocka_unit_test(the_next_move_goes_on_from_the_one_before),
		cmocka_unit_test(a_datagram_and_a_newer_move_agree_who_was_first),
		cmocka_unit_test(what_control_takes_back_is_taken_back),
		cmocka_unit_test(downlinks_tell_that_their_client_moves),
		cmocka_unit_test(without_places_the_old_flows_serve),
		cmocka_unit_test(ten_thousand_moves_leave_nothing),
		cmocka_unit_test(moves_at_random_among_other_commands),
		cmocka_unit_test(permissions_and_channels_of_meanwhile_serve_both),
		cmocka_unit_test(another_family_is_as_good),
		cmocka_unit_test(the_newest_move_counts),
		cmocka_unit_test(a_refused_move_leaves_all_as_it_was),
		cmocka_unit_test(a_full_table_refuses_a_move_and_cannot_stop_one),
		cmocka_unit_test(a_replay_and_a_sweep_keep_the_move),
		cmocka_unit_test(noise_moves_nothing),
	};

	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
