// SPDX-License-Identifier: BSD-3-Clause
// With equal demand the free ports of two addresses differ by less than 5 %, whatever the pool
// looks like, and whatever came and went.
#include "control/alloc/relay_address.h"

#include "tests/unit/control/world.h"

#define LISTENERS 40

struct shape {
	const char *name;
	const char *relays[12]; // "address/bits"
	uint32_t singles;       // that many further addresses of each family
	uint16_t port_min, port_max;
	bool listeners; // LISTENERS ports of the first address are listeners'
};

static const struct shape shapes[] = {
	{"one", {"198.18.0.2/32", "fd00::2/128"}, 0, 49152, 65535, true},
	{"two", {"198.18.0.2/32", "198.18.0.3/32", "fd00::2/128", "fd00::3/128"}, 0, 49152, 65535,
		true},
	{"prefix and singles",
		{"198.18.0.2/32", "198.18.7.0/28", "198.18.0.3/32", "198.18.0.9/32", "fd00::2/128",
			"fd00:0:0:7::/124", "fd00:1::/127"},
		0, 49152, 65535, true},
	{"64 entries", {"198.18.0.2/32", "fd00::2/128"}, 31, 50000, 54095, true},
	{"a narrow range", {"198.18.7.0/29", "198.18.0.2/32", "fd00::8/125", "fd00::2/128"}, 0,
		50001, 51999, false},
};
#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

struct held {
	struct ctl_relay_port port;
	enum ctl_port_wish wish;
};

struct pool {
	struct world w; // policy and random only
	struct ctl_relays r;
	struct ctl_draw draw;
	struct held *held;
	uint32_t count;
};

static void pool_open(struct pool *p, const struct shape *shape)
{
	struct ctl_store_policy *policy = &p->w.policy;
	memset(p, 0, sizeof(*p));
	p->w.random = UINT64_C(0x123456789abcdef);
	p->draw.random = (struct ctl_random){.bytes = world_random, .context = &p->w};
	policy->port_min = shape->port_min;
	policy->port_max = shape->port_max;
	for (size_t i = 0; shape->relays[i]; i++) {
		struct ctl_relay_prefix *r = &policy->relays[policy->n_relays++];
		assert_int_equal(
			tp_prefix_parse(shape->relays[i], &r->address, &r->prefix_bits), 0);
		r->public_address = r->address;
	}
	for (uint32_t i = 0; i < 2 * shape->singles; i++) {
		struct tp_ip at = i % 2 ? ip("fd00:2::") : tp_ip4(0x0a000000u + 256 * i);
		if (i % 2)
			at.bytes[15] = (uint8_t)i;
		policy->relays[policy->n_relays++] =
			(struct ctl_relay_prefix){at, at, i % 2 ? 128 : 32};
	}
	for (uint32_t i = 0; shape->listeners && i < LISTENERS; i++)
		policy->listeners[policy->n_listeners++] =
			(struct tp_addr){.ip = policy->relays[0].address,
				.port = (uint16_t)(shape->port_min + 7 * i)};
	assert_int_equal(ctl_relays_init(&p->r, policy), 0);
	p->held = calloc((size_t)p->r.count * 65536, sizeof(*p->held));
}

static void pool_close(struct pool *p)
{
	ctl_relays_fini(&p->r);
	free(p->held);
}

static int pool_take(struct pool *p, uint8_t family, enum ctl_port_wish wish)
{
	struct held *h = &p->held[p->count];
	int rc = ctl_relays_take(&p->r, &p->draw, family, wish, &h->port);
	h->wish = wish;
	p->count += rc == 0;
	return rc;
}

static void pool_release(struct pool *p, uint32_t i)
{
	struct held h = p->held[i];
	p->held[i] = p->held[--p->count];
	ctl_relays_release(&p->r, h.port);
	if (h.wish == CTL_WISH_PAIR) {
		h.port.port++;
		ctl_relays_release(&p->r, h.port);
	}
}

// The wish of the nth taker: demand of one kind, or mixed (CTL_WISHES).
static enum ctl_port_wish wish_of(struct pool *p, enum ctl_port_wish kind)
{
	return kind == CTL_WISHES ? (enum ctl_port_wish)(world_next(&p->w) >> 40) % CTL_WISHES
				  : kind;
}

// Counts anew from the bitmaps: what is counted along the way must be the same.
static void check_counts(const struct pool *p)
{
	uint64_t sum[2][CTL_WISHES] = {};
	for (uint32_t i = 0; i < p->r.count; i++) {
		const struct ctl_relay_address *a = &p->r.address[i];
		uint32_t n[CTL_WISHES] = {};
		for (uint32_t port = p->r.port_min; port <= p->r.port_max; port++) {
			uint32_t bit = port - p->r.base;
			bool open = !(a->taken[bit / 64] >> bit % 64 & 1);
			bool next = port < p->r.port_max &&
				    !(a->taken[(bit + 1) / 64] >> (bit + 1) % 64 & 1);
			n[CTL_WISH_ANY] += open;
			n[CTL_WISH_EVEN] += open && port % 2 == 0;
			n[CTL_WISH_PAIR] += open && next && port % 2 == 0;
		}
		for (int w = 0; w < CTL_WISHES; w++) {
			assert_int_equal(a->free[w], n[w]);
			if (a->usable_at != TP_INDEX_NONE)
				sum[a->address.family == TP_FAMILY_IPV6][w] += n[w];
		}
	}
	assert_memory_equal(sum, p->r.free, sizeof(sum));
}

// Largest minus smallest number of free ports, in thousandths of the largest.
static uint32_t spread(const struct pool *p, uint8_t family)
{
	int f = family == TP_FAMILY_IPV6;
	uint32_t least = UINT32_MAX, most = 0;
	for (uint32_t i = 0; i < p->r.n_usable[f]; i++) {
		uint32_t n = p->r.address[p->r.usable[p->r.first[f] + i]].free[CTL_WISH_ANY];
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	return most ? (most - least) * 1000 / most : 0;
}

static void check_spread(
	const struct pool *p, const struct shape *s, uint8_t family, int kind, const char *when)
{
	uint32_t is = spread(p, family);
	if (is >= 50)
		fail_msg("%s, IPv%u, wish %d, %s: free ports differ by %u.%u %%", s->name, family,
			kind, when, is / 10, is % 10);
}

static void fill(struct pool *p, uint8_t family, enum ctl_port_wish kind, uint64_t until_free)
{
	int f = family == TP_FAMILY_IPV6;
	while (p->r.free[f][CTL_WISH_ANY] > until_free)
		assert_int_equal(pool_take(p, family, wish_of(p, kind)), 0);
}

// As many as there are end, at random, and others come.
static void renew(struct pool *p, uint8_t family, enum ctl_port_wish kind, unsigned int times)
{
	uint32_t n = p->count;
	for (uint32_t i = 0; i < times * n; i++) {
		pool_release(p, (uint32_t)(world_next(&p->w) >> 20) % p->count);
		assert_int_equal(pool_take(p, family, wish_of(p, kind)), 0);
	}
}

static void of_shape(const struct shape *shape, uint8_t family, enum ctl_port_wish kind)
{
	static struct pool p;
	int f = family == TP_FAMILY_IPV6;
	pool_open(&p, shape);
	uint64_t all = p.r.free[f][CTL_WISH_ANY], first[2][CTL_WISHES];
	memcpy(first, p.r.free, sizeof(first));
	// Half of the even ports, or of the ports, are taken in three steps.
	for (int step = 1; step <= 3; step++) {
		fill(&p, family, kind, all - all * (uint64_t)step / 8);
		check_spread(&p, shape, family, kind, "filling");
	}
	renew(&p, family, kind, 2);
	check_spread(&p, shape, family, kind, "after churn");
	check_counts(&p);
	// Shrinks to a tenth and grows again.
	for (uint32_t n = p.count; p.count > n / 10;)
		pool_release(&p, (uint32_t)(world_next(&p.w) >> 20) % p.count);
	fill(&p, family, kind, all - all * 3 / 8);
	check_spread(&p, shape, family, kind, "after an ebb");
	while (p.count)
		pool_release(&p, p.count - 1);
	check_counts(&p);
	assert_memory_equal(first, p.r.free, sizeof(first));
	pool_close(&p);
}

static void load_stays_equal(void **state)
{
	for (size_t i = 0; i < SHAPES; i++)
		for (int kind = 0; kind <= CTL_WISHES; kind++) {
			of_shape(&shapes[i], TP_FAMILY_IPV4, (enum ctl_port_wish)kind);
			of_shape(&shapes[i], TP_FAMILY_IPV6, (enum ctl_port_wish)kind);
		}
}

// One of several is out for a while and comes back empty: when all have been renewed once it is as
// loaded as the others.
static void a_drained_place_catches_up(void **state)
{
	static struct pool p;
	for (size_t i = 1; i < SHAPES; i++)
		for (int family = TP_FAMILY_IPV4; family <= TP_FAMILY_IPV6; family += 2) {
			const struct shape *s = &shapes[i];
			pool_open(&p, s);
			uint32_t place = 0;
			while (p.r.place[place].address.family != family)
				place++;
			uint8_t fam = (uint8_t)family;
			int f = fam == TP_FAMILY_IPV6;
			ctl_relays_set_use(&p.r, place, CTL_RELAY_DRAINED);
			fill(&p, fam, CTL_WISHES, p.r.free[f][CTL_WISH_ANY] * 7 / 10);
			check_spread(&p, s, fam, 9, "without the drained one");
			const struct ctl_relay_address *a = &p.r.address[p.r.place[place].first];
			assert_int_equal(a->free[CTL_WISH_ANY], a->ports);
			ctl_relays_set_use(&p.r, place, CTL_RELAY_IN_USE);
			assert_in_range(spread(&p, fam), 51, 1000);
			renew(&p, fam, CTL_WISHES, 2);
			check_spread(&p, s, fam, 9, "renewed with the drained one");
			check_counts(&p);
			pool_close(&p);
		}
}

// Drained addresses in a row do not load the one that follows them.
static void neighbours_of_drained_ones_get_no_more(void **state)
{
	static const struct shape row = {"a row",
		{"198.18.0.1/32", "198.18.7.0/26", "198.18.0.2/32", "198.18.0.3/32"}, 0, 49152,
		65535, false};
	static struct pool p;
	pool_open(&p, &row);
	ctl_relays_set_use(&p.r, 1, CTL_RELAY_DRAINED);
	assert_int_equal(p.r.n_usable[0], 3);
	fill(&p, TP_FAMILY_IPV4, CTL_WISH_ANY, 3 * 8192);
	check_spread(&p, &row, TP_FAMILY_IPV4, 0, "beside drained ones");
	for (uint32_t i = 0; i < p.count; i++)
		assert_int_equal(p.r.address[p.held[i].port.address].address.bytes[2], 0);
	pool_close(&p);
}

// To the last one of each kind; then no search, no more, and all come back.
static void exhaustion(void **state)
{
	static struct pool p;
	for (int kind = 0; kind < CTL_WISHES; kind++) {
		pool_open(&p, &shapes[4]);
		uint64_t first[2][CTL_WISHES];
		memcpy(first, p.r.free, sizeof(first));
		uint64_t n = first[0][kind];
		for (uint64_t i = 0; i < n; i++)
			assert_int_equal(
				pool_take(&p, TP_FAMILY_IPV4, (enum ctl_port_wish)kind), 0);
		assert_int_equal(pool_take(&p, TP_FAMILY_IPV4, (enum ctl_port_wish)kind), -ENOSPC);
		check_counts(&p);
		while (p.count)
			pool_release(&p, (uint32_t)(world_next(&p.w) >> 20) % p.count);
		assert_memory_equal(first, p.r.free, sizeof(first));
		pool_close(&p);
	}
}

// RFC 6056: whoever sees a port learns nothing of the next one. Distances between ports that come
// one after the other are spread like distances of independent ones.
static void ports_stay_unpredictable(void **state)
{
	static struct pool p;
	uint32_t sixteenth[16] = {}, repeats = 0;
	pool_open(&p, &shapes[0]);
	uint32_t last = 0;
	for (int i = 0; i < 16000; i++) {
		assert_int_equal(pool_take(&p, TP_FAMILY_IPV4, CTL_WISH_ANY), 0);
		uint32_t port = p.held[p.count - 1].port.port;
		sixteenth[(port - last) % 16384 / 1024]++;
		repeats += port == last + 1;
		last = port;
		pool_release(&p, p.count - 1);
	}
	for (int i = 0; i < 16; i++) // 1000 each, 5 sigma
		assert_in_range(sixteenth[i], 845, 1155);
	assert_in_range(repeats, 0, 8);
	pool_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(load_stays_equal),
		cmocka_unit_test(a_drained_place_catches_up),
		cmocka_unit_test(neighbours_of_drained_ones_get_no_more),
		cmocka_unit_test(exhaustion),
		cmocka_unit_test(ports_stay_unpredictable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
