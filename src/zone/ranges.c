/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parser for lists of zones. Owns the array it returns, locks nothing, never looks at a
 * device: whether a zone may be reset is its caller's business.
 */
#include "zone/ranges.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

/* Reads one "N", "N-M" or "N-" and moves behind it. */
static int take_range(const char **s, uint32_t nr, struct zone_range *r, struct zq_error *err)
{
	const char *item = *s;
	int len = (int)strcspn(item, ",");
	uint64_t first, last;

	if (!take_number(s, &first))
		return zq_fail(err, -EINVAL,
			       "zones: '%.*s' is not a zone: write 3, 3-7, 3,5,9- or all", len,
			       item);
	last = first;
	if (**s == '-') {
		++*s;
		if (!take_number(s, &last)) /* an open end */
			last = first > nr - 1 ? first : nr - 1;
	}
	if (**s != ',' && **s != '\0')
		return zq_fail(err, -EINVAL,
			       "zones: '%.*s' is not a zone: write 3, 3-7, 3,5,9- or all", len,
			       item);
	if (last < first)
		return zq_fail(err, -EINVAL, "zones: %.*s runs backwards", len, item);
	if (last >= nr)
		return zq_fail(err, -EINVAL, "zones: %.*s: the last zone is %u", len, item, nr - 1);
	r->first = (uint32_t)first;
	r->last = (uint32_t)last;
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

int ranges_parse(const char *text, uint32_t nr, struct zone_ranges *out, struct zq_error *err)
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
		ranges.r[0].last = nr - 1;
		ranges.nr = 1;
		*out = ranges;
		return 0;
	}
	for (const char *p = text; !ret; p++) {
		ret = take_range(&p, nr, &ranges.r[ranges.nr], err);
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
