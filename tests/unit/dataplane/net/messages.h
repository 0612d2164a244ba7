// SPDX-License-Identifier: BSD-3-Clause
// Hand-made rtnetlink messages, as a kernel would send them.
#pragma once

#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdalign.h>
#include <string.h>

#include <libmnl/libmnl.h>

struct message {
	alignas(8) char bytes[1024];
};

static inline void put_ip(struct nlmsghdr *m, uint16_t type, int family, const char *text)
{
	uint8_t bytes[16];

	inet_pton(family, text, bytes);
	mnl_attr_put(m, type, family == AF_INET ? 4 : 16, bytes);
}

static inline int family_of(const char *text)
{
	return strchr(text, ':') ? AF_INET6 : AF_INET;
}

static inline struct nlmsghdr *start(struct message *m, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h;

	memset(m, 0, sizeof(*m));
	h = mnl_nlmsg_put_header(m->bytes);
	h->nlmsg_type = type;
	h->nlmsg_flags = flags;
	return h;
}

// `vlan` 0: no VLAN interface, else one on `parent`.
static inline struct nlmsghdr *link_message(struct message *m, uint16_t type, int ifindex,
	unsigned int flags, uint32_t mtu, uint16_t vlan, uint32_t parent)
{
	struct nlmsghdr *h = start(m, type, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(h, sizeof(*info));

	info->ifi_family = AF_UNSPEC;
	info->ifi_index = ifindex;
	info->ifi_flags = flags;
	mnl_attr_put_u32(h, IFLA_MTU, mtu);
	if (vlan) {
		mnl_attr_put_u32(h, IFLA_LINK, parent);
		struct nlattr *linkinfo = mnl_attr_nest_start(h, IFLA_LINKINFO);
		mnl_attr_put_strz(h, IFLA_INFO_KIND, "vlan");
		struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
		mnl_attr_put_u16(h, IFLA_VLAN_ID, vlan);
		mnl_attr_put_u16(h, IFLA_VLAN_PROTOCOL, htons(0x8100));
		mnl_attr_nest_end(h, data);
		mnl_attr_nest_end(h, linkinfo);
	}
	return h;
}

static inline struct nlmsghdr *neighbour_message(struct message *m, uint16_t type, int ifindex,
	const char *ip, uint16_t state, uint8_t last_byte, uint32_t flags_ext)
{
	const uint8_t mac[6] = {2, 0, 0, 0, 0, last_byte};
	struct nlmsghdr *h = start(m, type, 0);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(h, sizeof(*nd));

	nd->ndm_family = (uint8_t)family_of(ip);
	nd->ndm_ifindex = ifindex;
	nd->ndm_state = state;
	put_ip(h, NDA_DST, family_of(ip), ip);
	if (last_byte)
		mnl_attr_put(h, NDA_LLADDR, sizeof(mac), mac);
	if (flags_ext)
		mnl_attr_put_u32(h, NDA_FLAGS_EXT, flags_ext);
	return h;
}

// `gateway` and `oif` may be NULL and 0; `prefix` "198.18.0.0" or "::" for a default route.
static inline struct nlmsghdr *route_message(struct message *m, uint16_t type, const char *prefix,
	uint8_t bits, uint32_t table, uint8_t kind, uint32_t oif, const char *gateway,
	uint32_t metric)
{
	struct nlmsghdr *h = start(m, type, 0);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));

	rt->rtm_family = (uint8_t)family_of(prefix);
	rt->rtm_dst_len = bits;
	rt->rtm_table = (uint8_t)(table < 256 ? table : RT_TABLE_COMPAT);
	rt->rtm_type = kind;
	mnl_attr_put_u32(h, RTA_TABLE, table);
	if (bits)
		put_ip(h, RTA_DST, rt->rtm_family, prefix);
	if (oif)
		mnl_attr_put_u32(h, RTA_OIF, oif);
	if (gateway)
		put_ip(h, RTA_GATEWAY, rt->rtm_family, gateway);
	if (metric)
		mnl_attr_put_u32(h, RTA_PRIORITY, metric);
	return h;
}

// Appends one hop to a RTA_MULTIPATH nest that is open.
static inline void put_hop(struct nlmsghdr *h, int oif, uint8_t flags, const char *gateway)
{
	struct rtnexthop *nh = mnl_nlmsg_get_payload_tail(h);

	memset(nh, 0, sizeof(*nh));
	nh->rtnh_ifindex = oif;
	nh->rtnh_flags = flags;
	h->nlmsg_len += RTNH_ALIGN(sizeof(*nh));
	if (gateway)
		put_ip(h, RTA_GATEWAY, family_of(gateway), gateway);
	nh->rtnh_len = (uint16_t)((char *)mnl_nlmsg_get_payload_tail(h) - (char *)nh);
}
