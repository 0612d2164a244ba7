// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/rss.h"

#define RSS_KEY_8  0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a, 0x6d, 0x5a
#define RSS_KEY_32 RSS_KEY_8, RSS_KEY_8, RSS_KEY_8, RSS_KEY_8

// One key on every port, so that members of a bond agree about a flow's worker; period of two
// bytes, so that both directions of a five-tuple hash alike.
static const uint8_t rss_key[] = {RSS_KEY_32, RSS_KEY_32};

void dp_rss_configure(
	const struct rte_eth_dev_info *info, uint16_t queues, struct rte_eth_conf *out)
{
	uint64_t wanted = RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP;

	if (queues < 2 || !(info->flow_type_rss_offloads & wanted))
		return;
	out->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	out->rx_adv_conf.rss_conf.rss_hf = info->flow_type_rss_offloads & wanted;
	if (info->hash_key_size && info->hash_key_size <= sizeof(rss_key)) {
		out->rx_adv_conf.rss_conf.rss_key = (uint8_t *)(uintptr_t)rss_key;
		out->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
	}
}
