/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading ahead of compressed clusters: while someone reads them in order, threads unpack those
 * that come next. Off until qcow2_start_ahead().
 */
#ifndef ZQ_QCOW2_ENGINE_AHEAD_H
#define ZQ_QCOW2_ENGINE_AHEAD_H

#include "qcow2/engine/image.h"

/* Prepares img->ahead; the decompressed clusters are there already. -ENOMEM. */
int ahead_init(struct qcow2_image *img);
/* Ends its threads and frees it; nobody may be reading. Does nothing without an ahead_init. */
void ahead_destroy(struct qcow2_image *img);

/* Guest bytes [off, off + len) are being read, some of which are compressed. Without locks. */
void ahead_note(struct qcow2_image *img, uint64_t off, uint64_t len);

#endif
