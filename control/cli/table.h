// SPDX-License-Identifier: BSD-3-Clause
// Aligned columns for people. Cells are escaped: they may hold anything.
#pragma once

#include <stdint.h>
#include <stdio.h>

#define CLI_TABLE_COLUMNS 8

struct cli_table {
	const char *alignment; // one 'l' or 'r' a column
	char *(*rows)[CLI_TABLE_COLUMNS];
	size_t n_rows, capacity;
};

void cli_table_init(struct cli_table *t, const char *alignment);
// As many strings as there are columns; NULL: an empty cell.
void cli_table_row(struct cli_table *t, ...);
// Prints and empties the table. Every line begins with `indent`.
void cli_table_print(struct cli_table *t, FILE *out, const char *indent);

#define CLI_NUMBER_BYTES 40
// "12,345,678"; returns out.
char *cli_number(int64_t value, char out[CLI_NUMBER_BYTES]);
