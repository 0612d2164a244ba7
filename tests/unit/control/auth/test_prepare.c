// SPDX-License-Identifier: BSD-3-Clause
// From the document to users as they are compared: names prepared, keys in the place of passwords.
#include "control/auth/prepare.h"

#include "tests/unit/config/conf_try.h"

#include <errno.h>
#include <openssl/evp.h>

#include "config/conf_main.h"

#define DOCUMENT(realm, listener, users)                                                           \
	"{\"realm\":\"" realm "\",\"ports\":[{\"name\":\"p\",\"interface\":\"e\"}],"               \
	"\"relay\":{\"addresses\":[{\"address\":\"198.18.0.2\"}]},"                                \
	"\"listeners\":[{\"address\":\"198.18.0.2\"},"                                             \
	"{\"address\":\"198.18.0.3\",\"realm\":\"" listener "\"}],"                                \
	"\"auth\":{\"users\":[" users "]}}"
#define COMPOSED   "caf\xc3\xa9"
#define DECOMPOSED "cafe\xcc\x81"

// Loads and prepares; *said gets what ctl_auth_prepare printed.
static int prepare(const char *text, struct conf **c, char **said)
{
	char *problems;
	if (try_load(text, strlen(text), c, &problems) != 0)
		fail_msg("%s", problems);
	free(problems);
	FILE *errors = try_stream(said);
	int rc = ctl_auth_prepare(*c, errors);
	fclose(errors);
	return rc;
}

static void check_key(const char *hex, const char *of, const EVP_MD *md, size_t length)
{
	uint8_t digest[32];
	char text[65] = "";
	assert_int_equal(EVP_Digest(of, strlen(of), digest, NULL, md, NULL), 1);
	for (size_t i = 0; i < length; i++)
		snprintf(text + 2 * i, 3, "%02x", digest[i]);
	assert_string_equal(hex, text);
}

static void passwords_become_keys(void **state)
{
	struct conf *c;
	char *said;
	assert_int_equal(
		prepare(DOCUMENT("a", "b",
				"{\"name\":\"" DECOMPOSED "\",\"password\":\"p\xe3\x80\x80q\"},"
				"{\"name\":\"u\",\"password\":\"e\xcc\x81\",\"realm\":\"b\"},"
				"{\"name\":\"k\",\"key\":\"00112233445566778899AABBCCDDEEFF\"}"),
			&c, &said),
		0);
	assert_string_equal(said, "");
	const struct conf_user *u = c->auth.users;
	assert_string_equal(u[0].name, COMPOSED);
	check_key(u[0].key, COMPOSED ":a:p q", EVP_md5(), 16);
	check_key(u[0].key_sha256, COMPOSED ":a:p q", EVP_sha256(), 32);
	check_key(u[1].key, "u:b:\xc3\xa9", EVP_md5(), 16);
	check_key(u[1].key_sha256, "u:b:\xc3\xa9", EVP_sha256(), 32);
	assert_string_equal(u[2].key, "00112233445566778899AABBCCDDEEFF");
	assert_null(u[2].key_sha256);
	for (size_t i = 0; i < 3; i++)
		assert_null(u[i].password);
	conf_free(c);
	free(said);
}

static void what_cannot_be_prepared_has_its_message(void **state)
{
	static const struct {
		const char *text, *said;
	} cases[] = {
		{DOCUMENT("a", "b", "{\"name\":\"x\xe2\x80\x8b\",\"password\":\"secret\"}"),
			"t.json: auth.users[0].name: has a character that RFC 8265 does not allow "
			"there (control, invisible, unassigned)\n"},
		{DOCUMENT("a", "b",
			 "{\"name\":\"x\",\"password\":\"secret\"},"
			 "{\"name\":\"y\",\"password\":\"se\xee\x80\x80\x63ret\"}"),
			"t.json: auth.users[1].password: has a character that RFC 8265 does not "
			"allow there (control, invisible, unassigned)\n"},
		{DOCUMENT("a", DECOMPOSED, ""),
			"t.json: listeners[1].realm: must be written in its prepared form (RFC "
			"8265): normalised (NFC), with plain spaces\n"},
		{DOCUMENT("a\xc2\xa0"
			  "b",
			 "b", ""),
			"t.json: realm: must be written in its prepared form (RFC 8265): "
			"normalised (NFC), with plain spaces\n"},
		{DOCUMENT("\xcd\xb8", "b", ""),
			"t.json: realm: has a character that RFC 8265 does not allow there "
			"(control, invisible, unassigned)\n"},
		// Two ways to write one name.
		{DOCUMENT("a", "b",
			 "{\"name\":\"" COMPOSED "\",\"password\":\"1\"},"
			 "{\"name\":\"" DECOMPOSED "\",\"password\":\"2\"}"),
			"t.json: auth.users[1].name: \"" COMPOSED
			"\" is the name of auth.users[0] too\n"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct conf *c;
		char *said;
		assert_int_equal(prepare(cases[i].text, &c, &said), -EINVAL);
		assert_string_equal(said, cases[i].said);
		assert_null(strstr(said, "secret"));
		conf_free(c);
		free(said);
	}
}

// U+0958 grows from three bytes to six.
static void a_name_that_grows_too_long(void **state)
{
	char text[2000], name[509] = "";
	for (int i = 0; i < 100; i++)
		strcat(name, "\xe0\xa5\x98");
	snprintf(text, sizeof(text), DOCUMENT("a", "b", "{\"name\":\"%s\",\"password\":\"p\"}"),
		name);
	struct conf *c;
	char *said;
	assert_int_equal(prepare(text, &c, &said), -EINVAL);
	assert_string_equal(said, "t.json: auth.users[0].name: is longer than 508 bytes when "
				  "prepared (RFC 8265)\n");
	conf_free(c);
	free(said);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(passwords_become_keys),
		cmocka_unit_test(what_cannot_be_prepared_has_its_message),
		cmocka_unit_test(a_name_that_grows_too_long),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
