// SPDX-License-Identifier: BSD-3-Clause
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include "common/abi/punt.h"
#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/wire/chandata.h"
#include "dataplane/path/count.h"
#include "dataplane/path/dtls.h"
#include "dataplane/path/handoff.h"
#include "dataplane/path/idle.h"
#include "dataplane/path/pipeline.h"
#include "dataplane/path/probe.h"
#include "dataplane/path/reassemble.h"
#include "dataplane/path/settings_apply.h"
#include "dataplane/path/stage.h"
#include "dataplane/path/streams.h"
#include "dataplane/path/tx.h"

#define FALLBACK_MTU    1500
#define TICK_NS         (100 * TP_NS_PER_MS)
#define LATE_IDLE_POLLS 64 // empty polls between two looks at the clock

// ---- making

static void take_queues(struct dp_worker *w)
{
	for (uint16_t p = 0; p < w->dp->n_ports; p++) {
		const struct dp_port *port = &w->dp->ports[p];
		struct dp_tx *tx = &w->tx[p];

		*tx = (struct dp_tx){
			.port_id = port->port_id,
			.queue = DP_NO_QUEUE,
			.mtu = atomic_load_explicit(&port->mtu, memory_order_relaxed),
			.collect = port->queues == 0,
			.multi_segs = port->multi_segs,
			.mac = port->mac,
		};
		memcpy(&w->port_mac[p], &port->mac, sizeof(port->mac));
		if (tx->mtu == 0)
			tx->mtu = FALLBACK_MTU;
		for (uint16_t q = 0; q < port->queues; q++) {
			if (port->queue_owner[q] != w->index)
				continue;
			w->rx[w->n_rx++] = (struct dp_rx_queue){.port = p, .queue = q};
			if (tx->queue == DP_NO_QUEUE)
				tx->queue = q;
		}
		if (port->queues != 0)
			tx->owner = port->queue_owner[w->index % port->queues];
	}
}

int dp_worker_create(struct dp *dp, uint16_t index, unsigned int lcore, struct dp_worker **out)
{
	int socket = (int)rte_lcore_to_socket_id(lcore);
	uint16_t n_workers = (uint16_t)RTE_MAX(dp->conf->workers.n_cores, (size_t)1);
	int ret = -ENOMEM;

	struct dp_worker *w = rte_zmalloc_socket("worker", sizeof(*w), RTE_CACHE_LINE_SIZE, socket);
	if (w == NULL)
		return -ENOMEM;
	w->dp = dp;
	w->locals = dp->locals;
	w->flows = dp->flows;
	w->index = index;
	w->socket = socket;
	w->hop_limit = (uint8_t)dp->conf->forwarding.hop_limit;
	dp_settings_dscp(w, dp->conf->forwarding.dscp);
	w->keep_ipv4_id = dp->conf->forwarding.ip_id == CONF_IP_ID_KEEP;
	w->classic = dp->conf->compatibility.stun == CONF_STUN_RFC3489;
	w->channel_max = dp->conf->compatibility.channel_numbers == CONF_CHANNELS_RFC5766
				 ? CHANDATA_CHANNEL_MAX_RFC5766
				 : CHANDATA_CHANNEL_MAX;
	w->server_name = dp->conf->auth.oauth.server_name;
	w->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->event_fd < 0) {
		ret = -errno;
		goto fail;
	}
	ret = tp_random_bytes(&w->random, sizeof(w->random));
	if (ret < 0)
		goto fail;
	w->ipv4_id = (uint16_t)w->random;
	ret = -ENOMEM;
	w->scratch = rte_malloc_socket("scratch", DP_SCRATCH_BYTES, RTE_CACHE_LINE_SIZE, socket);
	if (w->scratch == NULL)
		goto fail;
	w->budget = dp_budget_create(
		&(struct dp_budget_rates){.per_address = dp->conf->unauthenticated.per_address,
			.per_network = dp->conf->unauthenticated.per_network,
			.punts = dp->conf->unauthenticated.punts,
			.unproven = dp->conf->unauthenticated.unproven},
		socket);
	if (w->budget == NULL)
		goto fail;
	ret = dp_dtls_create(w);
	if (ret < 0)
		goto fail;
	ret = dp_reassembly_create(w);
	if (ret < 0)
		goto fail;
	ret = dp_handoff_init(w, n_workers);
	if (ret < 0)
		goto fail;
	take_queues(w);
	atomic_store_explicit(&w->last_seen_ns, tp_now_ns(), memory_order_relaxed);
	*out = w;
	return 0;

fail:
	dp_worker_destroy(w);
	return ret;
}

void dp_worker_destroy(struct dp_worker *w)
{
	if (w == NULL)
		return;
	for (uint16_t p = 0; p < TP_MAX_PORTS; p++)
		rte_pktmbuf_free_bulk(w->tx[p].frame, w->tx[p].n);
	dp_handoff_fini(w);
	dp_reassembly_destroy(w);
	explicit_bzero(&w->nonce_keys, sizeof(w->nonce_keys));
	dp_dtls_destroy(w);
	dp_budget_destroy(w->budget);
	rte_free(w->scratch);
	if (w->event_fd >= 0)
		close(w->event_fd);
	rte_free(w);
}

static void block_memory(struct tp_memory *out, const void *block)
{
	size_t bytes;

	if (block && rte_malloc_validate(block, &bytes) == 0)
		tp_memory_block(out, TP_MEMORY_workers, TP_MEMORY_dpdk, block, bytes);
}

void dp_worker_memory(const struct dp_worker *w, struct tp_memory *out)
{
	block_memory(out, w);
	block_memory(out, w->scratch);
	block_memory(out, w->budget);
	block_memory(out, w->dtls);
	block_memory(out, w->reassembly);
	for (uint16_t i = 0; i < TP_MAX_WORKERS; i++)
		block_memory(out, w->handoff[i]);
}

// ---- the loop

static uint32_t poll_queues(struct dp_worker *w, uint64_t now_ns)
{
	uint32_t received = 0;

	for (uint16_t i = 0; i < w->n_rx; i++) {
		const struct dp_rx_queue *rx = &w->rx[i];
		uint16_t n =
			rte_eth_rx_burst(w->tx[rx->port].port_id, rx->queue, w->rx_frame, DP_BURST);
		if (n == 0)
			continue;
		if (received == 0)
			now_ns = tp_now_ns();
		dp_pipeline_run(w, w->rx_frame, n, rx->port, now_ns);
		received += n;
	}
	return received;
}

// The rings of a detached control are emptied before the pointer is given up. Only a pointer read
// since the last quiescent state may be used.
static void leave_link(struct dp_worker *w, uint64_t now_ns)
{
	struct dp_control_link *link = atomic_load_explicit(&w->published, memory_order_acquire);

	if (w->link != link && w->link != NULL) {
		for (uint32_t turns = 0; turns < TP_INJECT_RING_SLOTS; turns += DP_BURST) {
			if (dp_pipeline_inject(w, now_ns) == 0)
				break;
		}
		dp_tx_flush(w);
	}
	w->link = NULL;
}

static uint32_t take_streams(struct dp_worker *w)
{
	return dp_streams_waiting(w) ? dp_pipeline_streams(w, tp_now_ns()) : 0;
}

// One turn; returns how much there was to do. `now_ns` is refreshed when it matters.
static uint32_t turn(struct dp_worker *w, uint64_t now_ns)
{
	uint64_t start = rte_rdtsc();

	dp_pipeline_begin(w);
	if (atomic_load_explicit(&w->probe_wanted, memory_order_acquire) != w->probe_done)
		dp_probe_run(w, tp_now_ns());
	uint32_t received = poll_queues(w, now_ns);
	uint32_t other = dp_handoff_take(w) + dp_pipeline_inject(w, now_ns) + take_streams(w);
	if (received + other != 0) {
		uint64_t flush = rte_rdtsc();
		dp_tx_flush(w);
		dp_stage_end(w, TP_COUNTER_cycles_transmit, flush);
	}
	leave_link(w, now_ns);
	if (received + other != 0)
		dp_count(w, TP_COUNTER_cycles_busy, rte_rdtsc() - start);
	dp_count(w, received != 0 ? TP_COUNTER_poll_busy : TP_COUNTER_poll_empty, 1);
	return received + other;
}

int dp_worker_name(void *arg)
{
	const struct dp_worker *w = arg;
	char name[16];

	snprintf(name, sizeof(name), "tp-worker-%u", w->index);
	return -pthread_setname_np(pthread_self(), name);
}

int dp_worker_main(void *arg)
{
	struct dp_worker *w = arg;
	struct rte_rcu_qsbr *qsbr = w->dp->qsbr;
	bool backoff = w->dp->conf->workers.idle == CONF_IDLE_BACKOFF;
	uint64_t now_ns = tp_now_ns(), ticked_ns = now_ns;
	uint32_t idle = 0;

	dp_idle_prepare();
	rte_rcu_qsbr_thread_register(qsbr, w->index);
	rte_rcu_qsbr_thread_online(qsbr, w->index);
	while (!atomic_load_explicit(&w->dp->stop, memory_order_acquire)) {
		uint32_t done = turn(w, now_ns);
		idle = done != 0 ? 0 : idle + 1;
		rte_rcu_qsbr_quiescent(qsbr, w->index);
		if (idle % LATE_IDLE_POLLS != 0)
			continue;
		now_ns = tp_now_ns();
		atomic_store_explicit(&w->last_seen_ns, now_ns, memory_order_relaxed);
		if (now_ns - ticked_ns >= TICK_NS) {
			ticked_ns = now_ns;
			dp_pipeline_tick(w, now_ns);
		}
		if (!backoff)
			continue;
		if (idle >= DP_IDLE_POLLS) {
			dp_idle_block(w);
			idle = 0;
		} else if (done != 0 && done < DP_BURST && dp_idle_calm(w, now_ns)) {
			dp_idle_pause(w);
			idle = DP_IDLE_POLLS - 1; // when nothing came, nothing is waited for
		}
	}
	rte_rcu_qsbr_thread_offline(qsbr, w->index);
	rte_rcu_qsbr_thread_unregister(qsbr, w->index);
	return 0;
}

// ---- management thread

void dp_worker_set_link(struct dp_worker *w, struct dp_control_link *link)
{
	atomic_store_explicit(&w->published, link, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	dp_worker_kick(w);
}

void dp_worker_set_stream(struct dp_worker *w, uint32_t place, struct dp_stream_link *link)
{
	uint64_t places = dp_streams_attached(w), bit = UINT64_C(1) << place;

	atomic_store_explicit(&w->stream[place], link, memory_order_release);
	atomic_store_explicit(
		&w->streams, link != NULL ? places | bit : places & ~bit, memory_order_release);
	// Asleep it announced nothing on these rings.
	atomic_thread_fence(memory_order_seq_cst);
	dp_worker_kick(w);
}

int dp_worker_event_fd(const struct dp_worker *w)
{
	return w->event_fd;
}

void dp_worker_kick(struct dp_worker *w)
{
	tp_event_signal(w->event_fd);
}

bool dp_worker_take_move(struct dp_worker *w, uint32_t *flow)
{
	return dp_moves_take(&w->moves, flow);
}

void dp_worker_add_stats(const struct dp_worker *w, uint64_t counter[TP_COUNTERS],
	uint64_t drop[TP_DROPS], uint64_t *held)
{
	for (int i = 0; i < TP_COUNTERS; i++)
		counter[i] += atomic_load_explicit(&w->counter[i], memory_order_relaxed);
	for (int i = 0; i < TP_DROPS; i++)
		drop[i] += atomic_load_explicit(&w->drop[i], memory_order_relaxed);
	// Out of one worker and into another: only the sum over all of them means something.
	*held += atomic_load_explicit(&w->held_fragments, memory_order_relaxed) +
		 atomic_load_explicit(&w->handoff_out, memory_order_relaxed) -
		 atomic_load_explicit(&w->handoff_in, memory_order_relaxed);
}

uint64_t dp_worker_last_seen_ns(const struct dp_worker *w)
{
	return atomic_load_explicit(&w->last_seen_ns, memory_order_relaxed);
}
