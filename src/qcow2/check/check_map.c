/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check of L1 and L2 tables. Each L2 table is read once, with the number of L1 tables that
 * lead to it as the weight of its entries, so that the time follows the file's size and
 * not what a hundred snapshots multiply it by. Owns the list of tables. Writes only
 * COPIED flags, and only where repair is asked for.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/check/check_priv.h"
#include "qcow2/check/repair.h"
#include "qcow2/format/descriptor.h"
#include "util/bytes.h"
#include "util/math.h"

#define SECTOR 512u

/* Where an entry is, for messages. */
struct entry_at {
	const struct l2_table *t;
	uint64_t index;
	uint64_t guest; /* cluster number, or UINT64_MAX: only a snapshot has it */
};

static struct l2_table *find_table(const struct check *c, uint64_t offset)
{
	return offset ? (struct l2_table *)hash_find(&c->l2, offset) : NULL;
}

static struct l2_table *new_table(struct check *c, uint64_t offset)
{
	struct l2_table *t = calloc(1, sizeof(*t));

	if (t)
		t->node.key = offset;
	if (!t || hash_add(&c->l2, &t->node) < 0) {
		free(t);
		c->error = -ENOMEM;
		return NULL;
	}
	return t;
}

/* The offset in a table entry, checked: aligned and within the file. 0: it is bad. */
static uint64_t good_offset(const struct check *c, uint64_t word)
{
	uint64_t off = word & QCOW2_OFFSET_MASK;

	if (!is_aligned(off, c->cluster_size) || off >> c->cluster_bits >= c->file_clusters)
		return 0;
	return off;
}

void check_l1_entry(struct check *c, uint64_t index, uint64_t word, bool active)
{
	const char *whose = active ? "L1 entry" : "snapshot's L1 entry";
	uint64_t off = good_offset(c, word);
	struct l2_table *t;

	if (!word)
		return;
	if (word & QCOW2_L1_RESERVED)
		check_damage(c, "%s %" PRIu64 " is 0x%016" PRIx64 ": reserved bits are set", whose,
			     index, word);
	if (!off) {
		if (word & QCOW2_OFFSET_MASK)
			check_damage(c,
				     "%s %" PRIu64 " is 0x%016" PRIx64 ": L2 table is not aligned "
				     "or behind the end of the file",
				     whose, index, word);
		return;
	}
	t = find_table(c, off);
	if (!t) {
		t = new_table(c, off);
		if (!t)
			return;
		/* reading it gives -EIO: what is missing may be anything */
		if (!range_within(off, c->cluster_size, c->file_size))
			check_damage(c,
				     "%s %" PRIu64 ": the end of the file cuts off the L2 table "
				     "0x%" PRIx64,
				     whose, index, off);
	} else if (active && t->active) {
		check_damage(c,
			     "L1 entry %" PRIu64 ": L2 table 0x%" PRIx64
			     " is used by another entry too",
			     index, off);
	}
	t->active |= active;
	if (t->weight < UINT32_MAX)
		t->weight++;
	check_count(c, off, c->cluster_size, USE_L2, 1);
}

/* "L2 table 0x50000 entry 3 (guest 0x30000)" */
static const char *where(const struct check *c, const struct entry_at *at, char *buf, size_t size)
{
	int n = snprintf(buf, size, "L2 table 0x%" PRIx64 " entry %" PRIu64, at->t->node.key,
			 at->index);

	if (at->guest != UINT64_MAX && n > 0 && (size_t)n < size)
		snprintf(buf + n, size - (size_t)n, " (guest 0x%" PRIx64 ")",
			 at->guest << c->cluster_bits);
	return buf;
}

static uint64_t place_of_entry(const struct check *c, const struct entry_at *at)
{
	return at->t->node.key + at->index * c->l2_entry_size;
}

static void check_compressed(struct check *c, const struct entry_at *at, uint64_t word,
			     uint64_t bitmap)
{
	uint64_t off, len;
	char w[96];

	where(c, at, w, sizeof(w));
	descriptor_extent(c->cluster_bits, word, &off, &len);
	if (c->data_file) {
		check_damage(c, "%s: compressed, in an image with an external data file", w);
		return;
	}
	if (bitmap)
		check_damage(c, "%s: compressed, with a subcluster bitmap 0x%016" PRIx64, w,
			     bitmap);
	if (!range_within(off, len, align_up(c->file_size, SECTOR))) {
		check_damage(c,
			     "%s: compressed data 0x%" PRIx64 "+0x%" PRIx64
			     " is behind the end of the file",
			     w, off, len);
		return;
	}
	if (repair_unmaps(c, off, len)) {
		repair_unmap(c, place_of_entry(c, at), off, w);
		return;
	}
	check_count(c, off, len, USE_COMPRESSED, at->t->weight);
	if (at->t->active)
		c->res->compressed_clusters++;
}

static void check_bits(struct check *c, const struct entry_at *at, uint64_t word, uint64_t bitmap)
{
	uint64_t reserved = QCOW2_L2_RESERVED | (c->ext_l2 ? QCOW2_ZERO : 0);
	uint32_t both = (uint32_t)bitmap & (uint32_t)(bitmap >> 32);
	char w[96];

	if (word & reserved)
		check_damage(c, "%s is 0x%016" PRIx64 ": reserved bits are set",
			     where(c, at, w, sizeof(w)), word);
	if (both)
		check_damage(c, "%s: subclusters 0x%08" PRIx32 " are both allocated and zero",
			     where(c, at, w, sizeof(w)), both);
}

/* An entry of the active mapping leads to the cluster, which has been counted. */
static void note_active(struct check *c, uint64_t cluster)
{
	struct count_chunk *k = counts_chunk(c, cluster, false);
	uint16_t *use = k ? &k->use[cluster % CHUNK_CLUSTERS] : NULL;

	if (!use)
		return;
	if (*use & USE_ACTIVE) {
		*use |= USE_ACTIVE_TWICE;
		c->shared = true;
	}
	*use |= USE_ACTIVE;
}

/* A standard entry's host cluster. True when there is one. */
static bool check_host(struct check *c, const struct entry_at *at, uint64_t word, uint64_t bitmap)
{
	uint64_t off = word & QCOW2_OFFSET_MASK;
	char w[96];

	if (c->data_file) {
		if (!off && !(word & QCOW2_COPIED))
			return false;
		if (at->guest != UINT64_MAX && off != at->guest << c->cluster_bits)
			check_damage(c,
				     "%s: offset 0x%" PRIx64 " in the data file is not the guest's",
				     where(c, at, w, sizeof(w)), off);
		return true;
	}
	if (!off) {
		if ((uint32_t)bitmap)
			check_damage(c,
				     "%s: subclusters 0x%08" PRIx32 " are allocated, but no "
				     "cluster is",
				     where(c, at, w, sizeof(w)), (uint32_t)bitmap);
		return false;
	}
	if (!good_offset(c, word)) {
		check_damage(c,
			     "%s is 0x%016" PRIx64 ": cluster is not aligned or behind the end of "
			     "the file",
			     where(c, at, w, sizeof(w)), word);
		return false;
	}
	if (repair_unmaps(c, off, c->cluster_size)) {
		repair_unmap(c, place_of_entry(c, at), off, where(c, at, w, sizeof(w)));
		return false;
	}
	if (check_count(c, off, c->cluster_size, USE_DATA, at->t->weight) && at->t->active)
		note_active(c, off >> c->cluster_bits);
	return true;
}

static void check_entry(struct check *c, const struct entry_at *at, uint64_t word, uint64_t bitmap)
{
	uint64_t guest_clusters = div_up(c->hdr->size, c->cluster_size);
	bool inside = at->guest < guest_clusters; /* not a snapshot's, not a machine's state */
	bool host = true, zero;

	if (!word && !bitmap)
		return;
	if (word & QCOW2_COMPRESSED) {
		check_compressed(c, at, word, bitmap);
		zero = false;
	} else {
		check_bits(c, at, word, bitmap);
		host = check_host(c, at, word, bitmap);
		zero = c->ext_l2 ? bitmap >> 32 : word & QCOW2_ZERO;
	}
	if (!inside)
		return;
	c->res->allocated_clusters += host;
	if (host || zero)
		check_wp_mapped(c, at->guest, host, word, bitmap);
}

static uint64_t entry_word(const struct check *c, uint64_t i)
{
	return get_be64(c->buf + i * c->l2_entry_size);
}

/* first: guest cluster of the table's first entry, or UINT64_MAX. */
static void check_table(struct check *c, struct l2_table *t, uint64_t first)
{
	struct entry_at at = { .t = t, .guest = UINT64_MAX };

	t->visited = true;
	if (!check_read(c, c->buf, (size_t)c->cluster_size, t->node.key, "L2 table"))
		return;
	for (uint64_t i = 0; i < c->l2_entries && !c->error; i++) {
		at.index = i;
		if (first != UINT64_MAX)
			at.guest = first + i;
		check_entry(c, &at, entry_word(c, i),
			    c->ext_l2 ? get_be64(c->buf + i * 16 + 8) : 0);
	}
}

static void visit(struct check *c, struct l2_table *t, uint64_t first, size_t *done)
{
	if (!t || t->visited || c->error)
		return;
	check_table(c, t, first);
	if (++*done % 64 == 0)
		check_progress(c, 0.05 + 0.65 * (double)*done / (double)c->l2.nr);
}

void check_mapping(struct check *c)
{
	size_t done = 0;

	for (uint64_t i = 0; i < c->hdr->l1_size; i++)
		visit(c, find_table(c, good_offset(c, c->l1[i])), i * c->l2_entries, &done);
	/* only snapshots lead to these */
	for (struct hash_node *n = hash_next(&c->l2, NULL); n; n = hash_next(&c->l2, n))
		visit(c, (struct l2_table *)n, UINT64_MAX, &done);
}

/*
 * Is the flag of an entry that leads to this cluster wrong? It says that nobody else refers
 * to the cluster, so it must be clear where somebody does; where nobody does it should be
 * set. *quiet: only a leak that is given back makes it so, which has a line of its own.
 */
static bool copied_wrong(struct check *c, uint64_t off, bool copied, bool *quiet)
{
	unsigned use;
	uint32_t count = counts_get(c, off >> c->cluster_bits, &use);

	*quiet = false;
	if (copied)
		return count != 1;
	if (count != 1 || c->damaged)
		return false;
	*quiet = !(use & USE_ON_DISK_1);
	return !*quiet || check_lowers(c);
}

/* Gives the word that should stand there. what is filled on the first use. */
static uint64_t fix_flag(struct check *c, uint64_t off, uint64_t word, const char *what)
{
	bool copied = word & QCOW2_COPIED, quiet;

	if (!copied_wrong(c, off, copied, &quiet))
		return word;
	if (!quiet)
		check_found(c, ZQ_FOUND_CORRUPTION, 1, check_repairs(c),
			    "%s: the COPIED flag is %s, but cluster 0x%" PRIx64 " has %" PRIu32
			    " reference%s",
			    what, copied ? "set" : "clear", off,
			    counts_get(c, off >> c->cluster_bits, NULL),
			    counts_get(c, off >> c->cluster_bits, NULL) == 1 ? "" : "s");
	return check_repairs(c) || quiet ? word ^ QCOW2_COPIED : word;
}

static uint64_t fix_entry(struct check *c, const struct entry_at *at, uint64_t word)
{
	char w[96];

	if (word & QCOW2_COMPRESSED) {
		if (!(word & QCOW2_COPIED))
			return word;
		check_found(c, ZQ_FOUND_CORRUPTION, 1, check_repairs(c),
			    "%s: compressed, with the COPIED flag", where(c, at, w, sizeof(w)));
		return check_repairs(c) ? word & ~QCOW2_COPIED : word;
	}
	if (c->data_file) {
		if (!(word & QCOW2_OFFSET_MASK) || (word & QCOW2_COPIED))
			return word;
		check_found(c, ZQ_FOUND_CORRUPTION, 1, check_repairs(c),
			    "%s: in the data file, without the COPIED flag",
			    where(c, at, w, sizeof(w)));
		return check_repairs(c) ? word | QCOW2_COPIED : word;
	}
	if (!good_offset(c, word))
		return word;
	return fix_flag(c, word & QCOW2_OFFSET_MASK, word, where(c, at, w, sizeof(w)));
}

/* Corrects the flags in one table and writes the sectors that changed. */
static void copied_in_table(struct check *c, const struct l2_table *t, uint64_t first)
{
	struct entry_at at = { .t = t };
	uint64_t per_sector = SECTOR / c->l2_entry_size;

	if (!check_read(c, c->buf, (size_t)c->cluster_size, t->node.key, "L2 table"))
		return;
	for (uint64_t s = 0; s < c->l2_entries && !c->error; s += per_sector) {
		uint8_t *sector = c->buf + s * c->l2_entry_size;
		bool changed = false;

		for (uint64_t i = s; i < s + per_sector; i++) {
			uint64_t word = entry_word(c, i), fixed;

			if (!word)
				continue;
			at.index = i;
			at.guest = first + i;
			fixed = fix_entry(c, &at, word);
			changed |= fixed != word;
			put_be64(c->buf + i * c->l2_entry_size, fixed);
		}
		if (changed)
			check_write(c, sector, SECTOR, t->node.key + s * c->l2_entry_size);
	}
}

void check_copied(struct check *c)
{
	for (uint64_t i = 0; i < c->hdr->l1_size && !c->error; i++) {
		uint64_t word = c->l1[i], off = good_offset(c, word), fixed;
		struct l2_table *t = find_table(c, off);
		char what[48];
		uint8_t raw[8];

		if (!t)
			continue;
		snprintf(what, sizeof(what), "L1 entry %" PRIu64, i);
		fixed = fix_flag(c, off, word, what);
		if (fixed != word) {
			put_be64(raw, fixed);
			check_write(c, raw, sizeof(raw), c->hdr->l1_offset + i * 8);
		}
		if (t->visited) { /* now: not yet seen by this pass */
			t->visited = false;
			copied_in_table(c, t, i * c->l2_entries);
		}
	}
}
