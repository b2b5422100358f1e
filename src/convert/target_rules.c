/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules between a source and any target.
 */
#include <errno.h>
#include <inttypes.h>

#include "convert/target_rules.h"
#include "offline/inherit.h"

int target_check_geometry(const char *path, const struct zq_create_opts *o,
			  const struct zq_geometry *g, struct zq_error *err)
{
	int ret = o ? inherit_check(o, g, "the source", "a copy keeps the zones as they are", err)
		    : 0;

	if (ret)
		zq_error_prefix(err, path);
	return ret;
}

int target_check_active(const char *path, const struct disk_source *s, uint32_t max_active,
			struct zq_error *err)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < s->geo.nr_zones; i++)
		nr += disk_zone_is_partial(&s->zone[i]);
	if (!max_active || nr <= max_active)
		return 0;
	return zq_fail(err, -EINVAL,
		       "%s: zone.max_active_zones %" PRIu32 " is smaller than %" PRIu32
		       ", the source's zones that are neither empty nor full",
		       path, max_active, nr);
}

int target_check_blocks(const char *path, const struct disk_source *s, const char *what,
			struct zq_error *err)
{
	for (uint32_t i = 0; i < s->geo.nr_zones; i++)
		if (s->zone[i].written % ZQ_BLOCK)
			return zq_fail(err, -EINVAL,
				       "%s: zone %" PRIu32 " has its write pointer at byte %" PRIu64
				       " of a block, which %s cannot hold",
				       path, i, s->zone[i].written % ZQ_BLOCK, what);
	return 0;
}
