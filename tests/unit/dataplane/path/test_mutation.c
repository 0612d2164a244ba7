// SPDX-License-Identifier: BSD-3-Clause
// Frames that were damaged at random: never a crash or an over-read, no mbuf lost, and the books
// close after each.
#include <sanitizer/asan_interface.h>

#include "tests/unit/dataplane/path/rig.h"

#define ROUNDS 60000
#define SEEDS  12

struct seed {
	uint8_t bytes[1600];
	size_t length;
};

static uint32_t random_state = 2463534242;

static uint32_t pick(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 17;
	random_state ^= random_state << 5;
	return random_state % below;
}

static void add(struct seed *seed, const struct frame *f)
{
	seed->length = oracle_build(f, seed->bytes);
}

static size_t write_send(uint8_t *out, const struct tp_addr *peer, bool fingerprint)
{
	struct stun_writer w;

	stun_write_begin(&w, out, 600, STUN_INDICATION, STUN_SEND, (const uint8_t *)"abcdefghijkl");
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, peer);
	stun_write_attr(&w, STUN_ATTR_DONT_FRAGMENT, NULL, 0);
	stun_write_attr(&w, STUN_ATTR_DATA, "some payload of a client", 24);
	if (fingerprint)
		stun_write_fingerprint(&w);
	return (size_t)stun_write_finish(&w);
}

// One of each kind that the path treats differently.
static void make_seeds(struct seed seeds[SEEDS], const struct tp_addr *client,
	const struct tp_addr *listener, const struct tp_addr *relay, const struct tp_addr *peer)
{
	uint8_t payload[600], icmp[100] = {3, 3}, quoted[100];
	int n = 0;

	for (int i = 0; i < 2; i++) {
		struct frame f = rig_frame(client[i], listener[i], payload,
			rig_channel_data(payload, RIG_CHANNEL, (const uint8_t *)"payload", 7, 1));
		add(&seeds[n++], &f);
		f = rig_frame(peer[i], relay[i], "from the peer", 13);
		f.vlan = i ? 5 : -1;
		add(&seeds[n++], &f);
		f = rig_frame(client[i], listener[i], payload, write_send(payload, &peer[i], i));
		add(&seeds[n++], &f);
		struct stun_writer w;
		stun_write_begin(&w, payload, sizeof(payload), STUN_REQUEST, STUN_BINDING,
			(const uint8_t *)"abcdefghijkl");
		stun_write_fingerprint(&w);
		f = rig_frame(client[i], listener[i], payload, (size_t)stun_write_finish(&w));
		add(&seeds[n++], &f);

		f = rig_frame(relay[i], peer[i], "x", 1);
		size_t length = oracle_build(&f, quoted) - 14;
		icmp[0] = i ? 1 : 3;
		memcpy(icmp + 8, quoted + 14, length);
		f = rig_frame(peer[i], relay[i], NULL, 0);
		f.protocol = i ? 58 : 1;
		uint32_t sum = i ? oracle_l4_sum(&f.from.ip, &f.to.ip, 58, icmp, length + 8)
				 : oracle_sum(0, icmp, length + 8);
		oracle_put16(icmp + 2, ~sum & 0xffff);
		seeds[n].length = oracle_ip(&f, seeds[n].bytes, icmp, length + 8);
		n++;

		f = rig_frame(peer[i], relay[i], NULL, 0);
		f.fragment = f.more = true;
		rig_random(payload, 64);
		seeds[n].length = oracle_ip(&f, seeds[n].bytes, payload, 64);
		n++;
	}
	assert_int_equal(n, SEEDS);
}

// IPv4 header checksum right again, so that damage reaches what is behind it.
static void repair(uint8_t *bytes, size_t length)
{
	if (length < 34 || oracle_get16(bytes + 12) != 0x0800 || (bytes[14] & 0xf) < 5 ||
		14 + (size_t)(bytes[14] & 0xf) * 4 > length)
		return;
	oracle_put16(bytes + 24, 0);
	oracle_put16(
		bytes + 24, ~oracle_sum(0, bytes + 14, (size_t)(bytes[14] & 0xf) * 4) & 0xffff);
}

static size_t mutate(uint8_t *bytes, size_t length)
{
	static const uint8_t edges[] = {0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff};

	for (uint32_t i = pick(4); i > 0 && length > 0; i--) {
		uint32_t at = pick((uint32_t)length);
		switch (pick(4)) {
		case 0:
			bytes[at] = (uint8_t)pick(256);
			break;
		case 1:
			bytes[at] = edges[pick(sizeof(edges))];
			break;
		case 2:
			bytes[at] ^= (uint8_t)(1u << pick(8));
			break;
		default:
			length = at;
		}
	}
	if (pick(2))
		repair(bytes, length);
	return length;
}

// Half of the frames end where their buffer does; what is behind it (the pool's header of the next
// one, which nothing touches here) is poisoned, so that under ASan a read past the frame is seen.
#define FENCE_BYTES 32

static struct rte_mbuf *tight_mbuf(
	struct rig *rig, const uint8_t *bytes, size_t length, void **fence)
{
	struct rte_mbuf *m = rig_mbuf(rig, bytes, length);
	uint16_t data_off = (uint16_t)(m->buf_len - length);

	*fence = (uint8_t *)m->buf_addr + m->buf_len;
	if (pick(2)) {
		memmove((uint8_t *)m->buf_addr + data_off, rte_pktmbuf_mtod(m, void *), length);
		m->data_off = data_off;
	}
	ASAN_POISON_MEMORY_REGION(*fence, FENCE_BYTES);
	return m;
}

static void drain(struct rig *rig)
{
	rig_collect(rig);
	rig_forget(rig);
	while (tp_ring_front(&rig->punts) != NULL)
		tp_ring_pop(&rig->punts);
}

static void test_damaged_frames_do_no_harm(void **state)
{
	struct rig *rig = rig_make();
	struct tp_addr client[2] = {
		rig_addr("198.18.1.1", 40000), rig_addr("fd00:198:18::11", 40000)};
	struct tp_addr listener[2] = {
		rig_addr("198.18.0.2", 3478), rig_addr("fd00:198:18::2", 3478)};
	struct tp_addr relay[2] = {
		rig_addr("198.18.0.2", 50001), rig_addr("fd00:198:18::2", 50001)};
	struct tp_addr peer[2] = {rig_addr("198.18.2.2", 6000), rig_addr("fd00:198:18::99", 6000)};
	static struct seed seeds[SEEDS];
	struct rte_mbuf *m[32];
	void *fence[32];

	dp_worker_set_link(rig->w, &rig->link);
	dp_pipeline_begin(rig->w);
	for (uint32_t i = 0; i < 2; i++) {
		rig_allocate(rig, 3 + i, client[i], listener[i], relay[i], (struct tp_addr){0}, 0);
		rig_permit(rig, 3 + i, peer[i].ip, RIG_NOW + 300 * RIG_SECOND);
		rig_bind(rig, 3 + i, peer[i], RIG_CHANNEL, RIG_NOW + 300 * RIG_SECOND);
	}
	make_seeds(seeds, client, listener, relay, peer);
	for (uint32_t round = 0; round < ROUNDS; round += 32) {
		for (uint32_t i = 0; i < 32; i++) {
			struct seed frame = seeds[pick(SEEDS)];
			frame.length = mutate(frame.bytes, frame.length);
			m[i] = tight_mbuf(rig, frame.bytes, frame.length, &fence[i]);
		}
		dp_pipeline_run(rig->w, m, 32, 0, rig->now_ns);
		for (uint32_t i = 0; i < 32; i++)
			ASAN_UNPOISON_MEMORY_REGION(fence[i], FENCE_BYTES);
		drain(rig);
		rig_books_close(rig);
		rig->now_ns += RIG_SECOND / 100;
		dp_pipeline_tick(rig->w, rig->now_ns);
	}
	// Most are damaged, but enough pass for the test to have reached every step.
	assert_true(rig_counter(rig, channel_up) > ROUNDS / 200);
	assert_true(rig_counter(rig, channel_down) > ROUNDS / 200);
	assert_true(rig_counter(rig, send_up) > ROUNDS / 200);
	assert_true(rig_counter(rig, binding) > ROUNDS / 200);
	assert_true(rig_counter(rig, icmp_down) > ROUNDS / 400);
	assert_true(rig_counter(rig, fragments_in) > ROUNDS / 200);
	rig_end(rig);
}

static void test_noise_does_no_harm(void **state)
{
	struct rig *rig = rig_make();
	uint8_t bytes[1500];

	for (int i = 0; i < 5000; i++) {
		size_t length = pick(sizeof(bytes));
		rig_random(bytes, length);
		if (length > 14 && pick(2))
			oracle_put16(bytes + 12, pick(2) ? 0x0800 : 0x86dd);
		rig_receive(rig, bytes, length);
		rig_forget(rig);
	}
	assert_int_equal(rig_drops(rig), 5000);
	rig_end(rig);
}

static const struct CMUnitTest tests[] = {
	cmocka_unit_test(test_damaged_frames_do_no_harm),
	cmocka_unit_test(test_noise_does_no_harm),
};
RIG_TESTS(tests)
