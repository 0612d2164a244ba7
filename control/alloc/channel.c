// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>

#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "control/alloc/peer.h"
#include "control/alloc/permission.h"

// The binding of this pair, or TP_INDEX_NONE. -EEXIST when the number is bound to another peer, or
// the peer to another number (RFC 8656 section 12.2).
static int find_binding(const struct ctl_store *s, const struct tp_alloc_record *r,
	uint16_t channel, const struct tp_addr *peer, uint32_t *found)
{
	*found = TP_INDEX_NONE;
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = s->peers[i].next) {
		const struct tp_peer_record *p = &s->peers[i];
		if (p->kind != TP_PEER_CHANNEL)
			continue;
		bool same_number = p->channel == channel;
		bool same_peer = tp_addr_equal(&p->peer, peer);
		if (same_number != same_peer)
			return -EEXIST;
		if (same_number)
			*found = i;
	}
	return 0;
}

static int check(const struct ctl_store *s, struct tp_alloc_ref ref, uint16_t channel,
	const struct tp_addr *peer, uint32_t *found)
{
	const struct tp_alloc_record *r = ctl_live(s, ref);
	if (!r)
		return -ENOENT;
	if (!chandata_channel_ok(channel, s->policy.channel_max) || peer->port == 0)
		return -EINVAL;
	return find_binding(s, r, channel, peer, found);
}

int ctl_channel_check(const struct ctl_store *s, struct tp_alloc_ref ref, uint16_t channel,
	const struct tp_addr *peer)
{
	uint32_t found;
	return check(s, ref, channel, peer, &found);
}

int ctl_channel_bind(struct ctl_store *s, struct tp_alloc_ref ref, uint16_t channel,
	const struct tp_addr *peer, struct ctl_time now, struct ctl_change *change)
{
	uint32_t found;
	int rc = check(s, ref, channel, peer, &found);
	if (rc)
		return rc;
	rc = ctl_permission_set(s, ref, &peer->ip, now, change);
	if (rc)
		return rc;
	return ctl_peer_apply(s, ctl_live(s, ref), found, TP_PEER_CHANNEL, peer, channel,
		now.now_ns + s->policy.channel_s * TP_NS_PER_S, change);
}
