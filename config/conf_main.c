// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_main.h"

#include <getopt.h>
#include <stdbool.h>
#include <string.h>

#include "config/conf_host.h"

enum main_option {
	OPTION_CHECK = 256,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_OPTIONS,
	OPTION_JSON_SCHEMA,
	OPTION_PATH, // and those behind it
};

#define MAIN_OPTIONS 5
static const struct option main_options[MAIN_OPTIONS] = {
	{"check", no_argument, NULL, OPTION_CHECK},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"options", no_argument, NULL, OPTION_OPTIONS},
	{"json-schema", no_argument, NULL, OPTION_JSON_SCHEMA},
};

static bool is_path(const struct conf_main *m, size_t i)
{
	return m->paths && i < CONF_MAIN_PATHS && m->paths[i].name;
}

static void main_table(
	const struct conf_main *m, struct option out[MAIN_OPTIONS + CONF_MAIN_PATHS + 1])
{
	size_t n = MAIN_OPTIONS;

	memcpy(out, main_options, sizeof(main_options));
	for (size_t i = 0; is_path(m, i); i++)
		out[n++] = (struct option){
			m->paths[i].name, required_argument, NULL, OPTION_PATH + (int)i};
	out[n] = (struct option){NULL, 0, NULL, 0};
}

static void main_usage(const struct conf_main *m, FILE *out)
{
	fprintf(out, "usage: %s -c FILE [--check]", m->program);
	for (size_t i = 0; is_path(m, i); i++)
		fprintf(out, " [--%s PATH]", m->paths[i].name);
	fprintf(out,
		"\n"
		"       %s --options | --json-schema | --version | --help\n",
		m->program);
}

static int main_help(const struct conf_main *m)
{
	fprintf(m->out, "%s: %s\n\n", m->program, m->summary);
	main_usage(m, m->out);
	fputs("\n"
	      "  -c FILE        the configuration, one JSON document for all daemons\n"
	      "  --check        print every problem of FILE and on this host, start nothing;\n"
	      "                 exit 0 when there is none, 1 otherwise\n"
	      "  --options      print every key of the configuration\n"
	      "  --json-schema  print the configuration's JSON Schema\n"
	      "  --version      print the version\n"
	      "  --help         print this\n",
		m->out);
	for (size_t i = 0; is_path(m, i); i++)
		fprintf(m->out, "  --%s PATH\n                 %s\n", m->paths[i].name,
			m->paths[i].help);
	return 0;
}

static int main_wrong_usage(const struct conf_main *m, const char *what, const char *word)
{
	fprintf(m->errors, "%s: %s%s\n", m->program, what, word);
	main_usage(m, m->errors);
	return 2;
}

static int main_load(const struct conf_main *m, const char *file, bool check, struct conf **out)
{
	if (conf_load(file, out, m->errors) != 0)
		return 1;
	int rc = m->prepare ? m->prepare(*out, m->errors) : 0;
	if (rc == 0) {
		rc = conf_veil_secrets(*out, NULL);
		if (rc)
			fprintf(m->errors, "%s: %s\n", file, strerror(-rc));
	}
	if (rc == 0 && !check)
		return CONF_MAIN_RUN;
	if (rc == 0)
		rc = conf_check_host(*out, m->errors);
	conf_free(*out);
	*out = NULL;
	if (rc != 0)
		return 1;
	fprintf(m->out, "%s: ok\n", file);
	return 0;
}

int conf_main(const struct conf_main *m, int argc, char **argv, struct conf **out)
{
	struct option table[MAIN_OPTIONS + CONF_MAIN_PATHS + 1];
	const char *file = NULL;
	bool check = false;
	int option;

	main_table(m, table);
	*out = NULL;
	optind = 0; // getopt starts anew
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:c:", table, NULL)) != -1) {
		switch (option) {
		case 'c':
			if (file)
				return main_wrong_usage(m, "-c is given twice", "");
			file = optarg;
			break;
		case OPTION_CHECK:
			check = true;
			break;
		case OPTION_HELP:
			return main_help(m);
		case OPTION_VERSION:
			fprintf(m->out, "%s %s\n", m->program, TP_VERSION);
			return 0;
		case OPTION_OPTIONS:
			conf_print_options(m->out);
			return 0;
		case OPTION_JSON_SCHEMA:
			conf_print_json_schema(m->out);
			return 0;
		case ':':
			if (optopt != 'c')
				return main_wrong_usage(
					m, "a PATH is missing behind ", argv[optind - 1]);
			return main_wrong_usage(m, "-c needs a FILE", "");
		default:
			if (option >= OPTION_PATH) {
				*m->paths[option - OPTION_PATH].value = optarg;
				break;
			}
			return main_wrong_usage(m, "unknown option ", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return main_wrong_usage(m, "unknown argument ", argv[optind]);
	if (!file)
		return main_wrong_usage(m, "-c FILE is missing", "");
	return main_load(m, file, check, out);
}
