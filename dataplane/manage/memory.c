// SPDX-License-Identifier: BSD-3-Clause
// What the resident memory of this process is made of, for `turnpikectl memory`.
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/abi/memory.h"
#include "common/base/log.h"
#include "dataplane/cmd/apply.h"
#include "dataplane/manage/manage_impl.h"
#include "dataplane/net/net.h"
#include "dataplane/path/worker.h"
#include "dataplane/setup/setup.h"

static uint64_t region_bytes(const struct dp_manage *m)
{
	struct stat s;

	return fstat(m->region.fd, &s) == 0 ? (uint64_t)s.st_blocks * 512 : 0;
}

int dp_manage_memory(const struct dp_manage *m, struct tp_memory_reply *out)
{
	const struct dp *dp = m->dp;
	struct tp_memory *memory = &out->memory;
	int rc;

	*out = (struct tp_memory_reply){.header = {.magic = TP_ABI_MAGIC,
						.major = TP_ABI_MAJOR,
						.minor = TP_ABI_MINOR,
						.type = TP_MSG_MEMORY_REPLY,
						.length_bytes = sizeof(*out)},
		.pid = (uint32_t)getpid(),
		.parts = TP_MEMORY_PARTS,
		.region_bytes = region_bytes(m)};
	rc = tp_memory_measure(memory, dp_eal_owns);
	if (rc < 0) {
		tp_error("cannot measure our own memory: %s", strerror(-rc));
		return rc;
	}
	if (dp->pool)
		dp_pool_memory(memory);
	if (dp->flows)
		dp_flow_table_memory(dp->flows, memory);
	if (dp->net)
		dp_net_memory(dp->net, memory);
	dp_apply_memory(dp->apply, memory);
	for (uint16_t w = 0; w < dp->n_workers; w++)
		dp_worker_memory(dp->workers[w], memory);
	tp_memory_split_heap(memory);
	return 0;
}
