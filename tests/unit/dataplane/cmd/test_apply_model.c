// SPDX-License-Identifier: BSD-3-Clause
// Random commands against a model that keeps plain arrays and computes every answer and every
// deadline from scratch; and mutated commands, for which only the invariants are known.
#include <errno.h>

#include "tests/unit/dataplane/cmd/fixture.h"

#define MODEL_ALLOCS   10
#define MODEL_CLIENTS  12
#define MODEL_RELAYS   8
#define MODEL_PEERS    5
#define MODEL_PORTS    3
#define MODEL_CHANNELS 4
#define MODEL_OPS      60000
#define FUZZ_OPS       300000

// One peer, in the two forms a command may name it by; the first is the one in keys.
static const char *const peer_name[MODEL_PEERS][2] = {
	{"198.18.2.1", "198.18.2.1"},
	{"203.0.113.5", "10.0.0.5"},
	{"198.18.0.3", "198.18.0.3"},
	{"fd00::7", "fd00::7"},
	{"198.18.0.2", "198.18.0.2"},
};
static const uint16_t port_value[MODEL_PORTS] = {4000, 50001, 3478};

struct model_object {
	bool on;
	bool marked;
	uint32_t peer;
	uint32_t port;
	uint64_t deadline;
};

struct model_alloc {
	bool on;
	bool marked;
	bool dual;
	uint32_t generation;
	uint32_t client;
	uint32_t relay;
	uint64_t deadline;
	struct model_object permission[MODEL_PEERS];
	struct model_object channel[MODEL_CHANNELS];
};

struct model {
	struct model_alloc alloc[MODEL_ALLOCS];
	bool sync_open;
	uint64_t random;
};

static uint32_t pick(struct model *m, uint32_t below)
{
	m->random ^= m->random << 13;
	m->random ^= m->random >> 7;
	m->random ^= m->random << 17;
	return (uint32_t)(m->random >> 16) % below;
}

static bool peer_is_ipv6(uint32_t peer)
{
	return ip(peer_name[peer][0]).family == TP_FAMILY_IPV6;
}

static bool port_is_listener(uint32_t peer, uint32_t port)
{
	return port_value[port] == 3478 && (peer == 2 || peer == 4);
}

// ---- what the commands mean

static int model_find(struct model *m, uint32_t index, uint32_t generation)
{
	const struct model_alloc *alloc = &m->alloc[index];

	if (!alloc->on)
		return -ENOENT;
	return alloc->generation == generation ? 0 : -ESTALE;
}

static void model_close_ipv6(struct model_alloc *alloc)
{
	alloc->dual = false;
	for (uint32_t p = 0; p < MODEL_PEERS; p++)
		alloc->permission[p].on &= !peer_is_ipv6(p);
	for (uint32_t c = 0; c < MODEL_CHANNELS; c++)
		alloc->channel[c].on &= !peer_is_ipv6(alloc->channel[c].peer);
}

static int model_alloc_set(struct model *m, uint32_t index, const struct model_alloc *wish)
{
	struct model_alloc *alloc = &m->alloc[index];
	int found = model_find(m, index, wish->generation);

	if (found == 0) {
		if (alloc->client != wish->client || alloc->relay != wish->relay ||
			(wish->dual && !alloc->dual))
			return -EINVAL;
		if (alloc->dual && !wish->dual)
			model_close_ipv6(alloc);
		alloc->deadline = wish->deadline;
		alloc->marked = true;
		return 0;
	}
	if (found == -ESTALE && wish->generation < alloc->generation)
		return -ESTALE;
	*alloc = (struct model_alloc){0};
	for (uint32_t i = 0; i < MODEL_ALLOCS; i++) {
		if (m->alloc[i].on && m->alloc[i].client == wish->client)
			return -EEXIST;
	}
	*alloc = *wish;
	alloc->on = true;
	alloc->marked = true;
	return 0;
}

// Whether another allocation holds a key with the same relayed address and the same peer.
static bool model_taken(const struct model *m, uint32_t index, uint32_t peer, int port)
{
	for (uint32_t i = 0; i < MODEL_ALLOCS; i++) {
		const struct model_alloc *other = &m->alloc[i];
		if (i == index || !other->on || other->relay != m->alloc[index].relay)
			continue;
		if (port < 0 && other->permission[peer].on)
			return true;
		for (uint32_t c = 0; port >= 0 && c < MODEL_CHANNELS; c++) {
			const struct model_object *channel = &other->channel[c];
			if (channel->on && channel->peer == peer && channel->port == (uint32_t)port)
				return true;
		}
	}
	return false;
}

static int model_permission_set(
	struct model *m, uint32_t index, uint32_t generation, uint32_t peer, uint64_t deadline)
{
	struct model_alloc *alloc = &m->alloc[index];
	int error = model_find(m, index, generation);

	if (error < 0)
		return error;
	if (peer_is_ipv6(peer) && !alloc->dual)
		return -EINVAL;
	if (!alloc->permission[peer].on && model_taken(m, index, peer, -1))
		return -EEXIST;
	alloc->permission[peer] =
		(struct model_object){.on = true, .marked = true, .deadline = deadline};
	return 0;
}

static int model_channel_set(struct model *m, uint32_t index, uint32_t generation, uint32_t number,
	const struct model_object *wish)
{
	struct model_alloc *alloc = &m->alloc[index];
	int error = model_find(m, index, generation);

	if (error < 0)
		return error;
	if ((peer_is_ipv6(wish->peer) && !alloc->dual) || port_is_listener(wish->peer, wish->port))
		return -EINVAL;
	for (uint32_t c = 0; c < MODEL_CHANNELS; c++) {
		struct model_object *channel = &alloc->channel[c];
		bool same =
			channel->on && channel->peer == wish->peer && channel->port == wish->port;
		if (c == number ? !same : same)
			channel->on = false;
	}
	if (!alloc->channel[number].on && model_taken(m, index, wish->peer, (int)wish->port))
		return -EEXIST;
	alloc->channel[number] = *wish;
	return 0;
}

static void model_sync_end(struct model *m)
{
	for (uint32_t i = 0; i < MODEL_ALLOCS; i++) {
		struct model_alloc *alloc = &m->alloc[i];
		alloc->on &= alloc->marked;
		for (uint32_t p = 0; p < MODEL_PEERS; p++)
			alloc->permission[p].on &= alloc->permission[p].marked;
		for (uint32_t c = 0; c < MODEL_CHANNELS; c++)
			alloc->channel[c].on &= alloc->channel[c].marked;
	}
}

static void model_sync_begin(struct model *m)
{
	for (uint32_t i = 0; i < MODEL_ALLOCS; i++) {
		struct model_alloc *alloc = &m->alloc[i];
		alloc->marked = false;
		for (uint32_t p = 0; p < MODEL_PEERS; p++)
			alloc->permission[p].marked = false;
		for (uint32_t c = 0; c < MODEL_CHANNELS; c++)
			alloc->channel[c].marked = false;
	}
}

// ---- one random command to both

static struct tp_cmd alloc_cmd(uint32_t index, const struct model_alloc *wish)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_ALLOC_SET, index, wish->generation);

	cmd.deadline_ns = wish->deadline;
	cmd.allocation.client = at("198.18.1.1", (uint16_t)(1000 + wish->client));
	cmd.allocation.listener = at("198.18.0.2", 3478);
	cmd.allocation.relay[0] = at("10.0.0.5", (uint16_t)(50000 + wish->relay));
	if (wish->dual)
		cmd.allocation.relay[1] = at("fd00:198:18::5", (uint16_t)(50000 + wish->relay));
	return cmd;
}

static void do_alloc(struct model *m, struct fixture *f, uint32_t index, uint32_t generation)
{
	struct model_alloc wish = {.generation = generation,
		.deadline = pick(m, 1000),
		.relay = pick(m, MODEL_RELAYS)};

	if (m->alloc[index].on && pick(m, 4) != 0) {
		wish.client = m->alloc[index].client;
		wish.relay = m->alloc[index].relay;
		wish.dual = m->alloc[index].dual;
	} else {
		wish.client = pick(m, MODEL_CLIENTS);
		wish.dual = pick(m, 2);
	}
	int expected = model_alloc_set(m, index, &wish);
	assert_int_equal(run(f, alloc_cmd(index, &wish)), expected);
}

static void do_permission(struct model *m, struct fixture *f, uint32_t index, uint32_t generation)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_PERMISSION_SET, index, generation);
	uint32_t peer = pick(m, MODEL_PEERS);
	int expected;

	cmd.permission = ip(peer_name[peer][pick(m, 2)]);
	cmd.deadline_ns = pick(m, 1000);
	if (pick(m, 5) == 0) {
		cmd.type = TP_CMD_PERMISSION_DELETE;
		expected = model_find(m, index, generation);
		struct model_alloc *alloc = &m->alloc[index];
		if (expected == 0 && peer_is_ipv6(peer) && !alloc->dual)
			expected = -EINVAL;
		else if (expected == 0 && !alloc->permission[peer].on)
			expected = -ENOENT;
		if (expected == 0)
			alloc->permission[peer].on = false;
	} else {
		expected = model_permission_set(m, index, generation, peer, cmd.deadline_ns);
	}
	assert_int_equal(run(f, cmd), expected);
}

static void do_channel(struct model *m, struct fixture *f, uint32_t index, uint32_t generation)
{
	struct tp_cmd cmd = cmd_of(TP_CMD_CHANNEL_SET, index, generation);
	struct model_object wish = {.on = true,
		.marked = true,
		.peer = pick(m, MODEL_PEERS),
		.port = pick(m, MODEL_PORTS),
		.deadline = pick(m, 1000)};
	uint32_t number = pick(m, MODEL_CHANNELS);
	int expected;

	cmd.channel.peer = at(peer_name[wish.peer][pick(m, 2)], port_value[wish.port]);
	cmd.channel.channel = (uint16_t)(0x4000 + number);
	cmd.deadline_ns = wish.deadline;
	if (pick(m, 5) == 0) {
		cmd.type = TP_CMD_CHANNEL_DELETE;
		expected = model_find(m, index, generation);
		struct model_object *channel = &m->alloc[index].channel[number];
		if (expected == 0 && peer_is_ipv6(wish.peer) && !m->alloc[index].dual)
			expected = -EINVAL;
		else if (expected == 0 &&
			 !(channel->on && channel->peer == wish.peer && channel->port == wish.port))
			expected = -ENOENT;
		if (expected == 0)
			channel->on = false;
	} else {
		expected = model_channel_set(m, index, generation, number, &wish);
	}
	assert_int_equal(run(f, cmd), expected);
}

static void do_sync(struct model *m, struct fixture *f)
{
	if (m->sync_open && pick(m, 3) != 0) {
		model_sync_end(m);
		assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_END, 0, 0)), 0);
		m->sync_open = false;
		return;
	}
	model_sync_begin(m);
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_BEGIN, 0, 0)), 0);
	m->sync_open = true;
}

static void do_random(struct model *m, struct fixture *f)
{
	uint32_t index = pick(m, MODEL_ALLOCS), kind = pick(m, 100);
	uint32_t generation = m->alloc[index].on ? m->alloc[index].generation : 10;

	if (pick(m, 20) == 0)
		generation += pick(m, 3) - 1;
	if (kind < 15) {
		do_alloc(m, f, index, generation);
	} else if (kind < 50) {
		do_permission(m, f, index, generation);
	} else if (kind < 95) {
		do_channel(m, f, index, generation);
	} else if (kind < 97) {
		do_sync(m, f);
	} else {
		int expected = model_find(m, index, generation);
		if (expected == 0)
			m->alloc[index].on = false;
		assert_int_equal(run(f, cmd_of(TP_CMD_ALLOC_DELETE, index, generation)), expected);
	}
}

// ---- comparison

static struct dp_flow *find(struct fixture *f, uint32_t index, uint8_t side, struct tp_addr remote,
	const char *relay, uint16_t selector)
{
	struct tp_ip relay_ip = ip(relay);
	struct dp_flow_key key = {.port = rte_cpu_to_be_16(remote.port),
		.local = side == DP_KEY_CLIENT
				 ? 0
				 : dp_local_find(f->dp.locals, relay_ip.family, relay_ip.bytes),
		.selector = side == DP_KEY_CLIENT ? selector : rte_cpu_to_be_16(selector),
		.side = side,
		.family = remote.ip.family};
	memcpy(key.ip, remote.ip.bytes, sizeof(key.ip));
	struct dp_flow *flow = dp_flow_lookup(f->dp.flows, &key);
	return flow != NULL && flow->alloc.index == index ? flow : NULL;
}

static void compare_flow(const struct dp_flow *flow, bool on, uint64_t deadline)
{
	if (!on) {
		assert_null(flow);
		return;
	}
	assert_non_null(flow);
	assert_int_equal(flow->deadline_ns, deadline);
}

static void compare_alloc(struct fixture *f, const struct model *m, uint32_t index)
{
	const struct model_alloc *alloc = &m->alloc[index];
	struct tp_addr client = at("198.18.1.1", (uint16_t)(1000 + alloc->client));
	uint16_t relay_port = (uint16_t)(50000 + alloc->relay);

	compare_flow(find(f, index, DP_KEY_CLIENT, client, "10.0.0.5", 0), true, alloc->deadline);
	for (uint32_t p = 0; p < MODEL_PEERS; p++) {
		const struct model_object *permission = &alloc->permission[p];
		compare_flow(find(f, index, DP_KEY_PEER, at(peer_name[p][0], 0),
				     peer_is_ipv6(p) ? "fd00:198:18::5" : "10.0.0.5", relay_port),
			permission->on, RTE_MIN(permission->deadline, alloc->deadline));
	}
	for (uint16_t c = 0; c < MODEL_CHANNELS; c++) {
		const struct model_object *channel = &alloc->channel[c];
		const struct model_object *permission = &alloc->permission[channel->peer];
		uint64_t deadline = RTE_MIN(channel->deadline, alloc->deadline);
		deadline = permission->on ? RTE_MIN(deadline, permission->deadline) : 0;
		compare_flow(find(f, index, DP_KEY_CLIENT, client, "10.0.0.5", 0x4000 + c),
			channel->on, deadline);
		if (!channel->on)
			continue;
		struct tp_addr peer = at(peer_name[channel->peer][0], port_value[channel->port]);
		compare_flow(find(f, index, DP_KEY_PEER, peer,
				     peer_is_ipv6(channel->peer) ? "fd00:198:18::5" : "10.0.0.5",
				     relay_port),
			true, deadline);
	}
}

static void compare(struct fixture *f, const struct model *m)
{
	struct tp_status_reply status = {0};
	uint32_t allocations = 0, permissions = 0, channels = 0;

	for (uint32_t i = 0; i < MODEL_ALLOCS; i++) {
		if (!m->alloc[i].on)
			continue;
		allocations++;
		for (uint32_t p = 0; p < MODEL_PEERS; p++)
			permissions += m->alloc[i].permission[p].on;
		for (uint32_t c = 0; c < MODEL_CHANNELS; c++)
			channels += m->alloc[i].channel[c].on;
		compare_alloc(f, m, i);
	}
	dp_apply_status(f->apply, &status);
	assert_int_equal(status.allocations, allocations);
	assert_int_equal(status.permissions, permissions);
	assert_int_equal(status.channels, channels);
	assert_int_equal(status.flows, allocations + permissions + 2 * channels);
}

static void assert_nothing_left(struct fixture *f)
{
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_BEGIN, 0, 0)), 0);
	assert_int_equal(run(f, cmd_of(TP_CMD_SYNC_END, 0, 0)), 0);
	assert_int_equal(dp_flow_count(f->dp.flows), 0);
	assert_int_equal(fixture_references(f), 0);
}

static void test_random_commands_follow_the_model(void **state)
{
	struct fixture *f = fixture_new();
	static struct model m;

	m.random = 0x2545f4914f6cdd1d;
	for (uint32_t op = 0; op < MODEL_OPS; op++) {
		do_random(&m, f);
		if (op % 16 == 0)
			compare(f, &m);
		if (op % 500 == 0)
			f->net.generation++;
		dp_apply_resolve_slice(f->apply, 3);
	}
	compare(f, &m);
	assert_nothing_left(f);
	fixture_free(f);
}

static void test_mutated_commands_keep_the_invariants(void **state)
{
	struct fixture *f = fixture_new();
	struct tp_status_reply status = {0};
	static struct model m;

	m.random = 0x9e3779b97f4a7c15;
	for (uint32_t op = 0; op < FUZZ_OPS; op++) {
		struct model_alloc wish = {.generation = 1 + pick(&m, 2),
			.client = pick(&m, 64),
			.relay = pick(&m, 64),
			.dual = pick(&m, 2),
			.deadline = pick(&m, 1000)};
		struct tp_cmd cmd = alloc_cmd(pick(&m, ALLOCATIONS + 1), &wish);
		uint8_t *bytes = (uint8_t *)&cmd;
		cmd.type = (uint16_t)pick(&m, 11);
		if (cmd.type == TP_CMD_CHANNEL_SET || cmd.type == TP_CMD_CHANNEL_DELETE)
			cmd.channel = (struct tp_cmd_channel){
				.peer = at(peer_name[pick(&m, MODEL_PEERS)][0], 4000),
				.channel = (uint16_t)(0x4000 + pick(&m, 8))};
		for (uint32_t n = pick(&m, 4); n > 0; n--)
			bytes[pick(&m, sizeof(cmd))] = (uint8_t)pick(&m, 256);
		cmd.layout = 1;
		dp_apply_command(f->apply, &cmd, &f->ack);
		dp_apply_status(f->apply, &status);
		assert_int_equal(status.flows,
			status.allocations + status.permissions + 2 * status.channels);
	}
	assert_nothing_left(f);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_commands_follow_the_model),
		cmocka_unit_test(test_mutated_commands_keep_the_invariants),
	};

	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
