/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest range -> extents. Takes the image's lock, changes nothing.
 */
#include <errno.h>

#include "qcow2/engine/backing.h"
#include "qcow2/engine/l2.h"
#include "qcow2/engine/map.h"
#include "util/math.h"

/* What a subcluster is to a reader. */
static bool describe(struct qcow2_image *img, uint64_t guest, struct l2_entry e, unsigned sub,
		     struct map_extent *out)
{
	switch (l2_kind(img, guest, e, sub)) {
	case L2_UNALLOCATED:
		out->kind = img->backing ? MAP_BACKING : MAP_ZERO;
		return true;
	case L2_ZERO:
	case L2_ZERO_ALLOCATED:
		out->kind = MAP_ZERO;
		return true;
	case L2_DATA:
		out->kind = MAP_DATA;
		out->host = l2_host(e) + sub * img->sub_size;
		return true;
	case L2_COMPRESSED:
		out->kind = MAP_COMPRESSED;
		out->host = e.desc;
		return true;
	case L2_BAD:
		break;
	}
	image_log(img, "L2 entry of guest offset 0x%llx is damaged (0x%llx)",
		  (unsigned long long)guest, (unsigned long long)e.desc);
	return false;
}

static bool continues(const struct map_extent *last, const struct map_extent *next)
{
	if (last->kind != next->kind || last->kind == MAP_COMPRESSED)
		return false;
	return last->kind != MAP_DATA || last->host + last->len == next->host;
}

struct cursor {
	struct map_extent *ext;
	unsigned max, nr;
};

/* Appends or merges; false when the list is full. */
static bool append(struct cursor *c, const struct map_extent *e)
{
	if (c->nr && continues(&c->ext[c->nr - 1], e)) {
		c->ext[c->nr - 1].len += e->len;
		return true;
	}
	if (c->nr == c->max)
		return false;
	c->ext[c->nr++] = *e;
	return true;
}

/* One cluster, or the part of it within [off, end): its extents. */
static int map_cluster(struct qcow2_image *img, struct l2_entry e, uint64_t off, uint64_t end,
		       struct cursor *c)
{
	uint64_t guest = align_down(off, img->cluster_size);

	end = min_u64(end, guest + img->cluster_size);
	while (off < end) {
		unsigned sub = (unsigned)((off - guest) >> img->sub_bits);
		uint64_t sub_start = guest + sub * img->sub_size;
		struct map_extent piece = { 0 };

		if (!describe(img, guest, e, sub, &piece))
			return -EIO;
		if (piece.kind == MAP_COMPRESSED) {
			piece.len = end - off; /* the whole cluster is one piece */
		} else {
			piece.len = min_u64(end, sub_start + img->sub_size) - off;
			piece.host += off - sub_start;
		}
		if (!append(c, &piece))
			return 1;
		off += piece.len;
	}
	return 0;
}

/* All clusters of one pinned slice that the range touches. */
static int map_slice(struct qcow2_image *img, struct l2_ref *ref, uint64_t off, uint64_t end,
		     struct cursor *c)
{
	int rc = 0;

	if (!ref->slice) { /* no table: one piece, however long */
		struct map_extent piece = { .kind = img->backing ? MAP_BACKING : MAP_ZERO,
					    .len = end - off };

		return append(c, &piece) ? 0 : 1;
	}
	for (unsigned i = 0; i < ref->count && off < end && rc == 0; i++) {
		struct l2_entry e = l2_get(img, ref, ref->index + i);

		rc = map_cluster(img, e, off, end, c);
		off = align_down(off, img->cluster_size) + img->cluster_size;
	}
	return rc;
}

int map_lookup(struct qcow2_image *img, uint64_t off, uint64_t len, struct map_extent *ext,
	       unsigned max, unsigned *nr)
{
	struct cursor c = { .ext = ext, .max = max };
	uint64_t end = off + len;
	int rc = 0;

	image_lock(img);
	while (off < end && rc == 0) {
		uint64_t slice_end;
		struct l2_ref ref;

		rc = l2_pin(img, off, false, &ref);
		if (rc < 0)
			break;
		slice_end = align_down(off, img->cluster_size) +
			    ((uint64_t)ref.count << img->cluster_bits);
		slice_end = min_u64(slice_end, end);
		rc = map_slice(img, &ref, off, slice_end, &c);
		l2_unpin(img, &ref);
		off = slice_end;
	}
	image_unlock(img);
	*nr = c.nr;
	return rc < 0 && c.nr == 0 ? (rc == -EUCLEAN ? -EIO : rc) : 0;
}

int qcow2_own_status(struct qcow2_image *img, uint64_t off, uint64_t len, enum qcow2_own *own,
		     uint64_t *run)
{
	struct map_extent ext[16];
	unsigned nr;
	int rc = map_lookup(img, off, len, ext, ARRAY_SIZE(ext), &nr);

	*run = 0;
	for (unsigned i = 0; i < nr && rc == 0; i++) {
		enum qcow2_own what = ext[i].kind == MAP_BACKING ? QCOW2_OWN_NONE
				      : ext[i].kind == MAP_ZERO	 ? QCOW2_OWN_ZERO
								 : QCOW2_OWN_DATA;

		if (i && what != *own)
			break;
		*own = what;
		*run += ext[i].len;
	}
	return rc;
}

int map_status(struct qcow2_image *img, uint64_t off, uint64_t len, bool *data, uint64_t *run)
{
	struct map_extent ext[16];
	unsigned nr;
	int rc = map_lookup(img, off, len, ext, ARRAY_SIZE(ext), &nr);

	if (rc < 0)
		return rc;
	*run = 0;
	for (unsigned i = 0; i < nr; i++) {
		uint64_t same = ext[i].len;
		bool is_data = ext[i].kind != MAP_ZERO;

		/* a hole in the backing file is one here too */
		if (ext[i].kind == MAP_BACKING)
			rc = backing_status(img->backing, off + *run, ext[i].len, &is_data, &same);
		if (rc < 0)
			return *run ? 0 : rc;
		if (i && is_data != *data)
			break;
		*data = is_data;
		*run += same;
		if (same < ext[i].len)
			break;
	}
	return 0;
}
