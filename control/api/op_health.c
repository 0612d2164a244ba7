// SPDX-License-Identifier: BSD-3-Clause
// Control's part of `health`: that its loop comes round, and what it sees of the other side. It
// asks nobody, so it answers at once; turnpikectl asks the dataplane itself.
#include <stdio.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "control/api/operations.h"
#include "control/dpcmd/client.h"
#include "control/loop/session.h"
#include "control/loop/streams.h"
#include "control/loop/watch.h"

json_t *ctl_op_beats(struct ctl *ctl)
{
	struct ctl_watch_view v;
	json_t *o = json_object(), *workers = json_array();

	ctl_watch_look(ctl->watch, tp_now_ns(), &v);
	json_object_set_new(o, "manager_ms", v.beats ? json_integer(v.manager_ms) : json_null());
	json_object_set_new(o, "manager_hung", json_boolean(v.manager_hung));
	json_object_set_new(o, "manager_hangs", json_integer((json_int_t)v.hangs));
	for (uint16_t i = 0; i < v.workers; i++)
		json_array_append_new(workers, json_integer(v.worker_ms[i]));
	json_object_set_new(o, "worker_ms", workers);
	return o;
}

json_t *ctl_op_streams(struct ctl *ctl)
{
	json_t *processes = json_array();
	struct ctl_streams_view all;
	struct ctl_stream_view one;
	char number[9];

	ctl_streams_look(ctl->streams, &all);
	for (uint32_t i = 0; ctl_streams_entry(ctl->streams, i, &one); i++) {
		snprintf(number, sizeof(number), "%08x", one.number);
		json_array_append_new(
			processes, json_pack("{s:s, s:I, s:I, s:b, s:b}", "stream", number, "pid",
					   (json_int_t)one.pid, "clients", (json_int_t)one.clients,
					   "ready", one.ready, "draining", one.draining));
	}
	return json_pack("{s:I, s:I, s:I, s:I, s:o}", "wanted", (json_int_t)all.wanted, "attached",
		(json_int_t)all.attached, "clients", (json_int_t)all.clients, "starts",
		(json_int_t)all.starts, "processes", processes);
}

void ctl_op_health(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;

	ctl_call_reply(call,
		json_pack("{s:s, s:I, s:b, s:b, s:s, s:o, s:o}", "state", "up", "pid",
			(json_int_t)getpid(), "attached", ctl_session_is_attached(ctl->session),
			"in_step", ctl_session_in_step(ctl->session), "dataplane",
			ctl_dataplane_state_text(ctl->dataplane), "beats", ctl_op_beats(ctl),
			"streams", ctl_op_streams(ctl)));
}
