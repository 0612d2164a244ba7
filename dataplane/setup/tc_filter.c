// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/tc_filter.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "common/abi/bpf_steer.h"

static int tc_filter_name(const struct nlattr *attr, void *arg)
{
	const char **name = arg;

	if (mnl_attr_get_type(attr) == TCA_BPF_NAME &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*name = mnl_attr_get_str(attr);
	return MNL_CB_OK;
}

struct tc_filter_seen {
	const char *kind, *name;
};

static int tc_filter_attribute(const struct nlattr *attr, void *arg)
{
	struct tc_filter_seen *seen = arg;

	if (mnl_attr_get_type(attr) == TCA_KIND &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		seen->kind = mnl_attr_get_str(attr);
	else if (mnl_attr_get_type(attr) == TCA_OPTIONS && seen->kind &&
		 strcmp(seen->kind, "bpf") == 0)
		mnl_attr_parse_nested(attr, tc_filter_name, &seen->name);
	return MNL_CB_OK;
}

static int tc_filter_message(const struct nlmsghdr *message, void *arg)
{
	const struct tcmsg *tc = mnl_nlmsg_get_payload(message);
	struct tc_filter_seen seen = {0};
	struct dp_tc_filters *out = arg;

	if (message->nlmsg_type != RTM_NEWTFILTER || out->n == DP_TC_FILTERS_MAX)
		return MNL_CB_OK;
	mnl_attr_parse(message, sizeof(*tc), tc_filter_attribute, &seen);
	if (!tc->tcm_handle) // the head of a priority, not a filter
		return MNL_CB_OK;
	out->filter[out->n++] = (struct dp_tc_filter){
		.priority = TC_H_MAJ(tc->tcm_info) >> 16,
		.handle = tc->tcm_handle,
		.ours = seen.name &&
			strncmp(seen.name, TP_STEER_PREFIX, strlen(TP_STEER_PREFIX)) == 0,
	};
	return MNL_CB_OK;
}

static int tc_filters_dump(
	struct mnl_socket *socket, struct nlmsghdr *request, struct dp_tc_filters *out)
{
	char answer[32768]; // what the kernel fills a dump message up to
	unsigned int port = mnl_socket_get_portid(socket);
	ssize_t n;
	int rc;

	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(socket, answer, sizeof(answer));
		if (n < 0)
			return -errno;
		rc = mnl_cb_run(
			answer, (size_t)n, request->nlmsg_seq, port, tc_filter_message, out);
	} while (rc > MNL_CB_STOP);
	// No qdisc, no filters: kernels say so by an empty dump or by one of these.
	return rc == MNL_CB_STOP || errno == EINVAL || errno == ENOENT ? 0 : -errno;
}

int dp_tc_filters_read(uint32_t ifindex, bool egress, struct dp_tc_filters *out)
{
	char buffer[256];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct tcmsg *tc = mnl_nlmsg_put_extra_header(request, sizeof(*tc));
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int rc;

	out->n = 0;
	if (!socket)
		return -errno;
	request->nlmsg_type = RTM_GETTFILTER;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = 1;
	tc->tcm_family = AF_UNSPEC;
	tc->tcm_ifindex = (int)ifindex;
	tc->tcm_parent = TC_H_MAKE(TC_H_CLSACT, egress ? TC_H_MIN_EGRESS : TC_H_MIN_INGRESS);
	if (mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0)
		rc = -errno;
	else
		rc = tc_filters_dump(socket, request, out);
	mnl_socket_close(socket);
	return rc;
}
