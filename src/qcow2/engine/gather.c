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
#include "qcow2/engine/gather_fixed.h"
#include "qcow2/engine/gather_walk.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/l2.h"
#include "qcow2/engine/move.h"
#include "qcow2/engine/pack.h"
#include "qcow2/format/descriptor.h"
#include "util/cleanup.h"
#include "util/errors.h"
#include "util/math.h"

#define MAX_PASSES 16

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

/* ---- places ------------------------------------------------------------------------------- */

/* New searches begin at the first free cluster, wherever the last ones were. */
static void forget_places(struct qcow2_image *img)
{
	SCOPE_IMAGE_LOCK(img);
	img->pack.cluster = 0;
	alloc_release_all(img);
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
		rc = commit_until_clean(g->img);
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
	rc = commit_until_clean(img);
	if (rc < 0)
		return rc;
	SCOPE_IMAGE_LOCK(img);
	return census_take(img, c);
}

/*
 * What ends behind all that is in use goes before it, as far as there is room. Blocks come later,
 * since most of those at the end count nothing when the rest has moved. The tables that the header
 * leads to come last: each is one run, and what has moved has made room for it.
 */
static int move_behind(struct gathering *g)
{
	struct qcow2_image *img = g->img;
	struct census c;
	uint64_t from;
	bool tail;
	int rc = begin_pass(img, &c);

	if (rc < 0)
		return rc;
	image_lock(img);
	from = gather_fixed_from(img, c.used);
	image_unlock(img);
	g->from = from << img->cluster_bits;
	g->moved = false;
	tail = c.end > c.used;
	if (tail)
		rc = move_tables(g);
	if (rc == 0 && tail)
		rc = gather_walk(img, see_to_move, g);
	if (rc == 0 && tail && !g->moved)
		rc = move_blocks(g, &c);
	if (rc == 0 && !g->moved)
		rc = commit_until_clean(img);
	if (rc == 0 && !g->moved)
		rc = gather_fixed_move(img, tail ? from : c.end, &g->moved);
	free(c.idle);
	return rc;
}

static int gather_all(struct gathering *g)
{
	bool loose;
	int rc = gather_drop_empty(g->img);

	if (rc == 0)
		rc = commit_until_clean(g->img);
	if (rc == 0)
		rc = gather_is_loose(g->img, &loose);
	if (rc == 0 && loose) {
		forget_places(g->img);
		g->all_packed = true;
		rc = gather_walk(g->img, see_to_move, g);
		g->all_packed = false;
		g->pass++;
	}
	if (rc == 0)
		rc = commit_until_clean(g->img);
	g->moved = true;
	for (; rc == 0 && g->moved && g->pass < MAX_PASSES; g->pass++) {
		rc = move_behind(g);
		if (rc == 0)
			rc = commit_until_clean(g->img);
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
		rc = commit_until_clean(img);
	if (rc == 0)
		rc = gather_all(&g);
	if (rc == -ECANCELED) {
		int last = commit_until_clean(img);

		return last ? last : rc;
	}
	return rc == 0 ? cut(img) : rc;
}
