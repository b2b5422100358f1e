/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a command is: a static description with its options, operands and help. Dispatch, parsing,
 * usage errors, --help, "help --list" (from which the completions are made) and the test that
 * compares them with the man page all read it, so that nothing can be in one and not in the
 * others. Also the parser of options, and messages. The table of all commands is in commands.c,
 * above the commands; who needs it gets it with the arguments.
 */
#ifndef ZQ_CLI_COMMAND_H
#define ZQ_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

struct cli_option {
	int id;		    /* the short letter, or CLI_LONG_ONLY + n where there is none */
	const char *name;   /* the long spelling without its dashes; NULL: none */
	const char *arg;    /* what the value is called; NULL: takes none */
	const char *values; /* words that the value may be, space separated, or NULL */
	const char *help;   /* a clause without a full stop */
};
#define CLI_LONG_ONLY 256

/* A KEY=VALUE of -o, shown in the help of the command that takes it. */
struct cli_key {
	const char *name;
	const char *value; /* placeholder; NULL: a flag */
	const char *help;
	bool alias; /* an older spelling: accepted and completed, left out of the help */
};

struct cli_value {
	const struct cli_option *opt;
	const char *text; /* NULL when the option takes none; points into argv */
};

struct cli_command;

/* A command line after parsing; points into argv. */
struct cli_args {
	const struct cli_command *cmd;
	const struct cli_command *const *all; /* the table of commands, NULL ended */
	const struct cli_value *values;	      /* in the order in which they were given */
	size_t nr_values;
	char **operands;
	int nr_operands;
};

struct cli_command {
	const char *name;
	const char *summary;	     /* a clause, for the list of commands */
	const char *pair;	     /* for a line with the next command, or NULL */
	const char *details;	     /* paragraphs for its own help, or NULL */
	const char *const *operands; /* their names in order, NULL ended */
	int min_operands;
	bool many;			  /* the last operand may be repeated */
	bool unnamed;			  /* runs without its name: zqfs IMAGE MOUNTPOINT */
	const struct cli_option *options; /* ended by an entry whose id is 0 */
	/* Fills *key with the i-th key of -o; false behind the last. NULL: no such table. */
	bool (*key)(size_t i, struct cli_key *key);
	int (*run)(const struct cli_args *args); /* returns the exit status */
};

/* Exit statuses; check has more (ZQFS_EXIT_* in cmd_check.c). */
enum { CLI_DONE = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* The command of that name in the table, or NULL. */
const struct cli_command *cli_find(const struct cli_command *const *all, const char *name);
/* The nearest to a word that is none, or NULL. */
const char *cli_nearest(const struct cli_command *const *all, const char *word);

/* Parses and runs the arguments of one command of the table (argv[0] is the first of them). Returns
 * the exit status. */
int cli_run(const struct cli_command *const *all, const struct cli_command *cmd, int argc,
	    char **argv);

/* The last value given for the option with that id; NULL when it was not given. */
const char *cli_value(const struct cli_args *args, int id);
bool cli_given(const struct cli_args *args, int id);

/* "zqfs: SENTENCE" on stderr. Returns CLI_FAILED. */
int cli_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The same, then the command's usage line. cmd may be NULL. Returns CLI_USAGE. */
int cli_usage_error(const struct cli_command *cmd, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for a word that is no command, with the nearest one. also: what else it is not, or "".
 */
int cli_unknown_command(const struct cli_command *const *all, const char *word, const char *also);

#endif
