/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parser of options, and messages. Knows no command's meaning: each is described by its
 * struct cli_command in its own file. Options may stand anywhere among the operands; "--" ends
 * them.
 */
#include "cli/command.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/version.h>

#include "cli/help.h"
#include "util/cleanup.h"
#include "util/printable.h"
#include "util/suggest.h"

/* A sentence on stderr behind "zqfs: " and, unless it is NULL, the command's name. What comes from
 * outside is made printable. */
static void say_sentence(const char *command, const char *fmt, va_list ap)
{
	char *text CLEANUP_FREE = NULL;

	fflush(stdout);
	fprintf(stderr, "zqfs: %s%s", command ? command : "", command ? ": " : "");
	if (vasprintf(&text, fmt, ap) < 0) {
		text = NULL;
		fputs("out of memory", stderr);
	} else {
		printable_write(stderr, text);
	}
	putc('\n', stderr);
}

int cli_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_sentence(NULL, fmt, ap);
	va_end(ap);
	return CLI_FAILED;
}

int cli_usage_error(const struct cli_command *cmd, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_sentence(cmd && !cmd->unnamed ? cmd->name : NULL, fmt, ap);
	va_end(ap);
	if (cmd)
		cli_print_usage(stderr, cmd);
	return CLI_USAGE;
}

const struct cli_command *cli_find(const struct cli_command *const *all, const char *name)
{
	for (; *all; all++)
		if (!strcmp((*all)->name, name))
			return *all;
	return NULL;
}

const char *cli_nearest(const struct cli_command *const *all, const char *word)
{
	struct suggest s = { .typed = word };

	for (; *all; all++)
		suggest_offer(&s, (*all)->name);
	return s.best;
}

int cli_unknown_command(const struct cli_command *const *all, const char *word, const char *also)
{
	const char *near = cli_nearest(all, word);

	if (near)
		return cli_usage_error(NULL, "no command '%s'%s; did you mean 'zqfs %s'?", word,
				       also, near);
	return cli_usage_error(NULL, "no command '%s'%s; 'zqfs help' lists the commands", word,
			       also);
}

bool cli_given(const struct cli_args *args, int id)
{
	for (size_t i = 0; i < args->nr_values; i++)
		if (args->values[i].opt->id == id)
			return true;
	return false;
}

const char *cli_value(const struct cli_args *args, int id)
{
	const char *text = NULL;

	for (size_t i = 0; i < args->nr_values; i++)
		if (args->values[i].opt->id == id)
			text = args->values[i].text;
	return text;
}

/* ---- options ------------------------------------------------------------------------------ */

/* What the parser has collected; the arrays hold argc entries each. */
struct parse {
	const struct cli_command *cmd;
	int argc;
	char **argv;
	int next; /* index of the argument after the one being looked at */
	struct cli_value *values;
	size_t nr_values;
	char **operands;
	int nr_operands;
};

static const struct cli_option *find_short(const struct cli_command *cmd, char letter)
{
	for (const struct cli_option *o = cmd->options; o->id; o++)
		if (o->id == (unsigned char)letter)
			return o;
	return letter == 'h' ? &cli_help_option : NULL;
}

static const struct cli_option *find_long(const struct cli_command *cmd, const char *name,
					  size_t len)
{
	for (const struct cli_option *o = cmd->options; o->id; o++)
		if (o->name && strlen(o->name) == len && !memcmp(o->name, name, len))
			return o;
	if (len == strlen("help") && !memcmp(name, "help", len))
		return &cli_help_option;
	return NULL;
}

static int unknown_long(const struct cli_command *cmd, const char *name, size_t len)
{
	char typed[64];
	struct suggest s = { .typed = typed };

	snprintf(typed, sizeof(typed), "%.*s", (int)(len < 63 ? len : 63), name);
	for (const struct cli_option *o = cmd->options; o->id; o++)
		if (o->name)
			suggest_offer(&s, o->name);
	suggest_offer(&s, cli_help_option.name);
	if (s.best)
		return cli_usage_error(cmd, "unknown option --%s; did you mean --%s?", typed,
				       s.best);
	return cli_usage_error(cmd, "unknown option --%s", typed);
}

static void add_value(struct parse *p, const struct cli_option *opt, const char *text)
{
	p->values[p->nr_values++] = (struct cli_value){ opt, text };
}

/* --name, --name=value or --name value */
static int parse_long(struct parse *p, const char *arg)
{
	const char *name = arg + 2, *eq = strchr(name, '=');
	size_t len = eq ? (size_t)(eq - name) : strlen(name);
	const struct cli_option *opt = find_long(p->cmd, name, len);

	if (!opt)
		return unknown_long(p->cmd, name, len);
	if (!opt->arg) {
		if (eq)
			return cli_usage_error(p->cmd, "option --%s takes no value", opt->name);
		add_value(p, opt, NULL);
		return 0;
	}
	if (!eq && p->next >= p->argc)
		return cli_usage_error(p->cmd, "option --%s needs a value: --%s=%s", opt->name,
				       opt->name, opt->arg);
	add_value(p, opt, eq ? eq + 1 : p->argv[p->next++]);
	return 0;
}

/* -n, -nc value, -cvalue */
static int parse_short(struct parse *p, const char *arg)
{
	for (const char *c = arg + 1; *c; c++) {
		const struct cli_option *opt = find_short(p->cmd, *c);

		if (!opt)
			return cli_usage_error(p->cmd, "unknown option -%c", *c);
		if (!opt->arg) {
			/* A cluster of letters may hold more options than there are
			 * arguments; the same one twice means no more than once. */
			bool seen = false;

			for (size_t i = 0; i < p->nr_values; i++)
				seen |= p->values[i].opt == opt;
			if (!seen)
				add_value(p, opt, NULL);
			continue;
		}
		if (!c[1] && p->next >= p->argc)
			return cli_usage_error(p->cmd, "option -%c needs a value: -%c %s", *c, *c,
					       opt->arg);
		add_value(p, opt, c[1] ? c + 1 : p->argv[p->next++]);
		break;
	}
	return 0;
}

static int parse_all(struct parse *p)
{
	bool options = true;
	int ret = 0;

	while (p->next < p->argc && !ret) {
		char *arg = p->argv[p->next++];

		if (options && !strcmp(arg, "--"))
			options = false;
		else if (options && !strncmp(arg, "--", 2))
			ret = parse_long(p, arg);
		else if (options && arg[0] == '-' && arg[1] && !isdigit((unsigned char)arg[1]))
			ret = parse_short(p, arg);
		else
			p->operands[p->nr_operands++] = arg;
	}
	return ret;
}

static size_t count_operands(const struct cli_command *cmd)
{
	size_t n = 0;

	while (cmd->operands[n])
		n++;
	return n;
}

/* Names what is missing rather than count it. */
static int check_operands(const struct parse *p)
{
	size_t known = count_operands(p->cmd);

	if (p->nr_operands < p->cmd->min_operands) {
		const char *missing = p->cmd->operands[p->nr_operands];

		if (p->nr_operands)
			return cli_usage_error(p->cmd, "%s is missing after '%s'", missing,
					       p->operands[p->nr_operands - 1]);
		return cli_usage_error(p->cmd, "%s is missing", missing);
	}
	if (!p->cmd->many && (size_t)p->nr_operands > known)
		return cli_usage_error(p->cmd, "'%s' is one argument too many", p->operands[known]);
	return 0;
}

/* Enough room for every option: a cluster adds each letter at most once. */
static size_t max_values(const struct cli_command *cmd, int argc)
{
	size_t n = (size_t)argc + 1;

	for (const struct cli_option *o = cmd->options; o->id; o++)
		n++;
	return n;
}

/* "-o help", alone or in a list, of a command whose -o takes keys. */
static bool asks_for_keys(const struct cli_args *args)
{
	for (size_t i = 0; args->cmd->key && i < args->nr_values; i++) {
		const char *item = args->values[i].text;

		if (args->values[i].opt->id != 'o')
			continue;
		for (; *item; item += strcspn(item, ","), item += *item == ',')
			if (!strncmp(item, "help", 4) && (item[4] == ',' || !item[4]))
				return true;
	}
	return false;
}

int cli_run(const struct cli_command *const *all, const struct cli_command *cmd, int argc,
	    char **argv)
{
	struct cli_value *values CLEANUP_FREE = calloc(max_values(cmd, argc), sizeof(*values));
	char **operands CLEANUP_FREE = calloc((size_t)argc + 1, sizeof(*operands));
	struct parse p = { .cmd = cmd, .argc = argc, .argv = argv };
	struct cli_args args;
	int ret;

	if (!values || !operands)
		return cli_error("out of memory");
	p.values = values;
	p.operands = operands;
	ret = parse_all(&p);
	if (ret)
		return ret;
	args = (struct cli_args){ cmd, all, p.values, p.nr_values, p.operands, p.nr_operands };
	if (cli_given(&args, cli_help_option.id)) {
		if (cmd->unnamed)
			cli_print_overview(stdout, all);
		else
			cli_print_help(stdout, cmd);
		return CLI_DONE;
	}
	if (cmd->unnamed && cli_given(&args, 'V')) {
		printf("zqfs %s\n", ZQFS_VERSION);
		return CLI_DONE;
	}
	if (asks_for_keys(&args)) {
		cli_print_keys(stdout, cmd, true);
		return CLI_DONE;
	}
	ret = check_operands(&p);
	return ret ? ret : cmd->run(&args);
}
