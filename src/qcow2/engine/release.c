/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Freeing host clusters after a commit. Only this lowers a refcount, and only one commit
 * runs at a time: a count that is 1 here stays 1 until this code makes it 0.
 */
#include "qcow2/engine/compress.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/pack.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/engine/release.h"
#include "qcow2/engine/space.h"
#include "util/math.h"

/* Lowers counts above 1; collects the clusters that nothing refers to any more. [lock] */
static void lower(struct qcow2_image *img, const struct qcow2_run *r, struct qcow2_runs *unused)
{
	uint64_t c = r->start, end = r->start + r->count;

	while (c < end) {
		uint64_t stop = min_u64(end, c + refcount_slice_left(img, c));
		struct md_slice *s;

		if (refcount_pin(img, c, true, &s) < 0 || !s) {
			c = stop;
			continue;
		}
		for (; c < stop; c++) {
			uint64_t count = refcount_get(img, s, c);

			if (count > 1)
				refcount_drop(img, s, c);
			else if (count == 1) {
				pack_forget(img, c);
				runs_add(unused, c, 1);
			} else
				image_log(img, "cluster %llu was in use with a refcount of 0",
					  (unsigned long long)c);
		}
		mdcache_unpin(&img->cache, s);
	}
}

/* Sets counts to 0: from here on the clusters may be used again. [lock] */
static void set_free(struct qcow2_image *img, const struct qcow2_run *r)
{
	for (uint64_t c = r->start; c < r->start + r->count; c++) {
		struct md_slice *s;

		if (refcount_pin(img, c, true, &s) < 0 || !s)
			continue;
		if (refcount_drop(img, s, c))
			space_note_free(img, c);
		mdcache_unpin(&img->cache, s);
	}
}

void release_clusters(struct qcow2_image *img, const struct qcow2_runs *runs)
{
	struct qcow2_runs unused = { 0 };

	image_lock(img);
	for (size_t i = 0; i < runs->nr; i++)
		lower(img, &runs->run[i], &unused);
	image_unlock(img);
	if (!unused.nr)
		return;
	runs_tidy(&unused); /* a damaged image may have let go of the same cluster twice */

	image_io_drain(img);
	decomp_forget(img);
	for (size_t i = 0; i < unused.nr; i++)
		image_give_back(img, &unused.run[i]);

	image_lock(img);
	for (size_t i = 0; i < unused.nr; i++)
		set_free(img, &unused.run[i]);
	image_unlock(img);
	runs_free(&unused);
}
