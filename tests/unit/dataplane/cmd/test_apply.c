// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>

#include "tests/unit/dataplane/cmd/fixture.h"

#define RELAY_PORT  50000
#define CLIENT_PORT 1000

static struct tp_cmd alloc_cmd(uint32_t index, uint32_t generation, uint64_t deadline)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_ALLOC_SET, index, generation);

	cmd.deadline_ns = deadline;
	cmd.allocation.client = at("198.18.1.1", (uint16_t)(CLIENT_PORT + index));
	cmd.allocation.listener = at("198.18.0.2", 3478);
	cmd.allocation.relay[0] = at("10.0.0.5", (uint16_t)(RELAY_PORT + index));
	cmd.allocation.relay[1] = at("fd00:198:18::5", (uint16_t)(RELAY_PORT + index));
	return cmd;
}

static struct dp_flow *find(struct fixture *f, uint8_t side, const char *remote, uint16_t port,
	uint16_t local, uint16_t selector)
{
	struct tp_ip address = ip(remote);
	struct dp_flow_key key = {.port = rte_cpu_to_be_16(port),
		.local = local,
		.selector = selector,
		.side = side,
		.family = address.family};
	memcpy(key.ip, address.bytes, sizeof(key.ip));
	return dp_flow_lookup(f->dp.flows, &key);
}

static struct dp_flow *find_client(struct fixture *f, uint32_t index, uint16_t channel)
{
	return find(f, DP_KEY_CLIENT, "198.18.1.1", (uint16_t)(CLIENT_PORT + index), 0, channel);
}

// Peer-side flow of the allocation's IPv4 or IPv6 relayed address.
static struct dp_flow *find_peer(struct fixture *f, uint32_t index, const char *peer, uint16_t port)
{
	struct tp_ip relay = ip(ip(peer).family == TP_FAMILY_IPV4 ? "10.0.0.5" : "fd00:198:18::5");
	uint16_t local = dp_local_find(f->dp.locals, relay.family, relay.bytes);
	return find(f, DP_KEY_PEER, peer, port, local,
		rte_cpu_to_be_16((uint16_t)(RELAY_PORT + index)));
}

static void assert_deadline(const struct dp_flow *flow, uint64_t deadline)
{
	assert_non_null(flow);
	assert_int_equal(flow->deadline_ns, deadline);
}

static void assert_empty(struct fixture *f)
{
	struct tp_status_reply status = {0};

	dp_apply_status(f->apply, &status);
	assert_int_equal(status.allocations, 0);
	assert_int_equal(status.permissions, 0);
	assert_int_equal(status.channels, 0);
	assert_int_equal(status.flows, 0);
	assert_int_equal(fixture_references(f), 0);
}

static void test_channel_makes_both_directions(void **state)
{
	struct fixture *f = fixture_new();

	assert_int_equal(run(f, alloc_cmd(3, 1, 900)), 0);
	assert_int_equal(permission_set(f, 3, 1, "198.18.2.7", 500), 0);
	assert_int_equal(channel_set(f, 3, 1, "198.18.2.7", 4000, 0x4001, 600), 0);

	const struct dp_flow *up = find_client(f, 3, 0x4001);
	assert_non_null(up);
	assert_int_equal(up->kind, DP_FLOW_CHANNEL_UP);
	assert_memory_equal(up->dst_ip, ip("198.18.2.7").bytes, 16);
	assert_int_equal(up->dst_port, rte_cpu_to_be_16(4000));
	assert_int_equal(up->src_port, rte_cpu_to_be_16(RELAY_PORT + 3));
	assert_true(tp_ip_equal(&dp_local_at(f->dp.locals, up->src_local)->address,
		&(struct tp_ip){.bytes = {10, 0, 0, 5}, .family = TP_FAMILY_IPV4}));
	assert_int_equal(up->next_hop, 1 + 7);
	assert_int_equal(up->flags, 0);
	assert_int_equal(up->owner, DP_OWNER_NONE);

	const struct dp_flow *down = find_peer(f, 3, "198.18.2.7", 4000);
	assert_non_null(down);
	assert_int_equal(down->kind, DP_FLOW_CHANNEL_DOWN);
	assert_int_equal(down->channel, 0x4001);
	assert_memory_equal(down->dst_ip, ip("198.18.1.1").bytes, 16);
	assert_int_equal(down->dst_port, rte_cpu_to_be_16(CLIENT_PORT + 3));
	assert_int_equal(down->src_port, rte_cpu_to_be_16(3478));
	assert_int_equal(down->next_hop, 1 + 1);

	const struct dp_flow *permission = find_peer(f, 3, "198.18.2.7", 0);
	assert_non_null(permission);
	assert_int_equal(permission->kind, DP_FLOW_PERMISSION);
	assert_int_equal(permission->peer_next_hop, 1 + 7);
	assert_int_equal(permission->next_hop, 1 + 1);

	const struct dp_flow *allocation = find_client(f, 3, 0);
	assert_non_null(allocation);
	assert_int_equal(allocation->relay_port[0], rte_cpu_to_be_16(RELAY_PORT + 3));
	assert_int_equal(allocation->relay_port[1], rte_cpu_to_be_16(RELAY_PORT + 3));
	assert_int_equal(allocation->alloc.index, 3);

	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 3, 1)), 0);
	assert_empty(f);
	fixture_free(f);
}

static void test_effective_deadline_is_the_least_of_the_parents(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd cmd = cmd_of(TP_CMD_PERMISSION_DELETE, 0, 1);

	run(f, alloc_cmd(0, 1, 900));
	// Without a permission a channel is expired.
	assert_int_equal(channel_set(f, 0, 1, "198.18.2.7", 4000, 0x4000, 600), 0);
	assert_deadline(find_client(f, 0, 0x4000), 0);
	permission_set(f, 0, 1, "198.18.2.7", 300);
	permission_set(f, 0, 1, "198.18.2.8", 100); // another peer's
	assert_deadline(find_client(f, 0, 0x4000), 300);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 4000), 300);
	permission_set(f, 0, 1, "198.18.2.7", 700);
	assert_deadline(find_client(f, 0, 0x4000), 600);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 4000), 600);
	channel_set(f, 0, 1, "198.18.2.7", 4000, 0x4000, 800);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 4000), 700);
	// The allocation shortens everything, and gives it back when it is refreshed.
	run(f, alloc_cmd(0, 1, 50));
	assert_deadline(find_client(f, 0, 0), 50);
	assert_deadline(find_client(f, 0, 0x4000), 50);
	assert_deadline(find_peer(f, 0, "198.18.2.8", 0), 50);
	run(f, alloc_cmd(0, 1, 5000));
	assert_deadline(find_client(f, 0, 0x4000), 700);
	assert_deadline(find_peer(f, 0, "198.18.2.8", 0), 100);
	cmd.permission = ip("198.18.2.7");
	assert_int_equal(run(f, cmd), 0);
	assert_deadline(find_client(f, 0, 0x4000), 0);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 4000), 0);
	assert_int_equal(run(f, cmd), -ENOENT);
	fixture_free(f);
}

static void test_hairpin_peer_is_keyed_in_public_form(void **state)
{
	struct fixture *f = fixture_new();
	const char *forms[] = {"10.0.0.5", "203.0.113.5"};

	for (uint32_t i = 0; i < RTE_DIM(forms); i++) {
		run(f, alloc_cmd(i, 1, 900));
		assert_int_equal(permission_set(f, i, 1, forms[i], 900), 0);
		assert_int_equal(channel_set(f, i, 1, forms[i], 50001, 0x4000, 900), 0);
		const struct dp_flow *up = find_client(f, i, 0x4000);
		assert_non_null(up);
		assert_int_equal(up->flags, DP_FLOW_HAIRPIN);
		assert_memory_equal(up->dst_ip, ip("10.0.0.5").bytes, 16);
		assert_int_equal(up->next_hop, DP_NEXT_HOP_NONE);
		assert_deadline(find_peer(f, i, "203.0.113.5", 50001), 900);
		const struct dp_flow *permission = find_peer(f, i, "203.0.113.5", 0);
		assert_non_null(permission);
		assert_int_equal(permission->flags, DP_FLOW_HAIRPIN);
		assert_int_equal(permission->peer_next_hop, DP_NEXT_HOP_NONE);
		// Both forms name the same object.
		assert_int_equal(permission_set(f, i, 1, forms[1 - i], 800), 0);
		assert_deadline(up, 800);
		run(f, cmd_of(TP_CMD_ALLOC_DELETE, i, 1));
	}
	assert_empty(f);
	fixture_free(f);
}

static void test_listeners_are_no_peers(void **state)
{
	struct fixture *f = fixture_new();

	run(f, alloc_cmd(0, 1, 900));
	assert_int_equal(channel_set(f, 0, 1, "198.18.0.2", 3478, 0x4000, 900), -EINVAL);
	assert_int_equal(channel_set(f, 0, 1, "198.18.0.3", 3478, 0x4000, 900), -EINVAL);
	assert_int_equal(channel_set(f, 0, 1, "fd00:198:18::2", 3478, 0x4000, 900), -EINVAL);
	assert_int_equal(permission_set(f, 0, 1, "198.18.0.3", 900), 0);
	assert_int_equal(find_peer(f, 0, "198.18.0.3", 0)->flags, DP_FLOW_DENIED);
	assert_int_equal(permission_set(f, 0, 1, "198.18.0.2", 900), 0);
	assert_int_equal(find_peer(f, 0, "198.18.0.2", 0)->flags, DP_FLOW_DENIED | DP_FLOW_HAIRPIN);
	fixture_free(f);
}

static void test_both_families(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd only4 = alloc_cmd(1, 1, 900);

	run(f, alloc_cmd(0, 1, 900));
	assert_int_equal(permission_set(f, 0, 1, "fd00::7", 900), 0);
	assert_int_equal(channel_set(f, 0, 1, "fd00::7", 4000, 0x4000, 900), 0);
	const struct dp_flow *up = find_client(f, 0, 0x4000);
	assert_int_equal(up->dst_family, TP_FAMILY_IPV6);
	assert_int_equal(find_peer(f, 0, "fd00::7", 4000)->dst_family, TP_FAMILY_IPV4);
	only4.allocation.relay[1] = (struct tp_addr){0};
	assert_int_equal(run(f, only4), 0);
	assert_int_equal(find_client(f, 1, 0)->relay_local[1], DP_LOCAL_NONE);
	assert_int_equal(permission_set(f, 1, 1, "fd00::7", 900), -EINVAL);
	assert_int_equal(channel_set(f, 1, 1, "fd00::7", 4000, 0x4000, 900), -EINVAL);
	fixture_free(f);
}

// RFC 8656 section 8.2: the families of a dual allocation end apart.
static void test_families_have_deadlines_of_their_own(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd set = alloc_cmd(0, 1, 900);

	set.allocation.family_deadline_ns[0] = 900;
	set.allocation.family_deadline_ns[1] = 400;
	assert_int_equal(run(f, set), 0);
	assert_int_equal(permission_set(f, 0, 1, "fd00::7", 800), 0);
	assert_int_equal(channel_set(f, 0, 1, "fd00::7", 4000, 0x4000, 850), 0);
	assert_int_equal(permission_set(f, 0, 1, "198.18.2.7", 800), 0);
	assert_int_equal(channel_set(f, 0, 1, "198.18.2.7", 4000, 0x4001, 700), 0);
	assert_deadline(find_client(f, 0, 0), 900);
	assert_deadline(find_client(f, 0, 0x4000), 400);
	assert_deadline(find_peer(f, 0, "fd00::7", 4000), 400);
	assert_deadline(find_peer(f, 0, "fd00::7", 0), 400);
	assert_deadline(find_client(f, 0, 0x4001), 700);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 0), 800);

	// Refreshed alone, the other one stays.
	set.allocation.family_deadline_ns[1] = 2000;
	set.deadline_ns = 2000;
	assert_int_equal(run(f, set), 0);
	assert_deadline(find_client(f, 0, 0), 2000);
	assert_deadline(find_client(f, 0, 0x4000), 800);
	assert_deadline(find_peer(f, 0, "fd00::7", 0), 800);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 0), 800);
	set.allocation.family_deadline_ns[0] = 600;
	assert_int_equal(run(f, set), 0);
	assert_deadline(find_client(f, 0, 0x4001), 600);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 0), 600);

	// Without family deadlines the allocation's holds for both.
	set.allocation.family_deadline_ns[0] = set.allocation.family_deadline_ns[1] = 0;
	assert_int_equal(run(f, set), 0);
	assert_deadline(find_peer(f, 0, "198.18.2.7", 0), 800);
	fixture_free(f);
}

static void test_a_family_may_go(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd both = alloc_cmd(0, 1, 900), other = alloc_cmd(1, 1, 900);
	struct tp_status_reply status = {0};

	for (unsigned int gone = 0; gone < 2; gone++) {
		const char *stays = gone ? "198.18.2.7" : "fd00::7";
		const char *goes = gone ? "fd00::7" : "198.18.2.7";
		run(f, both);
		for (uint16_t i = 0; i < 3; i++) {
			assert_int_equal(channel_set(f, 0, 1, goes, (uint16_t)(4000 + i),
						 (uint16_t)(0x4000 + i), 900),
				0);
			assert_int_equal(permission_set(f, 0, 1, goes, 900), 0);
		}
		assert_int_equal(permission_set(f, 0, 1, stays, 900), 0);
		assert_int_equal(channel_set(f, 0, 1, stays, 5000, 0x4010, 900), 0);

		struct tp_cmd less = both;
		less.allocation.relay[0] = both.allocation.relay[!gone];
		less.allocation.relay[1] = (struct tp_addr){0};
		assert_int_equal(run(f, less), 0);
		dp_apply_status(f->apply, &status);
		assert_int_equal(status.permissions, 1);
		assert_int_equal(status.channels, 1);
		assert_int_equal(status.flows, 4);
		assert_int_equal(find_client(f, 0, 0)->relay_local[gone], DP_LOCAL_NONE);
		assert_non_null(find_client(f, 0, 0x4010));
		assert_null(find_client(f, 0, 0x4000));
		assert_null(find_peer(f, 0, goes, 4001));
		assert_int_equal(permission_set(f, 0, 1, goes, 900), -EINVAL);

		// Its relayed address may be somebody else's now; it never comes back here.
		assert_int_equal(run(f, both), -EINVAL);
		other.allocation.relay[0] = both.allocation.relay[gone];
		other.allocation.relay[1] = (struct tp_addr){0};
		assert_int_equal(run(f, other), 0);
		assert_int_equal(permission_set(f, 1, 1, goes, 900), 0);
		run(f, cmd_of(TP_CMD_ALLOC_DELETE, 1, 1));
		run(f, cmd_of(TP_CMD_ALLOC_DELETE, 0, 1));
		assert_empty(f);
	}
	fixture_free(f);
}

static void test_generations(void **state)
{
	struct fixture *f = fixture_new();

	assert_int_equal(permission_set(f, 0, 5, "198.18.2.7", 900), -ENOENT);
	run(f, alloc_cmd(0, 5, 900));
	assert_int_equal(permission_set(f, 0, 4, "198.18.2.7", 900), -ESTALE);
	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 0, 4)), -ESTALE);
	assert_int_equal(run(f, cmd_of(TP_CMD_COUNTERS, 0, 6)), -ESTALE);
	assert_int_equal(run(f, alloc_cmd(0, 4, 100)), -ESTALE);
	assert_deadline(find_client(f, 0, 0), 900);
	// A newer one takes the slot over, with nothing of the old.
	permission_set(f, 0, 5, "198.18.2.7", 900);
	assert_int_equal(run(f, alloc_cmd(0, 6, 400)), 0);
	assert_deadline(find_client(f, 0, 0), 400);
	assert_int_equal(find_client(f, 0, 0)->alloc.generation, 6);
	assert_null(find_peer(f, 0, "198.18.2.7", 0));
	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 0, 6)), 0);
	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 0, 6)), -ENOENT);
	assert_empty(f);
	fixture_free(f);
}

static void test_keys_of_another_allocation_are_refused(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd same_client = alloc_cmd(1, 1, 900);
	struct tp_cmd same_relay = alloc_cmd(2, 1, 900);

	run(f, alloc_cmd(0, 1, 900));
	same_client.allocation.client = alloc_cmd(0, 1, 0).allocation.client;
	assert_int_equal(run(f, same_client), -EEXIST);
	same_relay.allocation.relay[0].port = RELAY_PORT;
	assert_int_equal(run(f, same_relay), 0);
	permission_set(f, 0, 1, "198.18.2.7", 900);
	channel_set(f, 0, 1, "198.18.2.7", 4000, 0x4000, 900);
	assert_int_equal(permission_set(f, 2, 1, "198.18.2.7", 900), -EEXIST);
	assert_int_equal(channel_set(f, 2, 1, "198.18.2.7", 4000, 0x4000, 900), -EEXIST);
	assert_null(find_client(f, 2, 0x4000));
	run(f, cmd_of(TP_CMD_ALLOC_DELETE, 0, 1));
	run(f, cmd_of(TP_CMD_ALLOC_DELETE, 2, 1));
	assert_empty(f);
	fixture_free(f);
}

static void test_rebound_channel_replaces_what_was_bound(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_status_reply status = {0};

	run(f, alloc_cmd(0, 1, 900));
	permission_set(f, 0, 1, "198.18.2.7", 900);
	channel_set(f, 0, 1, "198.18.2.7", 4000, 0x4000, 900);
	channel_set(f, 0, 1, "198.18.2.7", 4001, 0x4001, 900);
	// 0x4000 moves to the peer of 0x4001: both old bindings are gone.
	assert_int_equal(channel_set(f, 0, 1, "198.18.2.7", 4001, 0x4000, 900), 0);
	assert_null(find_peer(f, 0, "198.18.2.7", 4000));
	assert_null(find_client(f, 0, 0x4001));
	assert_int_equal(find_client(f, 0, 0x4000)->dst_port, rte_cpu_to_be_16(4001));
	dp_apply_status(f->apply, &status);
	assert_int_equal(status.channels, 1);
	assert_int_equal(status.flows, 4);
	fixture_free(f);
}

static void test_sync_sweeps_what_was_not_named_and_leaves_the_rest_alone(void **state)
{
	struct fixture *f = fixture_new();

	for (uint32_t i = 0; i < 3; i++) {
		run(f, alloc_cmd(i, 1, 900));
		permission_set(f, i, 1, "198.18.2.7", 900);
		permission_set(f, i, 1, "198.18.2.8", 900);
		channel_set(f, i, 1, "198.18.2.7", 4000, 0x4000, 900);
		channel_set(f, i, 1, "198.18.2.8", 4000, 0x4001, 900);
	}
	struct dp_flow *kept = find_client(f, 1, 0x4000);
	struct dp_flow before;
	kept->packets = 77;
	kept->bytes = 5;
	memcpy(&before, kept, sizeof(before));

	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_END, 0, 0)), -EINVAL);
	// A sync that never ended must not count for the next one.
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_BEGIN, 0, 0)), 0);
	run(f, alloc_cmd(0, 1, 900));
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_BEGIN, 0, 0)), 0);
	run(f, alloc_cmd(1, 1, 900));
	permission_set(f, 1, 1, "198.18.2.7", 900);
	channel_set(f, 1, 1, "198.18.2.7", 4000, 0x4000, 900);
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_END, 0, 0)), 0);
	assert_int_equal(f->ack.deleted, 2 * 5 + 2);

	assert_ptr_equal(find_client(f, 1, 0x4000), kept);
	before.sync_mark = kept->sync_mark;
	before.next = kept->next;
	assert_memory_equal(&before, kept, sizeof(before));
	assert_null(find_client(f, 1, 0x4001));
	assert_null(find_client(f, 0, 0));
	run(f, cmd_of(TP_CMD_ALLOC_DELETE, 1, 1));
	assert_empty(f);
	fixture_free(f);
}

static void test_counters_of_all_that_is_and_was(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd drop = cmd_of(TP_CMD_CHANNEL_DELETE, 0, 1);

	run(f, alloc_cmd(0, 1, 900));
	permission_set(f, 0, 1, "198.18.2.7", 900);
	channel_set(f, 0, 1, "198.18.2.7", 4000, 0x4000, 900);
	struct dp_flow *up = find_client(f, 0, 0x4000);
	struct dp_flow *down = find_peer(f, 0, "198.18.2.7", 4000);
	struct dp_flow *permission = find_peer(f, 0, "198.18.2.7", 0);
	up->packets = 1;
	up->bytes = 10;
	up->up_packets = 2;
	up->up_bytes = 20; // counted by workers other than the owner
	down->packets = 100;
	down->bytes = 1000;
	permission->packets = 5;
	permission->bytes = 50;
	permission->up_packets = 7;
	permission->up_bytes = 70;
	assert_int_equal(run(f, cmd_of(TP_CMD_COUNTERS, 0, 1)), 0);
	assert_int_equal(f->ack.counters.up_packets, 10);
	assert_int_equal(f->ack.counters.up_bytes, 100);
	assert_int_equal(f->ack.counters.down_packets, 105);
	assert_int_equal(f->ack.counters.down_bytes, 1050);
	drop.channel.peer = at("198.18.2.7", 4000);
	drop.channel.channel = 0x4000;
	assert_int_equal(run(f, drop), 0);
	assert_int_equal(run(f, cmd_of(TP_CMD_COUNTERS, 0, 1)), 0);
	assert_int_equal(f->ack.counters.down_bytes, 1050);
	permission->packets++;
	assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, 0, 1)), 0);
	assert_int_equal(f->ack.counters.up_packets, 10);
	assert_int_equal(f->ack.counters.down_packets, 106);
	// A new allocation in the slot begins at zero.
	run(f, alloc_cmd(0, 2, 900));
	run(f, cmd_of(TP_CMD_COUNTERS, 0, 2));
	assert_int_equal(f->ack.counters.up_packets, 0);
	fixture_free(f);
}

static void test_rate_reaches_every_flow(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd cmd = alloc_cmd(0, 1, 900);

	cmd.allocation.rate_bytes_per_s = 1;
	run(f, cmd);
	permission_set(f, 0, 1, "198.18.2.7", 900);
	assert_int_equal(find_peer(f, 0, "198.18.2.7", 0)->rate, 1);
	cmd.allocation.rate_bytes_per_s = 250000;
	run(f, cmd);
	assert_int_equal(find_peer(f, 0, "198.18.2.7", 0)->rate, 250);
	cmd.allocation.rate_bytes_per_s = UINT64_MAX;
	run(f, cmd);
	assert_true(find_peer(f, 0, "198.18.2.7", 0)->rate == UINT32_MAX);
	cmd.allocation.rate_bytes_per_s = 1000;
	cmd.allocation.rate_packets_per_s = 50;
	run(f, cmd);
	assert_true(find_peer(f, 0, "198.18.2.7", 0)->rate == DP_RATE(1, 50));
	cmd.allocation.rate_packets_per_s = UINT64_MAX;
	run(f, cmd);
	assert_true(find_peer(f, 0, "198.18.2.7", 0)->rate == DP_RATE(1, UINT32_MAX));
	cmd.allocation.rate_packets_per_s = 0;
	cmd.allocation.rate_bytes_per_s = 0;
	run(f, cmd);
	channel_set(f, 0, 1, "198.18.2.7", 4000, 0x4000, 900);
	assert_int_equal(find_client(f, 0, 0x4000)->rate, 0);
	fixture_free(f);
}

static void test_full_table_refuses_and_rolls_back(void **state)
{
	struct fixture *f = fixture_new();
	uint16_t bound = 0;
	int error;

	run(f, alloc_cmd(0, 1, 900));
	permission_set(f, 0, 1, "198.18.2.7", 900);
	while ((error = channel_set(f, 0, 1, "198.18.2.7", (uint16_t)(1 + bound),
			(uint16_t)(0x4000 + bound), 900)) == 0)
		bound++;
	assert_int_equal(error, -ENOSPC);
	assert_int_equal(bound, (FLOWS - 2) / 2);
	assert_null(find_client(f, 0, (uint16_t)(0x4000 + bound)));
	assert_int_equal(permission_set(f, 0, 1, "198.18.2.8", 900), -ENOSPC);
	assert_int_equal(run(f, alloc_cmd(1, 1, 900)), -ENOSPC);
	assert_int_equal(run(f, cmd_of(TP_CMD_COUNTERS, 1, 1)), -ENOENT);
	run(f, cmd_of(TP_CMD_ALLOC_DELETE, 0, 1));
	assert_empty(f);
	fixture_free(f);
}

static void test_bad_content_is_refused(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_cmd cmd;

	run(f, alloc_cmd(0, 1, 900));
	assert_int_equal(run(f, alloc_cmd(ALLOCATIONS, 1, 900)), -EINVAL);
	assert_int_equal(run(f, alloc_cmd(1, 0, 900)), -EINVAL);
	cmd = alloc_cmd(1, 1, 900);
	cmd.allocation.client.ip.family = 9;
	assert_int_equal(run(f, cmd), -EINVAL);
	cmd = alloc_cmd(1, 1, 900);
	cmd.allocation.client.port = 0;
	assert_int_equal(run(f, cmd), -EINVAL);
	cmd = alloc_cmd(1, 1, 900);
	cmd.allocation.listener.port = 3479;
	assert_int_equal(run(f, cmd), -EADDRNOTAVAIL);
	cmd = alloc_cmd(1, 1, 900);
	cmd.allocation.relay[0] = at("198.18.0.3", RELAY_PORT); // a listener only
	assert_int_equal(run(f, cmd), -EADDRNOTAVAIL);
	cmd = alloc_cmd(1, 1, 900);
	cmd.allocation.relay[0].port = 1024;
	assert_int_equal(run(f, cmd), -EADDRNOTAVAIL);
	cmd = alloc_cmd(1, 1, 900);
	cmd.allocation.relay[1] = cmd.allocation.relay[0];
	assert_int_equal(run(f, cmd), -EINVAL);
	cmd = alloc_cmd(0, 1, 900);
	cmd.allocation.client.port++;
	assert_int_equal(run(f, cmd), -EINVAL);
	assert_int_equal(channel_set(f, 0, 1, "198.18.2.7", 4000, 0x3fff, 900), -EINVAL);
	assert_int_equal(channel_set(f, 0, 1, "198.18.2.7", 4000, 0x8000, 900), -EINVAL);
	assert_int_equal(channel_set(f, 0, 1, "198.18.2.7", 0, 0x4000, 900), -EINVAL);
	assert_int_equal(run(f, cmd_of(TP_CMD_PERMISSION_SET, 0, 1)), -EINVAL);
	assert_int_equal(run(f, cmd_of(77, 0, 1)), -EINVAL);
	cmd = alloc_cmd(1, 1, 900);
	cmd.layout = 2;
	dp_apply_command(f->apply, &cmd, &f->ack);
	assert_int_equal(f->ack.result, -EINVAL);
	assert_int_equal(dp_flow_count(f->dp.flows), 1);
	fixture_free(f);
}

static void test_route_change_renews_next_hops_in_slices(void **state)
{
	struct fixture *f = fixture_new();
	uint32_t slices = 1;

	for (uint32_t i = 0; i < 10; i++) {
		run(f, alloc_cmd(i, 1, 900));
		permission_set(f, i, 1, "198.18.2.7", 900);
		channel_set(f, i, 1, "198.18.2.7", 4000, 0x4000, 900);
	}
	uint32_t references = fixture_references(f);
	assert_false(dp_apply_resolve_slice(f->apply, 8));
	assert_int_equal(find_client(f, 9, 0x4000)->next_hop, 1 + 7);
	f->net.shift = 300;
	f->net.generation++;
	while (dp_apply_resolve_slice(f->apply, 8))
		slices++;
	assert_int_equal(slices, 5); // two allocations of four flows each
	assert_int_equal(find_client(f, 0, 0x4000)->next_hop, 1 + 300 + 7);
	assert_int_equal(find_peer(f, 9, "198.18.2.7", 0)->peer_next_hop, 1 + 300 + 7);
	assert_int_equal(fixture_references(f), references);
	for (uint32_t i = 0; i < 10; i++)
		run(f, cmd_of(TP_CMD_ALLOC_DELETE, i, 1));
	assert_empty(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_channel_makes_both_directions),
		cmocka_unit_test(test_effective_deadline_is_the_least_of_the_parents),
		cmocka_unit_test(test_hairpin_peer_is_keyed_in_public_form),
		cmocka_unit_test(test_listeners_are_no_peers),
		cmocka_unit_test(test_both_families),
		cmocka_unit_test(test_families_have_deadlines_of_their_own),
		cmocka_unit_test(test_a_family_may_go),
		cmocka_unit_test(test_generations),
		cmocka_unit_test(test_keys_of_another_allocation_are_refused),
		cmocka_unit_test(test_rebound_channel_replaces_what_was_bound),
		cmocka_unit_test(test_sync_sweeps_what_was_not_named_and_leaves_the_rest_alone),
		cmocka_unit_test(test_counters_of_all_that_is_and_was),
		cmocka_unit_test(test_rate_reaches_every_flow),
		cmocka_unit_test(test_full_table_refuses_and_rolls_back),
		cmocka_unit_test(test_bad_content_is_refused),
		cmocka_unit_test(test_route_change_renews_next_hops_in_slices),
	};

	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
