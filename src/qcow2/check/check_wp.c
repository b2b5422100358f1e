/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check of the write pointers: against their zones, the header and the active mapping,
 * which is walked in ascending order, so that one zone at a time is enough. Owns what
 * repair will write. Repair touches only words that are not sane or stand within a block
 * (check_blocks.c), and never shows less of a zone than its mapping holds. FORMAT section 4.
 */
#include <byteswap.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "qcow2/check/check_priv.h"
#include "qcow2/format/zoned_word.h"
#include "util/bytes.h"
#include "util/math.h"

#define PIECE 4096u /* words read at once */

static const struct zq_geometry *geo(const struct check *c)
{
	return &c->hdr->zoned.geo;
}

static const struct zoned_layout *layout_of(const struct check *c)
{
	return c->hdr->zoned.layout;
}

/* The word of a zone as big-endian would have it. False: it cannot be read. */
static bool raw_word(struct check *c, uint32_t zone, uint64_t *word)
{
	struct wp_walk *w = &c->wp;

	if (!w->buf_nr || zone < w->buf_first || zone - w->buf_first >= w->buf_nr) {
		w->buf_first = zone;
		w->buf_nr = (uint32_t)min_u64(PIECE, geo(c)->nr_zones - zone);
		if (!check_read(c, w->buf, (size_t)w->buf_nr * 8,
				c->hdr->zoned.meta_offset + (uint64_t)zone * 8, "write pointers")) {
			w->buf_nr = 0;
			return false;
		}
	}
	*word = get_be64(w->buf + (size_t)(zone - w->buf_first) * 8);
	return true;
}

/* In the image's byte order. A word that cannot be read is no pointer of any zone. */
static uint64_t word_of(struct check *c, uint32_t zone)
{
	uint64_t raw;

	if (!raw_word(c, zone, &raw))
		return layout_of(c)->wp_mask;
	return c->wp.little ? bswap_64(raw) : raw;
}

static void note_remark(void *data, const char *line)
{
	check_found(data, ZQ_FOUND_NOTE, 1, false, "%s", line);
}

void check_wp_begin(struct check *c)
{
	struct zoned_order order = { 0 };
	uint64_t raw;

	if (!c->hdr->zoned.present)
		return;
	qcow2_zoned_remarks(c->hdr, note_remark, c);
	c->wp.buf = malloc(PIECE * 8);
	if (!c->wp.buf) {
		c->error = -ENOMEM;
		return;
	}
	for (uint32_t z = 0; z < geo(c)->nr_zones && raw_word(c, z, &raw); z += c->wp.buf_nr)
		zoned_order_count(layout_of(c), geo(c), z, c->wp.buf, c->wp.buf_nr, &order);
	c->wp.little = zoned_order_little(&order);
	if (zoned_order_hopeless(&order, geo(c)->nr_zones))
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "only %" PRIu32 " of %" PRIu32
			    " write pointers are sane: the image opens read-only",
			    zoned_order_sane(&order), geo(c)->nr_zones);
}

static bool sane(const struct check *c, uint32_t zone, uint64_t word)
{
	return zoned_word_sane(layout_of(c), geo(c), zone, word);
}

/* Written by a host of the other byte order than the rest of the table. */
static bool sane_swapped(const struct check *c, uint32_t zone, uint64_t word)
{
	return layout_of(c)->host_order && sane(c, zone, bswap_64(word));
}

/*
 * What an insane word should be: the same in the other byte order, or without its wrong
 * flag, where that is sane; otherwise the pointer stands behind all that is mapped, or
 * at the end where a backing file may have the data, so that nothing becomes unreadable.
 * False: the flag of another layout is set. What it means here nobody knows.
 */
static bool better_word(const struct check *c, uint32_t zone, uint64_t word, uint64_t *better)
{
	const struct zoned_layout *l = layout_of(c);
	uint64_t start = zq_zone_start(geo(c), zone), cap = start + zq_zone_cap(geo(c), zone);
	uint64_t wp;

	if (sane_swapped(c, zone, word)) {
		*better = bswap_64(word) & (l->wp_mask | l->conv_flag);
		return true;
	}
	if (zoned_word_foreign_flag(l, word))
		return false;
	if (sane(c, zone, zoned_word_wp(l, word)))
		wp = zoned_word_wp(l, word);
	else if (c->hdr->backing_file || c->wp.end >= cap)
		wp = zoned_word_finished(l, geo(c), zone);
	else
		wp = align_up(max_u64(c->wp.end, start), ZQ_BLOCK);
	*better = zoned_word_make(l, geo(c), zone, wp);
	return true;
}

static void add_fix(struct check *c, uint32_t zone, uint64_t word)
{
	struct wp_walk *w = &c->wp;

	if (w->nr_fix == w->cap_fix) {
		size_t cap = w->cap_fix ? w->cap_fix * 2 : 16;
		struct wp_fix *more = realloc(w->fix, cap * sizeof(*more));

		if (!more) {
			c->error = -ENOMEM;
			return;
		}
		w->fix = more;
		w->cap_fix = cap;
	}
	w->fix[w->nr_fix++] = (struct wp_fix){ .zone = zone, .word = word };
}

void check_wp_set(struct check *c, uint32_t zone, uint64_t wp)
{
	add_fix(c, zone, zoned_word_make(layout_of(c), geo(c), zone, wp));
}

static const char *label_of(const struct check *c, uint32_t zone, char *buf)
{
	return zq_zone_label(geo(c)->nr_conv, zone, buf);
}

static void describe_flag(const struct check *c, uint32_t zone, uint64_t word, char *why,
			  size_t size)
{
	const struct zoned_layout *l = layout_of(c);
	bool conv = zq_zone_is_conv(geo(c), zone);

	snprintf(why, size, "bit %d says %s, the header says %s%s", __builtin_ctzll(l->conv_flag),
		 conv ? "sequential" : "conventional", conv ? "conventional" : "sequential",
		 zoned_word_foreign_flag(l, word)
			 ? "; the flag of another layout is set, so it stays as it is"
			 : "");
}

static void insane(struct check *c, uint32_t zone, uint64_t word)
{
	const struct zoned_layout *l = layout_of(c);
	uint64_t start = zq_zone_start(geo(c), zone), wp = zoned_word_wp(l, word), better;
	bool conv = zq_zone_is_conv(geo(c), zone);
	bool fix = better_word(c, zone, word, &better) && check_repairs(c) && !c->refs_only;
	char why[160], what[64] = "", label[ZQ_ZONE_LABEL_MAX];

	if (fix)
		snprintf(what, sizeof(what), "; set to 0x%" PRIx64, better);
	if (sane_swapped(c, zone, word))
		snprintf(why, sizeof(why), "stored in the other byte order than most");
	else if (conv != !!(word & l->conv_flag))
		describe_flag(c, zone, word, why, sizeof(why));
	else if (conv)
		snprintf(why, sizeof(why), "not the start 0x%" PRIx64 " of its conventional zone",
			 start);
	else
		snprintf(why, sizeof(why),
			 "0x%" PRIx64 " is outside of its zone 0x%" PRIx64 "-0x%" PRIx64, wp, start,
			 zoned_word_finished(l, geo(c), zone));
	check_found(c, ZQ_FOUND_CORRUPTION, 1, fix, "%s: write pointer 0x%016" PRIx64 ": %s%s",
		    label_of(c, zone, label), word, why, what);
	if (fix)
		add_fix(c, zone, better);
}

/* A sane sequential zone: what is legal, but worth a line. */
static void note_mapping(struct check *c, uint32_t zone, uint64_t wp)
{
	uint64_t start = zq_zone_start(geo(c), zone), cap = start + zq_zone_cap(geo(c), zone);
	char label[ZQ_ZONE_LABEL_MAX];
	uint64_t clusters;

	if (c->wp.beyond)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "%s: %" PRIu64 " cluster%s mapped beyond the write pointer 0x%" PRIx64,
			    label_of(c, zone, label), c->wp.beyond,
			    c->wp.beyond == 1 ? " is" : "s are", wp);
	if (wp > cap && wp != zoned_word_finished(layout_of(c), geo(c), zone))
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "%s: write pointer 0x%" PRIx64 " is between the capacity 0x%" PRIx64
			    " and the zone's end",
			    label_of(c, zone, label), wp, cap);
	/* What a finished zone or a backing file leaves unmapped reads as it should. */
	if (wp >= cap || c->hdr->backing_file)
		return;
	clusters = div_up(wp, c->cluster_size) - (start >> c->cluster_bits);
	if (wp > start && c->wp.below < clusters)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "%s: %" PRIu64 " of %" PRIu64
			    " clusters before the write pointer 0x%" PRIx64
			    " have no data and read as zeros",
			    label_of(c, zone, label), clusters - c->wp.below, clusters, wp);
}

/* For check_blocks.c, which judges it once everything has been counted. */
static void note_within_block(struct check *c, uint32_t zone, uint64_t wp)
{
	struct wp_walk *w = &c->wp;

	if (w->nr_within == w->cap_within) {
		size_t cap = w->cap_within ? w->cap_within * 2 : 16;
		struct wp_tail *more = realloc(w->within, cap * sizeof(*more));

		if (!more) {
			c->error = -ENOMEM;
			return;
		}
		w->within = more;
		w->cap_within = cap;
	}
	w->within[w->nr_within] = w->tail;
	w->within[w->nr_within].zone = zone;
	w->within[w->nr_within++].wp = wp;
}

static void judge(struct check *c, uint32_t zone)
{
	uint64_t word = word_of(c, zone);

	if (zoned_word_ignored(layout_of(c), word))
		c->wp.ignored_bits++;
	if (!sane(c, zone, word))
		insane(c, zone, word);
	else if (zoned_word_refused(layout_of(c), geo(c), zone, word))
		note_within_block(c, zone, zoned_word_wp(layout_of(c), word));
	else if (!zq_zone_is_conv(geo(c), zone))
		note_mapping(c, zone, zoned_word_wp(layout_of(c), word));
}

/* Makes a zone the current one; those before it are complete. */
static void advance(struct check *c, uint32_t zone)
{
	struct wp_walk *w = &c->wp;

	while (w->zone < zone && !c->error) {
		judge(c, w->zone++);
		w->below = w->beyond = w->end = 0;
		w->tail = (struct wp_tail){ 0 };
	}
}

void check_wp_mapped(struct check *c, uint64_t guest, bool host, uint64_t word, uint64_t bitmap)
{
	uint64_t first = guest << c->cluster_bits, end = first + c->cluster_size;
	uint32_t last_zone;

	if (!c->hdr->zoned.present)
		return;
	end = min_u64(end, geo(c)->size);
	last_zone = (uint32_t)((end - 1) / geo(c)->zone_size);
	for (uint32_t z = (uint32_t)(first / geo(c)->zone_size); z <= last_zone && !c->error; z++) {
		uint64_t wp = zoned_word_wp(layout_of(c), word_of(c, z));

		advance(c, z);
		if (first < wp && wp < end)
			c->wp.tail = (struct wp_tail){ .word = word, .bitmap = bitmap };
		if (first < wp)
			c->wp.below++;
		else if (host && first >= zq_zone_start(geo(c), z))
			c->wp.beyond++;
		if (host)
			c->wp.end = min_u64(end, zq_zone_start(geo(c), z) + zq_zone_cap(geo(c), z));
	}
}

void check_wp_end(struct check *c)
{
	if (!c->hdr->zoned.present)
		return;
	advance(c, geo(c)->nr_zones);
	if (c->wp.ignored_bits)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "%" PRIu64
			    " write pointers have bits above their flag, bit %d, which are ignored",
			    c->wp.ignored_bits, __builtin_ctzll(layout_of(c)->conv_flag));
}

void check_wp_repair(struct check *c)
{
	for (size_t i = 0; i < c->wp.nr_fix && !c->error; i++) {
		const struct wp_fix *f = &c->wp.fix[i];
		uint8_t raw[8];

		zoned_word_put(raw, f->word, c->wp.little);
		check_write(c, raw, sizeof(raw), c->hdr->zoned.meta_offset + (uint64_t)f->zone * 8);
	}
}

void check_wp_free(struct check *c)
{
	free(c->wp.buf);
	free(c->wp.fix);
	free(c->wp.within);
}
