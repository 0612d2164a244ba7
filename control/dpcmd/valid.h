// SPDX-License-Identifier: BSD-3-Clause
// Whether an address that came through shared memory or a message is one: elsewhere addresses are
// compared by memcmp, so what must be zero has to be zero.
#pragma once

#include "common/base/addr.h"

static inline bool ctl_ip_valid(const struct tp_ip *ip)
{
	static const uint8_t zero[12];

	if (ip->pad[0] || ip->pad[1] || ip->pad[2])
		return false;
	if (ip->family == TP_FAMILY_IPV4)
		return memcmp(ip->bytes + 4, zero, sizeof(zero)) == 0;
	return ip->family == TP_FAMILY_IPV6;
}

static inline bool ctl_addr_valid(const struct tp_addr *addr)
{
	return ctl_ip_valid(&addr->ip) && addr->port != 0 && addr->pad == 0;
}
