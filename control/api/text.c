// SPDX-License-Identifier: BSD-3-Clause
#include "control/api/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/base/clock.h"

// Length of the UTF-8 sequence at p when it is valid and printable, else 0. C1 controls (U+0080 to
// U+009F) are none: terminals obey them.
static size_t printable(const uint8_t *p, size_t left)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t code = p[0];
	size_t n;

	if (code < 0x80)
		return code >= 0x20 && code != 0x7f;
	n = (code & 0xe0) == 0xc0 ? 2 : (code & 0xf0) == 0xe0 ? 3 : (code & 0xf8) == 0xf0 ? 4 : 0;
	if (n == 0 || n > left)
		return 0;
	code &= 0x7fU >> n;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (p[i] & 0x3f);
	}
	if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || code < 0xa0)
		return 0;
	// Directional overrides and isolates reorder what the reader sees.
	if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		return 0;
	return n;
}

static size_t escape(const uint8_t *text, size_t length, char *out, size_t capacity)
{
	size_t at = 0;

	for (size_t i = 0; i < length;) {
		size_t n = printable(text + i, length - i);
		if (at + (n ? n : 4) >= capacity)
			break;
		if (n) {
			memcpy(out + at, text + i, n);
			at += n;
			i += n;
		} else {
			at += (size_t)snprintf(out + at, 5, "\\x%02x", text[i++]);
		}
	}
	out[at] = '\0';
	return at;
}

char *ctl_text_escape(const char *text, char *out, size_t capacity)
{
	escape((const uint8_t *)text, strlen(text), out, capacity);
	return out;
}

json_t *ctl_json_text(const void *bytes, size_t length)
{
	size_t capacity = 4 * length + 1;
	char *text = malloc(capacity);
	json_t *value;

	if (!text)
		return json_null();
	value = json_stringn(text, escape(bytes, length, text, capacity));
	free(text);
	return value;
}

json_t *ctl_json_lines(const char *text)
{
	size_t capacity = 4 * strlen(text) + 1, at = 0;
	char *out = malloc(capacity);
	json_t *value;

	if (!out)
		return json_null();
	for (;;) {
		size_t length = strcspn(text, "\n");
		at += escape((const uint8_t *)text, length, out + at, capacity - at);
		text += length;
		if (!*text)
			break;
		out[at++] = *text++;
	}
	value = json_stringn(out, at);
	free(out);
	return value;
}

json_t *ctl_json_field(const char *field, size_t capacity)
{
	return ctl_json_text(field, strnlen(field, capacity));
}

json_t *ctl_json_ip(const struct tp_ip *ip)
{
	char text[TP_ADDR_STRLEN];

	return tp_ip_length(ip) ? json_string(tp_ip_format(ip, text)) : json_null();
}

json_t *ctl_json_addr(const struct tp_addr *addr)
{
	char text[TP_ADDR_STRLEN];

	return tp_ip_length(&addr->ip) ? json_string(tp_addr_format(addr, text)) : json_null();
}

json_t *ctl_json_wall_time(uint64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / TP_NS_PER_S);
	char text[32];
	struct tm tm;

	if (wall_ns == 0 || !gmtime_r(&s, &tm) ||
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		return json_null();
	return json_string(text);
}

int ctl_addr_parse(const char *text, struct tp_addr *out)
{
	char host[TP_ADDR_STRLEN];
	const char *colon = strrchr(text, ':');
	size_t length;
	char *end;
	unsigned long port;

	if (!colon || colon[1] < '0' || colon[1] > '9')
		return -EINVAL;
	port = strtoul(colon + 1, &end, 10);
	if (*end || port == 0 || port > 65535)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (text[0] == '[') {
		if (length < 2 || colon[-1] != ']')
			return -EINVAL;
		text++;
		length -= 2;
	}
	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	memset(out, 0, sizeof(*out));
	if (tp_ip_parse(host, &out->ip))
		return -EINVAL;
	if ((out->ip.family == TP_FAMILY_IPV6) != (colon[-1] == ']'))
		return -EINVAL;
	out->port = (uint16_t)port;
	return 0;
}
