/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Adding zones at the end of an image, or taking empty ones away, in place.
 */
#ifndef ZQFS_RESIZE_H
#define ZQFS_RESIZE_H

#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum zq_resize_how {
	ZQ_RESIZE_TO, /* size is that of the disk */
	ZQ_RESIZE_BY, /* the disk gets larger by size */
	ZQ_RESIZE_OFF /* the disk gets smaller by size */
};

struct zq_resize_opts {
	enum zq_resize_how how;
	uint64_t size;	       /* bytes */
	const char *data_file; /* the external data file, or NULL: as the image names it */
};

struct zq_resize_result {
	uint64_t old_size, new_size; /* of the disk, bytes */
	uint32_t old_zones, new_zones;
};

int zq_resize_sized(const char *path, const struct zq_resize_opts *opts, size_t opts_size,
		    struct zq_resize_result *res, size_t res_size, struct zq_error *err);

/*
 * Resizes the image at path, which nobody may have open (-EAGAIN), and its external data file. The
 * new size is a multiple of the zone size; zones that go, and a short last zone, must be empty.
 * The image must be clean and may have no backing file, snapshots or bitmaps. At every moment, a
 * power failure included, it is a whole image of the old or of the new size; an end in between
 * leaves leaked clusters at most. The size that it has already changes nothing. -EINVAL with a
 * sentence for what cannot be. *res, which may be NULL, is filled where 0 is returned.
 */
static inline int zq_resize(const char *path, const struct zq_resize_opts *opts,
			    struct zq_resize_result *res, struct zq_error *err)
{
	return zq_resize_sized(path, opts, sizeof(*opts), res, sizeof(*res), err);
}

#ifdef __cplusplus
}
#endif

#endif
