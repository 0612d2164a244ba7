// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/beat.h"

#include <stddef.h>

void tp_beat_forget(struct tp_beat_watch *w)
{
	*w = (struct tp_beat_watch){.hangs = w->hangs};
}

enum tp_beat_news tp_beat_look(
	struct tp_beat_watch *w, uint64_t beat, uint64_t now_ns, uint64_t *silent_ns)
{
	uint64_t since_ns = w->changed_ns, looked_ns = w->looked_ns;
	bool was_hung = w->hung;

	if (silent_ns)
		*silent_ns = now_ns - since_ns;
	w->looked_ns = now_ns;
	if (beat == 0) {
		tp_beat_forget(w);
		return TP_BEAT_SAME;
	}
	if (beat != w->beat) {
		w->beat = beat;
		w->changed_ns = now_ns;
		w->hung = false;
		return was_hung ? TP_BEAT_IS_BACK : TP_BEAT_SAME;
	}
	// Nothing can be said about a time in which nobody looked.
	if (!was_hung && now_ns - looked_ns >= TP_BEAT_HUNG_NS)
		w->changed_ns = now_ns;
	if (was_hung || now_ns - w->changed_ns < TP_BEAT_HUNG_NS)
		return TP_BEAT_SAME;
	w->hung = true;
	w->hangs++;
	return TP_BEAT_HANGS;
}
