// SPDX-License-Identifier: BSD-3-Clause
// turnpike-bench fill: stands in for a control that served N clients and then died. It attaches as
// control does, makes the records by the store's own code, has the dataplane install every flow,
// and leaves: region and tables are those that the next control finds.
#pragma once

#include "config/conf.h"
#include "control/alloc/store.h"
#include "control/dpcmd/attach.h"
#include "control/dpcmd/commands.h"

struct fill {
	const struct conf *conf;
	uint32_t allocations;
	struct ctl_store *store;
	struct ctl_attachment attachment;
	struct ctl_command_queue commands;
	int fd; // of the attachment
	struct tp_addr listener, peer;
	struct tp_ip client; // of the first; a thousand ports each
	uint64_t refused;    // commands, by the dataplane
};

// attach.c: connects, greets, maps. 0 or -errno, said on stderr.
int fill_attach(struct fill *f);
// Has the dataplane take what was sent, until `room` commands fit again; UINT32_MAX: all of it. 0,
// -ETIMEDOUT when it stands still, -EPROTO.
int fill_wait(struct fill *f, uint32_t room);

// main.c's table
int fill_main(int argc, char **argv);
