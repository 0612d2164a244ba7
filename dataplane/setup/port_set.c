// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/port_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_SET_WORDS (65536 / 64)

bool dp_port_set_empty(const struct dp_port_set *s)
{
	for (size_t i = 0; i < PORT_SET_WORDS; i++)
		if (s->bits[i])
			return false;
	return true;
}

void dp_port_set_join(struct dp_port_set *a, const struct dp_port_set *b)
{
	for (size_t i = 0; i < PORT_SET_WORDS; i++)
		a->bits[i] |= b->bits[i];
}

void dp_port_set_remove(struct dp_port_set *a, const struct dp_port_set *b)
{
	for (size_t i = 0; i < PORT_SET_WORDS; i++)
		a->bits[i] &= ~b->bits[i];
}

static int port_set_number(const char **at, uint16_t *out)
{
	char *end;

	if (**at < '0' || **at > '9')
		return -EINVAL;
	unsigned long v = strtoul(*at, &end, 10);
	if (v > UINT16_MAX)
		return -EINVAL;
	*at = end;
	*out = (uint16_t)v;
	return 0;
}

int dp_port_set_parse(const char *text, struct dp_port_set *out)
{
	memset(out, 0, sizeof(*out));
	while (*text && *text != '\n') {
		uint16_t first, last;
		if (port_set_number(&text, &first) < 0)
			return -EINVAL;
		last = first;
		if (*text == '-') {
			text++;
			if (port_set_number(&text, &last) < 0 || last < first)
				return -EINVAL;
		}
		dp_port_set_add(out, first, last);
		if (*text == ',')
			text++;
		else if (*text && *text != '\n')
			return -EINVAL;
	}
	return 0;
}

int dp_port_set_format(const struct dp_port_set *s, char *out, size_t size)
{
	size_t n = 0;

	if (!size)
		return -E2BIG;
	out[0] = '\0';
	for (uint32_t first = 0; first < 65536; first++) {
		if (!dp_port_set_has(s, (uint16_t)first))
			continue;
		uint32_t last = first;
		while (last < 65535 && dp_port_set_has(s, (uint16_t)(last + 1)))
			last++;
		n += (size_t)snprintf(out + n, size - n, "%s%u", n ? "," : "", first);
		if (n < size && last > first)
			n += (size_t)snprintf(out + n, size - n, "-%u", last);
		if (n >= size)
			return -E2BIG;
		first = last;
	}
	return (int)n;
}
