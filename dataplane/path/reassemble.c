// SPDX-License-Identifier: BSD-3-Clause
// A set-associative table of incomplete datagrams; pieces are the received mbufs themselves, sorted
// by offset. A completed datagram is copied into fresh buffers, first one as full as it goes, so
// everything behind finds its headers in one segment.
#include <errno.h>
#include <netinet/in.h>

#include <rte_malloc.h>

#include "common/base/clock.h"
#include "dataplane/path/checksum.h"
#include "dataplane/path/count.h"
#include "dataplane/path/reassemble.h"
#include "dataplane/path/steps.h"

#define SETS        64
#define WAYS        4 // datagrams a set
#define PIECES      1024
#define PIECES_MOST 64 // of one datagram: 65,535 bytes at an MTU of 1,280 are 53
#define NO_PIECE    UINT16_MAX
#define TIMEOUT_NS  (5 * TP_NS_PER_S)
#define BYTES_MOST  (UINT16_MAX - 40)
#define IPV4_MF     0x2000
#define IPV4_OFFSET 0x1fff
#define ECN_CE      3
#define SPARE_BYTES 4 // behind each segment: the padding of a Data indication goes there

struct piece {
	struct rte_mbuf *m;
	uint16_t from; // offset in the datagram
	uint16_t length;
	uint16_t at; // of these bytes in the mbuf's data
	uint16_t l3;
	uint16_t next;
};

struct datagram_key {
	uint8_t source[16];
	uint32_t id;
	uint16_t local;
	uint16_t family;
};

struct datagram {
	struct datagram_key key;
	uint64_t deadline_ns; // 0: free
	uint32_t bytes;       // there so far
	uint32_t total;       // 0: last fragment not seen
	uint16_t first;       // piece
	uint16_t pieces;
	uint8_t ce;      // a fragment was marked Congestion Experienced
	uint8_t refused; // an overlap was seen: nothing of it is taken any more
};

struct dp_reassembly {
	uint64_t seed;
	uint32_t used; // datagrams
	uint16_t free; // piece
	struct datagram datagram[SETS][WAYS];
	struct piece piece[PIECES];
};

// One fragment as its headers describe it.
struct fragment {
	struct datagram_key key;
	uint32_t from, length;
	uint32_t at;
	bool more;
};

int dp_reassembly_create(struct dp_worker *w)
{
	struct dp_reassembly *r =
		rte_zmalloc_socket("reassembly", sizeof(*r), RTE_CACHE_LINE_SIZE, w->socket);
	if (r == NULL)
		return -ENOMEM;
	r->seed = dp_random(w);
	for (uint16_t i = 0; i < PIECES; i++)
		r->piece[i].next = i + 1 < PIECES ? (uint16_t)(i + 1) : NO_PIECE;
	w->reassembly = r;
	return 0;
}

void dp_reassembly_destroy(struct dp_worker *w)
{
	struct dp_reassembly *r = w->reassembly;

	if (r == NULL)
		return;
	for (uint32_t i = 0; i < SETS * WAYS; i++) {
		const struct datagram *d = &r->datagram[i / WAYS][i % WAYS];
		if (d->deadline_ns == 0)
			continue;
		for (uint16_t at = d->first; at != NO_PIECE; at = r->piece[at].next)
			rte_pktmbuf_free(r->piece[at].m);
	}
	rte_free(r);
	w->reassembly = NULL;
}

static void hold(struct dp_worker *w, int64_t frames)
{
	dp_add(&w->held_fragments, (uint64_t)frames);
}

// Frees the pieces; returns how many there were.
static uint16_t release(struct dp_worker *w, struct datagram *d)
{
	struct dp_reassembly *r = w->reassembly;
	uint16_t n = d->pieces;

	while (d->first != NO_PIECE) {
		struct piece *piece = &r->piece[d->first];
		uint16_t next = piece->next;
		rte_pktmbuf_free(piece->m);
		piece->next = r->free;
		r->free = d->first;
		d->first = next;
	}
	hold(w, -(int64_t)n);
	d->pieces = 0;
	d->bytes = 0;
	return n;
}

static void discard(struct dp_worker *w, struct datagram *d, enum tp_drop_reason reason)
{
	dp_count_drop(w, reason, release(w, d));
}

static void forget(struct dp_worker *w, struct datagram *d)
{
	d->deadline_ns = 0;
	w->reassembly->used--;
}

// ---- the table

static struct datagram *find(struct dp_worker *w, const struct datagram_key *key, uint64_t now_ns)
{
	struct dp_reassembly *r = w->reassembly;
	uint64_t hash = r->seed ^ key->id;
	for (int i = 0; i < 16; i += 4)
		hash = (hash ^ tp_rd32(key->source + i)) * UINT64_C(0x9e3779b97f4a7c15);
	struct datagram *set = r->datagram[hash >> 58];
	struct datagram *oldest = &set[0];
	static_assert(SETS == 64);

	for (uint32_t i = 0; i < WAYS; i++) {
		if (set[i].deadline_ns != 0 && memcmp(&set[i].key, key, sizeof(*key)) == 0)
			return &set[i];
		if (set[i].deadline_ns < oldest->deadline_ns)
			oldest = &set[i];
	}
	if (oldest->deadline_ns != 0) {
		discard(w, oldest, TP_DROP_fragment_refused);
		r->used--;
	}
	*oldest = (struct datagram){
		.key = *key, .deadline_ns = now_ns + TIMEOUT_NS, .first = NO_PIECE};
	r->used++;
	return oldest;
}

void dp_reassembly_expire(struct dp_worker *w, uint64_t now_ns)
{
	struct dp_reassembly *r = w->reassembly;

	for (uint32_t i = 0; i < SETS * WAYS && r->used != 0; i++) {
		struct datagram *d = &r->datagram[i / WAYS][i % WAYS];
		if (d->deadline_ns == 0 || now_ns <= d->deadline_ns)
			continue;
		discard(w, d, TP_DROP_fragment_refused);
		forget(w, d);
	}
}

// ---- one fragment

static bool read_fragment(const struct dp_packet *p, struct fragment *f)
{
	const struct tp_packet *in = &p->in;
	uint32_t end = in->l3_offset + (uint32_t)in->l3_length;

	*f = (struct fragment){
		.key = {.id = in->fragment_id, .local = p->local, .family = in->family},
		.from = in->fragment_offset,
		.length = end - in->l4_offset,
		.at = in->l4_offset,
		.more = in->more_fragments != 0,
	};
	memcpy(f->key.source, p->key.ip, sizeof(f->key.source));
	// The parser has seen to it that all but the last carry a multiple of eight bytes.
	// Extension headers behind the fragment header: steering leaves the later fragments of such
	// a datagram to the kernel, so it never becomes whole.
	return p->m->nb_segs == 1 && in->protocol == TP_PROTO_UDP &&
	       f->from + f->length <= BYTES_MOST;
}

// The piece that the new one follows: NO_PIECE at the front. Returns 0, -EEXIST for an exact
// duplicate, -EINVAL for an overlap.
static int place(const struct dp_reassembly *r, const struct datagram *d, const struct fragment *f,
	uint16_t *after)
{
	*after = NO_PIECE;
	for (uint16_t at = d->first; at != NO_PIECE; at = r->piece[at].next) {
		const struct piece *piece = &r->piece[at];
		if (piece->from == f->from && piece->length == f->length)
			return -EEXIST;
		if (f->from + f->length <= piece->from)
			return 0;
		if (f->from < (uint32_t)piece->from + piece->length)
			return -EINVAL;
		*after = at;
	}
	return 0;
}

// Whether the fragment contradicts what is known of the end.
static bool end_contradicts(
	const struct dp_reassembly *r, const struct datagram *d, const struct fragment *f)
{
	uint32_t end = f->from + f->length;

	if (d->total != 0)
		return end > d->total || (!f->more && end != d->total);
	if (f->more)
		return false;
	for (uint16_t at = d->first; at != NO_PIECE; at = r->piece[at].next) {
		if ((uint32_t)r->piece[at].from + r->piece[at].length > end)
			return true;
	}
	return false;
}

// Takes the mbuf. 0, or -errno when the fragment is not taken.
static int insert(struct dp_worker *w, struct datagram *d, const struct dp_packet *p,
	const struct fragment *f)
{
	struct dp_reassembly *r = w->reassembly;
	uint16_t after, at = r->free;

	if (d->refused)
		return -EINVAL;
	int ret = place(r, d, f, &after);
	if (ret == -EINVAL || end_contradicts(r, d, f)) {
		d->refused = 1;
		discard(w, d, TP_DROP_fragment_refused);
		return -EINVAL;
	}
	if (ret < 0 || at == NO_PIECE || d->pieces == PIECES_MOST)
		return -ENOBUFS;
	struct piece *piece = &r->piece[at];
	uint16_t *link = after == NO_PIECE ? &d->first : &r->piece[after].next;
	r->free = piece->next;
	*piece = (struct piece){
		.m = p->m,
		.from = (uint16_t)f->from,
		.length = (uint16_t)f->length,
		.at = (uint16_t)f->at,
		.l3 = p->in.l3_offset,
		.next = *link,
	};
	*link = at;
	d->pieces++;
	d->bytes += f->length;
	d->ce |= (p->in.tos & 3) == ECN_CE;
	if (!f->more)
		d->total = f->from + f->length;
	hold(w, 1);
	return 0;
}

// ---- the whole

static bool put(struct dp_worker *w, struct rte_mbuf *head, const uint8_t *bytes, uint32_t length)
{
	while (length != 0) {
		uint32_t room = rte_pktmbuf_tailroom(rte_pktmbuf_lastseg(head));
		if (room <= SPARE_BYTES) {
			struct rte_mbuf *segment = rte_pktmbuf_alloc(w->dp->pool);
			if (segment == NULL || rte_pktmbuf_chain(head, segment) != 0) {
				rte_pktmbuf_free(segment);
				return false;
			}
			continue;
		}
		uint32_t n = RTE_MIN(room - SPARE_BYTES, length);
		memcpy(rte_pktmbuf_append(head, (uint16_t)n), bytes, n);
		bytes += n;
		length -= n;
	}
	return true;
}

// Ethernet and IP headers of the first fragment, as if it had come whole and without options.
static uint32_t whole_headers(
	const struct datagram *d, const struct piece *first, uint8_t out[18 + 40])
{
	const uint8_t *frame = rte_pktmbuf_mtod(first->m, const uint8_t *);
	uint32_t header = d->key.family == TP_FAMILY_IPV4 ? 20 : 40;
	uint8_t *ip = out + first->l3;

	memcpy(out, frame, first->l3 + header);
	if (d->key.family == TP_FAMILY_IPV4) {
		uint16_t checksum = 0;
		ip[0] = 0x45;
		if (d->ce)
			ip[1] |= ECN_CE;
		tp_wr16(ip + 2, (uint16_t)(header + d->total));
		tp_wr16(ip + 6, tp_rd16(ip + 6) & RTE_IPV4_HDR_DF_FLAG);
		memcpy(ip + 10, &checksum, 2);
		checksum = tp_checksum(dp_sum_words(ip, header));
		memcpy(ip + 10, &checksum, 2);
	} else {
		if (d->ce)
			ip[1] |= ECN_CE << 4;
		tp_wr16(ip + 4, (uint16_t)d->total);
		ip[6] = IPPROTO_UDP;
	}
	return first->l3 + header;
}

static struct rte_mbuf *join(struct dp_worker *w, const struct datagram *d)
{
	const struct dp_reassembly *r = w->reassembly;
	uint8_t headers[18 + 40];
	uint32_t bytes = whole_headers(d, &r->piece[d->first], headers);

	struct rte_mbuf *head = rte_pktmbuf_alloc(w->dp->pool);
	if (head == NULL)
		return NULL;
	bool ok = put(w, head, headers, bytes);
	for (uint16_t at = d->first; ok && at != NO_PIECE; at = r->piece[at].next)
		ok = put(w, head,
			rte_pktmbuf_mtod_offset(r->piece[at].m, uint8_t *, r->piece[at].at),
			r->piece[at].length);
	if (!ok) {
		rte_pktmbuf_free(head);
		return NULL;
	}
	return head;
}

static void complete(struct dp_worker *w, struct datagram *d)
{
	struct rte_mbuf *m = join(w, d);

	if (m == NULL) {
		discard(w, d, TP_DROP_no_mbuf);
	} else {
		uint32_t frames = release(w, d);
		w->whole[w->n_whole++] = (struct dp_whole){.m = m, .frames = frames};
		dp_count(w, TP_COUNTER_reassembled, 1);
	}
	forget(w, d);
}

static void take(struct dp_worker *w, struct dp_batch *b, struct dp_packet *p)
{
	struct fragment f;

	if (!read_fragment(p, &f)) {
		dp_packet_drop(b, p, TP_DROP_fragment_refused);
		return;
	}
	struct datagram *d = find(w, &f.key, b->now_ns);
	if (insert(w, d, p, &f) < 0) {
		dp_packet_drop(b, p, TP_DROP_fragment_refused);
		return;
	}
	dp_count(w, TP_COUNTER_fragments_in, 1);
	dp_packet_next(b, p, DP_VERDICT_HELD);
	if (d->total != 0 && d->bytes == d->total)
		complete(w, d);
}

void dp_step_reassemble(struct dp_worker *w, struct dp_batch *b)
{
	if (!dp_batch_has(b, DP_VERDICT_FRAGMENT))
		return;
	for (uint16_t i = 0; i < b->n; i++) {
		if (b->packet[i].verdict == DP_VERDICT_FRAGMENT)
			take(w, b, &b->packet[i]);
	}
}
