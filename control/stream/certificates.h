// SPDX-License-Identifier: BSD-3-Clause
// Certificates that are replaced while clients are served: their directories are watched, since
// whoever renews one makes a new file and renames it, or moves a link.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct conf;
struct stream;
struct stream_tls;

struct stream_certificates {
	int fd;                     // inotify; -1: nothing to watch
	uint64_t first_ns, last_ns; // events that were not looked at yet; 0: none
	uint64_t seen;              // what the files were when they were read
};

// Watches what `conf` names, in the place of what was watched before, and remembers the files as
// they are: to be called before they are read. What cannot be watched is said, and read by a reload
// alone.
void stream_certificates_watch(struct stream *s, const struct conf *conf);
void stream_certificates_close(struct stream *s);
void stream_certificates_event(struct stream *s);
// Reads what `conf` names, for those of TLS and DTLS that are served; the others stay as they are.
// 0 or as stream_tls_create, which has told: then `*tls` may be good all the same.
int stream_certificates_read(struct stream *s, const struct conf *conf, struct stream_tls **tls,
	struct stream_tls **dtls);
// Reads them again when they changed and are left alone since; what is wrong with them is said, and
// the old ones stay. Returns when to come again; UINT64_MAX: never.
uint64_t stream_certificates_expire(struct stream *s);
