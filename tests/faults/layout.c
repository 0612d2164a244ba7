// SPDX-License-Identifier: BSD-3-Clause
// A control of the version before came and went: the region became one of its layout, and becomes
// one of ours again. The dataplane may be killed in the middle of either; the next one begins anew.
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/abi/region.h"
#include "tests/faults/world.h"

static const struct tp_region_shape ours = {
	FAULT_ALLOCS, FAULT_PEERS, FAULT_NAMES, sizeof(struct tp_alloc_record)};
static const struct tp_region_shape before = {
	FAULT_ALLOCS, FAULT_PEERS, FAULT_NAMES, TP_ALLOC_RECORD_BYTES_BEFORE};

// Another process converts, and dies at the first store into a page of its new region.
static void killed_amid(struct world *w, const struct tp_region_shape *had,
	const struct tp_region_shape *has, uint64_t page)
{
	uint64_t digest = lives_digest(w);
	struct tp_shm fresh;
	int status;

	FAULT_CHECK(tp_shm_create("faults-half", tp_region_shape_bytes(has), &fresh) == 0, "memfd");
	page %= (fresh.bytes + 4095) / 4096;
	pid_t pid = fork();
	FAULT_CHECK(pid >= 0, "fork");
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		mprotect((uint8_t *)fresh.base + page * 4096, 4096, PROT_NONE);
		_exit(tp_region_copy(w->memory.region.fd, had, fresh.base, has) == 0);
	}
	FAULT_CHECK(waitpid(pid, &status, 0) == pid, "waitpid");
	FAULT_CHECK(lives_digest(w) == digest, "the region that was to be converted was changed");
	w->halves += !WIFEXITED(status) || WEXITSTATUS(status) == 0;
	tp_shm_close(&fresh);
}

static void convert(
	struct world *w, const struct tp_region_shape *had, const struct tp_region_shape *has)
{
	struct tp_shm fresh;

	FAULT_CHECK(
		tp_shm_create("faults-region", tp_region_shape_bytes(has), &fresh) == 0, "memfd");
	FAULT_CHECK(tp_region_copy(w->memory.region.fd, had, fresh.base, has) == 0, "copy");
	tp_shm_close(&w->memory.region);
	w->memory.region = fresh;
}

// Control is dead. Draws nothing: scenarios stay what they were.
void layout_there_and_back(struct world *w)
{
	uint64_t n = w->seed * 7 + w->kills * 13 + w->steps;

	if (n % 4 != 0)
		return;
	fault_trace("  records of the layout before, and back");
	if (n % 3 == 0)
		killed_amid(w, &ours, &before, n / 12);
	convert(w, &ours, &before);
	if (n % 5 == 0)
		killed_amid(w, &before, &ours, n / 20);
	convert(w, &before, &ours);
	w->layouts++;
}
