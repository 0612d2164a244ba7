// SPDX-License-Identifier: BSD-3-Clause
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/stream/tls.h"

#define NOW UINT64_C(1700000000) // 2023-11-14
#define DAY 86400

struct rig {
	char directory[64], certificate[128], key[128], other_key[128];
	char document[8], nonsense[16];
	struct conf conf;
	char *said;
	size_t said_bytes;
};

static void write_key(const char *path, EVP_PKEY *key, const char *password)
{
	FILE *f = fopen(path, "w");

	assert_int_equal(PEM_write_PrivateKey(f, key, password ? EVP_aes_128_cbc() : NULL,
				 (const unsigned char *)password, password ? 6 : 0, NULL, NULL),
		1);
	fclose(f);
}

// Valid for the day around NOW.
static void write_certificate(const char *path, EVP_PKEY *key)
{
	X509 *x = X509_new();
	FILE *f = fopen(path, "w");

	ASN1_TIME_set(X509_getm_notBefore(x), (time_t)NOW - DAY);
	ASN1_TIME_set(X509_getm_notAfter(x), (time_t)NOW + DAY);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)"t", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(f, x), 1);
	fclose(f);
	X509_free(x);
}

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));
	EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");

	strcpy(r->document, "t.json");
	strcpy(r->nonsense, "nonsense");
	strcpy(r->directory, "/tmp/turnpike-tls-XXXXXX");
	assert_non_null(mkdtemp(r->directory));
	snprintf(r->certificate, sizeof(r->certificate), "%s/c.pem", r->directory);
	snprintf(r->key, sizeof(r->key), "%s/c.key", r->directory);
	snprintf(r->other_key, sizeof(r->other_key), "%s/o.key", r->directory);
	write_certificate(r->certificate, key);
	write_key(r->key, key, NULL);
	write_key(r->other_key, other, NULL);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	r->conf.path = r->document;
	r->conf.tls.certificate = r->certificate;
	r->conf.tls.key = r->key;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	unlink(r->certificate);
	unlink(r->key);
	unlink(r->other_key);
	rmdir(r->directory);
	free(r->said);
	free(r);
	return 0;
}

static int create_for(struct rig *r, uint64_t now_s, bool datagrams, struct stream_tls **out)
{
	free(r->said);
	FILE *errors = open_memstream(&r->said, &r->said_bytes);
	int rc = stream_tls_create(&r->conf, now_s, datagrams, errors, out);

	fclose(errors);
	return rc;
}

static int create(struct rig *r, uint64_t now_s, struct stream_tls **out)
{
	return create_for(r, now_s, false, out);
}

static void refused(struct rig *r, uint64_t now_s, const char *expected)
{
	struct stream_tls *tls;

	assert_int_equal(create(r, now_s, &tls), -EINVAL);
	assert_null(tls);
	if (!strstr(r->said, expected))
		fail_msg("\"%s\" does not say \"%s\"", r->said, expected);
}

static void a_certificate_and_its_key_are_taken(void **state)
{
	struct rig *r = *state;
	struct stream_tls *tls;

	assert_int_equal(create(r, NOW, &tls), 0);
	assert_string_equal(r->said, "");
	struct stream_wire wire = {.fd = 0};
	SSL *ssl = stream_tls_session(tls, &wire);
	assert_non_null(ssl);
	assert_int_equal(SSL_get_min_proto_version(ssl), TLS1_2_VERSION);
	assert_true(SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION);
	SSL_free(ssl);
	stream_tls_destroy(tls);
}

static void dates_are_said(void **state)
{
	refused(*state, NOW + 2 * DAY, "c.pem expired on 2023-11-15 22:13:20 UTC\n");
	refused(*state, NOW - 2 * DAY, "c.pem is not valid before 2023-11-13 22:13:20 UTC\n");
}

static void a_key_of_another_certificate_is_refused(void **state)
{
	struct rig *r = *state;
	EVP_PKEY *rsa;

	r->conf.tls.key = r->other_key;
	refused(r, NOW, "t.json: tls.key: ");
	refused(r, NOW, "o.key is not the key of ");
	rsa = EVP_RSA_gen(2048);
	write_key(r->other_key, rsa, NULL);
	EVP_PKEY_free(rsa);
	refused(r, NOW, "o.key is not the key of ");
}

static void a_key_with_a_password_is_refused(void **state)
{
	struct rig *r = *state;
	EVP_PKEY *key = EVP_EC_gen("P-256");

	write_key(r->other_key, key, "secret");
	EVP_PKEY_free(key);
	r->conf.tls.key = r->other_key;
	refused(r, NOW, "o.key is no private key in PEM without a password: ");
}

static void every_problem_is_said(void **state)
{
	struct rig *r = *state;
	struct conf_certificate more[2] = {{r->key, r->key}, {r->certificate, r->other_key}};

	r->conf.tls.additional = more;
	r->conf.tls.n_additional = 2;
	r->conf.tls.ciphers = r->nonsense;
	r->conf.tls.cipher_suites = r->nonsense;
	r->conf.tls.client_ca = r->key;
	refused(r, NOW, "t.json: tls.additional[0].certificate: ");
	refused(r, NOW, "t.json: tls.additional[1].key: ");
	refused(r, NOW, "t.json: tls.ciphers: ");
	refused(r, NOW, "t.json: tls.cipher_suites: ");
	refused(r, NOW, "t.json: tls.client_ca: ");
}

static void datagrams_are_dtls_1_2(void **state)
{
	struct rig *r = *state;
	struct stream_tls *tls;

	assert_int_equal(create_for(r, NOW, true, &tls), 0);
	SSL *ssl = stream_tls_datagram_session(tls, BIO_new(BIO_s_null()));
	assert_non_null(ssl);
	assert_true(SSL_is_dtls(ssl));
	assert_int_equal(SSL_get_min_proto_version(ssl), DTLS1_2_VERSION);
	assert_true(SSL_get_options(ssl) & SSL_OP_NO_RENEGOTIATION);
	assert_true(SSL_get_options(ssl) & SSL_OP_NO_QUERY_MTU);
	SSL_free(ssl);
	stream_tls_destroy(tls);
	r->conf.tls.minimum_version = CONF_TLS_1_3;
	assert_int_equal(create_for(r, NOW, true, &tls), -EINVAL);
	assert_non_null(strstr(r->said, "tls.minimum_version: there is no DTLS 1.3 here"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(datagrams_are_dtls_1_2, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_certificate_and_its_key_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(dates_are_said, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_key_of_another_certificate_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(a_key_with_a_password_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(every_problem_is_said, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
