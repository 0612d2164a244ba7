// SPDX-License-Identifier: BSD-3-Clause
// TLS handshakes in memory: what OpenSSL itself spends on the server's side, so that what a server
// adds to it can be seen.
#include <errno.h>
#include <inttypes.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <time.h>

#include "bench/stream/streams.h"

#define MOST_FLIGHTS 8

struct pair {
	SSL *server, *client;
};

static uint64_t cpu_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

// A key of P-256 and a certificate that it signed itself.
static int make_certificate(SSL_CTX *context)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	int rc = -ENOMEM;

	if (!key || !certificate)
		goto out;
	X509_set_version(certificate, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
		(const unsigned char *)"turn.example.org", -1, -1, 0);
	X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
	X509_set_pubkey(certificate, key);
	if (X509_sign(certificate, key, EVP_sha256()) > 0 &&
		SSL_CTX_use_certificate(context, certificate) == 1 &&
		SSL_CTX_use_PrivateKey(context, key) == 1)
		rc = 0;
out:
	X509_free(certificate);
	EVP_PKEY_free(key);
	return rc;
}

// As turnpike-stream settles it: one ticket, no session kept.
static SSL_CTX *server_context(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());

	if (!context)
		return NULL;
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_session_id_context(context, (const unsigned char *)"alone", 5);
	SSL_CTX_set_num_tickets(context, 1);
	if (make_certificate(context) == 0)
		return context;
	SSL_CTX_free(context);
	return NULL;
}

static SSL *session(SSL_CTX *context, BIO *in, BIO *out)
{
	SSL *ssl = SSL_new(context);

	BIO_up_ref(in);
	BIO_up_ref(out);
	SSL_set_bio(ssl, in, out);
	return ssl;
}

static void shake(struct pair *p, uint64_t *server_ns)
{
	uint8_t byte;

	for (int i = 0; i < MOST_FLIGHTS; i++) {
		// The client's read takes the ticket.
		if (SSL_do_handshake(p->client) == 1)
			SSL_read(p->client, &byte, 1);
		uint64_t begin = cpu_now_ns();
		bool done = SSL_do_handshake(p->server) == 1;
		*server_ns += cpu_now_ns() - begin;
		if (done)
			break;
	}
	SSL_read(p->client, &byte, 1);
}

static void one(struct streams *s, SSL_CTX *server, uint64_t *server_ns)
{
	BIO *up = BIO_new(BIO_s_mem()), *down = BIO_new(BIO_s_mem());
	struct pair p = {.client = session(s->tls, down, up)};
	SSL_SESSION *ticket = s->ticket ? SSL_SESSION_dup(s->ticket) : NULL;

	SSL_set_connect_state(p.client);
	if (ticket)
		SSL_set_session(p.client, ticket);
	SSL_SESSION_free(ticket);
	uint64_t begin = cpu_now_ns();
	p.server = session(server, up, down);
	SSL_set_accept_state(p.server);
	*server_ns += cpu_now_ns() - begin;
	shake(&p, server_ns);
	s->done += SSL_is_init_finished(p.server) == 1;
	s->resumed += SSL_session_reused(p.client) == 1;
	SSL_shutdown(p.client); // else its ticket is of no use any more
	begin = cpu_now_ns();
	SSL_shutdown(p.server);
	SSL_free(p.server);
	*server_ns += cpu_now_ns() - begin;
	SSL_free(p.client);
	BIO_free(up);
	BIO_free(down);
}

int streams_alone(struct streams *s, struct streams_spent *before, struct streams_spent *after)
{
	SSL_CTX *server = server_context();
	uint64_t server_ns = 0, unused = 0;

	if (!server)
		return -ENOMEM;
	if (s->options.resume) {
		one(s, server, &unused);
		s->done = 0;
	}
	for (uint32_t i = 0; i < s->options.handshakes; i++)
		one(s, server, &server_ns);
	SSL_CTX_free(server);
	s->options.n_pids = 1;
	after->cpu_ns[0] = server_ns;
	return s->done == s->options.handshakes ? 0 : -EPROTO;
}
