// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/checksum.h"

// Not rte_raw_cksum_mbuf: it loses carries where a segment begins at an odd byte (DPDK 22.11).
uint32_t dp_sum_mbuf(const struct rte_mbuf *m, uint32_t offset, uint32_t length)
{
	uint64_t sum = 0;
	uint32_t done = 0;

	while (offset >= m->data_len && m->next != NULL) {
		offset -= m->data_len;
		m = m->next;
	}
	for (; done < length && m != NULL; m = m->next) {
		uint32_t part = RTE_MIN(length - done, m->data_len - offset);
		const void *at = rte_pktmbuf_mtod_offset(m, const void *, offset);
		sum += tp_sum_at(rte_raw_cksum(at, part), done);
		done += part;
		offset = 0;
	}
	return tp_sum_fold(sum);
}
