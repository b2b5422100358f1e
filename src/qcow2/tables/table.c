/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * L1 and refcount tables in memory: words, dirty groups, fresh words. Reads the table once;
 * commit.c writes it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/table.h"
#include "util/bytes.h"
#include "util/math.h"

static int allocate(struct qcow2_table *t, uint64_t nr)
{
	uint64_t *word = calloc((size_t)(nr ? nr : 1), sizeof(*word));
	uint8_t *dirty = calloc((size_t)div_up(nr, TABLE_GROUP) + 1, 1);
	uint8_t *fresh = calloc((size_t)div_up(nr, 8) + 1, 1);

	if (!word || !dirty || !fresh) {
		free(word);
		free(dirty);
		free(fresh);
		return -ENOMEM;
	}
	if (t->word) {
		memcpy(word, t->word, (size_t)t->nr * sizeof(*word));
		memcpy(fresh, t->fresh, (size_t)div_up(t->nr, 8));
	}
	free(t->word);
	free(t->dirty);
	free(t->fresh);
	t->word = word;
	t->dirty = dirty;
	t->fresh = fresh;
	t->nr = nr;
	return 0;
}

/* Where a word points to, or 0 for a word that leads to no table in any file. */
static uint64_t target(uint64_t word)
{
	return word & QCOW2_OFFSET_MASK;
}

int table_load(struct qcow2_table *t, struct zq_io *io, uint64_t offset, uint64_t nr, uint64_t size)
{
	int rc = allocate(t, nr);

	if (rc < 0)
		return rc;
	t->offset = offset;
	rc = io_pread(io, t->word, (size_t)nr * sizeof(*t->word), offset);
	if (rc < 0)
		return rc;
	for (uint64_t i = 0; i < nr && rc == 0; i++) {
		t->word[i] = get_be64(&t->word[i]);
		/* nothing that lies behind the end, however much of it a hostile table has */
		if (target(t->word[i]) && target(t->word[i]) < size)
			rc = offset_set_add(&t->targets, target(t->word[i]));
	}
	return rc;
}

void table_free(struct qcow2_table *t)
{
	free(t->word);
	free(t->dirty);
	free(t->fresh);
	offset_set_free(&t->targets);
	memset(t, 0, sizeof(*t));
}

static void set_fresh(struct qcow2_table *t, uint64_t index, bool fresh)
{
	uint8_t bit = (uint8_t)(1u << (index % 8));

	if (fresh == table_is_fresh(t, index))
		return;
	t->fresh[index / 8] ^= bit;
	if (fresh)
		t->nr_fresh++;
	else
		t->nr_fresh--;
}

unsigned table_refers_to(const struct qcow2_table *t, uint64_t off)
{
	return offset_set_count(&t->targets, off);
}

void table_set(struct qcow2_table *t, uint64_t index, uint64_t word, bool fresh)
{
	if (target(t->word[index]))
		offset_set_remove(&t->targets, target(t->word[index]));
	if (target(word))
		(void)offset_set_add(&t->targets, target(word)); /* without memory: not known */
	t->word[index] = word;
	t->dirty[index / TABLE_GROUP] = 1;
	t->any_dirty = true;
	t->changes++;
	set_fresh(t, index, fresh);
}

int table_grow(struct qcow2_table *t, uint64_t nr)
{
	int rc = allocate(t, nr);

	if (rc < 0)
		return rc;
	memset(t->dirty, 1, (size_t)div_up(nr, TABLE_GROUP));
	t->any_dirty = true;
	t->changes++;
	return 0;
}

void table_shorten(struct qcow2_table *t, uint64_t nr)
{
	t->nr = nr;
	t->changes++;
}

int table_commit_begin(struct qcow2_table *t, struct table_group **groups, size_t *nr)
{
	uint64_t all = div_up(t->nr, TABLE_GROUP);
	struct table_group *list;
	size_t n = 0;

	*groups = NULL;
	*nr = 0;
	if (!t->any_dirty)
		return 0;
	for (uint64_t g = 0; g < all; g++)
		n += t->dirty[g];
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	n = 0;
	for (uint64_t g = 0; g < all; g++) {
		struct table_group *out = &list[n];

		if (!t->dirty[g])
			continue;
		out->first = g * TABLE_GROUP;
		out->nr = (unsigned)min_u64(TABLE_GROUP, t->nr - out->first);
		memcpy(out->word, t->word + out->first, out->nr * sizeof(*out->word));
		for (unsigned i = 0; i < out->nr; i++)
			out->fresh |= (uint64_t)table_is_fresh(t, out->first + i) << i;
		t->dirty[g] = 0;
		n++;
	}
	t->any_dirty = false;
	*groups = list;
	*nr = n;
	return 0;
}

void table_commit_end(struct qcow2_table *t, struct table_group *groups, size_t nr, bool ok,
		      bool zeroed)
{
	for (size_t g = 0; g < nr; g++) {
		struct table_group *in = &groups[g];

		if (!ok) {
			t->dirty[in->first / TABLE_GROUP] = 1;
			t->any_dirty = true;
		}
		for (unsigned i = 0; i < in->nr && (ok || zeroed); i++)
			if (in->fresh >> i & 1)
				set_fresh(t, in->first + i, false);
	}
	free(groups);
}
