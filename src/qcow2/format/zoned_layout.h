/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The published layouts of the zoned extension and of the words of the pointer table. Each is
 * one row of the table in zoned_layout.c, and the row says everything that depends on the
 * layout. A new layout is a new row; no other code tells layouts apart.
 */
#ifndef ZQ_QCOW2_FORMAT_ZONED_LAYOUT_H
#define ZQ_QCOW2_FORMAT_ZONED_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>

/* Position in the extension and width in bytes: 4 or 8. 0 bytes: the layout lacks the field. */
struct zoned_field {
	uint8_t at, bytes;
};

struct zoned_layout {
	const char *name;     /* as in zone.layout=NAME and in messages */
	const char *revision; /* the QEMU series that opens it, and no other: "the series of ..." */
	uint32_t len;	      /* of the extension, bytes; two layouts may have the same */

	struct zoned_field nr_zones, zone_size, zone_capacity, nr_conv;
	struct zoned_field max_active, max_open, max_append;
	struct zoned_field meta_offset, meta_size;

	/* Words of the pointer table. */
	uint64_t conv_flag;    /* the bit of a conventional zone */
	uint64_t wp_mask;      /* the bits of the pointer; what neither mask has is ignored */
	bool host_order;       /* in the byte order of the host that wrote it, else big-endian */
	bool ends_at_capacity; /* a finished zone's pointer, which no other may pass, is
				* min(start + capacity, device end), else start + zone_size */

	/* What the series' QEMU insists on beyond the rules that all layouts share. */
	bool whole_blocks;	/* refuses a pointer that is no multiple of ZQ_BLOCK */
	bool whole_clusters;	/* refuses a zone_size that is no multiple of the cluster size */
	uint32_t max_zones;	/* refuses more; 0: says nothing */
	uint32_t append_margin; /* max_append_bytes is below zone_capacity by more than this */
};

/* Row i of the table, in the order of preference for new images; NULL behind the last one. */
const struct zoned_layout *zoned_layout_at(unsigned i);
/* NULL: no layout has the name. */
const struct zoned_layout *zoned_layout_named(const char *name);
/* The layout of a new image: the first one that has all the fields that are needed. */
const struct zoned_layout *zoned_layout_for(bool max_append);
static inline bool zoned_layout_has(struct zoned_field f)
{
	return f.bytes != 0;
}

/* The known lengths, or names, as text "44, 48, 56". */
#define ZONED_LIST_MAX 80
const char *zoned_layout_lengths(char text[ZONED_LIST_MAX]);
const char *zoned_layout_names(char text[ZONED_LIST_MAX]);

/*
 * Can a new image of this geometry have the layout, so that the series' QEMU opens it?
 * cluster_size in bytes. -EINVAL with a sentence that names the field, its value and the bound.
 * The geometry itself is valid. A max_append of 0 is not asked about.
 */
int zoned_layout_fits(const struct zoned_layout *l, const struct zq_geometry *g,
		      uint64_t cluster_size, struct zq_error *err);

#endif
