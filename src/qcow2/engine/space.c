/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Free clusters. Owns the claims and the place where to look first. Everything here holds the
 * image's lock, which reading a refcount block drops; what is found may be taken in the same
 * critical section in which it was seen. Never changes a count and never writes.
 */
#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/refcount.h"
#include "qcow2/engine/space.h"
#include "util/math.h"

/* How far behind the end of the file refcounts may claim to be in use. A sound image has
 * none there; a hostile one must not keep the search busy. */
#define MAX_COUNTED_BEYOND_END (UINT64_C(1) << 20)

struct qcow2_space {
	struct qcow2_run claim[SPACE_CLAIMS];
	uint64_t first_free; /* no cluster below it is free, but for claimed ones */
	uint64_t fresh_from; /* clusters from here on were never used */
	uint64_t frees;	     /* how often clusters became free */
	uint64_t limit;	     /* clusters that an offset can name */
};

int space_init(struct qcow2_image *img)
{
	img->space = calloc(1, sizeof(*img->space));
	if (!img->space)
		return -ENOMEM;
	space_restart(img);
	return 0;
}

void space_restart(struct qcow2_image *img)
{
	*img->space = (struct qcow2_space){
		.fresh_from = div_up(img->file_end, img->cluster_size),
		.limit = (QCOW2_OFFSET_MASK >> img->cluster_bits) - 1,
	};
}

void space_destroy(struct qcow2_image *img)
{
	free(img->space);
	img->space = NULL;
}

bool space_is_fresh(const struct qcow2_image *img, uint64_t cluster)
{
	return cluster >= img->space->fresh_from;
}

void space_note_used(struct qcow2_image *img, const struct qcow2_run *run)
{
	img->space->fresh_from = max_u64(img->space->fresh_from, run->start + run->count);
}

void space_note_free(struct qcow2_image *img, uint64_t cluster)
{
	img->space->first_free = min_u64(img->space->first_free, cluster);
	img->space->frees++;
}

/* ---- claims ------------------------------------------------------------------------------ */

const struct qcow2_run *space_claim(const struct qcow2_image *img, unsigned claim)
{
	return &img->space->claim[claim];
}

void space_set_claim(struct qcow2_image *img, unsigned claim, struct qcow2_run run)
{
	img->space->claim[claim] = run;
}

void space_use_claim(struct qcow2_image *img, unsigned claim, uint64_t count)
{
	struct qcow2_run *r = &img->space->claim[claim];

	r->start += count;
	r->count -= count;
}

void space_drop_claim(struct qcow2_image *img, unsigned claim)
{
	struct qcow2_run *r = &img->space->claim[claim];

	if (r->count)
		space_note_free(img, r->start);
	r->count = 0;
}

/* If someone claims the cluster, the end of that claim, else 0. */
static uint64_t claimed_until(const struct qcow2_space *sp, uint64_t cluster)
{
	for (size_t i = 0; i < SPACE_CLAIMS; i++) {
		const struct qcow2_run *r = &sp->claim[i];

		if (r->count && cluster - r->start < r->count)
			return r->start + r->count;
	}
	return 0;
}

/* The first claimed cluster in [from, to), or to. */
static uint64_t next_claimed(const struct qcow2_space *sp, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < SPACE_CLAIMS; i++) {
		const struct qcow2_run *r = &sp->claim[i];

		if (r->count && r->start >= from && r->start < to)
			to = r->start;
	}
	return to;
}

/* ---- looking for free clusters ---------------------------------------------------------- */

struct space_start space_start(const struct qcow2_image *img)
{
	return (struct space_start){ img->space->first_free, img->space->frees };
}

void space_note_start(struct qcow2_image *img, const struct space_start *s, uint64_t cluster)
{
	if (img->space->frees == s->frees)
		img->space->first_free = cluster;
}

/* The slice's count of a cluster, 0 where there is no block. */
static uint64_t slice_count(const struct qcow2_image *img, const struct md_slice *s,
			    uint64_t cluster)
{
	return s ? refcount_get(img, s, cluster) : 0;
}

/* The first free run of at most want in [cluster, end), which one slice counts (NULL: none). */
static struct qcow2_run find_free(const struct qcow2_image *img, const struct md_slice *s,
				  uint64_t cluster, uint64_t end, uint64_t want)
{
	const struct qcow2_space *sp = img->space;
	struct qcow2_run run = { 0, 0 };

	while (cluster < end) {
		uint64_t skip =
			slice_count(img, s, cluster) ? cluster + 1 : claimed_until(sp, cluster);

		if (!skip)
			break;
		cluster = skip;
	}
	if (cluster >= end)
		return run;
	end = next_claimed(sp, cluster, min_u64(end, cluster + min_u64(want, end - cluster)));
	/* clusters that were used and clusters that never were have to be told apart */
	if (cluster < sp->fresh_from)
		end = min_u64(end, sp->fresh_from);
	run.start = cluster;
	run.count = 1;
	while (cluster + run.count < end && !slice_count(img, s, cluster + run.count))
		run.count++;
	return run;
}

int space_look(struct qcow2_image *img, uint64_t *cluster, uint64_t want, struct qcow2_run *run,
	       bool *counted)
{
	uint64_t end = *cluster + refcount_slice_left(img, *cluster);
	struct md_slice *s;
	int rc;

	if (*cluster > img->space->limit)
		return -ENOSPC;
	if (*cluster > img->space->fresh_from + MAX_COUNTED_BEYOND_END)
		return -EIO;
	rc = refcount_pin(img, *cluster, false, &s);
	if (rc < 0)
		return rc;
	*counted = s;
	*run = find_free(img, s, *cluster, min_u64(end, img->space->limit + 1), want);
	if (s)
		mdcache_unpin(&img->cache, s);
	*cluster = run->count ? run->start + run->count : end;
	return 0;
}

/* ---- tables where nothing should be -------------------------------------------------------- */

/*
 * Refcounts that are too low must not make the image overwrite its own tables: one that says
 * so of the header, of a table or of a block is not to be trusted with anything.
 */
int space_check_unused(struct qcow2_image *img, const struct qcow2_run *run)
{
	uint64_t off = run->start << img->cluster_bits;

	if (!image_is_meta(img, off, run->count << img->cluster_bits))
		return 0;
	image_note_overlap(img, "the cluster with refcount 0 at", off);
	return -EUCLEAN;
}
