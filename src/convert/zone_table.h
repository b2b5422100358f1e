/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of zones that something outside has told row by row: a report, a dump, a device.
 * Checks that it is a disk that a geometry can describe, and gives a source its zones.
 */
#ifndef ZQ_CONVERT_ZONE_TABLE_H
#define ZQ_CONVERT_ZONE_TABLE_H

#include "convert/disk.h"

/* One zone as reported; bytes, absolute offsets. */
struct table_row {
	uint64_t start, len, capacity, wp;
	bool conventional;
	enum zq_zone_state state;
};

struct zone_table {
	const char *name; /* of what tells it, for messages */
	struct table_row *row;
	size_t nr, cap;
	uint32_t max_open, max_active; /* 0: no limit, or not told */
	uint32_t max_append;
};

#define ZONE_TABLE_MAX (UINT32_C(1) << 22) /* zones; as many as an image may have */

/* -ENOMEM, -E2BIG with a sentence. */
int zone_table_add(struct zone_table *t, const struct table_row *row, struct zq_error *err);

/*
 * The geometry and s->zone from the rows. -EINVAL with a sentence that names the zone where the
 * rows do not fit together, or where no image could hold them: zones of different sizes
 * or capacities, conventional zones behind sequential ones, a pointer outside of its zone.
 */
int zone_table_finish(const struct zone_table *t, struct disk_source *s, struct zq_error *err);

void zone_table_free(struct zone_table *t);

/* The state of a condition's number in ZBC, ZNS, <linux/blkzoned.h> and libzbd; -EINVAL. */
int zone_state_from_cond(unsigned cond);
/* And back. */
unsigned zone_cond_from_state(enum zq_zone_state state);

/*
 * Reads the zone report at path into t: the text of "blkzone report", "zbd report -csv", or
 * what "zqfs report" gives as CSV or JSON. -EINVAL with a sentence that names the line.
 */
int zone_report_read(const char *path, struct zone_table *t, struct zq_error *err);

#endif
