// SPDX-License-Identifier: BSD-3-Clause
// The ACL against an oracle that shares nothing with it: addresses are 128-bit numbers, prefixes a
// list in text, and what is embedded is cut out of the number by shifts.
#include "control/alloc/acl.h"

#include <stdio.h>

#include "tests/unit/control/world.h"

typedef unsigned __int128 big;

// ---- The oracle.

struct rule {
	int family;
	big base;
	int bits;
};

static big number(const struct tp_ip *a)
{
	big n = 0;
	for (int i = 0; i < (a->family == TP_FAMILY_IPV4 ? 4 : 16); i++)
		n = n << 8 | a->bytes[i];
	return n;
}

static struct tp_ip from_number(int family, big n)
{
	struct tp_ip out = {.family = (uint8_t)family};
	for (int i = family == TP_FAMILY_IPV4 ? 3 : 15; i >= 0; i--, n >>= 8)
		out.bytes[i] = (uint8_t)n;
	return out;
}

static struct rule parse(const char *text)
{
	char copy[64];
	snprintf(copy, sizeof(copy), "%s", text);
	char *slash = strchr(copy, '/');
	int bits = atoi(slash + 1);
	*slash = '\0';
	struct tp_ip a = ip(copy);
	return (struct rule){a.family, number(&a), bits};
}

// The texts are literals: each is parsed once.
static struct rule remembered(const char *text)
{
	static struct {
		const char *text;
		struct rule rule;
	} memory[128];
	size_t i = 0;
	while (i < 127 && memory[i].text && memory[i].text != text)
		i++;
	if (memory[i].text != text) {
		memory[i].text = text;
		memory[i].rule = parse(text);
	}
	return memory[i].rule;
}

// One bit after the other.
static bool covers(const char *text, int family, big n)
{
	struct rule r = remembered(text);
	int width = family == TP_FAMILY_IPV4 ? 32 : 128;
	if (r.family != family)
		return false;
	for (int i = 0; i < r.bits; i++)
		if ((r.base >> (width - 1 - i) & 1) != (n >> (width - 1 - i) & 1))
			return false;
	return true;
}

static const char *const special[] = {"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8",
	"169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4", "240.0.0.0/4", "::/128",
	"::1/128", "fe80::/10", "fec0::/10", "fc00::/7", "ff00::/8", "64:ff9b:1::/48", "2001::/32",
	"2002::/16", NULL};
static const char *const allow[] = {"10.1.2.0/23", "fd00:198:18::/64", "192.168.1.77/32",
	"172.16.0.0/13", "fe80::dead:0/109", "64:ff9b:1::/96", "2002::/17", "2001::/33", NULL};
static const char *const deny[] = {
	"8.8.8.0/29", "10.1.3.128/25", "2001:db8:0:8000::/49", "198.18.7.8/31", NULL};
static const char *const relays[] = {"198.18.0.2/32", "10.0.0.5/32", "203.0.113.5/32",
	"198.18.7.0/26", "fd00:198:18::2/128", NULL};
static const char *const own[] = {"198.18.0.9/32", "fd00:198:18::9/128", "10.1.2.3/32", NULL};
static const char *const listeners[] = {
	"198.18.0.2/32", "fd00:198:18::2/128", "198.18.0.8/32", NULL}; // port 50001 each

static bool any(const char *const *list, int family, big n)
{
	for (; *list; list++)
		if (covers(*list, family, n))
			return true;
	return false;
}

static bool admits(int family, big n, uint16_t port)
{
	if (any(listeners, family, n) && port == 50001)
		return false;
	if (any(deny, family, n))
		return false;
	if (any(relays, family, n))
		return port == 0 || (port >= 50000 && port <= 50099);
	if (any(own, family, n) || any(listeners, family, n))
		return false;
	if (any(allow, family, n))
		return true;
	return !any(special, family, n);
}

static bool oracle(const struct tp_addr *peer)
{
	int family = peer->ip.family;
	big n = number(&peer->ip);
	if (!admits(family, n, peer->port))
		return false;
	if (family == TP_FAMILY_IPV4)
		return true;
	big low = n & 0xffffffff;
	bool tail = (n >> 32 == 0 && n > 1) || n >> 32 == 0xffff || n >> 32 == (big)0xffff << 16 ||
		    covers("64:ff9b::/96", 6, n) || covers("64:ff9b:1::/48", 6, n);
	if (tail && !admits(TP_FAMILY_IPV4, low, peer->port))
		return false;
	uint32_t identifier = (uint32_t)(n >> 32);
	if ((identifier == 0x5efe || identifier == 0x02005efe) &&
		!admits(TP_FAMILY_IPV4, low, peer->port))
		return false;
	if (covers("2002::/16", 6, n) && !admits(TP_FAMILY_IPV4, n >> 80 & 0xffffffff, peer->port))
		return false;
	if (covers("2001::/32", 6, n) &&
		(!admits(TP_FAMILY_IPV4, n >> 64 & 0xffffffff, peer->port) ||
			!admits(TP_FAMILY_IPV4, ~low & 0xffffffff, peer->port)))
		return false;
	return true;
}

// ---- Both, side by side.

static size_t to_prefixes(const char *const *text, struct ctl_acl_prefix *out)
{
	size_t n = 0;
	for (; text[n]; n++) {
		struct rule r = parse(text[n]);
		out[n] = (struct ctl_acl_prefix){from_number(r.family, r.base), (uint8_t)r.bits};
	}
	return n;
}

static int setup(void **state)
{
	struct ctl_acl_prefix a[16], d[16], r[16], o[16], l[16];
	struct tp_ip own_ip[16];
	struct tp_addr listener[16];
	struct ctl_acl_options options = {.allow = a,
		.deny = d,
		.relays = r,
		.own = own_ip,
		.listeners = listener,
		.port_min = 50000,
		.port_max = 50099};
	options.n_allow = to_prefixes(allow, a);
	options.n_deny = to_prefixes(deny, d);
	options.n_relays = to_prefixes(relays, r);
	options.n_own = to_prefixes(own, o);
	options.n_listeners = to_prefixes(listeners, l);
	for (size_t i = 0; i < options.n_own; i++)
		own_ip[i] = o[i].address;
	for (size_t i = 0; i < options.n_listeners; i++)
		listener[i] = (struct tp_addr){.ip = l[i].address, .port = 50001};
	return ctl_acl_create(&options, (struct ctl_acl **)state);
}

static int teardown(void **state)
{
	ctl_acl_destroy(*state);
	return 0;
}

static void compare(const struct ctl_acl *acl, int family, big n)
{
	static const uint16_t ports[] = {0, 22, 49999, 50000, 50001, 50099, 50100};
	for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		struct tp_addr peer = {.ip = from_number(family, n), .port = ports[i]};
		bool got = ctl_acl_check(acl, &peer) == CTL_ACL_ALLOWED;
		if (got != oracle(&peer)) {
			char text[TP_ADDR_STRLEN];
			fail_msg("%s: %d", tp_addr_format(&peer, text), got);
		}
	}
}

// The IPv4 address itself, and in every form of IPv6 that carries it.
static void compare_forms(const struct ctl_acl *acl, uint32_t v4, big noise)
{
	big v = v4, low_noise = noise & 0xffffffff;
	compare(acl, TP_FAMILY_IPV4, v);
	compare(acl, TP_FAMILY_IPV6, v);
	compare(acl, TP_FAMILY_IPV6, (big)0xffff << 32 | v);
	compare(acl, TP_FAMILY_IPV6, (big)0xffff << 48 | v);
	compare(acl, TP_FAMILY_IPV6, (big)0x2a01 << 112 | (big)0x5efe << 32 | v);
	compare(acl, TP_FAMILY_IPV6, noise << 64 | (big)0x02005efe << 32 | v);
	compare(acl, TP_FAMILY_IPV6, (big)0x0064ff9b << 96 | v);
	compare(acl, TP_FAMILY_IPV6, (big)0x0064ff9b << 96 | (big)1 << 80 | v);
	compare(acl, TP_FAMILY_IPV6, (big)0x2002 << 112 | v << 80 | (noise & 0xffffffffffffffff));
	compare(acl, TP_FAMILY_IPV6, (big)0x20010000 << 96 | v << 64 | low_noise);
	compare(acl, TP_FAMILY_IPV6,
		(big)0x20010000 << 96 | (big)0x01020304 << 64 | (~v & 0xffffffff));
	// Public Teredo server and client: allowed unless v4 says no.
	compare(acl, TP_FAMILY_IPV6,
		(big)0x20010000 << 96 | v << 64 | (~(big)0x01020304 & 0xffffffff));
}

static big noise(uint64_t *seed)
{
	struct world w = {.random = *seed};
	big n = (big)world_next(&w) << 64 | world_next(&w);
	*seed = w.random;
	return n;
}

static void every_boundary(void **state)
{
	static const char *const *const lists[] = {special, allow, deny, relays, own, listeners};
	uint64_t seed = 1;
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (const char *const *text = lists[i]; *text; text++) {
			struct rule r = parse(*text);
			int width = r.family == TP_FAMILY_IPV4 ? 32 : 128;
			big size = r.bits == 0 ? 0 : (big)1 << (width - r.bits);
			const big at[] = {r.base - 1, r.base, r.base + 1, r.base + size / 2,
				r.base + size - 2, r.base + size - 1, r.base + size};
			for (size_t k = 0; k < sizeof(at) / sizeof(at[0]); k++) {
				if (r.family == TP_FAMILY_IPV4)
					compare_forms(*state, (uint32_t)at[k], noise(&seed));
				else
					compare(*state, TP_FAMILY_IPV6, at[k]);
			}
		}
}

static void around_the_embedding_prefixes(void **state)
{
	static const char *const prefixes[] = {"::/96", "::ffff:0:0/96", "::ffff:0:0:0/96",
		"2a01::5efe:0:0/96", "2a01::200:5efe:0:0/96", "2a01::a00:5efe:0:0/96",
		"64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"};
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
		struct rule r = parse(prefixes[i]);
		big size = (big)1 << (128 - r.bits);
		for (int d = -2; d <= 2; d++) {
			compare(*state, TP_FAMILY_IPV6, r.base + (big)d);
			compare(*state, TP_FAMILY_IPV6, r.base + size + (big)d);
		}
	}
}

static void random_addresses(void **state)
{
	uint64_t seed = 42;
	for (int i = 0; i < 3000; i++) {
		big n = noise(&seed);
		compare_forms(*state, (uint32_t)(n >> 64), n);
		compare(*state, TP_FAMILY_IPV6, n);
	}
}

// Prefixes of any length anywhere, not only on byte boundaries.
static void random_prefixes(void **state)
{
	uint64_t seed = 77;
	for (int i = 0; i < 3000; i++) {
		big n = noise(&seed);
		int family = n & 1 ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4;
		int width = family == TP_FAMILY_IPV4 ? 32 : 128;
		int bits = 1 + (int)((uint64_t)(n >> 8) % (uint64_t)width);
		big base = noise(&seed) >> (128 - width);
		// Public, so that only the prefix decides.
		base = family == TP_FAMILY_IPV4 ? (base & 0xffffff) | 0x2d000000
						: (base & (((big)1 << 120) - 1)) | (big)0x2a << 120;
		base = base >> (width - bits) << (width - bits);
		big size = (big)1 << (width - bits);
		struct ctl_acl_prefix denied = {from_number(family, base), (uint8_t)bits};
		struct ctl_acl_options options = {.deny = &denied, .n_deny = 1};
		struct ctl_acl *acl;
		assert_int_equal(ctl_acl_create(&options, &acl), 0);
		const struct {
			big at;
			bool inside;
		} probe[] = {{base, true}, {base + size - 1, true}, {base + size / 2, true},
			{base - 1, false}, {base + size, false}};
		for (size_t k = 0; k < sizeof(probe) / sizeof(probe[0]); k++) {
			// A short prefix' neighbours may be special or wrap around: skip those.
			big top = probe[k].at >> (width - 8);
			if (!probe[k].inside && top != (family == TP_FAMILY_IPV4 ? 0x2d : 0x2a))
				continue;
			struct tp_addr peer = {.ip = from_number(family, probe[k].at), .port = 5};
			assert_int_equal(
				ctl_acl_check(acl, &peer) == CTL_ACL_DENIED, probe[k].inside);
		}
		ctl_acl_destroy(acl);
	}
}

static void named_cases(void **state)
{
	struct ctl_acl *acl;
	struct ctl_acl_options none = {};
	assert_int_equal(ctl_acl_create(&none, &acl), 0);
	static const char *const denied[] = {"0.0.0.0", "127.0.0.1", "169.254.1.1", "10.0.0.1",
		"172.31.255.255", "192.168.0.1", "100.127.255.255", "224.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::10.0.0.1",
		"2002:7f00:1::1", "2002:c0a8:101::", "2001:0:a00:1::", "64:ff9b::7f00:1",
		"64:ff9b:1::808:808", "2002:808:808::1", "2001:0:102:304::fefd:fcfb",
		"::ffff:0:7f00:1", "2a01::5efe:a00:1", "2a01::200:5efe:a00:1",
		// Teredo client 127.0.0.1, inverted
		"2001:0:102:304::80ff:fffe"};
	static const char *const allowed[] = {"8.8.8.8", "198.18.0.1", "198.19.255.255",
		"172.15.255.255", "172.32.0.0", "100.63.255.255", "100.128.0.0", "2001:db8::1",
		"2606:4700::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "::ffff:0:808:808",
		"2a01::5efe:808:808", "2a01::200:5efe:808:808", "2a01::100:5efe:a00:1",
		"2a01::5eff:a00:1"};
	for (size_t i = 0; i < sizeof(denied) / sizeof(denied[0]); i++) {
		struct tp_addr peer = addr(denied[i], 1000);
		if (ctl_acl_check(acl, &peer) != CTL_ACL_SPECIAL)
			fail_msg("%s is allowed", denied[i]);
	}
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		struct tp_addr peer = addr(allowed[i], 1000);
		if (ctl_acl_check(acl, &peer) != CTL_ACL_ALLOWED)
			fail_msg("%s is denied", allowed[i]);
	}
	struct tp_addr nothing = {};
	assert_int_equal(ctl_acl_check(acl, &nothing), CTL_ACL_NOT_AN_IP);
	ctl_acl_destroy(acl);
}

static void bad_prefixes_are_refused(void **state)
{
	struct ctl_acl *acl;
	struct ctl_acl_prefix p = {ip("10.0.0.0"), 33};
	struct ctl_acl_options o = {.allow = &p, .n_allow = 1};
	assert_int_equal(ctl_acl_create(&o, &acl), -EINVAL);
	p = (struct ctl_acl_prefix){{}, 0};
	assert_int_equal(ctl_acl_create(&o, &acl), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_boundary),
		cmocka_unit_test(around_the_embedding_prefixes),
		cmocka_unit_test(random_addresses),
		cmocka_unit_test(random_prefixes),
		cmocka_unit_test(named_cases),
		cmocka_unit_test(bad_prefixes_are_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
