/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check and repair of an image file that nobody has open: the qcow2 side of zq_check. It
 * reads the tables by itself and never through the engine's caches, so that an image that the
 * engine would refuse can still be checked. Spec: "Host cluster management"; FORMAT.
 */
#ifndef ZQ_QCOW2_CHECK_CHECK_H
#define ZQ_QCOW2_CHECK_CHECK_H

#include <zqfs/check.h>
#include <zqfs/io.h>

#include "qcow2/format/header.h"

/*
 * Checks the image in io, whose header has been read, and repairs what opts asks for; io is
 * writable then. An image without the zoned extension is checked as a plain one.
 * Memory is in proportion to the image's metadata. Findings go to opts->found as they
 * are met; a line that says "fixed" is true once 0 comes back.
 * The header on disk may change (refcount table, feature bits), *hdr does not.
 * 0: see *res. -ENOMEM; -EIO and -ENOSPC while writing.
 */
int qcow2_check(struct zq_io *io, const struct qcow2_header *hdr, const struct zq_check_opts *opts,
		struct zq_check_result *res, struct zq_error *err);

/*
 * The same with the image's external data file at hand, open for writing where it repairs:
 * completing a block of a zone there needs it. data may be NULL.
 */
int check_with_data(struct zq_io *io, struct zq_io *data, const struct qcow2_header *hdr,
		    const struct zq_check_opts *opts, struct zq_check_result *res,
		    struct zq_error *err);

/*
 * Makes the refcounts of a dirty image true again: creates blocks and a larger table as needed,
 * raises what is too low, lowers what is too high (unless damage hides who refers to
 * what), sets the COPIED flags and clears the dirty bit, flushed in an order that survives
 * a power failure. Pointers and mappings stay. Refcount table offset and size and the
 * feature bits in the file may differ from *hdr afterwards: read the header again.
 * -EIO with a sentence where clusters are used twice and writing would not be safe.
 */
int check_rebuild_refcounts(struct zq_io *io, const struct qcow2_header *hdr, struct zq_error *err);

/*
 * Makes the refcounts of the clusters of [off, off + len) 1, which the file has, behind all that is
 * in use, and to which nothing leads yet; everything on disk when it returns. The refcount table
 * may have moved afterwards: read the header again. The image is clean. -EIO, -ENOSPC, -ENOMEM.
 */
int check_claim(struct zq_io *io, const struct qcow2_header *hdr, uint64_t off, uint64_t len,
		struct zq_error *err);

#endif
