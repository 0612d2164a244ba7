// SPDX-License-Identifier: BSD-3-Clause
// What of the configuration may change while workers run: published by the management thread, taken
// by each worker at the beginning of a turn. The words are written before the generation; a worker
// that meets the writer may take some old and some new ones, sees the generation move once more and
// takes them again. Nobody waits.
#pragma once

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

// Costs are those of tp_budget_cost_ns().
struct dp_settings_values {
	uint64_t address_cost_ns, network_cost_ns;
	uint64_t punt_cost_ns, unproven_cost_ns;
	uint16_t channel_max;
	uint8_t hop_limit; // 0: decrement
	uint8_t dscp;      // CONF_DSCP_COPY: that of the packet received
	uint32_t pad;
};
#define DP_SETTINGS_WORDS 5
static_assert(sizeof(struct dp_settings_values) == DP_SETTINGS_WORDS * sizeof(uint64_t));

struct dp_settings {
	_Atomic uint32_t generation; // w: manager, release r: workers, acquire; 0: never published
	_Atomic uint64_t word[DP_SETTINGS_WORDS]; // w: manager r: workers, relaxed
};

// Management thread.
static inline void dp_settings_publish(
	struct dp_settings *s, const struct dp_settings_values *values)
{
	uint64_t words[DP_SETTINGS_WORDS];
	uint32_t generation = atomic_load_explicit(&s->generation, memory_order_relaxed);

	memcpy(words, values, sizeof(words));
	for (int i = 0; i < DP_SETTINGS_WORDS; i++)
		atomic_store_explicit(&s->word[i], words[i], memory_order_relaxed);
	atomic_store_explicit(
		&s->generation, generation + 1 ? generation + 1 : 1, memory_order_release);
}

// Worker. Whether there is something newer than *seen, which is then filled in.
static inline bool dp_settings_take(
	const struct dp_settings *s, uint32_t *seen, struct dp_settings_values *out)
{
	uint64_t words[DP_SETTINGS_WORDS];
	uint32_t generation = atomic_load_explicit(&s->generation, memory_order_acquire);

	if (generation == *seen)
		return false;
	for (int i = 0; i < DP_SETTINGS_WORDS; i++)
		words[i] = atomic_load_explicit(&s->word[i], memory_order_relaxed);
	memcpy(out, words, sizeof(*out));
	*seen = generation;
	return true;
}
