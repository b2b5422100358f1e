/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs report": zones of an image, a mount or single zone files, as a table, CSV or JSON.
 * Reads in pieces, so that a million zones cost no memory. Changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/images.h"
#include "cli/report_output.h"
#include "cli/term.h"
#include "cli/zones.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "util/printable.h"
#include "util/size.h"
#include "zone/ranges.h"

#define ROWS_AT_ONCE 512u

enum { OPT_JSON = CLI_LONG_ONLY, OPT_CSV, OPT_WATCH, OPT_DATA_FILE };

struct report {
	const struct cli_args *args;
	struct report_output out;
	bool count_only;
	bool wanted[ZQ_NR_STATES]; /* by the filter; all of them without one */
	uint32_t first, count;	   /* rows, of those that there are */
};

/* ---- output --------------------------------------------------------------------------------- */

static int print_rows(struct report *r, struct zone_source *src, struct zq_error *err)
{
	struct zone_row *rows CLEANUP_FREE = calloc(ROWS_AT_ONCE, sizeof(*rows));
	int ret = 0;

	if (!rows)
		return zq_fail(err, -ENOMEM, "out of memory");
	for (uint32_t done = 0; !ret && done < r->count; done += ROWS_AT_ONCE) {
		uint32_t n = (uint32_t)min_u64(r->count - done, ROWS_AT_ONCE);

		ret = zones_read(src, r->first + done, n, rows, err);
		for (uint32_t i = 0; !ret && i < n; i++)
			if (r->wanted[rows[i].info.state])
				output_row(&r->out, &rows[i]);
	}
	return ret;
}

static int print_zones(struct report *r, struct zone_source *src, struct zq_error *err)
{
	int ret;

	output_zones(&r->out, src, r->first + r->count - 1);
	ret = print_rows(r, src, err);
	output_zones_end(&r->out);
	return ret;
}

static int report_source(struct report *r, struct zone_source *src)
{
	uint32_t by_state[ZQ_NR_STATES];
	struct zq_error err = { "" };
	int ret = 0;

	/* Counted first, so that a failure does not leave half a document behind. */
	if (r->count_only)
		ret = zones_count(src, r->first, r->count, by_state, &err);
	if (ret)
		return cli_error("%s", err.msg);
	output_begin(&r->out, src);
	if (r->count_only)
		output_counts(&r->out, by_state, r->wanted);
	else
		ret = print_zones(r, src, &err);
	output_end(&r->out);
	return ret ? cli_error("%s", err.msg) : CLI_DONE;
}

/* ---- which zones ---------------------------------------------------------------------------- */

/* -o FIRST, a zone by either of its numbers. */
static int select_first(struct report *r, const struct zone_source *src, const char *text)
{
	const char *what = r->args->operands[0];
	struct zq_error err = { "" };
	struct zone_ranges list;
	uint64_t nr;
	int ret = ranges_parse(text, &src->geo, &list, &err);

	if (ret)
		return cli_error("%s: %s", what, err.msg);
	nr = ranges_count(&list);
	r->first = list.r[0].first;
	ranges_free(&list);
	return nr == 1 ? CLI_DONE
		       : cli_usage_error(r->args->cmd, "-o takes one zone, not '%s'", text);
}

static int select_zones(struct report *r, const struct zone_source *src)
{
	const char *first = cli_value(r->args, 'o'), *count = cli_value(r->args, 'l');
	uint64_t n = src->nr;
	int ret = CLI_DONE;

	r->first = 0;
	if ((first || count) && src->files)
		return cli_usage_error(r->args->cmd,
				       "-o and -l choose zones of an image or a mount, not files");
	if (first)
		ret = select_first(r, src, first);
	if (!ret && count && (number_parse(count, UINT32_MAX, &n) || !n))
		ret = cli_usage_error(r->args->cmd, "-l takes a number of zones, not '%s'", count);
	r->count = (uint32_t)min_u64(n, src->nr - r->first);
	return ret;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Adds the states of one -c, a list with commas. */
static int add_filter(struct report *r, const struct cli_args *args, const char *list)
{
	char *copy CLEANUP_FREE = strdup(list), *save = NULL;

	for (char *name = copy ? strtok_r(copy, ",", &save) : NULL; name;
	     name = strtok_r(NULL, ",", &save)) {
		int state = zq_state_from_name(name);

		if (state < 0)
			return cli_usage_error(
				args->cmd,
				"no state '%s'; there are %s, %s, %s, %s, "
				"%s, %s, %s and %s",
				name, zq_state_name(ZQ_NOT_WP), zq_state_name(ZQ_EMPTY),
				zq_state_name(ZQ_IMPLICIT_OPEN), zq_state_name(ZQ_EXPLICIT_OPEN),
				zq_state_name(ZQ_CLOSED), zq_state_name(ZQ_FULL),
				zq_state_name(ZQ_READ_ONLY), zq_state_name(ZQ_OFFLINE));
		r->wanted[state] = true;
	}
	return 0;
}

static int parse_filters(struct report *r, const struct cli_args *args)
{
	int ret = 0;

	for (size_t i = 0; i < args->nr_values && !ret; i++)
		if (args->values[i].opt->id == 'c')
			ret = add_filter(r, args, args->values[i].text);
	if (!cli_given(args, 'c'))
		memset(r->wanted, true, sizeof(r->wanted));
	return ret;
}

static int report_open(const struct cli_args *args, struct zone_source *src)
{
	struct zq_error err = { "" };
	int ret;

	if (zones_is_zone_file(args->operands[0]) || args->nr_operands > 1)
		ret = zones_open_files(src, args->operands, args->nr_operands, &err);
	else
		ret = zones_open(src, args->operands[0], cli_given(args, 'U'),
				 cli_value(args, OPT_DATA_FILE), &err);
	if (ret)
		return images_open_failed(args->operands[0], ret, &err, true);
	return 0;
}

static int report_once(struct report *r)
{
	struct zone_source src;
	int ret = report_open(r->args, &src);

	if (ret)
		return ret;
	ret = select_zones(r, &src);
	if (!ret)
		ret = report_source(r, &src);
	zones_close(&src);
	return ret;
}

/* Draws text over what is on the screen: each line wipes its rest, the last one what is below. */
static void redraw(const char *text)
{
	fputs("\033[H", stdout);
	for (const char *end; (end = strchr(text, '\n')); text = end + 1)
		printf("%.*s\033[K\n", (int)(end - text), text);
	fputs("\033[J", stdout);
	fflush(stdout);
}

static void watch_head(FILE *out, const char *what)
{
	char clock[16], *shown CLEANUP_FREE = printable_dup(what);
	time_t now = time(NULL);
	struct tm tm;

	if (!localtime_r(&now, &tm) || !strftime(clock, sizeof(clock), "%H:%M:%S", &tm))
		clock[0] = '\0';
	fprintf(out, "%s  %s\n", clock, shown ? shown : "");
}

/* Each second once more, until it fails or is interrupted. */
static int watch_report(struct report *r)
{
	int ret = CLI_DONE;

	for (bool first = true; !ret; first = false) {
		char *text = NULL;
		size_t size = 0;
		int lines;

		if (!first)
			sleep(1);
		term_size(stdout, &r->out.style.columns, &lines);
		/* around the zones: the line with the time, the header, what is left out, totals */
		r->out.style.max_lines = lines > 8 ? lines - 6 : 2;
		r->out.out = open_memstream(&text, &size);
		if (!r->out.out)
			return cli_error("out of memory");
		watch_head(r->out.out, r->args->operands[0]);
		ret = report_once(r);
		if (fclose(r->out.out))
			ret = cli_error("out of memory");
		if (first && !ret)
			fputs("\033[H\033[J", stdout);
		if (!ret)
			redraw(text);
		free(text);
		if (ferror(stdout))
			return CLI_FAILED;
	}
	return ret;
}

static void choose_style(struct report *r, const struct cli_args *args)
{
	bool person = isatty(STDOUT_FILENO);
	int lines;

	r->out.style = (struct table_style){
		.human = person && !cli_given(args, 'b'),
		.fold = person && !cli_given(args, 'v'),
		.bars = term_is_fancy(stdout),
		.colour = term_has_colour(stdout),
		.total = person,
	};
	if (person)
		term_size(stdout, &r->out.style.columns, &lines);
}

static int run_report(const struct cli_args *args)
{
	struct report r = { .args = args, .out = { .out = stdout } };
	int ret;

	if (cli_given(args, OPT_JSON) && cli_given(args, OPT_CSV))
		return cli_usage_error(args->cmd, "--json and --csv exclude each other");
	r.out.form = cli_given(args, OPT_JSON)	? FORM_JSON
		     : cli_given(args, OPT_CSV) ? FORM_CSV
						: FORM_TEXT;
	r.count_only = cli_given(args, 'n');
	if (cli_given(args, OPT_WATCH) && r.out.form != FORM_TEXT)
		return cli_usage_error(args->cmd, "--watch shows a table, not CSV or JSON");
	if (cli_given(args, OPT_WATCH) && !term_is_fancy(stdout))
		return cli_error("--watch needs a terminal that it can draw on");
	choose_style(&r, args);
	ret = parse_filters(&r, args);
	if (ret)
		return ret;
	return cli_given(args, OPT_WATCH) ? watch_report(&r) : report_once(&r);
}

static const struct cli_option report_options[] = {
	{ 'c', "cond", "STATE[,STATE...]",
	  "not-wp empty implicit-open explicit-open closed full read-only offline",
	  "list only zones in these states; may be repeated" },
	{ 'n', "count", NULL, NULL,
	  "print the number of zones in each state instead of the zones" },
	{ 'o', "offset", "FIRST", NULL, "begin with this zone: 3, or seq/1" },
	{ 'l', "length", "COUNT", NULL, "list no more than so many zones" },
	{ 'b', "bytes", NULL, NULL, "print bytes on a terminal too, as elsewhere" },
	{ 'v', "verbose", NULL, NULL, "do not fold runs of equal empty zones on a terminal" },
	{ OPT_WATCH, "watch", NULL, NULL, "draw the table anew each second, until interrupted" },
	{ OPT_CSV, "csv", NULL, NULL, "comma-separated values with a header line" },
	{ OPT_JSON, "json", NULL, NULL, "JSON; wp is null where a zone has no write pointer" },
	{ 'U', "force-share", NULL, NULL,
	  "read the image file even while another process has it open; what it says may be old" },
	{ OPT_DATA_FILE, "data-file", "PATH", NULL,
	  "external data file, when the image names none or it moved" },
	{ 0 },
};

static const char *const report_operands[] = { "IMAGE|MOUNTPOINT|FILE", NULL };

const struct cli_command cmd_report = {
	.name = "report",
	.summary = "list the zones of an image, a mount or single zone files",
	.details = "One line a zone: number in the device, file in a mount, type, state, where it "
		   "starts, its size, its usable capacity and its write pointer, in bytes. On a "
		   "terminal the table fits its width: sizes have units, what is written stands "
		   "in place of the write pointer, and runs of equal empty zones are folded. An "
		   "image that zqfs has mounted is asked for at its mount.",
	.operands = report_operands,
	.min_operands = 1,
	.many = true,
	.options = report_options,
	.run = run_report,
};
