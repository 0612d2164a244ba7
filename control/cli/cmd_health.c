// SPDX-License-Identifier: BSD-3-Clause
// `health`: every worker relays a packet, both processes answer, within one deadline; what hangs or
// is dead is a line each. Both are asked at the same time, so one that hangs takes no time from the
// other.
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/clock.h"
#include "control/api/text.h"
#include "control/cli/ask.h"
#include "control/cli/json.h"
#include "control/cli/keeper.h"

// A beat comes four times a second; what is older than this hangs, whoever says so.
#define HUNG_MS 1000

struct asked {
	const struct cli_args *args;
	uint64_t give_up_ns;
	// The dataplane.
	int probe_rc;
	struct tp_probe_reply probe;
	uint32_t probe_pid;
	// Control.
	int control_rc;
	json_t *control; // result or error object
	json_t *keeper;  // NULL: none
	json_t *problems, *notes;
};

__attribute__((format(printf, 2, 3))) static void say(json_t *list, const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	json_array_append_new(list, ctl_json_text(text, strlen(text)));
}

// ---- asking

static void *ask_dataplane(void *arg)
{
	struct asked *a = arg;
	// Half of the time is for the workers, the rest for what they did to come back.
	uint32_t timeout_ms = (uint32_t)(a->args->timeout_s * 500);

	a->probe_rc = cli_ask_probe(
		a->args->dataplane_socket, timeout_ms, a->give_up_ns, &a->probe, &a->probe_pid);
	return NULL;
}

static void ask(struct asked *a)
{
	pthread_t thread;
	bool beside = pthread_create(&thread, NULL, ask_dataplane, a) == 0;

	a->control_rc = cli_ask_control_until(
		a->args->control_socket, "health", a->args->params, a->give_up_ns, &a->control);
	if (beside)
		pthread_join(thread, NULL);
	else
		ask_dataplane(a);
}

// ---- the dataplane

// State of a thread (proc(5)), '?' when it cannot be read: T and t are stopped.
static char thread_state(uint32_t pid, const char *tid)
{
	char path[128], line[512];
	FILE *f;
	size_t n;

	snprintf(path, sizeof(path), "/proc/%u/task/%.20s/stat", pid, tid);
	f = fopen(path, "r");
	if (!f)
		return '?';
	n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	const char *end = strrchr(line, ')'); // the name may hold anything
	return end && end[1] == ' ' && end[2] ? end[2] : '?';
}

// Whether every thread of it is stopped; false also when that cannot be seen.
static bool process_stopped(uint32_t pid)
{
	char path[64];
	DIR *tasks;
	bool stopped = pid != 0;
	unsigned int seen = 0;

	snprintf(path, sizeof(path), "/proc/%u/task", pid);
	tasks = stopped ? opendir(path) : NULL;
	if (!tasks)
		return false;
	for (struct dirent *e; (e = readdir(tasks));) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		char state = thread_state(pid, e->d_name);
		stopped = stopped && (state == 'T' || state == 't');
		seen++;
	}
	closedir(tasks);
	return stopped && seen > 0;
}

static void judge_silence(struct asked *a)
{
	uint32_t pid = a->probe_pid;

	if (a->probe_rc == -ENOENT || a->probe_rc == -ECONNREFUSED)
		say(a->problems, "dataplane is dead: nobody listens on %s",
			a->args->dataplane_socket);
	else if (a->probe_rc == -ECONNRESET || a->probe_rc == -EPIPE)
		say(a->problems, "dataplane is dead: it ended while it was asked");
	else if (a->probe_rc == -EOPNOTSUPP)
		say(a->problems, "dataplane is of an earlier version, which relays no probes");
	else if (a->probe_rc != -ETIMEDOUT)
		say(a->problems, "dataplane cannot be asked: %s", strerror(-a->probe_rc));
	else if (process_stopped(pid))
		say(a->problems,
			"dataplane does not answer: process %u is stopped, nothing is relayed",
			pid);
	else
		say(a->problems,
			"dataplane does not answer: its management thread hangs, process %u", pid);
}

static void judge_worker(struct asked *a, uint16_t index)
{
	const struct tp_probe_worker *w = &a->probe.worker[index];
	const char *name;

	switch ((enum tp_probe_result)w->result) {
	case TP_PROBE_RELAYED:
		say(a->notes, "worker %u relayed a packet within %u us", index, w->latency_us);
		break;
	case TP_PROBE_NONE:
		say(a->problems, "worker %u hangs: it relayed no packet, last beat %u ms ago",
			index, w->beat_ms);
		break;
	case TP_PROBE_DROPPED:
		name = tp_drop_name(w->reason);
		say(a->problems, "worker %u does not relay: it dropped the packet (%s)", index,
			name ? name : "an unknown reason");
		break;
	case TP_PROBE_DAMAGED:
		say(a->problems, "worker %u does not relay: what came out is damaged", index);
		break;
	case TP_PROBE_UNMADE:
		say(a->problems, "worker %u does not relay: no packet buffer is free", index);
		break;
	default:
		say(a->problems, "worker %u does not relay: result %u", index, w->result);
	}
}

static void judge_dataplane(struct asked *a)
{
	if (a->probe_rc) {
		judge_silence(a);
		return;
	}
	say(a->notes, "dataplane, process %u, answers", a->probe.pid);
	for (uint16_t i = 0; i < a->probe.workers; i++)
		judge_worker(a, i);
	if (a->probe.workers == 0)
		say(a->problems, "dataplane has no workers");
}

// ---- control

static void judge_control_silence(struct asked *a)
{
	const struct tp_probe_reply *p = &a->probe;

	if (a->control_rc == -ENOENT || a->control_rc == -ECONNREFUSED)
		say(a->problems, "control is dead: nobody listens on %s", a->args->control_socket);
	else if (a->control_rc == -ECONNRESET || a->control_rc == -EPIPE)
		say(a->problems, "control is dead: it ended while it was asked");
	else if (a->control_rc != -ETIMEDOUT)
		say(a->problems, "control cannot be asked: %s", strerror(-a->control_rc));
	else if (a->probe_rc == 0 && p->control_beats)
		say(a->problems, "control does not answer: it hangs, last beat %u ms ago",
			p->control_beat_ms);
	else
		say(a->problems, "control does not answer: it hangs");
}

static void judge_streams(struct asked *a, const json_t *streams)
{
	long long wanted = (long long)cli_integer(streams, "wanted"),
		  attached = (long long)cli_integer(streams, "attached");

	if (attached < wanted)
		say(a->problems,
			"turnpike-stream is missing: %lld of %lld processes are attached to "
			"control",
			attached, wanted);
	else if (attached > 0)
		say(a->notes, "%lld stream processes are attached to control", attached);
}

static void judge_control(struct asked *a)
{
	// An answer is an answer, also that it knows no such question or has too many clients.
	if (a->control_rc == -EREMOTEIO) {
		say(a->notes, "control answers, but says nothing of itself");
		return;
	}
	if (a->control_rc) {
		judge_control_silence(a);
		return;
	}
	say(a->notes, "control, process %lld, answers", (long long)cli_integer(a->control, "pid"));
	if (!cli_true(a->control, "attached"))
		say(a->problems, "control is not attached to the dataplane: %.40s",
			cli_text(a->control, "dataplane"));
	else if (!cli_true(a->control, "in_step"))
		say(a->notes, "control is replaying to the dataplane");
	judge_streams(a, json_object_get(a->control, "streams"));
	// It answers us by another way than it beats by.
	if (a->probe_rc == 0 && a->probe.control_beats && a->probe.control_beat_ms > HUNG_MS)
		say(a->problems, "control answers, but has not beaten for %u ms",
			a->probe.control_beat_ms);
}

// ---- the keeper

static void judge_keeper(struct asked *a)
{
	char restarts[CLI_KEEPER_BYTES];

	a->keeper = cli_keeper_read(a->args);
	if (!a->keeper)
		return;
	if (!cli_true(a->keeper, "running"))
		say(a->problems, "turnpike-keeper is dead: nobody starts anew what dies");
	say(a->notes, "dataplane: %s", cli_keeper_restarts(a->keeper, "dataplane", restarts));
	say(a->notes, "control: %s", cli_keeper_restarts(a->keeper, "control", restarts));
}

// ---- telling

static json_t *workers_json(const struct asked *a)
{
	static const char *const result[] = {"none", "relayed", "dropped", "damaged", "unmade"};
	json_t *list = json_array();

	for (uint16_t i = 0; a->probe_rc == 0 && i < a->probe.workers; i++) {
		const struct tp_probe_worker *w = &a->probe.worker[i];
		const char *name = w->result == TP_PROBE_DROPPED ? tp_drop_name(w->reason) : NULL;
		json_array_append_new(
			list, json_pack("{s:i, s:s, s:s?, s:I, s:I, s:I}", "worker", i, "probe",
				      w->result < 5 ? result[w->result] : "unknown", "drop", name,
				      "latency_us", (json_int_t)w->latency_us, "beat_ms",
				      (json_int_t)w->beat_ms, "hangs", (json_int_t)w->hangs));
	}
	return list;
}

static json_t *document(const struct asked *a, bool healthy)
{
	json_t *dataplane = json_pack("{s:b, s:I, s:o}", "answers", a->probe_rc == 0, "pid",
		(json_int_t)a->probe_pid, "workers", workers_json(a));
	json_t *control =
		json_pack("{s:b}", "answers", !a->control_rc || a->control_rc == -EREMOTEIO);

	if (a->control_rc == 0)
		json_object_update_missing(control, a->control);
	if (a->probe_rc == 0 && a->probe.control_pid) {
		json_object_set_new(control, "hangs", json_integer(a->probe.control_hangs));
		if (a->probe.control_beats)
			json_object_set_new(
				control, "beat_ms", json_integer(a->probe.control_beat_ms));
	}
	return json_pack("{s:s, s:O, s:o, s:o, s:O*}", "state", healthy ? "healthy" : "unhealthy",
		"problems", a->problems, "dataplane", dataplane, "control", control, "keeper",
		a->keeper);
}

static void print_lines(const json_t *list, const char *prefix)
{
	char text[1024];
	json_t *line;
	size_t i;

	json_array_foreach(list, i, line)
		printf("%s%s\n", prefix,
			ctl_text_escape(json_string_value(line), text, sizeof(text)));
}

enum cli_exit cli_health(const struct cli_args *args)
{
	// The tenth that is left is for us: the verdict is there when the time is up.
	struct asked a = {.args = args,
		.give_up_ns = tp_now_ns() + (uint64_t)(args->timeout_s * 0.9 * (double)TP_NS_PER_S),
		.problems = json_array(),
		.notes = json_array()};
	bool healthy;

	ask(&a);
	judge_dataplane(&a);
	judge_control(&a);
	judge_keeper(&a);
	healthy = json_array_size(a.problems) == 0;
	if (args->json) {
		cli_print_json(document(&a, healthy));
	} else {
		print_lines(a.problems, "");
		print_lines(a.notes, "");
	}
	json_decref(a.control);
	json_decref(a.keeper);
	json_decref(a.problems);
	json_decref(a.notes);
	return healthy ? CLI_OK : CLI_USAGE;
}
