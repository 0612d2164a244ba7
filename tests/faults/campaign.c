// SPDX-License-Identifier: BSD-3-Clause
// A seeded random campaign of scenarios; run.sh says how it is called. A scenario is a function of
// its seed: one that fails prints the line that replays it, and what it did.
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "tests/faults/world.h"
#include "tests/unit/dataplane/eal.h"

#define TRACE_LINES 400

static struct {
	char line[TRACE_LINES][160];
	uint32_t n;
	bool print;
	uint64_t seed;
	pid_t control; // to be ended with us
} trace;

void fault_trace(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *line = trace.line[trace.n++ % TRACE_LINES];
	vsnprintf(line, sizeof(trace.line[0]), format, args);
	va_end(args);
	if (trace.print)
		puts(line);
}

void fault_trace_begin(uint64_t seed)
{
	trace.seed = seed;
	trace.n = 0;
}

void fault_ends_with_us(pid_t control)
{
	trace.control = control;
}

void fault_fail(const char *format, ...)
{
	va_list args;
	uint32_t from = trace.n > TRACE_LINES ? trace.n - TRACE_LINES : 0;
	for (uint32_t i = from; i < trace.n && !trace.print; i++)
		puts(trace.line[i % TRACE_LINES]);
	va_start(args, format);
	printf("FAIL seed %llu: ", (unsigned long long)trace.seed);
	vprintf(format, args);
	va_end(args);
	printf("\nreplay it: tests/faults/run.sh --seed %llu --scenarios 1\n",
		(unsigned long long)trace.seed);
	fflush(stdout);
	if (trace.control)
		kill(trace.control, SIGKILL);
	_exit(1);
}

static bool complete(const struct fault_plan *p, bool all)
{
	bool ok = true;
	uint32_t killed = 0, missed = 0;
	for (int op = 1; op < FAULT_OPS_END; op++)
		for (int step = 0; step < FAULT_STEPS_END; step++) {
			bool listed = fault_listed(op, step);
			killed += p->killed[op][step] > 0;
			if (p->passed[op][step] && !listed) {
				printf("POINT(%s, %s) is passed and not in points.def\n",
					fault_op_name(op), fault_step_name(step));
				ok = false;
			}
			if (all && listed && !p->killed[op][step]) {
				printf("nobody was killed before %s.%s, passed %u times\n",
					fault_op_name(op), fault_step_name(step),
					p->passed[op][step]);
				missed++;
			}
		}
	printf("%u of %zu kill points met\n", killed, fault_points());
	return ok && missed == 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
		{"scenarios", required_argument, NULL, 'n'},
		{"minutes", required_argument, NULL, 'm'}, {"trace", no_argument, NULL, 't'}, {}};
	uint64_t seed = 1, scenarios = 1000, done = 0, kills = 0, answers = 0, successes = 0,
		 breaches = 0, renewals = 0, damages = 0, layouts = 0, halves = 0, steps = 0;
	time_t end = 0;
	int option;
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0)
		switch (option) {
		case 's':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'n':
			scenarios = strtoull(optarg, NULL, 0);
			break;
		case 'm':
			scenarios = UINT64_MAX;
			end = time(NULL) + atol(optarg) * 60;
			break;
		case 't':
			trace.print = true;
			break;
		default:
			return 2;
		}
	tp_log_init("faults", TP_LOG_ERROR);
	struct fault_shared *s =
		mmap(NULL, sizeof(*s), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct world *w = calloc(1, sizeof(*w));
	struct ctl_crypto *crypto;
	if (s == MAP_FAILED || !w || ctl_crypto_create(&crypto) || test_eal_init("64") < 0)
		return 1;
	for (; done < scenarios && (end == 0 || time(NULL) < end); done++) {
		scenario_run(w, s, crypto, seed + done);
		kills += w->kills;
		answers += w->answers;
		successes += w->successes;
		breaches += w->breaches;
		renewals += w->renewals;
		damages += w->damages;
		layouts += w->layouts;
		halves += w->halves;
		steps += w->steps;
	}
	printf("%llu scenarios from seed %llu: %llu steps, %llu kills, %llu answers (%llu of "
	       "success), "
	       "%llu acknowledgements tampered with, %llu allocations and calls failed, %llu "
	       "dataplanes replaced, "
	       "%llu regions damaged, %llu in the layout before and back, %llu killed amid that\n",
		(unsigned long long)done, (unsigned long long)seed, (unsigned long long)steps,
		(unsigned long long)kills, (unsigned long long)answers,
		(unsigned long long)successes, (unsigned long long)breaches,
		(unsigned long long)s->plan.failed, (unsigned long long)renewals,
		(unsigned long long)damages, (unsigned long long)layouts,
		(unsigned long long)halves);
	bool ok = complete(&s->plan, done >= 1000);
	ctl_crypto_destroy(crypto);
	free(w);
	return !ok;
}
