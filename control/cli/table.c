// SPDX-License-Identifier: BSD-3-Clause
#include "control/cli/table.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "control/api/text.h"

#define CELL_BYTES 512

void cli_table_init(struct cli_table *t, const char *alignment)
{
	*t = (struct cli_table){.alignment = alignment};
}

static char *copy_cell(const char *text)
{
	char escaped[CELL_BYTES];

	return strdup(ctl_text_escape(text ? text : "", escaped, sizeof(escaped)));
}

void cli_table_row(struct cli_table *t, ...)
{
	va_list ap;

	if (t->n_rows == t->capacity) {
		size_t bigger = t->capacity ? 2 * t->capacity : 64;
		void *moved = realloc(t->rows, bigger * sizeof(*t->rows));
		if (!moved)
			return;
		t->rows = moved;
		t->capacity = bigger;
	}
	va_start(ap, t);
	for (size_t c = 0; t->alignment[c]; c++)
		t->rows[t->n_rows][c] = copy_cell(va_arg(ap, const char *));
	va_end(ap);
	t->n_rows++;
}

// Characters, not bytes: continuation bytes take no column.
static size_t width(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void pad(FILE *out, size_t n)
{
	while (n-- > 0)
		fputc(' ', out);
}

static void print_row(const struct cli_table *t, char *const *row, const size_t *widths, FILE *out)
{
	for (size_t c = 0; t->alignment[c]; c++) {
		const char *text = row[c] ? row[c] : "";
		if (c > 0)
			fputs("  ", out);
		if (t->alignment[c] == 'r')
			pad(out, widths[c] - width(text));
		fputs(text, out);
		if (t->alignment[c] == 'l' && t->alignment[c + 1])
			pad(out, widths[c] - width(text));
	}
	fputc('\n', out);
}

void cli_table_print(struct cli_table *t, FILE *out, const char *indent)
{
	size_t widths[CLI_TABLE_COLUMNS] = {0};

	for (size_t r = 0; r < t->n_rows; r++)
		for (size_t c = 0; t->alignment[c]; c++)
			if (t->rows[r][c] && width(t->rows[r][c]) > widths[c])
				widths[c] = width(t->rows[r][c]);
	for (size_t r = 0; r < t->n_rows; r++) {
		fputs(indent, out);
		print_row(t, t->rows[r], widths, out);
		for (size_t c = 0; t->alignment[c]; c++)
			free(t->rows[r][c]);
	}
	free(t->rows);
	cli_table_init(t, t->alignment);
}

char *cli_number(int64_t value, char out[CLI_NUMBER_BYTES])
{
	char digits[24];
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, magnitude);
	char *at = out;

	if (value < 0)
		*at++ = '-';
	for (int i = 0; i < n; i++) {
		if (i > 0 && (n - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return out;
}
