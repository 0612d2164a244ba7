// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/dtls_table.h"

#include <errno.h>

#include <rte_malloc.h>

#define LEAST_SETS 64
#define MOST_SETS  262144 // 16 MB

static bool serves_dtls(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_listeners; i++)
		if (conf->listeners[i].transports & CONF_TRANSPORT_DTLS)
			return true;
	return false;
}

// Twice as many places as all stream processes together may have clients.
static uint32_t sets(const struct conf *conf)
{
	uint64_t clients =
		(uint64_t)conf->streams.connections * RTE_MAX(conf->streams.processes, 1u);
	uint64_t wanted = RTE_MIN(2 * clients / DP_DTLS_WAYS, (uint64_t)MOST_SETS);

	return rte_align32pow2((uint32_t)RTE_MAX(wanted, (uint64_t)LEAST_SETS));
}

int dp_dtls_create(struct dp_worker *w)
{
	const struct dp_worker *first = w->index > 0 ? w->dp->workers[0] : NULL;
	uint32_t n = sets(w->dp->conf);
	int rc;

	if (!serves_dtls(w->dp->conf))
		return 0;
	w->dtls = rte_zmalloc_socket("dtls", sizeof(*w->dtls) + n * sizeof(w->dtls->set[0]),
		RTE_CACHE_LINE_SIZE, w->socket);
	if (w->dtls == NULL)
		return -ENOMEM;
	w->dtls->mask = n - 1;
	rc = tp_random_bytes(&w->dtls->key, sizeof(w->dtls->key));
	if (rc == 0 && first != NULL && first->dtls != NULL)
		w->dtls->cookie_key = first->dtls->cookie_key;
	else if (rc == 0)
		rc = tp_random_bytes(&w->dtls->cookie_key, sizeof(w->dtls->cookie_key));
	return rc;
}

void dp_dtls_destroy(struct dp_worker *w)
{
	if (w->dtls != NULL)
		explicit_bzero(&w->dtls->cookie_key, sizeof(w->dtls->cookie_key));
	rte_free(w->dtls);
}

uint64_t dp_dtls_hash(const struct dp_dtls *d, const struct dp_dtls_tuple *tuple)
{
	return tp_siphash(&d->key, tuple, sizeof(*tuple));
}

static struct dp_dtls_set *set_of(struct dp_dtls *d, uint64_t hash)
{
	return &d->set[hash & d->mask];
}

static struct dp_dtls_entry *find(struct dp_dtls *d, uint64_t hash)
{
	struct dp_dtls_set *set = set_of(d, hash);

	for (int i = 0; i < DP_DTLS_WAYS; i++)
		if (set->way[i].stream != 0 && set->way[i].tag == hash >> 32)
			return &set->way[i];
	return NULL;
}

struct dp_stream_link *dp_dtls_known(const struct dp_worker *w, uint64_t hash)
{
	const struct dp_dtls_entry *entry = find(w->dtls, hash);
	struct dp_stream_link *link = entry != NULL ? dp_stream_find(w, entry->stream) : NULL;

	return link != NULL && dp_stream_flags(link) & TP_STREAM_DTLS ? link : NULL;
}

void dp_dtls_learn(struct dp_worker *w, uint64_t hash, uint32_t stream)
{
	struct dp_dtls_entry *entry = find(w->dtls, hash);
	struct dp_dtls_set *set = set_of(w->dtls, hash);

	// One that is free, that of a stream which is gone, or any.
	for (int i = 0; entry == NULL && i < DP_DTLS_WAYS; i++)
		if (set->way[i].stream == 0 || dp_stream_find(w, set->way[i].stream) == NULL)
			entry = &set->way[i];
	if (entry == NULL)
		entry = &set->way[dp_random(w) % DP_DTLS_WAYS];
	*entry = (struct dp_dtls_entry){.tag = (uint32_t)(hash >> 32), .stream = stream};
}

bool dp_dtls_forget(struct dp_worker *w, uint64_t hash, uint32_t stream)
{
	struct dp_dtls_entry *entry = find(w->dtls, hash);

	if (entry == NULL || entry->stream != stream)
		return false;
	*entry = (struct dp_dtls_entry){0};
	return true;
}

// Rendezvous: with one stream more or less, only what is or was its own changes places.
static uint64_t weight(uint64_t hash, uint32_t stream)
{
	uint64_t z = hash ^ stream * UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

struct dp_stream_link *dp_dtls_choose(const struct dp_worker *w, uint64_t hash)
{
	struct dp_stream_link *best = NULL;

	for (uint64_t at = dp_streams_attached(w); at != 0; at &= at - 1) {
		struct dp_stream_link *link = dp_streams_lowest(w, at);
		if (link == NULL || !dp_stream_takes_new(link))
			continue;
		if (best == NULL || weight(hash, link->stream) > weight(hash, best->stream))
			best = link;
	}
	return best;
}

// Greater than 0.
static uint64_t order(const struct dp_stream_link *link)
{
	bool draining = (dp_stream_flags(link) & TP_STREAM_DRAINING) != 0;

	return (draining ? 0 : UINT64_C(1) << 63) + link->attached;
}

struct dp_stream_link *dp_dtls_next(const struct dp_worker *w, const struct dp_stream_link *link)
{
	uint64_t after = link != NULL ? order(link) : 0;
	struct dp_stream_link *best = NULL;

	for (uint64_t at = dp_streams_attached(w); at != 0; at &= at - 1) {
		struct dp_stream_link *other = dp_streams_lowest(w, at);
		if (other == NULL || !(dp_stream_flags(other) & TP_STREAM_DTLS))
			continue;
		if (order(other) > after && (best == NULL || order(other) < order(best)))
			best = other;
	}
	return best;
}
