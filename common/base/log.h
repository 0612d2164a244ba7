// SPDX-License-Identifier: BSD-3-Clause
// One line a message on stderr: "<level> <program>: text"; with the priority prefix of sd-daemon(3)
// when stderr is a journal stream (JOURNAL_STREAM set), with a UTC timestamp otherwise.
// Never called by a worker. Control characters in the text are written as \xNN.
#pragma once

#include <stdbool.h>

enum tp_log_level {
	TP_LOG_ERROR = 3,
	TP_LOG_WARNING = 4,
	TP_LOG_NOTICE = 5,
	TP_LOG_INFO = 6,
	TP_LOG_DEBUG = 7,
};

// Sets the program name (kept by pointer, so a literal) and the most verbose level printed.
void tp_log_init(const char *program, enum tp_log_level most_verbose);

// The same level, changed while other threads may log.
void tp_log_limit(enum tp_log_level most_verbose);

__attribute__((format(printf, 2, 3))) void tp_log(enum tp_log_level level, const char *format, ...);

#define tp_error(...)   tp_log(TP_LOG_ERROR, __VA_ARGS__)
#define tp_warning(...) tp_log(TP_LOG_WARNING, __VA_ARGS__)
#define tp_notice(...)  tp_log(TP_LOG_NOTICE, __VA_ARGS__)
#define tp_info(...)    tp_log(TP_LOG_INFO, __VA_ARGS__)
#define tp_debug(...)   tp_log(TP_LOG_DEBUG, __VA_ARGS__)
