// SPDX-License-Identifier: BSD-3-Clause
#include <string.h>

#include "bench/ipv4.h"
#include "bench/pcap/pcap.h"
#include "common/base/bytes.h"
#include "common/wire/chandata.h"

size_t pcap_frame(
	const struct pcap_options *o, uint64_t flow, uint16_t size, uint8_t out[PCAP_SIZE_MAX])
{
	const struct ctl_numbering *n = &o->numbering;
	uint32_t allocation = (uint32_t)(flow >> n->channel_bits);
	uint32_t k = (uint32_t)(flow & ((UINT32_C(1) << n->channel_bits) - 1));
	struct tp_addr from =
		o->down ? ctl_numbering_peer(n, k) : ctl_numbering_client(n, allocation);
	struct tp_addr to = o->down ? ctl_numbering_relay(n, allocation) : n->listener;
	size_t length = size - PCAP_FCS_BYTES, ip = TP_ETHER_BYTES, udp = ip + TP_IPV4_BYTES;
	size_t data = udp + TP_UDP_BYTES;

	memcpy(out, o->destination_mac, 6);
	memcpy(out + 6, o->source_mac, 6);
	tp_wr16(out + 12, TP_ETHERTYPE_IPV4);
	bench_write_ipv4(out + ip, &from.ip, &to.ip, (uint16_t)(length - ip));
	tp_wr16(out + udp, from.port);
	tp_wr16(out + udp + 2, to.port);
	tp_wr16(out + udp + 4, (uint16_t)(length - udp));
	tp_wr16(out + udp + 6, 0);
	if (!o->down) {
		chandata_write(out + data, ctl_numbering_channel(n, k),
			(uint16_t)(length - data - CHANDATA_HEADER_BYTES));
		data += CHANDATA_HEADER_BYTES;
	}
	for (size_t i = data; i < length; i++)
		out[i] = (uint8_t)(i - data);
	return length;
}
