/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two guest clusters of the active mapping that lead to one host cluster: counting both would be
 * sound for the moment, but the reset of one zone leaves the other's COPIED flag wrong, and neither
 * can be told to be the owner. So all but the first get copies of their own. Data and count of a
 * copy are on disk before an entry leads to it; the count of what they shared stays too high, which
 * the pass behind this one (check.c) finds and lowers.
 */
#include <errno.h>
#include <stdlib.h>

#include "io/io.h"
#include "qcow2/check/check_priv.h"
#include "qcow2/check/repair.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

struct split {
	struct check *c;
	uint8_t *table, *data; /* one cluster each */
	uint64_t from;	       /* no cluster below it is free */
};

/* A free cluster that an existing refcount block counts; false: none. */
static bool take_cluster(struct split *s, uint64_t *cluster)
{
	struct check *c = s->c;
	uint64_t per_block = check_block_entries(c), end = c->reftable_nr * per_block;

	end = min_u64(end, c->file_size >> c->cluster_bits);
	for (; s->from < end; s->from++)
		if (c->block_ok[s->from / per_block] && !counts_get(c, s->from, NULL)) {
			*cluster = s->from++;
			return true;
		}
	return false;
}

static bool split_count(struct split *s, uint64_t cluster)
{
	struct check *c = s->c;
	uint64_t per_block = check_block_entries(c), block = c->reftable[cluster / per_block];

	if (!check_read(c, c->buf, (size_t)c->cluster_size, block, "refcount block"))
		return false;
	refbits_put(c->buf, cluster % per_block, c->hdr->refcount_order, 1);
	return check_count(c, cluster << c->cluster_bits, (size_t)c->cluster_size, USE_DATA, 1) &&
	       check_write(c, c->buf, (size_t)c->cluster_size, block);
}

/* Copies a host cluster and gives the word that leads to the copy, or the old one. */
static uint64_t copy_cluster(struct split *s, uint64_t word)
{
	struct check *c = s->c;
	uint64_t cluster;

	if (!take_cluster(s, &cluster) ||
	    io_pread(c->io, s->data, (size_t)c->cluster_size, word & QCOW2_OFFSET_MASK) < 0)
		return word;
	if (!check_write(c, s->data, (size_t)c->cluster_size, cluster << c->cluster_bits) ||
	    !split_count(s, cluster))
		return word;
	return (word & ~QCOW2_OFFSET_MASK) | cluster << c->cluster_bits | QCOW2_COPIED;
}

/* Is the cluster shared by active entries, and does an earlier one keep it? */
static bool must_move(struct check *c, uint64_t word)
{
	uint64_t cluster = (word & QCOW2_OFFSET_MASK) >> c->cluster_bits;
	struct count_chunk *k = counts_chunk(c, cluster, false);
	uint16_t *use = k ? &k->use[cluster % CHUNK_CLUSTERS] : NULL;

	if ((word & QCOW2_COMPRESSED) || !(word & QCOW2_OFFSET_MASK) || !use ||
	    !(*use & USE_ACTIVE_TWICE))
		return false;
	if (*use & USE_KEPT)
		return true;
	*use |= USE_KEPT;
	return false;
}

static void split_table(struct split *s, uint64_t offset)
{
	struct check *c = s->c;
	bool changed = false;

	if (!check_read(c, s->table, (size_t)c->cluster_size, offset, "L2 table"))
		return;
	for (uint64_t i = 0; i < c->l2_entries && !c->error; i++) {
		uint8_t *at = s->table + i * c->l2_entry_size;
		uint64_t word = get_be64(at),
			 moved = must_move(c, word) ? copy_cluster(s, word) : word;

		changed |= moved != word;
		put_be64(at, moved);
	}
	if (!changed)
		return;
	check_flush(c);
	check_write(c, s->table, (size_t)c->cluster_size, offset);
	check_flush(c);
	c->split = true;
}

void repair_split(struct check *c)
{
	uint8_t *table CLEANUP_FREE = malloc((size_t)c->cluster_size);
	uint8_t *data CLEANUP_FREE = malloc((size_t)c->cluster_size);
	struct split s = { .c = c, .table = table, .data = data, .from = 1 };

	if (!c->shared || c->damaged || c->error)
		return;
	if (!table || !data) {
		c->error = -ENOMEM;
		return;
	}
	for (uint64_t i = 0; i < c->hdr->l1_size && !c->error; i++) {
		uint64_t off = c->l1[i] & QCOW2_OFFSET_MASK;

		if (off && hash_find(&c->l2, off))
			split_table(&s, off);
	}
}
