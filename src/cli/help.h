/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the help of a command, or of all, looks like.
 */
#ifndef ZQ_CLI_HELP_H
#define ZQ_CLI_HELP_H

#include "cli/command.h"

/* --help, which every command takes. */
extern const struct cli_option cli_help_option;

void cli_print_usage(FILE *out, const struct cli_command *cmd);
void cli_print_help(FILE *out, const struct cli_command *cmd);
/* The keys of its -o, which it must have; with all also older spellings, and what there is for
 * zone.layout. */
void cli_print_keys(FILE *out, const struct cli_command *cmd, bool all);
/* All commands of the table, NULL ended, and the options of the unnamed one. */
void cli_print_overview(FILE *out, const struct cli_command *const *all);

#endif
