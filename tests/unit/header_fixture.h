/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small images in memory for the tests of headers.
 */
#ifndef ZQ_TESTS_HEADER_FIXTURE_H
#define ZQ_TESTS_HEADER_FIXTURE_H

#include "memio.h"
#include "qcow2/create/create.h"

/*
 * 10 MiB in 10 zones of 1 MiB, 768 KiB usable, 2 conventional; 64 KiB clusters. The file has
 * five clusters: header, refcount table, refcount block, zonedmeta, L1. Extensions: feature
 * names at 112, zoned at 552 (data at 560), end at 616.
 */
struct qcow2_create_params fixture_params(void);

/* Creates an image; the caller frees the memio. A data file, if p has a name for one, is made
 * too and dropped. */
struct memio *fixture_create(const struct qcow2_create_params *p);

/* Reads the header of what is in m, under the name "disk.qcow2". */
int fixture_read(struct memio *m, bool want_zoned, struct qcow2_header *h, struct zq_error *err);

/* Writes a big-endian number of 1, 2, 4 or 8 bytes. */
void fixture_poke(struct memio *m, uint64_t off, unsigned bytes, uint64_t value);
uint64_t fixture_peek(struct memio *m, uint64_t off, unsigned bytes);

#endif
