/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing an overlay down into its base, and the chain that an image stands on.
 */
#ifndef ZQFS_COMMIT_H
#define ZQFS_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zq_commit_opts {
	/* Called now and then by the calling thread, from 0 to 1. A result other than 0 ends the
	 * work with -ECANCELED: the overlay shows its disk as before, and a later call goes on. */
	int (*progress)(void *data, double done);
	/* What is worth knowing: one line. */
	void (*note)(void *data, const char *line);
	void *data;
};

struct zq_commit_result {
	uint64_t written; /* bytes of data that went into the base */
	uint64_t zeroed;  /* bytes that read as zeros there now */
	uint32_t moved;	  /* zones whose write pointer is another now */
	bool resumed;	  /* an earlier commit of this overlay had not ended */
};

int zq_commit_overlay_sized(const char *path, const struct zq_commit_opts *opts, size_t opts_size,
			    struct zq_commit_result *res, size_t res_size, struct zq_error *err);

/*
 * Writes what the overlay at path has, data and write pointers, into the image below it, and
 * empties the overlay, which then shows the same disk. Nobody may have either of them open
 * (-EAGAIN). Other overlays of the base are refused from then on. After a failure, and a
 * power failure at any moment, the overlay shows its disk all the same; until a later call has
 * ended, the base alone shows nothing of use and cannot be opened for writing.
 * -EINVAL, -EROFS with a sentence where the base cannot take it; -ESTALE: it is another base.
 */
static inline int zq_commit_overlay(const char *path, const struct zq_commit_opts *opts,
				    struct zq_commit_result *res, struct zq_error *err)
{
	return zq_commit_overlay_sized(path, opts, sizeof(*opts), res, sizeof(*res), err);
}

/*
 * For an image whose overlay was being written down into it and is lost: makes the image at path an
 * ordinary one again, with what it holds, a mixture of both disks. If the overlay is still there, it
 * is refused from then on. -EINVAL: no commit into the image is unfinished; -EAGAIN, -EROFS.
 */
int zq_commit_abandon(const char *path, struct zq_error *err);

#ifdef __cplusplus
}
#endif

#endif
