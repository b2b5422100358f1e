/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading beside a writer. Nothing tells a reader when the image changes, so it looks again: at
 * the header, at the pointers and at all tables when asked to (qcow2_refresh), and after each read
 * at the very words that led to the data.
 *
 * Why comparing afterwards is enough: a writer gives a cluster to somebody else only after a commit
 * has taken it out of the L2 entry on disk, and after its zone's pointer went back on disk. If
 * the entry still leads there and the pointer still stands at or behind it, the cluster was the
 * zone's when it was read. What this cannot see is a zone that has been reset and written again
 * meanwhile, up to the same place and in the same clusters; and on another host, what that
 * host's cache of the file is late with.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/compress.h"
#include "qcow2/engine/l2.h"
#include "qcow2/engine/map.h"
#include "qcow2/engine/shared.h"
#include "qcow2/engine/wptable.h"
#include "qcow2/tables/header_read.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

/* Feature bits that a writer sets and clears while the image stays what it is. */
#define PASSING (QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT)

int shared_begin(struct qcow2_image *img)
{
	img->seen_header = malloc(SHARED_HEADER_BYTES);
	if (!img->seen_header)
		return -ENOMEM;
	return io_pread(img->file, img->seen_header, SHARED_HEADER_BYTES, 0);
}

/* ---- looking again --------------------------------------------------------------------------- */

/* Is it still the image that was opened, with its tables where they were? */
static bool same_image(const struct qcow2_header *a, const struct qcow2_header *b)
{
	return a->cluster_bits == b->cluster_bits && a->size == b->size &&
	       a->l1_offset == b->l1_offset && a->l1_size == b->l1_size &&
	       (a->incompat & ~PASSING) == (b->incompat & ~PASSING) &&
	       a->zoned.meta_offset == b->zoned.meta_offset && a->zoned.layout == b->zoned.layout &&
	       !memcmp(&a->zoned.geo, &b->zoned.geo, sizeof(a->zoned.geo));
}

static int read_header_again(struct qcow2_image *img, uint64_t *file_size)
{
	uint8_t raw[SHARED_HEADER_BYTES];
	struct qcow2_header h;
	struct zq_error err = { "" };
	int rc = io_pread(img->file, raw, sizeof(raw), 0);
	bool same;

	if (rc == 0)
		rc = qcow2_header_read(img->file, img->hdr.zoned.present, &h, &err);
	if (rc < 0) {
		image_log(img, "looking at the header again: %s", err.msg);
		return -EIO;
	}
	*file_size = h.file_size;
	same = same_image(&img->hdr, &h);
	qcow2_header_free(&h);
	if (!same) {
		image_log(img, "is another image now; mount it anew");
		return -EIO;
	}
	SCOPE_IMAGE_LOCK(img);
	memcpy(img->seen_header, raw, sizeof(raw));
	return 0;
}

int qcow2_refresh(struct qcow2_image *img, qcow2_moved_fn moved, void *data)
{
	struct qcow2_table l1 = { 0 };
	uint64_t file_size = 0;
	int rc;

	if (!img->seen_header)
		return 0;
	rc = read_header_again(img, &file_size);
	if (rc == 0)
		rc = table_load(&l1, img->file, img->hdr.l1_offset, img->hdr.l1_size, file_size);
	if (rc == 0) {
		struct qcow2_table old;

		SCOPE_IMAGE_LOCK(img);
		mdcache_drop_all(&img->cache);
		old = img->l1;
		img->l1 = l1;
		l1 = old;
		img->file_end = file_size;
	}
	table_free(&l1);
	if (rc < 0)
		return rc;
	decomp_forget(img);
	return img->wpt ? wptable_reload(img, moved, data) : 0;
}

/* ---- comparing ------------------------------------------------------------------------------- */

static int header_unchanged(struct qcow2_image *img)
{
	uint8_t raw[SHARED_HEADER_BYTES];
	int rc = io_pread(img->file, raw, sizeof(raw), 0);

	if (rc < 0)
		return rc;
	SCOPE_IMAGE_LOCK(img);
	return memcmp(img->seen_header, raw, sizeof(raw)) ? -ESTALE : 0;
}

/* A pinned piece of an L2 table and the entries of it that a read goes through. */
struct piece {
	struct l2_ref ref;
	uint64_t l1_index, l1_word;
	unsigned nr; /* entries from ref.index on */
};

/* Pins what leads to off, and says how far it goes. */
static int pin_piece(struct qcow2_image *img, uint64_t off, uint64_t end, struct piece *p)
{
	uint64_t guest = align_down(off, img->cluster_size), nr;
	int rc;

	SCOPE_IMAGE_LOCK(img);
	rc = l2_pin(img, off, false, &p->ref);
	if (rc < 0)
		return rc;
	nr = min_u64(p->ref.count, div_up(end - guest, img->cluster_size));
	p->nr = (unsigned)nr;
	p->l1_index = (off >> img->cluster_bits) >> img->l2_bits;
	p->l1_word = img->l1.word[p->l1_index];
	return 0;
}

/* Are L1 word and entries on disk what they were? */
static int compare_piece(struct qcow2_image *img, const struct piece *p)
{
	size_t at = (size_t)p->ref.index * img->l2_entry_size, len = p->nr * img->l2_entry_size;
	uint8_t raw[8], *now CLEANUP_FREE = malloc(len);
	int rc = now ? io_pread(img->file, raw, sizeof(raw), img->hdr.l1_offset + p->l1_index * 8)
		     : -ENOMEM;

	if (rc == 0 && ((get_be64(raw) ^ p->l1_word) & QCOW2_OFFSET_MASK))
		return -ESTALE;
	if (rc < 0 || !p->ref.slice)
		return rc;
	rc = io_pread(img->file, now, len, p->ref.slice->off + at);
	if (rc < 0)
		return rc;
	SCOPE_IMAGE_LOCK(img);
	/* an orphan is not what the read went through */
	return p->ref.slice->orphan || memcmp(now, p->ref.slice->data + at, len) ? -ESTALE : 0;
}

/* What is done with the guest bytes [off, off + len) that a piece maps. */
struct shared_use {
	int (*run)(struct qcow2_image *img, uint64_t off, size_t len, struct shared_use *u);
	uint8_t *buf;
	bool data; /* of a status: what it says, and of how many bytes */
	uint64_t same;
};

static int use_piece(struct qcow2_image *img, uint64_t off, uint64_t end, struct shared_use *u,
		     size_t *len)
{
	struct piece p;
	int rc = pin_piece(img, off, end, &p);

	if (rc < 0)
		return rc;
	*len = (size_t)(min_u64(end, align_down(off, img->cluster_size) +
					     ((uint64_t)p.nr << img->cluster_bits)) -
			off);
	rc = u->run(img, off, *len, u);
	if (rc == 0)
		rc = compare_piece(img, &p);
	image_lock(img);
	l2_unpin(img, &p.ref);
	image_unlock(img);
	return rc;
}

/* The last look, at the image and at the pointers of the range. */
static int shared_end(struct qcow2_image *img, uint64_t off, uint64_t len, int rc)
{
	if (rc == 0)
		rc = header_unchanged(img);
	if (rc == 0 && img->wpt)
		rc = wptable_unchanged(img, off, (size_t)len);
	/* a table that looks damaged may only be newer than what is known of it */
	return rc == -EIO || rc == -EUCLEAN ? -ESTALE : rc;
}

static int use_for_read(struct qcow2_image *img, uint64_t off, size_t len, struct shared_use *u)
{
	int rc = read_guest(img, off, u->buf, len);

	u->buf += len;
	return rc;
}

int shared_read(struct qcow2_image *img, uint64_t off, void *buf, size_t len)
{
	struct shared_use u = { .run = use_for_read, .buf = buf };
	uint64_t at = off, end = off + len;
	int rc = 0;

	while (at < end && rc == 0) {
		size_t done = 0;

		rc = use_piece(img, at, end, &u, &done);
		at += done;
	}
	return shared_end(img, off, len, rc);
}

static int use_for_status(struct qcow2_image *img, uint64_t off, size_t len, struct shared_use *u)
{
	return map_status(img, off, len, &u->data, &u->same);
}

int shared_status(struct qcow2_image *img, uint64_t off, uint64_t len, bool *data, uint64_t *run)
{
	struct shared_use u = { .run = use_for_status };
	size_t done;
	int rc = shared_end(img, off, len, use_piece(img, off, off + len, &u, &done));

	*data = u.data;
	*run = u.same;
	return rc;
}
