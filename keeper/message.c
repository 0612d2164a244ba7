// SPDX-License-Identifier: BSD-3-Clause
#include "keeper/message.h"

#include <string.h>

struct line {
	const char *name, *value;
	size_t name_bytes, value_bytes;
};

static bool is(const struct line *l, const char *name)
{
	return l->name_bytes == strlen(name) && memcmp(l->name, name, l->name_bytes) == 0;
}

static bool is_one(const struct line *l, const char *name)
{
	return is(l, name) && l->value_bytes == 1 && l->value[0] == '1';
}

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static void take_name(const struct line *l, struct keeper_message *out)
{
	bool good = l->value_bytes > 0 && l->value_bytes < sizeof(out->name);

	for (size_t i = 0; good && i < l->value_bytes; i++)
		good = plain(l->value[i]);
	memset(out->name, 0, sizeof(out->name));
	if (good)
		memcpy(out->name, l->value, l->value_bytes);
	out->name_wrong = !good;
}

static void take_status(const struct line *l, struct keeper_message *out)
{
	size_t n = l->value_bytes < sizeof(out->status) ? l->value_bytes : sizeof(out->status) - 1;

	memset(out->status, 0, sizeof(out->status));
	for (size_t i = 0; i < n; i++)
		out->status[i] = l->value[i] >= 0x20 && l->value[i] < 0x7f ? l->value[i] : '?';
}

// 0: no process has that number.
static uint32_t read_pid(const struct line *l)
{
	uint64_t pid = 0;

	for (size_t i = 0; i < l->value_bytes; i++) {
		if (l->value[i] < '0' || l->value[i] > '9')
			return 0;
		pid = pid * 10 + (uint64_t)(l->value[i] - '0');
		if (pid > INT32_MAX)
			return 0;
	}
	return (uint32_t)pid;
}

static void take(const struct line *l, struct keeper_message *out)
{
	if (is_one(l, "READY"))
		out->ready = true;
	else if (is_one(l, "STOPPING"))
		out->stopping = true;
	else if (is_one(l, "WATCHDOG"))
		out->watchdog = true;
	else if (is_one(l, "FDSTORE"))
		out->store = true;
	else if (is_one(l, "FDSTOREREMOVE"))
		out->remove = true;
	else if (is(l, "MAINPID"))
		out->main_pid = read_pid(l);
	else if (is(l, "FDNAME"))
		take_name(l, out);
	else if (is(l, "STATUS"))
		take_status(l, out);
}

bool keeper_message_read(const char *text, size_t bytes, struct keeper_message *out)
{
	*out = (struct keeper_message){0};
	if (bytes == 0 || bytes > KEEPER_MESSAGE_BYTES || memchr(text, '\0', bytes))
		return false;
	for (const char *at = text, *end = text + bytes; at < end;) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));
		if (!stop)
			stop = end;
		const char *equals = memchr(at, '=', (size_t)(stop - at));
		if (equals) {
			struct line l = {.name = at,
				.name_bytes = (size_t)(equals - at),
				.value = equals + 1,
				.value_bytes = (size_t)(stop - equals - 1)};
			take(&l, out);
		}
		at = stop + 1;
	}
	return true;
}
