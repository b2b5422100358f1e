/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check of the refcount table and its blocks: which blocks can be used, and where their
 * counts differ from the references that were found. Adjacent clusters with the same
 * trouble are one line. Never writes.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/check/check_priv.h"
#include "util/math.h"

/* Adjacent clusters whose counts are wrong in the same way. */
struct wrong_run {
	uint64_t first, nr; /* clusters; nr 0: none */
	uint64_t disk;
	uint32_t refs;
	bool block; /* there is a block for them */
};

uint64_t check_block_entries(const struct check *c)
{
	return refbits_in(c->cluster_size, c->hdr->refcount_order);
}

/* A damaged entry, or a block that something else uses too, is replaced by repair. */
static void bad_block(struct check *c, uint64_t index, const char *why)
{
	c->need_raise = true;
	check_found(c, ZQ_FOUND_CORRUPTION, 1, check_repairs(c),
		    "refcount table entry %" PRIu64 " is 0x%016" PRIx64 ": %s", index,
		    c->reftable[index], why);
}

void check_refblocks(struct check *c)
{
	for (uint64_t i = 0; i < c->reftable_nr && !c->error; i++) {
		uint64_t word = c->reftable[i], off = word & ~QCOW2_REFTABLE_RESERVED;

		if (!word)
			continue;
		if (word & QCOW2_REFTABLE_RESERVED)
			bad_block(c, i, "reserved bits are set");
		else if (!is_aligned(off, c->cluster_size))
			bad_block(c, i, "the block is not cluster aligned");
		else if (off >> c->cluster_bits >= c->file_clusters)
			bad_block(c, i, "the block is behind the end of the file");
		else if (!range_within(off, c->cluster_size, c->file_size))
			bad_block(c, i, "the end of the file cuts the block off");
		else if (counts_get(c, off >> c->cluster_bits, NULL))
			bad_block(c, i, "the block's cluster is used for something else");
		else
			c->block_ok[i] = check_count(c, off, c->cluster_size, USE_META, 1);
	}
	for (uint64_t i = 0; i < c->hdr->reftable_clusters; i++)
		if (counts_get(c, (c->hdr->reftable_offset >> c->cluster_bits) + i, NULL) != 1)
			c->table_bad = true;
	c->need_raise |= c->table_bad;
}

static void report_run(struct check *c, const struct wrong_run *r)
{
	uint64_t start = r->first << c->cluster_bits;
	uint64_t max = refbits_max(c->hdr->refcount_order);
	char which[64];
	bool fixed;

	if (!r->nr)
		return;
	if (r->nr == 1)
		snprintf(which, sizeof(which), "cluster 0x%" PRIx64, start);
	else
		snprintf(which, sizeof(which), "clusters 0x%" PRIx64 "-0x%" PRIx64, start,
			 ((r->first + r->nr) << c->cluster_bits) - 1);
	if (r->disk > r->refs) {
		c->need_lower = true;
		check_found(c, ZQ_FOUND_LEAK, r->nr, check_lowers(c),
			    "%s: refcount %" PRIu64 ", %" PRIu32 " references: leaked", which,
			    r->disk, r->refs);
		return;
	}
	fixed = check_repairs(c) && r->refs <= max;
	c->need_raise = true;
	if (r->refs > max) /* no way to write there that keeps both users apart */
		c->conflict = true;
	check_found(c, ZQ_FOUND_CORRUPTION, r->nr, fixed,
		    "%s: refcount %" PRIu64 "%s, %" PRIu32 " reference%s%s", which, r->disk,
		    r->block ? "" : " (no refcount block)", r->refs, r->refs == 1 ? "" : "s",
		    r->refs <= max ? "" : ", more than refcount_bits can count");
}

/* Adds a cluster to the run, or reports the run and begins another. */
static void wrong(struct check *c, struct wrong_run *r, uint64_t cluster, uint64_t disk,
		  uint32_t refs, bool block)
{
	if (r->nr && r->first + r->nr == cluster && r->disk == disk && r->refs == refs &&
	    r->block == block) {
		r->nr++;
		return;
	}
	report_run(c, r);
	*r = (struct wrong_run){
		.first = cluster, .nr = 1, .disk = disk, .refs = refs, .block = block
	};
}

/* One chunk's worth of clusters. k and block may be NULL. */
static void compare_chunk(struct check *c, struct wrong_run *run, struct count_chunk *k,
			  uint64_t cluster, const uint8_t *block, uint64_t index)
{
	for (unsigned s = 0; s < CHUNK_CLUSTERS; s++) {
		uint64_t disk = block ? refbits_get(block, index + s, c->hdr->refcount_order) : 0;
		uint32_t refs = k ? k->count[s] : 0;

		if (disk || refs)
			c->end_cluster = max_u64(c->end_cluster, cluster + s + 1);
		if (disk == 1 && k)
			k->use[s] |= USE_ON_DISK_1;
		if (disk != refs)
			wrong(c, run, cluster + s, disk, refs, block);
	}
}

/* A block of 512 bytes with 64-bit counts holds 64 clusters, so chunks never straddle. */
_Static_assert((1u << QCOW2_MIN_CLUSTER_BITS) * 8 / 64 % CHUNK_CLUSTERS == 0, "chunk in a block");

void check_compare(struct check *c)
{
	uint64_t per_block = check_block_entries(c);
	struct wrong_run run = { 0 };
	struct count_chunk **all;
	size_t nr, at = 0;

	all = counts_sorted(c, &nr);
	if (!all)
		return;
	for (uint64_t i = 0; i < c->reftable_nr && !c->error; i++) {
		uint64_t first = i * per_block, key = first / CHUNK_CLUSTERS;
		uint64_t keys = per_block / CHUNK_CLUSTERS;
		uint8_t *block = NULL;

		if (c->block_ok[i]) {
			block = c->buf;
			if (!check_read(c, block, (size_t)c->cluster_size, c->reftable[i],
					"refcount block")) {
				c->block_ok[i] = false;
				c->need_raise = true;
				block = NULL;
			}
		}
		if (block)
			for (uint64_t k = 0; k < keys; k++) {
				bool hit = at < nr && all[at]->node.key == key + k;

				compare_chunk(c, &run, hit ? all[at] : NULL,
					      first + k * CHUNK_CLUSTERS, block,
					      k * CHUNK_CLUSTERS);
				at += hit;
			}
		else
			for (; at < nr && all[at]->node.key < key + keys; at++)
				compare_chunk(c, &run, all[at], all[at]->node.key * CHUNK_CLUSTERS,
					      NULL, 0);
		if (block && i % 64 == 0)
			check_progress(c, 0.7 + 0.2 * (double)i / (double)c->reftable_nr);
	}
	for (; at < nr; at++) /* behind what the table reaches */
		compare_chunk(c, &run, all[at], all[at]->node.key * CHUNK_CLUSTERS, NULL, 0);
	report_run(c, &run);
	free(all);
}
