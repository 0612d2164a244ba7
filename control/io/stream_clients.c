// SPDX-License-Identifier: BSD-3-Clause
#include "control/io/stream_clients.h"

#include <errno.h>
#include <stdlib.h>

#define LEAST_BUCKETS 64
#define MOST_BUCKETS  16384 // a few to a chain when there are more clients

int ctl_stream_clients_init(
	struct ctl_stream_clients *c, uint32_t most, const struct tp_siphash_key *key)
{
	uint32_t buckets = LEAST_BUCKETS;

	while (buckets < most && buckets < MOST_BUCKETS)
		buckets *= 2;
	*c = (struct ctl_stream_clients){.mask = buckets - 1, .most = most, .key = *key};
	c->bucket = calloc(buckets, sizeof(struct ctl_stream_client *));
	c->dtls = calloc(buckets, sizeof(struct ctl_stream_client *));
	if (c->bucket && c->dtls)
		return 0;
	ctl_stream_clients_fini(c);
	return -ENOMEM;
}

void ctl_stream_clients_fini(struct ctl_stream_clients *c)
{
	for (uint32_t i = 0; c->bucket && i <= c->mask; i++)
		for (struct ctl_stream_client *at = c->bucket[i], *next; at; at = next) {
			next = at->next;
			free(at);
		}
	free(c->bucket);
	free(c->dtls);
	*c = (struct ctl_stream_clients){0};
}

static struct ctl_stream_client **find(const struct ctl_stream_clients *c, uint32_t connection)
{
	struct ctl_stream_client **at;

	at = &c->bucket[tp_siphash(&c->key, &connection, sizeof(connection)) & c->mask];
	while (*at && (*at)->connection != connection)
		at = &(*at)->next;
	return at;
}

struct ctl_stream_client *ctl_stream_clients_find(
	const struct ctl_stream_clients *c, uint32_t connection)
{
	return *find(c, connection);
}

static struct ctl_stream_client **dtls_bucket(const struct ctl_stream_clients *c,
	const struct tp_addr *client, const struct tp_addr *listener)
{
	const struct tp_addr tuple[2] = {*client, *listener};

	return &c->dtls[tp_siphash(&c->key, tuple, sizeof(tuple)) & c->mask];
}

struct ctl_stream_client *ctl_stream_clients_find_dtls(const struct ctl_stream_clients *c,
	const struct tp_addr *client, const struct tp_addr *listener)
{
	struct ctl_stream_client *at = *dtls_bucket(c, client, listener);

	while (at &&
		!(tp_addr_equal(&at->client, client) && tp_addr_equal(&at->listener, listener)))
		at = at->next_dtls;
	return at;
}

int ctl_stream_clients_add(
	struct ctl_stream_clients *c, uint32_t connection, const struct tp_stream_opened *opened)
{
	struct ctl_stream_client **at = find(c, connection), *fresh;

	if (*at)
		return -EEXIST;
	if (c->count >= c->most)
		return -ENOSPC;
	fresh = malloc(sizeof(*fresh));
	if (!fresh)
		return -ENOMEM;
	*fresh = (struct ctl_stream_client){.connection = connection,
		.client = opened->client,
		.listener = opened->listener,
		.transport = opened->transport,
		.proxied = opened->proxied != 0};
	*at = fresh;
	if (fresh->transport == TP_STREAM_DTLS_CLIENT) {
		at = dtls_bucket(c, &fresh->client, &fresh->listener);
		fresh->next_dtls = *at;
		*at = fresh;
	}
	c->count++;
	return 0;
}

void ctl_stream_clients_remove(struct ctl_stream_clients *c, uint32_t connection)
{
	struct ctl_stream_client **at = find(c, connection), *gone = *at;

	if (!gone)
		return;
	*at = gone->next;
	if (gone->transport == TP_STREAM_DTLS_CLIENT) {
		at = dtls_bucket(c, &gone->client, &gone->listener);
		while (*at != gone)
			at = &(*at)->next_dtls;
		*at = gone->next_dtls;
	}
	free(gone);
	c->count--;
}
