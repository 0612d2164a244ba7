// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/source.h"

#include "dataplane/net/net.h"

bool dp_source_possible_at(
	const struct dp_worker *w, uint8_t family, const uint8_t *ip, const uint8_t *ether)
{
	static const uint8_t zero[15];

	if (family == TP_FAMILY_IPV4 && (ip[0] == 0 || ip[0] == 127 || ip[0] >= 224))
		return false;
	if (family == TP_FAMILY_IPV6 &&
		(ip[0] == 0xff || (memcmp(ip, zero, sizeof(zero)) == 0 && ip[15] <= 1)))
		return false;
	if (ether[6] & RTE_ETHER_GROUP_ADDR)
		return false;
	if (dp_local_find(w->locals, family, ip) != DP_LOCAL_NONE)
		return false;
	if (w->dp->net == NULL)
		return true;
	struct tp_ip source = {.family = family};
	memcpy(source.bytes, ip, sizeof(source.bytes));
	return dp_net_source_possible(w->dp->net, &source);
}
