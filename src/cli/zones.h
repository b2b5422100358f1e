/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a zone report comes from: an image that nobody has open, a mount (asked through
 * extended attributes, so that no privilege and no lock is needed), or single zone files.
 */
#ifndef ZQ_CLI_ZONES_H
#define ZQ_CLI_ZONES_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/device.h>

struct zone_row {
	struct zq_zone_info info;
	bool has_wp;
	char name[ZQ_ZONE_NAME_MAX]; /* of its file below the mount point: "seq/3" */
	const char *path;	     /* of a report of zone files: as it was given; else NULL */
};

/* What a row's file is called. Valid as long as the row. */
static inline const char *zone_row_file(const struct zone_row *row)
{
	return row->path ? row->path : row->name;
}

struct zone_source {
	char *image;	  /* NULL: not known */
	char *mountpoint; /* NULL: read from the image */
	bool has_geo;
	struct zq_geometry geo; /* when has_geo */
	uint32_t nr;		/* rows */

	struct zq_device *dev; /* private from here on */
	char **files;
	bool zloop;	/* names as the mount option layout=zloop gives them */
	bool aggr_conv; /* one file for all conventional zones */
};

/*
 * operand is an image or a mount point; a mounted image is asked for at its mount unless
 * force_share is set, which reads the file as it is on disk. data_file may be NULL.
 */
int zones_open(struct zone_source *src, const char *operand, bool force_share,
	       const char *data_file, struct zq_error *err);
/* Zone files, each in some mount; files must outlive src. */
int zones_open_files(struct zone_source *src, char **files, int nr, struct zq_error *err);
void zones_close(struct zone_source *src);

/* True when path is a file in a zqfs mount that stands for a zone. */
bool zones_is_zone_file(const char *path);

/* The name of a zone's file, as the mount has it or, of an image, as a mount would by default.
 * buf holds ZQ_ZONE_NAME_MAX bytes; returns buf. */
char *zone_file_name(const struct zone_source *src, uint32_t zone, char *buf);

/* Fills rows first to first + count - 1, which must exist. */
int zones_read(struct zone_source *src, uint32_t first, uint32_t count, struct zone_row *rows,
	       struct zq_error *err);

/* Has a mount (src->mountpoint is set) do "open", "close", "finish" or "reset" to a zone. 0 or a
 * negative errno: -EBUSY without a slot, -EINVAL where the zone's state does not allow it. */
int zones_command(struct zone_source *src, uint32_t zone, const char *verb);

/* Number of zones in each state among count rows from first on; by_state holds ZQ_NR_STATES. */
int zones_count(struct zone_source *src, uint32_t first, uint32_t count, uint32_t *by_state,
		struct zq_error *err);

#endif
