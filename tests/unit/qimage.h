/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An open qcow2 image on a file in memory, for the tests of qcow2/. What is on disk:
 * image_file.h.
 */
#ifndef ZQ_TESTS_QIMAGE_H
#define ZQ_TESTS_QIMAGE_H

#include "image_file.h"
#include "qcow2/engine/image.h"

struct qimage {
	struct qcow2_create_params p; /* set before qimage_create */
	size_t cache_bytes;
	const char *name; /* of the file; a path when something lies beside it */
	const char *data_file;
	struct memio *m;
	struct qcow2_image *img;
	unsigned nr_logged;
	char logged[256]; /* the last line */
};

/* The usual parameters. */
void qimage_init(struct qimage *q);
/* Makes the image and opens it; fails the test when that fails. */
void qimage_create(struct qimage *q);
void qimage_open(struct qimage *q);
/* Closes without a commit. */
void qimage_close(struct qimage *q);
/* Commits (must succeed), closes and opens again. */
void qimage_reopen(struct qimage *q);
void qimage_free(struct qimage *q);

/* Writes len bytes of fill, zeros up to zero_end; what qcow2_write returns. */
int qimage_write_to(struct qimage *q, uint64_t off, int fill, size_t len, uint64_t zero_end);
/* The same with nothing behind it. */
int qimage_write(struct qimage *q, uint64_t off, int fill, size_t len);
/* Appends to a zone at its pointer, which moves. */
int qimage_append(struct qimage *q, uint32_t zone, int fill, size_t len);
/* Bytes [off, off + len) are all fill. */
void qimage_expect(struct qimage *q, uint64_t off, size_t len, int fill);
/* Resets a zone: its pointer goes back, its clusters lose their mapping. */
void qimage_reset(struct qimage *q, uint32_t zone);
/* Makes another image and appends until the refcount table must grow with the next commit;
 * what was written since the last one is in the log. */
void qimage_grow_table(struct qimage *q);
void qimage_commit(struct qimage *q);
/* Checks the file as it is on disk: no corruption; returns the number of leaked clusters. */
uint64_t qimage_check(struct qimage *q);
/* The same for any content. */
uint64_t qimage_check_file(struct memio *m, const char *what);

/* The L2 entry of a guest offset on disk, 0 without a table; bitmap may be NULL. */
uint64_t qimage_disk_entry(struct qimage *q, uint64_t guest, uint64_t *bitmap);
/* Overwrites it on disk; there is a table. The image is closed. */
void qimage_poke_entry(struct qimage *q, uint64_t guest, uint64_t desc, uint64_t bitmap);
/* A refcount (16 bits wide) on disk. */
unsigned qimage_disk_count(struct qimage *q, uint64_t cluster);
/* Sets it; the block exists. */
void qimage_poke_count(struct qimage *q, uint64_t cluster, unsigned count);
/* A zone's pointer on disk (big-endian). */
uint64_t qimage_disk_wp(struct qimage *q, uint32_t zone);

#endif
