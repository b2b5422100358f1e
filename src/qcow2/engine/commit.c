/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ordered commit: what has changed goes to disk in such an order that at every moment
 * the file is an image that QEMU could open. src/DESIGN section 6 gives the steps; here they
 * are functions. One commit runs at a time, in the thread of whoever asked first
 * (commit_share.c). It takes a copy of all changed values under the lock (commit_batch.c) and
 * then writes without the lock.
 *
 *   step 0  pointers that went back; new refcount blocks; flush
 *           (a larger refcount table; flush; its place in the header; flush)
 *   step 1  counts; new and copied L2 tables, which nothing on disk refers to yet; flush
 *           (this flush is also that of the data)
 *   step 2  other L2 tables; the L1 table; flush
 *   step 3  pointers that went forward; flush
 *   step 4  references that were let go: counts fall in memory, holes are punched, the
 *           clusters may be used again (release.c)
 *
 * Nothing unreachable on disk is ever the target of something reachable: a table is written
 * a step before what points to it. A word changes within one 512-byte block, so a torn
 * write leaves it old or new.
 */
#include "qcow2/engine/commit.h"

#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/commit_batch.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/release.h"
#include "qcow2/engine/wptable.h"
#include "util/bytes.h"
#include "util/math.h"

int commit_flush(struct qcow2_image *img, struct zq_io *io)
{
	int rc = io_flush(io);

	atomic_fetch_add_explicit(&img->stats.flushes, 1, memory_order_relaxed);
	/* The kernel may have dropped what it could not write: no later flush can vouch for it,
	 * so from now on every commit fails, and no pointer moves over what may be lost. */
	if (rc < 0 && !img->flush_error) {
		img->flush_error = -EIO; /* whatever it was: what is lost stays lost */
		image_log(img, "flushing %s failed: %s; nothing more will be committed", io->name,
			  strerror(-rc));
	}
	return rc < 0 ? -EIO : 0;
}

/* Writes the slices of refcount blocks or of L2 tables, new ones or old ones. */
static int write_slices(struct qcow2_image *img, const struct commit_batch *b, bool refblock,
			bool new, bool *wrote)
{
	for (size_t i = 0; i < b->nr_slices; i++) {
		const struct md_slice *s = b->slice[i].slice;
		bool unlinked = b->slice[i].unlinked || commit_batch_is_new(img, b, s);
		int rc;

		if (s->refblock != refblock || unlinked != new)
			continue;
		rc = image_write_meta(img, b->slice[i].data, img->slice_size, s->off);
		if (rc < 0)
			return rc;
		*wrote = true;
	}
	return 0;
}

/* Zeroes the clusters of fresh tables that the groups point to. Leaves no holes: a later commit
 * must find room there. */
static int zero_fresh(struct qcow2_image *img, const struct table_group *g, size_t nr,
		      uint64_t mask, bool *wrote)
{
	for (size_t i = 0; i < nr; i++)
		for (unsigned w = 0; w < g[i].nr; w++) {
			int rc;

			if (!(g[i].fresh >> w & 1))
				continue;
			rc = image_clear_meta(img, g[i].word[w] & mask, img->cluster_size);
			if (rc < 0)
				return rc;
			*wrote = true;
		}
	return 0;
}

static int write_groups(struct qcow2_image *img, uint64_t table, const struct table_group *g,
			size_t nr, bool *wrote)
{
	for (size_t i = 0; i < nr; i++) {
		uint8_t buf[TABLE_GROUP * 8];
		int rc;

		for (unsigned w = 0; w < g[i].nr; w++)
			put_be64(buf + w * 8, g[i].word[w]);
		rc = image_write_meta(img, buf, g[i].nr * 8u, table + g[i].first * 8);
		if (rc < 0)
			return rc;
		*wrote = true;
	}
	return 0;
}

/* Spec: "Header", refcount_table_offset and refcount_table_clusters; 12 adjacent bytes. */
static int write_reftable_place(struct qcow2_image *img, const struct commit_batch *b)
{
	uint8_t buf[12];

	put_be64(buf, b->ref_offset);
	put_be32(buf + 8, (uint32_t)(b->ref_words * 8 >> img->cluster_bits));
	return image_write_meta(img, buf, sizeof(buf), QCOW2_H_REFTABLE_OFFSET);
}

/* A larger refcount table. Its blocks are on disk: a commit that failed may have named it. */
static int move_reftable(struct qcow2_image *img, struct commit_batch *b)
{
	int rc = image_write_meta(img, b->ref_copy, (size_t)b->ref_words * 8, b->ref_offset);

	if (rc == 0)
		rc = commit_flush(img, img->file);
	if (rc == 0)
		rc = write_reftable_place(img, b);
	if (rc == 0)
		rc = commit_flush(img, img->file);
	b->placed = rc == 0;
	return rc;
}

static int step_0(struct qcow2_image *img, struct commit_batch *b)
{
	bool wrote = false;
	int rc = wptable_write_back(img, b->wp, b->nr_wp, &wrote);

	if (rc == 0)
		rc = zero_fresh(img, b->ref, b->nr_ref, ~QCOW2_REFTABLE_RESERVED, &wrote);
	if (rc == 0)
		rc = write_slices(img, b, true, true, &wrote);
	if (rc == 0 && wrote)
		rc = commit_flush(img, img->file);
	if (rc < 0)
		return rc;
	b->back_done = true;
	return b->moved ? move_reftable(img, b) : 0;
}

static int step_1(struct qcow2_image *img, struct commit_batch *b)
{
	bool wrote = b->data && img->data == img->file;
	int rc = write_slices(img, b, true, false, &wrote);

	if (rc == 0 && !b->moved)
		rc = write_groups(img, b->ref_offset, b->ref, b->nr_ref, &wrote);
	if (rc == 0)
		rc = zero_fresh(img, b->l1, b->nr_l1, QCOW2_OFFSET_MASK, &wrote);
	if (rc == 0)
		rc = write_slices(img, b, false, true, &wrote);
	if (rc == 0 && wrote)
		rc = commit_flush(img, img->file);
	if (rc == 0 && b->data && img->data != img->file)
		rc = commit_flush(img, img->data);
	b->tables_done = rc == 0;
	return rc;
}

static int step_2(struct qcow2_image *img, const struct commit_batch *b)
{
	bool wrote = false;
	int rc = write_slices(img, b, false, false, &wrote);

	if (rc == 0)
		rc = write_groups(img, img->l1.offset, b->l1, b->nr_l1, &wrote);
	return rc == 0 && wrote ? commit_flush(img, img->file) : rc;
}

static int step_3(struct qcow2_image *img, const struct commit_batch *b)
{
	bool wrote = false;
	int rc = wptable_write_forward(img, b->wp, b->nr_wp, &wrote);

	return rc == 0 && wrote ? commit_flush(img, img->file) : rc;
}

static int write_batch(struct qcow2_image *img, struct commit_batch *b)
{
	int rc = step_0(img, b);

	if (rc == 0)
		rc = step_1(img, b);
	if (rc == 0)
		rc = step_2(img, b);
	if (rc == 0)
		rc = step_3(img, b);
	return rc;
}

/* A file only ever grows while it is open. One that is shorter has been cut by somebody else, and
 * what else of it is gone is not known. */
static int check_one_length(struct qcow2_image *img, struct zq_io *io, uint64_t least,
			    uint64_t *seen)
{
	uint64_t size = 0;
	int rc = io_size(io, &size);

	if (rc < 0)
		return rc;
	least = max_u64(least, *seen);
	if (size < least) {
		image_log(img,
			  "%s has been cut from %llu to %llu bytes by another program; nothing "
			  "more will be committed",
			  io->name, (unsigned long long)least, (unsigned long long)size);
		img->flush_error = -EIO;
		return -EIO;
	}
	*seen = size;
	return 0;
}

static int check_lengths(struct qcow2_image *img)
{
	uint64_t written;
	int rc;

	image_lock(img);
	written = img->written_end;
	image_unlock(img);
	if (img->data == img->file)
		return check_one_length(img, img->file, written, &img->size_seen);
	rc = check_one_length(img, img->file, 0, &img->size_seen);
	return rc < 0 ? rc : check_one_length(img, img->data, written, &img->data_size_seen);
}

int commit_once(struct qcow2_image *img)
{
	struct commit_batch b = { 0 };
	int rc;

	if (img->flush_error)
		return img->flush_error;
	rc = check_lengths(img);
	if (rc < 0)
		return rc;
	image_lock(img);
	rc = commit_batch_take(img, &b);
	image_unlock(img);
	if (rc == 0)
		rc = write_batch(img, &b);
	if (rc == 0)
		rc = check_lengths(img);
	image_lock(img);
	commit_batch_end(img, &b, rc == 0);
	image_unlock(img);
	if (rc == 0 && b.let_go.nr) {
		release_clusters(img, &b.let_go);
		SCOPE_IMAGE_LOCK(img);
		backlog_freed(img, &b.let_go);
		backlog_update(img);
	}
	runs_free(&b.let_go);
	atomic_fetch_add_explicit(&img->stats.commits, 1, memory_order_relaxed);
	return rc;
}
