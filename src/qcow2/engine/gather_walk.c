/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looking through the whole mapping for gather.c: tables without entries, and how close compressed
 * clusters lie.
 */
#include "qcow2/engine/gather_walk.h"

#include <errno.h>
#include <stdlib.h>

#include "qcow2/engine/backlog.h"
#include "qcow2/format/descriptor.h"
#include "util/cleanup.h"
#include "util/math.h"

/* Copies the entries of the slice at guest; nr is how many clusters it covers. *there: it has a
 * table. */
static int read_slice(struct qcow2_image *img, uint64_t guest, struct slice_copy *s, bool *there)
{
	struct l2_ref ref;
	int rc;

	SCOPE_IMAGE_LOCK(img);
	rc = l2_pin(img, guest, false, &ref);
	if (rc < 0)
		return rc;
	s->nr = ref.count;
	*there = ref.slice;
	for (unsigned i = 0; i < ref.count && ref.slice; i++)
		s->entry[i] = l2_get(img, &ref, ref.index + i);
	l2_unpin(img, &ref);
	return 0;
}

int gather_walk(struct qcow2_image *img,
		int (*see)(void *data, uint64_t guest, const struct slice_copy *s), void *data)
{
	struct slice_copy *s CLEANUP_FREE = malloc(sizeof(*s));
	uint64_t step;

	if (!s)
		return -ENOMEM;
	for (uint64_t guest = 0; guest < img->hdr.size; guest += step) {
		bool there;
		int rc = read_slice(img, guest, s, &there);

		if (rc == 0 && there)
			rc = see(data, guest, s);
		if (rc < 0)
			return rc;
		step = (uint64_t)s->nr << img->cluster_bits;
	}
	return 0;
}

/* ---- tables without entries ------------------------------------------------------------------ */

static int table_is_empty(struct qcow2_image *img, uint64_t l1_index, struct slice_copy *s,
			  bool *empty)
{
	uint64_t guest = l1_index << (img->l2_bits + img->cluster_bits);
	uint64_t end = guest + (UINT64_C(1) << (img->l2_bits + img->cluster_bits));

	*empty = true;
	while (guest < end && *empty) {
		bool there;
		int rc = read_slice(img, guest, s, &there);

		if (rc < 0)
			return rc;
		for (unsigned i = 0; i < s->nr; i++)
			*empty &= !s->entry[i].desc && !s->entry[i].bitmap;
		guest += (uint64_t)s->nr << img->cluster_bits;
	}
	return 0;
}

int gather_drop_empty(struct qcow2_image *img)
{
	struct slice_copy *s CLEANUP_FREE = malloc(sizeof(*s));

	if (!s)
		return -ENOMEM;
	for (uint64_t i = 0; i < img->l1.nr; i++) {
		uint64_t off = img->l1.word[i] & QCOW2_OFFSET_MASK;
		bool empty = false;
		int rc = off ? table_is_empty(img, i, s, &empty) : 0;

		if (rc < 0)
			return rc;
		if (!empty)
			continue;
		SCOPE_IMAGE_LOCK(img);
		mdcache_forget(&img->cache, off, img->cluster_size);
		table_set(&img->l1, i, 0, false);
		backlog_let_go(img, off >> img->cluster_bits, 1);
	}
	return 0;
}

/* ---- how close compressed clusters lie ----------------------------------------------------- */

struct density {
	struct qcow2_image *img;
	uint8_t *touched; /* bitmap of host clusters */
	uint64_t nr;	  /* of its bits */
	uint64_t bytes;	  /* compressed, about */
	uint64_t clusters;
};

static void note_packed(struct density *d, uint64_t desc)
{
	unsigned bits = d->img->cluster_bits;
	uint64_t off, len;

	descriptor_extent(bits, desc, &off, &len);
	/* the data ends somewhere in its last sector */
	d->bytes += len - ZQ_BLOCK / 2;
	for (uint64_t c = off >> bits; c <= (off + len - 1) >> bits && c < d->nr; c++) {
		d->clusters += !(d->touched[c / 8] >> (c % 8) & 1);
		d->touched[c / 8] |= (uint8_t)(1 << (c % 8));
	}
}

static int see_density(void *data, uint64_t guest, const struct slice_copy *s)
{
	(void)guest;
	for (unsigned i = 0; i < s->nr; i++)
		if (s->entry[i].desc & QCOW2_COMPRESSED)
			note_packed(data, s->entry[i].desc);
	return 0;
}

int gather_is_loose(struct qcow2_image *img, bool *loose)
{
	struct density d = { .img = img, .nr = div_up(img->file_end, img->cluster_size) };
	uint64_t need;
	int rc;

	d.touched = calloc((size_t)(d.nr / 8 + 1), 1);
	if (!d.touched)
		return -ENOMEM;
	rc = gather_walk(img, see_density, &d);
	free(d.touched);
	need = div_up(d.bytes, img->cluster_size);
	*loose = d.clusters > need + need / 100 + 1;
	return rc;
}
