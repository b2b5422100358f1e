/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing compressed clusters. Compressing and writing go on without the lock; the guest
 * cluster is registered meanwhile (inflight), so that nobody else changes its mapping. The
 * order on disk is the commit's, as for every mapping that changes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/codec/codec.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/commit.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/inflight.h"
#include "qcow2/engine/l2.h"
#include "qcow2/engine/map.h"
#include "qcow2/engine/pack.h"
#include "qcow2/engine/refcount.h"
#include "qcow2/format/descriptor.h"
#include "util/math.h"

struct qcow2_packer {
	struct codec_packer *codec;
	uint8_t *plain, *packed; /* a cluster each */
	struct {
		uint64_t guest;
		struct l2_entry old;
		size_t len; /* compressed bytes; 0: nothing is prepared */
	} ready;	    /* see qcow2_pack_prepare() */
};

/* One guest cluster on its way. */
struct pack_job {
	struct qcow2_packer *p;
	uint64_t guest;
	size_t len;    /* compressed bytes */
	uint64_t host; /* where they go, bytes */
	struct l2_ref ref;
	struct l2_entry old;
	struct qcow2_inflight inflight;
	unsigned token; /* of image_io_begin() */
};

/* ---- taking a place ---------------------------------------------------------------------- */

/* One more reference to the cluster that is being filled; false where its count is at its
 * bound or the cluster was let go meanwhile. Drops the lock for I/O. */
static bool share_cluster(struct qcow2_image *img, uint64_t cluster)
{
	struct md_slice *s;
	bool can;

	if (refcount_pin(img, cluster, true, &s) < 0 || !s)
		return false;
	can = img->pack.cluster == cluster && refcount_get(img, s, cluster) < refcount_max(img);
	if (can)
		refcount_set(img, s, cluster, refcount_get(img, s, cluster) + 1);
	mdcache_unpin(&img->cache, s);
	return can;
}

/* One reference fewer, where a place was taken and not used. */
static void unshare_cluster(struct qcow2_image *img, uint64_t cluster)
{
	backlog_let_go(img, cluster, 1);
}

/*
 * Takes len bytes, less than a cluster: behind the last ones where they fit, into the next
 * host cluster as well where that one is free, else at the start of another. [lock]
 */
static int take_place(struct qcow2_image *img, size_t len, uint64_t *host)
{
	struct pack_place *p = &img->pack;
	uint64_t first = p->cluster, used = p->used, left = img->cluster_size - used;
	struct qcow2_run run;
	bool fresh, shared = first && left && share_cluster(img, first);
	int rc;

	if (shared && len <= left) {
		*host = (first << img->cluster_bits) + used;
		p->used += len;
		return 0;
	}
	rc = alloc_take(img, ALLOC_STREAM_PACK, 1, &run, &fresh);
	if (rc < 0 || run.start != first + 1) {
		if (shared)
			unshare_cluster(img, first);
		shared = false;
	}
	if (rc < 0)
		return rc;
	*host = shared ? (first << img->cluster_bits) + used : run.start << img->cluster_bits;
	*p = (struct pack_place){
		.cluster = run.start,
		.used = shared ? len - left : len,
		.busy = true,
	};
	return 0;
}

/* One at a time: taking a place may drop the lock. */
int pack_take_place(struct qcow2_image *img, size_t len, uint64_t *host)
{
	int rc;

	while (img->pack.busy)
		pthread_cond_wait(&img->cond, &img->lock);
	img->pack.busy = true;
	rc = take_place(img, len, host);
	if (rc == 0)
		img->file_end = max_u64(img->file_end, align_up(*host + len, img->cluster_size));
	img->pack.busy = false;
	pthread_cond_broadcast(&img->cond);
	return rc;
}

void pack_leave_place(struct qcow2_image *img, uint64_t host, size_t len)
{
	uint64_t first = host >> img->cluster_bits;
	uint64_t last = (host + len - 1) >> img->cluster_bits;

	for (uint64_t c = first; c <= last; c++)
		unshare_cluster(img, c);
}

/* ---- one cluster ----------------------------------------------------------------------------- */

static bool same_mapping(struct l2_entry a, struct l2_entry b)
{
	return a.desc == b.desc && a.bitmap == b.bitmap;
}

/* When it returns 0 the cluster is registered, and its table's slice is pinned. */
static int begin_job(struct qcow2_image *img, struct pack_job *j)
{
	int rc;

	j->token = image_io_begin(img);
	image_lock(img);
	rc = l2_pin(img, j->guest, true, &j->ref);
	if (rc == 0) {
		inflight_wait(img, j->guest, j->guest + img->cluster_size);
		inflight_enter(img, &j->inflight, j->guest, j->guest + img->cluster_size);
		j->old = l2_get(img, &j->ref, j->ref.index);
	}
	image_unlock(img);
	if (rc < 0)
		image_io_end(img, j->token);
	return rc;
}

static void end_job(struct qcow2_image *img, struct pack_job *j)
{
	image_lock(img);
	inflight_leave(img, &j->inflight);
	l2_unpin(img, &j->ref);
	image_unlock(img);
	image_io_end(img, j->token);
}

/* The cluster's mapping; all zeros where it has no table: it holds nothing, and none is made. */
static int present_mapping(struct qcow2_image *img, uint64_t guest, struct l2_entry *e)
{
	struct l2_ref ref;
	int rc;

	SCOPE_IMAGE_LOCK(img);
	rc = l2_pin(img, guest, false, &ref);
	if (rc < 0)
		return rc;
	*e = ref.slice ? l2_get(img, &ref, ref.index) : (struct l2_entry){ 0 };
	l2_unpin(img, &ref);
	return 0;
}

/* Reads what the cluster holds now; *worth: it is data of its own that is not packed yet. */
static int read_plain(struct qcow2_image *img, struct pack_job *j, bool *worth)
{
	uint64_t len = min_u64(img->cluster_size, img->hdr.size - j->guest);
	int rc;

	*worth = l2_has_host(img, j->old);
	if (!*worth)
		return 0;
	memset(j->p->plain, 0, (size_t)img->cluster_size);
	rc = read_guest(img, j->guest, j->p->plain, (size_t)len);
	return rc;
}

/* Compresses; leaves at least one sector to be won. */
static void compress_plain(struct qcow2_image *img, struct pack_job *j, const uint8_t *plain)
{
	j->len = codec_pack(j->p->codec, plain, (size_t)img->cluster_size, j->p->packed,
			    (size_t)img->cluster_size - ZQ_BLOCK);
}

static int write_packed(struct qcow2_image *img, struct pack_job *j)
{
	int rc;

	image_lock(img);
	rc = pack_take_place(img, j->len, &j->host);
	image_unlock(img);
	if (rc < 0)
		return rc;
	rc = io_write(img->file, j->p->packed, j->len, j->host);
	image_lock(img);
	img->data_dirty = true;
	if (rc < 0) {
		pack_leave_place(img, j->host, j->len);
	} else if (!same_mapping(j->old, l2_get(img, &j->ref, j->ref.index))) {
		pack_leave_place(
			img, j->host,
			j->len); /* cannot be while it is registered; costs nothing to see */
		rc = -EBUSY;
	} else {
		l2_let_go(img, j->old);
		l2_set(img, &j->ref, j->ref.index,
		       (struct l2_entry){
			       .desc = descriptor_compressed(img->cluster_bits, j->host, j->len) });
	}
	backlog_update(img);
	image_unlock(img);
	return rc;
}

/* plain NULL: what the cluster holds now. */
static int pack_cluster(struct qcow2_image *img, struct qcow2_packer *p, uint64_t guest,
			const uint8_t *plain, bool *packed)
{
	struct pack_job j = { .p = p, .guest = guest };
	bool worth = true;
	int rc = begin_job(img, &j);

	*packed = false;
	if (rc < 0)
		return rc;
	if (!plain)
		rc = read_plain(img, &j, &worth);
	if (rc == 0 && worth)
		compress_plain(img, &j, plain ? plain : p->plain);
	if (rc == 0 && j.len)
		rc = write_packed(img, &j);
	end_job(img, &j);
	*packed = rc == 0 && j.len;
	return rc;
}

/* Enters what is prepared, where the cluster is still what it was then. */
static int enter_prepared(struct qcow2_image *img, struct qcow2_packer *p, bool *packed)
{
	struct pack_job j = { .p = p, .guest = p->ready.guest, .len = p->ready.len };
	int rc = begin_job(img, &j);
	bool same;

	*packed = false;
	if (rc < 0)
		return rc;
	same = same_mapping(j.old, p->ready.old);
	if (same)
		rc = write_packed(img, &j);
	end_job(img, &j);
	*packed = rc == 0 && same;
	return rc;
}

/* ---- for those above ----------------------------------------------------------------------------
 */

const char *qcow2_why_not_packed(struct qcow2_image *img)
{
	if (img->has_data_file)
		return "an external data file cannot hold compressed clusters";
	if (img->hdr.nb_snapshots)
		return "it has internal snapshots";
	if (img->hdr.refcount_order < 2)
		return "its refcounts are too narrow for clusters that share a host cluster";
	return NULL;
}

int qcow2_packer_new(struct qcow2_image *img, int level, struct qcow2_packer **packer)
{
	struct qcow2_packer *p;
	int rc;

	if (qcow2_why_not_packed(img))
		return -EOPNOTSUPP;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->plain = malloc((size_t)img->cluster_size);
	p->packed = malloc((size_t)img->cluster_size);
	rc = p->plain && p->packed ? codec_packer_new((enum codec_type)img->hdr.compression_type,
						      level, &p->codec)
				   : -ENOMEM;
	if (rc < 0) {
		qcow2_packer_free(p);
		return rc;
	}
	*packer = p;
	return 0;
}

void qcow2_packer_free(struct qcow2_packer *p)
{
	if (!p)
		return;
	codec_packer_free(p->codec);
	free(p->plain);
	free(p->packed);
	free(p);
}

void qcow2_packer_levels(const struct qcow2_image *img, int *min, int *max)
{
	codec_levels((enum codec_type)img->hdr.compression_type, min, max);
}

static int check_packing(struct qcow2_image *img, uint64_t off)
{
	int rc;

	if (!is_aligned(off, img->cluster_size) || off >= img->hdr.size)
		return -EINVAL;
	rc = qcow2_begin_change(img);
	return rc < 0 ? rc : commit_relieve(img);
}

int qcow2_write_packed(struct qcow2_image *img, struct qcow2_packer *p, uint64_t off,
		       const void *cluster, bool *packed)
{
	int rc = check_packing(img, off);

	*packed = false;
	return rc < 0 ? rc : pack_cluster(img, p, off, cluster, packed);
}

int qcow2_repack(struct qcow2_image *img, struct qcow2_packer *p, uint64_t off, bool *packed)
{
	struct l2_entry e;
	int rc = check_packing(img, off);

	*packed = false;
	if (rc == 0)
		rc = present_mapping(img, off, &e);
	return rc < 0 || !l2_has_host(img, e) ? rc : pack_cluster(img, p, off, NULL, packed);
}

int qcow2_pack_prepare(struct qcow2_image *img, struct qcow2_packer *p, uint64_t off, bool *worth)
{
	struct pack_job j = { .p = p, .guest = off };
	int rc = check_packing(img, off);
	unsigned token;

	*worth = false;
	p->ready.len = 0;
	if (rc < 0)
		return rc;
	token = image_io_begin(img);
	rc = present_mapping(img, off, &j.old);
	if (rc == 0)
		rc = read_plain(img, &j, worth);
	image_io_end(img, token);
	if (rc == 0 && *worth)
		compress_plain(img, &j, p->plain);
	*worth = j.len;
	p->ready.guest = off;
	p->ready.old = j.old;
	p->ready.len = j.len;
	return rc;
}

int qcow2_pack_enter(struct qcow2_image *img, struct qcow2_packer *p, bool *packed)
{
	int rc;

	*packed = false;
	if (!p->ready.len)
		return -EINVAL;
	rc = enter_prepared(img, p, packed);
	p->ready.len = 0;
	return rc;
}
