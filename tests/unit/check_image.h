/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small zoned image in memory that the tests of check and repair damage on purpose, and
 * the findings of a check of it.
 *
 * 1 MiB in 16 zones of 64 KiB, two of them conventional, clusters of 4 KiB unless the
 * maker says otherwise. Zone 0 has 4 clusters of data, zone 2 has 5, zone 3 is full, zone 4
 * has 3.
 */
#ifndef ZQ_TESTS_CHECK_IMAGE_H
#define ZQ_TESTS_CHECK_IMAGE_H

#include "image_file.h"

struct check_image {
	struct memio *m;
	struct qcow2_header hdr;
	uint64_t cluster;		    /* bytes */
	uint64_t l1, l2, table, block, wps; /* offsets: active tables, first block, pointers */
	struct image_findings f;	    /* of the last check */
};

/* change may alter the parameters before the image is made; NULL: nothing. */
void check_image_make(struct check_image *t, void (*change)(struct qcow2_create_params *p));
void check_image_free(struct check_image *t);

/* Checks; gives what qcow2_check gave. */
int check_image_check(struct check_image *t, enum zq_repair repair);
/* Asserts that a check without repair finds exactly so many, and says text (NULL: anything). */
void check_image_expect(struct check_image *t, uint64_t corruptions, uint64_t leaks,
			const char *text);
/* Asserts that repair of that kind mends all, that the next check is clean but for notes, and
 * that the guest's bytes are those of before (zones' pointers included, where wps). */
void check_image_mends(struct check_image *t, enum zq_repair repair);

/* Refcount of a host cluster, 16 bits, in the first block. */
unsigned check_image_count(struct check_image *t, uint64_t cluster);
void check_image_set_count(struct check_image *t, uint64_t cluster, unsigned count);

/* Host offset of a guest offset by the first L2 table. */
uint64_t check_image_host(struct check_image *t, uint64_t guest);
/* Where the L2 entry of a guest offset is. */
uint64_t check_image_entry(struct check_image *t, uint64_t guest);

/* All guest bytes; the caller frees. NULL when the image does not open. */
uint8_t *check_image_guest(struct memio *m, uint64_t size);

#endif
