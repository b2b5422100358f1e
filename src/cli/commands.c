/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of all commands, in the order of the help, and which of them a command line means.
 */
#include "cli/commands.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/help.h"

static const struct cli_command *const cli_commands[] = {
	&cmd_mount,   &cmd_umount,  &cmd_create, &cmd_amend, &cmd_resize, &cmd_info,  &cmd_map,
	&cmd_report,  &cmd_reset,   &cmd_finish, &cmd_open,  &cmd_close,  &cmd_check, &cmd_convert,
	&cmd_compare, &cmd_compact, &cmd_commit, &cmd_trace, &cmd_help,	  NULL,
};

/* A first word that names no file was meant as a command, unless all that a mount needs follows. */
static bool mistyped_command(const char *word, const char *next)
{
	struct stat st;

	if (word[0] == '-' || strpbrk(word, "/.") || !stat(word, &st))
		return false;
	return !next || cli_nearest(cli_commands, word) || stat(next, &st) || !S_ISDIR(st.st_mode);
}

int commands_main(int argc, char **argv)
{
	const struct cli_command *cmd;

	if (argc < 2) {
		cli_print_overview(stderr, cli_commands);
		return CLI_USAGE;
	}
	cmd = cli_find(cli_commands, argv[1]);
	if (cmd)
		return cli_run(cli_commands, cmd, argc - 2, argv + 2);
	if (mistyped_command(argv[1], argv[2]))
		return cli_unknown_command(cli_commands, argv[1], ", and no image of that name");
	return cli_run(cli_commands, &cmd_mount, argc - 1, argv + 1);
}

int commands_mount(int argc, char **argv)
{
	return cli_run(cli_commands, &cmd_mount, argc, argv);
}
