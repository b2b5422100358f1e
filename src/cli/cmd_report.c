/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs report": zones of an image, a mount or single zone files, as a table, CSV or JSON.
 * Reads in pieces, so that a million zones cost no memory. Changes nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/images.h"
#include "cli/term.h"
#include "cli/zones.h"
#include "util/cleanup.h"
#include "util/json.h"
#include "util/math.h"

#define ROWS_AT_ONCE 512u

enum { OPT_JSON = CLI_LONG_ONLY, OPT_CSV, OPT_DATA_FILE };
enum form { FORM_TEXT, FORM_CSV, FORM_JSON };

struct report {
	enum form form;
	bool count_only;
	bool wanted[ZQ_NR_STATES]; /* by the filter; all of them without one */
	bool bars, colour;
	int width; /* of a byte column in text */
	struct json json;
};

static const char *type_name(const struct zq_zone_info *z)
{
	return z->conventional ? "conventional" : "sequential";
}

/* ---- rows ---------------------------------------------------------------------------------- */

static const char *state_colour(enum zq_zone_state state)
{
	switch (state) {
	case ZQ_IMPLICIT_OPEN:
	case ZQ_EXPLICIT_OPEN:
		return "\033[32m";
	case ZQ_CLOSED:
		return "\033[36m";
	case ZQ_FULL:
		return "\033[33m";
	case ZQ_READ_ONLY:
	case ZQ_OFFLINE:
		return "\033[31m";
	default:
		return "";
	}
}

static void text_header(const struct report *r, bool files)
{
	printf("%-7s %-12s %-13s %*s %*s %*s %*s%s%s\n", "number", "type", "state", r->width,
	       "start", r->width, "size", r->width, "capacity", r->width, "wp",
	       r->bars ? "  filled" : "", files ? "  file" : "");
}

/* How much of a zone is taken, for the bar. */
static uint64_t row_filled(const struct zone_row *row)
{
	const struct zq_zone_info *z = &row->info;

	if (z->state == ZQ_FULL)
		return z->capacity;
	return row->has_wp ? min_u64(z->wp - z->start, z->capacity) : 0;
}

static void text_row(const struct report *r, const struct zone_row *row)
{
	const struct zq_zone_info *z = &row->info;
	const char *colour = r->colour ? state_colour(z->state) : "";
	char bar[TERM_BAR_MAX];

	printf("%-7u %-12s %s%-13s%s %*" PRIu64 " %*" PRIu64 " %*" PRIu64 " ", z->number,
	       type_name(z), colour, zq_state_name(z->state), *colour ? "\033[0m" : "", r->width,
	       z->start, r->width, z->len, r->width, z->capacity);
	if (row->has_wp)
		printf("%*" PRIu64, r->width, z->wp);
	else
		printf("%*s", r->width, "-");
	if (r->bars && !z->conventional)
		printf("  %s", term_bar(row_filled(row), z->capacity, bar));
	if (row->file)
		printf("%s  %s", r->bars && z->conventional ? "                " : "", row->file);
	putchar('\n');
}

/* A file name in CSV: quoted where it must be, quotes doubled. */
static void csv_text(const char *s)
{
	if (!strpbrk(s, ",\"\r\n")) {
		fputs(s, stdout);
		return;
	}
	putchar('"');
	for (; *s; s++) {
		if (*s == '"')
			putchar('"');
		putchar(*s);
	}
	putchar('"');
}

static void csv_row(const struct zone_row *row)
{
	const struct zq_zone_info *z = &row->info;

	printf("%u,%s,%s,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",", z->number, type_name(z),
	       zq_state_name(z->state), z->start, z->len, z->capacity);
	if (row->has_wp)
		printf("%" PRIu64, z->wp);
	if (row->file) {
		putchar(',');
		csv_text(row->file);
	}
	putchar('\n');
}

static void json_row(struct json *j, const struct zone_row *row)
{
	const struct zq_zone_info *z = &row->info;

	json_object_line(j, NULL);
	json_number(j, "number", z->number);
	json_string(j, "type", type_name(z));
	json_string(j, "state", zq_state_name(z->state));
	json_number(j, "start", z->start);
	json_number(j, "size", z->len);
	json_number(j, "capacity", z->capacity);
	if (row->has_wp)
		json_number(j, "wp", z->wp);
	else
		json_null(j, "wp");
	if (row->file)
		json_string(j, "file", row->file);
	json_end_object(j);
}

static void print_row(struct report *r, const struct zone_row *row)
{
	switch (r->form) {
	case FORM_TEXT:
		text_row(r, row);
		break;
	case FORM_CSV:
		csv_row(row);
		break;
	case FORM_JSON:
		json_row(&r->json, row);
		break;
	}
}

/* ---- counts -------------------------------------------------------------------------------- */

static void print_counts(struct report *r, const uint32_t *by_state)
{
	uint64_t total = 0;

	if (r->form == FORM_CSV)
		puts("state,zones");
	if (r->form == FORM_JSON)
		json_object(&r->json, "counts");
	for (int s = 0; s < ZQ_NR_STATES; s++) {
		const char *name = zq_state_name((enum zq_zone_state)s);

		if (!r->wanted[s])
			continue;
		total += by_state[s];
		if (r->form == FORM_JSON)
			json_number(&r->json, name, by_state[s]);
		else
			printf(r->form == FORM_CSV ? "%s,%u\n" : "%-13s %u\n", name, by_state[s]);
	}
	if (r->form == FORM_JSON) {
		json_end_object(&r->json);
		json_number(&r->json, "total", total);
	} else if (r->form == FORM_TEXT) {
		printf("%-13s %" PRIu64 "\n", "total", total);
	}
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void json_head(struct json *j, const struct zone_source *src)
{
	json_object(j, NULL);
	json_string(j, "image", src->image);
	json_string(j, "mountpoint", src->mountpoint);
	if (src->has_geo)
		images_json_geometry(j, &src->geo);
	else
		json_null(j, "geometry");
}

static int print_rows(struct report *r, struct zone_source *src, struct zq_error *err)
{
	struct zone_row *rows CLEANUP_FREE = calloc(ROWS_AT_ONCE, sizeof(*rows));
	int ret = 0;

	if (!rows)
		return zq_fail(err, -ENOMEM, "out of memory");
	for (uint32_t first = 0; !ret && first < src->nr; first += ROWS_AT_ONCE) {
		uint32_t n = (uint32_t)min_u64(src->nr - first, ROWS_AT_ONCE);

		ret = zones_read(src, first, n, rows, err);
		for (uint32_t i = 0; !ret && i < n; i++)
			if (r->wanted[rows[i].info.state])
				print_row(r, &rows[i]);
	}
	return ret;
}

static int print_zones(struct report *r, struct zone_source *src, struct zq_error *err)
{
	int ret;

	if (r->form == FORM_TEXT)
		text_header(r, src->files != NULL);
	else if (r->form == FORM_CSV)
		printf("number,type,state,start,size,capacity,wp%s\n", src->files ? ",file" : "");
	else
		json_array(&r->json, "zones");
	ret = print_rows(r, src, err);
	if (r->form == FORM_JSON)
		json_end_array(&r->json);
	return ret;
}

/* Wide enough for the largest offset, so that columns stay aligned. */
static int byte_width(const struct zone_source *src)
{
	int width = src->has_geo ? snprintf(NULL, 0, "%" PRIu64, src->geo.size) : 14;

	return width > 10 ? width : 10;
}

static int report_source(struct report *r, struct zone_source *src)
{
	uint32_t by_state[ZQ_NR_STATES];
	struct zq_error err = { "" };
	int ret = 0;

	/* Counted first, so that a failure does not leave half a document behind. */
	if (r->count_only)
		ret = zones_count(src, by_state, &err);
	if (ret)
		return cli_error("%s", err.msg);
	r->width = byte_width(src);
	if (r->form == FORM_JSON)
		json_head(&r->json, src);
	if (r->count_only)
		print_counts(r, by_state);
	else
		ret = print_zones(r, src, &err);
	if (r->form == FORM_JSON)
		json_end_object(&r->json);
	return ret ? cli_error("%s", err.msg) : CLI_DONE;
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

static int run_report(const struct cli_args *args)
{
	struct report r = { .json = { .out = stdout } };
	struct zone_source src;
	int ret;

	if (cli_given(args, OPT_JSON) && cli_given(args, OPT_CSV))
		return cli_usage_error(args->cmd, "--json and --csv exclude each other");
	r.form = cli_given(args, OPT_JSON)  ? FORM_JSON
		 : cli_given(args, OPT_CSV) ? FORM_CSV
					    : FORM_TEXT;
	r.count_only = cli_given(args, 'n');
	r.bars = term_is_fancy(stdout);
	r.colour = term_has_colour(stdout);
	ret = parse_filters(&r, args);
	if (ret)
		return ret;
	ret = report_open(args, &src);
	if (ret)
		return ret;
	ret = report_source(&r, &src);
	zones_close(&src);
	return ret;
}

static const struct cli_option report_options[] = {
	{ 'c', "cond", "STATE[,STATE...]",
	  "not-wp empty implicit-open explicit-open closed full read-only offline",
	  "list only zones in these states; may be repeated" },
	{ 'n', "count", NULL, NULL,
	  "print the number of zones in each state instead of the zones" },
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
	.details = "One line a zone: number in the device, type, state, and in bytes where it "
		   "starts, its size, its usable capacity and its write pointer. An image that "
		   "zqfs has mounted is asked for at its mount.",
	.operands = report_operands,
	.min_operands = 1,
	.many = true,
	.options = report_options,
	.run = run_report,
};
