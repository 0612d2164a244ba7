// SPDX-License-Identifier: BSD-3-Clause
// Texts that setup reads: the kernel's list of reserved ports, its list of sockets, the record that
// a crashed dataplane left.
#include <unistd.h>

#include "dataplane/setup/port_holders.h"
#include "dataplane/setup/port_set.h"
#include "dataplane/setup/traces.h"
#include "tests/fuzz/fuzz.h"

static char directory[64];

static void remove_directory(void)
{
	dp_traces_remove(directory);
	rmdir(directory);
}

static void check_ports(const char *text, const char *end)
{
	struct dp_port_set set, again, none = {0};
	char *out = malloc(DP_PORT_SET_TEXT);
	int n;

	FUZZ_CHECK(out);
	if (dp_port_set_parse(text, &set) == 0) {
		n = dp_port_set_format(&set, out, DP_PORT_SET_TEXT);
		FUZZ_CHECK((n == 0) == dp_port_set_empty(&set));
		if (n >= 0) {
			FUZZ_CHECK(dp_port_set_parse(out, &again) == 0);
			FUZZ_CHECK(memcmp(&set, &again, sizeof(set)) == 0);
		}
		n = dp_port_set_format(&set, out, strlen(text) % 7);
		FUZZ_CHECK(n < 0 || (size_t)n < strlen(text) % 7);
		dp_port_set_join(&none, &set);
		dp_port_set_remove(&none, &set);
		FUZZ_CHECK(dp_port_set_empty(&none));
		if (strchr(text, '-'))
			fuzz_canary((const uint8_t *)end);
	}
	free(out);
}

static void check_socket(const char *text, int family)
{
	struct dp_held held;

	if (dp_held_parse(text, family, &held) < 0)
		return;
	FUZZ_CHECK(held.at.ip.family == TP_FAMILY_IPV4 || family == 6);
	FUZZ_CHECK(dp_held_covers(&held, &held.at.ip));
}

// A line of the record stands behind the head that this boot and namespace write.
static void check_record(const char *text)
{
	struct dp_traces traces, again;
	char path[80], *line = NULL, head[256] = "";
	size_t size = 0;

	snprintf(path, sizeof(path), "%s/steer.state", directory);
	if (text[0] != '-') {
		FUZZ_CHECK(dp_traces_save(directory, &(struct dp_traces){0}) == 0);
		FILE *f = fopen(path, "re");
		FUZZ_CHECK(f);
		for (int i = 0; i < 2 && getline(&line, &size, f) > 0; i++)
			strncat(head, line, sizeof(head) - strlen(head) - 1);
		free(line);
		fclose(f);
	}
	FILE *f = fopen(path, "we");
	FUZZ_CHECK(f);
	fprintf(f, "%s%s", head, text);
	fclose(f);
	dp_traces_load(directory, &traces);
	FUZZ_CHECK(traces.n_interfaces <= DP_TRACES_MAX);
	FUZZ_CHECK(text[0] != '-' || traces.n_interfaces == 0);
	for (uint32_t i = 0; i < traces.n_interfaces; i++)
		FUZZ_CHECK(dp_traces_find(&traces, traces.interface[i].interface,
			traces.interface[i].ifindex, false));
	struct dp_trace *made = dp_traces_find(&traces, "new0", 4711, true);
	FUZZ_CHECK(made || traces.n_interfaces == DP_TRACES_MAX);
	if (strlen(text) % 8 != 0) // not each time: it is slow
		return;
	if (dp_traces_save(directory, &traces) < 0)
		return; // more ports than a text holds
	dp_traces_load(directory, &again);
	FUZZ_CHECK(memcmp(&traces.reserved, &again.reserved, sizeof(again.reserved)) == 0);
	FUZZ_CHECK(again.n_interfaces == traces.n_interfaces);
}

void fuzz_one(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (directory[0] == '\0') {
		strcpy(directory, "/tmp/tp-fuzz-XXXXXX");
		FUZZ_CHECK(mkdtemp(directory));
		atexit(remove_directory);
	}
	FUZZ_CHECK(text);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	if (text[0] >= '0' && text[0] <= '9')
		check_ports(text, text + size + 1);
	check_socket(text, 4);
	check_socket(text, 6);
	if (size > 0 && (text[0] == 'r' || text[0] == 'i' || text[0] == '-'))
		check_record(text);
	free(text);
}
