/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs help": the help of a command, a section of the manual, and the list for programs from
 * which the completions are generated.
 */
#include <string.h>

#include "cli/commands.h"
#include "cli/help.h"
#include "cli/topics.h"

/* ---- help --list --------------------------------------------------------------------------- */

static void list_option(const char *command, const struct cli_option *o)
{
	printf("option\t%s\t", command);
	if (o->id < CLI_LONG_ONLY)
		printf("-%c", o->id);
	printf("\t%s%s\t%s\t%s\t%s\n", o->name ? "--" : "", o->name ? o->name : "",
	       o->arg ? o->arg : "", o->values ? o->values : "", o->help);
}

static void list_command(const struct cli_command *cmd)
{
	struct cli_key key;

	printf("command\t%s\t%s\n", cmd->name, cmd->summary);
	for (int i = 0; cmd->operands[i]; i++)
		printf("operand\t%s\t%s%s\n", cmd->name, cmd->operands[i],
		       cmd->many && !cmd->operands[i + 1] ? "..." : "");
	for (const struct cli_option *o = cmd->options; o->id; o++)
		list_option(cmd->name, o);
	list_option(cmd->name, &cli_help_option);
	for (size_t i = 0; cmd->key && cmd->key(i, &key); i++)
		printf("key\t%s\t%s\t%s\t%s\t%s\n", cmd->name, key.name, key.value ? key.value : "",
		       key.alias ? "alias" : "", key.help);
}

/* ---- the command --------------------------------------------------------------------------- */

enum { OPT_LIST = CLI_LONG_ONLY };

static int run_help(const struct cli_args *args)
{
	const struct cli_command *cmd;

	if (cli_given(args, OPT_LIST)) {
		for (size_t i = 0; args->all[i]; i++)
			list_command(args->all[i]);
		return CLI_DONE;
	}
	if (!args->nr_operands) {
		cli_print_overview(stdout, args->all);
		return CLI_DONE;
	}
	cmd = cli_find(args->all, args->operands[0]);
	if (cmd && args->nr_operands == 1)
		cli_print_help(stdout, cmd);
	else if (!strcmp(args->operands[0], "topics") && args->nr_operands == 1)
		topics_list(stdout);
	else if (!topics_print(stdout, args->operands, args->nr_operands))
		return args->nr_operands == 1
			       ? cli_unknown_command(
					 args->all, args->operands[0],
					 ", and no topic of that name ('zqfs help topics')")
			       : cli_usage_error(args->cmd,
						 "no topic '%s %s'; 'zqfs help topics' "
						 "lists them",
						 args->operands[0], args->operands[1]);
	return CLI_DONE;
}

static const struct cli_option help_options[] = {
	{ OPT_LIST, "list", NULL, NULL, "list all commands and options for programs, with tabs" },
	{ 0 },
};

static const char *const help_operands[] = { "COMMAND", NULL };

const struct cli_command cmd_help = {
	.name = "help",
	.summary = "show what a command does, or a section of the manual",
	.details =
		"COMMAND is one, or words of a title of the manual such as \"examples\", \"mount "
		"options\" or \"attributes\"; \"zqfs help topics\" lists the titles.",
	.operands = help_operands,
	.min_operands = 0,
	.many = true,
	.options = help_options,
	.run = run_help,
};
