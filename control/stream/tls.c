// SPDX-License-Identifier: BSD-3-Clause
#include "control/stream/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define READ_BUFFER_BYTES 16384

// One context a certificate. The first one makes all sessions and their tickets.
struct stream_tls {
	SSL_CTX *context[1 + CONF_MAX_CERTIFICATES];
	size_t n;
};

// RFC 7443.
static const unsigned char protocols[] = "\x09stun.turn\x12stun.nat-discovery";

const char *stream_tls_why(void)
{
	unsigned long first = ERR_get_error();
	const char *reason = first ? ERR_reason_error_string(first) : NULL;

	ERR_clear_error();
	return reason ? reason : first ? "unknown error" : "connection ended";
}

// ---- what clients ask for

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_length,
	const unsigned char *offered, unsigned int offered_length, void *arg)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_length, protocols, sizeof(protocols) - 1, offered,
		    offered_length) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL; // no_application_protocol
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static int choose_certificate(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct stream_tls *const *place = arg;
	const struct stream_tls *tls = place ? *place : NULL;

	for (size_t i = 0; tls && name && i < tls->n; i++) {
		X509 *certificate = SSL_CTX_get0_certificate(tls->context[i]);

		if (X509_check_host(certificate, name, 0, 0, NULL) != 1)
			continue;
		SSL_set_SSL_CTX(ssl, tls->context[i]);
		return SSL_TLSEXT_ERR_OK;
	}
	return SSL_TLSEXT_ERR_OK;
}

// ---- contexts

struct maker {
	const struct conf *conf;
	bool datagrams;
	uint64_t now_s;
	FILE *errors;
	unsigned int problems;
};

__attribute__((format(printf, 3, 4))) static void problem(
	struct maker *m, const char *path, const char *format, ...)
{
	va_list ap;

	fprintf(m->errors, "%s: %s: ", m->conf->path, path);
	va_start(ap, format);
	vfprintf(m->errors, format, ap);
	va_end(ap);
	fputc('\n', m->errors);
	m->problems++;
}

// A key that is encrypted is refused: there is nobody to ask.
static int no_password(char *buffer, int size, int writing, void *arg)
{
	return -1;
}

static void format_time(const ASN1_TIME *at, char out[64])
{
	struct tm tm;

	snprintf(out, 64, "?");
	if (ASN1_TIME_to_tm(at, &tm) == 1)
		strftime(out, 64, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

static void check_dates(
	struct maker *m, const char *path, const char *file, const X509 *certificate)
{
	const ASN1_TIME *from = X509_get0_notBefore(certificate);
	const ASN1_TIME *to = X509_get0_notAfter(certificate);
	time_t now = (time_t)m->now_s;
	char text[64];

	if (X509_cmp_time(to, &now) < 0) {
		format_time(to, text);
		problem(m, path, "%s expired on %s", file, text);
	}
	if (X509_cmp_time(from, &now) > 0) {
		format_time(from, text);
		problem(m, path, "%s is not valid before %s", file, text);
	}
}

static void use_files(
	struct maker *m, SSL_CTX *context, const char *at, const struct conf_certificate *c)
{
	char path[64];

	snprintf(path, sizeof(path), "%s.certificate", at);
	if (SSL_CTX_use_certificate_chain_file(context, c->certificate) != 1) {
		problem(m, path, "%s is no certificate in PEM: %s", c->certificate,
			stream_tls_why());
		return;
	}
	check_dates(m, path, c->certificate, SSL_CTX_get0_certificate(context));
	snprintf(path, sizeof(path), "%s.key", at);
	// OpenSSL compares a key with the certificate when it takes it, but for keys of another
	// kind.
	bool taken = SSL_CTX_use_PrivateKey_file(context, c->key, SSL_FILETYPE_PEM) == 1;
	unsigned long error = ERR_peek_last_error();
	if (taken && SSL_CTX_check_private_key(context) == 1)
		return;
	if (taken || (ERR_GET_LIB(error) == ERR_LIB_X509 &&
			     ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH))
		problem(m, path, "%s is not the key of %s", c->key, c->certificate);
	else
		problem(m, path, "%s is no private key in PEM without a password: %s", c->key,
			stream_tls_why());
	ERR_clear_error();
}

static void use_client_ca(struct maker *m, SSL_CTX *context)
{
	const char *file = m->conf->tls.client_ca;
	STACK_OF(X509_NAME) *names = file ? SSL_load_client_CA_file(file) : NULL;

	if (!file)
		return;
	if (!names || SSL_CTX_load_verify_locations(context, file, NULL) != 1)
		problem(m, "tls.client_ca", "%s holds no certificates in PEM: %s", file,
			stream_tls_why());
	SSL_CTX_set_client_CA_list(context, names);
	SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void use_ciphers(struct maker *m, SSL_CTX *context)
{
	const char *ciphers = m->conf->tls.ciphers, *suites = m->conf->tls.cipher_suites;

	if (ciphers && SSL_CTX_set_cipher_list(context, ciphers) != 1)
		problem(m, "tls.ciphers", "\"%s\" names no cipher that OpenSSL has", ciphers);
	if (suites && SSL_CTX_set_ciphersuites(context, suites) != 1)
		problem(m, "tls.cipher_suites",
			"\"%s\" is no list of cipher suites that OpenSSL has", suites);
	ERR_clear_error();
}

// The worker did: whoever comes here without our cookie was told so there.
static int cookie_is_good(SSL *ssl, const unsigned char *cookie, unsigned int length)
{
	return 1;
}

static int no_cookie(SSL *ssl, unsigned char *cookie, unsigned int *length)
{
	return 0;
}

static void settle_version(struct maker *m, SSL_CTX *context)
{
	bool newest = m->conf->tls.minimum_version == CONF_TLS_1_3;

	if (!m->datagrams) {
		SSL_CTX_set_min_proto_version(context, newest ? TLS1_3_VERSION : TLS1_2_VERSION);
		return;
	}
	SSL_CTX_set_min_proto_version(context, DTLS1_2_VERSION);
	SSL_CTX_set_options(context, SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_cookie_verify_cb(context, cookie_is_good);
	SSL_CTX_set_cookie_generate_cb(context, no_cookie);
}

static void settle(struct maker *m, SSL_CTX *context)
{
	static const unsigned char name[] = "turnpike";

	settle_version(m, context);
	SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					     SSL_OP_CIPHER_SERVER_PREFERENCE |
					     SSL_OP_IGNORE_UNEXPECTED_EOF);
	// An idle client costs no buffers. A busy one is read with one call a record, not two.
	SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(context, 1);
	SSL_CTX_set_default_read_buffer_len(context, READ_BUFFER_BYTES);
	// Tickets carry a session; none is kept here.
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context, name, sizeof(name) - 1);
	SSL_CTX_set_num_tickets(context, 1);
	SSL_CTX_set_default_passwd_cb(context, no_password);
	SSL_CTX_set_alpn_select_cb(context, choose_protocol, NULL);
	SSL_CTX_set_tlsext_servername_callback(context, choose_certificate);
}

static int add_context(struct maker *m, struct stream_tls *tls, const char *at,
	const struct conf_certificate *certificate)
{
	SSL_CTX *context = SSL_CTX_new(m->datagrams ? DTLS_server_method() : TLS_server_method());

	if (!context)
		return -ENOMEM;
	tls->context[tls->n++] = context;
	settle(m, context);
	use_files(m, context, at, certificate);
	use_ciphers(m, context);
	use_client_ca(m, context);
	return 0;
}

int stream_tls_create(const struct conf *conf, uint64_t now_s, bool datagrams, FILE *errors,
	struct stream_tls **out)
{
	const struct conf_certificate first = {conf->tls.certificate, conf->tls.key};
	struct maker m = {.conf = conf, .datagrams = datagrams, .now_s = now_s, .errors = errors};
	struct stream_tls *tls = calloc(1, sizeof(*tls));
	int rc = tls ? add_context(&m, tls, "tls", &first) : -ENOMEM;

	*out = NULL;
	if (datagrams && conf->tls.minimum_version == CONF_TLS_1_3)
		problem(&m, "tls.minimum_version",
			"there is no DTLS 1.3 here, and a listener has the transport dtls");
	for (size_t i = 0; rc == 0 && i < conf->tls.n_additional; i++) {
		char at[64];

		snprintf(at, sizeof(at), "tls.additional[%zu]", i);
		rc = add_context(&m, tls, at, &conf->tls.additional[i]);
	}
	if (rc == 0 && m.problems > 0)
		rc = -EINVAL;
	if (rc == 0)
		*out = tls;
	else
		stream_tls_destroy(tls);
	return rc;
}

void stream_tls_destroy(struct stream_tls *tls)
{
	for (size_t i = 0; tls && i < tls->n; i++)
		SSL_CTX_free(tls->context[i]);
	free(tls);
}

void stream_tls_replace(struct stream_tls **place, struct stream_tls *fresh)
{
	stream_tls_destroy(*place);
	*place = fresh;
	for (size_t i = 0; fresh && i < fresh->n; i++)
		SSL_CTX_set_tlsext_servername_arg(fresh->context[i], place);
}

// ---- sessions

SSL *stream_tls_session(struct stream_tls *tls, struct stream_wire *wire)
{
	SSL *ssl = SSL_new(tls->context[0]);
	BIO *bio = ssl ? stream_wire_bio(wire) : NULL;

	if (!bio) {
		SSL_free(ssl);
		return NULL;
	}
	wire->ssl = ssl;
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	return ssl;
}

void stream_tls_forget(void)
{
	// Clearing an empty queue costs more than to see that it is empty.
	if (ERR_peek_error())
		ERR_clear_error();
}

SSL *stream_tls_datagram_session(struct stream_tls *tls, BIO *bio)
{
	SSL *ssl = SSL_new(tls->context[0]);

	if (!ssl) {
		BIO_free(bio);
		return NULL;
	}
	SSL_set_bio(ssl, bio, bio);
	SSL_set_accept_state(ssl);
	return ssl;
}

enum stream_tls_result stream_tls_result(SSL *ssl, int rc)
{
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_NONE:
		return STREAM_TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return STREAM_TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return STREAM_TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return STREAM_TLS_END;
	default:
		return STREAM_TLS_FAILED;
	}
}
