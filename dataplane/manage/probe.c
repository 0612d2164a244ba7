// SPDX-License-Identifier: BSD-3-Clause
// TP_MSG_PROBE: has every worker relay a packet of its own (path/probe.h) and answers when all
// have, or when the asker's time is up. Rounds are shared: a later one answers those who asked
// before.
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/path/worker.h"

static bool answered(const struct manage_client *c, const struct dp_probe_report *report)
{
	return (int32_t)(report->round - c->probe_round) >= 0;
}

bool dp_manage_probe(struct dp_manage *m, struct manage_client *client, const void *bytes,
	size_t length, uint64_t now_ns)
{
	struct tp_probe question;

	if (length != sizeof(question))
		return false;
	memcpy(&question, bytes, sizeof(question));
	if (question.timeout_ms == 0 || question.timeout_ms > TP_PROBE_MAX_TIMEOUT_MS)
		return false;
	m->n_probing += client->probe_until_ns == 0;
	client->probe_round = ++m->probe_round;
	client->probe_since_ns = now_ns;
	client->probe_until_ns = now_ns + question.timeout_ms * TP_NS_PER_MS;
	for (uint16_t w = 0; w < m->dp->n_workers; w++)
		dp_worker_probe(m->dp->workers[w], m->probe_round);
	return true;
}

void dp_manage_probe_forget(struct dp_manage *m, struct manage_client *client)
{
	m->n_probing -= client->probe_until_ns != 0;
	client->probe_until_ns = 0;
}

static bool all_answered(const struct dp_manage *m, const struct manage_client *c)
{
	struct dp_probe_report report;

	for (uint16_t w = 0; w < m->dp->n_workers; w++) {
		dp_worker_probe_report(m->dp->workers[w], &report);
		if (!answered(c, &report))
			return false;
	}
	return true;
}

static void fill_worker(const struct dp_manage *m, const struct manage_client *c, uint16_t index,
	struct tp_probe_worker *out, uint64_t now_ns)
{
	const struct dp_worker *w = m->dp->workers[index];
	struct dp_probe_report report;

	dp_worker_probe_report(w, &report);
	*out = (struct tp_probe_worker){
		.beat_ms = tp_beat_age_ms(dp_worker_last_seen_ns(w), now_ns),
		.hangs = (uint32_t)m->worker_watch[index].hangs};
	if (!answered(c, &report))
		return;
	out->result = report.result;
	out->reason = report.reason;
	if (report.done_ns > c->probe_since_ns)
		out->latency_us = (uint32_t)((report.done_ns - c->probe_since_ns) / 1000);
}

static void answer(struct dp_manage *m, struct manage_client *c, uint64_t now_ns)
{
	struct tp_probe_reply reply = {.header = {.magic = TP_ABI_MAGIC,
					       .major = TP_ABI_MAJOR,
					       .minor = TP_ABI_MINOR,
					       .type = TP_MSG_PROBE_REPLY,
					       .length_bytes = sizeof(reply)},
		.pid = (uint32_t)getpid(),
		.control_pid = m->control ? m->control->pid : 0,
		.control_hangs = (uint32_t)m->control_watch.hangs,
		.workers = m->dp->n_workers};
	uint64_t beat = dp_manage_control_beat(m);

	reply.control_beats = m->control && beat != 0;
	reply.control_beat_ms = reply.control_beats ? tp_beat_age_ms(beat, now_ns) : 0;
	for (uint16_t w = 0; w < m->dp->n_workers; w++)
		fill_worker(m, c, w, &reply.worker[w], now_ns);
	dp_manage_probe_forget(m, c);
	if (tp_message_send(c->fd, &reply, sizeof(reply), NULL, 0) == 0)
		return;
	tp_info("pid %u does not read what it asked for: dropped", c->pid);
	dp_manage_client_close(m, c);
}

void dp_manage_probes(struct dp_manage *m, uint64_t now_ns)
{
	for (size_t i = 0; i < MANAGE_MAX_CLIENTS && m->n_probing > 0; i++) {
		struct manage_client *c = &m->clients[i];
		if (c->probe_until_ns != 0 && (all_answered(m, c) || now_ns >= c->probe_until_ns))
			answer(m, c, now_ns);
	}
}

int dp_manage_probes_timeout(const struct dp_manage *m, uint64_t now_ns)
{
	int least = -1;

	for (size_t i = 0; i < MANAGE_MAX_CLIENTS && m->n_probing > 0; i++) {
		uint64_t until = m->clients[i].probe_until_ns;
		if (until == 0)
			continue;
		int ms = until > now_ns ? (int)((until - now_ns) / TP_NS_PER_MS + 1) : 0;
		least = least < 0 || ms < least ? ms : least;
	}
	return least;
}
