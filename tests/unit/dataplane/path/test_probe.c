// SPDX-License-Identifier: BSD-3-Clause
// The probe of health: a worker relays a packet of its own by the real steps, tells what became of
// it, and nobody outside can reach its flow.
#include "common/abi/health.h"
#include "dataplane/path/probe.h"
#include "tests/unit/dataplane/path/rig.h"

static struct dp_probe_report probe(struct rig *rig, uint32_t round)
{
	struct dp_probe_report report;

	dp_worker_probe(rig->w, round);
	dp_probe_run(rig->w, rig->now_ns);
	dp_worker_probe_report(rig->w, &report);
	assert_int_equal(report.round, round);
	return report;
}

static void relays(struct rig *rig)
{
	assert_int_equal(dp_probe_open(&rig->dp), 0);
	for (uint32_t round = 1; round <= 3; round++)
		assert_int_equal(probe(rig, round).result, TP_PROBE_RELAYED);
	// Counted by name, nothing left, nothing in the books, no buffer kept.
	assert_int_equal(rig_counter(rig, probe), 3);
	rig_collect(rig);
	assert_int_equal(rig->n_out, 0);
	assert_int_equal(rig_counter(rig, rx) + rig_counter(rig, tx) + rig_drops(rig), 0);
	rig_end(rig);
}

static void a_probe_is_relayed_and_in_no_book(void **state)
{
	relays(rig_make());
}

static void a_probe_is_relayed_where_the_first_listener_is_ipv6(void **state)
{
	struct rig *rig = rig_make();

	dp_worker_destroy(rig->w);
	dp_apply_destroy(rig->dp.apply);
	dp_locals_destroy(rig->dp.locals);
	struct conf_listener first = rig->conf.listeners[0];
	rig->conf.listeners[0] = rig->conf.listeners[1];
	rig->conf.listeners[1] = first;
	rig->dp.locals = dp_locals_create(&rig->conf, SOCKET_ID_ANY);
	assert_int_equal(dp_apply_create(&rig->dp, &rig->dp.apply), 0);
	assert_int_equal(dp_worker_create(&rig->dp, 0, 0, &rig->w), 0);
	rig->dp.workers[0] = rig->w;
	relays(rig);
}

// The frame a probe makes, received from the network: no flow is found by it.
static void the_network_cannot_reach_the_flow_of_probes(void **state)
{
	struct rig *rig = rig_make();
	uint8_t data[64];
	size_t length = rig_channel_data(data, DP_PROBE_CHANNEL, (const uint8_t *)"abcd", 4, 0);
	struct frame f = rig_frame(
		rig_addr("198.18.0.2", DP_PROBE_PORT), rig_addr("198.18.0.2", 3478), data, length);

	assert_int_equal(dp_probe_open(&rig->dp), 0);
	rig_receive_frame(rig, &f);
	assert_int_equal(rig->n_out, 0);
	assert_int_equal(rig_drop(rig, no_channel), 1);
	assert_int_equal(rig_counter(rig, channel_up), 0);
	// From a peer's side neither.
	f = rig_frame(
		rig_addr("198.18.0.2", DP_PROBE_PORT), rig_addr("198.18.0.2", 50000), data, length);
	rig_receive_frame(rig, &f);
	assert_int_equal(rig->n_out, 0);
	assert_int_equal(rig_counter(rig, probe), 0);
	rig_end(rig);
}

static void a_probe_without_its_flow_names_the_drop(void **state)
{
	struct rig *rig = rig_make();

	struct dp_probe_report report = probe(rig, 1);
	assert_int_equal(report.result, TP_PROBE_DROPPED);
	assert_int_equal(report.reason, TP_DROP_no_channel);
	// The flow is gone from the table, though somebody believes it is there.
	assert_int_equal(dp_probe_open(&rig->dp), 0);
	dp_flow_remove(rig->dp.flows, rig->dp.probe_flow);
	report = probe(rig, 2);
	assert_int_equal(report.result, TP_PROBE_DROPPED);
	assert_int_equal(report.reason, TP_DROP_no_channel);
	assert_int_equal(rig_counter(rig, probe), 0);
	assert_int_equal(rig_drops(rig), 0);
	rig_end(rig);
}

static void a_probe_that_comes_out_wrong_is_damaged(void **state)
{
	struct rig *rig = rig_make();

	assert_int_equal(dp_probe_open(&rig->dp), 0);
	rig->dp.probe_flow->src_local =
		dp_local_find(rig->dp.locals, TP_FAMILY_IPV4, rig_addr("10.0.0.5", 1).ip.bytes);
	rig->dp.probe_flow->dst_ip[3] ^= 1;
	assert_int_equal(probe(rig, 1).result, TP_PROBE_DAMAGED);
	rig_end(rig);
}

static void without_packet_memory_no_probe_is_made(void **state)
{
	struct rig *rig = rig_make();
	static struct rte_mbuf *all[RIG_MBUFS];
	unsigned int n = 0;

	assert_int_equal(dp_probe_open(&rig->dp), 0);
	while (n < RIG_MBUFS && (all[n] = rte_pktmbuf_alloc(rig->dp.pool)) != NULL)
		n++;
	assert_int_equal(probe(rig, 1).result, TP_PROBE_UNMADE);
	rte_pktmbuf_free_bulk(all, n);
	assert_int_equal(probe(rig, 2).result, TP_PROBE_RELAYED);
	rig_end(rig);
}

// It runs between two bursts: what is on its way in the worker's batch is not touched.
static void media_between_probes_is_relayed(void **state)
{
	struct rig *rig = rig_make();
	uint8_t data[64];
	size_t length = rig_channel_data(data, RIG_CHANNEL, (const uint8_t *)"abcd", 4, 0);
	struct tp_addr client = rig_addr("198.18.0.10", 4000), peer = rig_addr("198.18.0.20", 9);
	struct tp_addr listener = rig_addr("198.18.0.2", 3478);

	assert_int_equal(dp_probe_open(&rig->dp), 0);
	rig_allocate(
		rig, 1, client, listener, rig_addr("198.18.0.2", 50000), (struct tp_addr){0}, 0);
	rig_permit(rig, 1, peer.ip, RIG_NOW + 600 * RIG_SECOND);
	rig_bind(rig, 1, peer, RIG_CHANNEL, RIG_NOW + 600 * RIG_SECOND);
	struct frame f = rig_frame(client, listener, data, length);
	for (uint32_t i = 1; i <= 5; i++) {
		assert_int_equal(probe(rig, i).result, TP_PROBE_RELAYED);
		rig_receive_frame(rig, &f);
	}
	assert_int_equal(rig->n_out, 5);
	assert_int_equal(rig_counter(rig, tx), 5);
	assert_int_equal(rig_counter(rig, probe), 5);
	rig_end(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_probe_is_relayed_and_in_no_book),
		cmocka_unit_test(a_probe_is_relayed_where_the_first_listener_is_ipv6),
		cmocka_unit_test(the_network_cannot_reach_the_flow_of_probes),
		cmocka_unit_test(a_probe_without_its_flow_names_the_drop),
		cmocka_unit_test(a_probe_that_comes_out_wrong_is_damaged),
		cmocka_unit_test(without_packet_memory_no_probe_is_made),
		cmocka_unit_test(media_between_probes_is_relayed),
	};

	if (test_eal_init("256") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
