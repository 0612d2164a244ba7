// SPDX-License-Identifier: BSD-3-Clause
#include "common/abi/stats.h"

#include <stddef.h>

struct stats_counter_text {
	const char *name, *unit, *help;
};

static const struct stats_counter_text counters[] = {
#define TP_COUNTER(name, unit, help) {#name, #unit, help},
#include "common/abi/counter.def"
#undef TP_COUNTER
};

struct stats_drop_text {
	const char *name, *help;
};

static const struct stats_drop_text drops[] = {
#define TP_DROP(name, help) {#name, help},
#include "common/abi/drop_reason.def"
#undef TP_DROP
};

const char *tp_counter_name(unsigned int counter)
{
	return counter < TP_COUNTERS ? counters[counter].name : NULL;
}

const char *tp_counter_help(unsigned int counter)
{
	return counter < TP_COUNTERS ? counters[counter].help : NULL;
}

const char *tp_counter_unit(unsigned int counter)
{
	return counter < TP_COUNTERS ? counters[counter].unit : NULL;
}

const char *tp_drop_name(unsigned int reason)
{
	return reason < TP_DROPS ? drops[reason].name : NULL;
}

const char *tp_drop_help(unsigned int reason)
{
	return reason < TP_DROPS ? drops[reason].help : NULL;
}
