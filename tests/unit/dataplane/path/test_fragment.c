// SPDX-License-Identifier: BSD-3-Clause
// Fragments in and out, and what does not fit.
#include "tests/unit/dataplane/path/rig.h"

#define PIECES_MOST 64

struct scene {
	struct rig *rig;
	struct tp_addr client, listener, relay, peer;
};

static struct scene scene(const char *client, const char *relay, const char *peer)
{
	bool ipv6 = strchr(client, ':') != NULL;
	struct scene s = {
		.rig = rig_make(),
		.client = rig_addr(client, 40000),
		.listener = rig_addr(ipv6 ? "fd00:198:18::2" : "198.18.0.2", 3478),
		.relay = rig_addr(relay, 50001),
		.peer = rig_addr(peer, 6000),
	};
	rig_allocate(s.rig, 3, s.client, s.listener, s.relay, (struct tp_addr){0}, 0);
	rig_permit(s.rig, 3, s.peer.ip, RIG_NOW + 300 * RIG_SECOND);
	rig_bind(s.rig, 3, s.peer, RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	return s;
}

#define IPV4  "198.18.1.1", "198.18.0.2", "198.18.2.2"
#define IPV6  "fd00:198:18::11", "fd00:198:18::2", "fd00:198:18::99"
#define IPV46 "198.18.1.1", "fd00:198:18::2", "fd00:198:18::99"
#define IPV64 "fd00:198:18::11", "198.18.0.2", "198.18.2.2"

// A datagram cut into fragments of `chunk` bytes.
struct pieces {
	uint8_t bytes[PIECES_MOST][3000];
	size_t length[PIECES_MOST];
	unsigned int n;
};

static void cut(struct pieces *out, struct frame f, size_t chunk)
{
	static uint8_t udp[ORACLE_MOST];
	size_t length = oracle_udp(&f, udp);

	out->n = 0;
	f.fragment = true;
	f.id = 0x1234;
	for (size_t at = 0; at < length; at += chunk) {
		size_t n = length - at < chunk ? length - at : chunk;
		f.offset = (uint32_t)at;
		f.more = at + n < length;
		out->length[out->n] = oracle_ip(&f, out->bytes[out->n], udp + at, n);
		out->n++;
	}
}

// Puts what came out as fragments together again; returns the datagram's payload length.
static size_t join(const struct rig *rig, uint8_t *payload, struct frame *last)
{
	static uint8_t udp[ORACLE_MOST];
	size_t total = 0, sum = 0;
	struct frame f = {0};

	for (unsigned int i = 0; i < rig->n_out; i++) {
		assert_true(oracle_read(rig->out[i], rig->out_length[i], &f));
		assert_true(f.fragment);
		assert_int_equal(f.protocol, 17);
		assert_true(!f.more || f.length % 8 == 0);
		// RFC 8656 section 13.2; 14 bytes are Ethernet's.
		assert_true(f.to.ip.family == TP_FAMILY_IPV4 || rig->out_length[i] - 14 <= 1280);
		memcpy(udp + f.offset, f.payload, f.length);
		sum += f.length;
		if (!f.more)
			total = f.offset + f.length;
	}
	assert_int_equal(sum, total);
	assert_true(oracle_read_udp(&f, udp, total));
	assert_int_equal(f.damage, 0);
	memcpy(payload, f.payload, f.length);
	*last = f;
	return f.length;
}

static void assert_channel(const struct rig *rig, const uint8_t *data, size_t length)
{
	struct frame f = rig_only(rig);
	assert_int_equal(f.damage, 0);
	assert_int_equal(f.length, length + 4);
	assert_int_equal(oracle_get16(f.payload), RIG_CHANNEL);
	assert_memory_equal(f.payload + 4, data, length);
}

static void receive_in_order(struct rig *rig, const struct pieces *p, const unsigned int *order)
{
	for (unsigned int i = 0; i < p->n; i++)
		rig_receive(rig, p->bytes[order[i]], p->length[order[i]]);
}

static struct pieces pieces;

static void test_fragments_in_any_order_become_one_datagram(void **state)
{
	static const unsigned int orders[][4] = {
		{0, 1, 2, 3}, {3, 2, 1, 0}, {2, 0, 3, 1}, {1, 3, 0, 2}};
	uint8_t data[1400];

	rig_random(data, sizeof(data));
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = ipv6 ? scene(IPV6) : scene(IPV4);
		for (size_t i = 0; i < RTE_DIM(orders); i++) {
			cut(&pieces, rig_frame(s.peer, s.relay, data, sizeof(data)), 400);
			assert_int_equal(pieces.n, 4);
			receive_in_order(s.rig, &pieces, orders[i]);
			assert_channel(s.rig, data, sizeof(data));
			rig_forget(s.rig);
			rig_books_close(s.rig);
		}
		assert_int_equal(rig_counter(s.rig, reassembled), 4);
		assert_int_equal(rig_counter(s.rig, fragments_in), 16);
		assert_int_equal(rig_counter(s.rig, tx), 16); // each stands for four frames
		assert_int_equal(rig_stats(s.rig).held, 0);
		rig_end(s.rig);
	}
}

static void test_all_fragments_in_one_burst(void **state)
{
	struct scene s = scene(IPV4);
	struct rte_mbuf *m[8];
	uint8_t data[1400];

	rig_random(data, sizeof(data));
	cut(&pieces, rig_frame(s.peer, s.relay, data, sizeof(data)), 400);
	for (unsigned int i = 0; i < pieces.n; i++)
		m[i] = rig_mbuf(s.rig, pieces.bytes[i], pieces.length[i]);
	dp_pipeline_run(s.rig->w, m, (uint16_t)pieces.n, 0, s.rig->now_ns);
	rig_collect(s.rig);
	assert_channel(s.rig, data, sizeof(data));
	rig_end(s.rig);
}

static void test_an_overlap_refuses_the_datagram(void **state)
{
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		struct scene s = ipv6 ? scene(IPV6) : scene(IPV4);
		uint8_t data[1400] = {0}, evil[600] = {0}, bytes[2000];
		struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));
		cut(&pieces, f, 400);
		rig_receive(s.rig, pieces.bytes[0], pieces.length[0]);
		rig_receive(s.rig, pieces.bytes[1], pieces.length[1]);
		assert_int_equal(rig_stats(s.rig).held, 2);
		rig_books_close(s.rig);
		f.fragment = f.more = true;
		f.id = 0x1234;
		f.offset = 392;
		rig_receive(s.rig, bytes, oracle_ip(&f, bytes, evil, 16));
		assert_int_equal(rig_drop(s.rig, fragment_refused), 3);
		// Nothing of it is taken any more.
		rig_receive(s.rig, pieces.bytes[2], pieces.length[2]);
		rig_receive(s.rig, pieces.bytes[3], pieces.length[3]);
		rig_receive(s.rig, pieces.bytes[0], pieces.length[0]);
		rig_receive(s.rig, pieces.bytes[1], pieces.length[1]);
		assert_int_equal(rig_drop(s.rig, fragment_refused), 7);
		assert_int_equal(s.rig->n_out, 0);
		assert_int_equal(rig_stats(s.rig).held, 0);
		rig_end(s.rig);
	}
}

static void test_an_exact_duplicate_does_no_harm(void **state)
{
	struct scene s = scene(IPV4);
	uint8_t data[1000];

	rig_random(data, sizeof(data));
	cut(&pieces, rig_frame(s.peer, s.relay, data, sizeof(data)), 400);
	rig_receive(s.rig, pieces.bytes[1], pieces.length[1]);
	rig_receive(s.rig, pieces.bytes[1], pieces.length[1]);
	rig_receive(s.rig, pieces.bytes[0], pieces.length[0]);
	rig_receive(s.rig, pieces.bytes[2], pieces.length[2]);
	assert_channel(s.rig, data, sizeof(data));
	assert_int_equal(rig_drop(s.rig, fragment_refused), 1);
	rig_end(s.rig);
}

static void test_a_fragment_behind_the_end_refuses_the_datagram(void **state)
{
	struct scene s = scene(IPV4);
	uint8_t data[1400] = {0}, bytes[2000];
	struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));

	cut(&pieces, f, 400);
	rig_receive(s.rig, pieces.bytes[3], pieces.length[3]);
	f.fragment = true;
	f.id = 0x1234;
	f.offset = 1600;
	rig_receive(s.rig, bytes, oracle_ip(&f, bytes, data, 16));
	assert_int_equal(rig_drop(s.rig, fragment_refused), 2);
	assert_int_equal(rig_stats(s.rig).held, 0);
	rig_end(s.rig);
}

static void test_an_incomplete_datagram_is_given_up(void **state)
{
	struct scene s = scene(IPV4);
	uint8_t data[1000] = {0};

	cut(&pieces, rig_frame(s.peer, s.relay, data, sizeof(data)), 400);
	rig_receive(s.rig, pieces.bytes[0], pieces.length[0]);
	rig_receive(s.rig, pieces.bytes[2], pieces.length[2]);
	dp_pipeline_tick(s.rig->w, s.rig->now_ns + RIG_SECOND);
	assert_int_equal(rig_stats(s.rig).held, 2);
	dp_pipeline_tick(s.rig->w, s.rig->now_ns + 60 * RIG_SECOND);
	assert_int_equal(rig_stats(s.rig).held, 0);
	assert_int_equal(rig_drop(s.rig, fragment_refused), 2);
	rig_end(s.rig);
}

static void test_a_flood_of_fragments_is_bounded(void **state)
{
	struct scene s = scene(IPV4);
	uint8_t data[64] = {0}, bytes[200];
	struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));

	f.fragment = f.more = true;
	for (uint32_t id = 0; id < 3000; id++) {
		f.id = id;
		rig_receive(s.rig, bytes, oracle_ip(&f, bytes, data, 64));
	}
	assert_true(rig_stats(s.rig).held <= 256);
	assert_int_equal(rig_stats(s.rig).held + rig_drop(s.rig, fragment_refused), 3000);
	rig_end(s.rig);
}

static void test_fragments_of_others_are_not_ours(void **state)
{
	struct scene s = scene(IPV4);
	uint8_t data[64] = {0}, bytes[200];
	struct frame f = rig_frame(s.peer, rig_addr("198.18.0.77", 50001), data, sizeof(data));

	f.fragment = f.more = true;
	rig_receive(s.rig, bytes, oracle_ip(&f, bytes, data, 64));
	assert_int_equal(rig_drop(s.rig, not_ours), 1);
	f.to = s.relay;
	f.protocol = 6;
	rig_receive(s.rig, bytes, oracle_ip(&f, bytes, data, 64));
	assert_int_equal(rig_drop(s.rig, not_udp), 1);
	rig_end(s.rig);
}

// In fragments, out fragments: larger than any buffer.
static void test_a_large_datagram_passes_in_fragments(void **state)
{
	static const size_t lengths[] = {1473, 2000, 4000, 9000, 30001, 65000};
	static uint8_t data[65000], message[65100], payload[65600];

	rig_random(data, sizeof(data));
	for (int way = 0; way < 4; way++) {
		struct scene s = way == 0   ? scene(IPV4)
				 : way == 1 ? scene(IPV6)
				 : way == 2 ? scene(IPV46)
					    : scene(IPV64);
		for (size_t i = 0; i < RTE_DIM(lengths); i++) {
			struct frame last;
			size_t n = lengths[i];
			unsigned int fragments = 0;
			cut(&pieces, rig_frame(s.peer, s.relay, data, n), 1400);
			for (unsigned int k = 0; k < pieces.n; k++)
				rig_receive(s.rig, pieces.bytes[k], pieces.length[k]);
			assert_int_equal(join(s.rig, payload, &last), n + 4);
			assert_int_equal(oracle_get16(payload), RIG_CHANNEL);
			assert_memory_equal(payload + 4, data, n);
			rig_forget(s.rig);
			fragments += pieces.n;

			cut(&pieces,
				rig_frame(s.client, s.listener, message,
					rig_channel_data(message, RIG_CHANNEL, data, n, n & 3)),
				1400);
			for (unsigned int k = 0; k < pieces.n; k++)
				rig_receive(s.rig, pieces.bytes[k], pieces.length[k]);
			assert_int_equal(join(s.rig, payload, &last), n);
			assert_memory_equal(payload, data, n);
			rig_forget(s.rig);
			rig_books_close(s.rig);
		}
		assert_int_equal(rig_drops(s.rig), 0);
		assert_int_equal(rig_counter(s.rig, fragmented), 2 * RTE_DIM(lengths));
		assert_int_equal(rig_counter(s.rig, tx), rig_counter(s.rig, rx));
		rig_end(s.rig);
	}
}

static void test_a_large_send_indication_passes(void **state)
{
	struct scene s = scene(IPV4);
	static uint8_t data[6001], message[6200], payload[6200];
	struct frame last;
	struct stun_writer w;

	rig_random(data, sizeof(data));
	stun_write_begin(&w, message, sizeof(message), STUN_INDICATION, STUN_SEND,
		(const uint8_t *)"abcdefghijkl");
	stun_write_attr(&w, STUN_ATTR_DATA, data, sizeof(data));
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &s.peer);
	cut(&pieces, rig_frame(s.client, s.listener, message, (size_t)stun_write_finish(&w)), 1400);
	for (unsigned int k = 0; k < pieces.n; k++)
		rig_receive(s.rig, pieces.bytes[k], pieces.length[k]);
	assert_int_equal(join(s.rig, payload, &last), sizeof(data));
	assert_memory_equal(payload, data, sizeof(data));
	rig_end(s.rig);
}

static void test_without_df_what_grew_too_big_is_fragmented(void **state)
{
	struct scene s = scene(IPV4);
	uint8_t data[1472], payload[2000];
	struct frame last;

	rig_random(data, sizeof(data));
	struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));
	rig_receive_frame(s.rig, &f);
	assert_int_equal(s.rig->n_out, 2);
	assert_int_equal(join(s.rig, payload, &last), sizeof(data) + 4);
	assert_memory_equal(payload + 4, data, sizeof(data));
	assert_int_equal(rig_counter(s.rig, tx), 1);
	rig_end(s.rig);
}

// The ICMP error that came out, checked; returns the 32 bits before what it quotes.
static uint32_t told(const struct scene *s, const struct frame *about, uint8_t type, uint8_t code)
{
	static uint8_t bytes[ORACLE_MOST];
	struct frame f = rig_only(s->rig);
	bool ipv6 = about->from.ip.family == TP_FAMILY_IPV6;

	assert_int_equal(f.protocol, ipv6 ? 58 : 1);
	assert_memory_equal(&f.from.ip, &about->to.ip, sizeof(f.from.ip));
	assert_memory_equal(&f.to.ip, &about->from.ip, sizeof(f.to.ip));
	assert_memory_equal(f.dst_mac, RIG_SENDER_MAC, 6);
	assert_int_equal(f.payload[0], type);
	assert_int_equal(f.payload[1], code);
	uint32_t sum = ipv6 ? oracle_l4_sum(&f.from.ip, &f.to.ip, 58, f.payload, f.length)
			    : oracle_sum(0, f.payload, f.length);
	assert_int_equal(sum, 0xffff);
	// It quotes what the sender sent.
	oracle_build(about, bytes);
	assert_true(f.length >= 8 + 28 + (about->length < 500 ? about->length : 500));
	assert_memory_equal(f.payload + 8, bytes + 14, f.length - 8);
	return oracle_get16(f.payload + 4) << 16 | oracle_get16(f.payload + 6);
}

static uint32_t told_mtu(const struct scene *s, const struct frame *about)
{
	bool ipv6 = about->from.ip.family == TP_FAMILY_IPV6;
	return told(s, about, ipv6 ? 2 : 3, ipv6 ? 0 : 4);
}

// RFC 8656 section 13: like a router.
static void test_without_hops_left_the_sender_is_told(void **state)
{
	uint8_t message[64];

	for (int way = 0; way < 4; way++) {
		struct scene s = way == 0   ? scene(IPV4)
				 : way == 1 ? scene(IPV6)
				 : way == 2 ? scene(IPV46)
					    : scene(IPV64);
		for (uint8_t ttl = 0; ttl < 2; ttl++) {
			struct frame f = rig_frame(s.peer, s.relay, "data", 4);
			f.ttl = ttl;
			rig_receive_frame(s.rig, &f);
			bool ipv6 = s.peer.ip.family == TP_FAMILY_IPV6;
			assert_int_equal(told(&s, &f, ipv6 ? 3 : 11, 0), 0);
			rig_forget(s.rig);
			f = rig_frame(s.client, s.listener, message,
				rig_channel_data(
					message, RIG_CHANNEL, (const uint8_t *)"data", 4, 0));
			f.ttl = ttl;
			rig_receive_frame(s.rig, &f);
			ipv6 = s.client.ip.family == TP_FAMILY_IPV6;
			assert_int_equal(told(&s, &f, ipv6 ? 3 : 11, 0), 0);
			rig_forget(s.rig);
		}
		assert_int_equal(rig_drop(s.rig, ttl_exceeded), 4);
		assert_int_equal(rig_counter(s.rig, too_big_sent), 4);
		assert_int_equal(rig_counter(s.rig, tx), 0);
		rig_books_close(s.rig);
		// Within the budget of all such errors.
		for (int i = 0; i < 1000; i++) {
			struct frame f = rig_frame(s.peer, s.relay, message, sizeof(message));
			f.ttl = 1;
			rig_receive_frame(s.rig, &f);
			rig_forget(s.rig);
		}
		assert_int_equal(rig_drop(s.rig, ttl_exceeded), 1004);
		assert_in_range(rig_counter(s.rig, too_big_sent), 5, 200);
		rig_end(s.rig);
	}
}

static void test_with_df_the_sender_is_told(void **state)
{
	uint8_t data[1472] = {0}, message[1500];
	struct scene s = scene(IPV4);
	struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));

	f.df = true;
	rig_receive_frame(s.rig, &f);
	assert_int_equal(told_mtu(&s, &f), 1500 - 48);
	assert_int_equal(rig_drop(s.rig, too_big), 1);
	assert_int_equal(rig_counter(s.rig, too_big_sent), 1);
	assert_int_equal(rig_counter(s.rig, tx), 0);
	rig_forget(s.rig);
	// The client's way: its own packet is four bytes longer than what leaves.
	s.rig->dp.next_hops[RIG_HOP_IPV4].mtu = 1400;
	f = rig_frame(s.client, s.listener, message,
		rig_channel_data(message, RIG_CHANNEL, data, 1400, 0));
	f.df = true;
	rig_receive_frame(s.rig, &f);
	assert_int_equal(told_mtu(&s, &f), 1404);
	rig_end(s.rig);
}

static void test_what_came_whole_over_ipv6_is_not_fragmented(void **state)
{
	uint8_t data[1452] = {0};
	struct scene s = scene(IPV6);
	struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));

	rig_receive_frame(s.rig, &f);
	assert_int_equal(told_mtu(&s, &f), 1500 - 48);
	rig_end(s.rig);
}

// Padding of a Data indication finds its place wherever the last segment ends.
static void test_every_end_of_a_segment_leaves_room_for_padding(void **state)
{
	static uint8_t data[4200], payload[ORACLE_MOST];
	struct scene s = scene(IPV4);
	struct frame last;

	rig_random(data, sizeof(data));
	s.peer.port = 6001; // no channel
	for (size_t length = 1950; length < 4200; length += length == 2100 ? 1850 : 1) {
		cut(&pieces, rig_frame(s.peer, s.relay, data, length), 1480);
		for (unsigned int i = 0; i < pieces.n; i++)
			rig_receive(s.rig, pieces.bytes[i], pieces.length[i]);
		assert_in_range(s.rig->n_out, 2, 3);
		size_t n = join(s.rig, payload, &last), padding = -length & 3;
		assert_int_equal(n, 20 + 12 + 4 + length + padding);
		assert_int_equal(oracle_get16(payload + 34), length);
		assert_memory_equal(payload + 36, data, length);
		for (size_t i = 0; i < padding; i++)
			assert_int_equal(payload[36 + length + i], 0);
		rig_forget(s.rig);
	}
	assert_int_equal(rig_drops(s.rig), 0);
	rig_end(s.rig);
}

// The later fragments of such a datagram do not come here, and its first one is not UDP's.
static void test_a_fragment_with_extension_headers_is_refused(void **state)
{
	struct scene s = scene(IPV6);
	uint8_t bytes[2][200], l4[8 + 40] = {17, 0, 1, 4};
	struct frame f = rig_frame(s.peer, s.relay, NULL, 0);

	f.fragment = true;
	f.id = 9;
	f.protocol = 60; // destination options
	f.more = true;
	rig_receive(s.rig, bytes[0], oracle_ip(&f, bytes[0], l4, 24));
	f.more = false;
	f.offset = 24;
	rig_receive(s.rig, bytes[1], oracle_ip(&f, bytes[1], l4 + 24, 24));
	assert_int_equal(rig_drop(s.rig, fragment_refused), 2);
	assert_int_equal(rig_stats(s.rig).held, 0);
	assert_int_equal(s.rig->n_out, 0);
	rig_end(s.rig);
}

// 64 kB a second, whatever the size of the single error.
static void test_ipv6_errors_about_size_are_limited_by_their_own_size(void **state)
{
	uint8_t data[1452] = {0};
	struct scene s = scene(IPV6);
	struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));
	uint64_t sent;

	for (int i = 0; i < 1000; i++) {
		rig_receive_frame(s.rig, &f);
		rig_forget(s.rig);
	}
	sent = rig_counter(s.rig, too_big_sent);
	for (int i = 0; i < 1000; i++) {
		s.rig->now_ns += RIG_SECOND / 100;
		rig_receive_frame(s.rig, &f);
		rig_forget(s.rig);
	}
	sent = rig_counter(s.rig, too_big_sent) - sent;
	assert_in_range(sent * 1280, 600000, 640000); // ten seconds
	rig_end(s.rig);
}

static void test_errors_about_size_are_limited(void **state)
{
	uint8_t data[1472] = {0};
	struct scene s = scene(IPV4);
	struct frame f = rig_frame(s.peer, s.relay, data, sizeof(data));

	f.df = true;
	for (int i = 0; i < 1000; i++) {
		rig_receive_frame(s.rig, &f);
		rig_forget(s.rig);
	}
	assert_int_equal(rig_drop(s.rig, too_big), 1000);
	assert_in_range(rig_counter(s.rig, too_big_sent), 5, 100);
	rig_end(s.rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_fragments_in_any_order_become_one_datagram),
	cmocka_unit_test(test_all_fragments_in_one_burst),
	cmocka_unit_test(test_an_overlap_refuses_the_datagram),
	cmocka_unit_test(test_an_exact_duplicate_does_no_harm),
	cmocka_unit_test(test_a_fragment_behind_the_end_refuses_the_datagram),
	cmocka_unit_test(test_an_incomplete_datagram_is_given_up),
	cmocka_unit_test(test_a_flood_of_fragments_is_bounded),
	cmocka_unit_test(test_fragments_of_others_are_not_ours),
	cmocka_unit_test(test_a_large_datagram_passes_in_fragments),
	cmocka_unit_test(test_a_large_send_indication_passes),
	cmocka_unit_test(test_without_df_what_grew_too_big_is_fragmented),
	cmocka_unit_test(test_without_hops_left_the_sender_is_told),
	cmocka_unit_test(test_with_df_the_sender_is_told),
	cmocka_unit_test(test_what_came_whole_over_ipv6_is_not_fragmented),
	cmocka_unit_test(test_every_end_of_a_segment_leaves_room_for_padding),
	cmocka_unit_test(test_a_fragment_with_extension_headers_is_refused),
	cmocka_unit_test(test_ipv6_errors_about_size_are_limited_by_their_own_size),
	cmocka_unit_test(test_errors_about_size_are_limited),
};
RIG_TESTS(tests)
