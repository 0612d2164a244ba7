// SPDX-License-Identifier: BSD-3-Clause
// The one loop: what comes in, what is due, and the pace of the traffic.
#include <sys/epoll.h>

#include "bench/load/load.h"
#include "common/base/clock.h"

#define DRAIN_NS    TP_NS_PER_S
#define PROGRESS_NS (100 * TP_NS_PER_MS)
#define TICK_NS     (20 * TP_NS_PER_MS)
#define SLOT_NS     TP_NS_PER_MS // traffic is sent in slots of a millisecond

void load_poll(struct load *l, int timeout_ms)
{
	struct epoll_event events[256];
	int n = epoll_wait(l->epoll, events, 256, timeout_ms);

	for (int i = 0; i < n; i++) {
		uint32_t tag = events[i].data.u32;

		if (tag == LOAD_PEER_TAG)
			load_receive_peer(l);
		else if (tag == LOAD_MEDIA_CLIENT_TAG || tag == LOAD_MEDIA_PEER_TAG)
			load_media_receive(l, tag);
		else
			load_receive_client(l, &l->clients[tag]);
	}
}

void load_tick(struct load *l, uint64_t now_ns)
{
	if (now_ns - l->ticked_ns < TICK_NS)
		return;
	l->ticked_ns = now_ns;
	for (uint32_t i = 0; i < l->options.clients && l->outstanding; i++)
		load_session_tick(l, &l->clients[i], now_ns);
}

// Sends the traffic of one slot: every client's turn comes equally often, evenly spread.
static void send_slot(struct load *l, uint64_t slot)
{
	uint64_t from = l->pps * slot / 1000, to = l->pps * (slot + 1) / 1000;

	for (uint64_t n = from; n < to; n++) {
		struct load_client *c = &l->clients[n % l->options.clients];
		if (!c->bound)
			continue;
		if (l->options.directions & LOAD_UP)
			load_send_up(l, c);
		if (l->options.directions & LOAD_DOWN)
			load_send_down(l, c);
	}
	load_send_flush(l);
}

static bool all_silent(const struct load *l, uint64_t now)
{
	for (uint32_t i = 0; i < l->options.clients; i++) {
		const struct load_client *c = &l->clients[i];
		if (now - c->up.last_ns < 2 * TP_NS_PER_S ||
			now - c->down.last_ns < 2 * TP_NS_PER_S)
			return false;
	}
	return true;
}

static void refresh_all(struct load *l, uint64_t now_ns)
{
	for (uint32_t i = 0; i < l->options.clients; i++)
		load_session_refresh(l, &l->clients[i], now_ns);
}

void load_traffic(struct load *l, uint64_t duration_ns, bool until_silence)
{
	uint64_t begin = tp_now_ns(), slot = 0, told = begin;
	uint64_t period = until_silence ? 0 : l->options.refresh_every_s * TP_NS_PER_S;
	struct load_live live;

	load_live_begin(&live);
	for (;;) {
		uint64_t now = tp_now_ns();
		if (now - begin >= duration_ns ||
			(until_silence && now - begin > TP_NS_PER_S && all_silent(l, now)))
			break;
		// After a stall the missed slots are not made up for in one burst: at most five.
		uint64_t due = (now - begin) / SLOT_NS;
		if (due > slot + 5)
			slot = due - 5;
		for (; slot < due; slot++)
			send_slot(l, slot);
		load_poll(l, 0);
		load_tick(l, now);
		if (l->progress && now - told > PROGRESS_NS) {
			load_progress(l, l->progress);
			told = now;
		}
		if (period && now - l->refreshed_ns > period) {
			refresh_all(l, now);
			l->refreshed_ns = now;
		}
		load_live_tell(&live, l, now);
		load_poll(l, 1);
	}
}

void load_drain(struct load *l)
{
	uint64_t end = tp_now_ns() + DRAIN_NS;

	while (l->outstanding || tp_now_ns() < end) {
		load_poll(l, 10);
		load_tick(l, tp_now_ns());
	}
}
