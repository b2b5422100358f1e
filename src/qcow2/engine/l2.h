/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L1 and L2 tables: where the descriptor of a guest cluster is, and what it says.
 * Spec: "Cluster mapping", "Extended L2 Entries". All functions want the lock held.
 */
#ifndef ZQ_QCOW2_ENGINE_L2_H
#define ZQ_QCOW2_ENGINE_L2_H

#include "qcow2/engine/image.h"
#include "util/bytes.h"

/* What a guest cluster, or with extended L2 one of its subclusters, is. */
enum l2_kind {
	L2_UNALLOCATED,	   /* reads from the backing file, or as zeros */
	L2_ZERO,	   /* reads as zeros, has no host cluster */
	L2_ZERO_ALLOCATED, /* reads as zeros, has a host cluster all the same */
	L2_DATA,	   /* in its host cluster */
	L2_COMPRESSED,
	L2_BAD, /* reserved bits, unaligned, outside of the file, on top of metadata */
};

struct l2_entry {
	uint64_t desc;
	uint64_t bitmap; /* extended L2 only: allocation bits low, zero bits high */
};

/* A pinned piece of an L2 table. */
struct l2_ref {
	struct md_slice *slice; /* NULL: there is no L2 table (only when not for writing) */
	unsigned index;		/* of the cluster asked for, in the slice */
	unsigned count;		/* entries from there to the slice's end; without a table the
				 * clusters up to where the slice would end */
};

/*
 * Pins the slice with the descriptor of the guest cluster at off. write: there will be a
 * table that is ours alone: made when missing, copied when a snapshot shares it. Drops
 * the lock for I/O. -EUCLEAN when the table is damaged (logged), -EIO, -ENOSPC, -ENOMEM.
 */
int l2_pin(struct qcow2_image *img, uint64_t off, bool write, struct l2_ref *ref);
static inline void l2_unpin(struct qcow2_image *img, struct l2_ref *ref)
{
	if (ref->slice)
		mdcache_unpin(&img->cache, ref->slice);
	ref->slice = NULL;
}

/* Copies the table of that number, which exists, to another cluster. Drops the lock for I/O. */
int l2_copy_table(struct qcow2_image *img, uint64_t l1_index);

static inline struct l2_entry l2_get(const struct qcow2_image *img, const struct l2_ref *ref,
				     unsigned index)
{
	struct l2_entry e = { 0, 0 };
	const uint8_t *p;

	if (!ref->slice)
		return e;
	p = ref->slice->data + ((size_t)index << img->l2_entry_bits);
	e.desc = get_be64(p);
	if (img->ext_l2)
		e.bitmap = get_be64(p + 8);
	return e;
}
/* Marks the slice dirty. */
void l2_set(struct qcow2_image *img, struct l2_ref *ref, unsigned index, struct l2_entry e);

/* What subcluster sub (0 without extended L2) of the guest cluster at guest is. */
enum l2_kind l2_kind(struct qcow2_image *img, uint64_t guest, struct l2_entry e, unsigned sub);
/* Does the entry lead to where metadata is? It is L2_BAD then. *host: to which offset. [lock] */
bool l2_overlaps(const struct qcow2_image *img, struct l2_entry e, uint64_t *host);
/* The host cluster's offset in img->data; only where there is one. */
static inline uint64_t l2_host(struct l2_entry e)
{
	return e.desc & QCOW2_OFFSET_MASK;
}
/* Does the entry hold a host cluster (not compressed)? */
static inline bool l2_has_host(const struct qcow2_image *img, struct l2_entry e)
{
	if (e.desc & QCOW2_COMPRESSED)
		return false;
	/* offset 0 is the header's cluster, except in an external data file */
	return l2_host(e) || (img->has_data_file && (e.desc & QCOW2_COPIED));
}

/* Puts the references that an entry holds on the list of those let go. */
void l2_let_go(struct qcow2_image *img, struct l2_entry e);

#endif
