// SPDX-License-Identifier: BSD-3-Clause
// The region keeps what a record held until a write of it is complete (common/abi/record.h):
// whoever dies in between leaves a record that can be put back, not one that must be dropped with
// its calls. Records that are being made need none of this: nobody was promised anything of them
// yet.
#include "control/alloc/store_private.h"

#define HEAD sizeof(uint32_t) // the sequence word stays where it is

static void note(_Atomic uint32_t *of, uint32_t index, uint32_t *old_sequence, uint8_t *copy,
	_Atomic uint32_t *sequence, size_t bytes)
{
	uint32_t now = atomic_load_explicit(sequence, memory_order_relaxed);
	// An inner write of the same record: what counts is how the outer one found it.
	if (!(now & 1)) {
		atomic_store_explicit(of, 0, memory_order_relaxed);
		atomic_thread_fence(memory_order_release); // invalid before it changes
		*old_sequence = now;
		memcpy(copy, (uint8_t *)sequence + HEAD, bytes);
		atomic_store_explicit(
			of, index + 1, memory_order_release); // whole before it counts
	}
	ctl_write_begin(sequence);
}

void ctl_record_begin(struct ctl_store *s, struct tp_alloc_record *r)
{
	struct tp_region_alloc_journal *j = s->alloc_journal;
	note(&j->of, (uint32_t)(r - s->allocs), &j->sequence, j->bytes, &r->sequence,
		sizeof(j->bytes));
}

void ctl_record_end(struct ctl_store *s, struct tp_alloc_record *r)
{
	struct tp_region_alloc_journal *j = s->alloc_journal;
	ctl_write_end(&r->sequence);
	// A session key goes with its allocation, its copy at once.
	if (j->bytes[offsetof(struct tp_alloc_record, mac_key_length) - HEAD] != 0) {
		atomic_store_explicit(&j->of, 0, memory_order_relaxed);
		explicit_bzero(j->bytes, sizeof(j->bytes));
	}
}

void ctl_peer_begin(struct ctl_store *s, struct tp_peer_record *p)
{
	struct tp_region_peer_journal *j = s->peer_journal;
	note(&j->of, (uint32_t)(p - s->peers), &j->sequence, j->bytes, &p->sequence,
		sizeof(j->bytes));
}

void ctl_peer_end(struct ctl_store *s, struct tp_peer_record *p)
{
	ctl_write_end(&p->sequence);
}

// What is put back is looked at like any other record afterwards: nothing here needs to be true.
static void undo(
	uint32_t old_sequence, const uint8_t *copy, _Atomic uint32_t *sequence, size_t bytes)
{
	uint32_t now = atomic_load_explicit(sequence, memory_order_acquire);
	if (!(now & 1) || now != (old_sequence | 1))
		return;
	memcpy((uint8_t *)sequence + HEAD, copy, bytes);
	ctl_write_end(sequence);
}

void ctl_journal_undo(struct ctl_store *s)
{
	struct tp_region_alloc_journal *a = s->alloc_journal;
	struct tp_region_peer_journal *p = s->peer_journal;
	uint32_t alloc = atomic_load_explicit(&a->of, memory_order_acquire);
	uint32_t peer = atomic_load_explicit(&p->of, memory_order_acquire);
	if (alloc != 0 && alloc <= s->alloc_capacity)
		undo(a->sequence, a->bytes, &s->allocs[alloc - 1].sequence, sizeof(a->bytes));
	if (peer != 0 && peer <= s->peer_capacity)
		undo(p->sequence, p->bytes, &s->peers[peer - 1].sequence, sizeof(p->bytes));
}
