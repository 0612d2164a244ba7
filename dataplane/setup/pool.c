// SPDX-License-Identifier: BSD-3-Clause
// Packet memory. net_af_xdp hands [first byte of the pool, objects x object size) to the kernel as
// UMEM: the pool must be one contiguous chunk without padding, else frames lie outside of it and
// reception dies after some thousand packets.
#include "dataplane/setup/pool.h"

#include <errno.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_ether.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>
#include <rte_memzone.h>

#include "common/base/log.h"
#include "dataplane/setup/interface.h"
#include "dataplane/setup/setup.h"

#define POOL_NAME         "tp_packets"
#define POOL_CACHE        256
#define POOL_PAGE         4096u // AF_XDP: a frame is at most one page
#define POOL_XDP_HEADROOM 256u  // the kernel puts that before received data (XDP_PACKET_HEADROOM)
#define POOL_LINK_BYTES   22u   // Ethernet header, one tag, and the frame check of odd drivers
#define POOL_QUEUE_MBUFS                                                                           \
	(2 * 2048u) // fill and completion rings of one queue, as the PMD sizes them
// What one worker may keep: 1,024 fragments in reassembly, whoever sends them, the pool's cache
// (half as much again as its size), bursts and transmit buffers. With less, strangers' fragments
// would leave no buffer to receive media in.
#define POOL_WORKER_MBUFS 2048u
static_assert(sizeof(struct rte_mempool_objhdr) <= 64);

static uint32_t pool_mtu(const struct conf *conf)
{
	struct dp_interface interface;
	uint32_t mtu = RTE_ETHER_MTU;

	for (size_t i = 0; i < conf->n_ports; i++) {
		if (conf->ports[i].mode != CONF_PORT_AF_XDP ||
			dp_interface_read(conf->ports[i].interface, &interface) < 0)
			continue; // dp_ports_open says what is wrong with it
		mtu = RTE_MAX(mtu, interface.mtu);
	}
	return RTE_MIN(mtu, DP_INTERFACE_MAX_MTU);
}

static uint32_t pool_element_bytes(const struct conf *conf)
{
	uint32_t room = RTE_PKTMBUF_HEADROOM + POOL_XDP_HEADROOM + POOL_LINK_BYTES + pool_mtu(conf);

	room = RTE_MAX(room, (uint32_t)RTE_MBUF_DEFAULT_BUF_SIZE);
	return sizeof(struct rte_mbuf) + RTE_ALIGN_CEIL(room + DP_MBUF_PRIVATE, 64u);
}

// Spreading objects over memory channels pads them; a frame that would outgrow the page goes
// without.
static uint32_t pool_flags(uint32_t element_bytes)
{
	uint32_t flags = RTE_MEMPOOL_F_NO_IOVA_CONTIG;

	if (rte_mempool_calc_obj_size(element_bytes, flags, NULL) > POOL_PAGE)
		flags |= RTE_MEMPOOL_F_NO_SPREAD;
	return flags;
}

uint32_t dp_pool_object_bytes(const struct conf *conf)
{
	uint32_t element = pool_element_bytes(conf);

	return rte_mempool_calc_obj_size(element, pool_flags(element), NULL);
}

uint32_t dp_pool_fewest(const struct conf *conf)
{
	uint32_t n = (uint32_t)conf->workers.n_cores * POOL_WORKER_MBUFS;

	for (size_t i = 0; i < conf->n_ports; i++)
		n += conf->ports[i].queues * POOL_QUEUE_MBUFS;
	return n;
}

struct pool_bounds {
	uintptr_t start, end;
	uint32_t outside;
};

static void pool_check_object(struct rte_mempool *mp, void *arg, void *object, unsigned int index)
{
	struct pool_bounds *b = arg;
	uintptr_t at = (uintptr_t)object - mp->header_size;

	if (at < b->start || (uintptr_t)object + mp->elt_size > b->end)
		b->outside++;
}

static int pool_check(struct rte_mempool *mp, const struct rte_memzone *mz, uint32_t object_bytes)
{
	struct pool_bounds bounds = {
		.start = (uintptr_t)mz->addr,
		.end = (uintptr_t)mz->addr + (uintptr_t)mp->populated_size * object_bytes,
	};

	rte_mempool_obj_iter(mp, pool_check_object, &bounds);
	if (mp->nb_mem_chunks == 1 && bounds.outside == 0 && object_bytes <= POOL_PAGE)
		return 0;
	tp_error(
		"packet memory is not one piece as AF_XDP needs it: %u chunks, %u buffers outside, "
		"%u bytes each",
		mp->nb_mem_chunks, bounds.outside, object_bytes);
	return -EFAULT;
}

static void pool_free_chunk(struct rte_mempool_memhdr *chunk, void *memzone)
{
	rte_memzone_free(memzone);
}

// One memzone, page aligned, filled object by object.
static int pool_populate(struct rte_mempool *mp, uint32_t count, uint32_t object_bytes)
{
	size_t bytes = (size_t)count * object_bytes;
	const struct rte_memzone *mz =
		rte_memzone_reserve_aligned(POOL_NAME, bytes, SOCKET_ID_ANY, 0, POOL_PAGE);
	if (!mz) {
		tp_error("no %zu MiB in one piece for packet memory: %s; lower limits.mbufs or "
			 "give more hugepages (sysctl vm.nr_hugepages)",
			bytes >> 20, rte_strerror(rte_errno));
		return -ENOMEM;
	}
	int n = rte_mempool_populate_virt(
		mp, mz->addr, bytes, POOL_PAGE, pool_free_chunk, (void *)(uintptr_t)mz);
	if (n < 0) {
		rte_memzone_free(mz);
		tp_error("packet memory cannot be laid out: %s", rte_strerror(-n));
		return n;
	}
	return pool_check(mp, mz, object_bytes);
}

int dp_pool_open(struct dp *dp)
{
	uint32_t count = dp->conf->limits.mbufs, fewest = dp_pool_fewest(dp->conf);
	uint32_t element = pool_element_bytes(dp->conf), flags = pool_flags(element);
	struct rte_pktmbuf_pool_private private = {
		.mbuf_data_room_size =
			(uint16_t)(element - sizeof(struct rte_mbuf) - DP_MBUF_PRIVATE),
		.mbuf_priv_size = DP_MBUF_PRIVATE,
	};
	int rc;

	if (count < fewest) {
		tp_error("limits.mbufs %u is too small for these queues and workers: at least %u",
			count, fewest);
		return -EINVAL;
	}
	struct rte_mempool *mp = rte_mempool_create_empty(
		POOL_NAME, count, element, POOL_CACHE, sizeof(private), SOCKET_ID_ANY, flags);
	if (!mp) {
		rc = -rte_errno;
		tp_error("packet memory cannot be made: %s", rte_strerror(rte_errno));
		return rc;
	}
	if ((rc = rte_mempool_set_ops_byname(mp, rte_mbuf_best_mempool_ops(), NULL)) < 0) {
		tp_error("packet memory has no mempool driver: %s", rte_strerror(-rc));
		goto fail;
	}
	rte_pktmbuf_pool_init(mp, &private);
	if ((rc = pool_populate(mp, count, rte_mempool_calc_obj_size(element, flags, NULL))) < 0)
		goto fail;
	rte_mempool_obj_iter(mp, rte_pktmbuf_init, NULL);
	dp->pool = mp;
	return 0;
fail:
	rte_mempool_free(mp);
	return rc;
}

void dp_pool_close(struct dp *dp)
{
	rte_mempool_free(dp->pool);
	dp->pool = NULL;
}

// Buffers, the pool itself and its ring are named after the pool.
static void add_zone(const struct rte_memzone *zone, void *out)
{
	if (strstr(zone->name, POOL_NAME))
		tp_memory_block(out, TP_MEMORY_packets, TP_MEMORY_dpdk, zone->addr, zone->len);
}

void dp_pool_memory(struct tp_memory *out)
{
	rte_memzone_walk(add_zone, out);
}
