/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one commit takes along: copies of all changed values, taken under the lock, so that they
 * can be written without it.
 */
#ifndef ZQ_QCOW2_ENGINE_COMMIT_BATCH_H
#define ZQ_QCOW2_ENGINE_COMMIT_BATCH_H

#include "qcow2/engine/image.h"
#include "qcow2/engine/wptable.h"

struct commit_batch {
	struct wp_update *wp;
	size_t nr_wp;
	struct md_copy *slice;
	size_t nr_slices;
	struct table_group *l1, *ref;
	size_t nr_l1, nr_ref;
	uint64_t *new_table; /* sorted offsets of fresh L2 tables and refcount blocks */
	size_t nr_new;
	bool moved; /* the refcount table has a new place */
	uint64_t ref_offset, ref_words;
	uint64_t *ref_copy; /* the whole refcount table, big-endian, when it moved */
	bool data;
	struct qcow2_runs let_go;
	/* how far a commit came; what it wrote before is not new to the one that tries again */
	bool back_done;	  /* pointers that went back and new refcount blocks are on disk */
	bool placed;	  /* the header names the new refcount table */
	bool tables_done; /* step 1 is on disk: new L2 tables and counts */
};

/*
 * Fills an empty batch. What it took must go to commit_batch_end, also when it fails (-ENOMEM).
 * [lock]
 */
int commit_batch_take(struct qcow2_image *img, struct commit_batch *b);

/* Marks what the batch took as done, or gives it back when the commit failed. Frees the batch but
 * not its let_go. [lock] */
void commit_batch_end(struct qcow2_image *img, struct commit_batch *b, bool ok);

/* Does the slice belong to a table that nothing on disk refers to yet? Without the lock. */
bool commit_batch_is_new(const struct qcow2_image *img, const struct commit_batch *b,
			 const struct md_slice *s);

#endif
