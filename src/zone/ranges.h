/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of zones as people type them: "3", "3-7", "3,5,9-", "seq/3", "cnv/0-1", "all". A bare
 * number counts all zones, as the device does; with seq/ or cnv/ it counts as the names of
 * the files do. Pure.
 */
#ifndef ZQ_ZONE_RANGES_H
#define ZQ_ZONE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>

struct zone_range {
	uint32_t first, last; /* zone numbers, both included */
};

/* Ascending, without overlaps, neighbours joined. */
struct zone_ranges {
	struct zone_range *r; /* owned; ranges_free */
	size_t nr;
	bool all; /* the word "all", which leaves out what cannot be meant */
};

/*
 * Parses text for a device of that geometry. An open end ("9-") runs to the last zone, with seq/
 * or cnv/ to the last of that kind. "seq-000003", the name of a file in the layout zloop, is
 * zone 3. -EINVAL with a sentence for what is not a list, runs backwards or names a zone that does
 * not exist; -ENOMEM. On failure there is nothing to free.
 */
int ranges_parse(const char *text, const struct zq_geometry *g, struct zone_ranges *out,
		 struct zq_error *err);
void ranges_free(struct zone_ranges *ranges);

/* Number of zones in the list. */
uint64_t ranges_count(const struct zone_ranges *ranges);

#endif
