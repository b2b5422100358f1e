/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The write pointer table. Owns the pointers in memory: what each is, what it is on disk
 * (raw; words that make no sense stay as they are and are never written again), and which ones
 * changed. The image's lock guards it; a commit writes its own copy of the changes without the
 * lock.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/image.h"
#include "qcow2/engine/wptable.h"
#include "qcow2/engine/wptable_priv.h"
#include "qcow2/format/zoned_word.h"
#include "util/cleanup.h"
#include "util/math.h"

bool wptable_is_foreign(const struct qcow2_wptable *t, uint32_t zone)
{
	const struct zq_geometry *g = &t->info.geo;

	return !zoned_word_sane(t->layout, g, zone, t->disk[zone]) ||
	       zoned_word_refused(t->layout, g, zone, t->disk[zone]);
}

/* ---- loading ------------------------------------------------------------------------------- */

/* Turns the words as read to the order in which more of them make sense. */
static void decide_order(struct qcow2_wptable *t)
{
	const struct zq_geometry *g = &t->info.geo;
	struct zoned_order order = { 0 };

	zoned_order_count(t->layout, g, 0, (const uint8_t *)t->disk, g->nr_zones, &order);
	t->info.little_endian = zoned_order_little(&order);
	t->info.corrupt = g->nr_zones - zoned_order_sane(&order);
	t->info.hopeless = zoned_order_hopeless(&order, g->nr_zones);
	for (uint32_t i = 0; i < g->nr_zones; i++) {
		uint64_t word = zoned_word_get((const uint8_t *)&t->disk[i], t->info.little_endian);

		t->disk[i] = word;
		atomic_init(&t->wp[i], zoned_word_wp(t->layout, word));
		if (!wptable_is_foreign(t, i))
			continue;
		t->foreign = true;
		if (!zoned_word_sane(t->layout, g, i, word))
			t->flags[i] = WP_CORRUPT;
	}
}

int wptable_load(struct qcow2_image *img, struct zq_error *err)
{
	const struct qcow2_zoned_ext *ext = &img->hdr.zoned;
	struct qcow2_wptable *t = calloc(1, sizeof(*t));
	uint32_t nr = ext->geo.nr_zones;
	int rc;

	if (!t)
		return zq_fail(err, -ENOMEM, "out of memory");
	img->wpt = t;
	t->info.geo = ext->geo;
	t->layout = ext->layout;
	t->info.layout = ext->layout->name;
	t->info.whole_blocks = ext->layout->whole_blocks;
	t->info.table_offset = ext->meta_offset;
	t->wp = calloc(nr, sizeof(*t->wp));
	t->disk = calloc(nr, sizeof(*t->disk));
	t->flags = calloc(nr, 1);
	if (!t->wp || !t->disk || !t->flags)
		return zq_fail(err, -ENOMEM, "%s: no memory for %u write pointers", img->file->name,
			       nr);
	rc = io_pread(img->file, t->disk, (size_t)nr * 8, ext->meta_offset);
	if (rc < 0)
		return zq_fail(err, rc, "%s: cannot read the write pointers: %s", img->file->name,
			       strerror(-rc));
	decide_order(t);
	return 0;
}

/* ---- beside a writer ------------------------------------------------------------------------- */

/* A word as it is on disk now, put in place of the one that was known. [lock] */
static bool replace_word(struct qcow2_wptable *t, uint32_t zone, uint64_t raw, uint64_t *before)
{
	const struct zq_geometry *g = &t->info.geo;
	uint64_t word = zoned_word_get((const uint8_t *)&raw, t->info.little_endian);
	bool sane = zoned_word_sane(t->layout, g, zone, word);

	*before = t->wp[zone];
	if (word == t->disk[zone])
		return false;
	t->disk[zone] = word;
	t->flags[zone] = sane ? 0 : WP_CORRUPT;
	atomic_store_explicit(&t->wp[zone], zoned_word_wp(t->layout, word), memory_order_release);
	return true;
}

int wptable_reload(struct qcow2_image *img, qcow2_moved_fn moved, void *data)
{
	struct qcow2_wptable *t = img->wpt;
	uint32_t nr = t->info.geo.nr_zones;
	uint64_t *raw CLEANUP_FREE = calloc(nr, sizeof(*raw));
	int rc = raw ? io_pread(img->file, raw, (size_t)nr * 8, t->info.table_offset) : -ENOMEM;

	for (uint32_t zone = 0; zone < nr && rc == 0; zone++) {
		uint64_t before;
		bool changed;

		image_lock(img);
		changed = replace_word(t, zone, raw[zone], &before);
		image_unlock(img);
		if (changed)
			moved(data, zone, before);
	}
	return rc;
}

int wptable_unchanged(struct qcow2_image *img, uint64_t off, size_t len)
{
	struct qcow2_wptable *t = img->wpt;
	uint32_t first = (uint32_t)(off / t->info.geo.zone_size);
	uint32_t last = (uint32_t)((off + len - 1) / t->info.geo.zone_size);

	for (uint32_t zone = first; len && zone <= last; zone++) {
		uint64_t raw, wp;
		int rc = io_pread(img->file, &raw, sizeof(raw),
				  t->info.table_offset + (uint64_t)zone * 8);

		if (rc < 0)
			return rc;
		wp = zoned_word_wp(t->layout,
				   zoned_word_get((const uint8_t *)&raw, t->info.little_endian));
		if (wp < t->wp[zone])
			return -ESTALE;
	}
	return 0;
}

void wptable_note_place(struct qcow2_image *img)
{
	img->wpt->info.table_offset = img->hdr.zoned.meta_offset;
}

void wptable_free(struct qcow2_wptable *t)
{
	if (!t)
		return;
	free(t->wp);
	free(t->disk);
	free(t->flags);
	free(t->list);
	free(t);
}

/* ---- in memory ------------------------------------------------------------------------ */

const struct qcow2_zoned_info *qcow2_zoned(const struct qcow2_image *img)
{
	return img->wpt ? &img->wpt->info : NULL;
}

uint64_t qcow2_wp_finished(const struct qcow2_image *img, uint32_t zone)
{
	return zoned_word_finished(img->wpt->layout, &img->wpt->info.geo, zone);
}

uint64_t qcow2_wp_written(struct qcow2_image *img, uint32_t zone)
{
	const struct zq_geometry *g = &img->wpt->info.geo;
	enum qcow2_wp_kind kind;
	uint64_t wp = qcow2_wp_get(img, zone, &kind);

	if (kind == QCOW2_WP_CORRUPT)
		return 0;
	if (kind == QCOW2_WP_CONV)
		return zq_zone_cap(g, zone);
	return min_u64(wp - zq_zone_start(g, zone), zq_zone_cap(g, zone));
}

uint64_t qcow2_wp_now(const struct qcow2_image *img, uint32_t zone)
{
	return atomic_load_explicit(&img->wpt->wp[zone], memory_order_acquire);
}

uint64_t qcow2_wp_get(struct qcow2_image *img, uint32_t zone, enum qcow2_wp_kind *kind)
{
	struct qcow2_wp now;

	qcow2_wp_list(img, zone, 1, &now);
	*kind = now.kind;
	return now.wp;
}

void qcow2_wp_list(struct qcow2_image *img, uint32_t first, uint32_t nr, struct qcow2_wp *out)
{
	const struct qcow2_wptable *t = img->wpt;

	image_lock(img);
	for (uint32_t i = 0; i < nr; i++) {
		uint32_t zone = first + i;

		out[i].wp = atomic_load_explicit(&t->wp[zone], memory_order_relaxed);
		if (t->flags[zone] & WP_CORRUPT)
			out[i].kind = QCOW2_WP_CORRUPT;
		else
			out[i].kind =
				zq_zone_is_conv(&t->info.geo, zone) ? QCOW2_WP_CONV : QCOW2_WP_SEQ;
	}
	image_unlock(img);
}

void wptable_note(struct qcow2_wptable *t, uint32_t zone, uint8_t what)
{
	if (!(t->flags[zone] & WP_CHANGED)) {
		if (t->nr == t->cap) {
			uint32_t cap = t->cap ? t->cap * 2 : 64;
			uint32_t *list = realloc(t->list, cap * sizeof(*list));

			if (list) {
				t->list = list;
				t->cap = cap;
			}
		}
		if (t->nr < t->cap)
			t->list[t->nr] = zone;
		t->nr++;
	}
	t->flags[zone] |= what;
}

void wptable_forward_locked(struct qcow2_image *img, uint32_t zone, uint64_t wp)
{
	assert(wp - zq_zone_start(&img->wpt->info.geo, zone) <= img->wpt->info.geo.zone_size);
	atomic_store_explicit(&img->wpt->wp[zone], wp, memory_order_release);
	wptable_note(img->wpt, zone, WP_FORWARD);
}

void wptable_back_locked(struct qcow2_image *img, uint32_t zone)
{
	atomic_store_explicit(&img->wpt->wp[zone], zq_zone_start(&img->wpt->info.geo, zone),
			      memory_order_release);
	wptable_note(img->wpt, zone, WP_BACK);
}

bool wptable_dirty_locked(const struct qcow2_image *img)
{
	return img->wpt && img->wpt->nr;
}

void qcow2_wp_forward(struct qcow2_image *img, uint32_t zone, uint64_t wp)
{
	image_lock(img);
	wptable_forward_locked(img, zone, wp);
	image_unlock(img);
}

void qcow2_wp_back(struct qcow2_image *img, uint32_t zone)
{
	image_lock(img);
	wptable_back_locked(img, zone);
	image_unlock(img);
}
