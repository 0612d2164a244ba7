// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <openssl/bio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "control/stream/wire.h"

struct rig {
	int client;
	struct stream_wire wire;
	BIO *bio;
};

static int make(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	r->client = pair[0];
	r->wire = (struct stream_wire){.fd = pair[1]};
	r->bio = stream_wire_bio(&r->wire);
	assert_non_null(r->bio);
	*state = r;
	return 0;
}

static int unmake(void **state)
{
	struct rig *r = *state;

	BIO_free(r->bio);
	close(r->client);
	close(r->wire.fd);
	free(r);
	return 0;
}

static void says(struct rig *r, const char *text, size_t length)
{
	assert_int_equal(send(r->client, text, length, 0), length);
}

static void after_a_short_read_nobody_asks_again(void **state)
{
	struct rig *r = *state;
	char out[8];

	says(r, "12345", 5);
	assert_int_equal(BIO_read(r->bio, out, sizeof(out)), 5);
	assert_true(r->wire.drained);
	// What came meanwhile is left until epoll tells of it.
	says(r, "6", 1);
	assert_int_equal(BIO_read(r->bio, out, sizeof(out)), -1);
	assert_true(BIO_should_retry(r->bio) && BIO_should_read(r->bio));
	r->wire.drained = false;
	assert_int_equal(BIO_read(r->bio, out, sizeof(out)), 1);
	assert_int_equal(out[0], '6');
}

static void a_full_read_may_have_left_something(void **state)
{
	struct rig *r = *state;
	char out[4];

	says(r, "12345678", 8);
	assert_int_equal(BIO_read(r->bio, out, sizeof(out)), 4);
	assert_int_equal(BIO_read(r->bio, out, sizeof(out)), 4);
	assert_false(r->wire.drained);
	assert_int_equal(BIO_read(r->bio, out, sizeof(out)), -1);
	assert_true(BIO_should_read(r->bio));
	assert_true(r->wire.drained);
}

static void the_end_is_no_reason_to_come_back(void **state)
{
	struct rig *r = *state;
	char out[4];

	assert_false(BIO_eof(r->bio));
	shutdown(r->client, SHUT_WR);
	assert_int_equal(BIO_read(r->bio, out, sizeof(out)), 0);
	assert_false(BIO_should_retry(r->bio));
	assert_true(BIO_eof(r->bio));
}

static void a_full_socket_takes_no_more(void **state)
{
	struct rig *r = *state;
	static const char much[65536];
	int n;

	while ((n = BIO_write(r->bio, much, sizeof(much))) > 0)
		;
	assert_int_equal(n, -1);
	assert_true(BIO_should_retry(r->bio) && BIO_should_write(r->bio));
}

static void who_is_gone_kills_nobody(void **state)
{
	struct rig *r = *state;

	shutdown(r->client, SHUT_RDWR);
	assert_int_equal(BIO_write(r->bio, "1", 1), -1); // and no SIGPIPE
	assert_false(BIO_should_retry(r->bio));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(after_a_short_read_nobody_asks_again, make, unmake),
		cmocka_unit_test_setup_teardown(a_full_read_may_have_left_something, make, unmake),
		cmocka_unit_test_setup_teardown(the_end_is_no_reason_to_come_back, make, unmake),
		cmocka_unit_test_setup_teardown(a_full_socket_takes_no_more, make, unmake),
		cmocka_unit_test_setup_teardown(who_is_gone_kills_nobody, make, unmake),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
