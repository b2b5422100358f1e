/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Parsing the image header: the fixed fields and the rules between them. Extensions are in
 * header_ext.c, the bounds of tables in header_tables.c, encoding in header_encode.c. Pure:
 * tables/header_read.c reads the cluster from the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/format/format.h"
#include "qcow2/format/header_parts.h"
#include "util/bytes.h"
#include "util/math.h"
#include "util/size.h"

int header_check_magic(const uint8_t *b, enum header_want want, struct qcow2_header *h,
		       struct zq_error *err)
{
	if (!h->file_size)
		return zq_fail(err, -EMEDIUMTYPE,
			       "the file is empty, not a qcow2 image (\"zqfs create\" makes one)");
	if (h->file_size < QCOW2_H_V2_SIZE || get_be32(b + QCOW2_H_MAGIC) != QCOW2_MAGIC)
		return zq_fail(err, -EMEDIUMTYPE, "not a qcow2 image (\"zqfs create\" makes one)");
	h->version = get_be32(b + QCOW2_H_VERSION);
	h->size = get_be64(b + QCOW2_H_SIZE);
	if (h->version != 2 && h->version != 3)
		return zq_fail(err, -ENOTSUP, "qcow2 version %" PRIu32 " is not supported (2 or 3)",
			       h->version);
	if (h->version == 2 && want == HEADER_ZONED)
		return zq_fail(err, -EMEDIUMTYPE,
			       "is a qcow2 image of version 2, which cannot carry zones; "
			       "\"zqfs create\" makes zoned ones");
	h->cluster_bits = get_be32(b + QCOW2_H_CLUSTER_BITS);
	if (h->cluster_bits < QCOW2_MIN_CLUSTER_BITS || h->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
		return zq_fail(err, -EINVAL, "cluster_bits %" PRIu32 " is not within %u to %u",
			       h->cluster_bits, QCOW2_MIN_CLUSTER_BITS, QCOW2_MAX_CLUSTER_BITS);
	return 0;
}

static void parse_fields(const uint8_t *b, struct qcow2_header *h)
{
	h->backing_offset = get_be64(b + QCOW2_H_BACKING_OFFSET);
	h->crypt_method = get_be32(b + QCOW2_H_CRYPT);
	h->l1_size = get_be32(b + QCOW2_H_L1_SIZE);
	h->l1_offset = get_be64(b + QCOW2_H_L1_OFFSET);
	h->reftable_offset = get_be64(b + QCOW2_H_REFTABLE_OFFSET);
	h->reftable_clusters = get_be32(b + QCOW2_H_REFTABLE_CLUSTERS);
	h->nb_snapshots = get_be32(b + QCOW2_H_NB_SNAPSHOTS);
	h->snapshots_offset = get_be64(b + QCOW2_H_SNAPSHOTS_OFFSET);
	if (h->version == 2) {
		h->refcount_order = 4;
		h->header_length = QCOW2_H_V2_SIZE;
		return;
	}
	h->incompat = get_be64(b + QCOW2_H_INCOMPAT);
	h->compat = get_be64(b + QCOW2_H_COMPAT);
	h->autoclear = get_be64(b + QCOW2_H_AUTOCLEAR);
	h->refcount_order = get_be32(b + QCOW2_H_REFCOUNT_ORDER);
	h->header_length = get_be32(b + QCOW2_H_LENGTH);
}

static int check_length(const struct qcow2_header *h, struct zq_error *err)
{
	uint64_t cluster = qcow2_header_cluster_size(h);

	if (h->version == 2)
		return 0;
	if (h->header_length < QCOW2_H_V3_MIN)
		return zq_fail(err, -EINVAL, "header_length %" PRIu32 " is smaller than %u",
			       h->header_length, QCOW2_H_V3_MIN);
	if (!is_aligned(h->header_length, 8))
		return zq_fail(err, -EINVAL, "header_length %" PRIu32 " is not a multiple of 8",
			       h->header_length);
	if (h->header_length > cluster)
		return zq_fail(err, -EINVAL,
			       "header_length %" PRIu32 " is larger than the cluster size %" PRIu64,
			       h->header_length, cluster);
	if (h->header_length > h->file_size)
		return zq_fail(err, -EINVAL,
			       "header_length %" PRIu32 " is larger than the file, %" PRIu64
			       " bytes",
			       h->header_length, h->file_size);
	return 0;
}

/* The backing file's name lies within the first cluster, behind the header. */
static int read_backing_name(const uint8_t *cluster, struct qcow2_header *h, struct zq_error *err)
{
	uint32_t len = get_be32(cluster + QCOW2_H_BACKING_SIZE);
	uint64_t cluster_size = qcow2_header_cluster_size(h);

	if (!h->backing_offset)
		return 0;
	if (len > QCOW2_MAX_BACKING_NAME)
		return zq_fail(err, -EINVAL, "backing_file_size %" PRIu32 " is larger than %u", len,
			       QCOW2_MAX_BACKING_NAME);
	if (h->backing_offset < h->header_length)
		return zq_fail(err, -EINVAL,
			       "backing_file_offset %" PRIu64
			       " lies within the header, which ends at %" PRIu32,
			       h->backing_offset, h->header_length);
	if (!range_within(h->backing_offset, len, cluster_size))
		return zq_fail(err, -EINVAL,
			       "backing_file_offset %" PRIu64 " with backing_file_size %" PRIu32
			       " passes the end of the first cluster, %" PRIu64,
			       h->backing_offset, len, cluster_size);
	if (!len) /* a name of no length names nothing */
		return 0;
	if (memchr(cluster + h->backing_offset, 0, len))
		return zq_fail(err, -EINVAL, "the backing file's name holds a zero byte");
	h->backing_file = strndup((const char *)cluster + h->backing_offset, len);
	return h->backing_file ? 0 : zq_fail(err, -ENOMEM, "out of memory");
}

static int check_crypt(const struct qcow2_header *h, struct zq_error *err)
{
	static const char *const names[] = { "none", "AES", "LUKS" };

	if (!h->crypt_method)
		return 0;
	if (h->crypt_method < ARRAY_SIZE(names))
		return zq_fail(err, -ENOTSUP,
			       "crypt_method %" PRIu32 ": encryption (%s) is not supported",
			       h->crypt_method, names[h->crypt_method]);
	return zq_fail(err, -EINVAL, "crypt_method %" PRIu32 " is unknown, at most 2",
		       h->crypt_method);
}

static int check_compression(const struct qcow2_header *h, struct zq_error *err)
{
	bool bit = h->incompat & QCOW2_INCOMPAT_COMPRESSION;

	if (h->compression_type > 1)
		return zq_fail(err, -ENOTSUP,
			       "compression_type %u is not supported (0 is zlib, 1 is zstd)",
			       h->compression_type);
	if (bit && !h->compression_type)
		return zq_fail(err, -EINVAL,
			       "compression_type 0 contradicts incompatible feature bit 3 "
			       "(compression type), which wants another than 0");
	if (!bit && h->compression_type)
		return zq_fail(err, -EINVAL,
			       "compression_type %u needs incompatible feature bit 3 "
			       "(compression type), which is not set",
			       h->compression_type);
	return 0;
}

/* Features that exclude or require each other. The zoned one: check_zoned. */
static int check_features(const struct qcow2_header *h, struct zq_error *err)
{
	bool raw = h->autoclear & QCOW2_AUTOCLEAR_DATA_RAW;
	bool data_file = h->incompat & QCOW2_INCOMPAT_DATA_FILE;
	int ret = check_compression(h, err);

	if (ret)
		return ret;
	if (h->incompat & QCOW2_INCOMPAT_EXTL2 && h->cluster_bits < QCOW2_EXTL2_MIN_CLUSTER_BITS)
		return zq_fail(err, -EINVAL,
			       "cluster_bits %" PRIu32
			       " is smaller than %u, which extended L2 entries need",
			       h->cluster_bits, QCOW2_EXTL2_MIN_CLUSTER_BITS);
	if (raw && !data_file)
		return zq_fail(err, -EINVAL,
			       "autoclear feature bit 1 (raw external data) is set without "
			       "incompatible feature bit 2 (external data file)");
	if (raw && h->backing_file)
		return zq_fail(err, -EINVAL,
			       "autoclear feature bit 1 (raw external data) excludes the backing "
			       "file \"%s\"",
			       h->backing_file);
	if (data_file && h->nb_snapshots)
		return zq_fail(err, -EINVAL,
			       "nb_snapshots %" PRIu32
			       " with an external data file, which excludes "
			       "internal snapshots",
			       h->nb_snapshots);
	if (h->refcount_order > 6)
		return zq_fail(err, -EINVAL, "refcount_order %" PRIu32 " is larger than 6",
			       h->refcount_order);
	return 0;
}

/* The bit and the extension, together or not at all; and what the caller wants. */
static int check_zoned(const struct qcow2_header *h, enum header_want want, struct zq_error *err)
{
	bool bit = h->incompat & QCOW2_INCOMPAT_ZONED;
	char size[SIZE_TEXT_MAX];

	if (bit && !h->zoned.present)
		return zq_fail(err, -EINVAL,
			       "incompatible feature bit 5 (zoned format) is set, but the zoned "
			       "extension is missing");
	if (bit && want == HEADER_PLAIN)
		return zq_fail(err, -EMEDIUMTYPE,
			       "is a zoned image, which cannot be a backing file");
	if (!bit && want == HEADER_ZONED) {
		uint64_t blocks = h->size / ZQ_BLOCK + (h->size % ZQ_BLOCK != 0);

		size_format_exact(blocks * ZQ_BLOCK, size);
		return zq_fail(err, -EMEDIUMTYPE,
			       "is a qcow2 image without zones; \"zqfs create NEW.qcow2 %s\" makes "
			       "a zoned one of that size",
			       size);
	}
	return 0;
}

int header_parse_cluster(const uint8_t *cluster, enum header_want want, struct qcow2_header *h,
			 struct zq_error *err)
{
	struct header_area area = { .cluster = cluster };
	int ret;

	parse_fields(cluster, h);
	ret = check_length(h, err);
	if (ret)
		return ret;
	area.start = h->header_length;
	area.end = qcow2_header_cluster_size(h);
	if (h->backing_offset >= area.start && h->backing_offset < area.end)
		area.end = h->backing_offset;

	/* First of all: an unknown feature may give any other field another meaning. */
	ret = header_check_incompat(h, &area, err);
	if (!ret)
		ret = check_crypt(h, err);
	if (!ret)
		ret = read_backing_name(cluster, h, err);
	if (ret)
		return ret;
	if (h->header_length > QCOW2_H_COMPRESSION)
		h->compression_type = cluster[QCOW2_H_COMPRESSION];
	ret = header_read_extensions(h, &area, err);
	if (!ret)
		ret = check_features(h, err);
	if (!ret)
		ret = check_zoned(h, want, err);
	if (!ret)
		ret = header_check_tables(h, err);
	return ret;
}

void qcow2_header_free(struct qcow2_header *h)
{
	free(h->backing_file);
	free(h->backing_format);
	free(h->data_file);
	h->backing_file = h->backing_format = h->data_file = NULL;
}
