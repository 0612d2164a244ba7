// SPDX-License-Identifier: BSD-3-Clause
// The Prometheus text exposition of one moment. Names come from counter.def and drop_reason.def;
// labels are taken from tables and the configuration only, so their number is bounded.
#pragma once

#include <stdio.h>

#include "common/abi/stats.h"
#include "control/alloc/relay_use.h"
#include "control/alloc/store.h"
#include "control/io/punt_in.h"
#include "control/loop/streams.h"
#include "control/loop/watch.h"
#include "control/turn/turn.h"

struct ctl_metrics_input { // any may be NULL: not known now
	const struct tp_status_reply *dataplane;
	const struct ctl_store_status *store;
	const struct ctl_relay_totals *relays; // IPv4, IPv6
	const struct ctl_turn_counters *turn;
	const struct ctl_io_counters *io;
	const struct ctl_watch_view *watch;
	const struct ctl_streams_view *streams;
	const struct ctl_stream_counters *stream_notes;
};

void ctl_metrics_print(FILE *out, const struct ctl_metrics_input *input);
