// SPDX-License-Identifier: BSD-3-Clause
// Which threads of the dataplane run on which cores.
#pragma once

#include <sched.h>
#include <stddef.h>

#include "config/conf.h"

// Writes EAL's --lcores: lcore i + 1 on workers.cores[i], lcore 0 (management, and what EAL starts
// beside it) on every core of `allowed` that carries no worker, so that the scheduler never puts it
// before one; on all of them where there is no other. 0; -EINVAL for a core that is not allowed
// (logged), -E2BIG.
int dp_lcores(const struct conf *conf, const cpu_set_t *allowed, char *out, size_t size);
