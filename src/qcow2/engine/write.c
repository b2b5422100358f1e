/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing guest bytes. A write is cut into chunks, each within one slice of an L2 table and
 * either all in clusters that can be overwritten or all in clusters that are entered anew.
 * The lock is held to decide and to enter, not while data is written; guest clusters whose
 * mapping will change are registered in between. The bytes around the write in new clusters are
 * filled by write_edges.c. Never flushes: commit.c does.
 */
#include <errno.h>

#include "io/io.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/change.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/commit.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/wptable.h"
#include "qcow2/engine/write_chunk.h"
#include "util/apart.h"
#include "util/errors.h"
#include "util/math.h"

/* ---- deciding ------------------------------------------------------------------------- */

APART static int refuse_entry(struct qcow2_image *img, uint64_t guest, struct l2_entry e)
{
	uint64_t host;

	if (l2_overlaps(img, e, &host))
		image_note_overlap(img, "the cluster", host);
	else
		image_log(img, "L2 entry of guest offset 0x%llx is damaged (0x%llx)",
			  (unsigned long long)guest, (unsigned long long)e.desc);
	return -EUCLEAN;
}

/* What a write to [off, end) of this guest cluster has to do, or -EUCLEAN. */
static int classify(struct qcow2_image *img, uint64_t off, uint64_t end, struct l2_entry e)
{
	uint64_t guest = guest_cluster(img, off);
	unsigned from = (unsigned)((off - guest) >> img->sub_bits);
	unsigned to =
		(unsigned)((min_u64(end, guest + img->cluster_size) - 1 - guest) >> img->sub_bits);
	bool all_data = true;

	for (unsigned sub = from; sub <= to; sub++) {
		enum l2_kind kind = l2_kind(img, guest, e, sub);

		if (kind == L2_BAD)
			return refuse_entry(img, guest, e);
		all_data &= kind == L2_DATA;
	}
	if (!l2_has_host(img, e) || (!(e.desc & QCOW2_COPIED) && !img->has_data_file))
		return NEW;
	return all_data ? IN_PLACE : REUSE;
}

/* Extends the chunk over the following clusters that are alike, up to its end. */
static int extend(struct qcow2_image *img, struct write_chunk *c)
{
	uint64_t guest = guest_cluster(img, c->off), next = guest + img->cluster_size;
	struct l2_entry e = l2_get(img, &c->ref, c->ref.index);
	int how = classify(img, c->off, c->end, e);

	if (how < 0)
		return how;
	c->how = (enum write_how)how;
	c->first = c->last = e;
	c->host = l2_host(e);
	for (c->nr = 1; next < c->end && c->nr < c->ref.count; c->nr++) {
		e = l2_get(img, &c->ref, c->ref.index + c->nr);
		if (classify(img, next, c->end, e) != how)
			break;
		if (c->how != NEW && l2_host(e) != c->host + (next - guest))
			break;
		c->last = e;
		next += img->cluster_size;
	}
	c->end = min_u64(c->end, next);
	return 0;
}

/* Gets host clusters for a chunk that needs them; fewer than asked for shorten it. */
static int take_clusters(struct qcow2_image *img, struct write_chunk *c)
{
	uint64_t guest = guest_cluster(img, c->off);
	int rc;

	c->fresh = false;
	if (c->how != NEW)
		return 0;
	if (img->has_data_file) {
		c->host = guest;
		return 0;
	}
	rc = alloc_take(img, c->w->stream, c->nr, &c->run, &c->fresh);
	if (rc < 0)
		return rc;
	c->nr = (unsigned)c->run.count;
	c->last = l2_get(img, &c->ref, c->ref.index + c->nr - 1);
	c->end = min_u64(c->end, guest + ((uint64_t)c->nr << img->cluster_bits));
	c->host = c->run.start << img->cluster_bits;
	return 0;
}

/* Pins, waits for others in the same clusters, decides, registers, allocates. [lock] */
static int prepare(struct qcow2_image *img, struct write_chunk *c)
{
	int rc = l2_pin(img, c->off, true, &c->ref);

	if (rc < 0)
		return rc;
	/* the pinned slice stays the right one while we wait: only the lock is dropped */
	inflight_wait(img, c->off, c->end);
	rc = extend(img, c);
	if (rc == 0 && c->how != IN_PLACE) {
		inflight_enter(img, &c->inflight, c->off, c->end);
		rc = take_clusters(img, c);
		if (rc == 0)
			chunk_find_edges(img, c);
		else
			inflight_leave(img, &c->inflight);
	}
	if (rc < 0)
		l2_unpin(img, &c->ref);
	return rc;
}

/* ---- writing and entering ------------------------------------------------------------- */

static int write_data(struct qcow2_image *img, const struct write_chunk *c)
{
	static const uint8_t zeros[ZQ_BLOCK];
	const struct qcow2_write *w = c->w;
	uint64_t data_end = min_u64(c->end, w->off + w->len);
	uint64_t host = c->host + (c->off - guest_cluster(img, c->off));
	struct iovec iov[2];
	int n = 0;

	if (c->off < data_end)
		iov[n++] = (struct iovec){
			.iov_base = (uint8_t *)w->buf + (c->off - w->off),
			.iov_len = (size_t)(data_end - c->off),
		};
	if (c->end > max_u64(data_end, c->off))
		iov[n++] = (struct iovec){
			.iov_base = (uint8_t *)zeros,
			.iov_len = (size_t)(c->end - max_u64(data_end, c->off)),
		};
	atomic_fetch_add_explicit(&img->stats.data_writes, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&img->stats.data_bytes, c->end - c->off, memory_order_relaxed);
	return io_pwritev(img->data, iov, n, host);
}

/* Bits first to last of a subcluster bitmap. */
static uint64_t sub_bits(unsigned first, unsigned last)
{
	return ((UINT64_C(2) << last) - 1) & ~((UINT64_C(1) << first) - 1);
}

/* The subcluster bitmap of a cluster after the write. */
static uint64_t new_bitmap(const struct qcow2_image *img, const struct write_chunk *c,
			   uint64_t guest, struct l2_entry old)
{
	uint64_t off = max_u64(c->off, guest), end = min_u64(c->end, guest + img->cluster_size);
	unsigned first = (unsigned)((off - guest) >> img->sub_bits);
	unsigned last = (unsigned)((end - 1 - guest) >> img->sub_bits);
	uint64_t written = sub_bits(first, last), zero = 0;

	if (!chunk_by_subcluster(img, c, old))
		return UINT32_MAX;
	/* subclusters that become zeros, and could otherwise show the backing file */
	for (unsigned sub = last + 1; sub < img->subclusters && img->backing; sub++)
		if (guest + (sub + 1) * img->sub_size <= c->w->zero_end && !(old.bitmap >> sub & 1))
			zero |= UINT64_C(1) << (QCOW2_SUBCLUSTERS + sub);
	return ((old.bitmap & ~(written << QCOW2_SUBCLUSTERS)) | written) | zero;
}

/* Enters the mapping. [lock] */
static void enter(struct qcow2_image *img, struct write_chunk *c)
{
	uint64_t guest = guest_cluster(img, c->off);

	for (unsigned i = 0; i < c->nr; i++, guest += img->cluster_size) {
		uint64_t host = c->host + ((uint64_t)i << img->cluster_bits);
		struct l2_entry old = l2_get(img, &c->ref, c->ref.index + i), e = { 0 };

		e.desc = host | QCOW2_COPIED;
		if (img->ext_l2)
			e.bitmap = new_bitmap(img, c, guest, old);
		if (c->how == NEW)
			l2_let_go(img, old);
		l2_set(img, &c->ref, c->ref.index + i, e);
	}
}

/* Ends the chunk: enters what was written, or gives back what was taken. */
static void conclude(struct qcow2_image *img, struct write_chunk *c, bool ok)
{
	const struct qcow2_write *w = c->w;

	if (!ok && c->run.count) /* nobody has seen what arrived there */
		image_give_back(img, &c->run);
	image_lock(img);
	if (c->how != IN_PLACE) {
		if (ok)
			enter(img, c);
		else if (c->run.count)
			alloc_give_back(img, &c->run);
		inflight_leave(img, &c->inflight);
		backlog_update(img);
	}
	l2_unpin(img, &c->ref);
	img->data_dirty = true;
	if (ok)
		img->written_end =
			max_u64(img->written_end, c->host + (c->end - guest_cluster(img, c->off)));
	if (ok && w->move_wp && c->end == w->off + w->len + w->pad)
		wptable_forward_locked(img, w->zone, w->wp);
	image_unlock(img);
}

static int write_chunk(struct qcow2_image *img, struct write_chunk *c)
{
	int rc;

	image_lock(img);
	rc = prepare(img, c);
	image_unlock(img);
	if (rc < 0)
		return rc;
	if (c->how != IN_PLACE)
		rc = chunk_fill_edges(img, c);
	if (rc == 0)
		rc = write_data(img, c);
	conclude(img, c, rc == 0);
	return rc;
}

static int write_chunks(struct qcow2_image *img, const struct qcow2_write *w)
{
	uint64_t off = w->off, end = w->off + w->len + w->pad;
	unsigned token = image_io_begin(img);
	int rc = 0;

	while (off < end && rc == 0) {
		struct write_chunk c = { .w = w, .off = off, .end = end };

		rc = write_chunk(img, &c);
		off = c.end;
	}
	image_io_end(img, token);
	return rc;
}

/* Clusters that were let go may give the room that is missing, and so may clusters elsewhere in
 * the file, which the runs of streams keep this write from. */
static int make_free(struct qcow2_image *img)
{
	bool waits;

	image_lock(img);
	waits = backlog_waits(img);
	alloc_release_all(img);
	image_unlock(img);
	return waits ? qcow2_commit(img) : 0;
}

int qcow2_write(struct qcow2_image *img, const struct qcow2_write *w)
{
	int rc;

	if (!range_within(w->off, w->len + w->pad, align_up(img->hdr.size, ZQ_BLOCK)))
		return -EINVAL;
	rc = qcow2_begin_change(img);
	if (rc == 0)
		rc = commit_relieve(img);
	if (rc == 0)
		rc = write_chunks(img, w);
	if (error_is_no_room(rc)) {
		rc = make_free(img);
		if (rc == 0)
			rc = write_chunks(img, w);
	}
	change_mark_corrupt(img);
	return rc;
}
