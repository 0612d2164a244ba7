// SPDX-License-Identifier: BSD-3-Clause
// Allocations of clients behind a stream process (common/abi/stream.h).
#include <errno.h>

#include "common/abi/stream.h"
#include "tests/unit/dataplane/cmd/fixture.h"

#define PEER     "198.18.2.7"
#define UDP      "198.18.1.1"
#define CHANNEL  0x4001
#define DEADLINE 900

static struct tp_addr named(uint32_t stream, uint32_t connection)
{
	return tp_stream_address(
		(struct tp_stream_client){.stream = stream, .connection = connection});
}

static const struct tp_addr no_listener = {.ip.family = TP_FAMILY_STREAM};

static struct tp_cmd alloc_of(struct tp_addr client, struct tp_addr listener)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_ALLOC_SET, 3, 1);

	cmd.deadline_ns = DEADLINE;
	cmd.allocation.client = client;
	cmd.allocation.listener = listener;
	cmd.allocation.relay[0] = at("10.0.0.5", 50000);
	return cmd;
}

static struct tp_cmd stream_alloc(void)
{
	return alloc_of(named(7, 9), no_listener);
}

static struct dp_flow *uplink(struct fixture *f, struct tp_addr client, uint16_t channel)
{
	struct dp_flow_key key = {
		.selector = channel, .side = DP_KEY_STREAM, .family = TP_FAMILY_STREAM};
	memcpy(key.ip, client.ip.bytes, sizeof(key.ip));
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

static void assert_leads_to_stream(const struct dp_flow *flow, bool there)
{
	struct tp_addr client = named(7, 9);

	assert_non_null(flow);
	assert_int_equal((flow->flags & DP_FLOW_STREAM) != 0, there);
	assert_int_equal(flow->dst_family == TP_FAMILY_STREAM, there);
	assert_int_equal(memcmp(flow->dst_ip, client.ip.bytes, 16) == 0, there);
}

static struct fixture *with_channel(struct tp_cmd alloc)
{
	struct fixture *f = fixture_new();

	assert_int_equal(run(f, alloc), 0);
	assert_int_equal(permission_set(f, 3, 1, PEER, 500), 0);
	assert_int_equal(channel_set(f, 3, 1, PEER, 4000, CHANNEL, 600), 0);
	return f;
}

static void test_flows_of_a_stream_client(void **state)
{
	struct fixture *f = with_channel(stream_alloc());
	struct dp_flow *up = uplink(f, named(7, 9), CHANNEL);

	assert_non_null(uplink(f, named(7, 9), 0));
	assert_non_null(up);
	assert_null(uplink(f, named(8, 9), CHANNEL));
	assert_null(uplink(f, named(7, 8), CHANNEL));
	assert_true(up->deadline_ns == 500);
	assert_leads_to_stream(downlink(f, 4000), true);
	assert_leads_to_stream(downlink(f, 0), true);
	// Only what goes to the peer needs the link: by the channel, by the permission.
	assert_int_equal(fixture_references(f), 2);
	assert_int_equal(up->next_hop, 1 + 7);
	assert_int_equal(downlink(f, 0)->next_hop, DP_NEXT_HOP_NONE);
	assert_int_equal(downlink(f, 0)->peer_next_hop, 1 + 7);
	f->net.shift = 10; // routes change
	f->net.generation++;
	assert_false(dp_apply_resolve_slice(f->apply, 1000));
	assert_int_equal(up->next_hop, 11 + 7);
	assert_int_equal(downlink(f, 4000)->next_hop, DP_NEXT_HOP_NONE);
	assert_int_equal(run(f, stream_alloc()), 0); // the same again
	assert_int_equal(run(f, cmd_of(TP_CMD_COUNTERS, 3, 1)), 0);
	struct tp_cmd unbind = cmd_of(TP_CMD_CHANNEL_DELETE, 3, 1);
	unbind.channel = (struct tp_cmd_channel){.peer = at(PEER, 4000), .channel = CHANNEL};
	assert_int_equal(run(f, unbind), 0);
	assert_null(uplink(f, named(7, 9), CHANNEL));
	assert_null(downlink(f, 4000));
	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 3, 1)), 0);
	assert_int_equal(dp_flow_count(f->dp.flows), 0);
	assert_int_equal(fixture_references(f), 0);
	fixture_free(f);
}

static void test_a_client_is_named_as_agreed_or_refused(void **state)
{
	struct tp_addr client = named(7, 9), listener = no_listener;
	struct fixture *f = fixture_new();

	assert_int_equal(run(f, alloc_of(named(0, 9), listener)), -EINVAL);
	assert_int_equal(run(f, alloc_of(named(7, 0), listener)), -EINVAL);
	assert_int_equal(run(f, alloc_of(client, at("198.18.0.2", 3478))), -EINVAL);
	assert_int_equal(run(f, alloc_of(client, (struct tp_addr){0})), -EINVAL);
	assert_int_equal(run(f, alloc_of(at(UDP, 1000), listener)), -EINVAL);
	client.port = 1;
	assert_int_equal(run(f, alloc_of(client, listener)), -EINVAL);
	client = named(7, 9);
	client.ip.bytes[15] = 1;
	assert_int_equal(run(f, alloc_of(client, listener)), -EINVAL);
	client = named(7, 9);
	listener.port = 3478;
	assert_int_equal(run(f, alloc_of(client, listener)), -EINVAL);
	listener = no_listener;
	listener.ip.bytes[0] = 1;
	assert_int_equal(run(f, alloc_of(client, listener)), -EINVAL);
	// A peer is never a stream's client, nor is a relayed address.
	struct tp_cmd cmd = stream_alloc();
	cmd.allocation.relay[0] = client;
	assert_int_equal(run(f, cmd), -EINVAL);
	cmd = stream_alloc();
	cmd.allocation.relay[1] = client;
	assert_int_equal(run(f, cmd), -EINVAL);
	assert_int_equal(run(f, stream_alloc()), 0);
	cmd = cmd_of(TP_CMD_PERMISSION_SET, 3, 1);
	cmd.permission = client.ip;
	assert_int_equal(run(f, cmd), -EINVAL);
	cmd = cmd_of(TP_CMD_CHANNEL_SET, 3, 1);
	cmd.channel = (struct tp_cmd_channel){.peer = client, .channel = CHANNEL};
	assert_int_equal(run(f, cmd), -EINVAL);
	assert_int_equal(dp_flow_count(f->dp.flows), 1);
	fixture_free(f);
}

static void test_two_allocations_of_one_connection_are_refused(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd cmd = stream_alloc();

	assert_int_equal(run(f, cmd), 0);
	cmd.alloc.index = 4;
	cmd.allocation.relay[0].port = 50001;
	assert_int_equal(run(f, cmd), -EEXIST);
	cmd.allocation.client = named(7, 10);
	assert_int_equal(run(f, cmd), 0);
	fixture_free(f);
}

static void test_a_sync_keeps_what_it_names(void **state)
{
	struct fixture *f = with_channel(stream_alloc());

	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_BEGIN, 0, 0)), 0);
	assert_int_equal(run(f, stream_alloc()), 0);
	assert_int_equal(permission_set(f, 3, 1, PEER, 500), 0);
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_END, 0, 0)), 0);
	assert_true(f->ack.deleted == 1); // the channel
	assert_non_null(uplink(f, named(7, 9), 0));
	assert_null(uplink(f, named(7, 9), CHANNEL));
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_BEGIN, 0, 0)), 0);
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_END, 0, 0)), 0);
	assert_int_equal(dp_flow_count(f->dp.flows), 0);
	assert_int_equal(fixture_references(f), 0);
	fixture_free(f);
}

// Control knows of the arrival by another way than the first datagram: that of the next move.
static void test_a_move_either_way(void **state)
{
	for (int to_stream = 0; to_stream < 2; to_stream++) {
		struct tp_addr udp = at(UDP, 1000), udp_listener = at("198.18.0.2", 3478);
		struct tp_cmd cmd = to_stream ? alloc_of(udp, udp_listener) : stream_alloc();
		struct fixture *f = with_channel(cmd);
		uint32_t references = fixture_references(f);

		cmd.allocation.pending = to_stream ? named(7, 9) : udp;
		cmd.allocation.pending_listener = to_stream ? no_listener : udp_listener;
		cmd.move = 1;
		assert_int_equal(run(f, cmd), 0);
		assert_non_null(uplink(f, named(7, 9), CHANNEL));
		assert_leads_to_stream(downlink(f, 4000), !to_stream);
		assert_true(downlink(f, 4000)->flags & DP_FLOW_MOVE);
		// A worker saw the new one.
		struct dp_flow *client = dp_flow_at(f->dp.flows, atomic_load(&f->dp.moving[3]));
		atomic_store(&client->client_state, DP_CLIENT_ARRIVED);
		atomic_store(&client->seen, 1);
		assert_true(dp_apply_moved(f->apply, dp_flow_index(f->dp.flows, client), &f->ack));
		assert_int_equal(f->ack.moved, 1);
		assert_leads_to_stream(downlink(f, 4000), to_stream);
		assert_leads_to_stream(downlink(f, 0), to_stream);
		assert_false(downlink(f, 0)->flags & DP_FLOW_MOVE);
		assert_int_equal(uplink(f, named(7, 9), CHANNEL) != NULL, to_stream);
		// To UDP three flows more lead to the client, by its next hop.
		assert_int_equal(
			fixture_references(f), to_stream ? references - 3 : references + 3);
		assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 3, 1)), 0);
		assert_int_equal(fixture_references(f), 0);
		assert_int_equal(dp_flow_count(f->dp.flows), 0);
		fixture_free(f);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_flows_of_a_stream_client),
	cmocka_unit_test(test_a_client_is_named_as_agreed_or_refused),
	cmocka_unit_test(test_two_allocations_of_one_connection_are_refused),
	cmocka_unit_test(test_a_sync_keeps_what_it_names),
	cmocka_unit_test(test_a_move_either_way),
};

int main(void)
{
	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
