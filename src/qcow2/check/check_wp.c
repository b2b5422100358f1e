/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Check of the write pointers: against their zones, the header and the active mapping,
 * which is walked in ascending order, so that one zone at a time is enough. Owns what
 * repair will write. Repair touches only words that are not sane, and never shows less of a
 * zone than its mapping holds. FORMAT section 4.
 */
#include <byteswap.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "qcow2/check/check_priv.h"
#include "qcow2/engine/wptable.h"
#include "util/bytes.h"
#include "util/math.h"

#define PIECE 4096u /* words read at once */

static const struct zq_geometry *geo(const struct check *c)
{
	return &c->hdr->zoned.geo;
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
		return ZONED_WP_MASK;
	return c->wp.little ? bswap_64(raw) : raw;
}

void check_wp_begin(struct check *c)
{
	uint64_t big = 0, little = 0, sane, raw;

	if (!c->hdr->zoned.present)
		return;
	c->wp.buf = malloc(PIECE * 8);
	if (!c->wp.buf) {
		c->error = -ENOMEM;
		return;
	}
	for (uint32_t z = 0; z < geo(c)->nr_zones && raw_word(c, z, &raw); z++) {
		big += wptable_word_sane(geo(c), z, raw);
		little += wptable_word_sane(geo(c), z, bswap_64(raw));
	}
	c->wp.little = little > big;
	sane = max_u64(big, little);
	if (geo(c)->nr_zones - sane > geo(c)->nr_zones / 2)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "only %" PRIu64 " of %" PRIu32
			    " write pointers are sane: the image opens read-only",
			    sane, geo(c)->nr_zones);
}

/*
 * What an insane word should be: the same in the other byte order, or without its wrong
 * type bit, where that is sane; otherwise the pointer stands behind all that is mapped, or
 * at the end where a backing file may have the data, so that nothing becomes unreadable.
 */
static uint64_t better_word(const struct check *c, uint32_t zone, uint64_t word)
{
	uint64_t start = zq_zone_start(geo(c), zone), cap = start + zq_zone_cap(geo(c), zone);

	if (wptable_word_sane(geo(c), zone, bswap_64(word)))
		return bswap_64(word) & (ZONED_WP_MASK | ZONED_WP_CONV);
	if (zq_zone_is_conv(geo(c), zone))
		return start | ZONED_WP_CONV;
	if (wptable_word_sane(geo(c), zone, word & ZONED_WP_MASK))
		return word & ZONED_WP_MASK;
	if (c->hdr->backing_file || c->wp.end >= cap)
		return start + geo(c)->zone_size;
	return max_u64(c->wp.end, start);
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

static const char *label_of(const struct check *c, uint32_t zone, char *buf)
{
	return zq_zone_label(geo(c)->nr_conv, zone, buf);
}

static void insane(struct check *c, uint32_t zone, uint64_t word)
{
	uint64_t start = zq_zone_start(geo(c), zone), wp = word & ZONED_WP_MASK, better;
	bool conv = zq_zone_is_conv(geo(c), zone), fix = check_repairs(c) && !c->refs_only;
	char why[128], what[64] = "", label[ZQ_ZONE_LABEL_MAX];

	better = better_word(c, zone, word);
	if (fix)
		snprintf(what, sizeof(what), "; set to 0x%" PRIx64, better);
	if (wptable_word_sane(geo(c), zone, bswap_64(word)))
		snprintf(why, sizeof(why), "stored in the other byte order than most");
	else if (conv != !!(word & ZONED_WP_CONV))
		snprintf(why, sizeof(why), "bit 59 says %s, the header says %s",
			 conv ? "sequential" : "conventional",
			 conv ? "conventional" : "sequential");
	else if (conv)
		snprintf(why, sizeof(why), "not the start 0x%" PRIx64 " of its conventional zone",
			 start);
	else
		snprintf(why, sizeof(why),
			 "0x%" PRIx64 " is outside of its zone 0x%" PRIx64 "-0x%" PRIx64, wp, start,
			 start + geo(c)->zone_size);
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
	if (wp > cap && wp != start + geo(c)->zone_size)
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

static void judge(struct check *c, uint32_t zone)
{
	uint64_t word = word_of(c, zone);

	if (word & ~(ZONED_WP_MASK | ZONED_WP_CONV))
		c->wp.state_bits++;
	if (!wptable_word_sane(geo(c), zone, word))
		insane(c, zone, word);
	else if (!zq_zone_is_conv(geo(c), zone))
		note_mapping(c, zone, word & ZONED_WP_MASK);
}

/* Makes a zone the current one; those before it are complete. */
static void advance(struct check *c, uint32_t zone)
{
	struct wp_walk *w = &c->wp;

	while (w->zone < zone && !c->error) {
		judge(c, w->zone++);
		w->below = w->beyond = w->end = 0;
	}
}

void check_wp_mapped(struct check *c, uint64_t guest, bool host)
{
	uint64_t first = guest << c->cluster_bits, end = first + c->cluster_size;
	uint32_t last_zone;

	if (!c->hdr->zoned.present)
		return;
	end = min_u64(end, geo(c)->size);
	last_zone = (uint32_t)((end - 1) / geo(c)->zone_size);
	for (uint32_t z = (uint32_t)(first / geo(c)->zone_size); z <= last_zone && !c->error; z++) {
		uint64_t wp = word_of(c, z) & ZONED_WP_MASK;

		advance(c, z);
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
	if (c->wp.state_bits)
		check_found(c, ZQ_FOUND_NOTE, 1, false,
			    "%" PRIu64 " write pointers have bits above bit 59, which are ignored",
			    c->wp.state_bits);
}

void check_wp_repair(struct check *c)
{
	for (size_t i = 0; i < c->wp.nr_fix && !c->error; i++) {
		const struct wp_fix *f = &c->wp.fix[i];
		uint8_t raw[8];

		put_be64(raw, c->wp.little ? bswap_64(f->word) : f->word);
		check_write(c, raw, sizeof(raw), c->hdr->zoned.meta_offset + (uint64_t)f->zone * 8);
	}
}

void check_wp_free(struct check *c)
{
	free(c->wp.buf);
	free(c->wp.fix);
}
