/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making refcount blocks and a larger refcount table. One thread at a time does that
 * (reftable_busy), since it drops the lock to ask the host for room. What can fail comes
 * first; then all is entered in one critical section, so that no commit sees a part of it.
 */
#include <errno.h>

#include "qcow2/engine/backlog.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/refblock.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/engine/table_run.h"
#include "util/math.h"

/* ---- one block --------------------------------------------------------------------------- */

static int make_block(struct qcow2_image *img, uint64_t index, uint64_t cluster)
{
	uint64_t off = cluster << img->cluster_bits;
	struct qcow2_run run = { cluster, 1 };
	struct md_slice *s;
	int rc;

	/* once it is entered every commit needs it: a host without room must show now */
	image_unlock(img);
	rc = image_make_room_for_table(img, &img->reftable, index, off);
	image_lock(img);
	if (rc < 0)
		return rc;
	mdcache_forget(&img->cache, off, img->cluster_size);
	rc = mdcache_pin(&img->cache, refcount_slice_place(img, off, cluster),
			 MDCACHE_REFBLOCK | MDCACHE_FRESH | MDCACHE_WRITE, &s);
	if (rc < 0)
		return rc;
	table_set(&img->reftable, index, off, true);
	refcount_set(img, s, cluster, 1);
	mdcache_unpin(&img->cache, s);
	table_run_note_used(img, &run);
	return 0;
}

/* ---- a larger table ---------------------------------------------------------------------- */

/* Entries of a table for at least "need" blocks and those of its own; 0: too large. */
static uint64_t larger_table(const struct qcow2_image *img, uint64_t need)
{
	uint64_t per_cluster = img->cluster_size / 8;
	/* half as much again, so that it does not grow often */
	uint64_t nr = div_up(need + need / 2 + 8, per_cluster) * per_cluster;

	if (nr * 8 > QCOW2_MAX_REFTABLE_BYTES)
		nr = div_up(need + 2, per_cluster) * per_cluster;
	return nr * 8 > QCOW2_MAX_REFTABLE_BYTES ? 0 : nr;
}

/* Everything that can fail. */
static int prepare_growth(struct qcow2_image *img, struct table_run *r)
{
	int rc = table_run_prepare(img, r, UINT64_MAX);

	if (rc == 0 && !r->run.count)
		rc = -ENOSPC;
	return rc < 0 ? rc : table_grow(&img->reftable, r->max_blocks);
}

/* Enters what has been prepared, in one piece. Nothing here fails. */
static void enter_growth(struct qcow2_image *img, const struct table_run *r, uint64_t old_nr)
{
	uint64_t old_offset = img->reftable.offset;

	table_run_enter(img, r);
	img->reftable.offset = r->run.start << img->cluster_bits;
	img->reftable_moved = true;
	backlog_let_go(img, old_offset >> img->cluster_bits, (old_nr * 8) >> img->cluster_bits);
}

/*
 * Replaces the refcount table by a larger one. In memory it is at once as large; the next
 * commit writes it whole, and then the header. Only then is the old one let go.
 */
static int grow_table(struct qcow2_image *img, uint64_t need)
{
	uint64_t old_nr = img->reftable.nr;
	struct table_run r = { .max_blocks = larger_table(img, need) };
	int rc;

	if (!r.max_blocks)
		return -ENOSPC;
	r.clusters = (r.max_blocks * 8) >> img->cluster_bits;
	rc = prepare_growth(img, &r);
	if (rc == 0)
		enter_growth(img, &r, old_nr);
	table_run_end(img, &r, rc == 0);
	return rc;
}

/* ---- whoever needs one -------------------------------------------------------------------- */

int refblock_make(struct qcow2_image *img, uint64_t cluster)
{
	uint64_t index = cluster >> img->refblock_bits;
	int rc;

	if (img->reftable_busy) { /* this may have been done when it is our turn */
		while (img->reftable_busy)
			pthread_cond_wait(&img->cond, &img->lock);
		return 0;
	}
	if (cluster > (QCOW2_OFFSET_MASK >> img->cluster_bits) - 1)
		return -ENOSPC;
	img->reftable_busy = true;
	if (index >= img->reftable.nr)
		rc = grow_table(img, index + 1);
	else
		rc = make_block(img, index, cluster);
	img->reftable_busy = false;
	pthread_cond_broadcast(&img->cond);
	return rc;
}
