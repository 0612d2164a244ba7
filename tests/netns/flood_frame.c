// SPDX-License-Identifier: BSD-3-Clause
#include "tests/netns/flood_frame.h"

#include <netinet/in.h>

#include "common/base/bytes.h"
#include "common/wire/chandata.h"
#include "common/wire/csum.h"
#include "common/wire/stun_write.h"

#define FIRST_NETWORK (UINT32_C(11) << 16) // of /24
#define SOURCE_PORT   40000
#define RELAY_PORT    49152
#define RELAY_PORTS   16384
#define MEDIA_BYTES   160
#define NOISE_BYTES   64
#define RANDOM_BYTES  32
#define HELLO_BYTES   54
#define PIECE_BYTES   64 // of a fragment
#define UDP_BYTES     8
#define STRANGER_PORT 9
#define IPV4_MF       0x2000
#define IPV6_MF       1
#define IPV6_FRAGMENT 44
#define PAYLOAD_MOST  (FLOOD_FRAME_BYTES - 14 - 40 - 8 - UDP_BYTES)

// A packet on its way into a frame: what IP carries, and as what.
struct packet {
	struct tp_ip source, destination;
	uint8_t protocol;
	uint8_t body[FLOOD_FRAME_BYTES];
	size_t length;
	bool fragment, more;
	uint16_t offset; // of the fragment, in bytes
	uint32_t id;
};

static size_t request(char kind, uint8_t *at)
{
	static const uint8_t transaction[12] = "flood flood", udp[4] = {IPPROTO_UDP},
			     made_up[20] = {1};
	static const char nonce[] = "obMatJos2gAAAAAAAAAAAAAAAAAAA";
	struct stun_writer w;

	stun_write_begin(&w, at, PAYLOAD_MOST, STUN_REQUEST,
		kind == 'b'   ? STUN_BINDING
		: kind == 'r' ? STUN_REFRESH
			      : STUN_ALLOCATE,
		transaction);
	if (kind == 'a' || kind == 'm')
		stun_write_attr(&w, STUN_ATTR_REQUESTED_TRANSPORT, udp, sizeof(udp));
	if (kind == 'm') {
		stun_write_attr(&w, STUN_ATTR_USERNAME, "u", 1);
		stun_write_attr(&w, STUN_ATTR_REALM, "example.org", 11);
		stun_write_attr(&w, STUN_ATTR_NONCE, nonce, sizeof(nonce) - 1);
		stun_write_attr(&w, STUN_ATTR_MESSAGE_INTEGRITY, made_up, sizeof(made_up));
	}
	return (size_t)stun_write_finish(&w);
}

static size_t send_indication(const struct packet *p, uint8_t *at)
{
	static const uint8_t transaction[12] = "flood flood", data[MEDIA_BYTES];
	struct tp_addr peer = {.ip = p->source, .port = STRANGER_PORT};
	struct stun_writer w;

	stun_write_begin(&w, at, PAYLOAD_MOST, STUN_INDICATION, STUN_SEND, transaction);
	stun_write_xor_address(&w, STUN_ATTR_XOR_PEER_ADDRESS, &peer);
	stun_write_attr(&w, STUN_ATTR_DATA, data, sizeof(data));
	return (size_t)stun_write_finish(&w);
}

static void noise(uint8_t *at, size_t length, uint64_t seed)
{
	for (size_t i = 0; i < length; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		at[i] = (uint8_t)(seed >> 56);
	}
}

// What a class of STUN parsers that looks at type, length and cookie only takes for a request.
static size_t garbage(uint64_t n, uint8_t *at)
{
	tp_wr16(at, 0x0001);
	tp_wr16(at + 2, NOISE_BYTES);
	tp_wr32(at + 4, STUN_MAGIC_COOKIE);
	noise(at + 8, 12 + NOISE_BYTES, n);
	at[20] |= 0x40; // no attribute of ours,
	at[22] |= 0x40; // and longer than the message
	return STUN_HEADER_BYTES + NOISE_BYTES;
}

// RFC 6347 sections 4.1 and 4.2.2: a record of epoch 0 with a ClientHello without a cookie, one
// cipher suite, no compression and no extension.
static size_t client_hello(uint64_t n, uint8_t *at)
{
	static const uint8_t record[] = {22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, HELLO_BYTES},
			     hello[] = {1, 0, 0, HELLO_BYTES - 12, 0, 0, 0, 0, 0, 0, 0,
				     HELLO_BYTES - 12, 0xfe, 0xfd},
			     rest[] = {0, 0, 0, 2, 0xc0, 0x2b, 1, 0};

	static_assert(HELLO_BYTES == sizeof(hello) + RANDOM_BYTES + sizeof(rest));
	memcpy(at, record, sizeof(record));
	at += sizeof(record);
	memcpy(at, hello, sizeof(hello));
	noise(at + sizeof(hello), RANDOM_BYTES, n);
	memcpy(at + sizeof(hello) + RANDOM_BYTES, rest, sizeof(rest));
	return sizeof(record) + HELLO_BYTES;
}

static size_t application_data(uint64_t n, uint8_t *at)
{
	static const uint8_t record[] = {23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, NOISE_BYTES};

	memcpy(at, record, sizeof(record));
	noise(at + sizeof(record), NOISE_BYTES, n);
	return sizeof(record) + NOISE_BYTES;
}

// What a UDP datagram of this kind carries.
static size_t payload(const struct packet *p, char kind, uint64_t n, uint8_t *at)
{
	switch (kind) {
	case 'c':
	case 'v':
		chandata_write(at,
			kind == 'v' ? CHANDATA_CHANNEL_MIN
				    : (uint16_t)(CHANDATA_CHANNEL_MAX - n % 256),
			MEDIA_BYTES);
		memset(at + CHANDATA_HEADER_BYTES, 0, MEDIA_BYTES);
		return CHANDATA_HEADER_BYTES + MEDIA_BYTES;
	case 's':
		return send_indication(p, at);
	case 'g':
		return garbage(n, at);
	case 'd':
		return client_hello(n, at);
	case 'e':
		return application_data(n, at);
	case 'p':
	case 'f':
		memset(at, 0x80, MEDIA_BYTES);
		return MEDIA_BYTES;
	default:
		return request(kind, at);
	}
}

static uint32_t pseudo(const struct packet *p, uint8_t protocol, size_t length)
{
	return p->source.family == TP_FAMILY_IPV4
		       ? tp_sum_bytes(p->source.bytes, 4) + tp_sum_bytes(p->destination.bytes, 4) +
				 tp_sum_word((uint16_t)length) + tp_sum_word(protocol)
		       : tp_sum_bytes(p->source.bytes, 16) +
				 tp_sum_bytes(p->destination.bytes, 16) +
				 tp_sum_word((uint16_t)length) + tp_sum_word(protocol);
}

// Over IPv4 the checksum stays zero, which is allowed there, but for fragments: of these nobody
// sums anything anyway.
static size_t put_udp(
	const struct packet *p, uint16_t from, uint16_t to, uint8_t *at, size_t payload_bytes)
{
	size_t length = UDP_BYTES + payload_bytes;

	tp_wr16(at, from);
	tp_wr16(at + 2, to);
	tp_wr16(at + 4, (uint16_t)length);
	tp_wr16(at + 6, 0);
	if (p->source.family == TP_FAMILY_IPV6) {
		uint16_t sum =
			tp_checksum_udp(pseudo(p, IPPROTO_UDP, length) + tp_sum_bytes(at, length));
		memcpy(at + 6, &sum, 2);
	}
	return length;
}

// Of four fragments of one sender the first is the beginning of a datagram and the second the end
// of another; the other two overlap.
static void cut(struct packet *p, uint64_t n)
{
	unsigned int part = n % 4;

	p->fragment = true;
	p->id = (uint32_t)(n - (part == 3));
	p->more = part != 1;
	p->offset = part == 1 ? PIECE_BYTES : part == 3 ? PIECE_BYTES / 2 : 0;
	p->length = PIECE_BYTES;
}

static size_t ip_header(const struct packet *p, uint8_t *at);

// The error quotes a datagram that left a relayed address for a stranger.
static void make_icmp(struct packet *p, uint64_t n)
{
	bool ipv4 = p->source.family == TP_FAMILY_IPV4;
	struct packet quoted = {.source = p->destination,
		.destination = p->source,
		.protocol = IPPROTO_UDP,
		.length = UDP_BYTES + MEDIA_BYTES};
	uint8_t *b = p->body;

	memset(b, 0, 8);
	b[0] = ipv4 ? 3 : 1;
	b[1] = ipv4 ? 3 : 4;
	p->protocol = ipv4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	p->length = 8 + ip_header(&quoted, b + 8);
	p->length += put_udp(&quoted, (uint16_t)(RELAY_PORT + n % RELAY_PORTS), STRANGER_PORT,
		memset(b + p->length, 0, UDP_BYTES + MEDIA_BYTES), MEDIA_BYTES);
	uint16_t sum = tp_checksum(
		tp_sum_bytes(b, p->length) + (ipv4 ? 0 : pseudo(p, p->protocol, p->length)));
	memcpy(b + 2, &sum, 2);
}

static size_t ip_header(const struct packet *p, uint8_t *at)
{
	size_t length = p->length;

	if (p->source.family == TP_FAMILY_IPV4) {
		memset(at, 0, 20);
		at[0] = 0x45;
		tp_wr16(at + 2, (uint16_t)(20 + length));
		tp_wr16(at + 4, (uint16_t)p->id);
		tp_wr16(at + 6, (uint16_t)((p->more ? IPV4_MF : 0) | p->offset / 8));
		at[8] = 64;
		at[9] = p->protocol;
		memcpy(at + 12, p->source.bytes, 4);
		memcpy(at + 16, p->destination.bytes, 4);
		uint16_t sum = tp_checksum(tp_sum_bytes(at, 20));
		memcpy(at + 10, &sum, 2);
		return 20;
	}
	memset(at, 0, 48);
	at[0] = 0x60;
	tp_wr16(at + 4, (uint16_t)(length + (p->fragment ? 8 : 0)));
	at[6] = p->fragment ? IPV6_FRAGMENT : p->protocol;
	at[7] = 64;
	memcpy(at + 8, p->source.bytes, 16);
	memcpy(at + 24, p->destination.bytes, 16);
	if (!p->fragment)
		return 40;
	at[40] = p->protocol;
	tp_wr16(at + 42, (uint16_t)(p->offset | (p->more ? IPV6_MF : 0)));
	tp_wr32(at + 44, p->id);
	return 48;
}

static struct tp_ip forged(const struct flood_target *t, uint64_t n)
{
	uint32_t network = (uint32_t)(n % t->prefixes);
	struct tp_ip ip = {.family = TP_FAMILY_IPV6, .bytes = {0x2a}};

	if (t->listener.ip.family == TP_FAMILY_IPV4)
		return tp_ip4((FIRST_NETWORK + network) << 8 | 1);
	tp_wr32(ip.bytes + 3, network);
	ip.bytes[15] = 1;
	return ip;
}

size_t flood_frame(
	const struct flood_target *t, char kind, uint64_t n, uint8_t out[FLOOD_FRAME_BYTES])
{
	static const uint8_t source_mac[6] = {2, 0, 0, 0, 0, 1};
	bool known = t->source.ip.family != TP_FAMILY_NONE;
	struct packet p = {.source = known ? t->source.ip : forged(t, kind == 'f' ? n / 4 : n),
		.destination = t->listener.ip,
		.protocol = IPPROTO_UDP};
	bool to_relay = kind == 'p' || (kind == 'f' && n / 4 % 2);

	if (kind == 'i') {
		make_icmp(&p, n);
	} else {
		size_t bytes = payload(&p, kind, n, p.body + UDP_BYTES);
		p.length = put_udp(&p, known ? t->source.port : SOURCE_PORT,
			to_relay ? (uint16_t)(RELAY_PORT + n % RELAY_PORTS) : t->listener.port,
			p.body, bytes);
	}
	if (kind == 'f')
		cut(&p, n);
	memcpy(out, t->mac, 6);
	memcpy(out + 6, source_mac, 6);
	tp_wr16(out + 12, p.source.family == TP_FAMILY_IPV4 ? 0x0800 : 0x86dd);
	size_t at = 14 + ip_header(&p, out + 14);
	memcpy(out + at, p.body, p.length);
	return at + p.length;
}
