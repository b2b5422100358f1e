/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reference counts of clusters as check finds them: a hash of small chunks, so that memory
 * follows what the metadata refers to and never the size that a header or a sparse file
 * claims. Owns the chunks. Never reads the file.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "qcow2/check/check_priv.h"
#include "util/math.h"

void counts_free(struct counts *n)
{
	hash_free(&n->chunks);
	n->last = NULL;
}

static struct count_chunk *new_chunk(struct check *c, uint64_t key)
{
	struct count_chunk *k = calloc(1, sizeof(*k));

	if (k)
		k->node.key = key;
	if (!k || hash_add(&c->counts.chunks, &k->node) < 0) {
		free(k);
		c->error = -ENOMEM;
		return NULL;
	}
	return k;
}

struct count_chunk *counts_chunk(struct check *c, uint64_t cluster, bool make)
{
	struct counts *n = &c->counts;
	uint64_t key = cluster / CHUNK_CLUSTERS;
	struct count_chunk *k;

	if (n->last && n->last->node.key == key)
		return n->last;
	k = (struct count_chunk *)hash_find(&n->chunks, key);
	if (!k && make)
		k = new_chunk(c, key);
	if (k)
		n->last = k;
	return k;
}

uint32_t counts_get(struct check *c, uint64_t cluster, unsigned *use)
{
	struct count_chunk *k = counts_chunk(c, cluster, false);

	if (use)
		*use = k ? k->use[cluster % CHUNK_CLUSTERS] : 0;
	return k ? k->count[cluster % CHUNK_CLUSTERS] : 0;
}

static const char *use_name(unsigned use)
{
	if (use & USE_REFTABLE)
		return "refcount table";
	if (use & USE_META)
		return "metadata";
	if (use & USE_L2)
		return "L2 table";
	return use & USE_COMPRESSED ? "compressed data" : "data";
}

/* Compressed clusters share host clusters, snapshots share data and L2 tables; nothing else. */
static bool conflicts(unsigned old, unsigned use)
{
	old &= USE_KINDS;
	return old && (old != use || (use & (USE_META | USE_REFTABLE)));
}

bool check_count(struct check *c, uint64_t off, uint64_t len, unsigned use, uint32_t weight)
{
	uint64_t first = off >> c->cluster_bits, last = (off + len - 1) >> c->cluster_bits;
	bool good = true;

	for (uint64_t i = first; len && i <= last; i++) {
		struct count_chunk *k = counts_chunk(c, i, true);
		unsigned slot = i % CHUNK_CLUSTERS;
		unsigned old;

		if (!k)
			return false;
		old = k->use[slot];
		if (conflicts(old, use)) {
			/* The refcount table can go elsewhere. But where it is taken for a
			 * table, what that leads to is made of its words. */
			unsigned others = old & ~(unsigned)USE_REFTABLE;
			bool movable = ((old | use) & USE_REFTABLE) &&
				       !((old | use) & (USE_L2 | USE_META)) &&
				       !conflicts(others, use);
			unsigned told = movable ? USE_MOVABLE : USE_CONFLICT;

			if (!(old & (told | USE_CONFLICT)))
				check_found(
					c, ZQ_FOUND_CORRUPTION, 1, movable && check_repairs(c),
					"cluster 0x%" PRIx64 ": used as %s and as %s",
					i << c->cluster_bits,
					use_name(movable || !(others & USE_KINDS) ? old : others),
					use_name(use));
			k->use[slot] |= (uint16_t)told;
			/* Data in the refcount table hides no references; anything else may. */
			if (!movable) {
				c->damaged = c->conflict = true;
				good = false;
			}
		}
		k->use[slot] = (uint16_t)(k->use[slot] | use);
		if (__builtin_add_overflow(k->count[slot], weight, &k->count[slot]))
			k->count[slot] = UINT32_MAX;
	}
	return good;
}

static int by_key(const void *a, const void *b)
{
	const struct count_chunk *x = *(struct count_chunk *const *)a;
	const struct count_chunk *y = *(struct count_chunk *const *)b;

	return x->node.key < y->node.key ? -1 : x->node.key > y->node.key;
}

struct count_chunk **counts_sorted(struct check *c, size_t *nr)
{
	const struct hash *h = &c->counts.chunks;
	struct count_chunk **all = malloc((h->nr ? h->nr : 1) * sizeof(*all));
	size_t at = 0;

	if (!all) {
		c->error = -ENOMEM;
		return NULL;
	}
	for (struct hash_node *i = hash_next(h, NULL); i; i = hash_next(h, i))
		all[at++] = (struct count_chunk *)i;
	qsort(all, at, sizeof(struct count_chunk *), by_key);
	*nr = at;
	return all;
}
