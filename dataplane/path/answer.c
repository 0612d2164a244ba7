// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/path/answer.h"

#include "dataplane/path/checksum.h"
#include "dataplane/path/link.h"

uint8_t *dp_answer_begin(struct dp_packet *p, uint32_t most)
{
	struct rte_mbuf *m = p->m;
	uint32_t room = (uint32_t)m->buf_len - m->data_off;

	if (room < p->payload + most)
		return NULL;
	if (m->nb_segs > 1) {
		rte_pktmbuf_free(m->next);
		m->next = NULL;
		m->nb_segs = 1;
	}
	m->data_len = (uint16_t)(p->payload + most);
	m->pkt_len = m->data_len;
	return dp_packet_at(p, p->payload);
}

void dp_answer_send(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p, uint32_t length)
{
	p->payload_length = (uint16_t)length;
	p->sum = dp_sum_mbuf(p->m, p->payload, p->payload_length);
	p->flags = DP_PACKET_MADE;
	dp_reply_route(w, b, p);
	p->prefix = DP_PREFIX_NONE;
	p->out_family = p->in.family;
	p->out_local = p->local;
	p->out_source_port = p->in.dst_port;
	p->out_destination_port = p->in.src_port;
	p->out_ip = p->key.ip;
	dp_packet_next(b, p, DP_VERDICT_FORWARD);
}
