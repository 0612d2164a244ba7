// SPDX-License-Identifier: BSD-3-Clause
// Packet memory and ports without a kernel side: pool and ethdev setup on null devices.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include "dataplane/setup/pool.h"
#include "dataplane/setup/setup.h"
#include "tests/unit/dataplane/eal.h"

struct bench {
	struct conf conf;
	struct dp dp;
};

static void add_port(struct bench *b, const char *vdev, uint32_t queues)
{
	struct conf_port *port = &b->conf.ports[b->conf.n_ports];

	*port = (struct conf_port){.mode = CONF_PORT_BENCH, .queues = queues};
	snprintf(port->name, sizeof(port->name), "p%zu", b->conf.n_ports++);
	snprintf(port->vdev, sizeof(port->vdev), "%s", vdev);
}

static int make(void **state)
{
	struct bench *b = test_calloc(1, sizeof(*b));

	b->conf.run_directory = (char *)(uintptr_t) "/nonexistent";
	b->conf.workers.n_cores = 2;
	b->conf.limits.mbufs = 20000;
	b->dp.conf = &b->conf;
	*state = b;
	return 0;
}

static int unmake(void **state)
{
	struct bench *b = *state;

	dp_steer_close(&b->dp);
	dp_ports_close(&b->dp);
	dp_pool_close(&b->dp);
	test_free(b);
	return 0;
}

static void queues_go_round_the_workers_over_all_ports(void **state)
{
	struct bench *b = *state;

	add_port(b, "net_null0,size=128", 1);
	add_port(b, "net_null1", 2);
	assert_int_equal(dp_pool_open(&b->dp), 0);
	assert_int_equal(dp_ports_open(&b->dp), 0);
	assert_int_equal(b->dp.n_ports, 2);
	assert_int_equal(b->dp.ports[0].queue_owner[0], 0);
	assert_int_equal(b->dp.ports[1].queue_owner[0], 1);
	assert_int_equal(b->dp.ports[1].queue_owner[1], 0);
	assert_int_equal(b->dp.ports[1].queues, 2);
	assert_int_equal(b->dp.ports[1].queue_fd[1], -1);
	assert_int_equal(b->dp.ports[1].ifindex, 0);
	assert_int_equal(b->dp.ports[0].mtu, 1500);
	assert_int_equal(b->dp.ports[0].up, 1);
	assert_int_equal(dp_steer_open(&b->dp), 0); // nothing to steer

	struct rte_mbuf *burst[4];
	assert_int_equal(rte_eth_rx_burst(b->dp.ports[0].port_id, 0, burst, 4), 4);
	assert_int_equal(rte_pktmbuf_data_len(burst[0]), 128);
	rte_pktmbuf_free_bulk(burst, 4);
}

static void what_the_device_lacks_is_refused(void **state)
{
	struct bench *b = *state;

	add_port(b, "net_null2", 2);
	add_port(b, "net_nothing0", 1);
	assert_int_equal(dp_pool_open(&b->dp), 0);
	assert_true(dp_ports_open(&b->dp) < 0);
}

static void an_empty_vdev_is_refused(void **state)
{
	struct bench *b = *state;

	add_port(b, "", 1);
	assert_int_equal(dp_pool_open(&b->dp), 0);
	assert_int_equal(dp_ports_open(&b->dp), -EINVAL);
}

static void too_few_mbufs_are_refused(void **state)
{
	struct bench *b = *state;

	add_port(b, "net_null3", 4);
	b->conf.limits.mbufs = dp_pool_fewest(&b->conf) - 1;
	assert_int_equal(dp_pool_open(&b->dp), -EINVAL);
	assert_null(b->dp.pool);
}

static void every_mbuf_lies_where_the_umem_will(void **state)
{
	struct bench *b = *state;
	struct rte_mbuf *m[64];

	assert_int_equal(dp_pool_open(&b->dp), 0);
	uint32_t bytes = dp_pool_object_bytes(&b->conf);
	const struct rte_mempool_memhdr *chunk = STAILQ_FIRST(&b->dp.pool->mem_list);
	assert_int_equal(b->dp.pool->nb_mem_chunks, 1);
	assert_int_equal((uintptr_t)chunk->addr % 4096, 0);
	assert_in_range(bytes, 2048, 4096);
	assert_int_equal(rte_mempool_avail_count(b->dp.pool), 20000);
	assert_int_equal(rte_pktmbuf_alloc_bulk(b->dp.pool, m, 64), 0);
	for (int i = 0; i < 64; i++) {
		uintptr_t offset = (uintptr_t)m[i] - (uintptr_t)chunk->addr;
		assert_true(offset < (uintptr_t)20000 * bytes);
		assert_int_equal(offset % bytes, b->dp.pool->header_size);
		// The kernel's 256 bytes and a frame of the default MTU fit behind the headroom.
		assert_true(rte_pktmbuf_tailroom(m[i]) >= 256 + 1500 + 18);
	}
	rte_pktmbuf_free_bulk(m, 64);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			queues_go_round_the_workers_over_all_ports, make, unmake),
		cmocka_unit_test_setup_teardown(what_the_device_lacks_is_refused, make, unmake),
		cmocka_unit_test_setup_teardown(an_empty_vdev_is_refused, make, unmake),
		cmocka_unit_test_setup_teardown(too_few_mbufs_are_refused, make, unmake),
		cmocka_unit_test_setup_teardown(every_mbuf_lies_where_the_umem_will, make, unmake),
	};
	if (test_eal_init("256") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
