/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From rows to a geometry. Everything here comes from outside: sums are checked before use.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "convert/zone_table.h"
#include "qcow2/format/geometry.h"
#include "util/math.h"

static const struct {
	enum zq_zone_state state;
	unsigned cond;
} conditions[] = {
	{ ZQ_NOT_WP, 0 }, { ZQ_EMPTY, 1 },	{ ZQ_IMPLICIT_OPEN, 2 }, { ZQ_EXPLICIT_OPEN, 3 },
	{ ZQ_CLOSED, 4 }, { ZQ_READ_ONLY, 13 }, { ZQ_FULL, 14 },	 { ZQ_OFFLINE, 15 },
};

int zone_state_from_cond(unsigned cond)
{
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
		if (conditions[i].cond == cond)
			return (int)conditions[i].state;
	return -EINVAL;
}

unsigned zone_cond_from_state(enum zq_zone_state state)
{
	for (size_t i = 0; i < ARRAY_SIZE(conditions); i++)
		if (conditions[i].state == state)
			return conditions[i].cond;
	return 0;
}

int zone_table_add(struct zone_table *t, const struct table_row *row, struct zq_error *err)
{
	if (t->nr == ZONE_TABLE_MAX)
		return zq_fail(err, -E2BIG, "%s: more than %" PRIu32 " zones", t->name,
			       ZONE_TABLE_MAX);
	if (t->nr == t->cap) {
		size_t cap = t->cap ? t->cap * 2 : 256;
		struct table_row *bigger = realloc(t->row, cap * sizeof(*bigger));

		if (!bigger)
			return zq_fail(err, -ENOMEM, "out of memory");
		t->row = bigger;
		t->cap = cap;
	}
	t->row[t->nr++] = *row;
	return 0;
}

void zone_table_free(struct zone_table *t)
{
	free(t->row);
	t->row = NULL;
	t->nr = t->cap = 0;
}

/* The sizes that the first zones tell, for all the others to be held against. */
static int derive_geometry(const struct zone_table *t, struct zq_geometry *g, struct zq_error *err)
{
	const struct table_row *last;

	if (!t->nr)
		return zq_fail(err, -EINVAL, "%s: no zones in it", t->name);
	last = &t->row[t->nr - 1];
	g->zone_size = t->row[0].len;
	g->nr_zones = (uint32_t)t->nr;
	while (g->nr_conv < t->nr && t->row[g->nr_conv].conventional)
		g->nr_conv++;
	g->zone_capacity = g->nr_conv < t->nr ? t->row[g->nr_conv].capacity : g->zone_size;
	g->max_open = t->max_open;
	g->max_active = t->max_active;
	g->max_append = t->max_append;
	if (!add_u64(last->start, last->len, &g->size) || g->size > INT64_MAX)
		return zq_fail(err, -EINVAL, "%s: the last zone ends behind 2^63 bytes", t->name);
	return 0;
}

static int check_row(const struct zone_table *t, const struct zq_geometry *g, uint32_t nr,
		     struct zq_error *err)
{
	const struct table_row *r = &t->row[nr];
	bool last = nr + 1 == t->nr;
	uint64_t start;

	if (!mul_u64(nr, g->zone_size, &start) || r->start != start)
		return zq_fail(err, -EINVAL,
			       "%s: zone %" PRIu32 " starts at %" PRIu64 ", not behind %" PRIu32
			       " zones of %" PRIu64 " bytes",
			       t->name, nr, r->start, nr, g->zone_size);
	if (r->len != g->zone_size && (!last || r->len > g->zone_size || !r->len))
		return zq_fail(err, -EINVAL,
			       "%s: zone %" PRIu32 " has %" PRIu64 " bytes, the first one %" PRIu64,
			       t->name, nr, r->len, g->zone_size);
	if (r->conventional != (nr < g->nr_conv))
		return zq_fail(err, -EINVAL,
			       "%s: zone %" PRIu32
			       " is conventional and comes behind a sequential one",
			       t->name, nr);
	if (!r->conventional && r->capacity != zq_zone_cap(g, nr))
		return zq_fail(err, -EINVAL,
			       "%s: zone %" PRIu32 " has a capacity of %" PRIu64
			       " bytes, other zones %" PRIu64,
			       t->name, nr, r->capacity, zq_zone_cap(g, nr));
	return 0;
}

static int fill_zone(const struct zone_table *t, const struct zq_geometry *g, uint32_t nr,
		     struct disk_zone *z, struct zq_error *err)
{
	const struct table_row *r = &t->row[nr];
	uint64_t capacity = zq_zone_cap(g, nr);

	z->state = (uint8_t)(r->conventional ? ZQ_NOT_WP : r->state);
	switch (z->state) {
	case ZQ_NOT_WP:
	case ZQ_FULL:
		z->written = capacity;
		return 0;
	case ZQ_EMPTY:
	case ZQ_OFFLINE:
		z->written = 0;
		return 0;
	default:
		break;
	}
	if (r->wp < r->start || r->wp - r->start > capacity) {
		/* some devices report no pointer of a read-only zone */
		if (z->state != ZQ_READ_ONLY)
			return zq_fail(err, -EINVAL,
				       "%s: zone %" PRIu32 ": the write pointer %" PRIu64
				       " is outside of the zone, %" PRIu64 " to %" PRIu64,
				       t->name, nr, r->wp, r->start, r->start + capacity);
		z->written = capacity;
		return 0;
	}
	z->written = r->wp - r->start;
	return 0;
}

int zone_table_finish(const struct zone_table *t, struct disk_source *s, struct zq_error *err)
{
	int ret;

	s->geo = (struct zq_geometry){ 0 };
	ret = derive_geometry(t, &s->geo, err);
	if (ret)
		return ret;
	s->zone = calloc(t->nr, sizeof(*s->zone));
	if (!s->zone)
		return zq_fail(err, -ENOMEM, "out of memory for %zu zones", t->nr);
	s->has_open_states = true;
	for (uint32_t i = 0; i < t->nr && !ret; i++) {
		ret = check_row(t, &s->geo, i, err);
		if (!ret)
			ret = fill_zone(t, &s->geo, i, &s->zone[i], err);
	}
	if (ret)
		return ret;
	ret = geometry_check_shape(&s->geo, INT64_MAX, err);
	if (ret)
		zq_error_prefix(err, t->name);
	return ret;
}
