// SPDX-License-Identifier: BSD-3-Clause
// The protocol of dataplane.sock over a real socket in a directory of the test's own.
#include "tests/unit/dataplane/manage/fixture.h"

static void test_the_socket_is_for_owner_and_group(void **state)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/dataplane.sock", t.directory);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
}

static void test_a_hostile_greeting_is_refused(void **state)
{
	struct tp_hello hello = hello_of(TP_ROLE_CONTROL);
	char noise[2000];
	int fd = dial();

	memset(noise, 0xa5, sizeof(noise));
	say(fd, noise, 3);
	expect_refusal(fd, TP_REFUSED_MAGIC, 0);
	fd = dial();
	say(fd, noise, 100);
	expect_refusal(fd, TP_REFUSED_MAGIC, 0);
	fd = dial();
	say(fd, noise, sizeof(noise));
	expect_refusal(fd, TP_REFUSED_MAGIC, 0);
	fd = dial();
	say(fd, &hello, sizeof(hello) - 4); // length and message disagree
	expect_refusal(fd, TP_REFUSED_MAGIC, 0);
	hello.header.length_bytes = sizeof(hello) - 4;
	fd = dial();
	say(fd, &hello, sizeof(hello) - 4);
	expect_refusal(fd, TP_REFUSED_SIZES, 0);
	assert_int_equal(t.fakes.links_set, 0);
}

static void test_another_major_is_refused(void **state)
{
	struct tp_hello hello = hello_of(TP_ROLE_CONTROL);
	int fd = dial();

	hello.header.major = TP_ABI_MAJOR + 1;
	say(fd, &hello, sizeof(hello));
	expect_refusal(fd, TP_REFUSED_MAJOR, TP_ABI_MAJOR);
}

static void test_another_minor_is_accepted(void **state)
{
	struct tp_hello hello = hello_of(TP_ROLE_CONTROL);
	struct attached a;
	int fd = dial();

	hello.header.minor = TP_ABI_MINOR + 1;
	hello.sizes[TP_SIZES - 1] = 99; // something that we do not know
	say(fd, &hello, sizeof(hello));
	attach(fd, &a);
	detach(fd, &a);
}

static void test_other_sizes_are_refused_by_name(void **state)
{
	struct tp_hello hello = hello_of(TP_ROLE_CONTROL);
	int fd = dial();

	hello.sizes[TP_SIZE_PEER_RECORD] += 8;
	say(fd, &hello, sizeof(hello));
	expect_refusal(fd, TP_REFUSED_SIZES, TP_SIZE_PEER_RECORD);
}

static void test_unknown_roles_are_refused(void **state)
{
	expect_refusal(dial_as(77), TP_REFUSED_ROLE, 77);
}

static void test_descriptors_of_clients_are_not_kept(void **state)
{
	struct tp_hello hello = hello_of(TP_ROLE_STATUS);
	int fd = dial(), pipes[2], probe;
	char byte;

	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(tp_message_send(fd, &hello, sizeof(hello), &pipes[1], 1), 0);
	turns(2);
	close(pipes[1]);
	probe = (int)read(pipes[0], &byte, 1);
	assert_int_equal(probe, 0); // the end of the pipe: nobody holds the other side
	close(pipes[0]);
	expect_refusal(fd, TP_REFUSED_MAGIC, 0);
}

static void test_attachment_describes_region_and_rings(void **state)
{
	struct attached a;
	struct tp_shm region;
	const struct tp_region_header *header;
	struct stat st;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	assert_int_equal(a.message.workers, 1);
	assert_int_equal(a.message.rings, 4);
	assert_int_equal(a.message.instance, 0x1234);
	assert_int_equal(a.message.listeners, 1);
	assert_int_equal(a.message.listener[0].port, 3478);
	assert_int_equal(a.n_fds, 6);
	assert_non_null(t.fakes.link);
	assert_int_equal(fcntl(a.fds[0], F_GET_SEALS), F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(fstat(a.fds[0], &st), 0);
	assert_true(st.st_blocks * 512 < 65536); // sparse: a million records were not touched
	assert_int_equal(tp_shm_open(dup(a.fds[0]), a.message.region_bytes, &region), 0);
	header = region.base;
	assert_int_equal(header->magic, TP_REGION_MAGIC);
	assert_int_equal(header->alloc_capacity, 1000000);
	assert_int_equal(header->instance, 0x1234);
	assert_true(tp_region_bytes(header->alloc_capacity, header->peer_capacity,
			    header->name_capacity) <= a.message.region_bytes);
	tp_shm_close(&region);
	detach(fd, &a);
}

static void test_attachment_names_every_relay_address(void **state)
{
	static const size_t pools[] = {1, 65, CONF_MAX_RELAYS};

	for (size_t i = 0; i < sizeof(pools) / sizeof(pools[0]); i++) {
		struct attached a;
		t.conf.relay.n_addresses = pools[i];
		for (size_t k = 0; k < pools[i]; k++)
			t.conf.relay.addresses[k] =
				(struct conf_relay){.address = tp_ip4(0x0a000000u + (uint32_t)k),
					.public_address = tp_ip4(0xcb000000u + (uint32_t)k),
					.prefix_bits = 32};
		int fd = dial_as(TP_ROLE_CONTROL);
		attach(fd, &a);
		assert_int_equal(a.message.relays, pools[i]);
		for (size_t k = 0; k < pools[i]; k++) {
			assert_memory_equal(&a.message.relay[k].address,
				&t.conf.relay.addresses[k].address, sizeof(struct tp_ip));
			assert_memory_equal(&a.message.relay[k].public_address,
				&t.conf.relay.addresses[k].public_address, sizeof(struct tp_ip));
		}
		detach(fd, &a);
	}
	t.conf.relay.n_addresses = 0;
}

static void test_commands_are_executed_and_acknowledged_in_order(void **state)
{
	struct attached a;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	for (uint64_t i = 1; i <= 1000; i++)
		command(&a, i, i == 500 ? 99 : TP_CMD_ALLOC_SET);
	tp_ring_flush(&a.command);
	turns(10);
	for (uint64_t i = 1; i <= 1000; i++) {
		const struct tp_ack *ack = tp_ring_front(&a.ack);
		assert_non_null(ack);
		assert_int_equal(ack->sequence, i);
		assert_int_equal(ack->result, i == 500 ? -EINVAL : 0);
		tp_ring_pop(&a.ack);
	}
	assert_null(tp_ring_front(&a.ack));
	detach(fd, &a);
}

static void test_a_turn_executes_a_bounded_number(void **state)
{
	struct attached a;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	for (uint64_t i = 1; i <= 2000; i++)
		command(&a, i, TP_CMD_ALLOC_SET);
	tp_ring_flush(&a.command);
	turns(1);
	assert_true(t.fakes.executed > 0 && t.fakes.executed < 1000);
	detach(fd, &a);
}

static void test_a_sleeping_loop_is_woken_by_a_command(void **state)
{
	struct attached a;
	struct pollfd p;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	turns(1);
	// What the loop does before it blocks; a turn with a time limit would do the same.
	assert_int_equal(dp_manage_turn(t.m, 1), 0);
	p = (struct pollfd){.fd = a.fds[a.message.ring[0].event_fd], .events = POLLIN};
	atomic_store(&a.command.shared->sleeping, 1);
	command(&a, 1, TP_CMD_ALLOC_SET);
	tp_ring_flush(&a.command);
	assert_int_equal(poll(&p, 1, 0), 1);
	assert_int_equal(dp_manage_turn(t.m, -1), 0); // would block for ever if it were not
	assert_int_equal(t.fakes.last_sequence, 1);
	assert_int_equal(poll(&p, 1, 0), 0); // drained
	detach(fd, &a);
}

static void test_acks_that_are_not_read_hold_commands_up(void **state)
{
	struct attached a;
	uint64_t sent = 0, read_back = 0;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	for (int round = 0; round < 8; round++) {
		while (tp_ring_free_slots(&a.command) > 0)
			command(&a, ++sent, TP_CMD_ALLOC_SET);
		tp_ring_flush(&a.command);
		turns(20);
	}
	assert_int_equal(t.fakes.executed, TP_ACK_RING_SLOTS);
	while (read_back < sent) {
		const struct tp_ack *ack = tp_ring_front(&a.ack);
		if (!ack) {
			turns(1);
			continue;
		}
		assert_int_equal(ack->sequence, ++read_back);
		tp_ring_pop(&a.ack);
	}
	assert_int_equal(t.fakes.executed, sent);
	detach(fd, &a);
}

static void test_a_move_is_told_to_control(void **state)
{
	struct attached a;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	t.fakes.n_named = 100;
	turns(1);
	assert_int_equal(t.fakes.moves, 0); // nobody was woken: nobody looks
	atomic_store(&t.dp.moves_wake->wanted, 1);
	tp_event_signal(t.dp.moves_wake->event_fd);
	assert_int_equal(dp_manage_turn(t.m, -1), 0); // would block for ever without the wake-up
	assert_true(t.fakes.moves > 0 && t.fakes.moves < 100); // a turn is bounded
	turns(3);
	assert_int_equal(t.fakes.moves, 100);
	for (uint64_t i = 100; i > 0; i--) {
		const struct tp_ack *ack = tp_ring_front(&a.ack);
		assert_non_null(ack);
		assert_int_equal(ack->sequence, 0);
		assert_int_equal(ack->type, TP_EVENT_MOVED);
		assert_int_equal(ack->moved, i);
		tp_ring_pop(&a.ack);
	}
	detach(fd, &a);
}

static void test_moves_wait_for_a_control_that_does_not_read(void **state)
{
	struct attached a;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	t.fakes.n_named = TP_ACK_RING_SLOTS + 10;
	atomic_store(&t.dp.moves_wake->wanted, 1);
	turns(TP_ACK_RING_SLOTS / 64 + 10);
	assert_int_equal(t.fakes.moves, TP_ACK_RING_SLOTS);
	tp_ring_front(&a.ack);
	for (int i = 0; i < 20; i++) {
		assert_non_null(tp_ring_front(&a.ack));
		tp_ring_pop(&a.ack);
	}
	turns(2);
	assert_int_equal(t.fakes.moves, TP_ACK_RING_SLOTS + 10);
	detach(fd, &a);
	// Without control they are completed all the same.
	t.fakes.n_named = 5;
	atomic_store(&t.dp.moves_wake->wanted, 1);
	turns(2);
	assert_int_equal(t.fakes.n_named, 0);
}

static void test_a_second_control_is_refused_while_the_first_lives(void **state)
{
	struct attached a;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	expect_refusal(dial_as(TP_ROLE_CONTROL), TP_REFUSED_BUSY, (uint32_t)getpid());
	assert_int_equal(t.fakes.links_set, 1);
	detach(fd, &a);
}

static void test_a_successor_attaches_with_fresh_rings_after_the_drain(void **state)
{
	struct attached a, b;
	int fd = dial_as(TP_ROLE_CONTROL), second;
	struct dp_control_link *old;

	attach(fd, &a);
	old = t.fakes.link;
	for (uint64_t i = 1; i <= 3000; i++)
		command(&a, i, TP_CMD_ALLOC_SET);
	tp_ring_flush(&a.command);
	// Killed, and its successor is quicker than the loop.
	close(fd);
	{
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		struct tp_hello hello = hello_of(TP_ROLE_CONTROL);
		second = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		snprintf(address.sun_path, sizeof(address.sun_path), "%s/dataplane.sock",
			t.directory);
		assert_int_equal(connect(second, (struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(send(second, &hello, sizeof(hello), 0), sizeof(hello));
	}
	turns(3);
	attach(second, &b);
	assert_int_equal(t.fakes.executed, 3000);
	assert_int_equal(t.fakes.links_set, 3); // old, none, fresh
	assert_ptr_not_equal(t.fakes.link, old);
	assert_int_equal(tp_ring_filled(&b.ack), 0);
	assert_int_equal(b.message.instance, a.message.instance);
	detach(second, &b);
	detach(-1, &a);
}

static void test_workers_get_the_key_that_control_signs_with(void **state)
{
	struct attached a;
	struct dp_nonce_sign sign = {0};
	struct tp_shm region;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	assert_int_equal(tp_shm_open(dup(a.fds[0]), a.message.region_bytes, &region), 0);
	struct tp_region_header *header = region.base;
	dp_manage_tick(t.m, tp_now_ns());
	assert_false(dp_nonce_renew(&t.dp.nonce_key, &sign)); // control has drawn none yet
	memset(header->nonce_key[0].key, 0x5a, sizeof(sign.key[0]));
	header->nonce_key[0].created_wall_ns = 1;
	dp_manage_tick(t.m, tp_now_ns());
	assert_true(dp_nonce_renew(&t.dp.nonce_key, &sign));
	assert_int_equal(sign.keys, 1);
	assert_memory_equal(sign.key[0], header->nonce_key[0].key, sizeof(sign.key[0]));
	// The distance of two clocks that are read one after the other: far less than an hour off.
	assert_true(tp_wall_ns() - tp_now_ns() - sign.wall_offset_ns + 3600 * TP_NS_PER_S <
		    7200 * TP_NS_PER_S);
	// A rotation leaves two.
	header->nonce_key[1] = header->nonce_key[0];
	memset(header->nonce_key[0].key, 0xa5, sizeof(sign.key[0]));
	dp_manage_tick(t.m, tp_now_ns());
	assert_true(dp_nonce_renew(&t.dp.nonce_key, &sign));
	assert_int_equal(sign.keys, 2);
	assert_memory_equal(sign.key[0], header->nonce_key[0].key, sizeof(sign.key[0]));
	assert_memory_equal(sign.key[1], header->nonce_key[1].key, sizeof(sign.key[1]));
	// They stay when control goes.
	detach(fd, &a);
	dp_manage_tick(t.m, tp_now_ns());
	assert_true(dp_nonce_renew(&t.dp.nonce_key, &sign));
	tp_shm_close(&region);
}

static void test_a_successor_finds_the_region_whatever_was_written_into_its_header(void **state)
{
	struct attached a, b;
	struct tp_shm region;
	struct tp_region_header before, *header;
	int fd = dial_as(TP_ROLE_CONTROL);

	attach(fd, &a);
	assert_int_equal(tp_shm_open(dup(a.fds[0]), a.message.region_bytes, &region), 0);
	header = region.base;
	before = *header;
	memset(header, 0xff, TP_REGION_HEADER_BYTES);
	detach(fd, &a);
	fd = dial_as(TP_ROLE_CONTROL);
	attach(fd, &b);
	assert_memory_equal(header, &before, offsetof(struct tp_region_header, node_id));
	tp_shm_close(&region);
	detach(fd, &b);
}

static void test_old_rings_live_until_the_workers_pass(void **state)
{
	struct attached a;
	int fd = dial_as(TP_ROLE_CONTROL);
	struct dp_control_link *old;

	attach(fd, &a);
	old = t.fakes.link;
	close(fd);
	turns(5);
	assert_null(t.fakes.link);
	assert_non_null(tp_ring_reserve(&old->punt)); // the worker is still in its loop
	rte_rcu_qsbr_quiescent(t.qsbr, 0);
	turns(1);
	assert_int_equal(dp_manage_turn(t.m, 1), 0);
	detach(-1, &a);
}

static void status_of(int fd, struct tp_status_reply *reply)
{
	const struct tp_message_header ask = {.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = TP_MSG_STATUS,
		.length_bytes = sizeof(ask)};

	say(fd, &ask, sizeof(ask));
	assert_int_equal(recv(fd, reply, sizeof(*reply), MSG_DONTWAIT), sizeof(*reply));
	assert_int_equal(reply->header.type, TP_MSG_STATUS_REPLY);
}

static void test_status_is_answered_with_and_without_control(void **state)
{
	struct tp_status_reply reply;
	struct attached a;
	int status = dial_as(TP_ROLE_STATUS), control;

	t.fakes.last_seen_ns = tp_now_ns();
	status_of(status, &reply);
	assert_int_equal(reply.control_pid, 0);
	assert_int_equal(reply.counter[TP_COUNTER_rx], 100);
	assert_int_equal(reply.drop[TP_DROP_policed], 3);
	assert_int_equal(reply.allocations, 42);
	assert_int_equal(reply.routes, 7);
	assert_int_equal(reply.workers_late, 0);
	control = dial_as(TP_ROLE_CONTROL);
	attach(control, &a);
	t.fakes.last_seen_ns = 0;
	status_of(status, &reply);
	assert_int_equal(reply.control_pid, getpid());
	assert_int_equal(reply.workers_late, 1);
	status_of(control, &reply);
	assert_int_equal(reply.held, 1);
	close(status);
	detach(control, &a);
}

static void test_memory_is_answered_to_whoever_has_greeted(void **state)
{
	const struct tp_message_header ask = {.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = TP_MSG_MEMORY,
		.length_bytes = sizeof(ask)};
	static uint8_t block[8 << 20];
	struct tp_memory_reply reply;
	uint64_t sum = 0, total;
	int fd = dial_as(TP_ROLE_STATUS), stranger = dial();

	memset(block, 1, sizeof(block));
	t.fakes.block = block;
	t.fakes.block_bytes = sizeof(block);
	say(fd, &ask, sizeof(ask));
	assert_int_equal(recv(fd, &reply, sizeof(reply), MSG_DONTWAIT), sizeof(reply));
	assert_int_equal(reply.header.type, TP_MSG_MEMORY_REPLY);
	assert_int_equal(reply.header.length_bytes, sizeof(reply));
	assert_int_equal(reply.pid, getpid());
	assert_int_equal(reply.parts, TP_MEMORY_PARTS);
	for (unsigned int i = 0; i < TP_MEMORY_PLACES; i++)
		sum += reply.memory.part_bytes[i];
	total = reply.memory.resident_bytes + reply.memory.hugetlb_bytes;
	assert_in_range(sum, total - total / 20, total + total / 20);
	assert_int_equal(reply.memory.part_bytes[TP_MEMORY_allocations], sizeof(block));
	assert_in_range(reply.memory.part_bytes[TP_MEMORY_region], 1, 64 << 10);
	assert_in_range(reply.region_bytes, 1, 64 << 10);
	close(fd);
	say(stranger, &ask, sizeof(ask));
	expect_refusal(stranger, TP_REFUSED_ROLE, 0);
}

static void test_a_client_that_never_reads_is_dropped(void **state)
{
	const struct tp_message_header ask = {.magic = TP_ABI_MAGIC,
		.major = TP_ABI_MAJOR,
		.minor = TP_ABI_MINOR,
		.type = TP_MSG_STATUS,
		.length_bytes = sizeof(ask)};
	int fd = dial_as(TP_ROLE_STATUS), other;
	bool dropped = false;
	struct tp_status_reply reply;

	for (int i = 0; i < 10000 && !dropped; i++) {
		dropped = send(fd, &ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
			  errno == EPIPE;
		turns(1);
	}
	assert_true(dropped);
	close(fd);
	other = dial_as(TP_ROLE_STATUS);
	status_of(other, &reply);
	close(other);
}

static void test_a_client_that_never_greets_is_dropped(void **state)
{
	int silent = dial(), status = dial_as(TP_ROLE_STATUS);
	char byte;

	for (int i = 0; i < 10; i++)
		dp_manage_tick(t.m, tp_now_ns());
	assert_int_equal(recv(silent, &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(status, &byte, 1, MSG_DONTWAIT), -1); // greeted: may stay silent
	assert_true(t.fakes.net_ticks >= 10);
	close(silent);
	close(status);
}

static void test_control_always_finds_a_place(void **state)
{
	int idle[200], fd;
	struct attached a;

	for (int i = 0; i < 200; i++)
		idle[i] = dial_as(TP_ROLE_STATUS);
	fd = dial_as(TP_ROLE_CONTROL);
	attach(fd, &a);
	for (int i = 0; i < 200; i++) {
		close(idle[i]);
		idle[i] = dial_as(TP_ROLE_STATUS);
	}
	assert_non_null(t.fakes.link); // none of them pushed it out
	for (int i = 0; i < 200; i++)
		close(idle[i]);
	detach(fd, &a);
}

static void test_a_protocol_error_of_control_ends_its_attachment(void **state)
{
	struct attached a;
	int fd = dial_as(TP_ROLE_CONTROL);
	struct tp_hello hello = hello_of(TP_ROLE_CONTROL);

	attach(fd, &a);
	say(fd, &hello, sizeof(hello)); // once is enough
	assert_null(t.fakes.link);
	detach(fd, &a);
}

static void test_flows_follow_the_routes_in_slices(void **state)
{
	turns(2);
	t.fakes.generation = 5;
	t.fakes.slices_left = 3;
	turns(1);
	assert_int_equal(t.fakes.slices_left, 2);
	t.fakes.generation = 6; // moves meanwhile: one more pass after this one
	turns(2);
	assert_int_equal(t.fakes.slices_left, 0);
	t.fakes.slices_left = 2;
	turns(2);
	assert_int_equal(t.fakes.slices_left, 0);
	turns(3);
	assert_int_equal(t.fakes.slices_left, 0);
}

static void test_sigterm_ends_the_loop(void **state)
{
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	assert_int_equal(dp_manage_turn(t.m, -1), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_the_socket_is_for_owner_and_group),
		T(test_a_hostile_greeting_is_refused),
		T(test_another_major_is_refused),
		T(test_another_minor_is_accepted),
		T(test_other_sizes_are_refused_by_name),
		T(test_unknown_roles_are_refused),
		T(test_descriptors_of_clients_are_not_kept),
		T(test_attachment_describes_region_and_rings),
		T(test_attachment_names_every_relay_address),
		T(test_commands_are_executed_and_acknowledged_in_order),
		T(test_a_turn_executes_a_bounded_number),
		T(test_a_sleeping_loop_is_woken_by_a_command),
		T(test_a_move_is_told_to_control),
		T(test_moves_wait_for_a_control_that_does_not_read),
		T(test_acks_that_are_not_read_hold_commands_up),
		T(test_a_second_control_is_refused_while_the_first_lives),
		T(test_a_successor_attaches_with_fresh_rings_after_the_drain),
		T(test_workers_get_the_key_that_control_signs_with),
		T(test_a_successor_finds_the_region_whatever_was_written_into_its_header),
		T(test_old_rings_live_until_the_workers_pass),
		T(test_status_is_answered_with_and_without_control),
		T(test_memory_is_answered_to_whoever_has_greeted),
		T(test_a_client_that_never_reads_is_dropped),
		T(test_a_client_that_never_greets_is_dropped),
		T(test_control_always_finds_a_place),
		T(test_a_protocol_error_of_control_ends_its_attachment),
		T(test_flows_follow_the_routes_in_slices),
		T(test_sigterm_ends_the_loop),
	};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (test_eal_init("64") < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
