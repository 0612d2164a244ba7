// SPDX-License-Identifier: BSD-3-Clause
// From a route message of the kernel to one record: which table and metric, and the first hop that
// leaves by one of our interfaces.
#include <linux/rtnetlink.h>

#include <libmnl/libmnl.h>

#include "dataplane/net/tables.h"

static bool table_rank(uint32_t table, uint8_t *rank)
{
	switch (table) {
	case RT_TABLE_LOCAL:
		*rank = 0;
		return true;
	case RT_TABLE_MAIN:
		*rank = 1;
		return true;
	case RT_TABLE_DEFAULT:
		*rank = 2;
		return true;
	}
	return false; // needs a rule; the rules are not mirrored
}

struct hop {
	uint32_t ifindex;
	const struct nlattr *gateway, *via, *encap;
	uint8_t flags;
};

// The gateway's address: RTA_GATEWAY of the route's family, or RTA_VIA of any (RFC 5549).
static bool hop_gateway(const struct hop *hop, int family, struct tp_ip *out)
{
	const struct rtvia *via;

	if (hop->gateway)
		return dp_net_attr_ip(hop->gateway, family, out);
	if (!hop->via || mnl_attr_get_payload_len(hop->via) < sizeof(*via))
		return false;
	via = mnl_attr_get_payload(hop->via);
	return dp_net_ip_from(via->rtvia_family, via->rtvia_addr,
		mnl_attr_get_payload_len(hop->via) - sizeof(*via), out);
}

// 0 when the hop is none that we can use. Takes a reference on a gateway's next hop.
static uint16_t hop_value(struct net_tables *t, const struct hop *hop, int family)
{
	int slot = dp_net_link_find(t, hop->ifindex);
	struct tp_ip gateway;

	if (slot < 0 || hop->encap || (hop->flags & (RTNH_F_DEAD | RTNH_F_LINKDOWN)))
		return 0;
	if (!hop->gateway && !hop->via)
		return (uint16_t)(NET_ON_LINK | slot);
	if (!hop_gateway(hop, family, &gateway))
		return 0;
	return dp_net_hop_hold(t, hop->ifindex, &gateway);
}

static uint16_t first_of_multipath(struct net_tables *t, const struct nlattr *multipath, int family)
{
	const char *at = mnl_attr_get_payload(multipath);
	size_t left = mnl_attr_get_payload_len(multipath);
	uint16_t value = 0;

	while (value == 0 && left >= sizeof(struct rtnexthop)) {
		const struct rtnexthop *nh = (const struct rtnexthop *)(const void *)at;
		const struct nlattr *attr, *attrs[RTA_MAX + 1] = {0};
		size_t step = RTNH_ALIGN(nh->rtnh_len);

		if (nh->rtnh_len < sizeof(*nh) || nh->rtnh_len > left)
			break;
		mnl_attr_for_each_payload(
			(const void *)(at + sizeof(*nh)), nh->rtnh_len - sizeof(*nh))
		{
			if (mnl_attr_get_type(attr) <= RTA_MAX)
				attrs[mnl_attr_get_type(attr)] = attr;
		}
		value = hop_value(t,
			&(struct hop){.ifindex = (uint32_t)nh->rtnh_ifindex,
				.gateway = attrs[RTA_GATEWAY],
				.via = attrs[RTA_VIA],
				.encap = attrs[RTA_ENCAP],
				.flags = nh->rtnh_flags},
			family);
		at += step < left ? step : left;
		left -= step < left ? step : left;
	}
	return value;
}

static uint16_t route_value(
	struct net_tables *t, const struct rtmsg *rt, const struct nlattr *const attrs[])
{
	switch (rt->rtm_type) {
	case RTN_UNICAST:
		break;
	case RTN_LOCAL:
	case RTN_BROADCAST:
	case RTN_ANYCAST:
	case RTN_MULTICAST:
		// A default route of such a kind says nothing about anybody's address.
		return rt->rtm_dst_len == 0 ? 0 : NET_NO_SENDER;
	default:
		return 0; // blackhole, unreachable, prohibit
	}
	if (attrs[RTA_MULTIPATH])
		return first_of_multipath(t, attrs[RTA_MULTIPATH], rt->rtm_family);
	return hop_value(t,
		&(struct hop){.ifindex = dp_net_attr_u32(attrs[RTA_OIF], 0),
			.gateway = attrs[RTA_GATEWAY],
			.via = attrs[RTA_VIA],
			.encap = attrs[RTA_ENCAP],
			.flags = (uint8_t)rt->rtm_flags},
		rt->rtm_family);
}

// Prefix, table and metric. False for routes that plain lookups by destination never see.
static bool parse_key(
	const struct rtmsg *rt, const struct nlattr *const attrs[], struct net_route *out)
{
	memset(out, 0, sizeof(*out));
	if (rt->rtm_src_len != 0 || rt->rtm_tos != 0 || (rt->rtm_flags & RTM_F_CLONED) ||
		rt->rtm_type == RTN_THROW)
		return false;
	if (!table_rank(dp_net_attr_u32(attrs[RTA_TABLE], rt->rtm_table), &out->rank))
		return false;
	if (!dp_net_attr_ip(attrs[RTA_DST], rt->rtm_family, &out->prefix)) {
		if (rt->rtm_dst_len != 0 ||
			(rt->rtm_family != AF_INET && rt->rtm_family != AF_INET6))
			return false;
		out->prefix.family = rt->rtm_family == AF_INET ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
	}
	if (rt->rtm_dst_len > 8 * tp_ip_length(&out->prefix))
		return false;
	out->bits = rt->rtm_dst_len;
	out->priority = dp_net_attr_u32(attrs[RTA_PRIORITY], 0);
	return true;
}

void dp_net_route_apply(struct net_tables *t, const struct nlmsghdr *message)
{
	const struct nlattr *attrs[RTA_MAX + 1];
	const struct rtmsg *rt = mnl_nlmsg_get_payload(message);
	struct net_route *there;
	struct net_route route;

	if (!dp_net_attrs(message, sizeof(*rt), attrs, RTA_MAX) || !parse_key(rt, attrs, &route))
		return;
	there = dp_net_route_find(t, &route);
	if (message->nlmsg_type == RTM_DELROUTE) {
		// With several under one key, or an IPv6 multipath that loses one hop, the message
		// does not say what is left.
		if (there && there->multiple)
			t->reread = true;
		else
			dp_net_route_remove(t, &route);
		return;
	}
	route.multiple = attrs[RTA_MULTIPATH] && rt->rtm_family == AF_INET6;
	if (t->dumping && there && there->seen == t->epoch) {
		there->multiple = true; // the first one counts
		return;
	}
	if (!t->dumping && there && (message->nlmsg_flags & NLM_F_APPEND)) {
		t->reread = true;
		return;
	}
	if (there && !t->dumping)
		route.multiple |= there->multiple && !(message->nlmsg_flags & NLM_F_REPLACE);
	route.seen = t->epoch;
	route.value = route_value(t, rt, attrs);
	dp_net_route_set(t, &route);
}
