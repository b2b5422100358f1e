/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where everything goes in a new image: plain numbers that create.c derives from the
 * parameters and create_tables.c writes out.
 *
 *   header | refcount table | refcount blocks | zonedmeta | L1 | L2 tables | data
 *
 * L2 tables and data only with preallocation; data only without an external data file.
 */
#ifndef ZQ_QCOW2_CREATE_CREATE_LAYOUT_H
#define ZQ_QCOW2_CREATE_CREATE_LAYOUT_H

#include "qcow2/create/create.h"

struct create_layout {
	uint64_t cluster_size;
	unsigned cluster_bits;
	unsigned l2_entry_size; /* 8 or 16 bytes */
	uint64_t l1_size;	/* entries */
	uint64_t l2_entries;	/* of one table */
	uint64_t guest_clusters;
	uint64_t refs_per_block;

	/* numbers of clusters; the header takes one before them */
	uint64_t reftable, refblocks, meta, l1, l2, data;
	uint64_t total; /* clusters that are in use, all of the file */
};

/* Byte offsets of the parts. */
static inline uint64_t create_reftable_offset(const struct create_layout *l)
{
	return l->cluster_size;
}

static inline uint64_t create_refblocks_offset(const struct create_layout *l)
{
	return create_reftable_offset(l) + (l->reftable << l->cluster_bits);
}

static inline uint64_t create_meta_offset(const struct create_layout *l)
{
	return create_refblocks_offset(l) + (l->refblocks << l->cluster_bits);
}

static inline uint64_t create_l1_offset(const struct create_layout *l)
{
	return create_meta_offset(l) + (l->meta << l->cluster_bits);
}

static inline uint64_t create_l2_offset(const struct create_layout *l)
{
	return create_l1_offset(l) + (l->l1 << l->cluster_bits);
}

static inline uint64_t create_data_offset(const struct create_layout *l)
{
	return create_l2_offset(l) + (l->l2 << l->cluster_bits);
}

/* Writes all tables; what is zero is left to the file, which is empty. Not flushed. */
int create_write_tables(struct zq_io *io, const struct create_layout *l,
			const struct qcow2_create_params *p);

#endif
