// SPDX-License-Identifier: BSD-3-Clause
// Control's part of `memory`: its own. turnpikectl asks the dataplane itself, so that neither
// process needs to read what the kernel says of the other.
#include <string.h>
#include <unistd.h>

#include "control/alloc/store.h"
#include "control/api/memory.h"
#include "control/api/operations.h"
#include "control/loop/session.h"
#include "control/turn/turn.h"

void ctl_op_memory(void *context, struct ctl_call *call, const json_t *params)
{
	struct ctl *ctl = context;
	const struct ctl_store *store = ctl_session_store(ctl->session);
	const struct ctl_turn *turn = ctl_session_turn(ctl->session);
	struct tp_memory memory;
	int rc = tp_memory_measure(&memory, NULL);
	json_t *result;

	if (rc < 0) {
		ctl_call_fail(call, CTL_RPC_INTERNAL, strerror(-rc));
		return;
	}
	if (store)
		ctl_store_memory(store, &memory);
	if (turn)
		ctl_turn_memory(turn, &memory);
	tp_memory_split_heap(&memory);
	result = ctl_memory_json(&memory);
	json_object_set_new(result, "pid", json_integer(getpid()));
	ctl_call_reply(call, result);
}
