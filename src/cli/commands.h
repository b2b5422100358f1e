/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of commands, and the dispatch of a command line to one of them.
 */
#ifndef ZQ_CLI_COMMANDS_H
#define ZQ_CLI_COMMANDS_H

#include "cli/command.h"

/* Each is in its file cmd_NAME.c; reset, finish, open and close in cmd_zones.c. */
extern const struct cli_command cmd_mount, cmd_create, cmd_amend, cmd_resize, cmd_info, cmd_map,
	cmd_report, cmd_reset, cmd_finish, cmd_open, cmd_close, cmd_check, cmd_convert, cmd_compare,
	cmd_compact, cmd_commit, cmd_umount, cmd_trace, cmd_help;

/* A whole command line; returns the exit status. */
int commands_main(int argc, char **argv);
/* The arguments of "mount.zqfs". */
int commands_mount(int argc, char **argv);

#endif
