/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic of the words of the pointer table. Pure: one word and its zone at a time.
 */
#include "qcow2/format/zoned_word.h"
#include "util/bytes.h"
#include "util/math.h"

uint64_t zoned_word_make(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t zone,
			 uint64_t wp)
{
	return zq_zone_is_conv(g, zone) ? zq_zone_start(g, zone) | l->conv_flag : wp;
}

uint64_t zoned_word_finished(const struct zoned_layout *l, const struct zq_geometry *g,
			     uint32_t zone)
{
	return zq_zone_start(g, zone) + (l->ends_at_capacity ? zq_zone_cap(g, zone) : g->zone_size);
}

bool zoned_word_sane(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t zone,
		     uint64_t word)
{
	uint64_t start = zq_zone_start(g, zone), wp = zoned_word_wp(l, word);
	bool conv = word & l->conv_flag;

	if (conv != zq_zone_is_conv(g, zone))
		return false;
	if (conv)
		return wp == start;
	return wp >= start && wp <= zoned_word_finished(l, g, zone);
}

bool zoned_word_refused(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t zone,
			uint64_t word)
{
	return l->whole_blocks && !zq_zone_is_conv(g, zone) &&
	       !is_aligned(zoned_word_wp(l, word), ZQ_BLOCK);
}

bool zoned_word_foreign_flag(const struct zoned_layout *l, uint64_t word)
{
	const struct zoned_layout *other;

	for (unsigned i = 0; (other = zoned_layout_at(i)); i++)
		if (other->conv_flag != l->conv_flag && word & other->conv_flag)
			return !(word & l->conv_flag);
	return false;
}

uint64_t zoned_word_get(const uint8_t *raw, bool little)
{
	return little ? get_le64(raw) : get_be64(raw);
}

void zoned_word_put(uint8_t *raw, uint64_t word, bool little)
{
	if (little)
		put_le64(raw, word);
	else
		put_be64(raw, word);
}

void zoned_order_count(const struct zoned_layout *l, const struct zq_geometry *g, uint32_t first,
		       const uint8_t *raw, uint32_t nr, struct zoned_order *o)
{
	for (uint32_t i = 0; i < nr; i++, raw += 8) {
		o->big += zoned_word_sane(l, g, first + i, get_be64(raw));
		if (l->host_order)
			o->little += zoned_word_sane(l, g, first + i, get_le64(raw));
	}
}
