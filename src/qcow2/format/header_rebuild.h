/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first cluster of an existing image with something changed in it: fields, the zoned
 * extension, names of other files. What is not known stays byte for byte. Pure.
 */
#ifndef ZQ_QCOW2_FORMAT_HEADER_REBUILD_H
#define ZQ_QCOW2_FORMAT_HEADER_REBUILD_H

#include "qcow2/format/header.h"

/* Where extensions and backing name stand, bytes in the cluster. */
struct header_place {
	uint64_t start; /* of the extensions; also the header_length that leads to them */
	uint64_t end;	/* behind the last of them and behind the backing file's name */
};

/* Where they stand in the image, whose header is *h. */
struct header_place header_place_of(const uint8_t *cluster, const struct qcow2_header *h);

/* The shortest header_length that has all fields which *h needs. */
uint32_t header_fields_length(const struct qcow2_header *h);

/*
 * Writes into out, one cluster, what old becomes with the fields and names of *h and the
 * extensions at place->start; sets place->end. All other bytes are those of old. Without
 * feature_names that table, which is a courtesy, is left out. -E2BIG without a sentence when it
 * does not fit; -ERANGE with one when a size does not fit the layout.
 */
int header_rebuild(const uint8_t *old, const struct qcow2_header *old_h,
		   const struct qcow2_header *h, bool feature_names, struct header_place *place,
		   uint8_t *out, struct zq_error *err);

#endif
