// SPDX-License-Identifier: BSD-3-Clause
// Stands where the thread sanitizer's runtime would: the compiler calls it before every store of
// the control code that is built for this harness (-fsanitize=thread at compile time only). A store
// into the session region is a point; everything else is let pass. And the allocators of that code,
// of which the n-th call fails.
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/abi/health.h"
#include "tests/faults/point.h"

static struct {
	struct fault_plan *plan;
	uint8_t *region;
	size_t bytes;
	enum fault_op op;
} watch;

void fault_watch(struct fault_plan *plan, void *region, size_t bytes)
{
	watch.plan = plan;
	watch.region = region;
	watch.bytes = bytes;
}

enum fault_op fault_doing(enum fault_op op)
{
	enum fault_op before = watch.op;
	watch.op = op;
	return before;
}

void fault_pass(enum fault_step step)
{
	struct fault_plan *p = watch.plan;
	if (!p || watch.op == FAULT_NOTHING)
		return;
	p->passages++;
	p->passed[watch.op][step]++;
	bool named = p->kill_op == watch.op && p->kill_step == step;
	if (named && p->kill_skip > 0) {
		p->kill_skip--;
		named = false;
	}
	if (!named && p->passages != p->kill_at)
		return;
	p->killed[watch.op][step]++;
	p->killed_op = (uint8_t)watch.op;
	p->killed_step = (uint8_t)step;
	_exit(FAULT_EXIT_KILLED);
}

// ---- What a place in the region is.

#define FROM(type, field) offsetof(struct type, field)

static enum fault_step alloc_step(size_t at, uint32_t sequence)
{
	static const struct {
		size_t from;
		enum fault_step step;
	} fields[] = {
		{FROM(tp_alloc_record, layout), FAULT_record_state},
		{FROM(tp_alloc_record, self), FAULT_record_identity},
		{FROM(tp_alloc_record, deadline_ns), FAULT_record_deadline},
		{FROM(tp_alloc_record, client), FAULT_record_client},
		{FROM(tp_alloc_record, relay), FAULT_record_relay},
		{FROM(tp_alloc_record, first_peer), FAULT_record_links},
		{FROM(tp_alloc_record, transaction_id), FAULT_record_identity},
		{FROM(tp_alloc_record, granted_lifetime_s), FAULT_record_deadline},
		{FROM(tp_alloc_record, snapshot), FAULT_record_counters},
		{FROM(tp_alloc_record, realm), FAULT_record_user},
		{FROM(tp_alloc_record, transport), FAULT_record_client},
		{FROM(tp_alloc_record, closed_families), FAULT_record_relay},
		{FROM(tp_alloc_record, mac_key_length), FAULT_record_user},
		{FROM(tp_alloc_record, reservation), FAULT_record_reservation},
		{FROM(tp_alloc_record, family_deadline_ns), FAULT_record_deadline},
		{FROM(tp_alloc_record, reservation_token), FAULT_record_reservation},
		{FROM(tp_alloc_record, realm_tag), FAULT_record_user},
		{FROM(tp_alloc_record, ticket), FAULT_record_ticket},
		{FROM(tp_alloc_record, move_ip), FAULT_record_place},
		{FROM(tp_alloc_record, before), FAULT_record_before},
		{FROM(tp_alloc_record, stream), FAULT_record_client},
		{FROM(tp_alloc_record, move_stream), FAULT_record_place},
		{FROM(tp_alloc_record, before_stream), FAULT_record_before},
	};
	if (at < sizeof(uint32_t))
		return sequence & 1 ? FAULT_record_begun : FAULT_record_written;
	size_t i = sizeof(fields) / sizeof(fields[0]) - 1;
	while (at < fields[i].from)
		i--;
	return fields[i].step;
}

static enum fault_step peer_step(size_t at, uint32_t sequence)
{
	if (at < sizeof(uint32_t))
		return sequence & 1 ? FAULT_peer_begun : FAULT_peer_written;
	if (at < FROM(tp_peer_record, owner))
		return FAULT_peer_state;
	if (at < FROM(tp_peer_record, next))
		return FAULT_peer_owner;
	if (at < FROM(tp_peer_record, channel))
		return FAULT_peer_link;
	if (at >= FROM(tp_peer_record, deadline_ns) && at < FROM(tp_peer_record, peer))
		return FAULT_peer_deadline;
	return FAULT_peer_address;
}

static enum fault_step header_step(size_t at)
{
	if (at >= TP_REGION_RELAYS_OFFSET)
		return FAULT_header_other;
	if (at >= TP_REGION_PEER_JOURNAL_OFFSET ||
		(at >= TP_REGION_ALLOC_JOURNAL_OFFSET && at < TP_REGION_BEATS_OFFSET))
		return FAULT_journal;
	if (at >= TP_REGION_KEYS_OFFSET)
		return FAULT_header_keys;
	if (at >= FROM(tp_region_header, nonce_key) &&
		at < FROM(tp_region_header, control_generation))
		return FAULT_header_keys;
	if (at >= FROM(tp_region_header, next_uid) && at < FROM(tp_region_header, nonce_key))
		return FAULT_header_uid;
	return FAULT_header_other;
}

// `sequence`: what is about to be stored, where that is a sequence word.
static void stored(const void *address, uint32_t sequence)
{
	size_t at = (size_t)((const uint8_t *)address - watch.region);
	const struct tp_region_header *h = (const struct tp_region_header *)watch.region;
	if (!watch.region || at >= watch.bytes)
		return;
	if (at < TP_REGION_HEADER_BYTES) {
		fault_pass(header_step(at));
		return;
	}
	at -= TP_REGION_HEADER_BYTES;
	size_t allocs = h->alloc_capacity * sizeof(struct tp_alloc_record);
	size_t peers = h->peer_capacity * sizeof(struct tp_peer_record);
	if (at < allocs) {
		fault_pass(alloc_step(at % sizeof(struct tp_alloc_record), sequence));
		return;
	}
	at -= allocs;
	if (at < peers) {
		fault_pass(peer_step(at % sizeof(struct tp_peer_record), sequence));
		return;
	}
	at = (at - peers) % sizeof(struct tp_name_record);
	fault_pass(at >= sizeof(uint32_t) ? FAULT_name_body
		   : sequence & 1         ? FAULT_name_begun
					  : FAULT_name_written);
}

// ---- What the compiler calls. Names and shapes are its own.

#pragma GCC diagnostic ignored "-Wmissing-prototypes"

void __tsan_init(void)
{
}
void __tsan_func_entry(void *pc)
{
}
void __tsan_func_exit(void *pc)
{
}

#define ACCESS(n)                                                                                  \
	void __tsan_read##n(void *address)                                                         \
	{                                                                                          \
	}                                                                                          \
	void __tsan_unaligned_read##n(void *address)                                               \
	{                                                                                          \
	}                                                                                          \
	void __tsan_write##n(void *address)                                                        \
	{                                                                                          \
		stored(address, 0);                                                                \
	}                                                                                          \
	void __tsan_unaligned_write##n(void *address)                                              \
	{                                                                                          \
		stored(address, 0);                                                                \
	}
// clang-format off
ACCESS(1)
ACCESS(2)
ACCESS(4)
ACCESS(8)
ACCESS(16)
// clang-format on

void __tsan_read_range(void *address, long bytes)
{
}
void __tsan_write_range(void *address, long bytes)
{
	stored(address, 0);
}

// Sequence words of records, and indexes of rings. Control and the harness take turns: any order
// will do.
uint32_t __tsan_atomic32_load(const volatile void *address, int order)
{
	return __atomic_load_n((const volatile uint32_t *)address, __ATOMIC_SEQ_CST);
}

void __tsan_atomic32_store(volatile void *address, uint32_t value, int order)
{
	stored((const void *)(uintptr_t)address, value);
	__atomic_store_n((volatile uint32_t *)address, value, __ATOMIC_SEQ_CST);
}

uint32_t __tsan_atomic32_exchange(volatile void *address, uint32_t value, int order)
{
	return __atomic_exchange_n((volatile uint32_t *)address, value, __ATOMIC_SEQ_CST);
}

void __tsan_atomic_thread_fence(int order)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

// ---- What is no store of the compiler's (tests/faults/meson.build wraps it).

void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__real_memset(void *to, int value, size_t bytes);

// Half of it, so that a kill may come in between.
void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
	stored(to, 0);
	if (watch.region && bytes > 8) {
		__real_memcpy(to, from, bytes / 2);
		stored(to, 0);
	}
	return __real_memcpy(to, from, bytes);
}

void *__wrap_memset(void *to, int value, size_t bytes)
{
	stored(to, 0);
	if (watch.region && bytes > 8) {
		__real_memset(to, value, bytes / 2);
		stored(to, 0);
	}
	return __real_memset(to, value, bytes);
}

static bool fails(void)
{
	struct fault_plan *p = watch.plan;
	if (!p || ++p->allocations != p->fail_at)
		return false;
	p->failed++;
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t n, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
char *__real_strdup(const char *text);

void *__wrap_malloc(size_t bytes)
{
	return fails() ? NULL : __real_malloc(bytes);
}
void *__wrap_calloc(size_t n, size_t bytes)
{
	return fails() ? NULL : __real_calloc(n, bytes);
}
void *__wrap_realloc(void *old, size_t bytes)
{
	return fails() ? NULL : __real_realloc(old, bytes);
}
char *__wrap_strdup(const char *text)
{
	return fails() ? NULL : __real_strdup(text);
}

static bool call_fails(void)
{
	struct fault_plan *p = watch.plan;
	if (!p || ++p->calls != p->fail_call_at)
		return false;
	p->failed++;
	errno = ENOMEM;
	return true;
}

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_fcntl(int fd, int command, void *argument);
int __real_fstat(int fd, struct stat *out);

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	return call_fails() ? MAP_FAILED : __real_mmap(at, bytes, protection, flags, fd, offset);
}
// Its argument, if any, fits a pointer.
int __wrap_fcntl(int fd, int command, void *argument)
{
	return call_fails() ? -1 : __real_fcntl(fd, command, argument);
}
int __wrap_fstat(int fd, struct stat *out)
{
	return call_fails() ? -1 : __real_fstat(fd, out);
}
