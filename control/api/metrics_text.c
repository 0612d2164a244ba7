// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/metrics_text.h"

#include <string.h>

#include "control/api/status.h"

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP turnpike_%s %s\n# TYPE turnpike_%s %s\n", name, help, name, type);
}

static void single(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "turnpike_%s %llu\n", name, (unsigned long long)value);
}

// A label value: quotes, backslashes and control characters become '_'.
static void label(FILE *out, const char *field, size_t capacity)
{
	for (size_t i = 0; i < capacity && field[i]; i++) {
		unsigned char c = (unsigned char)field[i];
		fputc(c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? '_' : c, out);
	}
}

static void print_counters(FILE *out, const struct tp_status_reply *r)
{
	char name[64];

	for (unsigned int i = 0; i < TP_COUNTERS; i++) {
		snprintf(name, sizeof(name), "%s_total", tp_counter_name(i));
		single(out, name, "counter", tp_counter_help(i), r->counter[i]);
	}
	head(out, "drops_total", "counter", "packets dropped, by reason");
	for (unsigned int i = 0; i < TP_DROPS; i++)
		fprintf(out, "turnpike_drops_total{reason=\"%s\"} %llu\n", tp_drop_name(i),
			(unsigned long long)r->drop[i]);
}

static void print_gauges(FILE *out, const struct tp_status_reply *r)
{
	struct ctl_books books;

	ctl_books_close(r, &books);
	single(out, "held", "gauge", "packets in hand-off rings, reassembly and buffers", r->held);
	head(out, "books_difference", "gauge",
		"rx and stream_up minus tx, drops, punted, stream_down and held");
	fprintf(out, "turnpike_books_difference %lld\n", (long long)books.difference);
	single(out, "flows", "gauge", "flows in the tables", r->flows);
	single(out, "flow_capacity", "gauge", "flows that the tables hold", r->flow_capacity);
	single(out, "mbufs_free", "gauge", "free packet buffers", r->mbufs_free);
	single(out, "mbufs", "gauge", "packet buffers", r->mbufs_total);
	single(out, "workers", "gauge", "workers", r->workers);
	single(out, "workers_late", "gauge", "workers that are stuck", r->workers_late);
	single(out, "commands_total", "counter", "commands executed", r->commands);
	single(out, "commands_refused_total", "counter", "commands refused", r->commands_refused);
	single(out, "next_hops_unresolved", "gauge", "next hops without a link-layer address",
		r->next_hops_unresolved);
	single(out, "dataplane_start_time_seconds", "gauge", "start of the dataplane",
		r->started_wall_ns / UINT64_C(1000000000));
}

struct port_column {
	const char *label;
	size_t offset;
};

static void print_port_columns(FILE *out, const struct tp_status_reply *r, const char *name,
	const char *key, const char *help, const struct port_column *columns, size_t n)
{
	head(out, name, "counter", help);
	for (unsigned int p = 0; p < r->ports && p < TP_MAX_PORTS; p++) {
		for (size_t i = 0; i < n; i++) {
			uint64_t value;
			memcpy(&value, (const char *)&r->port[p] + columns[i].offset,
				sizeof(value));
			fprintf(out, "turnpike_%s{port=\"", name);
			label(out, r->port[p].name, sizeof(r->port[p].name));
			fprintf(out, "\",%s=\"%s\"} %llu\n", key, columns[i].label,
				(unsigned long long)value);
		}
	}
}

#define COLUMN(label, field)                                                                       \
	{                                                                                          \
		label, offsetof(struct tp_port_status, field)                                      \
	}
#define COLUMNS(array) array, sizeof(array) / sizeof((array)[0])

static void print_ports(FILE *out, const struct tp_status_reply *r)
{
	static const struct port_column frames[] = {COLUMN("rx", rx), COLUMN("tx", tx)};
	static const struct port_column xdp[] = {COLUMN("rx_dropped", xdp_rx_dropped),
		COLUMN("rx_ring_full", xdp_rx_ring_full),
		COLUMN("rx_fill_empty", xdp_rx_fill_empty), COLUMN("tx_invalid", xdp_tx_invalid),
		COLUMN("tx_empty", xdp_tx_empty)};
	static const struct port_column steer[] = {COLUMN("udp_listener", steer_udp_listener),
		COLUMN("udp_relay", steer_udp_relay), COLUMN("fragment", steer_fragment),
		COLUMN("icmp", steer_icmp), COLUMN("passed", steer_passed),
		COLUMN("dropped", steer_dropped), COLUMN("guard_dropped", guard_dropped)};

	print_port_columns(out, r, "port_frames_total", "direction",
		"frames that the device counted", COLUMNS(frames));
	print_port_columns(
		out, r, "xdp_total", "event", "XDP_STATISTICS of the port's sockets", COLUMNS(xdp));
	print_port_columns(out, r, "steering_total", "class",
		"frames by the verdict of the steering program", COLUMNS(steer));
	head(out, "port_link_up", "gauge", "1 when the port has a link");
	for (unsigned int p = 0; p < r->ports && p < TP_MAX_PORTS; p++) {
		fprintf(out, "turnpike_port_link_up{port=\"");
		label(out, r->port[p].name, sizeof(r->port[p].name));
		fprintf(out, "\"} %u\n", r->port[p].link_up != 0);
	}
}

static void print_ended(FILE *out, const struct ctl_store_status *s)
{
	static const char *const reason[] = {[TP_END_REFRESH_ZERO] = "refresh_zero",
		[TP_END_EXPIRED] = "expired",
		[TP_END_OPERATOR] = "operator",
		[TP_END_DATAPLANE_REFUSED] = "dataplane_refused",
		[TP_END_INCONSISTENT] = "inconsistent",
		[TP_END_CLOSED] = "closed"};

	head(out, "allocations_ended_total", "counter", "allocations ended, by reason");
	for (size_t i = TP_END_REFRESH_ZERO; i < sizeof(reason) / sizeof(reason[0]); i++)
		fprintf(out, "turnpike_allocations_ended_total{reason=\"%s\"} %llu\n", reason[i],
			(unsigned long long)s->ended[i]);
}

static void print_store(FILE *out, const struct ctl_store_status *s)
{
	single(out, "allocations", "gauge", "allocations", s->allocations);
	single(out, "allocations_synthetic", "gauge", "synthetic ones of them", s->synthetic);
	single(out, "permissions", "gauge", "permissions", s->permissions);
	single(out, "channels", "gauge", "channel bindings", s->channels);
	single(out, "users", "gauge", "users with an allocation", s->users);
	single(out, "allocation_capacity", "gauge", "allocations that there is room for",
		s->alloc_capacity);
	single(out, "allocations_created_total", "counter", "allocations created", s->created);
	print_ended(out, s);
	head(out, "relay_ports_free", "gauge", "free relay ports");
	fprintf(out,
		"turnpike_relay_ports_free{family=\"ipv4\"} %llu\n"
		"turnpike_relay_ports_free{family=\"ipv6\"} %llu\n",
		(unsigned long long)s->ports_free[0], (unsigned long long)s->ports_free[1]);
}

static void print_relays(FILE *out, const struct ctl_relay_totals t[2])
{
	static const char *const family[] = {"ipv4", "ipv6"};

	head(out, "relay_ports", "gauge",
		"relay ports by what they are; drained: free, but of an address out of use");
	for (int f = 0; f < 2; f++) {
		const struct ctl_relay_load *l = &t[f].load;
		const struct {
			const char *state;
			uint64_t value;
		} row[] = {{"free", l->free - t[f].drained_free}, {"taken", l->taken},
			{"resting", l->resting}, {"reserved", l->reserved},
			{"drained", t[f].drained_free}};
		for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
			fprintf(out, "turnpike_relay_ports{family=\"%s\",state=\"%s\"} %llu\n",
				family[f], row[i].state, (unsigned long long)row[i].value);
	}
	head(out, "relay_addresses", "gauge", "relay addresses, prefixes expanded, by their use");
	for (int f = 0; f < 2; f++)
		fprintf(out,
			"turnpike_relay_addresses{family=\"%s\",state=\"in_use\"} %u\n"
			"turnpike_relay_addresses{family=\"%s\",state=\"drained\"} %u\n"
			"turnpike_relay_addresses{family=\"%s\",state=\"removed\"} %u\n",
			family[f], t[f].addresses - t[f].drained - t[f].removed, family[f],
			t[f].drained, family[f], t[f].removed);
}

static void print_turn(FILE *out, const struct ctl_turn_counters *t)
{
	head(out, "requests_total", "counter", "TURN requests, by method");
	for (unsigned int m = 0; m < CTL_METHODS; m++)
		fprintf(out, "turnpike_requests_total{method=\"%s\"} %llu\n",
			ctl_turn_method_label(m), (unsigned long long)t->requests[m]);
	head(out, "responses_total", "counter", "TURN responses, by method and error code");
	for (unsigned int m = 0; m < CTL_METHODS; m++) {
		fprintf(out, "turnpike_responses_total{method=\"%s\",code=\"success\"} %llu\n",
			ctl_turn_method_label(m), (unsigned long long)t->successes[m]);
		for (unsigned int e = 0; e < CTL_ERRORS; e++)
			if (t->errors[m][e])
				fprintf(out,
					"turnpike_responses_total{method=\"%s\",code=\"%d\"} "
					"%llu\n",
					ctl_turn_method_label(m), ctl_turn_error_code(e),
					(unsigned long long)t->errors[m][e]);
	}
	head(out, "auth_failures_total", "counter",
		"TURN requests refused before their method, by reason");
	for (unsigned int f = 0; f < CTL_AUTH_FAILURES; f++)
		fprintf(out, "turnpike_auth_failures_total{reason=\"%s\"} %llu\n",
			ctl_auth_failure_name(f), (unsigned long long)t->auth_failures[f]);
	head(out, "oauth_tokens_total", "counter",
		"access tokens of third-party authorization, by result");
	for (unsigned int i = 0; i < CTL_OAUTH_RESULTS; i++)
		fprintf(out, "turnpike_oauth_tokens_total{result=\"%s\"} %llu\n",
			ctl_oauth_result_name(i), (unsigned long long)t->oauth[i]);
	single(out, "requests_malformed_total", "counter", "requests that are no STUN",
		t->malformed);
	single(out, "requests_replayed_total", "counter", "retransmissions answered", t->replayed);
	single(out, "requests_overload_total", "counter", "requests dropped: too many pending",
		t->overload);
	single(out, "requests_pending", "gauge", "requests that wait", t->pending);
}

static void print_beats(FILE *out, const struct ctl_watch_view *v)
{
	single(out, "manager_hangs_total", "counter",
		"times that the dataplane's management thread did not beat", v->hangs);
	if (!v->beats)
		return;
	head(out, "manager_beat_age_seconds", "gauge",
		"since the last beat of the dataplane's management thread");
	fprintf(out, "turnpike_manager_beat_age_seconds %u.%03u\n", v->manager_ms / 1000,
		v->manager_ms % 1000);
	head(out, "worker_beat_age_seconds", "gauge",
		"since the worker last passed its loop, as the management thread saw it");
	for (uint16_t i = 0; i < v->workers; i++)
		fprintf(out, "turnpike_worker_beat_age_seconds{worker=\"%u\"} %u.%03u\n", i,
			v->worker_ms[i] / 1000, v->worker_ms[i] % 1000);
}

static void print_streams(FILE *out, const struct ctl_streams_view *v)
{
	single(out, "streams_wanted", "gauge",
		"stream processes that control keeps running; 0: somebody else does", v->wanted);
	single(out, "streams_attached", "gauge", "stream processes attached to control",
		v->attached);
	single(out, "stream_clients", "gauge", "connections of TCP and TLS clients", v->clients);
	single(out, "stream_starts_total", "counter", "stream processes that control started",
		v->starts);
}

static void print_stream_notes(FILE *out, const struct ctl_stream_counters *c)
{
	const struct {
		const char *event;
		uint64_t value;
	} row[] = {{"request", c->received}, {"response", c->sent}, {"malformed", c->malformed},
		{"unannounced", c->unannounced}, {"not_listener", c->not_listener},
		{"too_many", c->too_many}, {"failing", c->failing}, {"over_budget", c->over_budget},
		{"lost", c->lost}, {"response_full", c->response_full}};

	head(out, "stream_notes_total", "counter",
		"what stream processes said and were told, and what was wrong with it");
	for (size_t i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		fprintf(out, "turnpike_stream_notes_total{event=\"%s\"} %llu\n", row[i].event,
			(unsigned long long)row[i].value);
}

void ctl_metrics_print(FILE *out, const struct ctl_metrics_input *input)
{
	single(out, "up", "gauge", "1 when the dataplane answered", input->dataplane != NULL);
	if (input->dataplane) {
		print_counters(out, input->dataplane);
		print_gauges(out, input->dataplane);
		print_ports(out, input->dataplane);
	}
	if (input->store)
		print_store(out, input->store);
	if (input->relays)
		print_relays(out, input->relays);
	if (input->turn)
		print_turn(out, input->turn);
	if (input->watch)
		print_beats(out, input->watch);
	if (input->streams)
		print_streams(out, input->streams);
	if (input->stream_notes)
		print_stream_notes(out, input->stream_notes);
	if (input->io) {
		single(out, "control_received_total", "counter", "requests taken from the workers",
			input->io->received);
		single(out, "control_inject_full_total", "counter",
			"responses lost: a worker does not drain its ring", input->io->inject_full);
	}
}
