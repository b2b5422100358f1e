/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The write pointer table on disk: what a commit takes along and in which blocks it writes it; see
 * wptable.h.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/engine/hostio.h"
#include "qcow2/engine/image.h"
#include "qcow2/engine/wptable.h"
#include "qcow2/engine/wptable_priv.h"
#include "qcow2/format/zoned_word.h"

#define WORDS_PER_BLOCK (ZQ_BLOCK / 8)

static int by_zone(const void *a, const void *b)
{
	uint32_t x = ((const struct wp_update *)a)->zone, y = ((const struct wp_update *)b)->zone;

	return x < y ? -1 : x > y;
}

int wptable_commit_begin(struct qcow2_image *img, struct wp_update **upd, size_t *nr)
{
	struct qcow2_wptable *t = img->wpt;
	bool all;
	size_t n = 0;

	*upd = NULL;
	*nr = 0;
	if (!t || !t->nr)
		return 0;
	all = t->nr > t->cap;
	*upd = calloc(t->nr, sizeof(**upd));
	if (!*upd)
		return -ENOMEM;
	for (uint32_t i = 0; i < (all ? t->info.geo.nr_zones : t->nr); i++) {
		uint32_t zone = all ? i : t->list[i];

		if (!(t->flags[zone] & WP_CHANGED))
			continue;
		(*upd)[n++] = (struct wp_update){ .zone = zone,
						  .back = t->flags[zone] & WP_BACK,
						  .wp = t->wp[zone] };
		t->flags[zone] &= (uint8_t)~WP_CHANGED;
	}
	t->nr = 0;
	qsort(*upd, n, sizeof(**upd), by_zone);
	*nr = n;
	return 0;
}

/* Writes the words of zones [from, to), as much as is a piece, and zeros behind the last one. */
static int write_words_between(struct qcow2_image *img, uint32_t from, uint32_t to)
{
	struct qcow2_wptable *t = img->wpt;
	uint8_t buf[8 * ZQ_BLOCK];
	int rc = 0;

	while (from < to && rc >= 0) {
		uint32_t n = to - from < sizeof(buf) / 8 ? to - from : (uint32_t)sizeof(buf) / 8;

		memset(buf, 0, sizeof(buf));
		for (uint32_t i = 0; i < n && from + i < t->info.geo.nr_zones; i++)
			zoned_word_put(buf + i * 8, t->disk[from + i], t->info.little_endian);
		rc = image_write_meta(img, buf, n * 8, t->info.table_offset + (uint64_t)from * 8);
		from += n;
	}
	return rc;
}

/* Writes the blocks of 512 bytes from the first zone's to the last zone's, around foreign words. */
static int write_blocks(struct qcow2_image *img, uint32_t first, uint32_t last)
{
	struct qcow2_wptable *t = img->wpt;
	uint32_t from = first / WORDS_PER_BLOCK * WORDS_PER_BLOCK;
	uint32_t to = (last / WORDS_PER_BLOCK + 1) * WORDS_PER_BLOCK;

	for (uint32_t z = from; t->foreign && z < to && z < t->info.geo.nr_zones; z++) {
		int rc;

		if (!wptable_is_foreign(t, z))
			continue;
		rc = write_words_between(img, from, z);
		if (rc < 0)
			return rc;
		from = z + 1;
	}
	return write_words_between(img, from, to);
}

/* Sets words on disk; neighbouring blocks are one write. */
static int write_updates(struct qcow2_image *img, const struct wp_update *upd, size_t nr, bool back,
			 bool *wrote)
{
	struct qcow2_wptable *t = img->wpt;
	uint32_t first = 0, last = 0;
	bool some = false;
	int rc;

	for (size_t i = 0; i < nr; i++) {
		uint64_t word = back ? zq_zone_start(&t->info.geo, upd[i].zone) : upd[i].wp;

		if (back && !upd[i].back)
			continue;
		if (!back && upd[i].back && word == zq_zone_start(&t->info.geo, upd[i].zone))
			continue; /* the first step has written it */
		if (some && upd[i].zone / WORDS_PER_BLOCK > last / WORDS_PER_BLOCK + 1) {
			rc = write_blocks(img, first, last);
			if (rc < 0)
				return rc;
			some = false;
		}
		t->disk[upd[i].zone] = word;
		if (!some)
			first = upd[i].zone;
		last = upd[i].zone;
		some = *wrote = true;
	}
	return some ? write_blocks(img, first, last) : 0;
}

int wptable_write_back(struct qcow2_image *img, const struct wp_update *upd, size_t nr, bool *wrote)
{
	return nr ? write_updates(img, upd, nr, true, wrote) : 0;
}

int wptable_write_forward(struct qcow2_image *img, const struct wp_update *upd, size_t nr,
			  bool *wrote)
{
	return nr ? write_updates(img, upd, nr, false, wrote) : 0;
}

void wptable_commit_end(struct qcow2_image *img, struct wp_update *upd, size_t nr, bool back_done,
			bool ok)
{
	for (size_t i = 0; i < nr && !ok; i++)
		wptable_note(img->wpt, upd[i].zone,
			     upd[i].back && !back_done ? WP_BACK : WP_FORWARD);
	free(upd);
}
