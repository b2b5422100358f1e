/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a copy of what has changed, and marking it done or giving it back.
 */
#include "qcow2/engine/commit_batch.h"

#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/backlog.h"
#include "util/bytes.h"
#include "util/math.h"

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Lists the tables behind fresh words. */
static void list_targets(const struct table_group *g, size_t nr, uint64_t mask, uint64_t *out,
			 size_t *n)
{
	for (size_t i = 0; i < nr; i++)
		for (unsigned w = 0; w < g[i].nr; w++)
			if ((g[i].fresh >> w & 1) && (g[i].word[w] & mask))
				out[(*n)++] = g[i].word[w] & mask;
}

static int list_new_tables(struct commit_batch *b)
{
	size_t max = (b->nr_l1 + b->nr_ref) * TABLE_GROUP;

	if (!max)
		return 0;
	b->new_table = calloc(max, sizeof(*b->new_table));
	if (!b->new_table)
		return -ENOMEM;
	list_targets(b->l1, b->nr_l1, QCOW2_OFFSET_MASK, b->new_table, &b->nr_new);
	list_targets(b->ref, b->nr_ref, ~QCOW2_REFTABLE_RESERVED, b->new_table, &b->nr_new);
	qsort(b->new_table, b->nr_new, sizeof(*b->new_table), compare_u64);
	return 0;
}

static int copy_reftable(struct qcow2_image *img, struct commit_batch *b)
{
	b->moved = img->reftable_moved;
	b->ref_offset = img->reftable.offset;
	b->ref_words = img->reftable.nr;
	if (!b->moved)
		return 0;
	b->ref_copy = calloc((size_t)b->ref_words, sizeof(*b->ref_copy));
	if (!b->ref_copy)
		return -ENOMEM;
	for (uint64_t i = 0; i < b->ref_words; i++)
		put_be64(&b->ref_copy[i], img->reftable.word[i]);
	img->reftable_moved = false;
	return 0;
}

int commit_batch_take(struct qcow2_image *img, struct commit_batch *b)
{
	int rc = copy_reftable(img, b);

	if (rc == 0)
		rc = table_commit_begin(&img->reftable, &b->ref, &b->nr_ref);
	if (rc == 0)
		rc = table_commit_begin(&img->l1, &b->l1, &b->nr_l1);
	if (rc == 0)
		rc = list_new_tables(b);
	if (rc == 0)
		rc = mdcache_commit_begin(&img->cache, &b->slice, &b->nr_slices);
	if (rc == 0)
		rc = wptable_commit_begin(img, &b->wp, &b->nr_wp);
	b->data = img->data_dirty;
	img->data_dirty = false;
	b->let_go = backlog_take(img);
	return rc;
}

void commit_batch_end(struct qcow2_image *img, struct commit_batch *b, bool ok)
{
	table_commit_end(&img->reftable, b->ref, b->nr_ref, ok, b->back_done);
	table_commit_end(&img->l1, b->l1, b->nr_l1, ok, b->tables_done);
	mdcache_commit_end(&img->cache, b->slice, b->nr_slices, ok, b->tables_done);
	if (img->wpt)
		wptable_commit_end(img, b->wp, b->nr_wp, b->back_done, ok);
	if (!ok) {
		img->reftable_moved |= b->moved && !b->placed;
		img->data_dirty |= b->data;
		backlog_return(img, &b->let_go);
	}
	backlog_update(img);
	free(b->new_table);
	free(b->ref_copy);
}

bool commit_batch_is_new(const struct qcow2_image *img, const struct commit_batch *b,
			 const struct md_slice *s)
{
	uint64_t table = align_down(s->off, img->cluster_size);

	return b->nr_new && bsearch(&table, b->new_table, b->nr_new, sizeof(table), compare_u64);
}
