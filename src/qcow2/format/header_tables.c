/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the header says that tables are: aligned, inside the file, within their limits and
 * apart from each other. Pure; what the tables hold is checked where it is used.
 */
#include <errno.h>
#include <inttypes.h>

#include "qcow2/format/format.h"
#include "qcow2/format/header_parts.h"
#include "util/math.h"

#define SNAPSHOT_MIN_BYTES 40u /* of one entry of the snapshot table */

static int check_aligned(const struct qcow2_header *h, const char *field, uint64_t offset,
			 struct zq_error *err)
{
	uint64_t cluster = qcow2_header_cluster_size(h);

	if (is_aligned(offset, cluster))
		return 0;
	return zq_fail(err, -EINVAL,
		       "%s %" PRIu64 " is not a multiple of the cluster size %" PRIu64, field,
		       offset, cluster);
}

static int check_inside(const struct qcow2_header *h, const char *field, uint64_t offset,
			uint64_t bytes, struct zq_error *err)
{
	if (range_within(offset, bytes, h->file_size))
		return 0;
	return zq_fail(err, -EINVAL,
		       "%s %" PRIu64 " with a table of %" PRIu64
		       " bytes passes the end of the file, %" PRIu64 " bytes",
		       field, offset, bytes, h->file_size);
}

static int check_l1(const struct qcow2_header *h, struct zq_error *err)
{
	unsigned entry_bits = h->incompat & QCOW2_INCOMPAT_EXTL2 ? 4 : 3;
	unsigned covers_bits = 2 * h->cluster_bits - entry_bits; /* guest bytes of an L2 table */
	uint64_t bytes = (uint64_t)h->l1_size * 8;
	uint64_t need = div_up(h->size, UINT64_C(1) << covers_bits);
	int ret;

	if (bytes > QCOW2_MAX_L1_BYTES)
		return zq_fail(err, -EINVAL, "l1_size %" PRIu32 " is larger than %" PRIu64,
			       h->l1_size, QCOW2_MAX_L1_BYTES / 8);
	if (h->l1_size < need)
		return zq_fail(err, -EINVAL,
			       "l1_size %" PRIu32 " is smaller than %" PRIu64
			       ", which the size %" PRIu64 " needs",
			       h->l1_size, need, h->size);
	ret = check_aligned(h, "l1_table_offset", h->l1_offset, err);
	if (ret || !bytes)
		return ret;
	return check_inside(h, "l1_table_offset", h->l1_offset, bytes, err);
}

static int check_reftable(const struct qcow2_header *h, struct zq_error *err)
{
	uint64_t max = QCOW2_MAX_REFTABLE_BYTES >> h->cluster_bits;
	uint64_t last;
	int ret;

	if (!h->reftable_clusters)
		return zq_fail(err, -EINVAL, "refcount_table_clusters 0 is smaller than 1");
	if (h->reftable_clusters > max)
		return zq_fail(err, -EINVAL,
			       "refcount_table_clusters %" PRIu32 " is larger than %" PRIu64,
			       h->reftable_clusters, max);
	ret = check_aligned(h, "refcount_table_offset", h->reftable_offset, err);
	if (ret)
		return ret;
	/* The file may end within the last cluster of the table. */
	last = ((uint64_t)h->reftable_clusters - 1) << h->cluster_bits;
	return check_inside(h, "refcount_table_offset", h->reftable_offset, last + 1, err);
}

static int check_snapshot_place(const struct qcow2_header *h, struct zq_error *err)
{
	int ret;

	if (!h->nb_snapshots)
		return 0;
	if (h->nb_snapshots > QCOW2_MAX_SNAPSHOTS)
		return zq_fail(err, -EINVAL, "nb_snapshots %" PRIu32 " is larger than %u",
			       h->nb_snapshots, QCOW2_MAX_SNAPSHOTS);
	ret = check_aligned(h, "snapshots_offset", h->snapshots_offset, err);
	if (ret)
		return ret;
	return check_inside(h, "snapshots_offset", h->snapshots_offset,
			    (uint64_t)h->nb_snapshots * SNAPSHOT_MIN_BYTES, err);
}

/* Each table has its clusters for itself. All ends are known not to wrap. */
static int check_overlaps(const struct qcow2_header *h, struct zq_error *err)
{
	uint64_t cluster = qcow2_header_cluster_size(h);
	const struct {
		const char *name;
		uint64_t offset, bytes;
	} table[] = {
		{ "header", 0, cluster },
		{ "refcount table", h->reftable_offset,
		  (uint64_t)h->reftable_clusters << h->cluster_bits },
		{ "L1 table", h->l1_offset, align_up((uint64_t)h->l1_size * 8, cluster) },
		{ "snapshot table", h->snapshots_offset,
		  align_up((uint64_t)h->nb_snapshots * SNAPSHOT_MIN_BYTES, cluster) },
		{ "zonedmeta region", h->zoned.meta_offset,
		  h->zoned.present ? align_up(h->zoned.meta_size, cluster) : 0 },
	};

	for (size_t i = 1; i < ARRAY_SIZE(table); i++) {
		for (size_t k = 0; k < i; k++) {
			if (!ranges_overlap(table[k].offset, table[k].bytes, table[i].offset,
					    table[i].bytes))
				continue;
			return zq_fail(err, -EINVAL,
				       "the %s at %" PRIu64 " (%" PRIu64
				       " bytes) overlaps the %s at %" PRIu64 " (%" PRIu64 " bytes)",
				       table[i].name, table[i].offset, table[i].bytes,
				       table[k].name, table[k].offset, table[k].bytes);
		}
	}
	return 0;
}

int header_check_tables(const struct qcow2_header *h, struct zq_error *err)
{
	int ret = check_l1(h, err);

	if (!ret)
		ret = check_reftable(h, err);
	if (!ret)
		ret = check_snapshot_place(h, err);
	if (!ret)
		ret = check_overlaps(h, err);
	return ret;
}
