// SPDX-License-Identifier: BSD-3-Clause
// Heartbeats: whoever is watched stores a clock reading now and then, whoever watches looks whether
// the word changes. Only change counts, never the value: a peer that writes nonsense gains no more
// than being taken for alive, which it could have by beating. A watcher that was itself stopped (a
// machine that slept) starts over.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "common/base/clock.h"

#define TP_BEAT_EVERY_NS (250 * TP_NS_PER_MS) // both processes; a worker asleep wakes that often
#define TP_BEAT_HUNG_NS  (750 * TP_NS_PER_MS) // said within a second, at a look every 250 ms

enum tp_beat_news { TP_BEAT_SAME, TP_BEAT_HANGS, TP_BEAT_IS_BACK };

// One word that is watched; zero begins. A beat of 0 is nobody's: not judged.
struct tp_beat_watch {
	uint64_t beat;       // as seen last
	uint64_t changed_ns; // when it was seen to change
	uint64_t looked_ns;
	uint64_t hangs; // times that it was found hung
	bool hung;
};

// Compares at `now_ns`; says each transition once. When it is back, *silent_ns (may be NULL) is how
// long it had been silent, when it hangs, how long it is by now.
enum tp_beat_news tp_beat_look(
	struct tp_beat_watch *w, uint64_t beat, uint64_t now_ns, uint64_t *silent_ns);

// Forgets what was seen, not how often it hung: somebody else beats from now on.
void tp_beat_forget(struct tp_beat_watch *w);

// Milliseconds since a beat, by a clock that both sides share; 0 for one in the future.
static inline uint32_t tp_beat_age_ms(uint64_t beat, uint64_t now_ns)
{
	uint64_t ms = now_ns > beat ? (now_ns - beat) / TP_NS_PER_MS : 0;

	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}
