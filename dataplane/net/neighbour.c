// SPDX-License-Identifier: BSD-3-Clause
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <libmnl/libmnl.h>

#include "dataplane/net/tables.h"

// States in which the kernel itself would send to the link-layer address.
#define STATES_USABLE                                                                              \
	(NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP)

void dp_net_neighbour_apply(struct net_tables *t, const struct nlmsghdr *message)
{
	const struct nlattr *attrs[NDA_MAX + 1];
	const struct ndmsg *nd = mnl_nlmsg_get_payload(message);
	const uint8_t *mac = NULL;
	struct tp_ip ip;

	if (!dp_net_attrs(message, sizeof(*nd), attrs, NDA_MAX) || (nd->ndm_flags & NTF_PROXY) ||
		!dp_net_attr_ip(attrs[NDA_DST], nd->ndm_family, &ip))
		return;
	if (dp_net_link_find(t, (uint32_t)nd->ndm_ifindex) < 0)
		return;
	if (message->nlmsg_type == RTM_NEWNEIGH && (nd->ndm_state & STATES_USABLE) &&
		attrs[NDA_LLADDR] &&
		mnl_attr_get_payload_len(attrs[NDA_LLADDR]) == RTE_ETHER_ADDR_LEN)
		mac = mnl_attr_get_payload(attrs[NDA_LLADDR]);
	bool there = message->nlmsg_type == RTM_NEWNEIGH;
	dp_net_hop_update(t, (uint32_t)nd->ndm_ifindex, &ip, mac,
		there && (dp_net_attr_u32(attrs[NDA_FLAGS_EXT], 0) & NTF_EXT_MANAGED),
		there && (nd->ndm_state & (NUD_PERMANENT | NUD_NOARP)));
}
