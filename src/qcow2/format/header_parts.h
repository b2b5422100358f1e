/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the header_*.c files share. Their sentences carry no file name; header.c puts it in
 * front once.
 */
#ifndef ZQ_QCOW2_FORMAT_HEADER_PARTS_H
#define ZQ_QCOW2_FORMAT_HEADER_PARTS_H

#include "qcow2/format/header.h"

#define HEADER_FIRST_BYTES 112u /* all header fields that have a name */

/* Is this a qcow2 image at all, of a version that can be read? b holds the first
 * HEADER_FIRST_BYTES of the file, h->file_size is set. Sets version, size and cluster_bits.
 * -EMEDIUMTYPE, -ENOTSUP, -EINVAL. */
int header_check_magic(const uint8_t *b, enum header_want want, struct qcow2_header *h,
		       struct zq_error *err);
/* Parses and validates everything that is in the first cluster, which is cluster; after
 * header_check_magic. The errors of qcow2_header_read. */
int header_parse_cluster(const uint8_t *cluster, enum header_want want, struct qcow2_header *h,
			 struct zq_error *err);

/* The bytes between the header and the backing file's name, or the end of the cluster. */
struct header_area {
	const uint8_t *cluster; /* the file's first cluster, zeros behind the end of the file */
	uint64_t start, end;	/* of the extensions, bytes in the cluster */
};

struct header_ext {
	uint32_t type, len;
	const uint8_t *data;
};

/*
 * The extension at *pos, which moves behind it. 1: there is one; 0: the list has ended;
 * -EINVAL: it passes the end of the area (*e has type and length then).
 */
int header_next_ext(const struct header_area *a, uint64_t *pos, struct header_ext *e);

/*
 * -ENOTSUP, with the names that the feature name table gives them, when h->incompat has
 * bits that are not known. Tolerates any damage in the area, which such a bit may have changed.
 */
int header_check_incompat(const struct qcow2_header *h, const struct header_area *area,
			  struct zq_error *err);

/* Parses all extensions into h. -EINVAL, -ENOTSUP, -ENOMEM. */
int header_read_extensions(struct qcow2_header *h, const struct header_area *area,
			   struct zq_error *err);

/* The bounds of every table against the file and against each other. -EINVAL. */
int header_check_tables(const struct qcow2_header *h, struct zq_error *err);

/* One entry of the feature name table: 48 bytes on disk. */
struct feature_name {
	uint8_t type, bit; /* type: 0 incompatible, 1 compatible, 2 autoclear */
	const char *name;
};
#define FEATURE_NAME_BYTES 48u

#endif
