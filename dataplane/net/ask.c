// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <stdalign.h>
#include <string.h>

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "common/base/log.h"
#include "dataplane/net/socket.h"

static struct nlmsghdr *neighbour_request(void *buffer, uint16_t type, uint16_t flags,
	uint8_t ndm_flags, uint32_t ifindex, const struct tp_ip *ip)
{
	struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
	struct ndmsg *nd;

	message->nlmsg_type = type;
	message->nlmsg_flags = NLM_F_REQUEST | flags;
	nd = mnl_nlmsg_put_extra_header(message, sizeof(*nd));
	nd->ndm_family = ip->family == TP_FAMILY_IPV4 ? AF_INET : AF_INET6;
	nd->ndm_ifindex = (int)ifindex;
	nd->ndm_flags = ndm_flags;
	mnl_attr_put(message, NDA_DST, tp_ip_length(ip), ip->bytes);
	return message;
}

int dp_net_ask_keep(struct net_socket *s, uint32_t ifindex, const struct tp_ip *ip)
{
	alignas(struct nlmsghdr) char buffer[256];
	struct nlmsghdr *message = neighbour_request(
		buffer, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE, NTF_USE, ifindex, ip);

	// A kernel before 5.16 skips the attribute and acts on NTF_USE alone.
	mnl_attr_put_u32(message, NDA_FLAGS_EXT, NTF_EXT_MANAGED);
	return dp_net_socket_request(s, message, NULL, NULL);
}

int dp_net_ask_drop(struct net_socket *s, uint32_t ifindex, const struct tp_ip *ip)
{
	alignas(struct nlmsghdr) char buffer[256];

	// NTF_USE without the extended flag leaves the entry to the kernel's own collection.
	// Deleting it would cut off whatever else of this host talks to that neighbour.
	return dp_net_socket_request(s,
		neighbour_request(buffer, RTM_NEWNEIGH, NLM_F_ACK, NTF_USE, ifindex, ip), NULL,
		NULL);
}

int dp_net_ask_state(struct net_socket *s, uint32_t ifindex, const struct tp_ip *ip,
	net_apply_fn apply, void *context)
{
	alignas(struct nlmsghdr) char buffer[256];

	return dp_net_socket_request(s,
		neighbour_request(buffer, RTM_GETNEIGH, NLM_F_ACK, 0, ifindex, ip), apply, context);
}
