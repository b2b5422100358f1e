/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making an image as small as it can be, in place.
 */
#ifndef ZQFS_COMPACT_H
#define ZQFS_COMPACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zq_compact_opts {
	bool no_compress; /* nothing is compressed, only moved */
	int level;	  /* of the image's compression_type; 0: the method's default */
	unsigned threads; /* that compress; 0: one for each processor, 4 to 8 */
	/* Called now and then by the calling thread, from 0 to 1. A result other than 0 ends the
	 * work with -ECANCELED; what was done stays. May be NULL. */
	int (*progress)(void *data, double done);
	void *data;
};

struct zq_compact_result {
	uint64_t size_before, size_after;   /* bytes of the file */
	uint64_t usage_before, usage_after; /* bytes that it takes on the host's disk */
	uint64_t full_zones;		    /* sequential zones that are full */
	uint64_t compressed_clusters;	    /* that were not compressed before */
};

int zq_compact_sized(const char *path, const struct zq_compact_opts *opts, size_t opts_size,
		     struct zq_compact_result *res, size_t res_size, struct zq_error *err);

/*
 * Compresses the full sequential zones of the image at path, moves what lies at the end of the
 * file to where it is free, and cuts the file. Nobody may have the image open (-EAGAIN); one that
 * is dirty or corrupt, has internal snapshots, bitmaps or an external data file is refused, -EINVAL,
 * and so are refcounts too narrow for compressed clusters, unless opts say not to compress. Leaked
 * clusters are given back first. At every moment, a power failure included, the file is a whole
 * image with the same disk in it, and its overlays are still good, unless another program has
 * written to the image since zqfs did. -ECANCELED. A sentence in err. opts may be NULL.
 */
static inline int zq_compact(const char *path, const struct zq_compact_opts *opts,
			     struct zq_compact_result *res, struct zq_error *err)
{
	return zq_compact_sized(path, opts, sizeof(*opts), res, sizeof(*res), err);
}

#ifdef __cplusplus
}
#endif

#endif
