/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reader of our own lines (src/fs/trace.c writes them) and the table of what they say. A line that
 * is something else is counted and passed by, since the file may hold anything.
 */
#include "cli/trace_summary.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cli/term.h"
#include "util/cleanup.h"
#include "util/math.h"
#include "util/printable.h"
#include "util/size.h"

#define BAR_COLUMN 70 /* up to the bar, with a file name of up to 9 characters */
#define SHARE_MIN  4
#define SHARE_MAX  10

/* ---- reading --------------------------------------------------------------------------------- */

/* What stands behind "key": in the line, NULL when the key is not there. */
static const char *value_of(const char *line, const char *key)
{
	char quoted[32];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\":", key);
	at = strstr(line, quoted);
	return at ? at + strlen(quoted) : NULL;
}

static bool number_of(const char *line, const char *key, int64_t *value)
{
	const char *text = value_of(line, key);
	char *end;

	if (!text)
		return false;
	errno = 0;
	*value = strtoll(text, &end, 10);
	return end != text && !errno;
}

static double micros_of(const char *line)
{
	const char *text = value_of(line, "us");

	return text ? strtod(text, NULL) : 0;
}

/* The word between quotes, cut where buf ends. */
static bool trace_word(const char *line, const char *key, char *buf, size_t size)
{
	const char *text = value_of(line, key);
	size_t len;

	if (!text || *text != '"')
		return false;
	len = strcspn(text + 1, "\"");
	len = len < size ? len : size - 1;
	memcpy(buf, text + 1, len);
	buf[len] = '\0';
	return true;
}

static struct trace_counts *counts_of(struct trace_summary *s, uint32_t zone)
{
	size_t nr = s->nr ? s->nr : 64;
	struct trace_counts *more;

	while (nr <= zone)
		nr *= 2;
	if (nr > s->nr) {
		more = reallocarray(s->zones, nr, sizeof(*more));
		if (!more)
			return NULL;
		memset(more + s->nr, 0, (nr - s->nr) * sizeof(*more));
		s->zones = more;
		s->nr = nr;
	}
	return &s->zones[zone];
}

static void count_operation(struct trace_counts *c, const char *op, const char *line,
			    int64_t result)
{
	if (result < 0) {
		c->refused++;
	} else if (!strcmp(op, "append") || !strcmp(op, "write")) {
		c->writes++;
		c->written += (uint64_t)result;
		c->write_us += micros_of(line);
	} else if (!strcmp(op, "read")) {
		c->reads++;
		c->read += (uint64_t)result;
	} else if (!strcmp(op, "reset")) {
		c->resets++;
	} else if (!strcmp(op, "finish")) {
		c->finishes++;
	}
}

/* Those that are of the whole device, or of the zones' states. */
static bool count_other(struct trace_summary *s, const char *op, const char *line)
{
	int64_t lines;

	if (!strcmp(op, "lost") && number_of(line, "lines", &lines) && lines > 0)
		s->lost += (uint64_t)lines;
	else if (!strcmp(op, "implicit-open"))
		s->implicit_opens++;
	else if (!strcmp(op, "implicit-close"))
		s->implicit_closes++;
	else if (strcmp(op, "fsync") != 0)
		return !strcmp(op, "state");
	else {
		s->syncs++;
		s->sync_us += micros_of(line);
	}
	return true;
}

int summary_line(struct trace_summary *s, char *line)
{
	struct trace_counts *c;
	int64_t zone, result;
	char op[24];

	s->lines++;
	if (!trace_word(line, "op", op, sizeof(op))) {
		s->strange++;
		return 0;
	}
	if (count_other(s, op, line))
		return 0;
	if (!number_of(line, "zone", &zone) || !number_of(line, "result", &result) || zone < 0 ||
	    zone >= ZQ_MAX_ZONES) {
		s->strange++;
		return 0;
	}
	c = counts_of(s, (uint32_t)zone);
	if (!c)
		return -ENOMEM;
	trace_word(line, "file", c->file, sizeof(c->file));
	count_operation(c, op, line, result);
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* What the terminal leaves for the bar; 0: none. */
static int bar_cells(FILE *out)
{
	int columns, lines, cells;

	if (!term_is_fancy(out))
		return 0;
	term_size(out, &columns, &lines);
	cells = columns - BAR_COLUMN - 2;
	return cells < SHARE_MIN ? 0 : cells > SHARE_MAX ? SHARE_MAX : cells;
}

static void print_zone(const struct trace_counts *c, uint64_t most, int bar_width, FILE *out)
{
	char written[SIZE_TEXT_MAX], read[SIZE_TEXT_MAX], bar[TERM_BAR_MAX];
	char file[4 * ZQ_ZONE_NAME_MAX];

	fprintf(out, "%-9s %7" PRIu64 " %9s %8.1f %7" PRIu64 " %9s %6" PRIu64 " %7" PRIu64,
		printable_to(c->file, file, sizeof(file)), c->writes,
		size_format(c->written, written), c->writes ? c->write_us / (double)c->writes : 0,
		c->reads, size_format(c->read, read), c->resets + c->finishes, c->refused);
	if (bar_width)
		fprintf(out, " %s", term_bar(c->written, most, bar_width, bar));
	putc('\n', out);
}

static void print_rest(const struct trace_summary *s, FILE *out)
{
	fprintf(out,
		"%" PRIu64 " lines; %" PRIu64 " syncs of %.1f us; %" PRIu64
		" implicit opens, %" PRIu64 " implicit closes\n",
		s->lines, s->syncs, s->syncs ? s->sync_us / (double)s->syncs : 0, s->implicit_opens,
		s->implicit_closes);
	if (s->lost)
		fprintf(out, "%" PRIu64 " operations were lost, they are not counted\n", s->lost);
	if (s->strange)
		fprintf(out, "%" PRIu64 " lines are of no trace\n", s->strange);
}

void summary_print(const struct trace_summary *s, FILE *out)
{
	int bar_width = bar_cells(out);
	uint64_t most = 0;

	for (size_t i = 0; i < s->nr; i++)
		most = max_u64(most, s->zones[i].written);
	fprintf(out, "%-9s %7s %9s %8s %7s %9s %6s %7s%s\n", "file", "writes", "written",
		"us/write", "reads", "read", "resets", "refused", bar_width ? " share" : "");
	for (size_t i = 0; i < s->nr; i++)
		if (s->zones[i].file[0])
			print_zone(&s->zones[i], most, bar_width, out);
	print_rest(s, out);
}

void summary_free(struct trace_summary *s)
{
	free(s->zones);
	*s = (struct trace_summary){ NULL };
}
