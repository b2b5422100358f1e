/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A zoned device on a file in memory, for the tests of zone/.
 */
#ifndef ZQ_TESTS_ZONEDEV_H
#define ZQ_TESTS_ZONEDEV_H

#include <zqfs/device.h>

#include "image_file.h"

struct zonedev {
	struct qcow2_create_params p; /* set before zonedev_create */
	struct zq_open_opts opts;     /* used by every open */
	struct memio *m;
	struct zq_device *dev;
	int nr_logged;
	char logged[512]; /* the last line */
	int priority;	  /* of it */
	int nr_critical;  /* lines that told of a change of state */
};

/* The usual parameters, with a capacity of 48 KiB. */
void zonedev_init(struct zonedev *z);
/* Makes the image and opens it. Fails the test when that fails. */
void zonedev_create(struct zonedev *z);
/* Closes (must succeed) and opens again. */
void zonedev_reopen(struct zonedev *z);
void zonedev_free(struct zonedev *z);

struct zq_zone_info zonedev_zone(struct zonedev *z, uint32_t zone);
enum zq_zone_state zonedev_state(struct zonedev *z, uint32_t zone);
uint64_t zonedev_written(struct zonedev *z, uint32_t zone);
/* The counters agree with a report of all zones, and no limit is exceeded. */
void zonedev_check_counts(struct zonedev *z);

/* Appends len bytes of fill at the end as a writer of its own; what zq_append returns. */
ssize_t zonedev_append(struct zonedev *z, uint32_t zone, int fill, size_t len);
/* Bytes [off, off + len) of the zone are all fill. */
void zonedev_expect(struct zonedev *z, uint32_t zone, uint64_t off, size_t len, int fill);
/* Puts a word into the pointer table of the closed image. */
void zonedev_poke_wp(struct zonedev *z, uint32_t zone, uint64_t word);

#endif
