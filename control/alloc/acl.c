// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/acl.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/bytes.h"

struct prefix_list {
	struct ctl_acl_prefix *prefix;
	size_t count;
};

struct ctl_acl {
	struct prefix_list allow, deny, relays, removed;
	struct tp_addr *listeners;
	size_t n_listeners;
	struct tp_ip *own;
	size_t n_own;
	uint16_t port_min, port_max;
};

// Never reached unless peers.allow says so. 198.18.0.0/15 is not among them: it counts as public.
#define IP4(a, b, c, d)                                                                            \
	{                                                                                          \
		.bytes = {a, b, c, d}, .family = TP_FAMILY_IPV4                                    \
	}
#define IP6(...)                                                                                   \
	{                                                                                          \
		.bytes = {__VA_ARGS__}, .family = TP_FAMILY_IPV6                                   \
	}
static const struct ctl_acl_prefix special[] = {
	{IP4(0, 0, 0, 0), 8},                 // unspecified, "this network", RFC 1122
	{IP4(10, 0, 0, 0), 8},                // private, RFC 1918
	{IP4(100, 64, 0, 0), 10},             // carrier-grade NAT, RFC 6598
	{IP4(127, 0, 0, 0), 8},               // loopback
	{IP4(169, 254, 0, 0), 16},            // link-local, RFC 3927
	{IP4(172, 16, 0, 0), 12},             // private
	{IP4(192, 168, 0, 0), 16},            // private
	{IP4(224, 0, 0, 0), 4},               // multicast
	{IP4(240, 0, 0, 0), 4},               // reserved, and the limited broadcast address
	{IP6(0), 128},                        // unspecified
	{IP6([15] = 1), 128},                 // loopback
	{IP6(0xfe, 0x80), 10},                // link-local
	{IP6(0xfe, 0xc0), 10},                // site-local, RFC 3879
	{IP6(0xfc), 7},                       // unique local, RFC 4193
	{IP6(0xff), 8},                       // multicast
	{IP6(0x20, 0x01, 0, 0), 32},          // Teredo, RFC 8656 section 21.4
	{IP6(0x20, 0x02), 16},                // 6to4, likewise
	{IP6(0, 0x64, 0xff, 0x9b, 0, 1), 48}, // local-use NAT64, RFC 8215: made for private hosts
};

// ---- Embedded addresses.

#define MAX_FORMS 4

static struct tp_ip embedded4(const uint8_t *at, uint8_t mask)
{
	struct tp_ip ip = {.family = TP_FAMILY_IPV4};
	for (int i = 0; i < 4; i++)
		ip.bytes[i] = at[i] ^ mask;
	return ip;
}

static bool starts(const struct tp_ip *ip, const uint8_t *prefix, size_t bytes)
{
	return memcmp(ip->bytes, prefix, bytes) == 0;
}

// The address itself and every IPv4 address inside; returns how many.
static size_t canonical_forms(const struct tp_ip *ip, struct tp_ip form[MAX_FORMS])
{
	static const uint8_t zero[12], mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const uint8_t six_to_four[2] = {0x20, 0x02}, teredo[4] = {0x20, 0x01};
	static const uint8_t nat64[12] = {0, 0x64, 0xff, 0x9b};
	static const uint8_t translated[12] = {[8] = 0xff, [9] = 0xff};
	static const uint8_t isatap[4] = {0, 0, 0x5e, 0xfe};
	static const uint8_t nat64_local[6] = {0, 0x64, 0xff, 0x9b, 0, 1};
	size_t n = 0;
	form[n++] = *ip;
	if (ip->family != TP_FAMILY_IPV6)
		return n;
	// RFC 4291 2.5.5: mapped ::ffff:a.b.c.d and compatible ::a.b.c.d (not :: and ::1); RFC
	// 2765: translated ::ffff:0:a.b.c.d; RFC 6052 and RFC 8215: NAT64.
	bool compatible = starts(ip, zero, 12) && tp_rd32(ip->bytes + 12) > 1;
	if (compatible || starts(ip, mapped, 12) || starts(ip, translated, 12) ||
		starts(ip, nat64, 12) || starts(ip, nat64_local, 6))
		form[n++] = embedded4(ip->bytes + 12, 0);
	// RFC 3056: 2002:a.b.c.d::/48.
	if (starts(ip, six_to_four, 2))
		form[n++] = embedded4(ip->bytes + 2, 0);
	// RFC 4380: 2001:0:server:flags:port:client, the client's bits inverted.
	if (starts(ip, teredo, 4)) {
		form[n++] = embedded4(ip->bytes + 4, 0);
		form[n++] = embedded4(ip->bytes + 12, 0xff);
	}
	// RFC 5214: interface identifier [02]00:5efe:a.b.c.d under any prefix.
	if ((ip->bytes[8] & ~2) == isatap[0] && memcmp(ip->bytes + 9, isatap + 1, 3) == 0)
		form[n++] = embedded4(ip->bytes + 12, 0);
	return n;
}

// ---- Matching.

static bool in_list(const struct tp_ip *ip, const struct ctl_acl_prefix *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (ip->family == list[i].address.family &&
			tp_ip_in_prefix(ip, &list[i].address, list[i].bits))
			return true;
	return false;
}

static bool is_own(const struct ctl_acl *acl, const struct tp_ip *ip)
{
	for (size_t i = 0; i < acl->n_listeners; i++)
		if (tp_ip_equal(&acl->listeners[i].ip, ip))
			return true;
	for (size_t i = 0; i < acl->n_own; i++)
		if (tp_ip_equal(&acl->own[i], ip))
			return true;
	return false;
}

static bool is_listener(const struct ctl_acl *acl, const struct tp_ip *ip, uint16_t port)
{
	for (size_t i = 0; i < acl->n_listeners; i++)
		if (tp_ip_equal(&acl->listeners[i].ip, ip) && acl->listeners[i].port == port)
			return true;
	return false;
}

static enum ctl_acl_verdict judge(const struct ctl_acl *acl, const struct tp_ip *ip, uint16_t port)
{
	if (is_listener(acl, ip, port))
		return CTL_ACL_LISTENER;
	if (in_list(ip, acl->deny.prefix, acl->deny.count))
		return CTL_ACL_DENIED;
	if (in_list(ip, acl->relays.prefix, acl->relays.count)) {
		bool relayed = port == 0 || (port >= acl->port_min && port <= acl->port_max);
		return relayed ? CTL_ACL_ALLOWED : CTL_ACL_OWN;
	}
	if (is_own(acl, ip) || in_list(ip, acl->removed.prefix, acl->removed.count))
		return CTL_ACL_OWN;
	if (in_list(ip, acl->allow.prefix, acl->allow.count))
		return CTL_ACL_ALLOWED;
	if (in_list(ip, special, sizeof(special) / sizeof(special[0])))
		return CTL_ACL_SPECIAL;
	return CTL_ACL_ALLOWED;
}

enum ctl_acl_verdict ctl_acl_check(const struct ctl_acl *acl, const struct tp_addr *peer)
{
	if (tp_ip_length(&peer->ip) == 0)
		return CTL_ACL_NOT_AN_IP;
	struct tp_ip form[MAX_FORMS];
	size_t n = canonical_forms(&peer->ip, form);
	for (size_t i = 0; i < n; i++) {
		enum ctl_acl_verdict verdict = judge(acl, &form[i], peer->port);
		if (verdict != CTL_ACL_ALLOWED)
			return verdict;
	}
	return CTL_ACL_ALLOWED;
}

bool ctl_acl_tunnelled(const struct tp_ip *ip)
{
	static const uint8_t teredo[4] = {0x20, 0x01}, six_to_four[2] = {0x20, 0x02};
	return ip->family == TP_FAMILY_IPV6 &&
	       (starts(ip, teredo, 4) || starts(ip, six_to_four, 2));
}

const char *ctl_acl_verdict_text(enum ctl_acl_verdict verdict)
{
	static const char *const text[] = {
		[CTL_ACL_ALLOWED] = "allowed",
		[CTL_ACL_LISTENER] = "listener of this appliance",
		[CTL_ACL_DENIED] = "denied by peers.deny",
		[CTL_ACL_OWN] = "address of this appliance",
		[CTL_ACL_SPECIAL] = "special-purpose address",
		[CTL_ACL_NOT_AN_IP] = "no IP address",
	};
	return verdict < sizeof(text) / sizeof(text[0]) ? text[verdict] : NULL;
}

// ---- Creation.

static int copy_prefixes(struct prefix_list *out, const struct ctl_acl_prefix *list, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		size_t bits = 8 * tp_ip_length(&list[i].address);
		if (bits == 0 || list[i].bits > bits)
			return -EINVAL;
	}
	out->prefix = calloc(count + 1, sizeof(*out->prefix));
	if (!out->prefix)
		return -ENOMEM;
	if (count)
		memcpy(out->prefix, list, count * sizeof(*list));
	out->count = count;
	return 0;
}

static void *copy_array(const void *from, size_t count, size_t size)
{
	void *to = calloc(count + 1, size);
	if (to && count)
		memcpy(to, from, count * size);
	return to;
}

int ctl_acl_create(const struct ctl_acl_options *options, struct ctl_acl **out)
{
	*out = NULL;
	struct ctl_acl *acl = calloc(1, sizeof(*acl));
	if (!acl)
		return -ENOMEM;
	acl->port_min = options->port_min;
	acl->port_max = options->port_max;
	acl->n_listeners = options->n_listeners;
	acl->n_own = options->n_own;
	int rc = copy_prefixes(&acl->allow, options->allow, options->n_allow);
	if (!rc)
		rc = copy_prefixes(&acl->deny, options->deny, options->n_deny);
	if (!rc)
		rc = copy_prefixes(&acl->relays, options->relays, options->n_relays);
	if (!rc)
		rc = copy_prefixes(&acl->removed, options->removed, options->n_removed);
	acl->listeners =
		copy_array(options->listeners, options->n_listeners, sizeof(*options->listeners));
	acl->own = copy_array(options->own, options->n_own, sizeof(*options->own));
	if (!rc && (!acl->listeners || !acl->own))
		rc = -ENOMEM;
	if (rc) {
		ctl_acl_destroy(acl);
		return rc;
	}
	*out = acl;
	return 0;
}

void ctl_acl_destroy(struct ctl_acl *acl)
{
	if (!acl)
		return;
	free(acl->allow.prefix);
	free(acl->deny.prefix);
	free(acl->relays.prefix);
	free(acl->removed.prefix);
	free(acl->listeners);
	free(acl->own);
	free(acl);
}
