/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs commit": an overlay is written down into its base. A signal asks the library to end, which
 * leaves the two as good as before.
 */
#include <inttypes.h>
#include <stdio.h>

#include <zqfs/commit.h>

#include "cli/command.h"
#include "cli/images.h"
#include "cli/interrupts.h"
#include "cli/term.h"
#include "util/json.h"
#include "util/math.h"
#include "util/printable.h"
#include "util/size.h"

enum { OPT_JSON = CLI_LONG_ONLY, OPT_ABANDON };

struct commit_run {
	struct progress progress;
	sigset_t signals; /* blocked, and asked for between pieces */
	bool interrupted;
};

static int on_written_down(void *data, double done)
{
	struct commit_run *c = data;

	progress_update(&c->progress, done);
	c->interrupted |= interrupts_came(&c->signals);
	return c->interrupted;
}

static void on_commit_note(void *data, const char *line)
{
	struct commit_run *c = data;

	progress_end(&c->progress);
	fputs("zqfs: ", stderr);
	printable_write(stderr, line);
	fputc('\n', stderr);
}

static void print_commit(const struct cli_args *args, const struct zq_commit_result *r)
{
	struct json j = { .out = stdout };
	char written[SIZE_TEXT_MAX], zeroed[SIZE_TEXT_MAX];

	if (cli_given(args, OPT_JSON)) {
		json_object(&j, NULL);
		json_string(&j, "overlay", args->operands[0]);
		json_number(&j, "bytes_written", r->written);
		json_number(&j, "bytes_zeroed", r->zeroed);
		json_number(&j, "write_pointers_moved", r->moved);
		json_bool(&j, "resumed", r->resumed);
		json_end_object(&j);
		return;
	}
	if (cli_given(args, 'q'))
		return;
	printf("%swrote %s of data and %s of zeros, moved %" PRIu32 " write pointer%s; other "
	       "overlays of the base are of no use any more\n",
	       r->resumed ? "went on where a commit had ended: " : "",
	       size_format(r->written, written), size_format(r->zeroed, zeroed), r->moved,
	       r->moved == 1 ? "" : "s");
}

static int commit_overlay_of(const struct cli_args *args)
{
	struct commit_run c = { 0 };
	struct zq_commit_opts o = { .progress = on_written_down,
				    .note = on_commit_note,
				    .data = &c };
	struct zq_commit_result res = { 0 };
	struct zq_error err = { "" };
	int ret;

	interrupts_block(&c.signals);
	progress_begin(&c.progress, "committing");
	if (cli_given(args, 'p'))
		c.progress.fancy = true;
	ret = zq_commit_overlay(args->operands[0], &o, &res, &err);
	progress_end(&c.progress);
	if (ret)
		return cli_error("%s", err.msg);
	print_commit(args, &res);
	return CLI_DONE;
}

/* The operand is the base then. */
static int abandon_commit(const struct cli_args *args)
{
	const char *base = args->operands[0];
	struct zq_error err = { "" };

	if (cli_given(args, OPT_JSON) || cli_given(args, 'p'))
		return cli_usage_error(args->cmd, "--abandon shows no progress and has no JSON");
	if (zq_commit_abandon(base, &err))
		return cli_error("%s", err.msg);
	if (!cli_given(args, 'q')) {
		printable_write(stdout, base);
		puts(": can be written to again; it holds a mixture of what it held and of the "
		     "overlay, which is of no use any more");
	}
	return CLI_DONE;
}

static int run_commit(const struct cli_args *args)
{
	int ret = images_refuse_mounted(args->operands[0]);

	if (ret)
		return ret;
	return cli_given(args, OPT_ABANDON) ? abandon_commit(args) : commit_overlay_of(args);
}

static const struct cli_option commit_options[] = {
	{ 'p', "progress", NULL, NULL, "show progress, also where that is no terminal" },
	{ OPT_JSON, "json", NULL, NULL, "print what was done as JSON" },
	{ OPT_ABANDON, "abandon", NULL, NULL,
	  "OVERLAY is lost: give the base's name, which keeps the mixture that it holds" },
	{ 'q', "quiet", NULL, NULL, "print nothing; the exit status tells" },
	{ 0 },
};

static const char *const commit_operands[] = { "OVERLAY", NULL };

const struct cli_command cmd_commit = {
	.name = "commit",
	.summary = "write an overlay down into its backing file",
	.details =
		"What OVERLAY has, data and write pointers, goes into the zoned image below it, "
		"and OVERLAY is emptied: it shows the same disk as before. Both must be unused. "
		"Other overlays of that image are of no use afterwards and are refused. After an "
		"interrupt, a failure or a power failure OVERLAY shows its disk all the same, and "
		"the next commit of it goes on; until that has ended the image below cannot be "
		"written to by anything else.",
	.operands = commit_operands,
	.min_operands = 1,
	.options = commit_options,
	.run = run_commit,
};
