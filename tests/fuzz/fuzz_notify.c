// SPDX-License-Identifier: BSD-3-Clause
// What a daemon that was taken over may say to the keeper: names can be a variable's value and a
// status a line of the log, whatever came; what was read says the same when it is said again. The
// same text as the variables of a start.
#include "common/base/listen_fds.h"
#include "keeper/message.h"
#include "tests/fuzz/fuzz.h"

static void check_texts(const struct keeper_message *m)
{
	size_t name = strnlen(m->name, sizeof(m->name)),
	       status = strnlen(m->status, sizeof(m->status));

	FUZZ_CHECK(name < sizeof(m->name) && status < sizeof(m->status));
	FUZZ_CHECK(!m->name_wrong || name == 0);
	for (size_t i = 0; i < name; i++)
		FUZZ_CHECK(m->name[i] > ' ' && m->name[i] < 0x7f && m->name[i] != ':' &&
			   m->name[i] != '=');
	for (size_t i = 0; i < status; i++)
		FUZZ_CHECK(m->status[i] >= ' ' && m->status[i] < 0x7f);
	FUZZ_CHECK(m->main_pid <= INT32_MAX);
}

static void check_again(const struct keeper_message *m)
{
	struct keeper_message again;
	char text[KEEPER_MESSAGE_BYTES];
	int n = snprintf(text, sizeof(text), "%s%s%s%s%s%s\nMAINPID=%u\nSTATUS=%s",
		m->ready ? "READY=1\n" : "", m->stopping ? "STOPPING=1\n" : "",
		m->store ? "FDSTORE=1\n" : "", m->remove ? "FDSTOREREMOVE=1\n" : "",
		m->name[0] || m->name_wrong ? "FDNAME=" : "", m->name, m->main_pid, m->status);

	FUZZ_CHECK(keeper_message_read(text, (size_t)n, &again));
	FUZZ_CHECK(memcmp(&again, m, sizeof(again)) == 0);
}

// The text as LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES.
static void check_variables(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	FUZZ_CHECK(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	FUZZ_CHECK(tp_listen_fds_count("7", text, 7) <= TP_LISTEN_FDS_MAX);
	unsigned int n = tp_listen_fds_count(text, "7", 7);
	FUZZ_CHECK(n == 0 || (n == 7 && atol(text) == 7));
	int place = tp_listen_fds_find(text, "a");
	FUZZ_CHECK(place < 0 || (size_t)place <= size);
	free(text);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	struct keeper_message m;
	char *text = (char *)(uintptr_t)data;

	if (keeper_message_read(text, size, &m)) {
		check_texts(&m);
		check_again(&m);
		if (m.store)
			fuzz_canary(data + size);
	}
	check_variables(data, size);
}
