// SPDX-License-Identifier: BSD-3-Clause
// `relay.list`, `.ports`, `.drain`, `.undrain` and `.remove`.
#include <errno.h>
#include <stdio.h>

#include "control/alloc/relay_use.h"
#include "control/api/operations.h"
#include "control/api/text.h"
#include "control/loop/session.h"

#define PORTS_LIMIT 100

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static void set_load(json_t *o, const struct ctl_relay_load *load)
{
	json_object_set_new(o, "ports", number(load->ports));
	json_object_set_new(o, "free", number(load->free));
	json_object_set_new(o, "taken", number(load->taken));
	json_object_set_new(o, "resting", number(load->resting));
	json_object_set_new(o, "reserved", number(load->reserved));
}

// "198.18.0.2", "198.18.7.0/26": as the configuration writes it.
static json_t *place_json(const struct tp_ip *ip, uint8_t bits)
{
	char address[TP_ADDR_STRLEN], text[TP_ADDR_STRLEN + 4];

	tp_ip_format(ip, address);
	if (bits == 8 * tp_ip_length(ip))
		return json_string(address);
	snprintf(text, sizeof(text), "%s/%u", address, bits);
	return json_string(text);
}

static json_t *view_json(const struct ctl_relay_view *v)
{
	static const char *const state[] = {
		[CTL_RELAY_IN_USE] = "in_use",
		[CTL_RELAY_DRAINED] = "drained",
		[CTL_RELAY_REMOVED] = "removed",
	};
	json_t *o = json_object();

	json_object_set_new(o, "address", place_json(&v->address, v->prefix_bits));
	json_object_set_new(o, "public", place_json(&v->public_address, v->prefix_bits));
	json_object_set_new(o, "state", json_string(state[v->use]));
	json_object_set_new(o, "empty", json_boolean(ctl_relay_empty(&v->load)));
	json_object_set_new(o, "addresses", number(v->addresses));
	set_load(o, &v->load);
	return o;
}

void ctl_op_relay_list(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	const struct ctl_store *store = ctl_session_store(ctl->session);
	json_t *list = json_array();
	struct ctl_relay_view v;

	for (uint32_t i = 0; store && ctl_relay_entry(store, i, &v); i++)
		json_array_append_new(list, view_json(&v));
	ctl_call_reply(call, json_pack("{s:o}", "relays", list));
}

// `free` of a total can be given now; what drained and removed addresses have free stands apart.
static json_t *total_json(const struct ctl_relay_totals *t)
{
	json_t *o = json_object();

	json_object_set_new(o, "addresses", number(t->addresses));
	json_object_set_new(o, "drained", number(t->drained));
	json_object_set_new(o, "removed", number(t->removed));
	set_load(o, &t->load);
	json_object_set_new(o, "free", number(t->load.free - t->drained_free));
	json_object_set_new(o, "drained_free", number(t->drained_free));
	return o;
}

void ctl_op_relay_ports(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	const struct ctl_store *store = ctl_session_store(ctl->session);
	const json_t *limit = json_object_get(params, "limit");
	uint32_t index = (uint32_t)json_integer_value(json_object_get(params, "after"));
	size_t left = limit ? (size_t)json_integer_value(limit) : PORTS_LIMIT;
	struct ctl_relay_totals total[2] = {};
	json_t *list = json_array();
	struct ctl_relay_view v;

	for (; store && left > 0 && ctl_relay_single(store, index, &v); index++, left--)
		json_array_append_new(list, view_json(&v));
	if (store)
		ctl_relay_total(store, total);
	ctl_call_reply(call,
		json_pack("{s:o, s:{s:o, s:o}, s:o}", "addresses", list, "total", "ipv4",
			total_json(&total[0]), "ipv6", total_json(&total[1]), "next",
			store && ctl_relay_single(store, index, &v) ? number(index) : json_null()));
}

// The entry that the parameters name; TP_INDEX_NONE when the call was answered with why not.
static uint32_t find(const struct ctl_store *store, struct ctl_call *call, const json_t *params)
{
	const char *text = json_string_value(json_object_get(params, "address"));
	char message[160], holder[TP_ADDR_STRLEN];
	struct ctl_relay_view v;
	struct tp_ip ip;
	uint32_t entry;
	uint8_t bits;

	if (tp_prefix_parse(text, &ip, &bits)) {
		ctl_call_fail(call, CTL_RPC_INVALID_PARAMS,
			"expected an address like 198.18.0.2 or a prefix like 198.18.7.0/26");
		return TP_INDEX_NONE;
	}
	if (!store) {
		ctl_call_fail(call, CTL_RPC_UNAVAILABLE, "no dataplane was attached yet");
		return TP_INDEX_NONE;
	}
	entry = ctl_relay_find(store, &ip, bits);
	if (entry != TP_INDEX_NONE)
		return entry;
	if (ctl_relay_entry(store, ctl_relay_holder(store, &ip), &v)) {
		snprintf(message, sizeof(message), "relay.addresses has it as %s/%u; name that",
			tp_ip_format(&v.address, holder), v.prefix_bits);
		ctl_call_fail(call, CTL_RPC_NOT_FOUND, message);
	} else {
		ctl_call_fail(call, CTL_RPC_NOT_FOUND, "no such entry of relay.addresses");
	}
	return TP_INDEX_NONE;
}

static void refuse_removal(struct ctl_call *call, const struct ctl_relay_view *v)
{
	char message[160];

	if (v->use == CTL_RELAY_IN_USE)
		snprintf(message, sizeof(message), "it is in use; drain it first");
	else
		snprintf(message, sizeof(message),
			"not empty yet: %llu ports taken, %llu resting, %llu reserved",
			(unsigned long long)v->load.taken, (unsigned long long)v->load.resting,
			(unsigned long long)v->load.reserved);
	ctl_call_fail(call, CTL_RPC_CONFLICT, message);
}

static void change(
	struct ctl *ctl, struct ctl_call *call, const json_t *params, enum ctl_relay_use use)
{
	struct ctl_store *store = ctl_session_store(ctl->session);
	uint32_t entry = find(store, call, params);
	struct ctl_relay_view v;
	int rc;

	if (entry == TP_INDEX_NONE)
		return;
	rc = ctl_session_relay_use(ctl->session, entry, use);
	ctl_relay_entry(store, entry, &v);
	if (rc)
		refuse_removal(call, &v);
	else
		ctl_call_reply(call, view_json(&v));
}

void ctl_op_relay_drain(void *context, struct ctl_call *call, const json_t *params)
{
	change(context, call, params, CTL_RELAY_DRAINED);
}

void ctl_op_relay_undrain(void *context, struct ctl_call *call, const json_t *params)
{
	change(context, call, params, CTL_RELAY_IN_USE);
}

void ctl_op_relay_remove(void *context, struct ctl_call *call, const json_t *params)
{
	change(context, call, params, CTL_RELAY_REMOVED);
}
