/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How descriptions of commands are printed: usage lines, the help of one command, the overview.
 * Holds no words of its own about any command.
 */
#include "cli/help.h"

#include <string.h>

#include <zqfs/create.h>

#include "cli/term.h"

const struct cli_option cli_help_option = { 'h', "help", NULL, NULL, "show this help" };

/* The column in which explanations begin. */
#define HELP_COLUMN	30
#define OVERVIEW_COLUMN 17

void cli_print_usage(FILE *out, const struct cli_command *cmd)
{
	fprintf(out, "usage: zqfs %s%s", cmd->unnamed ? "" : cmd->name, cmd->unnamed ? "" : " ");
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

/* No more lines than a terminal of 24 shows above its prompt. */
void cli_print_overview(FILE *out, const struct cli_command *const *all)
{
	fputs("usage: zqfs [OPTION...] IMAGE MOUNTPOINT\n"
	      "       zqfs COMMAND [OPTION...] ...\n\n",
	      out);
	for (size_t i = 0; all[i]; i++) {
		const char *pair = all[i]->pair;
		int col = fprintf(out, "  %s%s%s", all[i]->name, pair ? ", " : "",
				  pair ? all[i + 1]->name : "");

		term_help_text(out, col, OVERVIEW_COLUMN, pair ? pair : all[i]->summary);
		i += pair != NULL;
	}
	fputs("\n\"zqfs help COMMAND\" shows its options, \"zqfs help mount\" those of a mount,\n"
	      "\"zqfs help examples\" a section of the manual, \"zqfs help topics\" "
	      "lists them.\n",
	      out);
}
