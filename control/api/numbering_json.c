// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/numbering_json.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "control/api/text.h"

__attribute__((format(printf, 3, 4))) static void say(
	json_t *o, const char *key, const char *format, ...)
{
	char text[120];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_object_set_new(o, key, json_string(text));
}

static void say_place(json_t *o, const char *name, const struct tp_addr *first, unsigned int shift,
	const struct ctl_numbering *n)
{
	char address[TP_ADDR_STRLEN], key[40];

	tp_ip_format(&first->ip, address);
	snprintf(key, sizeof(key), "%s_address", name);
	say(o, key, "%s + (flow >> %u)", address, shift + n->port_bits);
	snprintf(key, sizeof(key), "%s_port", name);
	say(o, key, "%u + (flow >> %u & %u)", first->port, shift, (1u << n->port_bits) - 1);
}

static json_t *formula_json(const struct ctl_numbering *n)
{
	unsigned int channels = (1u << n->channel_bits) - 1;
	char address[TP_ADDR_STRLEN];
	json_t *o = json_object();

	say(o, "flow", "0 to %llu", (unsigned long long)ctl_numbering_flows(n) - 1);
	say_place(o, "client", &n->client, n->channel_bits, n);
	say_place(o, "relayed", &n->relay, n->channel_bits, n);
	say(o, "channel", "%u + (flow & %u)", n->channel, channels);
	say(o, "peer_address", "%s + (flow & %u)", tp_ip_format(&n->peer.ip, address),
		channels & ((1u << n->peer_bits) - 1));
	say(o, "peer_port", "%u + ((flow & %u) >> %u)", n->peer.port, channels, n->peer_bits);
	return o;
}

json_t *ctl_numbering_json(const struct ctl_numbering *n)
{
	return json_pack("{s:I, s:I, s:i, s:i, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "allocations",
		(json_int_t)n->allocations, "flows", (json_int_t)ctl_numbering_flows(n),
		"channel_bits", n->channel_bits, "peer_bits", n->peer_bits, "port_bits",
		n->port_bits, "channel", n->channel, "listener", ctl_json_addr(&n->listener),
		"client", ctl_json_addr(&n->client), "relayed", ctl_json_addr(&n->relay), "peer",
		ctl_json_addr(&n->peer), "formula", formula_json(n));
}

static int read_number(const json_t *o, const char *key, json_int_t most, uint32_t *out)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > most)
		return -EINVAL;
	*out = (uint32_t)json_integer_value(v);
	return 0;
}

static int read_addr(const json_t *o, const char *key, struct tp_addr *out)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? ctl_addr_parse(text, out) : -EINVAL;
}

int ctl_numbering_from_json(const json_t *o, struct ctl_numbering *out)
{
	uint32_t allocations, channel_bits, peer_bits, port_bits, channel;
	struct ctl_numbering n = {0};

	if (read_number(o, "allocations", UINT32_MAX, &allocations) ||
		read_number(o, "channel_bits", UINT8_MAX, &channel_bits) ||
		read_number(o, "peer_bits", UINT8_MAX, &peer_bits) ||
		read_number(o, "port_bits", UINT8_MAX, &port_bits) ||
		read_number(o, "channel", UINT16_MAX, &channel) ||
		read_addr(o, "listener", &n.listener) || read_addr(o, "client", &n.client) ||
		read_addr(o, "relayed", &n.relay) || read_addr(o, "peer", &n.peer))
		return -EINVAL;
	n.allocations = allocations;
	n.channel_bits = (uint8_t)channel_bits;
	n.peer_bits = (uint8_t)peer_bits;
	n.port_bits = (uint8_t)port_bits;
	n.channel = (uint16_t)channel;
	if (ctl_numbering_check(&n))
		return -EINVAL;
	*out = n;
	return 0;
}
