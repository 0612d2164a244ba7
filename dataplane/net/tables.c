// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>

#include <linux/nexthop.h>
#include <linux/rtnetlink.h>

#include <libmnl/libmnl.h>

#include "common/base/log.h"
#include "dataplane/net/tables.h"

int dp_net_tables_init(struct net_tables *t, struct dp *dp, struct net_asker asker)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->dp = dp;
	t->asker = asker;
	rc = dp_net_hops_init(t);
	if (rc == 0)
		rc = dp_net_routes_init(t);
	if (rc < 0)
		dp_net_tables_fini(t);
	return rc;
}

void dp_net_tables_fini(struct net_tables *t)
{
	dp_net_hops_fini(t);
	dp_net_routes_fini(t);
}

// An address of the kernel went away or came: only worth a word when the dataplane answers for it.
static void address_apply(struct net_tables *t, const struct nlmsghdr *message)
{
	const struct nlattr *attrs[IFA_MAX + 1];
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(message);
	char text[TP_ADDR_STRLEN];
	struct tp_ip ip;

	if (!dp_net_attrs(message, sizeof(*ifa), attrs, IFA_MAX))
		return;
	if (message->nlmsg_type == RTM_NEWADDR)
		return;
	// IPv4 routes that prefer this source vanish with it, unannounced.
	t->reread = true;
	if (!t->dp->locals ||
		!dp_net_attr_ip(attrs[IFA_LOCAL] ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS],
			ifa->ifa_family, &ip))
		return;
	if (dp_local_find(t->dp->locals, ip.family, ip.bytes) != DP_LOCAL_NONE)
		tp_warning("address %s was removed from the interface: the network may no longer "
			   "deliver to it",
			tp_ip_format(&ip, text));
}

void dp_net_tables_apply(struct net_tables *t, const struct nlmsghdr *message)
{
	switch (message->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		dp_net_link_apply(t, message);
		break;
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		dp_net_neighbour_apply(t, message);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		dp_net_route_apply(t, message);
		break;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		address_apply(t, message);
		break;
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		t->reread = true; // routes by nexthop object change with it
		break;
	}
}

void dp_net_tables_dump_begin(struct net_tables *t)
{
	t->epoch++;
	t->dumping = true;
}

void dp_net_tables_dump_end(struct net_tables *t, bool complete)
{
	t->dumping = false;
	if (!complete) {
		t->reread = true;
		return;
	}
	dp_net_link_sweep(t);
	dp_net_routes_sweep(t);
	dp_net_hops_sweep(t);
	t->reread = false;
}
