// SPDX-License-Identifier: BSD-3-Clause
// GET /metrics on metrics.address:port, over libevent's HTTP server. Loop thread only.
#pragma once

#include "control/ctl.h"

struct ctl_metrics;

// 0; -errno when the address cannot be listened on.
// `listener` > 0: of the control before; taken if it is bound to that address, else closed.
int ctl_metrics_create(struct ctl *ctl, int listener, struct ctl_metrics **out);
// Requests under way must have been answered.
void ctl_metrics_destroy(struct ctl_metrics *m);

// For handing over; `m` NULL: nothing. Paused, nobody is accepted or answered.
int ctl_metrics_listener(const struct ctl_metrics *m);
void ctl_metrics_pause(struct ctl_metrics *m);
void ctl_metrics_resume(struct ctl_metrics *m);
