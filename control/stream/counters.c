// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/counters.h"

#include <stdio.h>

#include "common/base/log.h"

#define A_LINE 8

static const char *const names[] = {
#define STREAM_COUNTER(name, unit, help) #name,
#include "control/stream/counter.def"
#undef STREAM_COUNTER
};

void stream_counters_log(const struct stream_counters *counters)
{
	char text[A_LINE * 48];
	size_t n = 0;

	for (unsigned int i = 0; i < STREAM_COUNTERS; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=%llu", names[i],
			(unsigned long long)counters->value[i]);
		if (i % A_LINE != A_LINE - 1 && i + 1 < STREAM_COUNTERS)
			continue;
		tp_notice("counters:%s", text);
		n = 0;
	}
}
