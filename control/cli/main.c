// SPDX-License-Identifier: BSD-3-Clause
// turnpikectl: the operator's tool.
#include "control/cli/cli.h"

int main(int argc, char *argv[])
{
	struct cli_args args;
	enum cli_exit rc;

	rc = cli_args_parse(argc, argv, &args, stderr);
	if (rc != CLI_OK)
		return (int)rc;
	rc = args.command->run(&args);
	cli_args_fini(&args);
	// Output that could not be written is no answer.
	if (fflush(stdout) != 0 || ferror(stdout))
		rc = CLI_NO_ANSWER;
	return (int)rc;
}
