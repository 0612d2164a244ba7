// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "control/api/metrics_text.h"

static char *print(const struct ctl_metrics_input *input)
{
	size_t length;
	char *text;
	FILE *out = open_memstream(&text, &length);

	ctl_metrics_print(out, input);
	fclose(out);
	return text;
}

static void assert_line(const char *text, const char *line)
{
	size_t n = strlen(line);

	while (*text && (strncmp(text, line, n) != 0 || text[n] != '\n'))
		text += strcspn(text, "\n") + 1;
	if (!*text)
		fail_msg("no line \"%s\"", line);
}

static void nobody_there_is_still_a_scrape(void **state)
{
	char *text = print(&(struct ctl_metrics_input){0});

	assert_line(text, "turnpike_up 0");
	assert_null(strstr(text, "turnpike_rx_total"));
	free(text);
}

static void counters_drops_and_ports(void **state)
{
	struct tp_status_reply r = {.ports = 1};
	char *text;

	r.counter[TP_COUNTER_rx] = 9;
	r.drop[TP_DROP_no_route] = 4;
	strcpy(r.port[0].name, "wan");
	r.port[0].xdp_tx_empty = 3;
	r.port[0].steer_icmp = 2;
	text = print(&(struct ctl_metrics_input){.dataplane = &r});
	assert_line(text, "turnpike_up 1");
	assert_line(text, "turnpike_rx_total 9");
	assert_line(text, "turnpike_drops_total{reason=\"no_route\"} 4");
	assert_line(text, "turnpike_books_difference 5");
	assert_line(text, "turnpike_xdp_total{port=\"wan\",event=\"tx_empty\"} 3");
	assert_line(text, "turnpike_steering_total{port=\"wan\",class=\"icmp\"} 2");
	free(text);
}

static void control_has_its_own(void **state)
{
	struct ctl_turn_counters turn = {0};
	struct ctl_store_status store = {.allocations = 6};
	struct ctl_io_counters io = {.received = 5};
	char *text;

	turn.requests[CTL_METHOD_ALLOCATE] = 8;
	turn.errors[CTL_METHOD_ALLOCATE][0] = 2;
	turn.auth_failures[CTL_AUTH_wrong_password] = 7;
	turn.oauth[CTL_OAUTH_expired] = 7;
	text = print(&(struct ctl_metrics_input){.turn = &turn, .store = &store, .io = &io});
	assert_line(text, "turnpike_requests_total{method=\"allocate\"} 8");
	assert_line(text, "turnpike_oauth_tokens_total{result=\"expired\"} 7");
	assert_line(text, "turnpike_oauth_tokens_total{result=\"accepted\"} 0");
	assert_line(text, "turnpike_auth_failures_total{reason=\"wrong_password\"} 7");
	assert_line(text, "turnpike_auth_failures_total{reason=\"stale_nonce\"} 0");
	assert_line(text, "turnpike_allocations 6");
	assert_line(text, "turnpike_control_received_total 5");
	free(text);
}

static void streams_have_theirs(void **state)
{
	const struct ctl_streams_view streams = {
		.wanted = 4, .attached = 3, .clients = 77, .starts = 5};
	const struct ctl_stream_counters notes = {.received = 9, .too_many = 2};
	struct ctl_store_status store = {.ended[TP_END_CLOSED] = 8};
	char *text = print(&(struct ctl_metrics_input){
		.store = &store, .streams = &streams, .stream_notes = &notes});

	assert_line(text, "turnpike_streams_wanted 4");
	assert_line(text, "turnpike_streams_attached 3");
	assert_line(text, "turnpike_stream_clients 77");
	assert_line(text, "turnpike_stream_starts_total 5");
	assert_line(text, "turnpike_stream_notes_total{event=\"request\"} 9");
	assert_line(text, "turnpike_stream_notes_total{event=\"too_many\"} 2");
	assert_line(text, "turnpike_allocations_ended_total{reason=\"closed\"} 8");
	free(text);
}

static void relay_ports_by_family_and_state(void **state)
{
	const struct ctl_relay_totals relays[2] = {
		{.load = {.ports = 100, .free = 60, .taken = 30, .resting = 8, .reserved = 2},
			.drained_free = 20,
			.addresses = 9,
			.drained = 3,
			.removed = 1},
		{.load = {.ports = 7, .free = 7}, .addresses = 1}};
	char *text = print(&(struct ctl_metrics_input){.relays = relays});

	assert_line(text, "turnpike_relay_ports{family=\"ipv4\",state=\"free\"} 40");
	assert_line(text, "turnpike_relay_ports{family=\"ipv4\",state=\"taken\"} 30");
	assert_line(text, "turnpike_relay_ports{family=\"ipv4\",state=\"resting\"} 8");
	assert_line(text, "turnpike_relay_ports{family=\"ipv4\",state=\"reserved\"} 2");
	assert_line(text, "turnpike_relay_ports{family=\"ipv4\",state=\"drained\"} 20");
	assert_line(text, "turnpike_relay_ports{family=\"ipv6\",state=\"free\"} 7");
	assert_line(text, "turnpike_relay_addresses{family=\"ipv4\",state=\"in_use\"} 5");
	assert_line(text, "turnpike_relay_addresses{family=\"ipv4\",state=\"drained\"} 3");
	assert_line(text, "turnpike_relay_addresses{family=\"ipv4\",state=\"removed\"} 1");
	assert_line(text, "turnpike_relay_addresses{family=\"ipv6\",state=\"in_use\"} 1");
	free(text);
}

// Every name has one HELP and one TYPE, before its first value, and no name comes twice.
static void the_exposition_is_well_formed(void **state)
{
	struct tp_status_reply r = {.ports = 2};
	struct ctl_turn_counters turn = {0};
	struct ctl_store_status store = {0};
	struct ctl_io_counters io = {0};
	struct ctl_relay_totals relays[2] = {};
	char *text, *line, *rest, name[128] = "", seen[16384] = " ";

	text = print(&(struct ctl_metrics_input){
		.dataplane = &r, .turn = &turn, .store = &store, .relays = relays, .io = &io});
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, "# HELP ", 7) == 0) {
			char key[160];
			assert_int_equal(sscanf(line + 7, "%127s", name), 1);
			snprintf(key, sizeof(key), " %s ", name);
			if (strstr(seen, key))
				fail_msg("%s comes twice", name);
			strcat(seen, name);
			strcat(seen, " ");
		} else if (line[0] != '#') {
			size_t n = strcspn(line, "{ ");
			assert_int_equal(n, strlen(name));
			assert_memory_equal(line, name, n);
		}
	}
	free(text);
}

static void hostile_names_stay_inside_their_quotes(void **state)
{
	struct tp_status_reply r = {.ports = 1};
	char *text;

	memcpy(r.port[0].name, "a\"} 1\nb\\", 9);
	text = print(&(struct ctl_metrics_input){.dataplane = &r});
	assert_line(text, "turnpike_port_link_up{port=\"a_} 1_b_\"} 0");
	free(text);
}

static void beats_have_an_age_while_somebody_beats(void **state)
{
	struct ctl_watch_view watch = {.hangs = 2};
	char *text = print(&(struct ctl_metrics_input){.watch = &watch});

	assert_line(text, "turnpike_manager_hangs_total 2");
	assert_null(strstr(text, "beat_age"));
	free(text);
	watch = (struct ctl_watch_view){
		.beats = true, .manager_ms = 1007, .workers = 2, .worker_ms = {0, 250}};
	text = print(&(struct ctl_metrics_input){.watch = &watch});
	assert_line(text, "turnpike_manager_beat_age_seconds 1.007");
	assert_line(text, "turnpike_worker_beat_age_seconds{worker=\"1\"} 0.250");
	assert_null(strstr(text, "worker=\"2\""));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_there_is_still_a_scrape),
		cmocka_unit_test(counters_drops_and_ports),
		cmocka_unit_test(control_has_its_own),
		cmocka_unit_test(streams_have_theirs),
		cmocka_unit_test(relay_ports_by_family_and_state),
		cmocka_unit_test(the_exposition_is_well_formed),
		cmocka_unit_test(beats_have_an_age_while_somebody_beats),
		cmocka_unit_test(hostile_names_stay_inside_their_quotes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
