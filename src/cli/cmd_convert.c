/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs convert" and "zqfs compare". A signal asks the library to end, which leaves no target.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/convert.h>

#include "cli/commands.h"
#include "cli/image_options.h"
#include "cli/images.h"
#include "cli/interrupts.h"
#include "cli/term.h"
#include "util/json.h"
#include "util/math.h"
#include "util/printable.h"
#include "util/size.h"

enum {
	OPT_ZONES = CLI_LONG_ONLY,
	OPT_FORCE,
	OPT_LEVEL,
	OPT_DATA_FILE,
	OPT_JSON,
	OPT_STRICT,
};
enum { COMPARE_DIFFERS = 1, COMPARE_FAILED = 2 };

/* ---- convert ----------------------------------------------------------------------------- */

struct conversion {
	struct progress progress;
	sigset_t signals; /* blocked, and asked for between pieces */
	bool interrupted, quiet, json;
};

static int on_converted(void *data, double done)
{
	struct conversion *c = data;

	progress_update(&c->progress, done);
	c->interrupted |= interrupts_came(&c->signals);
	return c->interrupted;
}

static void on_note(void *data, const char *line)
{
	struct conversion *c = data;

	if (c->quiet)
		return;
	progress_end(&c->progress);
	fputs("zqfs: ", stderr);
	printable_write(stderr, line);
	fputc('\n', stderr);
}

static void on_finished(void *data, const struct zq_convert_result *r)
{
	struct conversion *c = data;
	struct json j = { .out = stdout };

	if (!c->json)
		return;
	progress_end(&c->progress);
	json_object(&j, NULL);
	json_string(&j, "source_format", zq_disk_format_name(r->source_format));
	json_string(&j, "target_format", zq_disk_format_name(r->target_format));
	json_number(&j, "size", r->size);
	json_number(&j, "zones", r->zones);
	json_number(&j, "written", r->written);
	json_number(&j, "copied", r->copied);
	json_end_object(&j);
}

/* A format by its name; CLI_USAGE after a message. */
static int parse_format(const struct cli_args *args, int id, enum zq_disk_format *format)
{
	const char *name = cli_value(args, id);
	int f = name ? zq_disk_format_from_name(name) : ZQ_DISK_AUTO;

	if (f < 0)
		return cli_usage_error(args->cmd,
				       "no format '%s'; there are qcow2, raw, dump, folder and, to "
				       "read, device",
				       name);
	*format = (enum zq_disk_format)f;
	return 0;
}

static int parse_number_option(const struct cli_args *args, int id, uint64_t max, const char *what,
			       uint64_t *n)
{
	const char *text = cli_value(args, id);

	if (text && (number_parse(text, max, n) || !*n))
		return cli_usage_error(args->cmd, "%s '%s' is not a number from 1 to %" PRIu64,
				       what, text, max);
	return 0;
}

static int parse_convert(const struct cli_args *args, struct zq_create_opts *create,
			 struct zq_convert_opts *o)
{
	const char *sparse = cli_value(args, 'S');
	uint64_t threads = 0, level = 0;
	int ret = parse_format(args, 'f', &o->source_format);

	if (!ret)
		ret = parse_format(args, 'O', &o->target_format);
	if (!ret && sparse && size_parse(sparse, &o->sparse_size))
		ret = cli_usage_error(args->cmd, "'%s' is not a size", sparse);
	if (!ret)
		ret = parse_number_option(args, 'm', 64, "number of threads", &threads);
	if (!ret)
		ret = parse_number_option(args, OPT_LEVEL, 22, "level", &level);
	if (!ret)
		ret = image_options_set(args, args->operands[1], create);
	if (!ret && level && !cli_given(args, 'c'))
		ret = cli_usage_error(args->cmd, "a level is of no use without --compress");
	o->no_holes = sparse && !o->sparse_size;
	o->threads = (unsigned)threads;
	o->level = (int)level;
	o->create = create;
	o->compress = cli_given(args, 'c');
	o->force = cli_given(args, OPT_FORCE);
	o->zones = cli_value(args, OPT_ZONES);
	o->data_file = cli_value(args, OPT_DATA_FILE);
	return ret;
}

static int convert(const struct cli_args *args, struct zq_create_opts *create)
{
	struct conversion c = { .quiet = cli_given(args, 'q'), .json = cli_given(args, OPT_JSON) };
	struct zq_convert_opts o = {
		.progress = on_converted, .note = on_note, .data = &c, .finished = on_finished
	};
	struct zq_error err = { "" };
	int ret = parse_convert(args, create, &o);

	if (ret)
		return ret;
	interrupts_block(&c.signals);
	progress_begin(&c.progress, "converting");
	if (cli_given(args, 'p'))
		c.progress.fancy = true;
	ret = zq_convert(args->operands[0], args->operands[1], &o, &err);
	progress_end(&c.progress);
	if (ret == -EEXIST)
		return cli_error("%s (--force replaces it)", err.msg);
	return ret ? images_open_failed(args->operands[0], ret, &err, false) : CLI_DONE;
}

static int run_convert(const struct cli_args *args)
{
	struct zq_create_opts create = { 0 };
	int ret = convert(args, &create);

	zq_create_opts_free(&create);
	return ret;
}

#define FORMAT_WORDS "qcow2 raw dump folder device"

static const struct cli_option convert_options[] = {
	{ 'c', "compress", NULL, NULL, "compress the clusters of the new image" },
	{ OPT_LEVEL, "level", "N", NULL, "of the compression: 1 to 9 for zlib, 1 to 22 for zstd" },
	{ 'f', "from", "FORMAT", FORMAT_WORDS, "format of the source, where it does not tell" },
	{ 'O', "to", "FORMAT", "qcow2 raw dump folder", "format of the target (qcow2)" },
	{ 'o', NULL, "KEY=VALUE[,...]", NULL,
	  "set an option of the new image; what is not given comes from the source" },
	{ OPT_ZONES, "zones", "FILE", NULL,
	  "the zone report of a raw source: of blkzone, of zbd -csv, or of zqfs" },
	{ 'S', "sparse", "SIZE", NULL, "make holes of zeros in runs of SIZE (4K); 0: none" },
	{ 'm', "threads", "N", NULL, "use so many threads (one for each processor)" },
	{ 'p', "progress", NULL, NULL, "show progress, also where that is no terminal" },
	{ OPT_FORCE, "force", NULL, NULL, "replace a target that exists" },
	{ OPT_DATA_FILE, "data-file", "PATH", NULL,
	  "external data file of the source, when it names none or it moved" },
	{ OPT_JSON, "json", NULL, NULL, "print as JSON what was copied" },
	{ 'q', "quiet", NULL, NULL, "do not say what the copy lacks" },
	{ 0 },
};

static const char *const convert_operands[] = { "SOURCE", "TARGET", NULL };

const struct cli_command cmd_convert = {
	.name = "convert",
	.summary = "copy a zoned disk into another image or format",
	.details =
		"SOURCE is a zoned image with its backing chain, a raw disk with a zone report in "
		"SOURCE.zones (or --zones), a dump of libzbd (PREFIX or one of its two files), a "
		"folder with a file for each zone (a mount, or zloop's), or a zoned block "
		"device. TARGET becomes a zoned image, or with -O a raw disk with TARGET.zones "
		"beside it, a dump, or a folder as zloop has it. Zones, limits, data and write "
		"pointers are kept; holes stay holes. TARGET appears when it is whole; after a "
		"failure or an interrupt there is none.",
	.operands = convert_operands,
	.min_operands = 2,
	.options = convert_options,
	.key = image_options_key,
	.run = run_convert,
};

/* ---- compare ------------------------------------------------------------------------------- */

struct comparing {
	struct json json; /* its out is NULL for text */
	struct progress progress;
	bool quiet;
};

static int on_compared(void *data, double done)
{
	struct comparing *c = data;

	progress_update(&c->progress, done);
	return 0;
}

static void print_difference(const struct zq_difference *d)
{
	char label[ZQ_ZONE_LABEL_MAX];

	if (d->zone == UINT32_MAX)
		printf("%s: %s and %s\n", d->what, d->a, d->b);
	else if (!strcmp(d->what, "data"))
		printf("%s: data at byte %" PRIu64 " of the disk: %s and %s\n",
		       zq_zone_label(d->nr_conv, d->zone, label), d->offset, d->a, d->b);
	else
		printf("%s: %s %s and %s\n", zq_zone_label(d->nr_conv, d->zone, label), d->what,
		       d->a, d->b);
}

static void on_difference(void *data, const struct zq_difference *d)
{
	struct comparing *c = data;

	if (c->quiet)
		return;
	progress_end(&c->progress);
	if (!c->json.out) {
		print_difference(d);
		return;
	}
	json_object_line(&c->json, NULL);
	if (d->zone == UINT32_MAX)
		json_null(&c->json, "zone");
	else
		json_number(&c->json, "zone", d->zone);
	json_string(&c->json, "what", d->what);
	json_string(&c->json, "a", d->a);
	json_string(&c->json, "b", d->b);
	if (!strcmp(d->what, "data"))
		json_number(&c->json, "offset", d->offset);
	json_end_object(&c->json);
}

static int compare_operands(const struct cli_args *args, struct comparing *c)
{
	struct zq_convert_opts oa = { .progress = on_compared, .data = c }, ob = { 0 };
	struct zq_error err = { "" };
	int ret = parse_format(args, 'f', &oa.source_format);

	if (!ret)
		ret = parse_format(args, 'F', &ob.source_format);
	if (ret)
		return COMPARE_FAILED;
	if (c->json.out) {
		json_object(&c->json, NULL);
		json_array(&c->json, "differences");
	}
	progress_begin(&c->progress, "comparing");
	if (cli_given(args, 'p'))
		c->progress.fancy = true;
	ret = zq_compare(args->operands[0], &oa, args->operands[1], &ob,
			 cli_given(args, OPT_STRICT), on_difference, c, &err);
	progress_end(&c->progress);
	if (c->json.out) {
		json_end_array(&c->json);
		json_bool(&c->json, "same", !ret);
		json_end_object(&c->json);
	}
	if (ret < 0) {
		size_t len = strlen(args->operands[0]);
		bool first = !strncmp(err.msg, args->operands[0], len) && err.msg[len] == ':';

		images_open_failed(args->operands[!first], ret, &err, false);
		return COMPARE_FAILED;
	}
	if (!ret && !c->quiet && !c->json.out)
		puts("the disks are the same");
	return ret ? COMPARE_DIFFERS : CLI_DONE;
}

static int run_compare(const struct cli_args *args)
{
	struct comparing c = { .quiet = cli_given(args, 'q') };

	if (cli_given(args, OPT_JSON))
		c.json.out = stdout;
	return compare_operands(args, &c);
}

static const struct cli_option compare_options[] = {
	{ 'f', "from", "FORMAT", FORMAT_WORDS, "format of A, where it does not tell" },
	{ 'F', "from-b", "FORMAT", FORMAT_WORDS, "format of B, where it does not tell" },
	{ OPT_STRICT, "strict", NULL, NULL, "compare the limits of open and active zones too" },
	{ OPT_JSON, "json", NULL, NULL, "print the differences as JSON" },
	{ 'p', "progress", NULL, NULL, "show progress, also where that is no terminal" },
	{ 'q', "quiet", NULL, NULL, "print nothing; the exit status tells" },
	{ 0 },
};

static const char *const compare_names[] = { "A", "B", NULL };

const struct cli_command cmd_compare = {
	.name = "compare",
	.summary = "compare two zoned disks",
	.details = "Each can be whatever convert reads. Compares sizes, zones, states that last, "
		   "write pointers and data; of data the first difference in each zone is "
		   "shown. Exit status 0: the same, 1: they differ, 2: failed.",
	.operands = compare_names,
	.min_operands = 2,
	.options = compare_options,
	.run = run_compare,
};
