/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of the pointer table: what a word says, which words are sane, in which byte
 * order a table is. Pure. All functions want zone < g->nr_zones and a valid geometry.
 * src/qcow2/FORMAT, "Write pointers".
 */
#ifndef ZQ_QCOW2_FORMAT_ZONED_WORD_H
#define ZQ_QCOW2_FORMAT_ZONED_WORD_H

#include "qcow2/format/zoned_layout.h"

/* The pointer in a word, bytes. */
static inline uint64_t zoned_word_wp(const struct zoned_layout *l, uint64_t word)
{
	return word & l->wp_mask;
}

/* The word for a zone whose pointer is wp, which is ignored for a conventional zone. */
uint64_t zoned_word_make(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t zone,
			 uint64_t wp);

/* The pointer of a finished zone, which is also the largest sane one. */
uint64_t zoned_word_finished(const struct zoned_layout *l, const struct zq_geometry *g,
			     uint32_t zone);

/* Is the pointer within its zone, and does the flag say what conventional_zones says? */
bool zoned_word_sane(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t zone,
		     uint64_t word);

/* A sane word that the layout's QEMU refuses, and with it the whole image. */
bool zoned_word_refused(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t zone,
			uint64_t word);

/* Bits that are in neither the flag nor the pointer; they are ignored. */
static inline uint64_t zoned_word_ignored(const struct zoned_layout *l, uint64_t word)
{
	return word & ~(l->conv_flag | l->wp_mask);
}

/*
 * The flag that says "conventional" in another layout is set, and this layout's is not: the
 * word may be another layout's, so nobody can tell what it says in this one.
 */
bool zoned_word_foreign_flag(const struct zoned_layout *l, uint64_t word);

/* A word at raw, 8 bytes. */
uint64_t zoned_word_get(const uint8_t *raw, bool little);
void zoned_word_put(uint8_t *raw, uint64_t word, bool little);

/* Words that are sane in either byte order. Begin with zeros. */
struct zoned_order {
	uint32_t big, little; /* little stays 0 where the layout has big-endian words only */
};

/* Counts nr words at raw, of the zones from first on. */
void zoned_order_count(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t first,
		       const uint8_t *raw, uint32_t nr, struct zoned_order *o);

/* The byte order of the table once all its words are counted; big-endian on a tie. */
static inline bool zoned_order_little(const struct zoned_order *o)
{
	return o->little > o->big;
}

/* How many words are sane in that order. */
static inline uint32_t zoned_order_sane(const struct zoned_order *o)
{
	return o->little > o->big ? o->little : o->big;
}

/* Too many words make no sense: the table must not be written. */
static inline bool zoned_order_hopeless(const struct zoned_order *o, uint32_t nr_zones)
{
	return nr_zones - zoned_order_sane(o) > nr_zones / 2;
}

#endif
