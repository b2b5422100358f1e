/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parser for lists of zones. Owns the array it returns, locks nothing, never looks at a
 * device: whether a zone may be reset is its caller's business.
 */
#include "zone/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/math.h"

/* Reads decimal digits at *s and moves behind them. Numbers of any length are told from
 * each other by saturation: what does not fit into 32 bits is beyond every device. */
static bool take_number(const char **s, uint64_t *value)
{
	const char *p = *s;
	uint64_t v = 0;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++)
		v = v > UINT32_MAX ? v : v * 10 + (uint64_t)(*p - '0');
	*s = p;
	*value = v;
	return true;
}

static int not_a_zone(int len, const char *item, struct zq_error *err)
{
	return zq_fail(err, -EINVAL,
		       "zones: '%.*s' is not a zone: write 3, 3-7, 3,5,9-, seq/0, seq/0-4, cnv/1 "
		       "or all",
		       len, item);
}

/* What the numbers of an item count: all zones, or those of a kind from its first one on. */
struct zone_span {
	uint32_t base; /* the zone that number 0 stands for */
	uint32_t first, end;
	const char *kind; /* "", "conventional ", "sequential " */
};

/* Moves behind "seq/" or "cnv/", or behind "seq-" or "cnv-", whose numbers count all zones. */
static struct zone_span take_kind(const char **s, const struct zq_geometry *g)
{
	const char *p = *s;
	bool seq = !strncmp(p, "seq", 3), cnv = !strncmp(p, "cnv", 3);
	uint32_t first = seq ? g->nr_conv : 0;

	if ((!seq && !cnv) || (p[3] != '/' && p[3] != '-'))
		return (struct zone_span){ 0, 0, g->nr_zones, "" };
	*s += 4;
	return (struct zone_span){
		.base = p[3] == '/' ? first : 0,
		.first = first,
		.end = seq ? g->nr_zones : g->nr_conv,
		.kind = seq ? "sequential " : "conventional ",
	};
}

static int no_such_zone(const struct zone_span *span, const struct zq_geometry *g, int len,
			const char *item, struct zq_error *err)
{
	char label[ZQ_ZONE_LABEL_MAX];

	if (span->first == span->end)
		return zq_fail(err, -EINVAL, "zones: %.*s: there are no %szones", len, item,
			       span->kind);
	return zq_fail(err, -EINVAL, "zones: %.*s: the last %szone is %s", len, item, span->kind,
		       zq_zone_label(g->nr_conv, span->end - 1, label) + strlen("zone "));
}

/* Reads one "N", "N-M" or "N-", a kind of zone in front of it or not, and moves behind it. */
static int take_range(const char **s, const struct zq_geometry *g, struct zone_range *r,
		      struct zq_error *err)
{
	const char *item = *s;
	int len = (int)strcspn(item, ",");
	struct zone_span span = take_kind(s, g);
	char label[ZQ_ZONE_LABEL_MAX];
	uint64_t first, last;

	if (!take_number(s, &first))
		return not_a_zone(len, item, err);
	last = first;
	if (**s == '-') {
		++*s;
		if (!take_number(s, &last)) /* an open end */
			last = max_u64(first, (uint64_t)span.end - 1 - span.base);
	}
	if (**s != ',' && **s != '\0')
		return not_a_zone(len, item, err);
	if (last < first)
		return zq_fail(err, -EINVAL, "zones: %.*s runs backwards", len, item);
	/* A zloop name that says the wrong kind. */
	if (first + span.base < span.first)
		return zq_fail(err, -EINVAL, "zones: %.*s: %s is conventional", len, item,
			       zq_zone_label(g->nr_conv, (uint32_t)first, label));
	/* take_number() stops not far above 2^32, so the sum fits. */
	if (last + span.base >= span.end)
		return no_such_zone(&span, g, len, item, err);
	r->first = (uint32_t)first + span.base;
	r->last = (uint32_t)last + span.base;
	return 0;
}

static int by_first(const void *a, const void *b)
{
	const struct zone_range *ra = a, *rb = b;

	return (ra->first > rb->first) - (ra->first < rb->first);
}

/* Sorts, and joins what overlaps or touches, so that no zone is visited twice. */
static void normalise(struct zone_ranges *ranges)
{
	size_t n = 0;

	qsort(ranges->r, ranges->nr, sizeof(*ranges->r), by_first);
	for (size_t i = 1; i < ranges->nr; i++) {
		struct zone_range *end = &ranges->r[n], *next = &ranges->r[i];

		if (next->first > (uint64_t)end->last + 1)
			ranges->r[++n] = *next;
		else if (next->last > end->last)
			end->last = next->last;
	}
	ranges->nr = n + 1;
}

int ranges_parse(const char *text, const struct zq_geometry *g, struct zone_ranges *out,
		 struct zq_error *err)
{
	struct zone_ranges ranges = { .all = !strcmp(text, "all") };
	size_t items = 1;
	int ret = 0;

	for (const char *p = text; *p; p++)
		items += *p == ',';
	ranges.r = calloc(items, sizeof(*ranges.r));
	if (!ranges.r)
		return zq_fail(err, -ENOMEM, "zones: out of memory");
	if (ranges.all) {
		ranges.r[0].last = g->nr_zones - 1;
		ranges.nr = 1;
		*out = ranges;
		return 0;
	}
	for (const char *p = text; !ret; p++) {
		ret = take_range(&p, g, &ranges.r[ranges.nr], err);
		ranges.nr += !ret;
		if (ret || !*p)
			break;
	}
	if (ret) {
		free(ranges.r);
		return ret;
	}
	normalise(&ranges);
	*out = ranges;
	return 0;
}

void ranges_free(struct zone_ranges *ranges)
{
	free(ranges->r);
	ranges->r = NULL;
	ranges->nr = 0;
}

uint64_t ranges_count(const struct zone_ranges *ranges)
{
	uint64_t n = 0;

	for (size_t i = 0; i < ranges->nr; i++)
		n += (uint64_t)ranges->r[i].last - ranges->r[i].first + 1;
	return n;
}
