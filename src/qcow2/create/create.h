/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a new image. The header goes last, so that a crash while creating leaves a file
 * that is no qcow2 image rather than half of one.
 */
#ifndef ZQ_QCOW2_CREATE_CREATE_H
#define ZQ_QCOW2_CREATE_CREATE_H

#include "qcow2/format/header.h"

struct qcow2_create_params {
	struct zq_geometry geo; /* validated by the caller with zq_geometry_validate */
	const struct zoned_layout *layout;
	bool wp_little_endian;
	unsigned cluster_bits;
	unsigned refcount_order;
	uint8_t compression_type;
	bool extended_l2, lazy_refcounts;
	bool prealloc_metadata;
	bool data_file_raw;
	const char *data_file;	    /* name as stored, or NULL */
	struct zq_io *data_io;	    /* the data file, opened; or NULL */
	const char *backing_file;   /* name as stored, or NULL */
	const char *backing_format; /* "raw" or "qcow2", or NULL */
	/* An overlay: what each zone of the base holds, bytes, and what to remember of it. NULL and
	 * not present: all zones are empty. */
	const uint64_t *written;
	struct qcow2_base_id base_id;
	uint64_t identity; /* 0: the image gets none */
};

/* Fills io, an empty writable file, with an image; flushed when it returns 0. */
int qcow2_create(struct zq_io *io, const struct qcow2_create_params *p, struct zq_error *err);

#endif
