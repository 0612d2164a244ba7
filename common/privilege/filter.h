// SPDX-License-Identifier: BSD-3-Clause
// Filters of system calls: what a daemon may still ask of the kernel once it works. One list of
// what is allowed for each daemon (filter_dataplane.c, filter_control.c, filter_stream.c) beside
// what all need (filter_shared.c); all else ends the process.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tp_filter_rule {
	int call;      // SCMP_SYS(...)
	bool compared; // allowed only when `argument` is `value`; several rules: any of them
	uint8_t argument;
	uint64_t value; // of its lower 32 bits
};

struct tp_filter_part {
	const struct tp_filter_rule *rules;
	size_t n;
};

// No call stands twice, but for the rules that compare one argument of it.
struct tp_filter {
	struct tp_filter_part shared, own;
};

enum tp_filter_mode {
	TP_FILTER_KILL, // SIGSYS for the whole process
	TP_FILTER_LOG,  // allowed, and written to the kernel's log
	TP_FILTER_OFF,
};

struct tp_filter_part tp_filter_shared(void);
struct tp_filter tp_filter_dataplane(void);
struct tp_filter tp_filter_control(void);
struct tp_filter tp_filter_stream(void);

// Loads the filter for every thread of the process, for good. Needs NO_NEW_PRIVS
// (tp_privilege_drop). A build with sanitizers loads none and says so. 0 or -errno, logged.
int tp_filter_load(const struct tp_filter *filter, enum tp_filter_mode mode);
