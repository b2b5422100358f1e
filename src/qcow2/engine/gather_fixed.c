/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving L1 table, refcount table and write pointers. In this order, each on disk before the next:
 * the counts of the new place, the copy, the words of the header that lead to it, which lie in
 * one sector. Then the old place is let go. So an end at any point leaves leaks at most.
 */
#include <errno.h>
#include <stdlib.h>

#include "io/io.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/commit.h"
#include "qcow2/engine/gather_fixed.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/engine/table_run.h"
#include "qcow2/engine/wptable.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

enum { FIXED_L1, FIXED_REFCOUNTS, FIXED_POINTERS, FIXED_TABLES };

struct fixed_table {
	uint64_t start, clusters; /* where it is */
	uint64_t words;		  /* of 8 bytes, that it needs */
	uint64_t need;		  /* clusters for these */
};

/* Without the words at the end that say nothing; one at least. */
static uint64_t words_in_use(const struct qcow2_table *t, uint64_t least)
{
	uint64_t nr = t->nr;

	while (nr > least && !t->word[nr - 1])
		nr--;
	return nr;
}

/* As large as the disk asks for. */
static uint64_t least_l1(const struct qcow2_image *img)
{
	return div_up(img->hdr.size, UINT64_C(1) << (img->l2_bits + img->cluster_bits));
}

static struct fixed_table fixed_table(const struct qcow2_image *img, unsigned which)
{
	const struct qcow2_header *h = &img->hdr;
	uint64_t off, bytes;
	struct fixed_table t;

	switch (which) {
	case FIXED_L1:
		off = h->l1_offset;
		bytes = img->l1.nr * 8;
		t.words = words_in_use(&img->l1, least_l1(img));
		break;
	case FIXED_REFCOUNTS:
		off = img->reftable.offset;
		bytes = img->reftable.nr * 8;
		/* whole clusters of them: the header tells no less */
		t.words = align_up(words_in_use(&img->reftable, 1), img->cluster_size / 8);
		break;
	default:
		off = h->zoned.meta_offset;
		bytes = h->zoned.present ? h->zoned.meta_size : 0;
		t.words = bytes / 8;
	}
	t.start = off >> img->cluster_bits;
	t.clusters = div_up(bytes, img->cluster_size);
	t.need = div_up(t.words * 8, img->cluster_size);
	return t;
}

uint64_t gather_fixed_from(const struct qcow2_image *img, uint64_t used)
{
	uint64_t from = used, behind, last = 0;

	/* tables that would be cut by that place need room behind it as well */
	for (;; last = behind) {
		behind = 0;
		for (unsigned i = 0; i < FIXED_TABLES; i++) {
			struct fixed_table t = fixed_table(img, i);

			if (t.start + t.clusters > from)
				behind += t.clusters;
		}
		if (behind == last || behind >= used)
			return from;
		from = used - behind;
	}
}

/* ---- the header --------------------------------------------------------------------------------
 */

static int write_fixed_place(struct qcow2_image *img, unsigned which, const struct fixed_table *t,
			     uint64_t off)
{
	const struct qcow2_zoned_ext *z = &img->hdr.zoned;
	uint8_t b[12];

	switch (which) {
	case FIXED_L1: /* 12 adjacent bytes */
		put_be32(b, (uint32_t)t->words);
		put_be64(b + 4, off);
		return image_write_meta(img, b, 12, QCOW2_H_L1_SIZE);
	case FIXED_REFCOUNTS: /* likewise */
		put_be64(b, off);
		put_be32(b + 8, (uint32_t)t->need);
		return image_write_meta(img, b, 12, QCOW2_H_REFTABLE_OFFSET);
	default:
		put_be64(b, off);
		return image_write_meta(img, b, 8, z->at + z->layout->meta_offset.at);
	}
}

/* What is in memory follows. [lock] */
static void note_fixed(struct qcow2_image *img, unsigned which, const struct fixed_table *t,
		       uint64_t off)
{
	switch (which) {
	case FIXED_L1:
		img->l1.offset = img->hdr.l1_offset = off;
		img->hdr.l1_size = (uint32_t)t->words;
		table_shorten(&img->l1, t->words);
		break;
	case FIXED_REFCOUNTS:
		img->reftable.offset = img->hdr.reftable_offset = off;
		img->hdr.reftable_clusters = (uint32_t)t->need;
		table_shorten(&img->reftable, t->words);
		break;
	default:
		img->hdr.zoned.meta_offset = off;
		img->l1.changes++;
		wptable_note_place(img);
	}
	backlog_let_go(img, t->start, t->clusters);
}

/* ---- moving ------------------------------------------------------------------------------------
 */

/* Takes the first run before "limit"; start 0: there is none. On disk when it returns 0. */
static int take_fixed_place(struct qcow2_image *img, uint64_t clusters, uint64_t limit,
			    uint64_t *start)
{
	struct table_run r = { .clusters = clusters, .max_blocks = img->reftable.nr };
	int rc;

	*start = 0;
	image_lock(img);
	rc = table_run_prepare(img, &r, limit);
	if (rc == 0 && r.run.count) {
		table_run_enter(img, &r);
		*start = r.run.start;
	}
	table_run_end(img, &r, *start);
	image_unlock(img);
	return rc ? rc : commit_until_clean(img);
}

/* The disk has what memory has, so the file is what is copied. */
static int copy_fixed(struct qcow2_image *img, const struct fixed_table *t, uint64_t off)
{
	size_t bytes = (size_t)(t->need << img->cluster_bits);
	uint8_t *buf CLEANUP_FREE = calloc(1, bytes);
	int rc = buf ? io_pread(img->file, buf, (size_t)t->words * 8, t->start << img->cluster_bits)
		     : -ENOMEM;

	if (rc == 0)
		rc = image_write_meta(img, buf, bytes, off);
	return rc ? rc : commit_flush(img, img->file);
}

static int switch_fixed(struct qcow2_image *img, unsigned which, uint64_t start)
{
	struct fixed_table t = fixed_table(img, which);
	uint64_t off = start << img->cluster_bits;
	int rc = copy_fixed(img, &t, off);

	if (rc == 0)
		rc = write_fixed_place(img, which, &t, off);
	if (rc == 0)
		rc = commit_flush(img, img->file);
	if (rc < 0)
		return rc;
	image_lock(img);
	note_fixed(img, which, &t, off);
	image_unlock(img);
	return commit_until_clean(img);
}

static int free_before(struct qcow2_image *img, uint64_t cluster, bool *free)
{
	struct md_slice *s;
	int rc;

	SCOPE_IMAGE_LOCK(img);
	rc = refcount_pin(img, cluster - 1, false, &s);
	if (rc < 0)
		return rc;
	*free = !s || !refcount_get(img, s, cluster - 1);
	if (s)
		mdcache_unpin(&img->cache, s);
	return 0;
}

/*
 * A place for the table that does not overlap the old one: none before it is long enough. Where it
 * is worth it, because it becomes shorter or clusters before it are free, it goes behind,
 * and in a second step to where it was or before that.
 */
static int go_around(struct qcow2_image *img, unsigned which, uint64_t *start)
{
	struct fixed_table t = fixed_table(img, which);
	bool worth = t.need < t.clusters;
	int rc = worth ? 0 : free_before(img, t.start, &worth);

	*start = 0;
	if (rc == 0 && worth)
		rc = take_fixed_place(img, t.need, UINT64_MAX, start);
	if (rc < 0 || !*start)
		return rc;
	rc = switch_fixed(img, which, *start);
	return rc ? rc : take_fixed_place(img, t.need, *start, start);
}

static int move_fixed(struct qcow2_image *img, unsigned which, uint64_t from, bool *moved)
{
	struct fixed_table t = fixed_table(img, which);
	uint64_t start;
	int rc;

	if (!t.clusters || (t.start + t.clusters <= from && t.need == t.clusters))
		return 0;
	rc = take_fixed_place(img, t.need, t.start, &start);
	if (rc == 0 && !start)
		rc = go_around(img, which, &start);
	if (rc < 0 || !start)
		return rc;
	*moved = true;
	return switch_fixed(img, which, start);
}

int gather_fixed_move(struct qcow2_image *img, uint64_t from, bool *moved)
{
	int rc = 0;

	for (unsigned i = 0; i < FIXED_TABLES && rc == 0; i++)
		rc = move_fixed(img, i, from, moved);
	return rc;
}
