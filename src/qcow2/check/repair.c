/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Repair of refcounts. New blocks and a new table (repair_plan.c) are complete and flushed before
 * anything leads to them; counts go up before they go down; what is free then goes back to the
 * host. Writes through check_write only; decides nothing that check has not found.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/repair.h"
#include "qcow2/check/repair_plan.h"
#include "util/bytes.h"
#include "util/math.h"

#define SECTOR 512u

/* Fills c->buf with the counts of a new block and writes it. */
static void write_block(struct check *c, const struct new_block *b)
{
	uint64_t per_block = check_block_entries(c), first = b->index * per_block;
	uint64_t max = refbits_max(c->hdr->refcount_order);

	memset(c->buf, 0, (size_t)c->cluster_size);
	for (uint64_t i = 0; i < per_block; i += CHUNK_CLUSTERS) {
		struct count_chunk *k = counts_chunk(c, first + i, false);

		for (unsigned s = 0; k && s < CHUNK_CLUSTERS; s++)
			refbits_put(c->buf, i + s, c->hdr->refcount_order,
				    min_u64(k->count[s], max));
	}
	check_write(c, c->buf, (size_t)c->cluster_size, b->cluster << c->cluster_bits);
}

/*
 * Brings a block that stays nearer to the references: counts up, or counts down.
 * Writes the sectors that change.
 */
static void adjust_block(struct check *c, uint64_t index, bool up)
{
	unsigned order = c->hdr->refcount_order;
	uint64_t per_sector = (SECTOR * 8) >> order, per_block = check_block_entries(c);
	uint64_t max = refbits_max(order);

	if (!check_read(c, c->buf, (size_t)c->cluster_size, c->reftable[index], "refcount block"))
		return;
	for (uint64_t s = 0; s < per_block && !c->error; s += per_sector) {
		bool changed = false;

		for (uint64_t i = s; i < s + per_sector; i++) {
			uint64_t disk = refbits_get(c->buf, i, order);
			uint64_t refs = min_u64(counts_get(c, index * per_block + i, NULL), max);

			if (up ? disk >= refs : disk <= refs)
				continue;
			refbits_put(c->buf, i, order, refs);
			changed = true;
		}
		if (changed)
			check_write(c, c->buf + s / per_sector * SECTOR, SECTOR,
				    c->reftable[index] + s / per_sector * SECTOR);
	}
}

static void adjust_blocks(struct check *c, bool up)
{
	for (uint64_t i = 0; i < c->reftable_nr && !c->error; i++)
		if (c->block_ok[i])
			adjust_block(c, i, up);
}

static void write_words(struct check *c, const uint64_t *words, uint64_t nr, uint64_t off)
{
	uint8_t raw[SECTOR];

	for (uint64_t i = 0; i < nr && !c->error; i += SECTOR / 8) {
		for (uint64_t k = 0; k < SECTOR / 8; k++)
			put_be64(raw + k * 8, words[i + k]);
		check_write(c, raw, SECTOR, off + i * 8);
	}
}

/* The table as it shall be, with the new blocks in it and the bad entries gone. False: it
 * stays as it is on disk. */
static bool fill_table(struct check *c, const struct plan *p)
{
	uint64_t nr = c->reftable_nr;
	bool changed = p->new_table || p->nr;
	uint64_t *word;
	uint8_t *ok;

	if (p->new_table)
		nr = p->table_clusters * (c->cluster_size / 8);
	word = calloc((size_t)nr, sizeof(*word));
	ok = calloc((size_t)nr, 1);
	if (!word || !ok) {
		free(word);
		free(ok);
		c->error = -ENOMEM;
		return false;
	}
	for (uint64_t i = 0; i < c->reftable_nr; i++) {
		ok[i] = c->block_ok[i];
		changed |= !ok[i] && c->reftable[i];
		word[i] = ok[i] ? c->reftable[i] : 0;
	}
	for (size_t i = 0; i < p->nr; i++) {
		word[p->block[i].index] = p->block[i].cluster << c->cluster_bits;
		ok[p->block[i].index] = 1;
	}
	free(c->reftable);
	free(c->block_ok);
	c->reftable = word;
	c->block_ok = ok;
	c->reftable_nr = nr;
	return changed;
}

/* Only now does anything lead to what is new; before, all of it is flushed. */
static void link_table(struct check *c, const struct plan *p)
{
	uint8_t raw[12];

	if (p->new_table) {
		write_words(c, c->reftable, c->reftable_nr, p->table_cluster << c->cluster_bits);
		check_flush(c);
		put_be64(raw, p->table_cluster << c->cluster_bits);
		put_be32(raw + 8, (uint32_t)p->table_clusters);
		check_write(c, raw, sizeof(raw), QCOW2_H_REFTABLE_OFFSET);
		/* The old table's clusters are leaks now; repair_lower gives them back. */
		plan_uncount(c, c->hdr->reftable_offset >> c->cluster_bits,
			     c->hdr->reftable_clusters);
	} else {
		write_words(c, c->reftable, c->reftable_nr, c->hdr->reftable_offset);
	}
	check_flush(c);
}

void repair_raise(struct check *c)
{
	struct plan p = { 0 };

	plan_make(c, &p);
	for (size_t i = 0; i < p.nr && !c->error; i++)
		write_block(c, &p.block[i]);
	adjust_blocks(c, true);
	check_flush(c);
	if (!c->error && fill_table(c, &p))
		link_table(c, &p);
	for (size_t i = 0; i < p.nr; i++)
		c->res->image_end =
			max_u64(c->res->image_end, (p.block[i].cluster + 1) << c->cluster_bits);
	if (p.new_table)
		c->res->image_end = max_u64(c->res->image_end, (p.table_cluster + p.table_clusters)
								       << c->cluster_bits);
	plan_free(&p);
}

void repair_lower(struct check *c)
{
	adjust_blocks(c, false);
	check_flush(c);
}

/* Space that cannot be given back stays where it is. */
static void punch_clusters(struct check *c, uint64_t first, uint64_t end)
{
	if (first < end)
		(void)io_punch(c->io, first << c->cluster_bits,
			       min_u64(end << c->cluster_bits, c->file_size) -
				       (first << c->cluster_bits));
}

void repair_punch(struct check *c)
{
	struct count_chunk **all;
	uint64_t from = 0; /* free from here on, as far as has been looked */
	size_t nr;

	if (c->error || c->damaged)
		return;
	all = counts_sorted(c, &nr);
	for (size_t i = 0; all && i < nr; i++)
		for (unsigned s = 0; s < CHUNK_CLUSTERS; s++) {
			uint64_t cluster = all[i]->node.key * CHUNK_CLUSTERS + s;

			if (!all[i]->count[s])
				continue;
			punch_clusters(c, from, min_u64(cluster, c->file_clusters));
			from = cluster + 1;
		}
	if (all)
		punch_clusters(c, from, c->file_clusters);
	free(all);
}

void repair_features(struct check *c)
{
	const struct zq_check_result *r = c->res;
	uint64_t before, incompat;
	uint8_t raw[8];

	if (c->error || c->unreadable || c->hdr->version < 3 ||
	    !check_read(c, raw, sizeof(raw), QCOW2_H_INCOMPAT, "header"))
		return;
	incompat = before = get_be64(raw);
	/* Dirty means that refcounts are not to be trusted: none of them is too low now. */
	if ((check_repairs(c) && !c->conflict) || r->corruptions == r->corruptions_fixed)
		incompat &= ~QCOW2_INCOMPAT_DIRTY;
	if (check_repairs(c) && !c->refs_only && r->corruptions == r->corruptions_fixed)
		incompat &= ~QCOW2_INCOMPAT_CORRUPT;
	if (incompat == before)
		return;
	put_be64(raw, incompat);
	check_write(c, raw, sizeof(raw), QCOW2_H_INCOMPAT);
	check_flush(c);
}
