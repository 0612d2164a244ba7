// SPDX-License-Identifier: BSD-3-Clause
// `status` and `stats`: both ask the dataplane first and answer when it did, or when it did not
// within a second.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "control/api/operations.h"
#include "control/api/status.h"
#include "control/api/text.h"
#include "control/dpcmd/client.h"
#include "control/loop/session.h"
#include "control/loop/streams.h"
#include "control/turn/turn.h"

struct question {
	struct ctl *ctl;
	struct ctl_call *call;
};

static json_t *number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *transports_json(const struct conf_listener *l)
{
	json_t *list = json_array();

	for (uint8_t t = 0; t <= CTL_TRANSPORT_DTLS; t++)
		if (l->transports & 1u << t)
			json_array_append_new(list, json_string(ctl_transport_name(t)));
	return list;
}

static json_t *listeners_json(const struct conf *conf)
{
	json_t *list = json_array();

	for (size_t i = 0; i < conf->n_listeners; i++) {
		const struct conf_listener *l = &conf->listeners[i];
		struct tp_addr addr = {.ip = l->address, .port = l->port};
		json_array_append_new(
			list, json_pack("{s:o, s:o, s:b}", "address", ctl_json_addr(&addr),
				      "transports", transports_json(l), "udp",
				      (l->transports & CONF_TRANSPORT_UDP) != 0));
	}
	return list;
}

static void set_store(json_t *o, struct ctl_store *store)
{
	struct ctl_store_status s = {0};

	if (store)
		ctl_store_status(store, &s);
	json_object_set_new(o, "allocations", number(s.allocations));
	json_object_set_new(o, "synthetic", number(s.synthetic));
	json_object_set_new(o, "permissions", number(s.permissions));
	json_object_set_new(o, "channels", number(s.channels));
	json_object_set_new(o, "users", number(s.users));
	json_object_set_new(o, "resting", number(s.resting));
	json_object_set_new(o, "allocation_capacity", number(s.alloc_capacity));
	json_object_set_new(o, "records_free",
		json_pack("{s:o, s:o, s:o}", "allocations", number(s.allocs_free), "peers",
			number(s.peers_free), "names", number(s.names_free)));
	json_object_set_new(o, "relay_ports_free",
		json_pack("{s:o, s:o}", "ipv4", number(s.ports_free[0]), "ipv6",
			number(s.ports_free[1])));
}

// What is in force of what changes live, budgets above all.
static json_t *configuration_json(struct ctl *ctl)
{
	const struct conf *conf = ctl->conf;
	json_t *budgets = json_pack("{s:I, s:I, s:I, s:I, s:b}", "requests_per_address",
		(json_int_t)conf->unauthenticated.per_address, "requests_per_network",
		(json_int_t)conf->unauthenticated.per_network, "requests_to_control",
		(json_int_t)conf->unauthenticated.punts, "requests_unproven",
		(json_int_t)conf->unauthenticated.unproven, "in_force",
		ctl_session_settings_in_force(ctl->session));

	return json_pack("{s:o, s:o, s:o}", "file",
		ctl_json_text(conf->path ? conf->path : "", conf->path ? strlen(conf->path) : 0),
		"read", ctl_json_wall_time(ctl->conf_wall_ns), "unauthenticated", budgets);
}

static json_t *control_json(struct ctl *ctl)
{
	json_t *o = json_object();

	json_object_set_new(o, "state", json_string("up"));
	json_object_set_new(o, "version", json_string(TP_VERSION));
	json_object_set_new(o, "pid", number((uint64_t)getpid()));
	json_object_set_new(o, "started", ctl_json_wall_time(ctl->started_wall_ns));
	json_object_set_new(o, "attached", json_boolean(ctl_session_is_attached(ctl->session)));
	json_object_set_new(o, "in_step", json_boolean(ctl_session_in_step(ctl->session)));
	json_object_set_new(o, "dataplane", json_string(ctl_dataplane_state_text(ctl->dataplane)));
	json_object_set_new(o, "listeners", listeners_json(ctl->conf));
	json_object_set_new(o, "configuration", configuration_json(ctl));
	json_object_set_new(o, "beats", ctl_op_beats(ctl));
	json_object_set_new(o, "streams", ctl_op_streams(ctl));
	set_store(o, ctl_session_store(ctl->session));
	return o;
}

static struct question *question_new(struct ctl *ctl, struct ctl_call *call)
{
	struct question *q = malloc(sizeof(*q));

	if (q)
		*q = (struct question){.ctl = ctl, .call = call};
	else
		ctl_call_fail(call, CTL_RPC_INTERNAL, "out of memory");
	return q;
}

static void status_answer(void *context, const struct tp_status_reply *reply)
{
	struct question *q = context;

	ctl_call_reply(q->call, ctl_status_compose(control_json(q->ctl),
					reply ? ctl_status_dataplane_json(reply) : NULL));
	free(q);
}

void ctl_op_status(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	struct question *q = question_new(ctl, call);

	if (q)
		ctl_dataplane_status(ctl->dataplane, status_answer, q);
}

static json_t *methods_json(const struct ctl_turn_counters *c)
{
	json_t *methods = json_object();

	for (unsigned int m = 0; m < CTL_METHODS; m++) {
		json_t *errors = json_object();
		for (unsigned int e = 0; e < CTL_ERRORS; e++) {
			char code[8];
			if (c->errors[m][e] == 0)
				continue;
			snprintf(code, sizeof(code), "%d", ctl_turn_error_code(e));
			json_object_set_new(errors, code, number(c->errors[m][e]));
		}
		json_object_set_new(methods, ctl_turn_method_label(m),
			json_pack("{s:o, s:o, s:o}", "requests", number(c->requests[m]),
				"successes", number(c->successes[m]), "errors", errors));
	}
	return methods;
}

static json_t *auth_failures_json(const struct ctl_turn_counters *c)
{
	json_t *failures = json_object();

	for (unsigned int f = 0; f < CTL_AUTH_FAILURES; f++)
		json_object_set_new(
			failures, ctl_auth_failure_name(f), number(c->auth_failures[f]));
	return failures;
}

// Flat, beside the others: oauth_accepted, oauth_expired, ...
static void set_oauth(json_t *o, const struct ctl_turn_counters *c)
{
	char name[32];

	for (unsigned int i = 0; i < CTL_OAUTH_RESULTS; i++) {
		snprintf(name, sizeof(name), "oauth_%s", ctl_oauth_result_name(i));
		json_object_set_new(o, name, number(c->oauth[i]));
	}
}

static json_t *stream_notes_json(const struct ctl_stream_counters *c)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "received",
		number(c->received), "sent", number(c->sent), "malformed", number(c->malformed),
		"unannounced", number(c->unannounced), "not_listener", number(c->not_listener),
		"too_many", number(c->too_many), "failing", number(c->failing), "over_budget",
		number(c->over_budget), "lost", number(c->lost), "response_full",
		number(c->response_full));
}

json_t *ctl_op_control_stats(struct ctl *ctl)
{
	static const struct ctl_turn_counters none;
	const struct ctl_turn *turn = ctl_session_turn(ctl->session);
	const struct ctl_turn_counters *c = turn ? ctl_turn_counters(turn) : &none;
	const struct ctl_io_counters *io = ctl_session_io(ctl->session);
	json_t *o = json_object();

	json_object_set_new(o, "received", number(io->received));
	json_object_set_new(o, "sent", number(io->sent));
	json_object_set_new(o, "slots_malformed", number(io->malformed));
	json_object_set_new(o, "not_listener", number(io->not_listener));
	json_object_set_new(o, "inject_full", number(io->inject_full));
	json_object_set_new(o, "replayed", number(c->replayed));
	json_object_set_new(o, "malformed", number(c->malformed));
	json_object_set_new(o, "not_a_request", number(c->not_a_request));
	json_object_set_new(o, "refused_by_dataplane", number(c->refused_by_dataplane));
	json_object_set_new(o, "overload", number(c->overload));
	json_object_set_new(o, "pending", number(c->pending));
	json_object_set_new(o, "streams", stream_notes_json(ctl_streams_counters(ctl->streams)));
	set_oauth(o, c);
	json_object_set_new(o, "methods", methods_json(c));
	json_object_set_new(o, "auth_failures", auth_failures_json(c));
	return o;
}

static void stats_answer(void *context, const struct tp_status_reply *reply)
{
	struct question *q = context;
	json_t *result;

	if (!reply) {
		ctl_call_fail(q->call, CTL_RPC_UNAVAILABLE, "the dataplane is not answering");
		free(q);
		return;
	}
	result = ctl_status_dataplane_json(reply);
	json_object_set_new(result, "control", ctl_op_control_stats(q->ctl));
	ctl_call_reply(q->call, result);
	free(q);
}

void ctl_op_stats(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	struct question *q = question_new(ctl, call);

	if (q)
		ctl_dataplane_status(ctl->dataplane, stats_answer, q);
}
