/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules between a source and any target.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

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
	char label[ZQ_ZONE_LABEL_MAX];

	for (uint32_t i = 0; i < s->geo.nr_zones; i++)
		if (s->zone[i].written % ZQ_BLOCK)
			return zq_fail(err, -EINVAL,
				       "%s: %s has its write pointer at byte %" PRIu64
				       " of a block, which %s cannot hold",
				       path, zq_zone_label(s->geo.nr_conv, i, label),
				       s->zone[i].written % ZQ_BLOCK, what);
	return 0;
}

/* ---- what a copy lacks -------------------------------------------------------------------------
 */

static void note_zones(const struct zq_convert_opts *opts, const struct disk_source *s, uint32_t nr,
		       uint32_t first, const char *what)
{
	char line[320], label[ZQ_ZONE_LABEL_MAX];

	if (!nr || !opts->note)
		return;
	snprintf(line, sizeof(line), "%.128s: %" PRIu32 " zone%s %s (the first is %s)", s->name, nr,
		 nr == 1 ? "" : "s", what, zq_zone_label(s->geo.nr_conv, first, label));
	opts->note(opts->data, line);
}

static void note_limit(const struct zq_convert_opts *opts, const char *source, const char *name,
		       uint32_t value, bool lost)
{
	char line[320];

	if (!value || !lost || !opts->note)
		return;
	snprintf(line, sizeof(line), "%.128s: %s %" PRIu32 " is lost: the copy has no place for it",
		 source, name, value);
	opts->note(opts->data, line);
}

void target_tell_lost(const struct disk_source *s, const struct disk_target *t,
		      const struct zq_convert_opts *opts)
{
	uint32_t nr[ZQ_NR_STATES] = { 0 }, first[ZQ_NR_STATES] = { 0 };

	note_limit(opts, s->name, "max_open_zones", s->geo.max_open, t->lacks_limits);
	note_limit(opts, s->name, "max_active_zones", s->geo.max_active, t->lacks_limits);
	note_limit(opts, s->name, "max_append_bytes", s->geo.max_append, t->lacks_append);
	if (t->keeps_states)
		return;
	for (uint32_t i = s->geo.nr_zones; i--;) {
		nr[s->zone[i].state]++;
		first[s->zone[i].state] = i;
	}
	note_zones(opts, s, nr[ZQ_IMPLICIT_OPEN], first[ZQ_IMPLICIT_OPEN],
		   "implicitly open, closed in the copy");
	note_zones(opts, s, nr[ZQ_EXPLICIT_OPEN], first[ZQ_EXPLICIT_OPEN],
		   "explicitly open, closed in the copy");
	note_zones(opts, s, nr[ZQ_READ_ONLY], first[ZQ_READ_ONLY],
		   "read-only, writable in the copy");
	note_zones(opts, s, nr[ZQ_OFFLINE], first[ZQ_OFFLINE],
		   "offline, empty in the copy: their data cannot be read");
}
