/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the header of an image file into struct qcow2_header.
 */
#ifndef ZQ_QCOW2_TABLES_HEADER_READ_H
#define ZQ_QCOW2_TABLES_HEADER_READ_H

#include <zqfs/io.h>

#include "qcow2/format/header.h"

/*
 * Reads and validates the header of io and fills *h: magic, version, feature bits (unknown
 * incompatible ones are refused by the name from the feature name table), extensions,
 * the bounds of every table against the file's size, overlaps of L1, refcount table,
 * snapshot table and zonedmeta, geometry. Memory and time stay within one cluster,
 * whatever the fields claim. want, HEADER_ZONED: an image without the extension is refused
 * (-EMEDIUMTYPE), otherwise one with it is (a zoned image as a backing file is refused too).
 * Messages start with io->name. On failure *h needs no freeing.
 * -EINVAL: broken; -EMEDIUMTYPE: not qcow2, or not zoned; -ENOTSUP: a feature that zqfs lacks.
 */
int qcow2_header_read(struct zq_io *io, enum header_want want, struct qcow2_header *h,
		      struct zq_error *err);

#endif
