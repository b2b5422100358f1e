/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new image: lays it out, has the tables written, and writes the beginning of the header last of
 * all, so that a crash before the end leaves a file that no program takes for an image.
 * Holds one cluster and one small buffer, whatever the size of the image.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/create/create_layout.h"
#include "qcow2/format/format.h"
#include "util/cleanup.h"
#include "util/math.h"

/* Host offsets have 56 bits in an L2 entry. */
#define MAX_HOST_BYTES (UINT64_C(1) << 56)

/*
 * The refcount blocks count themselves and the table, which grows with them: repeat until
 * the numbers hold. They only ever go up, from 1, so this ends.
 */
static void fit_refcounts(struct create_layout *l)
{
	uint64_t rest = 1 + l->meta + l->l1 + l->l2 + l->data;

	l->reftable = 1;
	l->refblocks = 1;
	for (;;) {
		uint64_t blocks, table;

		l->total = rest + l->reftable + l->refblocks;
		blocks = div_up(l->total, l->refs_per_block);
		table = div_up(blocks * 8, l->cluster_size);
		if (blocks == l->refblocks && table == l->reftable)
			return;
		l->refblocks = blocks;
		l->reftable = table;
	}
}

static int lay_out(const struct qcow2_create_params *p, struct create_layout *l,
		   struct zq_error *err)
{
	uint64_t size = p->geo.size;

	*l = (struct create_layout){ .cluster_bits = p->cluster_bits };
	l->cluster_size = UINT64_C(1) << p->cluster_bits;
	l->l2_entry_size = p->extended_l2 ? 16 : 8;
	l->l2_entries = l->cluster_size / l->l2_entry_size;
	l->guest_clusters = div_up(size, l->cluster_size);
	l->l1_size = div_up(l->guest_clusters, l->l2_entries);
	l->refs_per_block = l->cluster_size * 8 >> p->refcount_order;
	if (l->l1_size * 8 > QCOW2_MAX_L1_BYTES)
		return zq_fail(err, -EFBIG,
			       "size %" PRIu64 " is larger than %" PRIu64
			       ", the most that a cluster_size of %" PRIu64 " allows",
			       size, (QCOW2_MAX_L1_BYTES / 8 * l->l2_entries) << p->cluster_bits,
			       l->cluster_size);
	l->meta = div_up((uint64_t)p->geo.nr_zones * 8, l->cluster_size);
	l->l1 = div_up(l->l1_size * 8, l->cluster_size);
	if (p->prealloc_metadata) {
		l->l2 = l->l1_size;
		l->data = p->data_io ? 0 : l->guest_clusters;
	}
	fit_refcounts(l);
	if (l->reftable << p->cluster_bits > QCOW2_MAX_REFTABLE_BYTES ||
	    l->total > MAX_HOST_BYTES >> p->cluster_bits)
		return zq_fail(err, -EFBIG,
			       "size %" PRIu64
			       " is too large to preallocate with a cluster_size of "
			       "%" PRIu64 " and refcount_bits of %u",
			       size, l->cluster_size, 1u << p->refcount_order);
	return 0;
}

/* The pointers in the header struct are borrowed from the parameters. */
static void make_header(const struct create_layout *l, const struct qcow2_create_params *p,
			struct qcow2_header *h)
{
	*h = (struct qcow2_header){
		.version = 3,
		.cluster_bits = p->cluster_bits,
		.size = p->geo.size,
		.l1_size = (uint32_t)l->l1_size,
		.l1_offset = create_l1_offset(l),
		.reftable_offset = create_reftable_offset(l),
		.reftable_clusters = (uint32_t)l->reftable,
		.incompat = QCOW2_INCOMPAT_ZONED,
		.refcount_order = p->refcount_order,
		.compression_type = p->compression_type,
		.backing_file = (char *)p->backing_file,
		.backing_format = (char *)p->backing_format,
		.data_file = (char *)p->data_file,
		.base_id = p->base_id,
		.zoned = {
			.present = true,
			.layout = p->layout,
			.geo = p->geo,
			.model = 1,
			.meta_size = (uint64_t)p->geo.nr_zones * 8,
			.meta_offset = create_meta_offset(l),
		},
	};
	if (p->identity) {
		h->identity = (struct qcow2_identity){ .present = true, .id = p->identity };
		h->autoclear |= QCOW2_AUTOCLEAR_IDENTITY;
	}
	if (p->data_io)
		h->incompat |= QCOW2_INCOMPAT_DATA_FILE;
	if (p->compression_type)
		h->incompat |= QCOW2_INCOMPAT_COMPRESSION;
	if (p->extended_l2)
		h->incompat |= QCOW2_INCOMPAT_EXTL2;
	if (p->lazy_refcounts)
		h->compat |= QCOW2_COMPAT_LAZY;
	if (p->data_file_raw)
		h->autoclear |= QCOW2_AUTOCLEAR_DATA_RAW;
}

/* So early, because a file that large may be more than the file system takes. */
static int set_sizes(struct zq_io *io, const struct create_layout *l,
		     const struct qcow2_create_params *p, struct zq_error *err)
{
	uint64_t bytes = l->total << p->cluster_bits;
	int ret = 0;

	if (p->data_io)
		ret = io_truncate(p->data_io, p->geo.size);
	if (ret)
		return zq_fail(err, ret, "making the data file %" PRIu64 " bytes long: %s",
			       p->geo.size, strerror(-ret));
	ret = io_truncate(io, bytes);
	if (ret)
		return zq_fail(err, ret, "making the image file %" PRIu64 " bytes long: %s", bytes,
			       strerror(-ret));
	return 0;
}

/* Everything else is on stable storage before the header's first block is written, which makes an
 * image of the file and cannot be torn. */
static int write_image(struct zq_io *io, const struct create_layout *l,
		       const struct qcow2_create_params *p, const uint8_t *header)
{
	int ret = create_write_tables(io, l, p);

	if (!ret)
		ret = io_write(io, header + ZQ_BLOCK, (size_t)l->cluster_size - ZQ_BLOCK, ZQ_BLOCK);
	if (!ret && p->data_io)
		ret = io_flush(p->data_io);
	if (!ret)
		ret = io_flush(io);
	if (!ret)
		ret = io_write(io, header, ZQ_BLOCK, 0);
	if (!ret)
		ret = io_flush(io);
	return ret;
}

int qcow2_create(struct zq_io *io, const struct qcow2_create_params *p, struct zq_error *err)
{
	struct create_layout l;
	struct qcow2_header h;
	uint8_t *cluster CLEANUP_FREE = NULL;
	int ret;

	ret = lay_out(p, &l, err);
	if (ret)
		return ret;
	make_header(&l, p, &h);
	cluster = malloc((size_t)l.cluster_size);
	if (!cluster)
		return zq_fail(err, -ENOMEM, "out of memory");
	/* Before anything is written: it can fail for want of room. */
	ret = qcow2_header_encode(&h, cluster, err);
	if (!ret)
		ret = set_sizes(io, &l, p, err);
	if (ret)
		return ret;
	ret = write_image(io, &l, p, cluster);
	if (ret)
		return zq_fail(err, ret, "writing the image: %s", strerror(-ret));
	return 0;
}
