// SPDX-License-Identifier: BSD-3-Clause
#include "dataplane/setup/traces.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/log.h"

#define TRACES_HEADER "turnpike-steer 1"

// Where the record holds: this boot, this network namespace.
struct traces_place {
	char boot[40];
	unsigned long netns;
};

static void traces_here(struct traces_place *out)
{
	struct stat st;

	memset(out, 0, sizeof(*out));
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");
	if (f) {
		if (fscanf(f, "%39s", out->boot) != 1)
			out->boot[0] = '\0';
		fclose(f);
	}
	if (stat("/proc/self/ns/net", &st) == 0)
		out->netns = (unsigned long)st.st_ino;
}

static void traces_path(char *out, size_t size, const char *run_directory, const char *suffix)
{
	snprintf(out, size, "%s/steer.state%s", run_directory, suffix);
}

static void traces_line(struct dp_traces *t, char *line)
{
	struct dp_trace i = {0};

	line[strcspn(line, "\n")] = '\0';
	if (strncmp(line, "reserved ", 9) == 0) {
		if (dp_port_set_parse(line + 9, &t->reserved) < 0)
			memset(&t->reserved, 0, sizeof(t->reserved));
	} else if (sscanf(line, "interface %15s %u xdp=%u qdisc=%u", i.interface, &i.ifindex,
			   &i.xdp_id, &i.qdisc_own) == 4 &&
		   t->n_interfaces < DP_TRACES_MAX) {
		t->interface[t->n_interfaces++] = i;
	}
}

void dp_traces_load(const char *run_directory, struct dp_traces *out)
{
	char path[PATH_MAX], boot[40], *line = NULL;
	struct traces_place here;
	unsigned long netns;
	size_t size = 0;

	memset(out, 0, sizeof(*out));
	traces_path(path, sizeof(path), run_directory, "");
	FILE *f = fopen(path, "re");
	if (!f)
		return;
	traces_here(&here);
	if (fscanf(f, TRACES_HEADER "\nplace %39s %lu\n", boot, &netns) == 2 &&
		strcmp(boot, here.boot) == 0 && netns == here.netns)
		while (getline(&line, &size, f) > 0)
			traces_line(out, line);
	free(line);
	fclose(f);
}

int dp_traces_save(const char *run_directory, const struct dp_traces *t)
{
	char path[PATH_MAX], draft[PATH_MAX], *ports = malloc(DP_PORT_SET_TEXT);
	struct traces_place here;
	int rc = 0;

	traces_path(path, sizeof(path), run_directory, "");
	traces_path(draft, sizeof(draft), run_directory, ".new");
	FILE *f = fopen(draft, "we");
	if (!ports || !f || (rc = dp_port_set_format(&t->reserved, ports, DP_PORT_SET_TEXT)) < 0) {
		rc = rc < 0 ? rc : ports ? -errno : -ENOMEM;
		goto out;
	}
	traces_here(&here);
	fprintf(f, TRACES_HEADER "\nplace %s %lu\nreserved %s\n", here.boot, here.netns, ports);
	for (uint32_t i = 0; i < t->n_interfaces; i++)
		fprintf(f, "interface %s %u xdp=%u qdisc=%u\n", t->interface[i].interface,
			t->interface[i].ifindex, t->interface[i].xdp_id, t->interface[i].qdisc_own);
	rc = fclose(f) == 0 && rename(draft, path) == 0 ? 0 : -errno;
	f = NULL;
out:
	if (f)
		fclose(f);
	free(ports);
	if (rc < 0)
		tp_error("%s cannot be written: %s", path, strerror(-rc));
	return rc;
}

void dp_traces_remove(const char *run_directory)
{
	char path[PATH_MAX];

	traces_path(path, sizeof(path), run_directory, "");
	unlink(path);
}

struct dp_trace *dp_traces_find(
	struct dp_traces *t, const char *interface, uint32_t ifindex, bool make)
{
	for (uint32_t i = 0; i < t->n_interfaces; i++)
		if (t->interface[i].ifindex == ifindex &&
			strcmp(t->interface[i].interface, interface) == 0)
			return &t->interface[i];
	if (!make || t->n_interfaces == DP_TRACES_MAX)
		return NULL;
	struct dp_trace *new = &t->interface[t->n_interfaces++];
	memset(new, 0, sizeof(*new));
	snprintf(new->interface, sizeof(new->interface), "%s", interface);
	new->ifindex = ifindex;
	return new;
}
