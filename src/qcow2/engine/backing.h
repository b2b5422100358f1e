/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backing file: a raw file or a qcow2 image that is read where this image has nothing.
 * Opened read-only, relative to the image's folder; never written, never locked for more
 * than reading. FORMAT section 8, spec "Backing file name".
 */
#ifndef ZQ_QCOW2_ENGINE_BACKING_H
#define ZQ_QCOW2_ENGINE_BACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>

struct qcow2_image;
struct qcow2_backing;
struct qcow2_open_opts;
struct qcow2_piece;

/*
 * Opens the image's backing file into img->backing; does nothing when it has none. The
 * header and img->file are set. -ENOTSUP: a format or a protocol that zqfs does not read;
 * -ELOOP: the chain loops or is too deep; or what opening gave. err says which file.
 */
int backing_open(struct qcow2_image *img, const struct qcow2_open_opts *opts, struct zq_error *err);

/* Closes and frees; NULL is ignored. */
void backing_close(struct qcow2_backing *b);
/* As qcow2_abandon(). */
void backing_abandon(struct qcow2_backing *b);

/* Reads any range; zeros behind the end. -EIO. */
int backing_read(struct qcow2_backing *b, uint64_t off, void *buf, size_t len);

/* As qcow2_block_status; nothing is allocated behind the end. len > 0. */
int backing_status(struct qcow2_backing *b, uint64_t off, uint64_t len, bool *data, uint64_t *run);

/* As qcow2_describe, of what the image above does not have: p->len bytes, p->depth is its. */
int backing_describe(struct qcow2_backing *b, uint64_t off, struct qcow2_piece *p);

#endif
