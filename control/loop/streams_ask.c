// SPDX-License-Identifier: BSD-3-Clause
// What a stream process counts of one client, for an operator who asks.
#include <stdlib.h>

#include "common/base/clock.h"
#include "control/loop/streams_impl.h"

#define ANSWER_NS (500 * TP_NS_PER_MS)

struct ctl_streams_ask {
	TAILQ_ENTRY(ctl_streams_ask) entry;
	struct tp_stream_client client;
	uint64_t until_ns;
	ctl_streams_asked_fn done;
	void *context;
};

static void answer(
	struct ctl_streams *s, struct ctl_streams_ask *a, const struct tp_stream_counters *counters)
{
	TAILQ_REMOVE(&s->asks, a, entry);
	a->done(a->context, counters);
	free(a);
}

void ctl_streams_ask(struct ctl_streams *s, struct tp_stream_client client,
	ctl_streams_asked_fn done, void *context)
{
	struct ctl_streams_member *m = s ? ctl_streams_find(s, client.stream) : NULL;
	struct ctl_streams_ask *a = NULL;

	if (m && m->attached && ctl_stream_clients_find(&m->stream.clients, client.connection))
		a = malloc(sizeof(*a));
	if (!a || !ctl_stream_tell(&m->stream, TP_STREAM_ASK, client.connection)) {
		free(a);
		done(context, NULL);
		return;
	}
	*a = (struct ctl_streams_ask){.client = client,
		.until_ns = tp_now_ns() + ANSWER_NS,
		.done = done,
		.context = context};
	TAILQ_INSERT_TAIL(&s->asks, a, entry);
}

void ctl_streams_answered(struct ctl_streams *s, struct tp_stream_client client,
	const struct tp_stream_counters *counters)
{
	struct ctl_streams_ask *a = TAILQ_FIRST(&s->asks), *next;

	for (; a; a = next) {
		next = TAILQ_NEXT(a, entry);
		if (a->client.stream == client.stream && a->client.connection == client.connection)
			answer(s, a, counters);
	}
}

void ctl_streams_ask_expire(struct ctl_streams *s, uint64_t now_ns)
{
	struct ctl_streams_ask *a;

	while ((a = TAILQ_FIRST(&s->asks)) && a->until_ns <= now_ns)
		answer(s, a, NULL);
}

uint64_t ctl_streams_ask_deadline(const struct ctl_streams *s)
{
	const struct ctl_streams_ask *a = TAILQ_FIRST(&s->asks);

	return a ? a->until_ns : UINT64_MAX;
}
