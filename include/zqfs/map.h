/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the bytes of an image are: zone by zone, through its chain of backing files.
 */
#ifndef ZQFS_MAP_H
#define ZQFS_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A part of one zone; neighbours that are alike are one. Valid during the call only. */
struct zq_map_piece {
	uint32_t zone;
	uint64_t start, length; /* in the disk, bytes */
	unsigned depth;		/* which file of the chain has it; 0: the image itself */
	bool present;		/* some file of the chain says what it is; else it is zeros */
	bool zero, data;	/* reads as zeros; has data in a file */
	bool compressed;	/* has_offset is false then */
	bool has_offset;	/* the bytes are at offset, one for one */
	uint64_t offset;	/* in file */
	const char *file;	/* NULL where nothing has it */
	uint64_t packed; /* compressed: bytes that it takes in file, to whole blocks of 512 */
};

struct zq_map_opts {
	bool force_share;      /* take no lock; someone may be writing */
	const char *data_file; /* external data file; NULL: as the image names it */
};

/* Anything but 0 ends the walk, and is what zq_map returns. */
typedef int (*zq_map_fn)(void *data, const struct zq_map_piece *piece);

int zq_map_sized(const char *path, const struct zq_map_opts *opts, size_t size, zq_map_fn piece,
		 void *data, struct zq_error *err);

/*
 * Tells all pieces of the image at path, in order. What lies behind a write pointer is told too,
 * though nobody can read it. -EAGAIN: in use; -EIO with a sentence: a damaged entry. opts may be
 * NULL.
 */
static inline int zq_map(const char *path, const struct zq_map_opts *opts, zq_map_fn piece,
			 void *data, struct zq_error *err)
{
	return zq_map_sized(path, opts, sizeof(*opts), piece, data, err);
}

#ifdef __cplusplus
}
#endif

#endif
