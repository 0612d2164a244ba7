// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "control/api/text.h"

int ctl_status_read(const void *message, size_t length_bytes, struct tp_status_reply *out)
{
	struct tp_message_header header;

	if (length_bytes < sizeof(header))
		return -EPROTO;
	memcpy(&header, message, sizeof(header));
	if (header.magic != TP_ABI_MAGIC || header.major != TP_ABI_MAJOR ||
		header.type != TP_MSG_STATUS_REPLY || header.length_bytes != length_bytes)
		return -EPROTO;
	memset(out, 0, sizeof(*out));
	memcpy(out, message, length_bytes < sizeof(*out) ? length_bytes : sizeof(*out));
	if (out->ports > TP_MAX_PORTS)
		return -EPROTO;
	return 0;
}

void ctl_books_close(const struct tp_status_reply *reply, struct ctl_books *out)
{
	*out = (struct ctl_books){.rx = reply->counter[TP_COUNTER_rx],
		.stream_up = reply->counter[TP_COUNTER_stream_up],
		.tx = reply->counter[TP_COUNTER_tx],
		.punted = reply->counter[TP_COUNTER_punted],
		.stream_down = reply->counter[TP_COUNTER_stream_down],
		.held = reply->held};
	// Reasons of a newer dataplane have no name here, but they count.
	for (unsigned int i = 0; i < TP_DROP_PLACES; i++)
		out->drops += reply->drop[i];
	out->difference = (int64_t)(out->rx + out->stream_up - out->tx - out->drops - out->punted -
				    out->stream_down - out->held);
}

static json_t *number(uint64_t value)
{
	return json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value);
}

static json_t *books_json(const struct tp_status_reply *reply)
{
	struct ctl_books b;
	json_t *o = json_object();

	ctl_books_close(reply, &b);
	json_object_set_new(o, "rx", number(b.rx));
	json_object_set_new(o, "stream_up", number(b.stream_up));
	json_object_set_new(o, "tx", number(b.tx));
	json_object_set_new(o, "drops", number(b.drops));
	json_object_set_new(o, "punted", number(b.punted));
	json_object_set_new(o, "stream_down", number(b.stream_down));
	json_object_set_new(o, "held", number(b.held));
	json_object_set_new(o, "difference", json_integer(b.difference));
	return o;
}

static json_t *counters_json(const struct tp_status_reply *reply)
{
	json_t *o = json_object();

	for (unsigned int i = 0; i < TP_COUNTERS; i++)
		json_object_set_new(o, tp_counter_name(i), number(reply->counter[i]));
	return o;
}

static json_t *drops_json(const struct tp_status_reply *reply)
{
	json_t *o = json_object();
	char name[24];

	for (unsigned int i = 0; i < TP_DROPS; i++)
		json_object_set_new(o, tp_drop_name(i), number(reply->drop[i]));
	for (unsigned int i = TP_DROPS; i < TP_DROP_PLACES; i++) {
		if (reply->drop[i] == 0)
			continue;
		snprintf(name, sizeof(name), "reason_%u", i);
		json_object_set_new(o, name, number(reply->drop[i]));
	}
	return o;
}

static json_t *port_json(const struct tp_port_status *p)
{
	json_t *o = json_object();

	json_object_set_new(o, "name", ctl_json_field(p->name, sizeof(p->name)));
	json_object_set_new(o, "interface", ctl_json_field(p->interface, sizeof(p->interface)));
	json_object_set_new(o, "mode", ctl_json_field(p->mode, sizeof(p->mode)));
	json_object_set_new(o, "link_up", json_boolean(p->link_up));
	json_object_set_new(o, "mtu", number(p->mtu));
	json_object_set_new(o, "rx", number(p->rx));
	json_object_set_new(o, "tx", number(p->tx));
	json_object_set_new(o, "xdp",
		json_pack("{s:o, s:o, s:o, s:o, s:o}", "rx_dropped", number(p->xdp_rx_dropped),
			"rx_ring_full", number(p->xdp_rx_ring_full), "rx_fill_empty",
			number(p->xdp_rx_fill_empty), "tx_invalid", number(p->xdp_tx_invalid),
			"tx_empty", number(p->xdp_tx_empty)));
	json_object_set_new(o, "steering",
		json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "udp_listener",
			number(p->steer_udp_listener), "udp_relay", number(p->steer_udp_relay),
			"fragment", number(p->steer_fragment), "icmp", number(p->steer_icmp),
			"passed", number(p->steer_passed), "dropped", number(p->steer_dropped),
			"guard_dropped", number(p->guard_dropped)));
	return o;
}

static void set_process(json_t *o, const struct tp_status_reply *r)
{
	char instance[20];

	snprintf(instance, sizeof(instance), "%016llx", (unsigned long long)r->instance);
	json_object_set_new(o, "state", json_string("up"));
	json_object_set_new(o, "version", ctl_json_field(r->version, sizeof(r->version)));
	json_object_set_new(o, "pid", number(r->pid));
	json_object_set_new(o, "instance", json_string(instance));
	json_object_set_new(o, "started", ctl_json_wall_time(r->started_wall_ns));
	json_object_set_new(o, "now_ns", number(r->now_ns));
	json_object_set_new(o, "control_pid", number(r->control_pid));
	json_object_set_new(o, "control_since_s",
		number(r->now_ns > r->control_since_ns
				? (r->now_ns - r->control_since_ns) / TP_NS_PER_S
				: 0));
	json_object_set_new(o, "workers", number(r->workers));
	json_object_set_new(o, "workers_late", number(r->workers_late));
	json_object_set_new(o, "hugepages", json_boolean(r->hugepages));
	json_object_set_new(o, "tsc_hz", number(r->tsc_hz));
}

static void set_tables(json_t *o, const struct tp_status_reply *r)
{
	json_object_set_new(o, "allocations", number(r->allocations));
	json_object_set_new(o, "permissions", number(r->permissions));
	json_object_set_new(o, "channels", number(r->channels));
	json_object_set_new(o, "flows", number(r->flows));
	json_object_set_new(o, "flow_capacity", number(r->flow_capacity));
	json_object_set_new(o, "mbufs_free", number(r->mbufs_free));
	json_object_set_new(o, "mbufs_total", number(r->mbufs_total));
	json_object_set_new(o, "commands", number(r->commands));
	json_object_set_new(o, "commands_refused", number(r->commands_refused));
	json_object_set_new(o, "routes", number(r->routes));
	json_object_set_new(o, "neighbours", number(r->neighbours));
	json_object_set_new(o, "next_hops", number(r->next_hops));
	json_object_set_new(o, "next_hops_unresolved", number(r->next_hops_unresolved));
}

json_t *ctl_status_dataplane_json(const struct tp_status_reply *reply)
{
	uint64_t rx = reply->counter[TP_COUNTER_rx];
	json_t *o = json_object(), *ports = json_array();

	set_process(o, reply);
	set_tables(o, reply);
	json_object_set_new(o, "books", books_json(reply));
	json_object_set_new(o, "cycles_per_packet",
		rx ? json_real((double)reply->counter[TP_COUNTER_cycles_busy] / (double)rx)
		   : json_null());
	json_object_set_new(o, "counters", counters_json(reply));
	json_object_set_new(o, "drops", drops_json(reply));
	for (unsigned int i = 0; i < reply->ports && i < TP_MAX_PORTS; i++)
		json_array_append_new(ports, port_json(&reply->port[i]));
	json_object_set_new(o, "ports", ports);
	return o;
}

static int64_t integer(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

__attribute__((format(printf, 2, 3))) static void add_reason(
	json_t *reasons, const char *format, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(reasons, ctl_json_text(text, strlen(text)));
}

static void judge_dataplane(json_t *reasons, const json_t *dataplane)
{
	json_t *port;
	size_t i;

	if (integer(dataplane, "workers_late") > 0)
		add_reason(reasons, "%lld of %lld workers are stuck",
			(long long)integer(dataplane, "workers_late"),
			(long long)integer(dataplane, "workers"));
	if (integer(dataplane, "mbufs_total") > 0 && integer(dataplane, "mbufs_free") == 0)
		add_reason(reasons, "packet memory is used up; raise limits.mbufs");
	json_array_foreach(json_object_get(dataplane, "ports"), i, port) {
		if (!json_is_true(json_object_get(port, "link_up")))
			add_reason(reasons, "port %s has no link",
				json_string_value(json_object_get(port, "name")));
	}
}

// Where somebody else starts them, nobody here knows how many there should be.
static void judge_streams(json_t *reasons, const json_t *streams)
{
	if (integer(streams, "attached") < integer(streams, "wanted"))
		add_reason(reasons,
			"%lld of %lld stream processes are there; TCP and TLS clients suffer",
			(long long)integer(streams, "attached"),
			(long long)integer(streams, "wanted"));
}

json_t *ctl_status_compose(json_t *control, json_t *dataplane)
{
	json_t *reasons = json_array();
	bool down = !control && !dataplane;

	if (!control)
		add_reason(reasons, "control is not answering");
	if (!dataplane)
		add_reason(reasons, "the dataplane is not answering");
	if (control && dataplane && !json_is_true(json_object_get(control, "attached")))
		add_reason(reasons, "control is not attached to the dataplane");
	if (control)
		judge_streams(reasons, json_object_get(control, "streams"));
	if (dataplane)
		judge_dataplane(reasons, dataplane);
	return json_pack("{s:s, s:o, s:o, s:o}", "state",
		down                           ? "down"
		: json_array_size(reasons) > 0 ? "degraded"
					       : "healthy",
		"reasons", reasons, "control",
		control ? control : json_pack("{s:s}", "state", "down"), "dataplane",
		dataplane ? dataplane : json_pack("{s:s}", "state", "down"));
}
