/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making guest bytes read as zeros: whole clusters lose their mapping, parts of clusters
 * are overwritten. What is let go is freed by the next commit. Takes the lock slice by
 * slice, so that a reset of a large zone does not stop the others.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/change.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/commit.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/inflight.h"
#include "qcow2/engine/l2.h"
#include "util/math.h"

#define ZERO_PIECE 65536u /* bytes written at once where zeros have to be written */

/* An entry that reads as zeros and holds nothing. */
static struct l2_entry zero_entry(const struct qcow2_image *img)
{
	struct l2_entry e = { 0, 0 };

	if (!img->backing)
		return e; /* unallocated */
	if (img->ext_l2)
		e.bitmap = (uint64_t)UINT32_MAX << QCOW2_SUBCLUSTERS;
	else
		e.desc = QCOW2_ZERO;
	return e;
}

static bool same_entry(struct l2_entry a, struct l2_entry b)
{
	return a.desc == b.desc && a.bitmap == b.bitmap;
}

/* Does any of n entries from the pinned one on have to change? */
static bool needs_change(const struct qcow2_image *img, const struct l2_ref *ref, unsigned n)
{
	struct l2_entry want = zero_entry(img);

	if (!ref->slice)
		return !same_entry(want, (struct l2_entry){ 0, 0 });
	for (unsigned i = 0; i < n; i++)
		if (!same_entry(want, l2_get(img, ref, ref->index + i)))
			return true;
	return false;
}

/* A damaged entry is replaced without letting go of what it claims to hold. */
static bool entry_is_sound(struct qcow2_image *img, uint64_t guest, struct l2_entry e)
{
	for (unsigned sub = 0; sub < img->subclusters; sub++)
		if (l2_kind(img, guest, e, sub) == L2_BAD)
			return false;
	return true;
}

/* A part of a run of clusters that is being unmapped. */
struct unmapping {
	uint64_t guest, end;
	unsigned done; /* clusters of it */
	bool overlaps; /* one led to where metadata lies: it is let go of all the same */
};

static void unmap_entries(struct qcow2_image *img, struct l2_ref *ref, struct unmapping *u)
{
	struct l2_entry want = zero_entry(img);
	uint64_t guest = u->guest, host;

	for (unsigned i = 0; i < u->done; i++, guest += img->cluster_size) {
		struct l2_entry old = l2_get(img, ref, ref->index + i);

		if (same_entry(old, want))
			continue;
		if (entry_is_sound(img, guest, old)) {
			l2_let_go(img, old);
		} else if (l2_overlaps(img, old, &host)) {
			image_note_overlap(img, "the cluster", host);
			u->overlaps = true;
		}
		l2_set(img, ref, ref->index + i, want);
	}
}

/* Unmaps whole clusters from guest on, as far as one slice goes. [lock] */
static int unmap_slice(struct qcow2_image *img, struct unmapping *u)
{
	struct l2_ref ref;
	int rc = l2_pin(img, u->guest, false, &ref);

	if (rc < 0)
		return rc;
	u->done = (unsigned)min_u64(ref.count, (u->end - u->guest) >> img->cluster_bits);
	if (needs_change(img, &ref, u->done)) {
		l2_unpin(img, &ref);
		rc = l2_pin(img, u->guest, true, &ref);
		if (rc < 0)
			return rc;
		inflight_wait(img, u->guest, u->guest + ((uint64_t)u->done << img->cluster_bits));
		unmap_entries(img, &ref, u);
	}
	l2_unpin(img, &ref);
	return 0;
}

/* -EUCLEAN when all is unmapped, and a part of it was not the guest's. */
static int unmap_clusters(struct qcow2_image *img, uint64_t off, uint64_t end)
{
	struct unmapping u = { .guest = off, .end = end };
	int rc = 0;

	while (u.guest < end && rc == 0) {
		u.done = 0;
		image_lock(img);
		rc = unmap_slice(img, &u);
		backlog_update(img);
		image_unlock(img);
		u.guest += (uint64_t)u.done << img->cluster_bits;
	}
	return rc == 0 && u.overlaps ? -EUCLEAN : rc;
}

/* Writes zeros to a part of a cluster, unless it reads as zeros without. */
static int zero_part(struct qcow2_image *img, uint64_t off, uint64_t end)
{
	static const uint8_t zeros[ZERO_PIECE];
	int rc = 0;

	while (off < end && rc == 0) {
		uint64_t run;
		bool data;

		rc = qcow2_block_status(img, off, end - off, &data, &run);
		if (rc < 0)
			break;
		run = min_u64(run, data ? ZERO_PIECE : end - off);
		if (data) {
			struct qcow2_write w = { .off = off,
						 .buf = zeros,
						 .len = (size_t)run,
						 .zero_end = off + run,
						 .stream = ALLOC_STREAM_ZERO };

			rc = qcow2_write(img, &w);
		}
		off += run;
	}
	return rc;
}

bool qcow2_zero_in_place(const struct qcow2_image *img, uint64_t off, uint64_t len)
{
	return img->has_data_file || !is_aligned(off, img->cluster_size) ||
	       (!is_aligned(off + len, img->cluster_size) && off + len != img->hdr.size);
}

int qcow2_zero(struct qcow2_image *img, uint64_t off, uint64_t len)
{
	uint64_t end = off + len, first, last;
	int rc;

	if (!range_within(off, len, img->hdr.size))
		return -EINVAL;
	if (!len)
		return 0;
	rc = qcow2_begin_change(img);
	if (rc == 0)
		rc = commit_relieve(img);
	if (rc < 0)
		return rc;
	/* the last cluster is whole when the disk ends within it */
	first = align_up(off, img->cluster_size);
	last = end == img->hdr.size ? align_up(end, img->cluster_size)
				    : align_down(end, img->cluster_size);
	if (first >= last) {
		rc = zero_part(img, off, end);
	} else {
		rc = zero_part(img, off, first);
		if (rc == 0)
			rc = unmap_clusters(img, first, last);
		if (rc == 0 && last < end)
			rc = zero_part(img, last, end);
	}
	/* a data file keeps its place: the space goes back, and a raw one must read as zeros */
	if (rc == 0 && img->has_data_file)
		rc = image_zero_host(img->data, off, len);
	if (rc == 0) {
		image_lock(img);
		img->data_dirty |= img->has_data_file;
		image_unlock(img);
	}
	change_mark_corrupt(img);
	return rc;
}
