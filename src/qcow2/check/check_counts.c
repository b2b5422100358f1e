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

static size_t bucket_of(const struct counts *n, uint64_t key)
{
	return (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 32) & (n->nr_buckets - 1);
}

static bool grow(struct counts *n)
{
	struct counts bigger = { .nr_buckets = n->nr_buckets ? n->nr_buckets * 2 : 1024,
				 .nr = n->nr };

	bigger.bucket = calloc(bigger.nr_buckets, sizeof(*bigger.bucket));
	if (!bigger.bucket)
		return false;
	for (size_t i = 0; i < n->nr_buckets; i++) {
		struct count_chunk *next;

		for (struct count_chunk *k = n->bucket[i]; k; k = next) {
			size_t b = bucket_of(&bigger, k->key);

			next = k->next;
			k->next = bigger.bucket[b];
			bigger.bucket[b] = k;
		}
	}
	free(n->bucket);
	*n = bigger;
	return true;
}

void counts_free(struct counts *n)
{
	for (size_t i = 0; i < n->nr_buckets; i++) {
		struct count_chunk *next;

		for (struct count_chunk *k = n->bucket[i]; k; k = next) {
			next = k->next;
			free(k);
		}
	}
	free(n->bucket);
	*n = (struct counts){ 0 };
}

struct count_chunk *counts_chunk(struct check *c, uint64_t cluster, bool make)
{
	struct counts *n = &c->counts;
	uint64_t key = cluster / CHUNK_CLUSTERS;
	struct count_chunk *k = NULL;

	if (n->last && n->last->key == key)
		return n->last;
	if (n->nr_buckets)
		for (k = n->bucket[bucket_of(n, key)]; k && k->key != key; k = k->next)
			;
	if (k)
		n->last = k;
	if (k || !make)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k || (n->nr >= n->nr_buckets && !grow(n))) {
		free(k);
		c->error = -ENOMEM;
		return NULL;
	}
	k->key = key;
	k->next = n->bucket[bucket_of(n, key)];
	n->bucket[bucket_of(n, key)] = k;
	n->nr++;
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
			k->use[slot] |= (uint8_t)told;
			/* Data in the refcount table hides no references; anything else may. */
			if (!movable)
				c->damaged = c->conflict = true;
			good = false;
		}
		k->use[slot] = (uint8_t)(k->use[slot] | use);
		if (__builtin_add_overflow(k->count[slot], weight, &k->count[slot]))
			k->count[slot] = UINT32_MAX;
	}
	return good;
}

static int by_key(const void *a, const void *b)
{
	const struct count_chunk *x = *(struct count_chunk *const *)a;
	const struct count_chunk *y = *(struct count_chunk *const *)b;

	return x->key < y->key ? -1 : x->key > y->key;
}

struct count_chunk **counts_sorted(struct check *c, size_t *nr)
{
	struct counts *n = &c->counts;
	struct count_chunk **all = malloc((n->nr ? n->nr : 1) * sizeof(*all));
	size_t at = 0;

	if (!all) {
		c->error = -ENOMEM;
		return NULL;
	}
	for (size_t i = 0; i < n->nr_buckets; i++)
		for (struct count_chunk *k = n->bucket[i]; k; k = k->next)
			all[at++] = k;
	qsort(all, at, sizeof(*all), by_key);
	*nr = at;
	return all;
}
