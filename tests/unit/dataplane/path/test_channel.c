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

// A wrong checksum must be as wrong behind the relay, whatever was added or taken away.
static void test_damage_before_the_relay_is_still_seen(void **state)
{
	uint8_t data[101], message[200];

	rig_random(data, sizeof(data));
	for (size_t w = 0; w < 4; w++) {
		struct scene s = scene(&ways[w]);
		for (size_t trailing = 0; trailing < 4; trailing++) {
			struct frame f = rig_frame(s.client, s.listener, message,
				rig_channel_data(
					message, RIG_CHANNEL, data, sizeof(data), trailing));
			f.damage = (uint16_t)(0x0100 << trailing);
			rig_receive_frame(s.rig, &f);
			assert_int_not_equal(rig_only(s.rig).damage, 0);
			rig_forget(s.rig);
		}
		struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));
		f.damage = 0x0040;
		rig_receive_frame(s.rig, &f);
		assert_int_not_equal(rig_only(s.rig).damage, 0);
		rig_end(s.rig);
	}
}

static void test_a_zero_checksum_stays_zero_but_for_ipv6(void **state)
{
	uint8_t data[77];

	rig_random(data, sizeof(data));
	for (size_t w = 0; w < 2; w++) {
		struct scene s = scene(&ways[w]);
		uint8_t message[200];
		struct frame f = rig_frame(s.client, s.listener, message,
			rig_channel_data(message, RIG_CHANNEL, data, sizeof(data), 3));
		f.zero_checksum = true;
		rig_receive_frame(s.rig, &f);
		struct frame out = rig_only(s.rig);
		assert_int_equal(out.zero_checksum, s.peer.ip.family == TP_FAMILY_IPV4);
		assert_int_equal(out.damage, 0);
		assert_memory_equal(out.payload, data, sizeof(data));
		rig_end(s.rig);
	}
	// Downlink: an IPv4 peer without checksum, a client of IPv4 and one of IPv6.
	for (size_t w = 0; w < 4; w += 2) {
		struct scene s = scene(&ways[w]);
		struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));
		f.zero_checksum = true;
		rig_receive_frame(s.rig, &f);
		struct frame out = rig_only(s.rig);
		assert_int_equal(out.zero_checksum, s.client.ip.family == TP_FAMILY_IPV4);
		assert_int_equal(out.damage, 0);
		rig_end(s.rig);
	}
}

static void test_data_stops_at_the_deadline(void **state)
{
	struct scene s = scene(&ways[0]);
	struct frame in = rig_frame(s.peer, s.relay, "x", 1);

	s.rig->now_ns = RIG_NOW + 300 * RIG_SECOND;
	up(&s, (const uint8_t *)"x", 1, 0);
	rig_receive_frame(s.rig, &in);
	assert_int_equal(s.rig->n_out, 2);
	s.rig->now_ns++;
	up(&s, (const uint8_t *)"x", 1, 0);
	rig_receive_frame(s.rig, &in);
	assert_int_equal(s.rig->n_out, 2);
	assert_int_equal(rig_drop(s.rig, channel_expired), 1);
	assert_int_equal(rig_drop(s.rig, permission_expired), 1);
	rig_end(s.rig);
}

static void test_an_expired_channel_leaves_the_permission(void **state)
{
	struct scene s = scene(&ways[0]);
	struct frame in = rig_frame(s.peer, s.relay, "hello", 5);

	rig_bind(s.rig, 3, s.peer, RIG_CHANNEL, RIG_NOW + 10 * RIG_SECOND);
	s.rig->now_ns = RIG_NOW + 20 * RIG_SECOND;
	rig_receive_frame(s.rig, &in);
	struct frame f = rig_only(s.rig);
	assert_int_equal(oracle_get16(f.payload), 0x0017);
	assert_int_equal(rig_counter(s.rig, data_down), 1);
	rig_end(s.rig);
}

static void test_what_is_not_bound_is_dropped(void **state)
{
	struct scene s = scene(&ways[0]);
	uint8_t message[64];
	struct frame f = rig_frame(s.client, s.listener, message,
		rig_channel_data(message, RIG_CHANNEL + 1, (const uint8_t *)"12345678", 8, 0));

	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, no_channel), 1);
	rig_channel_data(message, RIG_CHANNEL, (const uint8_t *)"12345678", 8, 0);
	f.from.port++;
	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, no_channel), 2);
	f = rig_frame(rig_addr("198.18.2.3", 6000), s.relay, "x", 1);
	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, no_permission), 1);
	f = rig_frame(s.peer, rig_addr("198.18.0.2", 50002), "x", 1);
	rig_receive_frame(s.rig, &f);
	assert_int_equal(rig_drop(s.rig, no_permission), 2);
	assert_int_equal(s.rig->n_out, 0);
	rig_end(s.rig);
}

static void test_malformed_channel_data_is_dropped(void **state)
{
	struct scene s = scene(&ways[0]);
	static const struct {
		uint8_t bytes[6];
		size_t length;
		enum tp_drop_reason reason;
	} bad[] = {
		{{0x40, 0x01, 0x00, 0x03, 1, 2}, 6, TP_DROP_bad_chandata},
		{{0x40, 0x01, 0xff, 0xff, 1, 2}, 6, TP_DROP_bad_chandata},
		{{0x40, 0x01, 0x00}, 3, TP_DROP_bad_chandata},
		{{0x40}, 1, TP_DROP_bad_chandata},
		{{0x50, 0x00, 0x00, 0x00}, 4, TP_DROP_bad_first_byte},
		{{0xff, 0x00, 0x00, 0x00}, 4, TP_DROP_bad_first_byte},
		{{0x10, 0x00, 0x00, 0x00}, 4, TP_DROP_bad_first_byte},
		{{0x04, 0x00, 0x00, 0x00}, 4, TP_DROP_bad_first_byte},
		{{0x7f, 0x00, 0x00, 0x00}, 4, TP_DROP_bad_first_byte},
		{{0x80, 0x00, 0x00, 0x00}, 4, TP_DROP_bad_first_byte}, // RTP belongs into a channel
		{{0xbf, 0x00, 0x00, 0x00}, 4, TP_DROP_bad_first_byte},
		{{22, 0xfe, 0xff}, 3, TP_DROP_dtls_unserved},
		{{0x00, 0x01}, 2, TP_DROP_bad_stun},
		{{0}, 0, TP_DROP_bad_first_byte},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct frame f = rig_frame(s.client, s.listener, bad[i].bytes, bad[i].length);
		uint64_t before = rig_stats(s.rig).drop[bad[i].reason];
		rig_receive_frame(s.rig, &f);
		assert_int_equal(rig_stats(s.rig).drop[bad[i].reason], before + 1);
	}
	assert_int_equal(s.rig->n_out, 0);
	rig_end(s.rig);
}

// RFC 8656 section 13.2: the label of what comes is not copied (SHOULD NOT); ours is zero.
static void test_the_flow_label_is_not_copied(void **state)
{
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct scene s = scene(&ways[i]);
		struct frame in = rig_frame(s.peer, s.relay, "x", 1);
		uint8_t bytes[ORACLE_MOST];
		size_t length = oracle_build(&in, bytes);
		if (s.peer.ip.family == TP_FAMILY_IPV6) { // under no checksum
			bytes[14 + 1] |= 0x0a;
			bytes[14 + 2] = 0xbc;
			bytes[14 + 3] = 0xde;
		}
		rig_receive(s.rig, bytes, length);
		assert_int_equal(s.rig->n_out, 1);
		if (s.client.ip.family == TP_FAMILY_IPV6) {
			const uint8_t *out = s.rig->out[0] + 14;
			assert_int_equal(out[0] >> 4, 6);
			assert_int_equal(out[1] & 0x0f, 0);
			assert_int_equal(out[2] | out[3], 0);
		}
		rig_end(s.rig);
	}
}

// RFC 8656 section 14: the outgoing packet has the options of our own, which are none.
static void test_ip_options_are_not_copied(void **state)
{
	for (size_t i = 0; i < RTE_DIM(ways); i++) {
		struct scene s = scene(&ways[i]);
		struct frame in = rig_frame(s.peer, s.relay, "data", 4);
		uint8_t bytes[ORACLE_MOST];
		size_t length = oracle_build(&in, bytes), options = 8;
		bool ipv6 = s.peer.ip.family == TP_FAMILY_IPV6;
		uint8_t *ip = bytes + 14, *after = ip + (ipv6 ? 40 : 20);
		memmove(after + options, after, length - (size_t)(after - bytes));
		memset(after, 0, options);
		if (ipv6) { // hop-by-hop options, six bytes of padding
			after[0] = ip[6];
			after[2] = 1;
			after[3] = 4;
			ip[6] = 0;
			oracle_put16(ip + 4, oracle_get16(ip + 4) + (unsigned int)options);
		} else { // no operation, eight times
			memset(after, 1, options);
			ip[0] = 0x47;
			oracle_put16(ip + 2, oracle_get16(ip + 2) + (unsigned int)options);
			oracle_put16(ip + 10, 0);
			oracle_put16(ip + 10, ~oracle_sum(0, ip, 28) & 0xffff);
		}
		rig_receive(s.rig, bytes, length + options);
		struct frame f = rig_only(s.rig);
		assert_int_equal(f.damage, 0);
		assert_int_equal(f.length, 4 + 4);
		assert_memory_equal(f.payload + 4, "data", 4);
		const uint8_t *out = s.rig->out[0] + 14;
		if (s.client.ip.family == TP_FAMILY_IPV6)
			assert_int_equal(out[6], 17);
		else
			assert_int_equal(out[0], 0x45);
		rig_end(s.rig);
	}
}

static void test_hop_limit_is_decremented_or_set(void **state)
{
	struct scene s = scene(&ways[0]);
	struct frame in = rig_frame(s.peer, s.relay, "x", 1);

	in.ttl = 2;
	rig_receive_frame(s.rig, &in);
	assert_int_equal(rig_only(s.rig).ttl, 1);
	in.ttl = 1;
	rig_receive_frame(s.rig, &in);
	assert_int_equal(rig_drop(s.rig, ttl_exceeded), 1);
	rig_forget(s.rig);

	dp_worker_destroy(s.rig->w);
	s.rig->conf.forwarding.hop_limit = 99;
	assert_int_equal(dp_worker_create(&s.rig->dp, 0, 0, &s.rig->w), 0);
	rig_receive_frame(s.rig, &in);
	assert_int_equal(rig_only(s.rig).ttl, 99);
	rig_end(s.rig);
}

static void test_dscp_is_copied_or_set(void **state)
{
	for (size_t w = 0; w < 4; w++) {
		struct scene s = scene(&ways[w]);
		struct frame in = rig_frame(s.peer, s.relay, "x", 1);

		in.tos = 0x2a; // AF11, ECT(0)
		rig_receive_frame(s.rig, &in);
		assert_int_equal(rig_only(s.rig).tos, 0x2a);
		rig_forget(s.rig);

		dp_worker_destroy(s.rig->w);
		s.rig->conf.forwarding.dscp = 46;
		assert_int_equal(dp_worker_create(&s.rig->dp, 0, 0, &s.rig->w), 0);
		rig_receive_frame(s.rig, &in);
		assert_int_equal(rig_only(s.rig).tos, 46 << 2 | 2);
		rig_end(s.rig);
	}
}

static void test_df_is_copied_between_ipv4_only(void **state)
{
	for (size_t w = 0; w < 4; w++) {
		struct scene s = scene(&ways[w]);
		for (int df = 0; df < 2; df++) {
			struct frame in = rig_frame(s.peer, s.relay, "x", 1);
			in.df = df && s.peer.ip.family == TP_FAMILY_IPV4;
			rig_receive_frame(s.rig, &in);
			assert_int_equal(rig_only(s.rig).df, df && w == 0);
			rig_forget(s.rig);
		}
		rig_end(s.rig);
	}
}

static void test_ipv4_ids_differ(void **state)
{
	struct scene s = scene(&ways[0]);
	struct frame in = rig_frame(s.peer, s.relay, "x", 1), a, b;

	rig_receive_frame(s.rig, &in);
	rig_receive_frame(s.rig, &in);
	assert_true(oracle_read(s.rig->out[0], s.rig->out_length[0], &a));
	assert_true(oracle_read(s.rig->out[1], s.rig->out_length[1], &b));
	assert_int_not_equal(a.id, b.id);
	rig_end(s.rig);
}

// What a generator's flow statistics and latency go by: the IPv4 ID and the end of the payload.
static void test_ipv4_ids_are_kept_when_asked(void **state)
{
	const uint8_t data[] = "up and down: 0123456789abcdef";

	for (size_t way = 0; way < 4; way++) {
		struct scene s = scene(&ways[way]);
		dp_worker_destroy(s.rig->w);
		s.rig->conf.forwarding.ip_id = CONF_IP_ID_KEEP;
		assert_int_equal(dp_worker_create(&s.rig->dp, 0, 0, &s.rig->w), 0);
		struct frame in = rig_frame(s.peer, s.relay, data, sizeof(data));
		in.ip_id = 0xfe01;
		rig_receive_frame(s.rig, &in);
		rig_receive_frame(s.rig, &in);
		for (int i = 0; i < 2; i++) {
			struct frame f;
			assert_true(oracle_read(s.rig->out[i], s.rig->out_length[i], &f));
			if (way == 0)
				assert_int_equal(f.id, 0xfe01);
			assert_memory_equal(
				f.payload + 4 + sizeof(data) - 16, data + sizeof(data) - 16, 16);
		}
		rig_forget(s.rig);
		uint8_t message[100];
		in = rig_frame(s.client, s.listener, message,
			rig_channel_data(message, RIG_CHANNEL, data, sizeof(data), 0));
		in.ip_id = 0xfe02;
		rig_receive_frame(s.rig, &in);
		struct frame f = rig_only(s.rig);
		if (way == 0)
			assert_int_equal(f.id, 0xfe02);
		assert_memory_equal(f.payload, data, sizeof(data));
		rig_end(s.rig);
	}
}

static void test_tags_come_and_go(void **state)
{
	for (size_t w = 0; w < 4; w++) {
		struct scene s = scene(&ways[w]);
		struct frame in = rig_frame(s.peer, s.relay, "tagged", 6);
		in.vlan = 0x6123;
		rig_receive_frame(s.rig, &in);
		assert_int_equal(rig_only(s.rig).vlan, -1);
		rig_forget(s.rig);
		s.rig->dp.next_hops[RIG_HOP_IPV4].vlan = s.rig->dp.next_hops[RIG_HOP_IPV6].vlan =
			77;
		in.vlan = -1;
		rig_receive_frame(s.rig, &in);
		struct frame f = rig_only(s.rig);
		assert_int_equal(f.vlan, 77);
		assert_memory_equal(f.payload + 4, "tagged", 6);
		rig_end(s.rig);
	}
}

static void test_without_a_neighbour_or_route_nothing_leaves(void **state)
{
	struct scene s = scene(&ways[0]);
	struct frame in = rig_frame(s.peer, s.relay, "x", 1);

	atomic_store(&s.rig->dp.next_hops[RIG_HOP_IPV4].mac_state, 0);
	rig_receive_frame(s.rig, &in);
	assert_int_equal(rig_drop(s.rig, no_neighbour), 1);
	for (uint32_t i = 1; i <= dp_flow_capacity(s.rig->dp.flows); i++)
		dp_flow_at(s.rig->dp.flows, i)->next_hop = DP_NEXT_HOP_NONE;
	rig_receive_frame(s.rig, &in);
	assert_int_equal(rig_drop(s.rig, no_route), 1);
	assert_int_equal(s.rig->n_out, 0);
	rig_end(s.rig);
}

static void test_the_rate_of_an_allocation_holds(void **state)
{
	struct scene s = {.rig = rig_make(),
		.client = rig_addr("198.18.1.1", 40000),
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = rig_addr("198.18.0.2", 50001),
		.peer = rig_addr("198.18.2.2", 6000)};
	struct frame in = rig_frame(s.peer, s.relay, (const uint8_t[1000]){0}, 1000);

	rig_allocate(s.rig, 3, s.client, s.listener, s.relay, (struct tp_addr){0}, 100000);
	rig_permit(s.rig, 3, s.peer.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s.rig, 3, s.peer, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	// Two seconds of 500 datagrams each: 200 of them are within the rate, and the bucket's
	// depth.
	for (int i = 0; i < 1000; i++) {
		s.rig->now_ns = RIG_NOW + (uint64_t)i * 2 * RIG_SECOND / 1000;
		rig_receive_frame(s.rig, &in);
		rig_forget(s.rig);
	}
	assert_in_range(rig_counter(s.rig, channel_down), 200, 225);
	assert_int_equal(rig_counter(s.rig, channel_down) + rig_drop(s.rig, policed), 1000);
	rig_end(s.rig);
}

// One allocation with three channels and a permission: all take from one bucket a direction.
static struct rig *make_policed(uint64_t bytes_per_s, uint64_t packets_per_s)
{
	struct rig *rig = rig_make();
	struct tp_cmd cmd = rig_cmd(TP_CMD_ALLOC_SET, 3, RIG_NOW + 600 * RIG_SECOND);

	cmd.allocation = (struct tp_cmd_alloc){.client = rig_addr("198.18.1.1", 40000),
		.listener = rig_addr("198.18.0.2", 3478),
		.relay = {rig_addr("198.18.0.2", 50001)},
		.rate_bytes_per_s = bytes_per_s,
		.rate_packets_per_s = packets_per_s};
	rig_command(rig, &cmd);
	for (uint16_t i = 0; i < 3; i++) {
		char ip[] = "198.18.2.2";
		ip[9] = (char)('2' + i);
		rig_permit(rig, 3, rig_addr(ip, 0).ip, RIG_NOW + 300 * RIG_SECOND);
		rig_bind(rig, 3, rig_addr(ip, 6000), (uint16_t)(RIG_CHANNEL + i),
			RIG_NOW + 300 * RIG_SECOND);
	}
	return rig;
}

static size_t send_indication(uint8_t *out, const uint8_t *data, size_t length)
{
	struct stun_writer w;
	struct tp_addr peer = rig_addr("198.18.2.2", 7000);

	stun_write_begin(&w, out, 1600, STUN_INDICATION, STUN_SEND, data);
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
	stun_write_attr(&w, STUN_ATTR_DATA, data, length);
	return (size_t)stun_write_finish(&w);
}

// Offers 1000 datagrams of each kind in two seconds.
static void offer(struct rig *rig)
{
	static const uint8_t data[1000];
	static uint8_t up[3][1004], indication[1600];
	struct tp_addr client = rig_addr("198.18.1.1", 40000),
		       relay = rig_addr("198.18.0.2", 50001),
		       listener = rig_addr("198.18.0.2", 3478);
	size_t send_length = send_indication(indication, data, sizeof(data));

	for (uint16_t c = 0; c < 3; c++)
		rig_channel_data(up[c], (uint16_t)(RIG_CHANNEL + c), data, sizeof(data), 0);
	for (int i = 0; i < 1000; i++) {
		rig->now_ns = RIG_NOW + (uint64_t)i * 2 * RIG_SECOND / 1000;
		for (uint16_t c = 0; c < 3; c++) {
			char ip[] = "198.18.2.2";
			ip[9] = (char)('2' + c);
			struct frame f = rig_frame(client, listener, up[c], sizeof(up[c]));
			rig_receive_frame(rig, &f);
			f = rig_frame(rig_addr(ip, 6000), relay, data, sizeof(data));
			rig_receive_frame(rig, &f);
		}
		struct frame f = rig_frame(client, listener, indication, send_length);
		rig_receive_frame(rig, &f);
		f = rig_frame(rig_addr("198.18.2.2", 7000), relay, data, sizeof(data));
		rig_receive_frame(rig, &f);
		rig_forget(rig);
	}
}

static void test_all_flows_of_an_allocation_share_its_rate(void **state)
{
	struct rig *rig = make_policed(100000, 0);

	offer(rig);
	uint64_t up = rig_counter(rig, channel_up) + rig_counter(rig, send_up);
	uint64_t down = rig_counter(rig, channel_down) + rig_counter(rig, data_down);
	assert_in_range(up, 200, 225);
	assert_in_range(down, 200, 225);
	assert_int_equal(up + down + rig_drop(rig, policed), 8000);
	assert_int_equal(rig_drop(rig, policed_packets), 0);
	rig_end(rig);
}

static void test_the_packet_rate_of_an_allocation_holds(void **state)
{
	struct rig *rig = make_policed(0, 50);

	offer(rig);
	uint64_t up = rig_counter(rig, channel_up) + rig_counter(rig, send_up);
	uint64_t down = rig_counter(rig, channel_down) + rig_counter(rig, data_down);
	assert_in_range(up, 99, 113);
	assert_in_range(down, 99, 113);
	assert_int_equal(up + down + rig_drop(rig, policed_packets), 8000);
	assert_int_equal(rig_drop(rig, policed), 0);
	rig_end(rig);
}

static void test_the_tighter_of_two_rates_counts(void **state)
{
	struct rig *rig = make_policed(100000, 50); // 100 and 50 datagrams a second

	offer(rig);
	uint64_t up = rig_counter(rig, channel_up) + rig_counter(rig, send_up);
	assert_in_range(up, 99, 113);
	assert_true(rig_drop(rig, policed) > 0 && rig_drop(rig, policed_packets) > 0);
	rig_end(rig);
}

static void test_without_a_rate_no_bucket_is_touched(void **state)
{
	static const struct dp_police_state none;
	struct rig *rig = make_policed(0, 0);

	offer(rig);
	assert_false(rig->dp.policing);
	assert_memory_equal(&rig->dp.police[3], &none, sizeof(none));
	assert_int_equal(rig_counter(rig, channel_up) + rig_counter(rig, channel_down), 6000);
	rig_end(rig);
}

// The next owner of the slot does not inherit what the last one used up.
static void test_a_new_allocation_begins_with_full_buckets(void **state)
{
	struct rig *rig = make_policed(1000, 1);

	offer(rig);
	assert_int_not_equal(rig->dp.police[3].up.bytes, 0);
	memcpy(&rig->dp.police[4], &rig->dp.police[3], sizeof(rig->dp.police[4]));
	rig_allocate(rig, 4, rig_addr("198.18.1.2", 40000), rig_addr("198.18.0.2", 3478),
		rig_addr("198.18.0.2", 50002), (struct tp_addr){0}, 1000);
	assert_int_equal(rig->dp.police[4].up.bytes, 0);
	assert_int_equal(rig->dp.police[4].down.packets, 0);
	rig_end(rig);
}

// `left`: every so many frames one is in two segments, which the lane leaves to the general steps;
// 0: none.
static void relay_in_order(uint32_t left)
{
	struct scene s = scene(&ways[0]);
	struct rte_mbuf *m[100];
	uint8_t bytes[200], number, data[16] = {0};

	for (number = 0; number < 100; number++) {
		data[0] = number;
		struct frame in = rig_frame(s.peer, s.relay, data, sizeof(data));
		m[number] = rig_mbuf(s.rig, bytes, oracle_build(&in, bytes));
		if (left != 0 && number % left == left - 1) {
			m[number]->next = rte_pktmbuf_alloc(s.rig->dp.pool);
			m[number]->nb_segs = 2;
		}
	}
	dp_pipeline_run(s.rig->w, m, 100, 0, s.rig->now_ns);
	rig_collect(s.rig);
	assert_int_equal(s.rig->n_out, 100);
	for (number = 0; number < 100; number++) {
		struct frame f;
		assert_true(oracle_read(s.rig->out[number], s.rig->out_length[number], &f));
		assert_int_equal(f.payload[4], number);
	}
	assert_int_equal(rig_counter(s.rig, rx), 100);
	assert_int_equal(rig_counter(s.rig, tx), 100);
	assert_int_equal(rig_counter(s.rig, tx_bytes), rig_counter(s.rig, rx_bytes) + 400);
	rig_end(s.rig);
}

static void test_a_burst_is_relayed_in_order(void **state)
{
	for (uint32_t left = 0; left < 40; left++)
		relay_in_order(left);
}

static void test_the_flow_counts_application_data(void **state)
{
	struct scene s = scene(&ways[0]);
	struct frame in = rig_frame(s.peer, s.relay, "12345", 5);
	struct tp_cmd cmd = rig_cmd(TP_CMD_COUNTERS, 3, 0);
	struct tp_ack ack;

	rig_receive_frame(s.rig, &in);
	rig_receive_frame(s.rig, &in);
	up(&s, (const uint8_t *)"123", 3, 1);
	dp_apply_command(s.rig->dp.apply, &cmd, &ack);
	assert_int_equal(ack.counters.down_packets, 2);
	assert_int_equal(ack.counters.down_bytes, 10);
	assert_int_equal(ack.counters.up_packets, 1);
	assert_int_equal(ack.counters.up_bytes, 3);
	rig_end(s.rig);
}

static void test_without_headroom_the_packet_is_dropped(void **state)
{
	struct scene s = scene(&ways[2]); // grows by 24 bytes
	uint8_t bytes[200];
	struct frame in = rig_frame(s.peer, s.relay, "x", 1);
	struct rte_mbuf *m = rig_mbuf(s.rig, bytes, oracle_build(&in, bytes));

	memmove(m->buf_addr, rte_pktmbuf_mtod(m, void *), m->data_len);
	m->data_off = 0;
	dp_pipeline_run(s.rig->w, &m, 1, 0, s.rig->now_ns);
	assert_int_equal(rig_drop(s.rig, no_headroom), 1);
	rig_end(s.rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_payloads_reach_the_peer_unchanged),
	cmocka_unit_test(test_payloads_reach_the_client_unchanged),
	cmocka_unit_test(test_damage_before_the_relay_is_still_seen),
	cmocka_unit_test(test_a_zero_checksum_stays_zero_but_for_ipv6),
	cmocka_unit_test(test_data_stops_at_the_deadline),
	cmocka_unit_test(test_an_expired_channel_leaves_the_permission),
	cmocka_unit_test(test_what_is_not_bound_is_dropped),
	cmocka_unit_test(test_malformed_channel_data_is_dropped),
	cmocka_unit_test(test_the_flow_label_is_not_copied),
	cmocka_unit_test(test_ip_options_are_not_copied),
	cmocka_unit_test(test_hop_limit_is_decremented_or_set),
	cmocka_unit_test(test_dscp_is_copied_or_set),
	cmocka_unit_test(test_df_is_copied_between_ipv4_only),
	cmocka_unit_test(test_ipv4_ids_differ),
	cmocka_unit_test(test_ipv4_ids_are_kept_when_asked),
	cmocka_unit_test(test_tags_come_and_go),
	cmocka_unit_test(test_without_a_neighbour_or_route_nothing_leaves),
	cmocka_unit_test(test_the_rate_of_an_allocation_holds),
	cmocka_unit_test(test_all_flows_of_an_allocation_share_its_rate),
	cmocka_unit_test(test_the_packet_rate_of_an_allocation_holds),
	cmocka_unit_test(test_the_tighter_of_two_rates_counts),
	cmocka_unit_test(test_without_a_rate_no_bucket_is_touched),
	cmocka_unit_test(test_a_new_allocation_begins_with_full_buckets),
	cmocka_unit_test(test_a_burst_is_relayed_in_order),
	cmocka_unit_test(test_the_flow_counts_application_data),
	cmocka_unit_test(test_without_headroom_the_packet_is_dropped),
};
RIG_TESTS(tests)
