/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading an image that another process writes (ZQ_LOCK_SHARED). What this process knows of it may
 * be old; shared.c finds out.
 */
#ifndef ZQ_QCOW2_ENGINE_SHARED_H
#define ZQ_QCOW2_ENGINE_SHARED_H

#include "qcow2/engine/image.h"

#define SHARED_HEADER_BYTES 512u /* of the header that are compared at each read */

/* Remembers the header as it is on disk. When the image is opened. */
int shared_begin(struct qcow2_image *img);
/* qcow2_read for a shared image; within image_io_begin/end. -ESTALE: what led to the data has
 * changed meanwhile, the buffer holds nothing that can be trusted. */
int shared_read(struct qcow2_image *img, uint64_t off, void *buf, size_t len);
/* The same for qcow2_block_status. */
int shared_status(struct qcow2_image *img, uint64_t off, uint64_t len, bool *data, uint64_t *run);

#endif
