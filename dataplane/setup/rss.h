// SPDX-License-Identifier: BSD-3-Clause
// Spreading of received packets over queues, where the device does it.
#pragma once

#include <rte_ethdev.h>

// Sets mq_mode and the hash in `out` for more than one queue; leaves it alone where the device
// offers nothing (net_af_xdp: the NIC's own setting, by ethtool, holds).
void dp_rss_configure(
	const struct rte_eth_dev_info *info, uint16_t queues, struct rte_eth_conf *out);
