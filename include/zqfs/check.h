/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Checking and repairing an image that nobody has open.
 */
#ifndef ZQFS_CHECK_H
#define ZQFS_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/error.h>

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
};

struct zq_check_result {
	uint64_t corruptions, corruptions_fixed;
	uint64_t leaks, leaks_fixed; /* clusters */
	uint64_t notes;
	uint64_t allocated_clusters, total_clusters; /* guest clusters with data, and all */
	uint64_t compressed_clusters;
	uint64_t image_end; /* bytes: end of the last cluster in use */
};

/* 0: the check ran, see *res. A negative errno: it could not. */
int zq_check(const char *path, const struct zq_check_opts *opts, struct zq_check_result *res,
	     struct zq_error *err);

#ifdef __cplusplus
}
#endif

#endif
