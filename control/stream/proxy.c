// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/proxy.h"

#include "common/base/bytes.h"

// ---- version 1: "PROXY TCP4 198.18.0.1 198.18.0.2 51000 3478\r\n", at most 107 bytes

#define LINE_MOST  107
#define LINE_START "PROXY "
#define START_MOST (sizeof(LINE_START) - 1)

// ---- version 2
//
//  0                   1                   2                   3
//  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
// +---------------------------------------------------------------+
// |                     signature (12 bytes)                      |
// +-------+-------+-------+-------+-------------------------------+
// |   2   |command| family|  kind |  length of what follows       |
// +-------+-------+-------+-------+-------------------------------+
// |   addresses and ports of client and of where it came, TLVs    |
// +---------------------------------------------------------------+

static const uint8_t signature[] = {
	0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};

#define HEADER_BYTES 16
#define COMMAND_AT   12
#define FAMILY_AT    13
#define LENGTH_AT    14

enum {
	COMMAND_LOCAL = 0x20,
	COMMAND_PROXY = 0x21,
	OVER_UNSPEC = 0x00,
	OVER_TCP4 = 0x11,
	OVER_TCP6 = 0x21,
	OVER_UNIX = 0x31,
};

static bool is_zero(const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i])
			return false;
	return true;
}

// An address that a client has, IPv4 where it is written as IPv6.
static bool settle(struct tp_addr *client)
{
	struct tp_ip *ip = &client->ip;

	if (ip->family == TP_FAMILY_IPV6 && is_zero(ip->bytes, 10) && ip->bytes[10] == 0xff &&
		ip->bytes[11] == 0xff)
		*ip = tp_ip4(tp_rd32(ip->bytes + 12));
	if (client->port == 0 || is_zero(ip->bytes, tp_ip_length(ip)))
		return false;
	return ip->family == TP_FAMILY_IPV4 ? ip->bytes[0] < 224 : ip->bytes[0] != 0xff;
}

// ---- version 1

struct line {
	char text[LINE_MOST + 1];
	char *at;
};

// The next word, which the end or exactly one space ends. NULL: there is none.
static char *word(struct line *l)
{
	char *start = l->at, *end;

	if (!start || *start == '\0')
		return NULL;
	end = strchr(start, ' ');
	if (end == start)
		return NULL;
	l->at = end ? end + 1 : NULL;
	if (end)
		*end = '\0';
	return start;
}

static bool take_ip(struct line *l, uint8_t family, struct tp_ip *out)
{
	const char *text = word(l);

	return text && tp_ip_parse(text, out) == 0 && out->family == family;
}

static bool take_port(struct line *l, uint16_t *out)
{
	const char *text = word(l);
	uint32_t port = 0;

	if (!text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		port = port * 10 + (uint32_t)(*text - '0');
	}
	*out = (uint16_t)port;
	return port <= UINT16_MAX;
}

static bool read_words(struct line *l, struct stream_proxy *out)
{
	const char *protocol = word(l);
	struct tp_ip destination;
	uint16_t port;
	uint8_t family;

	if (!protocol)
		return false;
	if (strcmp(protocol, "UNKNOWN") == 0)
		return true;
	family = strcmp(protocol, "TCP4") == 0   ? TP_FAMILY_IPV4
		 : strcmp(protocol, "TCP6") == 0 ? TP_FAMILY_IPV6
						 : TP_FAMILY_NONE;
	return family != TP_FAMILY_NONE && take_ip(l, family, &out->client.ip) &&
	       take_ip(l, family, &destination) && take_port(l, &out->client.port) &&
	       take_port(l, &port) && !l->at && settle(&out->client);
}

static enum stream_proxy_result read_line(const uint8_t *bytes, size_t n, struct stream_proxy *out)
{
	size_t have = n < LINE_MOST ? n : LINE_MOST;
	const uint8_t *end = memchr(bytes, '\n', have);
	struct line l = {0};

	if (!end && n < LINE_MOST)
		return STREAM_PROXY_MORE;
	if (!end || end == bytes || end[-1] != '\r')
		return STREAM_PROXY_WRONG;
	size_t length = (size_t)(end - 1 - bytes);
	if (length < START_MOST || memchr(bytes, '\0', length))
		return STREAM_PROXY_WRONG;
	memcpy(l.text, bytes + START_MOST, length - START_MOST);
	l.at = l.text;
	*out = (struct stream_proxy){.bytes = (uint32_t)length + 2};
	return read_words(&l, out) ? STREAM_PROXY_WHOLE : STREAM_PROXY_WRONG;
}

// ---- version 2

static bool read_addresses(const uint8_t *bytes, size_t n, uint8_t family, struct tp_addr *client)
{
	const size_t ip = family == TP_FAMILY_IPV4 ? 4 : 16;

	if (n < 2 * (ip + 2))
		return false;
	client->ip.family = family;
	memcpy(client->ip.bytes, bytes, ip);
	client->port = tp_rd16(bytes + 2 * ip);
	return settle(client);
}

static enum stream_proxy_result read_binary(
	const uint8_t *bytes, size_t n, struct stream_proxy *out)
{
	uint16_t length;
	bool good;

	if (n > COMMAND_AT && bytes[COMMAND_AT] != COMMAND_LOCAL &&
		bytes[COMMAND_AT] != COMMAND_PROXY)
		return STREAM_PROXY_WRONG;
	if (n < HEADER_BYTES)
		return STREAM_PROXY_MORE;
	length = tp_rd16(bytes + LENGTH_AT);
	if (HEADER_BYTES + length > STREAM_PROXY_MOST)
		return STREAM_PROXY_WRONG;
	if (n < HEADER_BYTES + (size_t)length)
		return STREAM_PROXY_MORE;
	*out = (struct stream_proxy){.bytes = HEADER_BYTES + length};
	if (bytes[COMMAND_AT] == COMMAND_LOCAL)
		return STREAM_PROXY_WHOLE;
	switch (bytes[FAMILY_AT]) {
	case OVER_UNSPEC:
	case OVER_UNIX:
		good = true;
		break;
	case OVER_TCP4:
		good = read_addresses(bytes + HEADER_BYTES, length, TP_FAMILY_IPV4, &out->client);
		break;
	case OVER_TCP6:
		good = read_addresses(bytes + HEADER_BYTES, length, TP_FAMILY_IPV6, &out->client);
		break;
	default:
		good = false;
	}
	return good ? STREAM_PROXY_WHOLE : STREAM_PROXY_WRONG;
}

static bool begins(const uint8_t *bytes, size_t n, const void *with, size_t length)
{
	return memcmp(bytes, with, n < length ? n : length) == 0;
}

enum stream_proxy_result stream_proxy_read(const uint8_t *bytes, size_t n, struct stream_proxy *out)
{
	if (n == 0)
		return STREAM_PROXY_MORE;
	if (begins(bytes, n, signature, sizeof(signature)))
		return read_binary(bytes, n, out);
	if (begins(bytes, n, LINE_START, START_MOST))
		return read_line(bytes, n, out);
	return STREAM_PROXY_WRONG;
}
