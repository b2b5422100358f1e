/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs compact". A signal asks the library to end, which leaves a whole image.
 */
#include <inttypes.h>
#include <stdio.h>

#include <zqfs/compact.h>

#include "cli/command.h"
#include "cli/images.h"
#include "cli/interrupts.h"
#include "cli/term.h"
#include "util/json.h"
#include "util/size.h"

enum { OPT_NO_COMPRESS = CLI_LONG_ONLY, OPT_LEVEL, OPT_JSON };

struct compaction {
	struct progress progress;
	sigset_t signals;
	bool interrupted;
};

static int on_compacted(void *data, double done)
{
	struct compaction *c = data;

	progress_update(&c->progress, done);
	c->interrupted |= interrupts_came(&c->signals);
	return c->interrupted;
}

static void print_result(const struct zq_compact_result *r)
{
	char before[SIZE_TEXT_MAX], after[SIZE_TEXT_MAX];

	printf("file: %s, before %s\n", size_format(r->size_after, after),
	       size_format(r->size_before, before));
	printf("disk usage: %s, before %s\n", size_format(r->usage_after, after),
	       size_format(r->usage_before, before));
	printf("full zones: %" PRIu64 ", %" PRIu64 " clusters newly compressed\n", r->full_zones,
	       r->compressed_clusters);
}

static void print_compact_json(const struct zq_compact_result *r)
{
	struct json j = { .out = stdout };

	json_object(&j, NULL);
	json_number(&j, "size_before", r->size_before);
	json_number(&j, "size_after", r->size_after);
	json_number(&j, "usage_before", r->usage_before);
	json_number(&j, "usage_after", r->usage_after);
	json_number(&j, "full_zones", r->full_zones);
	json_number(&j, "compressed_clusters", r->compressed_clusters);
	json_end_object(&j);
}

static int parse_compact(const struct cli_args *args, struct zq_compact_opts *o)
{
	const char *level = cli_value(args, OPT_LEVEL), *threads = cli_value(args, 'm');
	uint64_t n = 0;

	o->no_compress = cli_given(args, OPT_NO_COMPRESS);
	if (level && o->no_compress)
		return cli_usage_error(args->cmd, "a level is of no use with --no-compress");
	if (level && (number_parse(level, 22, &n) || !n))
		return cli_usage_error(args->cmd, "level '%s' is not a number from 1 to 22", level);
	o->level = (int)n;
	n = 0;
	if (threads && (number_parse(threads, 64, &n) || !n))
		return cli_usage_error(
			args->cmd, "number of threads '%s' is not a number from 1 to 64", threads);
	o->threads = (unsigned)n;
	return 0;
}

static int run_compact(const struct cli_args *args)
{
	struct compaction c = { .interrupted = false };
	struct zq_compact_opts o = { .progress = on_compacted, .data = &c };
	struct zq_compact_result res;
	struct zq_error err = { "" };
	int ret = parse_compact(args, &o);

	ret = ret ? ret : images_refuse_mounted(args->operands[0]);
	if (ret)
		return ret;
	interrupts_block(&c.signals);
	progress_begin(&c.progress, "compacting");
	if (cli_given(args, 'p'))
		c.progress.fancy = true;
	ret = zq_compact(args->operands[0], &o, &res, &err);
	progress_end(&c.progress);
	if (ret)
		return images_open_failed(args->operands[0], ret, &err, false);
	if (cli_given(args, OPT_JSON))
		print_compact_json(&res);
	else if (!cli_given(args, 'q'))
		print_result(&res);
	return CLI_DONE;
}

static const struct cli_option compact_options[] = {
	{ OPT_NO_COMPRESS, "no-compress", NULL, NULL, "only move and cut, compress nothing" },
	{ OPT_LEVEL, "level", "N", NULL, "of the compression: 1 to 9 for zlib, 1 to 22 for zstd" },
	{ 'm', "threads", "N", NULL, "compress with so many threads (one for each processor)" },
	{ 'p', "progress", NULL, NULL, "show progress, also where that is no terminal" },
	{ OPT_JSON, "json", NULL, NULL, "print the result as JSON" },
	{ 'q', "quiet", NULL, NULL, "print nothing" },
	{ 0 },
};

static const char *const compact_operands[] = { "IMAGE", NULL };

const struct cli_command cmd_compact = {
	.name = "compact",
	.summary = "make an image as small as it can be",
	.details = "Compresses all full zones by the image's compression_type, moves what lies at "
		   "the end of the file to where it is free, and cuts the file. Nobody may have "
		   "the image open. At every moment, a power failure included, it is a whole "
		   "image; an interrupt leaves what was done, and another run goes on.",
	.operands = compact_operands,
	.min_operands = 1,
	.options = compact_options,
	.run = run_compact,
};
