/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The allocator: finds runs of clusters whose refcount is 0. Owns the reservations of the
 * streams and the place where to look first. Everything here holds the image's lock, which
 * reading a refcount block drops; what was found is taken in the same critical section in
 * which it was seen. Never writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "qcow2/engine/alloc.h"
#include "qcow2/engine/refcount.h"
#include "util/math.h"

#define MAX_STREAMS 64u
#define RUN_BYTES   (UINT64_C(1) << 20) /* reserved for a stream at once */
#define META_RUN    16u			/* clusters reserved for metadata at once */

/* How far behind the end of the file refcounts may claim to be in use. A sound image has
 * none there; a hostile one must not keep the search busy. */
#define MAX_COUNTED_BEYOND_END (UINT64_C(1) << 20)

struct stream {
	uint32_t id;
	struct qcow2_run run; /* reserved; count 0: the slot is free */
	bool fresh;
	uint64_t used; /* for replacing the least recently used */
};

struct qcow2_alloc {
	struct stream stream[MAX_STREAMS];
	uint64_t clock;
	uint64_t first_free; /* no cluster below it is free, but for reserved ones */
	uint64_t fresh_from; /* clusters from here on were never used */
	uint64_t frees;	     /* how often clusters became free */
	uint64_t tables_end; /* no table of the image as it was opened lies here or behind; 0:
			      * not looked up yet */
	uint64_t limit;	     /* clusters that an offset can name */
};

int alloc_init(struct qcow2_image *img)
{
	img->alloc = calloc(1, sizeof(*img->alloc));
	if (!img->alloc)
		return -ENOMEM;
	alloc_restart(img);
	return 0;
}

void alloc_restart(struct qcow2_image *img)
{
	*img->alloc = (struct qcow2_alloc){
		.fresh_from = div_up(img->file_end, img->cluster_size),
		.limit = (QCOW2_OFFSET_MASK >> img->cluster_bits) - 1,
	};
}

void alloc_destroy(struct qcow2_image *img)
{
	free(img->alloc);
	img->alloc = NULL;
}

void alloc_note_used(struct qcow2_image *img, uint64_t cluster)
{
	img->alloc->fresh_from = max_u64(img->alloc->fresh_from, cluster + 1);
}

void alloc_freed(struct qcow2_image *img, uint64_t cluster)
{
	img->alloc->first_free = min_u64(img->alloc->first_free, cluster);
	img->alloc->frees++;
}

int alloc_take_end(struct qcow2_image *img, uint64_t count, uint64_t *start)
{
	struct qcow2_alloc *a = img->alloc;

	if (a->fresh_from > a->limit || count > a->limit - a->fresh_from)
		return -ENOSPC;
	*start = a->fresh_from;
	a->fresh_from += count;
	img->file_end = max_u64(img->file_end, a->fresh_from << img->cluster_bits);
	return 0;
}

/* ---- reservations ---------------------------------------------------------------------- */

/* If a stream has reserved the cluster, the end of that run, else 0. */
static uint64_t reserved_until(const struct qcow2_alloc *a, uint64_t cluster)
{
	for (size_t i = 0; i < MAX_STREAMS; i++) {
		const struct qcow2_run *r = &a->stream[i].run;

		if (r->count && cluster - r->start < r->count)
			return r->start + r->count;
	}
	return 0;
}

/* The first reserved cluster in [from, to), or to. */
static uint64_t next_reserved(const struct qcow2_alloc *a, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < MAX_STREAMS; i++) {
		const struct qcow2_run *r = &a->stream[i].run;

		if (r->count && r->start >= from && r->start < to)
			to = r->start;
	}
	return to;
}

static void release(struct qcow2_image *img, struct stream *s)
{
	if (s->run.count)
		alloc_freed(img, s->run.start);
	s->run.count = 0;
}

void alloc_release_stream(struct qcow2_image *img, uint32_t id)
{
	for (size_t i = 0; i < MAX_STREAMS; i++)
		if (img->alloc->stream[i].run.count && img->alloc->stream[i].id == id)
			release(img, &img->alloc->stream[i]);
}

void qcow2_stream_release(struct qcow2_image *img, uint32_t stream)
{
	pthread_mutex_lock(&img->lock);
	if (img->alloc)
		alloc_release_stream(img, stream);
	pthread_mutex_unlock(&img->lock);
}

/* The stream's slot; a new one takes a free slot or that of the stream unused for longest. */
static struct stream *stream_slot(struct qcow2_image *img, uint32_t id)
{
	struct qcow2_alloc *a = img->alloc;
	struct stream *pick = &a->stream[0];

	for (size_t i = 0; i < MAX_STREAMS; i++) {
		struct stream *s = &a->stream[i];

		if (s->run.count && s->id == id) {
			pick = s;
			break;
		}
		if (!pick->run.count)
			continue;
		if (!s->run.count || s->used < pick->used)
			pick = s;
	}
	if (pick->id != id || !pick->run.count)
		release(img, pick);
	pick->id = id;
	pick->used = ++a->clock;
	return pick;
}

/* ---- finding free clusters ------------------------------------------------------------------ */

/* Within one slice of counts, from cluster on: the first free run of at most want. */
static bool find_in_slice(struct qcow2_image *img, struct md_slice *s, uint64_t cluster,
			  uint64_t want, struct qcow2_run *run)
{
	uint64_t end = cluster + refcount_slice_left(img, cluster);

	while (cluster < end) {
		uint64_t skip = refcount_get(img, s, cluster) ? cluster + 1
							      : reserved_until(img->alloc, cluster);

		if (!skip)
			break;
		cluster = skip;
	}
	if (cluster >= end)
		return false;
	end = next_reserved(img->alloc, cluster, min_u64(end, cluster + want));
	/* clusters that were used and clusters that never were have to be told apart */
	if (cluster < img->alloc->fresh_from)
		end = min_u64(end, img->alloc->fresh_from);
	run->start = cluster;
	run->count = 1;
	while (cluster + run->count < end && !refcount_get(img, s, cluster + run->count))
		run->count++;
	return true;
}

static bool lies_in(const struct qcow2_image *img, const struct qcow2_run *run, uint64_t word)
{
	uint64_t off = word & QCOW2_OFFSET_MASK;

	return off && (off >> img->cluster_bits) - run->start < run->count;
}

/* Behind the last cluster that the L1 and the refcount table refer to. */
static uint64_t find_tables_end(const struct qcow2_image *img)
{
	uint64_t top = 0;

	for (uint64_t i = 0; i < img->l1.nr; i++)
		top = max_u64(top, img->l1.word[i] & QCOW2_OFFSET_MASK);
	for (uint64_t i = 0; i < img->reftable.nr; i++)
		top = max_u64(top, img->reftable.word[i] & QCOW2_OFFSET_MASK);
	return (top >> img->cluster_bits) + 1;
}

/*
 * Refcounts that are too low must not make the image overwrite its own tables: one that says
 * so of the header, of a table or of a block is not to be trusted with anything. Looks at every
 * entry, but only once for each run, and not for runs behind all tables: what is entered
 * after the first look has its refcount.
 */
static int check_unused(struct qcow2_image *img, const struct qcow2_run *run)
{
	struct qcow2_alloc *a = img->alloc;
	uint64_t off = run->start << img->cluster_bits;
	bool used = image_is_fixed_meta(img, off, run->count << img->cluster_bits);

	if (!a->tables_end)
		a->tables_end = find_tables_end(img);
	if (!used && run->start >= a->tables_end)
		return 0;
	for (uint64_t i = 0; i < img->l1.nr && !used; i++)
		used = lies_in(img, run, img->l1.word[i]);
	for (uint64_t i = 0; i < img->reftable.nr && !used; i++)
		used = lies_in(img, run, img->reftable.word[i]);
	if (!used)
		return 0;
	image_log(
		img,
		"clusters in use from offset 0x%llx on have refcount 0; \"zqfs check\" tells more",
		(unsigned long long)off);
	return -EIO;
}

/*
 * Reserves a run for the stream. The lock is held from seeing the run free to entering it
 * in the slot, but may be dropped before: first_free moves up only if nothing became free.
 */
static int reserve(struct qcow2_image *img, uint32_t id, uint64_t want)
{
	struct qcow2_alloc *a = img->alloc;
	uint64_t cluster = a->first_free, frees = a->frees;

	for (;;) {
		struct md_slice *s;
		struct qcow2_run run;
		int rc;

		if (cluster > a->limit || cluster > a->fresh_from + MAX_COUNTED_BEYOND_END)
			return cluster > a->limit ? -ENOSPC : -EIO;
		rc = refcount_pin(img, cluster, &s);
		if (rc < 0)
			return rc;
		if (!s) { /* no block: this cluster becomes it, unless it is reserved */
			uint64_t skip = reserved_until(a, cluster);

			run = (struct qcow2_run){ cluster, 1 };
			rc = skip ? 0 : check_unused(img, &run);
			if (rc == 0 && !skip)
				rc = refcount_make_block(img, cluster);
			if (rc < 0)
				return rc;
			cluster = skip ? skip : cluster;
			continue;
		}
		if (find_in_slice(img, s, cluster, want, &run)) {
			struct stream *slot;

			mdcache_unpin(&img->cache, s);
			rc = check_unused(img, &run);
			if (rc < 0)
				return rc;
			slot = stream_slot(img, id);
			slot->run = run;
			slot->fresh = run.start >= a->fresh_from;
			a->fresh_from = max_u64(a->fresh_from, run.start + run.count);
			if (a->frees == frees)
				a->first_free = run.start;
			return 0;
		}
		mdcache_unpin(&img->cache, s);
		cluster += refcount_slice_left(img, cluster);
	}
}

int alloc_take(struct qcow2_image *img, uint32_t id, uint64_t want, struct qcow2_run *run,
	       bool *fresh)
{
	uint64_t ahead = id == ALLOC_STREAM_META ? META_RUN : RUN_BYTES >> img->cluster_bits;

	for (;;) {
		struct stream *slot = stream_slot(img, id);
		struct md_slice *s;
		uint64_t first = slot->run.start;
		int rc;

		if (!slot->run.count) {
			rc = reserve(img, id, max_u64(want, max_u64(ahead, 1)));
			if (rc < 0)
				return rc;
			continue;
		}
		rc = refcount_pin(img, first, &s);
		if (rc < 0)
			return rc;
		slot = stream_slot(img, id); /* pinning may have dropped the lock */
		if (!s || !slot->run.count || slot->run.start != first) {
			if (s)
				mdcache_unpin(&img->cache, s);
			continue;
		}
		run->start = first;
		run->count =
			min_u64(min_u64(want, slot->run.count), refcount_slice_left(img, first));
		*fresh = slot->fresh;
		for (uint64_t i = 0; i < run->count; i++)
			refcount_set(img, s, first + i, 1);
		mdcache_unpin(&img->cache, s);
		slot->run.start += run->count;
		slot->run.count -= run->count;
		img->file_end = max_u64(img->file_end, (first + run->count) << img->cluster_bits);
		return 0;
	}
}

void alloc_give_back(struct qcow2_image *img, const struct qcow2_run *run)
{
	for (uint64_t c = run->start; c < run->start + run->count; c++) {
		struct md_slice *s;

		if (refcount_pin(img, c, &s) < 0 || !s)
			continue; /* it leaks, which harms nothing */
		refcount_set(img, s, c, 0);
		mdcache_unpin(&img->cache, s);
		alloc_freed(img, c);
	}
}
