// SPDX-License-Identifier: BSD-3-Clause
// ClientHellos of strangers: all that is said of one is in its bytes, it is longer than what
// answers it, and the answer is a record but no hello.
#include "common/base/bytes.h"
#include "common/wire/dtls_hello.h"
#include "tests/fuzz/fuzz.h"

void fuzz_one(const uint8_t *data, size_t size)
{
	uint8_t answer[DTLS_HELLO_VERIFY_BYTES];
	struct dtls_hello hello, again;

	if (dtls_hello_read(data, size, &hello) != DTLS_HELLO)
		return;
	FUZZ_CHECK(dtls_is_record(data, size));
	FUZZ_CHECK(size >= DTLS_HELLO_LEAST_BYTES);
	FUZZ_CHECK(fuzz_inside(hello.random, DTLS_RANDOM_BYTES, data, size));
	FUZZ_CHECK(fuzz_inside(hello.cookie, hello.cookie_bytes, data, size));
	dtls_hello_verify_write(hello.record, hello.random, answer);
	FUZZ_CHECK(dtls_is_record(answer, sizeof(answer)));
	FUZZ_CHECK(dtls_hello_read(answer, sizeof(answer), &again) == DTLS_NO_HELLO);
	FUZZ_CHECK(memcmp(answer + 3, data + 3, sizeof(hello.record)) == 0);
	if (hello.cookie_bytes > 0)
		fuzz_canary(data + size);
}
