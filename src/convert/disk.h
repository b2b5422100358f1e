/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A zoned disk as "convert" and "compare" see it, whatever holds it: a source that is read, a
 * target that is filled. Each format is one file (source_*.c, target_*.c) behind these tables;
 * formats.c knows them all.
 *
 * Offsets within a zone are bytes from the zone's start. A table of all zones is in memory:
 * 16 bytes for each zone.
 */
#ifndef ZQ_CONVERT_DISK_H
#define ZQ_CONVERT_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/convert.h>
#include <zqfs/device.h>
#include <zqfs/error.h>
#include <zqfs/geometry.h>

#include "util/sized.h"
#include "util/math.h"

struct disk_zone {
	uint64_t written; /* bytes from the zone's start up to its write pointer, at most the
			   * capacity; a full zone: the capacity; a conventional one: its length */
	uint8_t state;	  /* enum zq_zone_state */
};

/* ---- what is read ---------------------------------------------------------------------- */

struct disk_source;

struct disk_source_ops {
	/* Reads bytes below the zone's written ones. Several threads at once. */
	int (*read)(struct disk_source *s, uint32_t zone, uint64_t off, void *buf, size_t len);
	/* What lies at off: *data tells whether anything but zeros may be there, *run how many
	 * bytes from off are alike, 1 to len. */
	int (*status)(struct disk_source *s, uint32_t zone, uint64_t off, uint64_t len, bool *data,
		      uint64_t *run);
	/* Frees what the format has; s itself is its caller's. */
	void (*close)(struct disk_source *s);
	/* Is the file at path this source, or does the source read from it? */
	bool (*uses)(const struct disk_source *s, const char *path);
};

/* A format embeds this as its first member. */
struct disk_source {
	const struct disk_source_ops *ops;
	const char *name; /* the caller's; for messages */
	enum zq_disk_format format;
	struct zq_geometry geo; /* limits: 0 where the source does not tell them */
	struct disk_zone *zone; /* geo.nr_zones of them; owned */
	uint32_t unit;		/* bytes that are best read at once, a power of two; 0: any */
	bool has_open_states;	/* its open and closed states differ, and are lost in an image */
};

/* NULL: nothing. */
void disk_source_close(struct disk_source *s);

/* ---- what is written --------------------------------------------------------------------- */

struct disk_target;

struct disk_target_ops {
	/* Writes bytes of a zone, which is new and reads as zeros elsewhere. Several threads at
	 * once, never for the same bytes. unit divides off, and len but at the end of what the
	 * zone holds. */
	int (*write)(struct disk_target *t, uint32_t zone, uint64_t off, const void *buf,
		     size_t len);
	/* Much has been written: it may go to stable storage while the rest is read. NULL: none. */
	void (*write_out)(struct disk_target *t);
	/* All zones have been written; their states and pointers are in zone[]. Makes it whole
	 * on stable storage and gives it its name. */
	int (*publish)(struct disk_target *t, const struct disk_zone *zone, struct zq_error *err);
	/* Frees; what was not published is gone. */
	void (*close)(struct disk_target *t);
};

/* A format embeds this as its first member. */
struct disk_target {
	const struct disk_target_ops *ops;
	const char *name; /* the caller's; for messages */
	struct zq_geometry geo;
	uint32_t unit;	   /* bytes that are best written at once; a power of two */
	bool keeps_states; /* read-only, offline and open states have a place in it */
	bool lacks_limits; /* those of open and active zones have none */
	bool lacks_append; /* nor has max_append */
	enum zq_disk_format format;
};

/* NULL: nothing. */
void disk_target_end(struct disk_target *t);

/* The options of a caller, who knows structures of other sizes perhaps. */
struct disk_opts {
	struct zq_convert_opts convert; /* create points to the one below */
	struct zq_create_opts create;
};

static inline int disk_take_opts(struct disk_opts *o, const struct zq_convert_opts *theirs,
				 size_t opts_size, size_t create_size, struct zq_error *err)
{
	int ret = sized_take(&o->convert, sizeof(o->convert), theirs, opts_size, err);

	if (ret || !o->convert.create)
		return ret;
	ret = sized_take(&o->create, sizeof(o->create), o->convert.create, create_size, err);
	o->convert.create = &o->create;
	return ret;
}

#endif
