/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every target asks of its source before anything is written.
 */
#ifndef ZQ_CONVERT_TARGET_RULES_H
#define ZQ_CONVERT_TARGET_RULES_H

#include "convert/disk.h"

/* The options of the target may not ask for zones of another size or number. -EINVAL. */
int target_check_geometry(const char *path, const struct zq_create_opts *o,
			  const struct zq_geometry *g, struct zq_error *err);

/* As many zones that are open or closed as limits allow; limit 0: any. -EINVAL. */
int target_check_active(const char *path, const struct disk_source *s, uint32_t max_active,
			struct zq_error *err);

/* No write pointer within a block of 512 bytes; what: the target's format. -EINVAL. */
int target_check_blocks(const char *path, const struct disk_source *s, const char *what,
			struct zq_error *err);

/* Is the zone neither empty nor full in a copy that has only pointers? */
static inline bool disk_zone_is_partial(const struct disk_zone *z)
{
	return z->written && z->state != ZQ_NOT_WP && z->state != ZQ_FULL && z->state != ZQ_OFFLINE;
}

/* Tells what the copy lacks, a line each: limits, and states that are only in memory. The data of
 * such zones is there all the same, but for offline ones. */
void target_tell_lost(const struct disk_source *s, const struct disk_target *t,
		      const struct zq_convert_opts *opts);

#endif
