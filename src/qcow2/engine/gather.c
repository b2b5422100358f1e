/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making the file as short as what it holds: tables without entries go, compressed clusters lie
 * close together, what lies behind the place where the file could end moves before it, blocks that
 * count nothing go, and the file is cut. Between two of these a commit has everything on disk,
 * so that an end at any point leaves a whole image. Nobody else uses the image meanwhile.
 */
#include <errno.h>
#include <stdlib.h>

#include "io/io.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/census.h"
#include "qcow2/engine/commit.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/l2.h"
#include "qcow2/engine/move.h"
#include "qcow2/engine/pack.h"
#include "qcow2/format/descriptor.h"
#include "util/cleanup.h"
#include "util/errors.h"
#include "util/math.h"

#define MAX_PASSES  8
#define MAX_ENTRIES 512u /* of a slice: 4096 bytes and 8 for each */

/* What is to move: everything from a host cluster on, or all compressed clusters. */
struct gathering {
	struct qcow2_image *img;
	uint64_t from; /* host offset */
	bool all_packed;
	bool moved; /* something has */
	unsigned pass;
	int (*tell)(void *data, double done);
	void *data;
};

/* Entries of one slice, as they were. */
struct slice_copy {
	unsigned nr;
	struct l2_entry entry[MAX_ENTRIES];
};

/* ---- commits ------------------------------------------------------------------------------- */

/* Until nothing waits: what a commit lets go is free on the disk with the next one. */
static int commit_all(struct qcow2_image *img)
{
	int rc = qcow2_commit(img);

	for (int n = 0; n < 4 && rc == 0 && qcow2_dirty(img); n++)
		rc = qcow2_commit(img);
	return rc;
}

/* New searches begin at the first free cluster, wherever the last ones were. */
static void forget_places(struct qcow2_image *img)
{
	SCOPE_IMAGE_LOCK(img);
	img->pack.cluster = 0;
	alloc_release_all(img);
}

/* ---- walking the mapping --------------------------------------------------------------------- */

/* Copies the entries of the slice at guest; nr is how many clusters it covers. *there: it has a
 * table. */
static int read_slice(struct qcow2_image *img, uint64_t guest, struct slice_copy *s, bool *there)
{
	struct l2_ref ref;
	int rc;

	SCOPE_IMAGE_LOCK(img);
	rc = l2_pin(img, guest, false, &ref);
	if (rc < 0)
		return rc;
	s->nr = ref.count;
	*there = ref.slice;
	for (unsigned i = 0; i < ref.count && ref.slice; i++)
		s->entry[i] = l2_get(img, &ref, ref.index + i);
	l2_unpin(img, &ref);
	return 0;
}

/* Calls see for each slice that has a table. */
static int walk_slices(struct qcow2_image *img,
		       int (*see)(void *data, uint64_t guest, const struct slice_copy *s),
		       void *data)
{
	struct slice_copy *s CLEANUP_FREE = malloc(sizeof(*s));
	uint64_t step;

	if (!s)
		return -ENOMEM;
	for (uint64_t guest = 0; guest < img->hdr.size; guest += step) {
		bool there;
		int rc = read_slice(img, guest, s, &there);

		if (rc == 0 && there)
			rc = see(data, guest, s);
		if (rc < 0)
			return rc;
		step = (uint64_t)s->nr << img->cluster_bits;
	}
	return 0;
}

/* ---- tables without entries ------------------------------------------------------------------ */

static int table_is_empty(struct qcow2_image *img, uint64_t l1_index, struct slice_copy *s,
			  bool *empty)
{
	uint64_t guest = l1_index << (img->l2_bits + img->cluster_bits);
	uint64_t end = guest + (UINT64_C(1) << (img->l2_bits + img->cluster_bits));

	*empty = true;
	while (guest < end && *empty) {
		bool there;
		int rc = read_slice(img, guest, s, &there);

		if (rc < 0)
			return rc;
		for (unsigned i = 0; i < s->nr; i++)
			*empty &= !s->entry[i].desc && !s->entry[i].bitmap;
		guest += (uint64_t)s->nr << img->cluster_bits;
	}
	return 0;
}

/* Takes out the L1 words of such tables. Nothing in the cache is dirty. */
static int drop_empty_tables(struct qcow2_image *img)
{
	struct slice_copy *s CLEANUP_FREE = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	for (uint64_t i = 0; i < img->l1.nr; i++) {
		uint64_t off = img->l1.word[i] & QCOW2_OFFSET_MASK;
		bool empty = false;
		int rc = off ? table_is_empty(img, i, s, &empty) : 0;

		if (rc < 0)
			return rc;
		if (!empty)
			continue;
		SCOPE_IMAGE_LOCK(img);
		mdcache_forget(&img->cache, off, img->cluster_size);
		table_set(&img->l1, i, 0, false);
		backlog_let_go(img, off >> img->cluster_bits, 1);
	}
	return commit_all(img);
}

/* ---- how close compressed clusters lie ----------------------------------------------------- */

struct density {
	struct qcow2_image *img;
	uint8_t *touched; /* bitmap of host clusters */
	uint64_t nr;	  /* of its bits */
	uint64_t bytes;	  /* compressed, about */
	uint64_t clusters;
};

static void note_packed(struct density *d, uint64_t desc)
{
	unsigned bits = d->img->cluster_bits;
	uint64_t off, len;

	descriptor_extent(bits, desc, &off, &len);
	/* the data ends somewhere in its last sector */
	d->bytes += len - ZQ_BLOCK / 2;
	for (uint64_t c = off >> bits; c <= (off + len - 1) >> bits && c < d->nr; c++) {
		d->clusters += !(d->touched[c / 8] >> (c % 8) & 1);
		d->touched[c / 8] |= (uint8_t)(1 << (c % 8));
	}
}

static int see_density(void *data, uint64_t guest, const struct slice_copy *s)
{
	(void)guest;
	for (unsigned i = 0; i < s->nr; i++)
		if (s->entry[i].desc & QCOW2_COMPRESSED)
			note_packed(data, s->entry[i].desc);
	return 0;
}

/* Do compressed clusters take more than a hundredth more than they need? */
static int packed_is_loose(struct qcow2_image *img, bool *loose)
{
	struct density d = { .img = img, .nr = div_up(img->file_end, img->cluster_size) };
	uint64_t need;
	int rc;

	d.touched = calloc((size_t)(d.nr / 8 + 1), 1);
	if (!d.touched)
		return -ENOMEM;
	rc = walk_slices(img, see_density, &d);
	free(d.touched);
	need = div_up(d.bytes, img->cluster_size);
	*loose = d.clusters > need + need / 100 + 1;
	return rc;
}

/* ---- moving -------------------------------------------------------------------------------- */

static bool has_to_move(const struct gathering *g, struct l2_entry e)
{
	uint64_t off, len;

	if (e.desc & QCOW2_COMPRESSED) {
		descriptor_extent(g->img->cluster_bits, e.desc, &off, &len);
		return g->all_packed || off + len > g->from;
	}
	return l2_has_host(g->img, e) && l2_host(e) >= g->from && !g->all_packed;
}

/* With one more try when the host has no room: what was let go gives some. */
static int move_one(struct gathering *g, uint64_t guest, bool *moved)
{
	int rc = commit_relieve(g->img);

	if (rc == 0)
		rc = move_guest_cluster(g->img, guest, g->all_packed, moved);
	if (!error_is_no_room(rc))
		return rc;
	rc = qcow2_commit(g->img);
	return rc ? rc : move_guest_cluster(g->img, guest, g->all_packed, moved);
}

static int see_to_move(void *data, uint64_t guest, const struct slice_copy *s)
{
	struct gathering *g = data;
	double part = (double)guest / (double)g->img->hdr.size;

	if (g->tell && g->tell(g->data, (g->pass + part) / (g->pass + 1)))
		return -ECANCELED;
	for (unsigned i = 0; i < s->nr; i++) {
		bool moved;
		int rc = 0;

		if (has_to_move(g, s->entry[i])) {
			rc = move_one(g, guest + ((uint64_t)i << g->img->cluster_bits), &moved);
			g->moved |= rc == 0 && moved;
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int move_tables(struct gathering *g)
{
	struct qcow2_image *img = g->img;

	for (uint64_t i = 0; i < img->l1.nr; i++) {
		bool moved = false;
		int rc = 0;

		if ((img->l1.word[i] & QCOW2_OFFSET_MASK) >= g->from)
			rc = move_table(img, i, &moved);
		if (rc < 0)
			return rc;
		g->moved |= moved;
	}
	return 0;
}

/* Places for the blocks that have to move; 0: it stays. */
static int take_block_places(struct gathering *g, const struct census *c, uint64_t *place)
{
	struct qcow2_image *img = g->img;
	int rc = 0;

	for (uint64_t i = 0; i < c->nr_blocks && rc == 0; i++)
		if (img->reftable.word[i] >= g->from && !c->idle[i])
			rc = move_take_place(img, img->reftable.word[i], &place[i]);
	return rc;
}

static int move_blocks(struct gathering *g, const struct census *c)
{
	uint64_t *place CLEANUP_FREE = calloc((size_t)c->nr_blocks + 1, sizeof(*place));
	int rc = place ? take_block_places(g, c, place) : -ENOMEM;

	if (rc == 0)
		rc = commit_all(g->img);
	for (uint64_t i = 0; i < c->nr_blocks && rc == 0; i++) {
		if (!place[i])
			continue;
		rc = move_block(g->img, i, place[i]);
		g->moved |= rc == 0;
	}
	return rc;
}

/* Takes out blocks that count nothing but themselves. [lock] */
static void drop_idle_blocks(struct qcow2_image *img, const struct census *c)
{
	for (uint64_t i = 0; i < c->nr_blocks; i++) {
		uint64_t off = img->reftable.word[i];

		if (!c->idle[i])
			continue;
		mdcache_forget(&img->cache, off, img->cluster_size);
		table_set(&img->reftable, i, 0, false);
		/* what counts itself is gone with itself */
		if (off >> img->cluster_bits >> img->refblock_bits != i)
			backlog_let_go(img, off >> img->cluster_bits, 1);
	}
}

/* Takes out idle blocks, and counts what is in use then. The caller frees c->idle. */
static int begin_pass(struct qcow2_image *img, struct census *c)
{
	int rc;

	forget_places(img);
	image_lock(img);
	rc = census_take(img, c);
	if (rc == 0)
		drop_idle_blocks(img, c);
	image_unlock(img);
	if (rc < 0)
		return rc;
	free(c->idle);
	rc = commit_all(img);
	if (rc < 0)
		return rc;
	SCOPE_IMAGE_LOCK(img);
	return census_take(img, c);
}

/*
 * What ends behind all that is in use goes before it, as far as there is room. Blocks come last,
 * since most of those at the end count nothing when the rest has moved.
 */
static int move_behind(struct gathering *g)
{
	struct census c;
	int rc = begin_pass(g->img, &c);

	if (rc < 0)
		return rc;
	g->from = c.used << g->img->cluster_bits;
	g->moved = false;
	if (c.end > c.used)
		rc = move_tables(g);
	if (rc == 0 && c.end > c.used)
		rc = walk_slices(g->img, see_to_move, g);
	if (rc == 0 && c.end > c.used && !g->moved)
		rc = move_blocks(g, &c);
	free(c.idle);
	return rc;
}

static int gather_all(struct gathering *g)
{
	bool loose;
	int rc = drop_empty_tables(g->img);

	if (rc == 0)
		rc = packed_is_loose(g->img, &loose);
	if (rc == 0 && loose) {
		forget_places(g->img);
		g->all_packed = true;
		rc = walk_slices(g->img, see_to_move, g);
		g->all_packed = false;
		g->pass++;
	}
	if (rc == 0)
		rc = commit_all(g->img);
	g->moved = true;
	for (; rc == 0 && g->moved && g->pass < MAX_PASSES; g->pass++) {
		rc = move_behind(g);
		if (rc == 0)
			rc = commit_all(g->img);
	}
	return rc;
}

/* ---- the end of the file -----------------------------------------------------------------------
 */

static int cut(struct qcow2_image *img)
{
	struct census c;
	uint64_t size, end;
	int rc = begin_pass(img, &c);

	if (rc < 0)
		return rc;
	free(c.idle);
	rc = io_size(img->file, &size);
	end = c.end << img->cluster_bits;
	if (rc < 0 || size <= end)
		return rc;
	rc = io_truncate(img->file, end);
	if (rc == 0)
		rc = io_flush(img->file);
	img->size_seen = img->file_end = img->written_end = end;
	return rc;
}

int qcow2_gather(struct qcow2_image *img, int (*tell)(void *data, double done), void *data)
{
	struct gathering g = { .img = img, .tell = tell, .data = data };
	int rc = qcow2_begin_change(img);

	if (rc == 0)
		rc = commit_all(img);
	if (rc == 0)
		rc = gather_all(&g);
	if (rc == -ECANCELED) {
		int last = commit_all(img);

		return last ? last : rc;
	}
	return rc == 0 ? cut(img) : rc;
}
