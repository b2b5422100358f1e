/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shape of a zoned device: sizes, counts and limits, as the zoned header extension
 * states them. Plain arithmetic, no state. zqfs(1), "zqfs create" has the options.
 */
#ifndef ZQFS_GEOMETRY_H
#define ZQFS_GEOMETRY_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ZQ_BLOCK     512u	/* the unit of write pointers, capacities and direct I/O */
#define ZQ_MAX_ZONES (1u << 22) /* a bound of ours: what a header can make us hold in memory */

struct zq_geometry {
	uint64_t size;		/* bytes of the whole device, a multiple of ZQ_BLOCK */
	uint64_t zone_size;	/* bytes, a power of two, at least 4096 */
	uint64_t zone_capacity; /* bytes usable in a sequential zone, a multiple of ZQ_BLOCK */
	uint32_t nr_zones;
	uint32_t nr_conv;    /* conventional zones; they come first */
	uint32_t max_open;   /* 0: no limit */
	uint32_t max_active; /* 0: no limit */
	uint32_t max_append; /* bytes */
	uint32_t reserved[9];
};

/*
 * Checks every rule that a zoned device's shape must obey; err names the field, its value and
 * the bound. Creating and opening both come here.
 * Returns 0 or -EINVAL with a sentence "zoned extension: FIELD VALUE ... BOUND".
 */
int zq_geometry_validate(const struct zq_geometry *g, struct zq_error *err);

/* The zone must be < nr_zones in all of these. */
static inline bool zq_zone_is_conv(const struct zq_geometry *g, uint32_t zone)
{
	return zone < g->nr_conv;
}

static inline uint64_t zq_zone_start(const struct zq_geometry *g, uint32_t zone)
{
	return (uint64_t)zone * g->zone_size;
}

/* Length in bytes; the last zone may be shorter than the others. */
static inline uint64_t zq_zone_len(const struct zq_geometry *g, uint32_t zone)
{
	uint64_t left = g->size - zq_zone_start(g, zone);

	return left < g->zone_size ? left : g->zone_size;
}

/* Usable bytes: the whole length of a conventional zone, at most zone_capacity otherwise. */
static inline uint64_t zq_zone_cap(const struct zq_geometry *g, uint32_t zone)
{
	uint64_t len = zq_zone_len(g, zone);

	if (zq_zone_is_conv(g, zone))
		return len;
	return len < g->zone_capacity ? len : g->zone_capacity;
}

/* How zones are named where they are files: "seq/3", or "seq-000005" by the zone's number. */
enum zq_naming { ZQ_NAMES_FOLDERS, ZQ_NAMES_FLAT };

#define ZQ_ZONE_NAME_MAX 24 /* bytes, with the NUL */

/*
 * The name of a zone's file below a mount point: "cnv/0", "seq/3", numbers counting within the
 * folder; with ZQ_NAMES_FLAT "cnv-000000", "seq-000005", numbers counting all zones. The first
 * nr_conv zones are conventional. buf holds ZQ_ZONE_NAME_MAX bytes; returns buf.
 */
char *zq_zone_name(uint32_t nr_conv, uint32_t zone, enum zq_naming naming, char *buf);

/* The zone as messages name it, by both numbers: "zone 5 (seq/3)". ZQ_ZONE_LABEL_MAX bytes. */
#define ZQ_ZONE_LABEL_MAX 48
char *zq_zone_label(uint32_t nr_conv, uint32_t zone, char *buf);

#ifdef __cplusplus
}
#endif

#endif
