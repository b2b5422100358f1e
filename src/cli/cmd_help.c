/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the command table is printed: usage lines, the help of one command, the overview, and
 * the machine-readable list from which completions are generated. Holds no words of its own
 * about any command.
 */
#include <string.h>

#include <zqfs/version.h>

#include <zqfs/create.h>

#include "cli/command.h"
#include "cli/term.h"
#include "cli/topics.h"

/* The column in which explanations begin. */
#define HELP_COLUMN 30

void cli_print_usage(FILE *out, const struct cli_command *cmd)
{
	fprintf(out, "usage: zqfs %s%s", cmd == &cmd_mount ? "" : cmd->name,
		cmd == &cmd_mount ? "" : " ");
	if (cmd->options->id)
		fputs("[OPTION...] ", out);
	for (int i = 0; cmd->operands[i]; i++) {
		bool last = !cmd->operands[i + 1];

		fprintf(out, "%s%s%s%s%s", i ? " " : "", i >= cmd->min_operands ? "[" : "",
			cmd->operands[i], last && cmd->many ? "..." : "",
			i >= cmd->min_operands ? "]" : "");
	}
	putc('\n', out);
}

/* "  -c, --cond=COND        list only zones ..." */
static void print_option(FILE *out, const struct cli_option *o)
{
	int col;

	if (o->id < CLI_LONG_ONLY)
		col = fprintf(out, "  -%c%s", o->id, o->name ? ", " : "");
	else
		col = fprintf(out, "      ");
	if (o->name)
		col += fprintf(out, "--%s%s%s", o->name, o->arg ? "=" : "", o->arg ? o->arg : "");
	else if (o->arg)
		col += fprintf(out, " %s", o->arg);
	term_help_text(out, col, HELP_COLUMN, o->help);
}

static void print_options(FILE *out, const struct cli_command *cmd)
{
	for (const struct cli_option *o = cmd->options; o->id; o++)
		print_option(out, o);
	print_option(out, &cli_help_option);
}

/* Which QEMU opens an image is the one thing that a layout's name does not tell. */
static void print_layouts(FILE *out)
{
	struct zq_layout l;

	fputs("\nlayouts for zone.layout:\n", out);
	for (unsigned i = 0; zq_layout_get(i, &l); i++)
		fprintf(out, "  %-4s opened by QEMU with %s\n", l.name, l.opened_by);
}

void cli_print_keys(FILE *out, const struct cli_command *cmd, bool all)
{
	bool layouts = false;
	struct cli_key key;

	for (size_t i = 0; cmd->key(i, &key); i++) {
		int col;

		if (key.alias && !all)
			continue;
		layouts |= !strcmp(key.name, "zone.layout");
		col = fprintf(out, "  %s%s%s", key.name, key.value ? "=" : "",
			      key.value ? key.value : "");
		term_help_text(out, col, HELP_COLUMN, key.help);
	}
	if (all && layouts)
		print_layouts(out);
}

void cli_print_help(FILE *out, const struct cli_command *cmd)
{
	cli_print_usage(out, cmd);
	putc('\n', out);
	term_paragraph(out, 80, cmd->summary);
	if (cmd->details) {
		putc('\n', out);
		term_paragraph(out, 80, cmd->details);
	}
	fputs("\noptions:\n", out);
	print_options(out, cmd);
	if (cmd->key) {
		fputs("\nkeys for -o, separated by commas:\n", out);
		cli_print_keys(out, cmd, false);
	}
	fputs("\nSee zqfs(1) for more.\n", out);
}

void cli_print_overview(FILE *out)
{
	fputs("usage: zqfs [OPTION...] IMAGE MOUNTPOINT\n"
	      "       zqfs COMMAND [OPTION...] ...\n\ncommands:\n",
	      out);
	for (size_t i = 0; cli_commands[i]; i++) {
		int col = fprintf(out, "  %s", cli_commands[i]->name);

		term_help_text(out, col, 12, cli_commands[i]->summary);
	}
	fputs("\noptions:\n", out);
	print_options(out, &cmd_mount);
	fputs("\n\"zqfs help COMMAND\" shows a command's options, "
	      "\"zqfs help mount\" the keys of -o,\n"
	      "\"zqfs help examples\" a section of the manual, \"zqfs help topics\" lists them.\n",
	      out);
}

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
		for (size_t i = 0; cli_commands[i]; i++)
			list_command(cli_commands[i]);
		return CLI_DONE;
	}
	if (!args->nr_operands) {
		cli_print_overview(stdout);
		return CLI_DONE;
	}
	cmd = cli_find(args->operands[0]);
	if (cmd && args->nr_operands == 1)
		cli_print_help(stdout, cmd);
	else if (!strcmp(args->operands[0], "topics") && args->nr_operands == 1)
		topics_list(stdout);
	else if (!topics_print(stdout, args->operands, args->nr_operands))
		return args->nr_operands == 1
			       ? cli_unknown_command(args->operands[0],
						     ", and no topic of that name")
			       : cli_usage_error(&cmd_help,
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
