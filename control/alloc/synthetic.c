// SPDX-License-Identifier: BSD-3-Clause
#include "control/alloc/synthetic.h"

#include <errno.h>

#include "common/base/clock.h"
#include "control/alloc/peer.h"

uint32_t ctl_synthetic_commands(const struct ctl_numbering *n)
{
	// One more may go for an expired predecessor.
	return 2 + (UINT32_C(1) << n->peer_bits) + (UINT32_C(1) << n->channel_bits);
}

static int make_peer(struct ctl_store *s, struct tp_alloc_ref ref, enum tp_peer_kind kind,
	const struct tp_addr *address, uint16_t channel, uint64_t *last)
{
	struct tp_alloc_record *r = ctl_live(s, ref);
	struct ctl_change change;
	ctl_change_init(&change);
	int rc = ctl_peer_apply(
		s, r, TP_INDEX_NONE, kind, address, channel, r->deadline_ns, &change);
	if (rc == 0)
		*last = change.last_sequence;
	return rc;
}

static int make_peers(
	struct ctl_store *s, const struct ctl_numbering *n, struct tp_alloc_ref ref, uint64_t *last)
{
	int rc = 0;
	for (uint32_t i = 0; rc == 0 && i < UINT32_C(1) << n->peer_bits; i++) {
		struct tp_addr peer = ctl_numbering_peer(n, i);
		peer.port = 0;
		rc = make_peer(s, ref, TP_PEER_PERMISSION, &peer, 0, last);
	}
	for (uint32_t k = 0; rc == 0 && k < UINT32_C(1) << n->channel_bits; k++) {
		struct tp_addr peer = ctl_numbering_peer(n, k);
		rc = make_peer(s, ref, TP_PEER_CHANNEL, &peer, ctl_numbering_channel(n, k), last);
	}
	return rc;
}

int ctl_synthetic_make(struct ctl_store *s, const struct ctl_numbering *n, uint32_t allocation,
	uint32_t lifetime_s, struct ctl_time now, uint64_t *last)
{
	static const uint8_t transaction_id[12];
	struct tp_addr relay = ctl_numbering_relay(n, allocation);
	struct ctl_allocation_request q = {.client = ctl_numbering_client(n, allocation),
		.listener = n->listener,
		.families = CTL_FAMILY_BIT_IPV4,
		.relay = &relay,
		.user = (const uint8_t *)CTL_USER_SYNTHETIC,
		.user_length = sizeof(CTL_USER_SYNTHETIC) - 1,
		.realm = CTL_REALM_SYNTHETIC,
		.transaction_id = transaction_id,
		.lifetime_s = lifetime_s};
	struct ctl_change change;
	if (ctl_room(s) < ctl_synthetic_commands(n))
		return -ENOBUFS;
	ctl_change_init(&change);
	int rc = ctl_allocation_create(s, &q, now, &change, NULL);
	if (rc)
		return rc;
	*last = change.last_sequence;
	return make_peers(s, n, change.alloc, last);
}

int ctl_synthetic_end(
	struct ctl_store *s, struct tp_alloc_ref ref, struct ctl_time now, uint64_t *last)
{
	const struct tp_alloc_record *r = ctl_live(s, ref);
	struct ctl_change change;
	if (!r || !ctl_synthetic(r))
		return -ENOENT;
	if (ctl_room(s) < 1)
		return -ENOBUFS;
	struct tp_cmd cmd = {.type = TP_CMD_ALLOC_DELETE, .layout = 1, .alloc = ref};
	ctl_change_init(&change);
	ctl_send(s, &cmd, &change);
	*last = change.last_sequence;
	// Nothing needs its port to rest: the dataplane forgets it before whoever gets it next.
	ctl_alloc_end(s, ref.index, TP_END_OPERATOR, now, 0);
	return 0;
}
