// SPDX-License-Identifier: BSD-3-Clause
// The binary against a control and a dataplane that the test plays.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/abi/health.h"
#include "common/abi/memory.h"
#include "common/abi/shm_map.h"
#include "common/abi/stats.h"

#define OUTPUT_BYTES 65536

struct world {
	char directory[32], control_path[64], dataplane_path[64];
	int control, dataplane; // listening, or -1
	const char *answer;     // of control, a line; NULL: it closes the connection
	bool hasty;             // control answers before it is asked
	const struct tp_status_reply *reply;
	const void *other; // the answer to any question, if set
	size_t other_bytes;
	char output[OUTPUT_BYTES];
	_Atomic unsigned int turns;
	pthread_t servers[2];
	int end[2]; // a pipe that ends the servers
};

static const char *binary;

static bool next_client(const struct world *w, int listener, int *fd)
{
	struct pollfd p[2] = {
		{.fd = listener, .events = POLLIN}, {.fd = w->end[0], .events = POLLIN}};

	if (poll(p, 2, -1) < 0 || (p[1].revents & (POLLIN | POLLHUP)))
		return false;
	*fd = accept(listener, NULL, NULL);
	return *fd >= 0;
}

// What a test says between two runs of the program, and what a server takes it from: the program in
// between orders both, which no tool sees.
static void in_turn(struct world *w)
{
	atomic_fetch_add(&w->turns, 1);
}

static void *serve_control(void *arg)
{
	struct world *w = arg;
	char line[4096];
	int fd;

	while (next_client(w, w->control, &fd)) {
		in_turn(w);
		const char *answer = w->answer;
		bool hasty = w->hasty;
		in_turn(w);
		if ((hasty || recv(fd, line, sizeof(line), 0) > 0) && answer)
			send(fd, answer, strlen(answer), MSG_NOSIGNAL);
		close(fd);
	}
	return NULL;
}

static void *serve_dataplane(void *arg)
{
	struct world *w = arg;
	char message[4096];
	union {
		struct tp_status_reply status;
		uint8_t other[4096];
	} reply;
	int fd;

	while (next_client(w, w->dataplane, &fd)) {
		in_turn(w);
		size_t bytes = w->other ? w->other_bytes : sizeof(*w->reply);
		memcpy(&reply, w->other ? w->other : w->reply, bytes);
		in_turn(w);
		if (recv(fd, message, sizeof(message), 0) > 0 &&
			recv(fd, message, sizeof(message), 0) > 0)
			tp_message_send(fd, &reply, bytes, NULL, 0);
		close(fd);
	}
	return NULL;
}

static int listen_on(const char *path, int type)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

	strcpy(sa.sun_path, path);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void play_control(struct world *w, const char *answer)
{
	w->answer = answer;
	w->control = listen_on(w->control_path, SOCK_STREAM);
	assert_int_equal(pthread_create(&w->servers[0], NULL, serve_control, w), 0);
}

static void play_dataplane(struct world *w, const struct tp_status_reply *reply)
{
	w->reply = reply;
	w->dataplane = listen_on(w->dataplane_path, SOCK_SEQPACKET);
	assert_int_equal(pthread_create(&w->servers[1], NULL, serve_dataplane, w), 0);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	strcpy(w->directory, "/tmp/tp-cli-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	snprintf(w->control_path, sizeof(w->control_path), "%s/control.sock", w->directory);
	snprintf(w->dataplane_path, sizeof(w->dataplane_path), "%s/dataplane.sock", w->directory);
	w->control = w->dataplane = -1;
	assert_int_equal(pipe2(w->end, O_CLOEXEC), 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	close(w->end[1]);
	if (w->control >= 0)
		pthread_join(w->servers[0], NULL);
	if (w->dataplane >= 0)
		pthread_join(w->servers[1], NULL);
	close(w->end[0]);
	close(w->control);
	close(w->dataplane);
	unlink(w->control_path);
	unlink(w->dataplane_path);
	rmdir(w->directory);
	free(w);
	return 0;
}

// Runs turnpikectl -r DIRECTORY words...; returns its exit code, stdout and stderr in w->output.
static int run(struct world *w, const char *const words[])
{
	const char *argv[16] = {binary, "-r", w->directory};
	size_t at = 0;
	int out[2], status, n = 3;
	pid_t pid;

	while (words[n - 3]) {
		argv[n] = words[n - 3];
		n++;
	}
	assert_int_equal(pipe(out), 0);
	in_turn(w);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		close(out[0]);
		close(out[1]);
		execv(binary, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(out[1]);
	for (;;) {
		ssize_t got = read(out[0], w->output + at, sizeof(w->output) - 1 - at);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		at += (size_t)got;
	}
	w->output[at] = '\0';
	close(out[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	in_turn(w);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define RUN(...) run(w, (const char *const[]){__VA_ARGS__, NULL})

static void assert_says(const struct world *w, const char *text)
{
	if (!strstr(w->output, text))
		fail_msg("\"%s\" does not say \"%s\"", w->output, text);
}

static struct tp_status_reply good_reply(void)
{
	struct tp_status_reply r = {.header = {.magic = TP_ABI_MAGIC,
					    .major = TP_ABI_MAJOR,
					    .type = TP_MSG_STATUS_REPLY,
					    .length_bytes = sizeof(r)},
		.pid = 77,
		.instance = 1};

	r.counter[TP_COUNTER_rx] = 10;
	r.counter[TP_COUNTER_tx] = 7;
	return r;
}

#define RESULT(text) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":" text "}\n"
#define ERROR(code, text)                                                                          \
	"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":" code ",\"message\":\"" text "\"}}\n"

static void status_healthy_is_0(void **state)
{
	struct world *w = *state;

	play_control(w, RESULT("{\"state\":\"healthy\",\"reasons\":[]}"));
	assert_int_equal(RUN("status"), 0);
	assert_says(w, "healthy");
}

static void status_degraded_is_1(void **state)
{
	struct world *w = *state;

	play_control(w, RESULT("{\"state\":\"degraded\",\"reasons\":[\"a cable\"]}"));
	assert_int_equal(RUN("status"), 1);
	assert_says(w, "a cable");
}

static void status_down_is_2(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN("status"), 2);
	assert_says(w, "nor is the dataplane");
	assert_int_equal(RUN("--json", "status"), 2);
	assert_says(w, "\"state\": \"down\"");
}

static void status_asks_the_dataplane_when_control_is_dead(void **state)
{
	struct tp_status_reply reply = good_reply();
	struct world *w = *state;

	play_dataplane(w, &reply);
	assert_int_equal(RUN("status"), 1);
	assert_says(w, "control is not answering");
	assert_says(w, "figures from the dataplane");
	assert_says(w, "pid 77");
}

static void status_asks_the_dataplane_when_control_hangs_up(void **state)
{
	struct tp_status_reply reply = good_reply();
	struct world *w = *state;

	play_control(w, NULL);
	play_dataplane(w, &reply);
	assert_int_equal(RUN("status"), 1);
	assert_says(w, "pid 77");
}

static void the_dataplane_is_asked_when_control_has_too_many_clients(void **state)
{
	struct tp_status_reply reply = good_reply();
	struct world *w = *state;

	w->hasty = true;
	play_control(w, ERROR("-32003", "too many clients"));
	play_dataplane(w, &reply);
	assert_int_equal(RUN("status"), 1);
	assert_says(w, "too many clients");
	assert_says(w, "pid 77");
	assert_int_equal(RUN("stats", "interval=0"), 0);
	assert_says(w, "figures from the dataplane");
}

static void stats_come_from_the_dataplane_and_show_the_difference(void **state)
{
	struct tp_status_reply reply = good_reply();
	struct world *w = *state;

	play_dataplane(w, &reply);
	assert_int_equal(RUN("stats", "interval=0"), 0);
	assert_says(w, "figures from the dataplane");
	assert_says(w, "difference         3");
	assert_int_equal(RUN("--json", "stats", "interval=0"), 0);
	assert_says(w, "\"difference\": 3");
	assert_says(w, "\"source\": \"dataplane\"");
}

static void stats_without_anybody_is_3(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN("stats", "interval=0"), 3);
	play_control(w, ERROR("-32002", "the dataplane is not answering"));
	assert_int_equal(RUN("stats", "interval=0"), 3);
	assert_says(w, "the dataplane is not answering");
}

static void a_wrong_dataplane_is_no_answer(void **state)
{
	struct tp_status_reply reply = good_reply();
	struct world *w = *state;

	reply.header.major++;
	play_dataplane(w, &reply);
	assert_int_equal(RUN("stats", "interval=0"), 3);
	assert_int_equal(RUN("status"), 2);
}

static void refusals_are_1(void **state)
{
	struct world *w = *state;

	play_control(w, ERROR("-32001", "no such allocation"));
	assert_int_equal(RUN("allocation", "show", "client=1.2.3.4:5"), 1);
	assert_says(w, "no such allocation");
	assert_int_equal(RUN("allocation", "close", "client=1.2.3.4:5"), 1);
	assert_int_equal(RUN("allocation", "list"), 1);
}

// As control does when it has too many clients already.
static void a_refusal_before_the_question_is_heard(void **state)
{
	struct world *w = *state;

	w->hasty = true;
	play_control(w, ERROR("-32003", "too many clients"));
	for (int i = 0; i < 50; i++) {
		assert_int_equal(RUN("allocation", "list"), 1);
		assert_says(w, "too many clients");
	}
}

static void wrong_usage_is_2(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN("frobnicate"), 2);
	assert_int_equal(RUN("allocation", "show"), 2);
	play_control(w, ERROR("-32602", "expected an address"));
	assert_int_equal(RUN("allocation", "show", "client=xyz"), 2);
}

static void a_reload_says_what_changed_and_what_did_not(void **state)
{
	struct world *w = *state;

	play_control(w, RESULT("{\"file\":\"/etc/t.json\",\"checked_only\":false,"
			       "\"live\":[\"quotas.allocations_total\"],\"restart\":"
			       "[{\"option\":\"ports\",\"of\":\"turnpike-dataplane\"}]}"));
	assert_int_equal(RUN("reload"), 0);
	assert_says(w, "quotas.allocations_total");
	assert_says(w, "ports: restart turnpike-dataplane");
}

static void a_wrong_file_is_1_and_every_problem_has_a_line(void **state)
{
	struct world *w = *state;

	play_control(w, ERROR("-32005", "/t.json: a: is wrong\\n/t.json: b: \\u001bis too"));
	assert_int_equal(RUN("reload", "check=true"), 1);
	assert_says(w, "turnpikectl: /t.json: a: is wrong\n");
	assert_says(w, "turnpikectl: /t.json: b: \\x1bis too\n");
	assert_says(w, "nothing was changed");
}

#define JOB(state, error)                                                                          \
	RESULT("{\"state\":\"" state                                                               \
	       "\",\"allowed\":true,\"synthetic\":4,\"wanted\":4,\"made\":4,"                      \
	       "\"removed\":0,\"seconds\":0.5,\"error\":" error ",\"numbering\":{\"listener\":"    \
	       "\"198.18.0.2:3478\",\"formula\":{\"client_port\":\"16384 + (flow >> 0 & "          \
	       "16383)\"}}}")

static void what_was_provisioned_is_said_with_its_formula(void **state)
{
	struct world *w = *state;

	play_control(w, JOB("made", "null"));
	assert_int_equal(RUN("provision", "count=4"), 0);
	assert_says(w, "synthetic allocations  4");
	assert_says(w, "16384 + (flow >> 0 & 16383)");
	assert_int_equal(RUN("provision", "count=0"), 2);
	assert_int_equal(RUN("provision", "count=4", "lifetime=59"), 2);
}

static void a_provision_that_failed_is_1(void **state)
{
	struct world *w = *state;

	play_control(w, JOB("failed", "\"no record is left\""));
	assert_int_equal(RUN("provision", "count=4"), 1);
	assert_says(w, "no record is left");
	assert_int_equal(RUN("unprovision"), 1);
	assert_int_equal(RUN("provision", "status"), 0);
}

static void nobody_is_3(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN("allocation", "list"), 3);
	play_control(w, "HTTP/1.0 400 Bad Request\n");
	assert_int_equal(RUN("allocation", "list"), 3);
	assert_says(w, "no turnpike-control");
}

static void old_counters_are_4(void **state)
{
	struct world *w = *state;

	play_control(w, RESULT("{\"id\":\"x\",\"counters_live\":false}"));
	assert_int_equal(RUN("allocation", "show", "client=1.2.3.4:5"), 4);
}

static void pages_are_put_together_but_not_for_ever(void **state)
{
	struct world *w = *state;

	play_control(w, RESULT("{\"allocations\":[{\"id\":\"a\"}],\"next\":9}"));
	assert_int_equal(RUN("--json", "allocation", "list"), 0);
	json_t *o = json_loads(w->output, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(o, "allocations")), 2);
	json_decref(o);
}

#define PORTS(address, next)                                                                       \
	"{\"addresses\":[{\"address\":\"" address                                                  \
	"\",\"public\":\"203.0.113.5\",\"state\":\"drained\",\"empty\":true,\"ports\":16384,"      \
	"\"free\":16384}],\"total\":{\"ipv4\":{\"addresses\":9,\"drained\":1,\"removed\":1,"       \
	"\"ports\":5000,\"free\":4096,\"resting\":77}},\"next\":" next "}"

static void relay_ports_are_shown_with_their_sum(void **state)
{
	struct world *w = *state;

	play_control(w, RESULT(PORTS("198.18.0.2", "500")));
	assert_int_equal(RUN("relay", "ports"), 0);
	assert_says(w, "drained: empty");
	assert_says(w, "16,384");
	assert_says(w, "203.0.113.5");
	assert_says(w, "all IPv4");
	assert_says(w, "9 addresses, 2 out of use");
	assert_says(w, "4,096");
	assert_null(strstr(w->output, "all IPv6"));
	assert_int_equal(RUN("--json", "relay", "ports", "limit=1"), 0);
	assert_says(w, "\"next\": 500");
}

static void relay_refusals_and_states(void **state)
{
	struct world *w = *state;

	play_control(w, "{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-32004,\"message\":"
			"\"not empty yet: 3 ports taken, 0 resting, 0 reserved\"}}\n");
	assert_int_equal(RUN("relay", "remove", "198.18.0.2"), 1);
	assert_says(w, "not empty yet: 3 ports taken");
	assert_int_equal(RUN("relay", "list"), 1);
	assert_int_equal(RUN("relay", "drain"), 2);
	assert_says(w, "relay.drain needs address");
}

// Everything that a hostile server may put into its strings.
static void output_is_escaped(void **state)
{
	static const char hostile[] = "\\u001b[2J\\u009b31m\\r\\u202e";
	struct world *w = *state;
	char answer[1024];

	snprintf(answer, sizeof(answer),
		RESULT("{\"state\":\"%s\",\"reasons\":[\"%s\"],\"control\":{\"state\":\"up\","
		       "\"version\":\"%s\"}}"),
		hostile, hostile, hostile);
	play_control(w, answer);
	RUN("status");
	for (const char *p = w->output; *p; p++)
		assert_true((*p >= 0x20 && *p < 0x7f) || *p == '\n');
	assert_says(w, "\\x1b[2J");
	RUN("--json", "status");
	for (const char *p = w->output; *p; p++)
		assert_true((*p >= 0x20 && *p < 0x7f) || *p == '\n');
}

static void help_needs_nobody(void **state)
{
	struct world *w = *state;

	assert_int_equal(RUN("help"), 0);
	assert_says(w, "allocation show");
	assert_int_equal(RUN("--help"), 0);
	assert_int_equal(RUN("--json", "help"), 0);
	assert_says(w, "allocation.list");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

// ---- health

static struct tp_probe_reply good_probe(void)
{
	return (struct tp_probe_reply){.header = {.magic = TP_ABI_MAGIC,
					       .major = TP_ABI_MAJOR,
					       .type = TP_MSG_PROBE_REPLY,
					       .length_bytes = sizeof(struct tp_probe_reply)},
		.pid = 77,
		.control_pid = 78,
		.control_beats = 1,
		.workers = 2,
		.worker = {{.result = TP_PROBE_RELAYED, .latency_us = 12},
			{.result = TP_PROBE_RELAYED, .latency_us = 13}}};
}

#define HEALTHY_CONTROL                                                                            \
	RESULT("{\"state\":\"up\",\"pid\":78,\"attached\":true,\"in_step\":true,"                  \
	       "\"dataplane\":\"attached\"}")

static void health_is_0_when_all_relay_and_answer(void **state)
{
	struct world *w = *state;
	struct tp_probe_reply probe = good_probe();

	w->other = &probe;
	w->other_bytes = sizeof(probe);
	play_control(w, HEALTHY_CONTROL);
	play_dataplane(w, NULL);
	assert_int_equal(RUN("health"), 0);
	assert_says(w, "worker 0 relayed a packet within 12 us\n");
	assert_says(w, "worker 1 relayed a packet within 13 us\n");
	assert_int_equal(RUN("--json", "health"), 0);
	assert_says(w, "\"problems\": []");
}

static void health_names_each_worker_and_why(void **state)
{
	static const struct {
		struct tp_probe_worker worker;
		const char *line;
	} cases[] = {
		{{.result = TP_PROBE_NONE, .beat_ms = 4000},
			"worker 1 hangs: it relayed no packet, last beat 4000 ms ago\n"},
		{{.result = TP_PROBE_DROPPED, .reason = TP_DROP_no_channel},
			"worker 1 does not relay: it dropped the packet (no_channel)\n"},
		{{.result = TP_PROBE_DROPPED, .reason = 999}, "(an unknown reason)\n"},
		{{.result = TP_PROBE_DAMAGED},
			"worker 1 does not relay: what came out is damaged\n"},
		{{.result = TP_PROBE_UNMADE}, "no packet buffer is free\n"},
		{{.result = 99}, "worker 1 does not relay: result 99\n"},
	};
	struct world *w = *state;
	struct tp_probe_reply probe = good_probe();

	w->other = &probe;
	w->other_bytes = sizeof(probe);
	play_control(w, HEALTHY_CONTROL);
	play_dataplane(w, NULL);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		probe.worker[1] = cases[i].worker;
		assert_int_equal(RUN("health"), 2);
		assert_says(w, cases[i].line);
		assert_int_equal(RUN("--json", "health"), 2);
		assert_says(w, "\"state\": \"unhealthy\"");
	}
}

static void health_names_who_is_dead(void **state)
{
	struct world *w = *state;
	struct tp_probe_reply probe = good_probe();

	assert_int_equal(RUN("health"), 2);
	assert_says(w, "dataplane is dead");
	assert_says(w, "control is dead");
	w->other = &probe;
	w->other_bytes = sizeof(probe);
	play_dataplane(w, NULL);
	assert_int_equal(RUN("health"), 2);
	assert_says(w, "control is dead");
	assert_says(w, "worker 1 relayed");
}

// Both listen and nobody accepts: one deadline for both.
static void health_names_who_does_not_answer(void **state)
{
	struct world *w = *state;
	int control = listen_on(w->control_path, SOCK_STREAM);
	int dataplane = listen_on(w->dataplane_path, SOCK_SEQPACKET);

	assert_int_equal(RUN("health", "timeout=0.2"), 2);
	assert_says(w, "dataplane does not answer: its management thread hangs");
	assert_says(w, "control does not answer: it hangs\n");
	close(control);
	close(dataplane);
}

static void health_does_not_trust_what_answers(void **state)
{
	struct world *w = *state;
	struct tp_probe_reply probe = good_probe();

	w->other = &probe;
	w->other_bytes = sizeof(probe);
	play_control(w, RESULT("{\"state\":\"up\",\"attached\":false,\"dataplane\":\"refused\"}"));
	play_dataplane(w, NULL);
	assert_int_equal(RUN("health"), 2);
	assert_says(w, "control is not attached to the dataplane: refused\n");
	probe.workers = 0;
	assert_int_equal(RUN("health"), 2);
	assert_says(w, "dataplane has no workers\n");
	probe.workers = TP_MAX_WORKERS + 1;
	assert_int_equal(RUN("health"), 2);
	assert_says(w, "dataplane cannot be asked");
	probe = good_probe();
	probe.header.type = TP_MSG_REFUSED;
	assert_int_equal(RUN("health"), 2);
	assert_says(w, "dataplane is of an earlier version, which relays no probes\n");
	probe = good_probe();
	probe.control_beat_ms = 3000; // a thread of it answers, its loop's timer does not run
	w->answer = HEALTHY_CONTROL;
	assert_int_equal(RUN("health"), 2);
	assert_says(w, "control answers, but has not beaten for 3000 ms\n");
}

// ---- memory

static struct tp_memory_reply good_memory(void)
{
	return (struct tp_memory_reply){.header = {.magic = TP_ABI_MAGIC,
						.major = TP_ABI_MAJOR,
						.type = TP_MSG_MEMORY_REPLY,
						.length_bytes = sizeof(struct tp_memory_reply)},
		.pid = 77,
		.parts = TP_MEMORY_PARTS,
		.region_bytes = 4096,
		.memory = {.resident_bytes = 5000000,
			.hugetlb_bytes = 2000000,
			.part_bytes = {[TP_MEMORY_packets] = 2000000,
				[TP_MEMORY_heap] = 4999000,
				[TP_MEMORY_PLACES - 1] = 900}}};
}

#define MEMORY_OF_CONTROL                                                                          \
	RESULT("{\"pid\":78,\"resident_bytes\":1234567,\"hugetlb_bytes\":0,"                       \
	       "\"parts\":{\"store\":1234567},\"unexplained_bytes\":0}")

static void memory_shows_both_side_by_side(void **state)
{
	struct world *w = *state;
	struct tp_memory_reply memory = good_memory();

	w->other = &memory;
	w->other_bytes = sizeof(memory);
	play_control(w, MEMORY_OF_CONTROL);
	play_dataplane(w, NULL);
	assert_int_equal(RUN("memory"), 0);
	assert_says(w, "resident       5,000,000  1,234,567");
	assert_says(w, "  packets      2,000,000             packet memory");
	assert_says(w, "  store                   1,234,567");
	assert_says(w, "  other              900"); // a part that a later version knows
	assert_says(w, "  unexplained        100          0");
	assert_int_equal(RUN("--json", "memory"), 0);
	assert_says(w, "\"session_region_bytes\": 4096");
	assert_says(w, "\"unexplained_bytes\": 100");
}

static void memory_of_one_is_shown_when_the_other_is_dead_or_old(void **state)
{
	struct world *w = *state;
	struct tp_memory_reply memory = good_memory();

	assert_int_equal(RUN("memory"), 3);
	w->other = &memory;
	w->other_bytes = sizeof(memory);
	play_dataplane(w, NULL);
	assert_int_equal(RUN("memory"), 4);
	assert_says(w, "turnpikectl: control does not say what its memory is made of");
	assert_says(w, "resident       5,000,000");
	play_control(w, MEMORY_OF_CONTROL);
	memory.header.type = TP_MSG_REFUSED;
	assert_int_equal(RUN("memory"), 4);
	assert_says(w, "dataplane does not say");
	assert_says(w, "of an earlier version");
	assert_says(w, "1,234,567");
}

static void memory_refuses_what_makes_no_sense(void **state)
{
	struct world *w = *state;
	struct tp_memory_reply memory = good_memory();

	w->other = &memory;
	w->other_bytes = sizeof(memory);
	play_dataplane(w, NULL);
	memory.parts = TP_MEMORY_PLACES + 1;
	assert_int_equal(RUN("memory"), 3);
	memory = good_memory();
	memory.header.magic++;
	assert_int_equal(RUN("memory"), 3);
	memory = good_memory();
	memory.header.length_bytes = w->other_bytes = sizeof(memory) - 8;
	assert_int_equal(RUN("memory"), 3);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		TEST(status_healthy_is_0),
		TEST(status_degraded_is_1),
		TEST(status_down_is_2),
		TEST(status_asks_the_dataplane_when_control_is_dead),
		TEST(status_asks_the_dataplane_when_control_hangs_up),
		TEST(the_dataplane_is_asked_when_control_has_too_many_clients),
		TEST(stats_come_from_the_dataplane_and_show_the_difference),
		TEST(stats_without_anybody_is_3),
		TEST(a_wrong_dataplane_is_no_answer),
		TEST(refusals_are_1),
		TEST(a_refusal_before_the_question_is_heard),
		TEST(wrong_usage_is_2),
		TEST(a_reload_says_what_changed_and_what_did_not),
		TEST(a_wrong_file_is_1_and_every_problem_has_a_line),
		TEST(what_was_provisioned_is_said_with_its_formula),
		TEST(a_provision_that_failed_is_1),
		TEST(nobody_is_3),
		TEST(old_counters_are_4),
		TEST(pages_are_put_together_but_not_for_ever),
		TEST(relay_ports_are_shown_with_their_sum),
		TEST(relay_refusals_and_states),
		TEST(output_is_escaped),
		TEST(help_needs_nobody),
		TEST(health_is_0_when_all_relay_and_answer),
		TEST(health_names_each_worker_and_why),
		TEST(health_names_who_is_dead),
		TEST(health_names_who_does_not_answer),
		TEST(health_does_not_trust_what_answers),
		TEST(memory_shows_both_side_by_side),
		TEST(memory_of_one_is_shown_when_the_other_is_dead_or_old),
		TEST(memory_refuses_what_makes_no_sense),
	};

	assert(argc == 2);
	binary = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
