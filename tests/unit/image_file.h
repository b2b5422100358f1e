/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of an image, in memory: making one, its header, its findings, and its fields as they
 * are on disk, past the engine. The one place where tests and fuzz targets make images. Uses no
 * assertions of Check, so that programs without Check can use it.
 */
#ifndef ZQ_TESTS_IMAGE_FILE_H
#define ZQ_TESTS_IMAGE_FILE_H

#include "memio.h"

#include <zqfs/check.h>

#include "qcow2/create/create.h"
#include "qcow2/format/header.h"

/* 8 zones of 64 KiB, 2 of them conventional, clusters of 4 KiB, 16-bit refcounts, layout 56. */
struct qcow2_create_params image_params(void);
/*
 * 10 MiB in 10 zones of 1 MiB, 768 KiB usable, 2 conventional, with limits; 64 KiB clusters. The
 * file has five clusters: header, refcount table, refcount block, zonedmeta, L1. Extensions:
 * feature names at 112, zoned at 552 (data at 560), end at 616.
 */
struct qcow2_create_params image_params_header(void);

/*
 * Makes an image under that name, and a data file where the parameters name one and bring none of
 * their own; data takes that (NULL: it is dropped). Ends the program with a sentence when that
 * fails. The caller frees both.
 */
struct memio *image_file_make(const struct qcow2_create_params *p, const char *name,
			      struct memio **data);

/* Reads the header; as qcow2_header_read. */
int image_file_header(struct memio *m, const char *name, bool zoned, struct qcow2_header *h,
		      struct zq_error *err);

struct image_findings {
	struct zq_check_result res;
	char lines[16384]; /* "kind[ fixed]: line\n" */
};

/* Checks; as qcow2_check. */
int image_file_check(struct memio *m, const char *name, enum zq_repair repair,
		     struct image_findings *f, struct zq_error *err);

/* Big-endian numbers of 1 to 8 bytes. */
uint64_t image_get(struct memio *m, uint64_t off, unsigned bytes);
void image_put(struct memio *m, uint64_t off, unsigned bytes, uint64_t value);

/* Bytes of a cluster, by the header. */
uint64_t image_cluster(struct memio *m);
/* Where the L2 entry of a guest offset is; 0: it has no table. */
uint64_t image_l2_place(struct memio *m, uint64_t guest);
/* Where the 16-bit refcount of a host cluster is; 0: it has no block. */
uint64_t image_count_place(struct memio *m, uint64_t cluster);

#endif
