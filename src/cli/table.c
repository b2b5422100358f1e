/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Columns, their widths and who gives way; folded runs; totals. Owns nothing and reads no
 * zone; errors of the stream stay in the stream.
 */
#include "cli/table.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/term.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "util/printable.h"
#include "util/size.h"

#define HUMAN_WIDTH 9 /* "0.977 GiB" */
#define BYTES_WIDTH 10
#define BAR_ENDS    2 /* its bars */
#define BAR_MIN	    5 /* cells */
#define FOLD_FROM   3 /* rows; two are shown as they are */

const char *zone_type_name(const struct zq_zone_info *z)
{
	return z->conventional ? "conventional" : "sequential";
}

uint64_t zone_row_written(const struct zone_row *row)
{
	const struct zq_zone_info *z = &row->info;

	if (z->state == ZQ_FULL)
		return z->capacity;
	return row->has_wp ? min_u64(z->wp - z->start, z->capacity) : 0;
}

/* ---- widths --------------------------------------------------------------------------------- */

static const char *const headers[] = {
	[COL_NUMBER] = "number", [COL_FILE] = "file",	      [COL_TYPE] = "type",
	[COL_STATE] = "state",	 [COL_START] = "start",	      [COL_SIZE] = "size",
	[COL_WP] = "wp",	 [COL_CAPACITY] = "capacity", [COL_BAR] = "filled",
};

static int decimal_width(uint64_t n)
{
	return snprintf(NULL, 0, "%" PRIu64, n);
}

static int at_least(int width, int least)
{
	return width > least ? width : least;
}

/* The widest name that can come. */
static int file_width(const struct zone_source *src, uint32_t last)
{
	char name[ZQ_ZONE_NAME_MAX];
	int width = 0;

	for (uint32_t i = 0; src->files && i <= last; i++) {
		char *shown CLEANUP_FREE = printable_dup(src->files[i]);

		if (shown)
			width = at_least((int)strlen(shown), width);
	}
	if (src->files)
		return width;
	width = (int)strlen(zone_file_name(src, last, name));
	if (src->geo.nr_conv)
		width = at_least((int)strlen(zone_file_name(src, src->geo.nr_conv - 1, name)),
				 width);
	return width;
}

static int used_columns(const struct table *t)
{
	int sum = -1;

	for (int c = 0; c < NR_COLUMNS; c++)
		sum += t->width[c] ? t->width[c] + 1 : 0;
	return sum;
}

/* Drops what a person misses least, until the rest fits; the bar takes what is left over. */
static void fit_columns(struct table *t)
{
	static const enum table_column give_way[] = { COL_TYPE,	 COL_SIZE,     COL_BAR,
						      COL_START, COL_CAPACITY, COL_NUMBER };
	int left;

	for (size_t i = 0; i < ARRAY_SIZE(give_way) && used_columns(t) > t->style.columns; i++)
		t->width[give_way[i]] = 0;
	left = t->style.columns - used_columns(t);
	if (t->width[COL_BAR] && left > 0)
		t->width[COL_BAR] = (int)min_u64((uint64_t)(t->width[COL_BAR] + left),
						 TERM_BAR_CELLS + BAR_ENDS);
}

static void set_widths(struct table *t, const struct zone_source *src, uint32_t last)
{
	int bytes = HUMAN_WIDTH;

	if (!t->style.human)
		bytes = at_least(src->has_geo ? decimal_width(src->geo.size) : 14, BYTES_WIDTH);
	t->width[COL_NUMBER] = at_least(decimal_width(src->files ? 0 : last), 6);
	t->width[COL_FILE] = at_least(file_width(src, last), 5);
	t->width[COL_TYPE] = 12;
	t->width[COL_STATE] = 13;
	for (int c = COL_START; c <= COL_WP; c++)
		t->width[c] = bytes;
	t->width[COL_BAR] = t->style.bars ? BAR_MIN + BAR_ENDS : 0;
	if (t->style.columns)
		fit_columns(t);
}

/* ---- cells ----------------------------------------------------------------------------------- */

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

/* Words stand to the left of their column, numbers to the right. */
static bool is_number(enum table_column c)
{
	return c >= COL_START && c <= COL_WP;
}

static bool ends_line(const struct table *t, int c)
{
	for (c++; c < NR_COLUMNS; c++)
		if (t->width[c])
			return false;
	return true;
}

/* One cell and what parts it from the next one. Nothing is padded at the end of a line. */
static void table_cell(const struct table *t, enum table_column c, const char *text,
		       const char *colour)
{
	int pad = t->width[c] - (int)strlen(text);
	bool last = ends_line(t, (int)c);

	pad = pad > 0 ? pad : 0;
	fprintf(t->out, "%*s%s%s%s", is_number(c) ? pad : 0, "", colour, text,
		*colour ? "\033[0m" : "");
	if (last)
		putc('\n', t->out);
	else
		fprintf(t->out, "%*s", is_number(c) ? 1 : pad + 1, "");
}

static void table_header(const struct table *t)
{
	for (int c = 0; c < NR_COLUMNS; c++)
		if (t->width[c])
			table_cell(t, (enum table_column)c,
				   c == COL_WP && t->style.human ? "written" : headers[c], "");
}

static const char *bytes_text(const struct table *t, uint64_t bytes, char *buf)
{
	if (t->style.human)
		return size_format(bytes, buf);
	snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64, bytes);
	return buf;
}

/* A person learns nothing from an absolute write pointer that is rounded. */
static const char *wp_text(const struct table *t, const struct zone_row *row, char *buf)
{
	const struct zq_zone_info *z = &row->info;
	bool written = t->style.human && !z->conventional && (row->has_wp || z->state == ZQ_FULL);

	if (written)
		return size_format(zone_row_written(row), buf);
	return !t->style.human && row->has_wp ? bytes_text(t, z->wp, buf) : "-";
}

static const char *cell_text(const struct table *t, enum table_column c, const struct zone_row *row,
			     char *buf)
{
	const struct zq_zone_info *z = &row->info;

	switch (c) {
	case COL_NUMBER:
		snprintf(buf, SIZE_TEXT_MAX, "%u", z->number);
		return buf;
	case COL_TYPE:
		return zone_type_name(z);
	case COL_STATE:
		return zq_state_name(z->state);
	case COL_START:
		return bytes_text(t, z->start, buf);
	case COL_SIZE:
		return bytes_text(t, z->len, buf);
	case COL_CAPACITY:
		return bytes_text(t, z->capacity, buf);
	case COL_WP:
		return wp_text(t, row, buf);
	case COL_BAR:
		return z->conventional ? "-"
				       : term_bar(zone_row_written(row), z->capacity,
						  t->width[COL_BAR] - BAR_ENDS, buf);
	default:
		return zone_row_file(row);
	}
}

static bool room_for_line(struct table *t)
{
	if (t->style.max_lines && t->lines >= t->style.max_lines) {
		t->hidden++;
		return false;
	}
	t->lines++;
	return true;
}

static void table_line(struct table *t, const struct zone_row *row)
{
	char buf[SIZE_TEXT_MAX];

	if (!room_for_line(t))
		return;
	for (int c = 0; c < NR_COLUMNS; c++) {
		char *file CLEANUP_FREE = c == COL_FILE ? printable_dup(zone_row_file(row)) : NULL;

		if (!t->width[c])
			continue;
		table_cell(t, (enum table_column)c,
			   file ? file : cell_text(t, (enum table_column)c, row, buf),
			   c == COL_STATE && t->style.colour ? state_colour(row->info.state) : "");
	}
}

/* ---- rows ------------------------------------------------------------------------------------ */

static bool folds_with(const struct zq_zone_info *a, const struct zq_zone_info *b)
{
	return a->state == ZQ_EMPTY && b->state == ZQ_EMPTY && b->number == a->number + 1 &&
	       a->len == b->len && a->capacity == b->capacity;
}

/* What of a run has not been shown yet: all but its first row. */
static void end_run(struct table *t)
{
	char label[ZQ_ZONE_LABEL_MAX];

	if (t->run >= FOLD_FROM && room_for_line(t))
		fprintf(t->out, "  ... %u more, to %s\n", t->run - 1,
			zq_zone_label(t->nr_conv, t->last.info.number, label) + strlen("zone "));
	else if (t->run == FOLD_FROM - 1)
		table_line(t, &t->last);
	t->run = 0;
}

static void count_row(struct table *t, const struct zone_row *row)
{
	t->nr++;
	t->by_state[row->info.state]++;
	if (row->info.conventional)
		return;
	t->capacity += row->info.capacity;
	t->written += zone_row_written(row);
}

void table_row(struct table *t, const struct zone_row *row)
{
	count_row(t, row);
	if (t->run && folds_with(&t->last.info, &row->info)) {
		t->last = *row;
		t->run++;
		return;
	}
	end_run(t);
	table_line(t, row);
	if (t->style.fold && row->info.state == ZQ_EMPTY) {
		t->last = *row;
		t->run = 1;
	}
}

static void table_total(const struct table *t)
{
	char text[512], sum[2 * SIZE_TEXT_MAX + 32], written[SIZE_TEXT_MAX],
		capacity[SIZE_TEXT_MAX];
	int columns = t->style.columns ? t->style.columns : 80;
	const char *sep = ": ";
	int n = snprintf(text, sizeof(text), "%" PRIu64 " zone%s", t->nr, t->nr == 1 ? "" : "s"),
	    len;

	for (int s = 0; s < ZQ_NR_STATES; s++) {
		if (!t->by_state[s])
			continue;
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s%u %s", sep, t->by_state[s],
			      zq_state_name((enum zq_zone_state)s));
		sep = ", ";
	}
	if (t->capacity) {
		len = snprintf(
			sum, sizeof(sum), "%s of %s%s written", bytes_text(t, t->written, written),
			bytes_text(t, t->capacity, capacity), t->style.human ? "" : " bytes");
		snprintf(text + n, sizeof(text) - (size_t)n, "%s%s",
			 n + 2 + len < columns ? "; " : "\n", sum);
	}
	term_paragraph(t->out, columns, text);
}

void table_begin(struct table *t, FILE *out, const struct table_style *style,
		 const struct zone_source *src, uint32_t last)
{
	*t = (struct table){ .out = out, .style = *style, .nr_conv = src->geo.nr_conv };
	set_widths(t, src, last);
	table_header(t);
}

void table_end(struct table *t)
{
	end_run(t);
	if (t->hidden)
		fprintf(t->out, "  ... and %d more line%s; choose zones with -o and -l\n",
			t->hidden, t->hidden == 1 ? "" : "s");
	if (t->style.total)
		table_total(t);
}
