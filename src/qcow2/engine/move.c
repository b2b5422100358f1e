/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Moving clusters. What is moved is read and written without the lock; the guest cluster is
 * registered meanwhile (inflight). Never overwrites anything: the old place is let go, and
 * free when a commit has passed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/codec/codec.h"
#include "qcow2/engine/alloc.h"
#include "qcow2/engine/backlog.h"
#include "qcow2/engine/hostio.h"
#include "qcow2/engine/inflight.h"
#include "qcow2/engine/move.h"
#include "qcow2/engine/pack.h"
#include "qcow2/format/descriptor.h"
#include "util/cleanup.h"
#include "util/math.h"

#define HOLE 4096u /* what most hosts have */

static const uint8_t no_data[HOLE];

/* One guest cluster on its way. */
struct move {
	uint64_t guest;
	bool anywhere;
	struct l2_ref ref;
	struct l2_entry old, new;
	struct qcow2_inflight inflight;
};

/* ---- data ---------------------------------------------------------------------------------- */

/* One free cluster before the old one; count 0: there is none. [lock] */
static int take_lower(struct qcow2_image *img, uint32_t stream, uint64_t old, struct qcow2_run *run)
{
	bool fresh;
	int rc = alloc_take(img, stream, 1, run, &fresh);

	if (rc == 0 && run->start >= old) {
		alloc_give_back(img, run);
		run->count = 0;
	}
	return rc;
}

/* How many bytes in front are in pieces of HOLE that hold nothing but zeros, or in others. */
static size_t pieces_alike(const uint8_t *b, size_t len, bool *zeros)
{
	size_t n = 0, piece;

	*zeros = !memcmp(b, no_data, min_u64(len, HOLE));
	for (; n < len; n += piece) {
		piece = (size_t)min_u64(len - n, HOLE);
		if (!memcmp(b + n, no_data, piece) != *zeros)
			break;
	}
	return n;
}

/* What is a hole stays one: a cluster that was hardly written on takes no more room than before.
 * The place was in use once, and a host without holes keeps what it held. */
static int write_around_holes(struct qcow2_image *img, const uint8_t *b, uint64_t off)
{
	size_t left = (size_t)img->cluster_size, n;
	bool zeros;
	int rc = 0;

	for (; left && rc == 0; left -= n, b += n, off += n) {
		n = pieces_alike(b, left, &zeros);
		rc = zeros ? image_zero_host(img->file, off, n) : io_write(img->file, b, n, off);
	}
	return rc;
}

static int move_data(struct qcow2_image *img, struct move *m, bool *moved)
{
	uint64_t old = l2_host(m->old);
	uint8_t *buf CLEANUP_FREE = malloc((size_t)img->cluster_size);
	struct qcow2_run run;
	int rc;

	if (!buf)
		return -ENOMEM;
	image_lock(img);
	rc = take_lower(img, ALLOC_STREAM_MOVE, old >> img->cluster_bits, &run);
	image_unlock(img);
	if (rc < 0 || !run.count)
		return rc;
	rc = io_pread(img->file, buf, (size_t)img->cluster_size, old);
	if (rc == 0)
		rc = write_around_holes(img, buf, run.start << img->cluster_bits);
	if (rc < 0) {
		image_lock(img);
		alloc_give_back(img, &run);
		image_unlock(img);
		return rc;
	}
	m->new = m->old;
	m->new.desc = (m->old.desc & ~QCOW2_OFFSET_MASK) | run.start << img->cluster_bits;
	*moved = true;
	return 0;
}

/* ---- compressed data ---------------------------------------------------------------------------
 */

/* The compressed bytes of a cluster, and how many there are: the descriptor knows only sectors. */
static int read_exact(struct qcow2_image *img, uint64_t off, uint64_t len, uint8_t **bytes,
		      size_t *exact)
{
	uint8_t *plain CLEANUP_FREE = malloc((size_t)img->cluster_size);
	uint8_t *in = malloc((size_t)len);
	struct codec_unpacker *u = NULL;
	int rc = plain && in ? io_pread(img->file, in, (size_t)len, off) : -ENOMEM;

	if (rc == 0)
		rc = codec_unpacker_new((enum codec_type)img->hdr.compression_type, &u);
	if (rc == 0 && !codec_unpack(u, plain, (size_t)img->cluster_size, in, (size_t)len, exact))
		rc = -EIO;
	codec_unpacker_free(u);
	if (rc < 0) {
		free(in);
		return rc;
	}
	*bytes = in;
	return 0;
}

static int move_packed(struct qcow2_image *img, struct move *m, bool *moved)
{
	uint64_t off, len, host = 0;
	uint8_t *bytes CLEANUP_FREE = NULL;
	size_t exact;
	int rc;

	descriptor_extent(img->cluster_bits, m->old.desc, &off, &len);
	rc = read_exact(img, off, len, &bytes, &exact);
	if (rc < 0)
		return rc;
	image_lock(img);
	rc = pack_take_place(img, exact, &host);
	if (rc == 0 && host >= off && !m->anywhere) {
		pack_leave_place(img, host, exact);
		host = 0;
	}
	image_unlock(img);
	if (rc < 0 || !host)
		return rc;
	rc = io_write(img->file, bytes, exact, host);
	if (rc < 0) {
		image_lock(img);
		pack_leave_place(img, host, exact);
		image_unlock(img);
		return rc;
	}
	m->new.desc = descriptor_compressed(img->cluster_bits, host, exact);
	*moved = true;
	return 0;
}

int move_guest_cluster(struct qcow2_image *img, uint64_t guest, bool anywhere, bool *moved)
{
	struct move m = { .guest = guest, .anywhere = anywhere };
	unsigned token = image_io_begin(img);
	int rc;

	*moved = false;
	image_lock(img);
	rc = l2_pin(img, guest, true, &m.ref);
	if (rc == 0) {
		inflight_wait(img, guest, guest + img->cluster_size);
		inflight_enter(img, &m.inflight, guest, guest + img->cluster_size);
		m.old = l2_get(img, &m.ref, m.ref.index);
	}
	image_unlock(img);
	if (rc == 0) {
		if (l2_kind(img, guest, m.old, 0) == L2_BAD)
			rc = -EIO;
		else if (m.old.desc & QCOW2_COMPRESSED)
			rc = move_packed(img, &m, moved);
		else if (l2_has_host(img, m.old))
			rc = move_data(img, &m, moved);
		image_lock(img);
		if (*moved) {
			l2_let_go(img, m.old);
			l2_set(img, &m.ref, m.ref.index, m.new);
			img->data_dirty = true;
		}
		inflight_leave(img, &m.inflight);
		l2_unpin(img, &m.ref);
		backlog_update(img);
		image_unlock(img);
	}
	image_io_end(img, token);
	return rc;
}

/* ---- metadata -------------------------------------------------------------------------------- */

int move_table(struct qcow2_image *img, uint64_t l1_index, bool *moved)
{
	uint64_t old = img->l1.word[l1_index];
	int rc;

	image_lock(img);
	rc = l2_copy_table(img, l1_index);
	*moved = rc == 0 && img->l1.word[l1_index] != old;
	backlog_update(img);
	image_unlock(img);
	return rc;
}

int move_take_place(struct qcow2_image *img, uint64_t old, uint64_t *new)
{
	struct qcow2_run run = { 0, 0 };
	int rc;

	SCOPE_IMAGE_LOCK(img);
	rc = take_lower(img, ALLOC_STREAM_META, old >> img->cluster_bits, &run);
	*new = rc == 0 && run.count ? run.start << img->cluster_bits : 0;
	return rc;
}

int move_block(struct qcow2_image *img, uint64_t index, uint64_t new)
{
	uint64_t old = img->reftable.word[index];
	int rc = image_make_room_for_table(img, &img->reftable, index, new);

	SCOPE_IMAGE_LOCK(img);
	if (rc == 0) {
		mdcache_forget(&img->cache, new, img->cluster_size);
		rc = mdcache_copy(&img->cache, old, new, img->cluster_size, MDCACHE_REFBLOCK);
	}
	if (rc < 0) {
		mdcache_forget(&img->cache, new, img->cluster_size);
		backlog_let_go(img, new >> img->cluster_bits, 1);
		return rc;
	}
	table_set(&img->reftable, index, new, false);
	backlog_let_go(img, old >> img->cluster_bits, 1);
	return 0;
}
