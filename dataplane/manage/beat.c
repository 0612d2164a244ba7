// SPDX-License-Identifier: BSD-3-Clause
// Heartbeats as the management thread gives and takes them: its own and the workers' into the
// session region, control's out of it. Control may write there what it likes: a word that does not
// change is a control that hangs, whatever it says.
#include <string.h>

#include "common/base/log.h"
#include "common/base/notify.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/path/worker.h"

uint64_t dp_manage_control_beat(const struct dp_manage *m)
{
	return atomic_load_explicit(
		&tp_region_beats(m->region.base)->control_ns, memory_order_relaxed);
}

static void look_at_control(struct dp_manage *m, uint64_t now_ns)
{
	uint64_t silent_ns;

	switch (tp_beat_look(&m->control_watch, m->control ? dp_manage_control_beat(m) : 0, now_ns,
		&silent_ns)) {
	case TP_BEAT_HANGS:
		tp_warning("control, pid %u, hangs: no beat for %llu ms; media goes on",
			m->control->pid, (unsigned long long)(silent_ns / TP_NS_PER_MS));
		return;
	case TP_BEAT_IS_BACK:
		tp_notice("control, pid %u, is back after %llu ms", m->control->pid,
			(unsigned long long)(silent_ns / TP_NS_PER_MS));
		return;
	case TP_BEAT_SAME:
		return;
	}
}

static void look_at_worker(struct dp_manage *m, uint16_t index, uint64_t beat, uint64_t now_ns)
{
	uint64_t silent_ns;

	switch (tp_beat_look(&m->worker_watch[index], beat, now_ns, &silent_ns)) {
	case TP_BEAT_HANGS:
		tp_warning("worker %u hangs: it has not passed its loop for %llu ms", index,
			(unsigned long long)(silent_ns / TP_NS_PER_MS));
		return;
	case TP_BEAT_IS_BACK:
		tp_notice("worker %u is back after %llu ms", index,
			(unsigned long long)(silent_ns / TP_NS_PER_MS));
		return;
	case TP_BEAT_SAME:
		return;
	}
}

void dp_manage_beat(struct dp_manage *m, uint64_t now_ns)
{
	struct tp_region_beats *beats = tp_region_beats(m->region.base);

	bool hung = false;

	atomic_store_explicit(&beats->dataplane_ns, now_ns, memory_order_relaxed);
	for (uint16_t w = 0; w < m->dp->n_workers; w++) {
		uint64_t beat = dp_worker_last_seen_ns(m->dp->workers[w]);
		atomic_store_explicit(&beats->worker_ns[w], beat, memory_order_relaxed);
		look_at_worker(m, w, beat, now_ns);
		hung |= m->worker_watch[w].hung;
	}
	look_at_control(m, now_ns);
	if (!hung)
		tp_notify_watchdog();
}

// What stands there was another control's.
void dp_manage_beat_attach(struct dp_manage *m)
{
	atomic_store_explicit(
		&tp_region_beats(m->region.base)->control_ns, 0, memory_order_relaxed);
	tp_beat_forget(&m->control_watch);
}
