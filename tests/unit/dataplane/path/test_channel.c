// SPDX-License-Identifier: BSD-3-Clause
#include "tests/unit/dataplane/path/rig.h"

// A client, the listener it uses, its relay and a peer; every combination of families.
struct way {
	const char *client, *listener, *relay, *peer;
};
static const struct way ways[] = {
	{"198.18.1.1", "198.18.0.2", "198.18.0.2", "198.18.2.2"},
	{"198.18.1.1", "198.18.0.2", "fd00:198:18::2", "fd00:198:18::99"},
	{"fd00:198:18::11", "fd00:198:18::2", "198.18.0.2", "198.18.2.2"},
	{"fd00:198:18::11", "fd00:198:18::2", "fd00:198:18::2", "fd00:198:18::99"},
};

struct scene {
	struct rig *rig;
	struct tp_addr client, listener, relay, peer;
};

static struct scene scene(const struct way *way)
{
	struct scene s = {
		.rig = rig_make(),
		.client = rig_addr(way->client, 40000),
		.listener = rig_addr(way->listener, 3478),
		.relay = rig_addr(way->relay, 50001),
		.peer = rig_addr(way->peer, 6000),
	};
	rig_allocate(s.rig, 3, s.client, s.listener, s.relay, (struct tp_addr){0}, 0);
	rig_permit(s.rig, 3, s.peer.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s.rig, 3, s.peer, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	return s;
}

static void up(struct scene *s, const uint8_t *data, size_t length, size_t trailing)
{
	uint8_t message[2000];
	struct frame f = rig_frame(s->client, s->listener, message,
		rig_channel_data(message, RIG_CHANNEL, data, length, trailing));
	rig_receive_frame(s->rig, &f);
}

static void assert_headers(
	const struct frame *f, const struct tp_addr *from, const struct tp_addr *to)
{
	assert_memory_equal(&f->from, from, sizeof(*from));
	assert_memory_equal(&f->to, to, sizeof(*to));
	assert_memory_equal(f->src_mac, RIG_PORT_MAC, 6);
	assert_memory_equal(f->dst_mac, RIG_HOP_MAC[to->ip.family == TP_FAMILY_IPV6], 6);
	assert_int_equal(f->tos, 0xb9);
	assert_int_equal(f->ttl, 63);
	assert_int_equal(f->vlan, -1);
	assert_int_equal(f->damage, 0);
	assert_false(f->zero_checksum);
}

static void test_payloads_reach_the_peer_unchanged(void **state)
{
	uint8_t data[1400];

	for (size_t w = 0; w < 4; w++) {
		struct scene s = scene(&ways[w]);
		for (size_t length = 0; length <= sizeof(data); length += length < 40 ? 1 : 61) {
			rig_random(data, length);
			up(&s, data, length, length % 7);
			struct frame f = rig_only(s.rig);
			assert_headers(&f, &s.relay, &s.peer);
			assert_int_equal(f.length, length);
			assert_memory_equal(f.payload, data, length);
			rig_forget(s.rig);
		}
		assert_int_equal(rig_drops(s.rig), 0);
		rig_end(s.rig);
	}
}

static void test_payloads_reach_the_client_unchanged(void **state)
{
	uint8_t data[1400];

	for (size_t w = 0; w < 4; w++) {
		struct scene s = scene(&ways[w]);
		for (size_t length = 0; length <= sizeof(data); length += length < 40 ? 1 : 61) {
			rig_random(data, length);
			struct frame in = rig_frame(s.peer, s.relay, data, length);
			rig_receive_frame(s.rig, &in);
			struct frame f = rig_only(s.rig);
			assert_headers(&f, &s.listener, &s.client);
			assert_int_equal(f.length, length + 4);
			assert_int_equal(oracle_get16(f.payload), RIG_CHANNEL);
			assert_int_equal(oracle_get16(f.payload + 2), length);
			assert_memory_equal(f.payload + 4, data, length);
			rig_forget(s.rig);
		}
		assert_int_equal(rig_drops(s.rig), 0);
		rig_end(s.rig);
	}
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_payloads_reach_the_peer_unchanged),
	cmocka_unit_test(test_payloads_reach_the_client_unchanged),
};
RIG_TESTS(tests)
