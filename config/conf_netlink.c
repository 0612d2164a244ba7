// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_netlink.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_BYTES 32768

struct request {
	struct nlmsghdr header;
	union {
		struct ifinfomsg link;
		struct rtmsg route;
	};
	char attributes[64];
};

int conf_netlink_open(void)
{
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	return sock < 0 ? -errno : sock;
}

static void request_add(struct request *r, uint16_t type, const void *value, size_t length)
{
	char *at = (char *)r + NLMSG_ALIGN(r->header.nlmsg_len);
	const struct rtattr attribute = {.rta_type = type, .rta_len = (uint16_t)RTA_LENGTH(length)};

	memcpy(at, &attribute, sizeof(attribute));
	memcpy(at + RTA_LENGTH(0), value, length);
	r->header.nlmsg_len = NLMSG_ALIGN(r->header.nlmsg_len) + (uint32_t)RTA_SPACE(length);
}

// Sends and takes the one answer into `answer`. 0 or -errno, the kernel's own included.
static int request_ask(int sock, struct request *r, struct nlmsghdr *answer)
{
	const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
	ssize_t n;

	r->header.nlmsg_flags = NLM_F_REQUEST;
	n = sendto(
		sock, r, r->header.nlmsg_len, 0, (const struct sockaddr *)&kernel, sizeof(kernel));
	if (n < 0)
		return -errno;
	do {
		n = recv(sock, answer, ANSWER_BYTES, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (!NLMSG_OK(answer, (size_t)n))
		return -EPROTO;
	if (answer->nlmsg_type == NLMSG_ERROR) {
		const struct nlmsgerr *e = NLMSG_DATA(answer);

		return e->error < 0 ? e->error : -EPROTO;
	}
	return 0;
}

static uint32_t attribute_u32(const struct rtattr *a)
{
	uint32_t value = 0;

	if (RTA_PAYLOAD(a) >= sizeof(value))
		memcpy(&value, RTA_DATA(a), sizeof(value));
	return value;
}

static void link_kind(const struct rtattr *info, struct conf_link *out, bool *vlan)
{
	size_t left = RTA_PAYLOAD(info);

	for (const struct rtattr *a = RTA_DATA(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != IFLA_INFO_KIND)
			continue;
		*vlan = strncmp(RTA_DATA(a), "vlan", RTA_PAYLOAD(a)) == 0;
		out->dummy = strncmp(RTA_DATA(a), "dummy", RTA_PAYLOAD(a)) == 0;
	}
}

int conf_netlink_link(int sock, const char *name, uint32_t index, struct conf_link *out)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
	struct nlmsghdr *answer = (struct nlmsghdr *)bytes;
	struct request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(r.link)), .nlmsg_type = RTM_GETLINK},
		.link = {.ifi_index = (int)index}};
	bool vlan = false;
	uint32_t lower = 0;
	size_t left;
	int rc;

	if (name)
		request_add(&r, IFLA_IFNAME, name, strlen(name) + 1);
	rc = request_ask(sock, &r, answer);
	if (rc)
		return rc;
	const struct ifinfomsg *link = NLMSG_DATA(answer);
	*out = (struct conf_link){.index = (uint32_t)link->ifi_index,
		.loopback = (link->ifi_flags & IFF_LOOPBACK) != 0};
	left = IFLA_PAYLOAD(answer);
	for (const struct rtattr *a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_IFNAME)
			strncpy(out->name, RTA_DATA(a), sizeof(out->name) - 1);
		else if (a->rta_type == IFLA_MASTER)
			out->master = attribute_u32(a);
		else if (a->rta_type == IFLA_LINK)
			lower = attribute_u32(a);
		else if (a->rta_type == IFLA_LINKINFO)
			link_kind(a, out, &vlan);
	}
	out->lower = vlan ? lower : 0;
	return 0;
}

int conf_netlink_route(int sock, const struct tp_ip *ip, struct conf_route *out)
{
	_Alignas(struct nlmsghdr) char bytes[ANSWER_BYTES];
	struct nlmsghdr *answer = (struct nlmsghdr *)bytes;
	size_t length = tp_ip_length(ip), left;
	struct request r = {
		.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(r.route)), .nlmsg_type = RTM_GETROUTE},
		.route = {.rtm_family = ip->family == TP_FAMILY_IPV4 ? AF_INET : AF_INET6,
			.rtm_dst_len = (uint8_t)(length * 8),
			.rtm_flags = RTM_F_FIB_MATCH | RTM_F_LOOKUP_TABLE}};
	int rc;

	request_add(&r, RTA_DST, ip->bytes, length);
	rc = request_ask(sock, &r, answer);
	if (rc)
		return rc;
	const struct rtmsg *route = NLMSG_DATA(answer);
	*out = (struct conf_route){
		.local = route->rtm_type == RTN_LOCAL, .prefix_bits = route->rtm_dst_len};
	left = RTM_PAYLOAD(answer);
	for (const struct rtattr *a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == RTA_OIF)
			out->index = attribute_u32(a);
	}
	return 0;
}
