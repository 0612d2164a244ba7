// SPDX-License-Identifier: BSD-3-Clause
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <libmnl/libmnl.h>

#include "common/base/log.h"
#include "dataplane/net/tables.h"

#define VLAN_PROTOCOL_8021Q 0x8100

int dp_net_link_find(const struct net_tables *t, uint32_t ifindex)
{
	for (uint32_t i = 0; ifindex && i < t->n_links; i++)
		if (atomic_load_explicit(&t->links[i].ifindex, memory_order_relaxed) == ifindex)
			return (int)i;
	return -1;
}

static int port_of(const struct net_tables *t, uint32_t ifindex)
{
	for (uint16_t i = 0; i < t->dp->n_ports; i++)
		if (ifindex && t->dp->ports[i].routes_ifindex == ifindex)
			return i;
	return -1;
}

// Port and tag of an 802.1Q interface that stands directly on one of our ports.
static bool parse_vlan(
	const struct net_tables *t, const struct nlattr *const attrs[], struct net_link *out)
{
	const struct nlattr *info[IFLA_INFO_MAX + 1], *data[IFLA_VLAN_MAX + 1];

	// A parent in another namespace has an index of that namespace.
	if (!attrs[IFLA_LINKINFO] || !attrs[IFLA_LINK] || attrs[IFLA_LINK_NETNSID])
		return false;
	dp_net_attrs_nested(attrs[IFLA_LINKINFO], info, IFLA_INFO_MAX);
	if (!info[IFLA_INFO_KIND] || !info[IFLA_INFO_DATA] ||
		mnl_attr_get_payload_len(info[IFLA_INFO_KIND]) < sizeof("vlan") ||
		strcmp(mnl_attr_get_str(info[IFLA_INFO_KIND]), "vlan") != 0)
		return false;
	dp_net_attrs_nested(info[IFLA_INFO_DATA], data, IFLA_VLAN_MAX);
	if (!data[IFLA_VLAN_ID] || mnl_attr_get_payload_len(data[IFLA_VLAN_ID]) < 2)
		return false;
	if (data[IFLA_VLAN_PROTOCOL] && mnl_attr_get_payload_len(data[IFLA_VLAN_PROTOCOL]) >= 2 &&
		mnl_attr_get_u16(data[IFLA_VLAN_PROTOCOL]) != htons(VLAN_PROTOCOL_8021Q))
		return false;
	int port = port_of(t, dp_net_attr_u32(attrs[IFLA_LINK], 0));
	if (port < 0)
		return false;
	out->port = (uint16_t)port;
	out->vlan = mnl_attr_get_u16(data[IFLA_VLAN_ID]);
	return true;
}

static bool parse_link(const struct net_tables *t, const struct ifinfomsg *info,
	const struct nlattr *const attrs[], struct net_link *out)
{
	uint32_t mtu = dp_net_attr_u32(attrs[IFLA_MTU], 1500);
	int port = port_of(t, (uint32_t)info->ifi_index);

	memset(out, 0, sizeof(*out));
	out->mtu = mtu > UINT16_MAX ? UINT16_MAX : (uint16_t)mtu;
	out->up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_RUNNING);
	atomic_init(&out->ifindex, (uint32_t)info->ifi_index);
	if (port < 0)
		return parse_vlan(t, attrs, out);
	out->port = (uint16_t)port;
	out->vlan = UINT16_MAX;
	return true;
}

static int slot_for(struct net_tables *t, uint32_t ifindex)
{
	int slot = dp_net_link_find(t, ifindex);

	for (uint32_t i = 0; slot < 0 && i < NET_LINKS_MAX; i++)
		if (atomic_load_explicit(&t->links[i].ifindex, memory_order_relaxed) == 0)
			slot = (int)i;
	return slot;
}

static void port_changed(struct net_tables *t, const struct net_link *link)
{
	struct dp_port *port = &t->dp->ports[link->port];

	if (link->vlan != UINT16_MAX)
		return;
	atomic_store_explicit(&port->mtu, link->mtu, memory_order_relaxed);
	atomic_store_explicit(&port->up, link->up, memory_order_relaxed);
}

static void link_set(struct net_tables *t, const struct net_link *fresh)
{
	uint32_t ifindex = atomic_load_explicit(&fresh->ifindex, memory_order_relaxed);
	int slot = slot_for(t, ifindex);
	struct net_link *link;
	bool is_new, moved;

	if (slot < 0) {
		tp_warning("interface %u: more than %u VLAN interfaces on our ports, not used",
			ifindex, NET_LINKS_MAX);
		return;
	}
	link = &t->links[slot];
	is_new = atomic_load_explicit(&link->ifindex, memory_order_relaxed) != ifindex;
	moved = !is_new && (link->port != fresh->port || link->vlan != fresh->vlan);
	if (moved)
		dp_net_hops_link_gone(t, ifindex);
	// The kernel drops or kills the IPv4 routes of an interface that goes down without a word.
	if (is_new || moved || link->up != fresh->up)
		t->reread = true;
	link->port = fresh->port;
	link->vlan = fresh->vlan;
	link->mtu = fresh->mtu;
	link->up = fresh->up;
	link->seen = t->epoch;
	if ((uint32_t)slot >= t->n_links)
		t->n_links = (uint32_t)slot + 1;
	atomic_store_explicit(&link->ifindex, ifindex, memory_order_release);
	port_changed(t, link);
	dp_net_hops_link_changed(t, link);
}

static void link_remove(struct net_tables *t, int slot)
{
	struct net_link *link = &t->links[slot];
	uint32_t ifindex = atomic_load_explicit(&link->ifindex, memory_order_relaxed);

	link->up = 0;
	port_changed(t, link);
	atomic_store_explicit(&link->ifindex, 0, memory_order_relaxed);
	dp_net_hops_link_gone(t, ifindex);
	t->reread = true;
}

void dp_net_link_apply(struct net_tables *t, const struct nlmsghdr *message)
{
	const struct nlattr *attrs[IFLA_MAX + 1];
	struct net_link fresh;
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
	int slot;

	// Bridges and IPv6 announce their own view of a link under their own family.
	if (!dp_net_attrs(message, sizeof(*info), attrs, IFLA_MAX) || info->ifi_family != AF_UNSPEC)
		return;
	slot = dp_net_link_find(t, (uint32_t)info->ifi_index);
	if (message->nlmsg_type == RTM_NEWLINK && parse_link(t, info, attrs, &fresh))
		link_set(t, &fresh);
	else if (slot >= 0)
		link_remove(t, slot);
}

void dp_net_link_sweep(struct net_tables *t)
{
	for (uint32_t i = 0; i < t->n_links; i++)
		if (atomic_load_explicit(&t->links[i].ifindex, memory_order_relaxed) &&
			t->links[i].seen != t->epoch)
			link_remove(t, (int)i);
}
