// SPDX-License-Identifier: BSD-3-Clause
#include "config/conf_main.h"

#include <getopt.h>
#include <stdbool.h>

#include "config/conf_host.h"

enum main_option {
	OPTION_CHECK = 256,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_OPTIONS,
	OPTION_JSON_SCHEMA,
};

static const struct option main_options[] = {
	{"check", no_argument, NULL, OPTION_CHECK},
	{"help", no_argument, NULL, OPTION_HELP},
	{"version", no_argument, NULL, OPTION_VERSION},
	{"options", no_argument, NULL, OPTION_OPTIONS},
	{"json-schema", no_argument, NULL, OPTION_JSON_SCHEMA},
	{NULL, 0, NULL, 0},
};

static void main_usage(const struct conf_main *m, FILE *out)
{
	fprintf(out,
		"usage: %s -c FILE [--check]\n"
		"       %s --options | --json-schema | --version | --help\n",
		m->program, m->program);
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
	const char *file = NULL;
	bool check = false;
	int option;

	*out = NULL;
	optind = 0; // getopt starts anew
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:c:", main_options, NULL)) != -1) {
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
			return main_wrong_usage(m, "-c needs a FILE", "");
		default:
			return main_wrong_usage(m, "unknown option ", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return main_wrong_usage(m, "unknown argument ", argv[optind]);
	if (!file)
		return main_wrong_usage(m, "-c FILE is missing", "");
	return main_load(m, file, check, out);
}
