/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding places for new refcount blocks and for a larger refcount table: any free run will do, so
 * that an image on a block device, or on a disk that is full, can be repaired. What is planned is
 * counted at once and so is not found free again. Writes nothing but the length of the file.
 */
#include <errno.h>
#include <stdlib.h>

#include "io/io.h"
#include "qcow2/check/repair_plan.h"
#include "util/math.h"

#define MAX_BLOCKS (QCOW2_MAX_REFTABLE_BYTES / 8)

/* ---- free runs ------------------------------------------------------------------------------ */

/* The cluster's refcount on disk. One that is not known counts as in use. */
static uint64_t count_on_disk(struct check *c, struct plan *p, uint64_t cluster)
{
	uint64_t per_block = check_block_entries(c), index = cluster / per_block;

	if (index >= c->reftable_nr || !c->block_ok[index])
		return 1;
	if (p->counts_of != index + 1) {
		p->counts_of = 0;
		if (io_pread(c->io, p->counts, (size_t)c->cluster_size, c->reftable[index]) < 0)
			return 1;
		p->counts_of = index + 1;
	}
	return refbits_get(p->counts, cluster % per_block, c->hdr->refcount_order);
}

static bool is_free(struct check *c, struct plan *p, uint64_t cluster)
{
	return !counts_get(c, cluster, NULL) && (!c->damaged || !count_on_disk(c, p, cluster));
}

/* The first free run of that many clusters in [from, end), or end. */
static uint64_t find_inside(struct check *c, struct plan *p, uint64_t from, uint64_t end,
			    uint64_t count)
{
	uint64_t start = from;

	for (uint64_t at = from; at < end; at++) {
		if (!is_free(c, p, at))
			start = at + 1;
		else if (at + 1 - start == count)
			return start;
	}
	return end;
}

/* Room behind the end of the file: it is made longer. False where it cannot be. */
static bool find_behind(struct check *c, struct plan *p, uint64_t count, uint64_t *cluster)
{
	uint64_t start = max_u64(p->end, c->file_clusters);

	if (count > (QCOW2_OFFSET_MASK >> c->cluster_bits) - start ||
	    io_truncate(c->io, (start + count) << c->cluster_bits) < 0)
		return false;
	*cluster = start;
	p->end = start + count;
	return true;
}

/* A free run; false with c->error set when there is none. */
static bool find_free_run(struct check *c, struct plan *p, uint64_t count, uint64_t *cluster)
{
	uint64_t end = c->file_size >> c->cluster_bits; /* whole clusters only */
	uint64_t from = count == 1 ? p->from : 1;

	/* behind the end nothing is in use, whatever could not be read */
	if (c->damaged && find_behind(c, p, count, cluster))
		return true;
	*cluster = find_inside(c, p, from, end, count);
	if (count == 1)
		p->from = *cluster;
	if (*cluster < end || find_behind(c, p, count, cluster))
		return true;
	c->error = -ENOSPC;
	return false;
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static bool has_block(const struct check *c, const struct plan *p, uint64_t index)
{
	return (index < c->reftable_nr && c->block_ok[index]) ||
	       (index < MAX_BLOCKS && p->planned[index]);
}

static bool plan_add(struct check *c, struct plan *p, struct new_block b)
{
	if (p->nr == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct new_block *more = realloc(p->block, cap * sizeof(*more));

		if (!more) {
			c->error = -ENOMEM;
			return false;
		}
		p->block = more;
		p->cap = cap;
	}
	p->block[p->nr++] = b;
	return true;
}

static void plan_block(struct check *c, struct plan *p, uint64_t index)
{
	uint64_t cluster;

	if (index >= MAX_BLOCKS) {
		c->error = -EFBIG;
		return;
	}
	if (!find_free_run(c, p, 1, &cluster) ||
	    !plan_add(c, p, (struct new_block){ .index = index, .cluster = cluster }))
		return;
	p->planned[index] = 1;
	p->top = max_u64(p->top, index + 1);
	check_count(c, cluster << c->cluster_bits, c->cluster_size, USE_META, 1);
}

/* Blocks for all chunks that have none. The blocks' own counts may need further ones. */
static void plan_blocks(struct check *c, struct plan *p)
{
	uint64_t chunks = check_block_entries(c) / CHUNK_CLUSTERS;
	size_t before, nr;

	do {
		struct count_chunk **all = counts_sorted(c, &nr);
		uint64_t last = UINT64_MAX; /* chunks of one block follow each other */

		before = p->nr;
		for (size_t i = 0; all && i < nr && !c->error; i++) {
			uint64_t index = all[i]->node.key / chunks;

			if (index != last && !has_block(c, p, index))
				plan_block(c, p, index);
			last = index;
		}
		free(all);
	} while (p->nr != before && !c->error);
}

/* ---- the table ---------------------------------------------------------------------------------
 */

void plan_uncount(struct check *c, uint64_t first, uint64_t nr)
{
	for (uint64_t i = first; i < first + nr; i++) {
		struct count_chunk *k = counts_chunk(c, i, false);

		if (k && k->count[i % CHUNK_CLUSTERS] && k->count[i % CHUNK_CLUSTERS] != UINT32_MAX)
			k->count[i % CHUNK_CLUSTERS]--;
	}
}

/* A table that reaches every planned block. Its own clusters may need more blocks. */
static void plan_table(struct check *c, struct plan *p)
{
	uint64_t words = c->cluster_size / 8, have = c->table_bad ? 0 : c->hdr->reftable_clusters;

	while (!c->error) {
		uint64_t need = max_u64(div_up(max_u64(c->reftable_nr, p->top), words), 1);

		if (need <= have)
			return;
		if (need * c->cluster_size > QCOW2_MAX_REFTABLE_BYTES) {
			c->error = -EFBIG;
			return;
		}
		if (p->new_table)
			plan_uncount(c, p->table_cluster, p->table_clusters);
		if (!find_free_run(c, p, need, &p->table_cluster))
			return;
		p->new_table = true;
		p->table_clusters = have = need;
		check_count(c, p->table_cluster << c->cluster_bits, need * c->cluster_size,
			    USE_META, 1);
		plan_blocks(c, p);
	}
}

void plan_make(struct check *c, struct plan *p)
{
	p->from = 1;
	p->planned = calloc(MAX_BLOCKS, 1);
	p->counts = malloc((size_t)c->cluster_size);
	if (!p->planned || !p->counts) {
		c->error = -ENOMEM;
		return;
	}
	plan_blocks(c, p);
	plan_table(c, p);
}

void plan_free(struct plan *p)
{
	free(p->block);
	free(p->planned);
	free(p->counts);
}
