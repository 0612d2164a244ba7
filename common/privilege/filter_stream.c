// SPDX-License-Identifier: BSD-3-Clause
// What only a stream process asks of the kernel: to be told when a socket appears in the run
// directory. It runs no program and makes no thread.
#include "common/privilege/filter_rules.h"

// clang-format off
static const struct tp_filter_rule rules[] = {
	ALLOW(inotify_init1), ALLOW(inotify_add_watch),
};
// clang-format on

struct tp_filter tp_filter_stream(void)
{
	return (struct tp_filter){.shared = tp_filter_shared(), .own = PART(rules)};
}
