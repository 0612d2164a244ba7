// SPDX-License-Identifier: BSD-3-Clause
#include <sys/socket.h>

#include <libmnl/libmnl.h>

#include "dataplane/net/tables.h"

bool dp_net_attrs(const struct nlmsghdr *message, size_t header_bytes, const struct nlattr *table[],
	uint16_t max)
{
	const struct nlattr *attr;

	memset(table, 0, (max + 1u) * sizeof(table[0]));
	if (mnl_nlmsg_get_payload_len(message) < header_bytes)
		return false;
	mnl_attr_for_each(attr, message, header_bytes)
	{
		if (mnl_attr_get_type(attr) <= max)
			table[mnl_attr_get_type(attr)] = attr;
	}
	return true;
}

void dp_net_attrs_nested(const struct nlattr *nest, const struct nlattr *table[], uint16_t max)
{
	const struct nlattr *attr;

	memset(table, 0, (max + 1u) * sizeof(table[0]));
	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) <= max)
			table[mnl_attr_get_type(attr)] = attr;
	}
}

uint32_t dp_net_attr_u32(const struct nlattr *attr, uint32_t otherwise)
{
	return attr && mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : otherwise;
}

bool dp_net_ip_from(int family, const void *bytes, size_t length, struct tp_ip *out)
{
	size_t want = family == AF_INET ? 4 : 16;

	memset(out, 0, sizeof(*out));
	if ((family != AF_INET && family != AF_INET6) || length != want)
		return false;
	out->family = family == AF_INET ? TP_FAMILY_IPV4 : TP_FAMILY_IPV6;
	memcpy(out->bytes, bytes, want);
	return true;
}

bool dp_net_attr_ip(const struct nlattr *attr, int family, struct tp_ip *out)
{
	if (!attr) {
		memset(out, 0, sizeof(*out));
		return false;
	}
	return dp_net_ip_from(
		family, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr), out);
}
