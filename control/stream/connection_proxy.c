// SPDX-License-Identifier: BSD-3-Clause
// Clients behind a proxy: its header comes first, and says who they are.
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "control/stream/connection_impl.h"
#include "control/stream/proxy.h"
#include "control/stream/stream.h"

bool stream_proxy_trusted(const struct conf *conf, const struct tp_ip *source)
{
	for (size_t i = 0; i < conf->streams.n_proxy_sources; i++) {
		const struct conf_prefix *p = &conf->streams.proxy_sources[i];

		if (tp_ip_in_prefix(source, &p->address, p->bits))
			return true;
	}
	return false;
}

// From here on it is a client like any other.
static void take_header(
	struct stream *s, struct stream_connection *c, const struct stream_proxy *header)
{
	const struct tp_addr *client =
		header->client.ip.family == TP_FAMILY_NONE ? &c->client : &header->client;

	free(c->stash);
	c->stash = NULL;
	c->stash_length = 0;
	if (!stream_limit_take(&s->limit, &client->ip, s->conf->streams.connections_per_address)) {
		c->proxy = c->client;
		c->client = *client;
		stream_connection_end_for(
			s, c, STREAM_COUNT_refused_address, "too many of this address, by a proxy");
		return;
	}
	if (header->client.ip.family != TP_FAMILY_NONE) {
		c->proxy = c->client;
		c->client = header->client;
	}
	c->state = STREAM_SNIFFS;
	stream_connection_time(s, c, STREAM_TIMER_FIRST);
	stream_connection_sniff(s, c);
}

// What is behind the header stays in the socket: TLS reads it there.
void stream_connection_proxy(struct stream *s, struct stream_connection *c)
{
	struct stream_proxy header;
	enum stream_proxy_result result;
	ssize_t n;

	if (!c->stash && !(c->stash = malloc(STREAM_PROXY_MOST))) {
		stream_connection_end_for(s, c, STREAM_COUNT_refused_memory, "no memory");
		return;
	}
	n = recv(c->fd, c->stash + c->stash_length, STREAM_PROXY_MOST - c->stash_length, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stream_connection_end(s, c);
		return;
	}
	result = stream_proxy_read(c->stash, c->stash_length + (size_t)n, &header);
	if (result == STREAM_PROXY_WRONG) {
		stream_connection_end_for(s, c, STREAM_COUNT_proxy_errors,
			"no header of the PROXY protocol, or one of more than "
			"2048 bytes");
		return;
	}
	if (result == STREAM_PROXY_WHOLE)
		n = (ssize_t)header.bytes - (ssize_t)c->stash_length;
	if (recv(c->fd, c->stash + c->stash_length, (size_t)n, 0) != n) {
		stream_connection_end(s, c);
		return;
	}
	c->stash_length += (uint32_t)n;
	if (result == STREAM_PROXY_WHOLE)
		take_header(s, c, &header);
}
