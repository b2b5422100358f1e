/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lists of zones as people type them: "3", "3-7", "3,5,9-", "all". Pure.
 */
#ifndef ZQ_ZONE_RANGES_H
#define ZQ_ZONE_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>

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
 * Parses text for a device of nr zones (> 0). An open end ("9-") runs to the last zone.
 * -EINVAL with a sentence for what is not a list, runs backwards or names a zone that does
 * not exist; -ENOMEM. On failure there is nothing to free.
 */
int ranges_parse(const char *text, uint32_t nr, struct zone_ranges *out, struct zq_error *err);
void ranges_free(struct zone_ranges *ranges);

/* Number of zones in the list. */
uint64_t ranges_count(const struct zone_ranges *ranges);

#endif
