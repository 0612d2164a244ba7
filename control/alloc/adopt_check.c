// SPDX-License-Identifier: BSD-3-Clause
// What a record must look like to be taken over.
#include "control/alloc/adopt_check.h"

#include "common/abi/region.h"
#include "common/base/clock.h"
#include "common/wire/chandata.h"
#include "control/alloc/peer.h"

#define MAC_KEY_MIN 20 // bytes, RFC 7635 section 6.2

static bool ip_sane(const struct tp_ip *ip)
{
	size_t length = tp_ip_length(ip);
	if (length == 0 || ip->pad[0] || ip->pad[1] || ip->pad[2])
		return false;
	for (size_t i = length; i < sizeof(ip->bytes); i++)
		if (ip->bytes[i])
			return false;
	return true;
}

bool ctl_adopt_addr_sane(const struct tp_addr *a)
{
	return ip_sane(&a->ip) && a->pad == 0;
}

static bool addr_absent(const struct tp_addr *a)
{
	static const struct tp_addr none;
	return tp_addr_equal(a, &none);
}

// A client by UDP has no connection, any other one has. Only of those a proxy stands in between,
// which may be reached by another family than the listener's.
static bool stream_sane(uint8_t transport, struct tp_stream_client stream)
{
	if (transport == CTL_TRANSPORT_UDP)
		return stream.stream == 0 && stream.connection == 0;
	return transport <= CTL_TRANSPORT_DTLS && stream.stream != 0 && stream.connection != 0;
}

static bool realm_known(const struct ctl_store *s, uint64_t tag)
{
	for (size_t i = 0; i < s->policy.n_realms; i++)
		if (s->policy.realm_tag[i] == tag)
			return true;
	return tag == 0 || (tag == CTL_TAG_SYNTHETIC && s->policy.synthetic);
}

static bool user_sane(const struct ctl_store *s, const struct tp_alloc_record *r)
{
	if (r->user_length == 0 || r->user_length > CTL_USER_MAX_BYTES)
		return false;
	if (r->user_length <= TP_RECORD_NAME_INLINE)
		return r->user_more == TP_INDEX_NONE;
	if (r->user_more >= s->name_capacity)
		return false;
	const struct tp_name_record *n = &s->names[r->user_more];
	return !ctl_record_torn(&n->sequence) && n->layout == TP_NAME_LAYOUT &&
	       n->state == TP_RECORD_LIVE && n->owner.index == r->self.index &&
	       n->owner.generation == r->self.generation;
}

static bool before_sane(const struct tp_alloc_record *r)
{
	static const struct tp_record_place none;
	struct tp_addr client = ctl_before_client(r);
	if (r->before.family == TP_FAMILY_NONE)
		return memcmp(&r->before, &none, sizeof(none)) == 0 &&
		       stream_sane(CTL_TRANSPORT_UDP, r->before_stream);
	return r->ticket > 2 && ctl_adopt_addr_sane(&client) && client.port != 0 &&
	       stream_sane(r->before.transport, r->before_stream);
}

// A client on the move is one that may, and has gone somewhere else. That its new listener is
// configured, and the five-tuple free, is seen later: else only the move is over.
static bool mobility_sane(const struct tp_alloc_record *r)
{
	static const uint8_t none[sizeof(r->move_ip)];
	struct tp_addr client = ctl_move_client(r);
	if (!ctl_moving(r))
		return memcmp(r->move_ip, none, sizeof(none)) == 0 && r->move_port == 0 &&
		       r->move_transport == 0 && r->move_listener == 0 &&
		       stream_sane(CTL_TRANSPORT_UDP, r->move_stream) &&
		       r->before.family == TP_FAMILY_NONE && before_sane(r);
	return r->ticket > 1 && ctl_adopt_addr_sane(&client) && client.port != 0 &&
	       stream_sane(r->move_transport, r->move_stream) && before_sane(r);
}

static enum ctl_adopt_reason check_deadline(
	const struct ctl_store *s, uint64_t deadline_ns, uint32_t lifetime_s, struct ctl_time now)
{
	uint64_t limit_s =
		CTL_PLAUSIBLE_LIFETIME > lifetime_s ? CTL_PLAUSIBLE_LIFETIME : lifetime_s;
	if (deadline_ns <= now.now_ns)
		return CTL_ADOPT_EXPIRED;
	return deadline_ns - now.now_ns > limit_s * TP_NS_PER_S ? CTL_ADOPT_DEADLINE
								: CTL_ADOPT_ACCEPTED;
}

// A key that no token has would be one that anybody knows.
static bool mac_key_sane(const struct tp_alloc_record *r)
{
	return r->mac_key_length == 0 ||
	       (r->mac_key_length >= MAC_KEY_MIN && r->mac_key_length <= TP_RECORD_MAC_KEY_BYTES);
}

// The allocation's and those of its families; one that is over while another is not is only closed
// (ctl_family_expire).
static enum ctl_adopt_reason check_deadlines(
	const struct ctl_store *s, const struct tp_alloc_record *r, struct ctl_time now)
{
	enum ctl_adopt_reason result =
		check_deadline(s, r->deadline_ns, s->policy.allocation_max_s, now);
	bool any = false;
	for (int i = 0; i < 2 && result == CTL_ADOPT_ACCEPTED; i++) {
		uint64_t deadline_ns = r->family_deadline_ns[i];
		if (!ctl_has_relay(r, i ? TP_FAMILY_IPV6 : TP_FAMILY_IPV4))
			continue;
		if (deadline_ns > now.now_ns)
			result = check_deadline(s, deadline_ns, s->policy.allocation_max_s, now);
		any |= deadline_ns == 0 || deadline_ns > now.now_ns;
	}
	return result == CTL_ADOPT_ACCEPTED && !any ? CTL_ADOPT_EXPIRED : result;
}

// Everything but what needs the other records.
enum ctl_adopt_reason ctl_adopt_check_alloc(
	const struct ctl_store *s, uint32_t index, struct ctl_time now)
{
	const struct tp_alloc_record *r = &s->allocs[index];
	if (ctl_record_torn(&r->sequence))
		return CTL_ADOPT_TORN;
	// ABI 1.1 called it 1 already, when it had its present size.
	if (r->layout != TP_ALLOC_LAYOUT && r->layout != TP_ALLOC_LAYOUT_BEFORE)
		return CTL_ADOPT_LAYOUT;
	if (r->state != TP_RECORD_LIVE && r->state != TP_RECORD_RESTING)
		return CTL_ADOPT_STATE;
	if (r->self.index != index || r->self.generation == 0)
		return CTL_ADOPT_IDENTITY;
	if (r->state == TP_RECORD_RESTING)
		return CTL_ADOPT_ACCEPTED;
	if (!ctl_adopt_addr_sane(&r->client) || !ctl_adopt_addr_sane(&r->listener) ||
		r->client.port == 0 ||
		(r->transport == CTL_TRANSPORT_UDP &&
			r->client.ip.family != r->listener.ip.family) ||
		!stream_sane(r->transport, r->stream))
		return CTL_ADOPT_CLIENT;
	if (ctl_listener_find(s, &r->listener, r->transport) == TP_INDEX_NONE)
		return CTL_ADOPT_LISTENER;
	if (!ctl_adopt_addr_sane(&r->relay[0]) ||
		!(addr_absent(&r->relay[1]) ||
			(ctl_adopt_addr_sane(&r->relay[1]) &&
				r->relay[1].ip.family != r->relay[0].ip.family)))
		return CTL_ADOPT_RELAY;
	if (ctl_over_tcp(r) && (r->transport == CTL_TRANSPORT_UDP || r->ticket || r->reservation))
		return CTL_ADOPT_RELAY;
	if (!realm_known(s, r->realm_tag))
		return CTL_ADOPT_REALM;
	if (!mobility_sane(r))
		return CTL_ADOPT_MOBILITY;
	if (!user_sane(s, r) || !mac_key_sane(r))
		return CTL_ADOPT_USER;
	return check_deadlines(s, r, now);
}

enum ctl_adopt_reason ctl_adopt_check_peer(
	const struct ctl_store *s, const struct tp_peer_record *p, struct ctl_time now)
{
	if (ctl_record_torn(&p->sequence))
		return CTL_ADOPT_TORN;
	if (p->layout != TP_PEER_LAYOUT)
		return CTL_ADOPT_LAYOUT;
	if (p->state != TP_RECORD_LIVE ||
		(p->kind != TP_PEER_PERMISSION && p->kind != TP_PEER_CHANNEL))
		return CTL_ADOPT_STATE;
	const struct tp_alloc_record *r = ctl_live(s, p->owner);
	if (!r)
		return CTL_ADOPT_ORPHAN;
	bool channel = p->kind == TP_PEER_CHANNEL;
	if (!ctl_adopt_addr_sane(&p->peer) || !ctl_has_relay(r, p->peer.ip.family) ||
		(channel ? !chandata_channel_ok(p->channel, CHANDATA_CHANNEL_MAX_RFC5766) ||
					p->peer.port == 0
			 : p->channel != 0 || p->peer.port != 0))
		return CTL_ADOPT_PEER;
	uint32_t lifetime_s = channel ? s->policy.channel_s : s->policy.permission_s;
	enum ctl_adopt_reason deadline = check_deadline(s, p->deadline_ns, lifetime_s, now);
	if (deadline != CTL_ADOPT_ACCEPTED)
		return deadline;
	if (r->peers >= CTL_PEERS_PER_ALLOCATION)
		return CTL_ADOPT_TOO_MANY;
	for (uint32_t i = r->first_peer; i != TP_INDEX_NONE; i = s->peers[i].next) {
		const struct tp_peer_record *o = &s->peers[i];
		if (o->kind == p->kind && (tp_addr_equal(&o->peer, &p->peer) ||
						  (channel && o->channel == p->channel)))
			return CTL_ADOPT_DUPLICATE_PEER;
	}
	return CTL_ADOPT_ACCEPTED;
}
