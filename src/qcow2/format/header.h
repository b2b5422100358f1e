/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The image header and its extensions: parsed into a struct, validated in one place,
 * encoded for a new image. An existing header is never rewritten as a whole: what changes
 * in it (feature bits, refcount table) is patched in place, so everything that is not
 * understood stays byte for byte.
 */
#ifndef ZQ_QCOW2_FORMAT_HEADER_H
#define ZQ_QCOW2_FORMAT_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>

#include "qcow2/format/base_id.h"
#include "qcow2/format/format.h"
#include "qcow2/format/identity.h"
#include "qcow2/format/zoned_layout.h"

/* The zoned extension as stored. FORMAT section 1. */
struct qcow2_zoned_ext {
	bool present;
	const struct zoned_layout *layout;
	struct zq_geometry geo;		     /* limits that are too large are clamped */
	uint32_t stored_open, stored_active; /* the limits as the image has them */
	uint8_t model;			     /* "zoned": 1 host-managed */
	uint64_t meta_size, meta_offset;     /* bytes */
	uint64_t at;			     /* of the data in the file; 0: not read from one */
};

struct qcow2_header {
	uint32_t version;
	uint32_t cluster_bits;
	uint64_t size; /* virtual, bytes */
	uint32_t crypt_method;
	uint32_t l1_size; /* entries */
	uint64_t l1_offset;
	uint64_t reftable_offset;
	uint32_t reftable_clusters;
	uint32_t nb_snapshots;
	uint64_t snapshots_offset;
	uint64_t incompat, compat, autoclear;
	uint32_t refcount_order;
	uint32_t header_length;
	uint8_t compression_type; /* 0 zlib, 1 zstd */
	uint64_t backing_offset;
	char *backing_file;   /* NULL: none; owned */
	char *backing_format; /* NULL: not stated; owned */
	char *data_file;      /* name from the extension; NULL: not stated; owned */
	uint32_t nb_bitmaps;  /* 0 without the bitmaps extension */
	uint64_t bitmap_dir_offset, bitmap_dir_size;
	uint64_t ext_end; /* offset behind the last extension, its end marker included */
	struct qcow2_zoned_ext zoned;
	struct qcow2_base_id base_id; /* of the zoned image below this one */
	struct qcow2_identity identity;
	uint64_t file_size; /* of the image file when the header was read, bytes */
};

/* What the caller of a parser wants the image to be. */
enum header_want {
	HEADER_PLAIN, /* without zones; a zoned image is refused */
	HEADER_ZONED, /* with zones; a plain image is refused */
	HEADER_ANY,
};

static inline uint64_t qcow2_header_cluster_size(const struct qcow2_header *h)
{
	return UINT64_C(1) << h->cluster_bits;
}

/* The image's identity, or 0: it has none that can be believed. */
static inline uint64_t qcow2_header_identity(const struct qcow2_header *h)
{
	return h->autoclear & QCOW2_AUTOCLEAR_IDENTITY && h->identity.present ? h->identity.id : 0;
}

void qcow2_header_free(struct qcow2_header *h);

/*
 * Encodes *h as the first cluster of a new image into buf, which holds one cluster and is
 * zeroed first: header, extensions (backing format, feature name table where it fits,
 * data file name, zoned), backing file name. -E2BIG with a sentence when it does not fit.
 */
int qcow2_header_encode(const struct qcow2_header *h, uint8_t *buf, struct zq_error *err);

/*
 * Parses the zoned extension into h->zoned and checks every rule that needs no other table;
 * h has the header's own fields and the size of the file. -EINVAL with a sentence; where two
 * layouts have the length, it has the reasons of both.
 */
int qcow2_zoned_ext_parse(const uint8_t *data, uint32_t len, struct qcow2_header *h,
			  struct zq_error *err);
/* Writes ext->layout->len bytes. -ERANGE when a size does not fit the layout. */
int qcow2_zoned_ext_encode(const struct qcow2_zoned_ext *ext, uint8_t *data, struct zq_error *err);

/*
 * Tells what is legal to zqfs and yet worth a warning: limits that were clamped, and what the
 * QEMU of the image's layout refuses. One call for each; line has no newline.
 */
typedef void (*zoned_remark_fn)(void *data, const char *line);
void qcow2_zoned_remarks(const struct qcow2_header *h, zoned_remark_fn tell, void *data);

#endif
