// SPDX-License-Identifier: BSD-3-Clause
// `allocation.list`, `.show` and `.close`.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "control/alloc/mobility.h"
#include "control/alloc/synthetic.h"
#include "control/api/operations.h"
#include "control/api/text.h"
#include "control/loop/session.h"
#include "control/loop/streams.h"
#include "control/turn/turn.h"

#define LIST_LIMIT 100

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *seconds_left(uint64_t deadline_ns)
{
	uint64_t now_ns = tp_now_ns();

	return json_real(deadline_ns > now_ns
				 ? (double)((deadline_ns - now_ns) / TP_NS_PER_MS) / 1000.0
				 : 0.0);
}

static char *id_text(const struct tp_alloc_record *record, char out[33])
{
	for (int i = 0; i < 16; i++)
		snprintf(out + 2 * i, 3, "%02x", record->uid[i]);
	return out;
}

static json_t *relayed_json(const struct ctl_store *store, const struct tp_alloc_record *record)
{
	json_t *list = json_array();

	for (int i = 0; i < 2; i++) {
		struct tp_addr relay = ctl_allocation_public_relay(store, record, i);
		if (relay.ip.family != TP_FAMILY_NONE)
			json_array_append_new(list, ctl_json_addr(&relay));
	}
	return list;
}

// Null unless a client has asked to move and has not sent from there yet (RFC 8016).
static void set_moving(
	json_t *o, const struct ctl_store *store, const struct tp_alloc_record *record)
{
	struct tp_addr client, listener;
	bool moving = ctl_allocation_moving(store, record, &client, &listener);

	json_object_set_new(o, "moving_to", moving ? ctl_json_addr(&client) : json_null());
	json_object_set_new(
		o, "moving_to_listener", moving ? ctl_json_addr(&listener) : json_null());
	json_object_set_new(o, "moving_to_transport",
		moving ? json_string(ctl_transport_name(record->move_transport)) : json_null());
}

// Whether `client` is what a proxy said. Null when its connection is not known, or not yet.
static json_t *proxied_json(const struct ctl *ctl, const struct tp_alloc_record *record)
{
	const struct ctl_stream_client *c;

	if (record->transport == CTL_TRANSPORT_UDP)
		return json_false();
	c = ctl_streams_client(ctl->streams, record->stream);
	return c ? json_boolean(c->proxied) : json_null();
}

static json_t *summary_json(
	struct ctl *ctl, const struct ctl_store *store, const struct tp_alloc_record *record)
{
	uint16_t realm = ctl_allocation_realm(store, record);
	uint8_t user[CTL_USER_MAX_BYTES];
	json_t *o = json_object();
	char id[33];

	json_object_set_new(o, "id", json_string(id_text(record, id)));
	json_object_set_new(o, "client", ctl_json_addr(&record->client));
	json_object_set_new(o, "listener", ctl_json_addr(&record->listener));
	json_object_set_new(o, "transport", json_string(ctl_transport_name(record->transport)));
	json_object_set_new(o, "proxied", proxied_json(ctl, record));
	json_object_set_new(o, "relays", json_string(ctl_over_tcp(record) ? "tcp" : "udp"));
	json_object_set_new(o, "mobile", json_boolean(ctl_allocation_mobile(record)));
	json_object_set_new(o, "moves", number(ctl_allocation_moves(record)));
	set_moving(o, store, record);
	json_object_set_new(o, "relayed", relayed_json(store, record));
	json_object_set_new(
		o, "user", ctl_json_text(user, ctl_allocation_user(store, record, user)));
	json_object_set_new(o, "synthetic", json_boolean(ctl_synthetic(record)));
	if (realm < ctl->conf->n_realms && !ctl_synthetic(record))
		json_object_set_new(o, "realm",
			ctl_json_text(ctl->conf->realms[realm], strlen(ctl->conf->realms[realm])));
	json_object_set_new(o, "started", ctl_json_wall_time(record->start_wall_ns));
	json_object_set_new(o, "expires_in_s", seconds_left(record->deadline_ns));
	json_object_set_new(o, "peers", number(record->peers));
	return o;
}

static void set_peers(
	json_t *o, const struct ctl_store *store, const struct tp_alloc_record *record)
{
	json_t *permissions = json_array(), *channels = json_array();
	uint32_t index = record->first_peer;
	const struct tp_peer_record *p;

	while ((p = ctl_peer_next(store, &index))) {
		char number_text[8];
		if (p->kind == TP_PEER_PERMISSION) {
			json_array_append_new(permissions,
				json_pack("{s:o, s:o}", "peer", ctl_json_ip(&p->peer.ip),
					"expires_in_s", seconds_left(p->deadline_ns)));
			continue;
		}
		snprintf(number_text, sizeof(number_text), "0x%04x", p->channel);
		json_array_append_new(
			channels, json_pack("{s:s, s:o, s:o}", "channel", number_text, "peer",
					  ctl_json_addr(&p->peer), "expires_in_s",
					  seconds_left(p->deadline_ns)));
	}
	json_object_set_new(o, "permissions", permissions);
	json_object_set_new(o, "channels", channels);
}

// What did not reach a client by TCP or TLS because it does not read, and what waits for it.
static void set_unread(json_t *o, const struct tp_stream_counters *c)
{
	json_object_set_new(
		o, "unread_dropped_packets", c ? number(c->dropped_packets) : json_null());
	json_object_set_new(o, "unread_dropped_bytes", c ? number(c->dropped_bytes) : json_null());
	json_object_set_new(o, "unread_queued_bytes", c ? number(c->queued_bytes) : json_null());
}

// With peers, of one that relays TCP.
static json_t *connections_json(struct ctl *ctl, const struct tp_alloc_record *record)
{
	json_t *list = json_array();
	struct ctl_far_view v;

	for (uint32_t i = 0; ctl_turn_far_view(ctl_session_turn(ctl->session), record->self, i, &v);
		i++)
		json_array_append_new(list, json_pack("{s:o, s:o, s:s}", "id", number(v.id), "peer",
						    ctl_json_addr(&v.peer), "state", v.state));
	return list;
}

static json_t *detail_json(struct ctl *ctl, const struct ctl_store *store,
	const struct tp_alloc_record *record, bool fresh)
{
	json_t *o = summary_json(ctl, store, record);

	json_object_set_new(o, "up_packets", number(record->snapshot.up_packets));
	json_object_set_new(o, "up_bytes", number(record->snapshot.up_bytes));
	json_object_set_new(o, "down_packets", number(record->snapshot.down_packets));
	json_object_set_new(o, "down_bytes", number(record->snapshot.down_bytes));
	json_object_set_new(o, "counters_live", json_boolean(fresh));
	json_object_set_new(o, "counters_read", ctl_json_wall_time(record->snapshot_wall_ns));
	set_peers(o, store, record);
	if (ctl_over_tcp(record))
		json_object_set_new(o, "connections", connections_json(ctl, record));
	return o;
}

void ctl_op_allocation_list(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	const struct ctl_store *store = ctl_session_store(ctl->session);
	const json_t *limit = json_object_get(params, "limit");
	uint32_t index = (uint32_t)json_integer_value(json_object_get(params, "after"));
	size_t left = limit ? (size_t)json_integer_value(limit) : LIST_LIMIT;
	const struct tp_alloc_record *record = NULL;
	json_t *list = json_array();

	while (store && left > 0 && (record = ctl_allocation_next(store, &index))) {
		json_array_append_new(list, summary_json(ctl, store, record));
		left--;
	}
	// `index` is where the next page starts: allocations that live throughout are listed once.
	ctl_call_reply(call, json_pack("{s:o, s:o}", "allocations", list, "next",
				     record ? number(index) : json_null()));
}

static bool selected(const struct ctl_store *store, const struct tp_alloc_record *record,
	const char *id, const struct tp_addr *client, const struct tp_addr *relayed)
{
	struct tp_addr to, by;
	char text[33];

	if (id)
		return strcasecmp(id_text(record, text), id) == 0;
	if (client)
		return tp_addr_equal(&record->client, client) ||
		       (ctl_allocation_moving(store, record, &to, &by) &&
			       tp_addr_equal(&to, client));
	for (int i = 0; i < 2; i++) {
		struct tp_addr relay = ctl_allocation_public_relay(store, record, i);
		if (tp_addr_equal(&relay, relayed) || tp_addr_equal(&record->relay[i], relayed))
			return true;
	}
	return false;
}

// Finds the allocation that the parameters name. Walks all records: operators ask, not clients.
static const struct tp_alloc_record *find(
	const struct ctl_store *store, struct ctl_call *call, const json_t *params)
{
	const char *id = json_string_value(json_object_get(params, "id"));
	const char *client = json_string_value(json_object_get(params, "client"));
	const char *relayed = json_string_value(json_object_get(params, "relayed"));
	const struct tp_alloc_record *record;
	struct tp_addr addr = {0};
	uint32_t index = 0;

	if (!id && ctl_addr_parse(client ? client : relayed, &addr)) {
		ctl_call_fail(call, CTL_RPC_INVALID_PARAMS,
			"expected an address and port like 198.18.0.2:3478 or [fd00::1]:3478");
		return NULL;
	}
	while (store && (record = ctl_allocation_next(store, &index)))
		if (selected(store, record, id, client ? &addr : NULL, &addr))
			return record;
	ctl_call_fail(call, CTL_RPC_NOT_FOUND, "no such allocation");
	return NULL;
}

struct show {
	struct ctl *ctl;
	struct ctl_call *call;
	struct tp_alloc_ref ref;
	bool fresh;
};

static void show_answer(void *context, const struct tp_stream_counters *counters)
{
	struct show *s = context;
	const struct ctl_store *store = ctl_session_store(s->ctl->session);
	const struct tp_alloc_record *record = store ? ctl_allocation_get(store, s->ref) : NULL;
	json_t *o;

	if (record) {
		o = detail_json(s->ctl, store, record, s->fresh);
		set_unread(o, counters);
		ctl_call_reply(s->call, o);
	} else {
		ctl_call_fail(s->call, CTL_RPC_NOT_FOUND, "the allocation ended meanwhile");
	}
	free(s);
}

// What the dataplane counts is there; of a connection its stream process counts, too.
static void show_counted(void *context, bool fresh)
{
	struct show *s = context;
	const struct ctl_store *store = ctl_session_store(s->ctl->session);
	const struct tp_alloc_record *record = store ? ctl_allocation_get(store, s->ref) : NULL;

	s->fresh = fresh;
	if (record && record->transport != CTL_TRANSPORT_UDP)
		ctl_streams_ask(s->ctl->streams, record->stream, show_answer, s);
	else
		show_answer(s, NULL);
}

void ctl_op_allocation_show(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	const struct tp_alloc_record *record = find(ctl_session_store(ctl->session), call, params);
	struct show *s;

	if (!record)
		return;
	s = malloc(sizeof(*s));
	if (!s) {
		ctl_call_fail(call, CTL_RPC_INTERNAL, "out of memory");
		return;
	}
	*s = (struct show){.ctl = ctl, .call = call, .ref = record->self};
	ctl_session_counters(ctl->session, record->self, show_counted, s);
}

void ctl_op_allocation_close(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	const struct tp_alloc_record *record = find(ctl_session_store(ctl->session), call, params);
	char id[33];
	int rc;

	if (!record)
		return;
	id_text(record, id);
	rc = ctl_session_close(ctl->session, record->self);
	if (rc == 0)
		ctl_call_reply(call, json_pack("{s:s}", "closed", id));
	else if (rc == -ENOTCONN)
		ctl_call_fail(call, CTL_RPC_UNAVAILABLE, "the dataplane is away; nothing closed");
	else
		ctl_call_fail(call, CTL_RPC_BUSY, "no room for the command; try again");
}
