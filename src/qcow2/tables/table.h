/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of big-endian words that is kept whole in memory: the L1 table and the refcount
 * table. Knows which groups of words changed and which words point to clusters that are
 * not on disk yet. The image's lock guards both tables.
 */
#ifndef ZQ_QCOW2_TABLES_TABLE_H
#define ZQ_QCOW2_TABLES_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/offset_set.h"

struct zq_io;

#define TABLE_GROUP 64u /* words; 512 bytes, so that a torn write never splits a word */

struct qcow2_table {
	uint64_t *word;	 /* in host byte order */
	uint64_t nr;	 /* words */
	uint64_t offset; /* in the file, bytes */
	uint8_t *dirty;	 /* one byte per group */
	bool any_dirty;
	uint8_t *fresh; /* bitmap: what the word points to is new and not yet zeroed on disk,
			 * so what the cache lacks of it reads as zeros */
	uint64_t nr_fresh;
	uint64_t changes;	   /* grows with each change of a word or of the size */
	struct offset_set targets; /* what the words point to, as far as there was memory to note it
				    * and the word could be an offset of a table */
};

/* Reads nr words at offset in a file of "size" bytes. -ENOMEM, -EIO. */
int table_load(struct qcow2_table *t, struct zq_io *io, uint64_t offset, uint64_t nr,
	       uint64_t size);
void table_free(struct qcow2_table *t);

/* Changes a word and marks its group dirty. */
void table_set(struct qcow2_table *t, uint64_t index, uint64_t word, bool fresh);
/* How many words point to that offset. */
unsigned table_refers_to(const struct qcow2_table *t, uint64_t off);
static inline bool table_is_fresh(const struct qcow2_table *t, uint64_t index)
{
	return t->fresh[index / 8] >> (index % 8) & 1;
}

/* Makes room for nr words (zeros behind the old ones) and marks all of it dirty. */
int table_grow(struct qcow2_table *t, uint64_t nr);

/* Forgets the words behind the first nr, which lead nowhere. Nothing is dirty. */
void table_shorten(struct qcow2_table *t, uint64_t nr);

/* One changed group as a commit takes it along. */
struct table_group {
	uint64_t first; /* word */
	unsigned nr;	/* words, at most TABLE_GROUP */
	uint64_t fresh; /* bit i: word first + i points to a fresh cluster */
	uint64_t word[TABLE_GROUP];
};

/* Copies the dirty groups, which become clean. -ENOMEM. */
int table_commit_begin(struct qcow2_table *t, struct table_group **groups, size_t *nr);
/*
 * ok: the commit succeeded. Without it, all that was taken along is dirty again. With ok or zeroed,
 * the clusters that the fresh words point to are on disk. The words may be on disk too, so these
 * clusters are not fresh any more: the next commit must not zero them again.
 */
void table_commit_end(struct qcow2_table *t, struct table_group *groups, size_t nr, bool ok,
		      bool zeroed);

#endif
