/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allocator: streams and the clusters that they take. Owns which stream has which claim.
 * Everything here holds the image's lock, which reading a refcount block drops; what was found
 * is taken in the same critical section in which it was seen. Never writes.
 */
#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/alloc.h"
#include "qcow2/engine/refblock.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/engine/space.h"
#include "util/math.h"

#define RUN_BYTES (UINT64_C(1) << 20) /* claimed for a stream at once */
#define META_RUN  16u		      /* clusters claimed for metadata at once */

struct stream { /* number i has claim i */
	uint32_t id;
	bool fresh;
	uint64_t used; /* for replacing the least recently used */
};

struct qcow2_alloc {
	struct stream stream[SPACE_STREAMS];
	uint64_t clock;
};

int alloc_init(struct qcow2_image *img)
{
	img->alloc = calloc(1, sizeof(*img->alloc));
	return img->alloc ? space_init(img) : -ENOMEM;
}

void alloc_restart(struct qcow2_image *img)
{
	*img->alloc = (struct qcow2_alloc){ .clock = 0 };
	space_restart(img);
}

void alloc_destroy(struct qcow2_image *img)
{
	space_destroy(img);
	free(img->alloc);
	img->alloc = NULL;
}

/* ---- streams ------------------------------------------------------------------------------- */

/* The number of the stream that has a claim; SPACE_STREAMS: it has none. */
static unsigned find_stream(struct qcow2_image *img, uint32_t id)
{
	struct qcow2_alloc *a = img->alloc;

	for (unsigned i = 0; i < SPACE_STREAMS; i++) {
		if (a->stream[i].id != id || !space_claim(img, i)->count)
			continue;
		a->stream[i].used = ++a->clock;
		return i;
	}
	return SPACE_STREAMS;
}

/* Makes a run the stream's. It replaces that of the stream unused for longest. */
static void give_run(struct qcow2_image *img, uint32_t id, const struct qcow2_run *run)
{
	struct qcow2_alloc *a = img->alloc;
	unsigned pick = 0;

	for (unsigned i = 0; i < SPACE_STREAMS && space_claim(img, pick)->count; i++)
		if (!space_claim(img, i)->count || a->stream[i].used < a->stream[pick].used)
			pick = i;
	space_drop_claim(img, pick);
	space_set_claim(img, pick, *run);
	a->stream[pick] = (struct stream){ .id = id,
					   .fresh = space_is_fresh(img, run->start),
					   .used = ++a->clock };
	space_note_used(img, run);
}

void alloc_release_stream(struct qcow2_image *img, uint32_t id)
{
	unsigned i = find_stream(img, id);

	if (i < SPACE_STREAMS)
		space_drop_claim(img, i);
}

void alloc_release_all(struct qcow2_image *img)
{
	for (unsigned i = 0; i < SPACE_STREAMS; i++)
		space_drop_claim(img, i);
}

void qcow2_stream_release(struct qcow2_image *img, uint32_t stream)
{
	image_lock(img);
	if (img->alloc)
		alloc_release_stream(img, stream);
	image_unlock(img);
}

/*
 * Finds a run for a stream that has none. The lock may be dropped, but is held from seeing the
 * run free to giving it. Another thread of the stream may have found one meanwhile: that is the
 * stream's then, and what was seen here stays free.
 */
static int find_run(struct qcow2_image *img, uint32_t id, uint64_t want)
{
	struct space_start start = space_start(img);
	uint64_t cluster = start.cluster;

	for (;;) {
		struct qcow2_run run;
		bool counted;
		int rc = space_look(img, &cluster, want, &run, &counted);

		if (rc < 0 || find_stream(img, id) < SPACE_STREAMS)
			return rc;
		if (!run.count)
			continue;
		rc = space_check_unused(img, &run);
		if (rc == 0 && counted) {
			space_note_start(img, &start, run.start);
			give_run(img, id, &run);
			return 0;
		}
		if (rc == 0) /* the first cluster becomes the block that counts the others */
			rc = refblock_make(img, run.start);
		if (rc < 0)
			return rc;
		cluster = run.start;
	}
}

/* ---- taking and giving back ------------------------------------------------------------ */

int alloc_take(struct qcow2_image *img, uint32_t id, uint64_t want, struct qcow2_run *run,
	       bool *fresh)
{
	uint64_t ahead = id == ALLOC_STREAM_META ? META_RUN : RUN_BYTES >> img->cluster_bits;

	for (;;) {
		unsigned i = find_stream(img, id);
		struct md_slice *s;
		uint64_t first;
		int rc;

		if (i == SPACE_STREAMS) {
			rc = find_run(img, id, max_u64(want, max_u64(ahead, 1)));
			if (rc < 0)
				return rc;
			continue;
		}
		first = space_claim(img, i)->start;
		rc = refcount_pin(img, first, true, &s);
		if (rc < 0)
			return rc;
		i = find_stream(img, id); /* pinning may have dropped the lock */
		if (!s || i == SPACE_STREAMS || space_claim(img, i)->start != first) {
			if (s)
				mdcache_unpin(&img->cache, s);
			continue;
		}
		run->start = first;
		run->count = min_u64(min_u64(want, space_claim(img, i)->count),
				     refcount_slice_left(img, first));
		*fresh = img->alloc->stream[i].fresh;
		for (uint64_t n = 0; n < run->count; n++)
			refcount_set(img, s, first + n, 1);
		mdcache_unpin(&img->cache, s);
		space_use_claim(img, i, run->count);
		img->file_end = max_u64(img->file_end, (first + run->count) << img->cluster_bits);
		return 0;
	}
}

void alloc_give_back(struct qcow2_image *img, const struct qcow2_run *run)
{
	for (uint64_t c = run->start; c < run->start + run->count; c++) {
		struct md_slice *s;

		if (refcount_pin(img, c, true, &s) < 0 || !s)
			continue; /* it leaks, which harms nothing */
		if (refcount_drop(img, s, c))
			space_note_free(img, c);
		mdcache_unpin(&img->cache, s);
	}
}
