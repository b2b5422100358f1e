/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Zones of one disk for another.
 */
#include <errno.h>
#include <inttypes.h>

#include "offline/inherit.h"
#include "qcow2/format/geometry.h"
#include "qcow2/format/zoned_layout.h"
#include "util/math.h"

int inherit_check(const struct zq_create_opts *o, const struct zq_geometry *g, const char *whose,
		  const char *why, struct zq_error *err)
{
	const struct {
		const char *what;
		uint64_t wanted, is;
	} field[] = {
		{ "size", o->size, g->size },
		{ "zone.size", o->zone_size, g->zone_size },
		{ "zone.capacity", o->zone_capacity, g->zone_capacity },
		{ "zone.conventional_zones", o->nr_conv, g->nr_conv },
	};

	for (size_t i = 0; i < ARRAY_SIZE(field); i++)
		if (field[i].wanted && field[i].wanted != field[i].is)
			return zq_fail(err, -EINVAL,
				       "%s %" PRIu64 " is not that of %s, %" PRIu64 ": %s",
				       field[i].what, field[i].wanted, whose, field[i].is, why);
	return 0;
}

static bool layout_has_append(const struct zq_create_opts *o)
{
	const struct zoned_layout *l =
		o->layout ? zoned_layout_named(o->layout) : zoned_layout_for(o->max_append);

	return l && zoned_layout_has(l->max_append);
}

void inherit_take(struct zq_create_opts *o, const struct zq_geometry *g)
{
	o->size = g->size;
	o->zone_size = g->zone_size;
	o->zone_capacity = g->zone_capacity;
	o->nr_conv = g->nr_conv;
	if (!o->max_active)
		o->max_active = g->max_active;
	if (!o->max_open && !o->no_max_open) {
		o->max_open = g->max_open;
		o->no_max_open = !g->max_open;
	}
	if (!o->max_append && layout_has_append(o))
		o->max_append = min_u64(g->max_append, geometry_append_bound(g->zone_capacity));
}
