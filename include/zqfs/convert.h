/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Turning one zoned disk into another: between zoned qcow2 images, raw disks with a zone
 * report beside them, dumps of libzbd, folders with a file for each zone, and real devices;
 * and comparing two of them.
 */
#ifndef ZQFS_CONVERT_H
#define ZQFS_CONVERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/create.h>
#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What holds a zoned disk. */
enum zq_disk_format {
	ZQ_DISK_AUTO,	/* a source: told by what is there; a target: an image */
	ZQ_DISK_IMAGE,	/* a zoned qcow2 image */
	ZQ_DISK_RAW,	/* a plain file of the disk's bytes, and a zone report beside it */
	ZQ_DISK_DUMP,	/* libzbd's PREFIX_zone_info.dump and PREFIX_zone_data.dump */
	ZQ_DISK_FOLDER, /* a folder with a file for each zone, as zonefs or zloop lay it out */
	ZQ_DISK_DEVICE, /* a zoned block device; only as a source */
};
/* "qcow2", "raw", "dump", "folder", "device"; "auto". */
const char *zq_disk_format_name(enum zq_disk_format format);
/* The format of that name, or -EINVAL. */
int zq_disk_format_from_name(const char *name);

/* What was copied. */
struct zq_convert_result { /* allocated by the library */
	enum zq_disk_format source_format, target_format;
	uint64_t size; /* of the disk, bytes */
	uint32_t zones;
	uint64_t written; /* bytes below the write pointers, and conventional zones */
	uint64_t copied;  /* bytes of it that are data in the copy; the others are holes */
};

struct zq_convert_opts {
	enum zq_disk_format source_format, target_format;
	const char *zones;     /* the zone report of a raw disk: the source's, or where the
				* target's goes. NULL: the disk's name with ".zones" behind it */
	const char *data_file; /* external data file of a source image; NULL: as it says */
	/* Options of the target image, and the zone sizes of a folder that does not tell them.
	 * What is 0 in it comes from the source. NULL: all of it. */
	const struct zq_create_opts *create;
	bool compress; /* clusters of a target image are compressed */
	int level;     /* of the compression; 0: the method's default */
	/* Zeros in runs of this many bytes and more become holes; 0: 4096. */
	uint64_t sparse_size;
	bool no_holes;	  /* every byte of the source is written, zeros too */
	bool force;	  /* replace a target that exists */
	unsigned threads; /* 0: one for each processor, 4 to 8 */
	/* Called now and then by the calling thread, from 0 to 1. A result other than 0 ends
	 * the work with -ECANCELED and leaves no target. */
	int (*progress)(void *data, double done);
	/* What the target cannot hold and the copy therefore lacks: one line. */
	void (*note)(void *data, const char *line);
	void *data;
	/* Called once the target has its name. */
	void (*finished)(void *data, const struct zq_convert_result *res);
};

int zq_convert_sized(const char *source, const char *target, const struct zq_convert_opts *opts,
		     size_t opts_size, size_t create_size, struct zq_error *err);

/*
 * Makes target a copy of source: geometry, limits, data, write pointers. The target appears
 * under its name only when it is whole; a failure leaves none, and an old one as it was.
 * -EEXIST without force; -EINVAL where the target cannot hold what the source has, or is
 * the source itself; -ECANCELED. A sentence in err.
 */
static inline int zq_convert(const char *source, const char *target,
			     const struct zq_convert_opts *opts, struct zq_error *err)
{
	return zq_convert_sized(source, target, opts, sizeof(*opts), sizeof(*opts->create), err);
}

struct zq_difference {	   /* allocated by the library */
	uint32_t zone;	   /* UINT32_MAX: the disks as a whole */
	const char *what;  /* "size", "zone size", "state", "write pointer", "data", ... */
	char a[64], b[64]; /* the two values, as text */
	uint64_t offset;   /* of the first byte that differs, for "data"; from the disk's start */
	uint32_t nr_conv;  /* conventional zones of both disks, for zq_zone_label */
};

int zq_compare_sized(const char *a, const struct zq_convert_opts *oa, const char *b,
		     const struct zq_convert_opts *ob, size_t opts_size, size_t create_size,
		     bool strict, void (*found)(void *data, const struct zq_difference *d),
		     void *data, struct zq_error *err);

/*
 * Compares two zoned disks: geometry, states that last, write pointers, data. Each
 * difference is told to found, of data the first one in each zone. Strict: the geometry's
 * limits count as well. 0: the same; 1: they differ; or a negative errno with a sentence.
 * oa and ob tell how to open them, as for the source of zq_convert; NULL: defaults. oa's
 * progress is called as there; with a result other than 0 the comparison ends, -ECANCELED.
 */
static inline int zq_compare(const char *a, const struct zq_convert_opts *oa, const char *b,
			     const struct zq_convert_opts *ob, bool strict,
			     void (*found)(void *data, const struct zq_difference *d), void *data,
			     struct zq_error *err)
{
	return zq_compare_sized(a, oa, b, ob, sizeof(*oa), sizeof(*oa->create), strict, found, data,
				err);
}

#ifdef __cplusplus
}
#endif

#endif
