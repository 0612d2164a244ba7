// SPDX-License-Identifier: BSD-3-Clause
// GET /metrics on metrics.address:port, over libevent's HTTP server. Loop thread only.
#pragma once

#include "control/ctl.h"

struct ctl_metrics;

// 0; -errno when the address cannot be listened on.
int ctl_metrics_create(struct ctl *ctl, struct ctl_metrics **out);
// Requests under way must have been answered.
void ctl_metrics_destroy(struct ctl_metrics *m);
