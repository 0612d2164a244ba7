// SPDX-License-Identifier: BSD-3-Clause
#include "common/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const char *log_program = "turnpike";
static _Atomic int log_most_verbose = TP_LOG_INFO;
static bool log_journal;

void tp_log_init(const char *program, enum tp_log_level most_verbose)
{
	log_program = program;
	log_most_verbose = (int)most_verbose;
	log_journal = getenv("JOURNAL_STREAM") != NULL;
}

void tp_log_limit(enum tp_log_level most_verbose)
{
	log_most_verbose = (int)most_verbose;
}

// Copies text with control characters and non-ASCII bytes as \xNN: user names end up here.
static size_t log_escape(char *out, size_t capacity, const char *text)
{
	size_t n = 0;

	for (; *text && n + 5 < capacity; text++) {
		unsigned char c = (unsigned char)*text;
		if (c >= 0x20 && c < 0x7f)
			out[n++] = (char)c;
		else
			n += (size_t)snprintf(out + n, 5, "\\x%02x", c);
	}
	return n;
}

void tp_log(enum tp_log_level level, const char *format, ...)
{
	static const char *const names[] = {
		"emergency", "alert", "critical", "error", "warning", "notice", "info", "debug"};
	char text[1024], line[3072];
	size_t n;
	va_list ap;

	if ((int)level > log_most_verbose)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);

	if (log_journal) {
		n = (size_t)snprintf(line, sizeof(line), "<%d>%s: ", level, log_program);
	} else {
		struct timespec ts;
		struct tm tm;
		clock_gettime(CLOCK_REALTIME, &ts);
		gmtime_r(&ts.tv_sec, &tm);
		n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
		n += (size_t)snprintf(line + n, sizeof(line) - n,
			".%03ldZ %s %s: ", ts.tv_nsec / 1000000, names[level], log_program);
	}
	n += log_escape(line + n, sizeof(line) - n - 1, text);
	line[n++] = '\n';
	// One write a line, so that lines of several threads never mix; a full pipe loses the line.
	ssize_t ignored = write(STDERR_FILENO, line, n);
	(void)ignored;
}
