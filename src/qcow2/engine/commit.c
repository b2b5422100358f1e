/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ordered commit: what has changed goes to disk in such an order that at every moment
 * the file is an image that QEMU could open. src/DESIGN section 6 gives the steps; here they
 * are functions. One commit runs at a time, in the thread of whoever asked first; it takes a
 * copy of all changed values under the lock and then writes without it.
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
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/commit.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/release.h"
#include "qcow2/engine/wptable.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"

#define GATHER_NS INT64_C(5000000) /* who calls again does so at once, however slow the disk */

/* All that one commit takes along. */
struct batch {
	struct wp_update *wp;
	size_t nr_wp;
	struct md_copy *slice;
	size_t nr_slices;
	struct table_group *l1, *ref;
	size_t nr_l1, nr_ref;
	uint64_t *new_table; /* sorted offsets of fresh L2 tables and refcount blocks */
	size_t nr_new;
	bool moved; /* the refcount table has a new place */
	uint64_t ref_offset, ref_words;
	uint64_t *ref_copy; /* the whole refcount table, big-endian, when it moved */
	bool data;
	struct qcow2_runs let_go;
	/* how far a commit came; what it wrote before is not new to the one that tries again */
	bool back_done;	  /* pointers that went back and new refcount blocks are on disk */
	bool placed;	  /* the header names the new refcount table */
	bool tables_done; /* step 1 is on disk: new L2 tables and counts */
};

/* ---- taking the copy -------------------------------------------------------------------- */

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Lists the tables behind fresh words. */
static void list_targets(const struct table_group *g, size_t nr, uint64_t mask, uint64_t *out,
			 size_t *n)
{
	for (size_t i = 0; i < nr; i++)
		for (unsigned w = 0; w < g[i].nr; w++)
			if ((g[i].fresh >> w & 1) && (g[i].word[w] & mask))
				out[(*n)++] = g[i].word[w] & mask;
}

static int list_new_tables(struct batch *b)
{
	size_t max = (b->nr_l1 + b->nr_ref) * TABLE_GROUP;

	if (!max)
		return 0;
	b->new_table = calloc(max, sizeof(*b->new_table));
	if (!b->new_table)
		return -ENOMEM;
	list_targets(b->l1, b->nr_l1, QCOW2_OFFSET_MASK, b->new_table, &b->nr_new);
	list_targets(b->ref, b->nr_ref, ~QCOW2_REFTABLE_RESERVED, b->new_table, &b->nr_new);
	qsort(b->new_table, b->nr_new, sizeof(*b->new_table), compare_u64);
	return 0;
}

static int copy_reftable(struct qcow2_image *img, struct batch *b)
{
	b->moved = img->reftable_moved;
	b->ref_offset = img->reftable.offset;
	b->ref_words = img->reftable.nr;
	if (!b->moved)
		return 0;
	b->ref_copy = calloc((size_t)b->ref_words, sizeof(*b->ref_copy));
	if (!b->ref_copy)
		return -ENOMEM;
	for (uint64_t i = 0; i < b->ref_words; i++)
		put_be64(&b->ref_copy[i], img->reftable.word[i]);
	img->reftable_moved = false;
	return 0;
}

/* [lock] */
static int take_copy(struct qcow2_image *img, struct batch *b)
{
	int rc = copy_reftable(img, b);

	if (rc == 0)
		rc = table_commit_begin(&img->reftable, &b->ref, &b->nr_ref);
	if (rc == 0)
		rc = table_commit_begin(&img->l1, &b->l1, &b->nr_l1);
	if (rc == 0)
		rc = list_new_tables(b);
	if (rc == 0)
		rc = mdcache_commit_begin(&img->cache, &b->slice, &b->nr_slices);
	if (rc == 0)
		rc = wptable_commit_begin(img, &b->wp, &b->nr_wp);
	b->data = img->data_dirty;
	img->data_dirty = false;
	b->let_go = backlog_take(img);
	return rc;
}

/* Gives back what a failed commit took, or marks it done. [lock] */
static void end_batch(struct qcow2_image *img, struct batch *b, bool ok)
{
	table_commit_end(&img->reftable, b->ref, b->nr_ref, ok, b->back_done);
	table_commit_end(&img->l1, b->l1, b->nr_l1, ok, b->tables_done);
	mdcache_commit_end(&img->cache, b->slice, b->nr_slices, ok, b->tables_done);
	if (img->wpt)
		wptable_commit_end(img, b->wp, b->nr_wp, b->back_done, ok);
	if (!ok) {
		img->reftable_moved |= b->moved && !b->placed;
		img->data_dirty |= b->data;
		backlog_return(img, &b->let_go);
	}
	backlog_update(img);
	free(b->new_table);
	free(b->ref_copy);
}

/* ---- writing ----------------------------------------------------------------------------- */

static int flush_file(struct qcow2_image *img, struct zq_io *io)
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

static bool is_new(const struct qcow2_image *img, const struct batch *b, const struct md_slice *s)
{
	uint64_t table = align_down(s->off, img->cluster_size);

	return b->nr_new && bsearch(&table, b->new_table, b->nr_new, sizeof(table), compare_u64);
}

/* Writes the slices of refcount blocks or of L2 tables, new ones or old ones. */
static int write_slices(struct qcow2_image *img, const struct batch *b, bool refblock, bool new,
			bool *wrote)
{
	for (size_t i = 0; i < b->nr_slices; i++) {
		const struct md_slice *s = b->slice[i].slice;
		bool unlinked = b->slice[i].unlinked || is_new(img, b, s);
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
static int write_reftable_place(struct qcow2_image *img, const struct batch *b)
{
	uint8_t buf[12];

	put_be64(buf, b->ref_offset);
	put_be32(buf + 8, (uint32_t)(b->ref_words * 8 >> img->cluster_bits));
	return image_write_meta(img, buf, sizeof(buf), QCOW2_H_REFTABLE_OFFSET);
}

/* A larger refcount table. Its blocks are on disk: a commit that failed may have named it. */
static int move_reftable(struct qcow2_image *img, struct batch *b)
{
	int rc = image_write_meta(img, b->ref_copy, (size_t)b->ref_words * 8, b->ref_offset);

	if (rc == 0)
		rc = flush_file(img, img->file);
	if (rc == 0)
		rc = write_reftable_place(img, b);
	if (rc == 0)
		rc = flush_file(img, img->file);
	b->placed = rc == 0;
	return rc;
}

static int step_0(struct qcow2_image *img, struct batch *b)
{
	bool wrote = false;
	int rc = wptable_write_back(img, b->wp, b->nr_wp, &wrote);

	if (rc == 0)
		rc = zero_fresh(img, b->ref, b->nr_ref, ~QCOW2_REFTABLE_RESERVED, &wrote);
	if (rc == 0)
		rc = write_slices(img, b, true, true, &wrote);
	if (rc == 0 && wrote)
		rc = flush_file(img, img->file);
	if (rc < 0)
		return rc;
	b->back_done = true;
	return b->moved ? move_reftable(img, b) : 0;
}

static int step_1(struct qcow2_image *img, struct batch *b)
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
		rc = flush_file(img, img->file);
	if (rc == 0 && b->data && img->data != img->file)
		rc = flush_file(img, img->data);
	b->tables_done = rc == 0;
	return rc;
}

static int step_2(struct qcow2_image *img, const struct batch *b)
{
	bool wrote = false;
	int rc = write_slices(img, b, false, false, &wrote);

	if (rc == 0)
		rc = write_groups(img, img->l1.offset, b->l1, b->nr_l1, &wrote);
	return rc == 0 && wrote ? flush_file(img, img->file) : rc;
}

static int step_3(struct qcow2_image *img, const struct batch *b)
{
	bool wrote = false;
	int rc = wptable_write_forward(img, b->wp, b->nr_wp, &wrote);

	return rc == 0 && wrote ? flush_file(img, img->file) : rc;
}

static int write_batch(struct qcow2_image *img, struct batch *b)
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

static int commit_once(struct qcow2_image *img)
{
	struct batch b = { 0 };
	int rc;

	if (img->flush_error)
		return img->flush_error;
	rc = check_lengths(img);
	if (rc < 0)
		return rc;
	image_lock(img);
	rc = take_copy(img, &b);
	image_unlock(img);
	if (rc == 0)
		rc = write_batch(img, &b);
	if (rc == 0)
		rc = check_lengths(img);
	image_lock(img);
	end_batch(img, &b, rc == 0);
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

/* ---- who asks ---------------------------------------------------------------------------- */

/*
 * Threads that commit again and again would fall into two halves, each waiting while the other's
 * commit runs. So whoever is about to commit waits for those of the two commits before, for
 * half the time that one takes at most. Who does not come is not waited for the next time, and a
 * thread that is alone waits for nobody. [commit_lock]
 */
static void gather(struct qcow2_image *img)
{
	int64_t patience = img->commit_ns / 2 < GATHER_NS ? img->commit_ns / 2 : GATHER_NS;
	int64_t deadline = clock_ns(CLOCK_MONOTONIC) + patience;

	img->commit_gathering = true;
	while (img->commit_joined < img->commit_peers)
		if (cond_wait_until(&img->commit_cond, &img->commit_lock, deadline) == -ETIMEDOUT)
			break;
	img->commit_gathering = false;
}

/* Runs the next commit for all who have joined it. [commit_lock], not while it runs */
static void run_next_commit(struct qcow2_image *img)
{
	unsigned served;
	uint64_t ticket;
	int64_t began;
	int rc;

	img->commit_running = true;
	gather(img);
	ticket = ++img->commit_started;
	served = img->commit_joined;
	img->commit_joined = 0;
	locks_give(&img->commit_lock, LOCK_COMMIT);
	began = clock_ns(CLOCK_MONOTONIC);
	rc = commit_once(img);
	locks_take(&img->commit_lock, LOCK_COMMIT);
	img->commit_ns = clock_ns(CLOCK_MONOTONIC) - began;
	img->commit_peers = served + img->commit_joined;
	img->commit_running = false;
	img->commit_done = ticket;
	if (rc == 0)
		img->commit_ok = ticket;
	else
		img->commit_error = rc;
	pthread_cond_broadcast(&img->commit_cond);
}

/*
 * Whoever comes while a commit runs needs the one after it, since the running one may have
 * taken its copy already. The first of those who wait runs it for all of them. A later commit
 * may have ended before one of them wakes: when it succeeded it has written everything that
 * theirs did not, and when theirs succeeded it does not concern them that a later one failed.
 */
int qcow2_commit(struct qcow2_image *img)
{
	uint64_t mine;
	int rc;

	locks_take(&img->commit_lock, LOCK_COMMIT);
	mine = img->commit_started + 1;
	img->commit_joined++;
	if (img->commit_gathering)
		pthread_cond_broadcast(&img->commit_cond);
	while (img->commit_running && img->commit_done < mine)
		pthread_cond_wait(&img->commit_cond, &img->commit_lock);
	if (img->commit_done < mine)
		run_next_commit(img);
	rc = img->commit_ok >= mine ? 0 : img->commit_error;
	locks_give(&img->commit_lock, LOCK_COMMIT);
	return rc;
}

int qcow2_wp_settle(struct qcow2_image *img)
{
	/* all of a commit rather than a first step of its own: it is needed only where zones
	 * share clusters or data has a fixed place, and then the rest is due as well */
	return qcow2_commit(img);
}

int commit_relieve(struct qcow2_image *img)
{
	return qcow2_pressure(img) == QCOW2_PRESSURE_NOW ? qcow2_commit(img) : 0;
}

bool qcow2_dirty(struct qcow2_image *img)
{
	SCOPE_IMAGE_LOCK(img);
	return img->cache.nr_dirty || img->l1.any_dirty || img->reftable.any_dirty ||
	       img->reftable_moved || img->data_dirty || img->let_go.nr ||
	       wptable_dirty_locked(img);
}
