/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking and repairing an image that nobody has open.
 */
#ifndef ZQFS_CHECK_H
#define ZQFS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/io.h>

#ifdef __cplusplus
extern "C" {
#endif

enum zq_repair { ZQ_REPAIR_NONE, ZQ_REPAIR_LEAKS, ZQ_REPAIR_ALL };

enum zq_finding_kind {
	ZQ_FOUND_NOTE,	     /* legal, worth a line: data mapped beyond a write pointer */
	ZQ_FOUND_LEAK,	     /* a cluster that nothing refers to */
	ZQ_FOUND_CORRUPTION, /* anything else */
};

struct zq_check_opts {
	enum zq_repair repair;
	const char *data_file;
	/* One line per finding; fixed tells whether it was repaired. May be NULL. */
	void (*found)(void *data, enum zq_finding_kind kind, bool fixed, const char *line);
	/* Called now and then with the part that is done, 0 to 1. May be NULL. */
	void (*progress)(void *data, double done);
	void *data;
	/* Asked now and then, but never once a repair has begun to write: true ends the check,
	 * which returns -ECANCELED. May be NULL. */
	bool (*cancelled)(void *data);
};

struct zq_check_result {
	uint64_t corruptions, corruptions_fixed;
	uint64_t leaks, leaks_fixed; /* clusters */
	uint64_t notes;
	uint64_t allocated_clusters, total_clusters; /* guest clusters with data, and all */
	uint64_t compressed_clusters;
	uint64_t image_end; /* bytes: end of the last cluster in use */
};

int zq_check_sized(const char *path, const struct zq_check_opts *opts, size_t opts_size,
		   struct zq_check_result *res, size_t res_size, struct zq_error *err);
int zq_check_io_sized(struct zq_io *io, const struct zq_check_opts *opts, size_t opts_size,
		      struct zq_check_result *res, size_t res_size, struct zq_error *err);

/*
 * 0: the check ran, see *res. A negative errno: it could not. The three functions of opts are
 * called in the caller's thread; they may call everything but what opens this image.
 */
static inline int zq_check(const char *path, const struct zq_check_opts *opts,
			   struct zq_check_result *res, struct zq_error *err)
{
	return zq_check_sized(path, opts, sizeof(*opts), res, sizeof(*res), err);
}

/* The same of an image in an io, which stays the caller's, open and without locks. It must be
 * writable for a repair. */
static inline int zq_check_io(struct zq_io *io, const struct zq_check_opts *opts,
			      struct zq_check_result *res, struct zq_error *err)
{
	return zq_check_io_sized(io, opts, sizeof(*opts), res, sizeof(*res), err);
}

#ifdef __cplusplus
}
#endif

#endif
