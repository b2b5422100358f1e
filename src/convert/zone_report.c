/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zone reports as text: four forms, told by their first line that is not empty. A form is a
 * function that takes one line. Bounded: a line of more than LINE_BYTES is refused.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/zone_table.h"
#include "util/cleanup.h"
#include "util/math.h"

#define LINE_BYTES 4096
#define MAX_FIELDS 16
#define SECTOR	   512u

struct reader {
	struct zone_table *t;
	unsigned long line; /* of the file, for messages */
	/* our CSV: which column holds what; -1: none */
	int column[6];
};

/* Which columns of our CSV are needed, in the order of struct reader. */
enum { COL_TYPE, COL_STATE, COL_START, COL_SIZE, COL_CAPACITY, COL_WP };
static const char *const column_names[] = { "type", "state", "start", "size", "capacity", "wp" };

static int bad_line(const struct reader *r, const char *why, struct zq_error *err)
{
	return zq_fail(err, -EINVAL, "%s: line %lu: %s", r->t->name, r->line, why);
}

static bool sectors_to_bytes(uint64_t *v)
{
	return mul_u64(*v, SECTOR, v);
}

/* ---- blkzone report ---------------------------------------------------------------------- */

/* The number behind a word; false where the word is not there. */
static bool number_behind(const char *line, const char *word, int base, uint64_t *value)
{
	const char *p = strstr(line, word);
	char *end;

	if (!p)
		return false;
	p += strlen(word);
	while (*p == ' ')
		p++;
	if (!isxdigit((unsigned char)*p))
		return false;
	*value = strtoull(p, &end, base);
	return end != p;
}

/*
 * The pointer of a line in bytes of the disk; it counts from the zone's start. Zones whose pointer
 * the device does not know show all ones, less the start: such a zone has none.
 */
static bool blkzone_pointer(struct table_row *row)
{
	if (row->state == ZQ_READ_ONLY || row->state == ZQ_OFFLINE || row->conventional) {
		if (!sectors_to_bytes(&row->wp) || !add_u64(row->start, row->wp, &row->wp))
			row->wp = UINT64_MAX;
		return true;
	}
	return sectors_to_bytes(&row->wp) && add_u64(row->start, row->wp, &row->wp);
}

static int read_blkzone_line(struct reader *r, char *line, struct zq_error *err)
{
	struct table_row row = { 0 };
	uint64_t cond, type;
	int state;

	if (!number_behind(line, "start:", 16, &row.start) ||
	    !number_behind(line, "len ", 16, &row.len) ||
	    !number_behind(line, "wptr ", 16, &row.wp) ||
	    !number_behind(line, "zcond:", 10, &cond) || !number_behind(line, "type:", 10, &type))
		return bad_line(r, "not a line of \"blkzone report\"", err);
	if (!number_behind(line, "cap ", 16, &row.capacity))
		row.capacity = row.len; /* older versions do not show it */
	row.conventional = type == 1;
	state = cond > 15 ? -EINVAL : zone_state_from_cond((unsigned)cond);
	if (state < 0)
		return bad_line(r, "unknown zone condition", err);
	row.state = (enum zq_zone_state)state;
	if (!sectors_to_bytes(&row.start) || !sectors_to_bytes(&row.len) ||
	    !sectors_to_bytes(&row.capacity) || !blkzone_pointer(&row))
		return bad_line(r, "a number is too large", err);
	return zone_table_add(r->t, &row, err);
}

/* ---- comma-separated values ---------------------------------------------------------------- */

/* Cuts a line at its commas, in place; blanks around a field go. */
static int split_fields(char *line, char **field)
{
	int nr = 0;

	for (char *p = line; nr < MAX_FIELDS;) {
		char *comma = strchr(p, ','), *end;

		if (comma)
			*comma = '\0';
		while (isspace((unsigned char)*p))
			p++;
		end = p + strlen(p);
		while (end > p && isspace((unsigned char)end[-1]))
			*--end = '\0';
		field[nr++] = p;
		if (!comma)
			break;
		p = comma + 1;
	}
	return nr;
}

static bool plain_number(const char *text, int base, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, &end, base);
	return !errno && !*end;
}

/* "zbd report -csv": number, type, ofst, len, cap, wp, cond, non_seq, reset; in bytes. */
static int read_zbd_line(struct reader *r, char *line, struct zq_error *err)
{
	struct table_row row = { 0 };
	char *field[MAX_FIELDS];
	uint64_t type, cond;
	int state;

	if (split_fields(line, field) < 7 || !plain_number(field[1], 10, &type) ||
	    !plain_number(field[2], 10, &row.start) || !plain_number(field[3], 10, &row.len) ||
	    !plain_number(field[4], 10, &row.capacity) || !plain_number(field[5], 10, &row.wp) ||
	    !plain_number(field[6], 16, &cond))
		return bad_line(r, "not a line of \"zbd report -csv\"", err);
	state = cond > 15 ? -EINVAL : zone_state_from_cond((unsigned)cond);
	if (state < 0)
		return bad_line(r, "unknown zone condition", err);
	row.state = (enum zq_zone_state)state;
	row.conventional = type == 1;
	return zone_table_add(r->t, &row, err);
}

static int find_columns(struct reader *r, char *line, struct zq_error *err)
{
	char *field[MAX_FIELDS];
	int nr = split_fields(line, field);

	for (size_t c = 0; c < ARRAY_SIZE(column_names); c++) {
		r->column[c] = -1;
		for (int i = 0; i < nr; i++)
			if (!strcmp(field[i], column_names[c]))
				r->column[c] = i;
		if (r->column[c] < 0)
			return zq_fail(err, -EINVAL, "%s: line %lu: no column \"%s\"", r->t->name,
				       r->line, column_names[c]);
	}
	return 0;
}

/* Our own words for type and state. */
static int set_words(struct table_row *row, const char *type, const char *state)
{
	int s = zq_state_from_name(state);

	if (s < 0 || (strcmp(type, "conventional") && strcmp(type, "sequential")))
		return -EINVAL;
	row->conventional = !strcmp(type, "conventional");
	row->state = (enum zq_zone_state)s;
	return 0;
}

static int read_own_csv_line(struct reader *r, char *line, struct zq_error *err)
{
	struct table_row row = { 0 };
	char *field[MAX_FIELDS];
	int nr = split_fields(line, field);

	for (size_t c = 0; c < ARRAY_SIZE(column_names); c++)
		if (r->column[c] >= nr)
			return bad_line(r, "too few columns", err);
	if (set_words(&row, field[r->column[COL_TYPE]], field[r->column[COL_STATE]]) ||
	    !plain_number(field[r->column[COL_START]], 10, &row.start) ||
	    !plain_number(field[r->column[COL_SIZE]], 10, &row.len) ||
	    !plain_number(field[r->column[COL_CAPACITY]], 10, &row.capacity))
		return bad_line(r, "not a line of \"zqfs report --csv\"", err);
	/* conventional and full zones have none */
	if (*field[r->column[COL_WP]] && !plain_number(field[r->column[COL_WP]], 10, &row.wp))
		return bad_line(r, "not a write pointer", err);
	return zone_table_add(r->t, &row, err);
}

/* ---- our JSON -------------------------------------------------------------------------------- */

/* The text behind "key": in a line; false where the key is not there. */
static bool json_text(const char *line, const char *key, char *out, size_t size)
{
	char quoted[32];
	const char *p;
	size_t n = 0;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	p = strstr(line, quoted);
	if (!p)
		return false;
	p += strlen(quoted);
	while (*p == ' ' || *p == '"')
		p++;
	while (*p && !strchr("\",}] \n", *p) && n + 1 < size)
		out[n++] = *p++;
	out[n] = '\0';
	return true;
}

static bool json_value(const char *line, const char *key, uint64_t *value)
{
	char text[32];

	return json_text(line, key, text, sizeof(text)) && plain_number(text, 10, value);
}

/* "zqfs report --json" has each zone on a line of its own, and the geometry a key a line. */
static int read_own_json_line(struct reader *r, char *line, struct zq_error *err)
{
	struct table_row row = { 0 };
	char type[32], state[32];
	uint64_t limit;

	if (!json_text(line, "state", state, sizeof(state))) {
		if (json_value(line, "max_open", &limit))
			r->t->max_open = (uint32_t)min_u64(limit, UINT32_MAX);
		if (json_value(line, "max_active", &limit))
			r->t->max_active = (uint32_t)min_u64(limit, UINT32_MAX);
		if (json_value(line, "max_append", &limit))
			r->t->max_append = (uint32_t)min_u64(limit, UINT32_MAX);
		return 0;
	}
	if (!json_text(line, "type", type, sizeof(type)) || set_words(&row, type, state) ||
	    !json_value(line, "start", &row.start) || !json_value(line, "size", &row.len) ||
	    !json_value(line, "capacity", &row.capacity))
		return bad_line(r, "not a line of \"zqfs report --json\"", err);
	json_value(line, "wp", &row.wp); /* null where a zone has none */
	return zone_table_add(r->t, &row, err);
}

/* ---- telling them apart ------------------------------------------------------------------------
 */

typedef int (*line_fn)(struct reader *r, char *line, struct zq_error *err);

/* The form of a report by its first line; *heading: the line is not a zone's. */
static line_fn tell_form(const char *line, bool *heading)
{
	*heading = true;
	if (!strncmp(line, "zone num,", 9))
		return read_zbd_line;
	if (!strncmp(line, "number,", 7))
		return read_own_csv_line;
	*heading = false;
	if (strstr(line, "start:") && strstr(line, "zcond:"))
		return read_blkzone_line;
	if (*line == '{')
		return read_own_json_line;
	if (isdigit((unsigned char)*line))
		return read_zbd_line;
	return NULL;
}

static int read_lines(struct reader *r, FILE *f, struct zq_error *err)
{
	char line[LINE_BYTES];
	line_fn form = NULL;
	int ret = 0;

	while (!ret && fgets(line, sizeof(line), f)) {
		char *start = line + strspn(line, " \t\r\n");
		bool heading = false;

		r->line++;
		if (!strchr(line, '\n') && !feof(f)) /* or zero bytes are in it */
			return bad_line(r, "too long", err);
		if (!*start)
			continue;
		if (!form) {
			form = tell_form(start, &heading);
			if (!form)
				return bad_line(r, "neither of blkzone's, zbd's nor zqfs's reports",
						err);
		}
		if (!heading)
			ret = form(r, start, err);
		else if (form == read_own_csv_line)
			ret = find_columns(r, start, err);
	}
	if (!ret && ferror(f))
		ret = zq_fail(err, -EIO, "%s: cannot be read", r->t->name);
	return ret;
}

int zone_report_read(const char *path, struct zone_table *t, struct zq_error *err)
{
	struct reader r = { .t = t };
	FILE *f = fopen(path, "re");
	int ret;

	if (!f)
		return zq_fail(err, -errno, "%s: %s", path, strerror(errno));
	t->name = path;
	ret = read_lines(&r, f, err);
	fclose(f);
	return ret;
}
