// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_report.h"

#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

static void report_put(FILE *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
}

void conf_problem(struct conf_report *report, const char *path, const char *format, ...)
{
	char text[1024];
	va_list ap;

	report->problems++;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	report_put(report->errors, report->file);
	fputs(": ", report->errors);
	if (*path) {
		report_put(report->errors, path);
		fputs(": ", report->errors);
	}
	report_put(report->errors, text);
	fputc('\n', report->errors);
}

const char *conf_path(char out[CONF_PATH_BYTES], const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(out, CONF_PATH_BYTES, format, ap);
	va_end(ap);
	return out;
}

#define REPORT_MAX_WORD 48

static size_t report_least(size_t a, size_t b)
{
	return a < b ? a : b;
}

// Optimal string alignment distance, over three rows of the matrix.
static size_t report_distance(const char *a, size_t na, const char *b, size_t nb)
{
	size_t rows[3][REPORT_MAX_WORD + 1];
	size_t *before = rows[0], *last = rows[1], *row = rows[2];

	for (size_t j = 0; j <= nb; j++)
		last[j] = j;
	for (size_t i = 1; i <= na; i++) {
		row[0] = i;
		for (size_t j = 1; j <= nb; j++) {
			size_t cost = a[i - 1] != b[j - 1];

			row[j] = report_least(last[j] + 1, row[j - 1] + 1);
			row[j] = report_least(row[j], last[j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				row[j] = report_least(row[j], before[j - 2] + 1);
		}
		size_t *oldest = before;
		before = last;
		last = row;
		row = oldest;
	}
	return last[nb];
}

size_t conf_misspelt(const char *typed, const char *name)
{
	size_t n_typed = strnlen(typed, REPORT_MAX_WORD + 1), n_name = strlen(name);
	size_t allowed = n_name / 3 > 1 ? n_name / 3 : 1, distance;

	if (n_typed > REPORT_MAX_WORD || n_name > REPORT_MAX_WORD)
		return SIZE_MAX;
	if (strcasecmp(typed, name) == 0)
		return 0;
	distance = report_distance(typed, n_typed, name, n_name);
	return distance <= allowed ? distance : SIZE_MAX;
}
