/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest range is made of, in words: which file of the chain has it, and where; and what is
 * wrong with a pointer. For people, so one piece at a time. Takes the image's lock, changes
 * nothing.
 */
#include <errno.h>
#include <inttypes.h>

#include <zqfs/error.h>

#include "io/io.h"
#include "qcow2/engine/backing.h"
#include "qcow2/engine/image.h"
#include "qcow2/engine/l2.h"
#include "qcow2/format/descriptor.h"
#include "util/math.h"

/* The entry of the cluster at off; *len becomes what is left of the cluster, or more without a
 * table. False: there is none. */
static int look_up(struct qcow2_image *img, uint64_t off, uint64_t *len, struct l2_entry *e,
		   bool *found)
{
	uint64_t end = align_down(off, img->cluster_size) + img->cluster_size;
	struct l2_ref ref;
	int rc;

	SCOPE_IMAGE_LOCK(img);
	rc = l2_pin(img, off, false, &ref);
	if (rc < 0)
		return rc == -EUCLEAN ? -EIO : rc;
	*found = ref.slice;
	if (ref.slice)
		*e = l2_get(img, &ref, ref.index);
	else
		end += (uint64_t)(ref.count - 1) << img->cluster_bits;
	l2_unpin(img, &ref);
	*len = min_u64(*len, end - off);
	return 0;
}

static void in_file(struct qcow2_piece *p, const struct zq_io *io, uint64_t offset)
{
	p->offset = offset;
	p->file = io->name;
}

/* Whatever a subcluster of an image is, but for one that it does not have. */
static int describe_kind(const struct qcow2_image *img, enum l2_kind kind, struct l2_entry e,
			 uint64_t in_cluster, struct qcow2_piece *p)
{
	uint64_t host;

	p->present = true;
	p->zero = kind == L2_ZERO || kind == L2_ZERO_ALLOCATED;
	p->data = kind == L2_DATA || kind == L2_COMPRESSED;
	p->compressed = kind == L2_COMPRESSED;
	p->has_offset = kind == L2_DATA || kind == L2_ZERO_ALLOCATED;
	p->file = img->file->name;
	if (kind == L2_BAD)
		return -EIO;
	if (p->has_offset)
		in_file(p, img->data, l2_host(e) + in_cluster);
	if (p->compressed) {
		descriptor_extent(img->cluster_bits, e.desc, &host, &p->packed);
		in_file(p, img->file, host);
	}
	return 0;
}

int qcow2_describe(struct qcow2_image *img, uint64_t off, uint64_t len, struct qcow2_piece *p)
{
	uint64_t in_cluster = off & (img->cluster_size - 1);
	unsigned sub = (unsigned)(in_cluster >> img->sub_bits);
	enum l2_kind kind = L2_UNALLOCATED;
	struct l2_entry e = { 0 };
	bool found;
	int rc = look_up(img, off, &len, &e, &found);

	*p = (struct qcow2_piece){ .len = len, .depth = p->depth };
	if (rc < 0)
		return rc;
	if (found) {
		kind = l2_kind(img, off - in_cluster, e, sub);
		if (kind != L2_COMPRESSED)
			p->len = min_u64(len, (sub + 1) * img->sub_size - in_cluster);
	}
	if (kind != L2_UNALLOCATED)
		return describe_kind(img, kind, e, in_cluster, p);
	p->zero = true;
	p->has_offset = found && l2_has_host(img, e); /* room that waits for this subcluster */
	if (p->has_offset)
		in_file(p, img->data, l2_host(e) + in_cluster);
	return img->backing ? backing_describe(img->backing, off, p) : 0;
}

int qcow2_wp_get_sane(struct qcow2_image *img, uint32_t zone, uint64_t *wp,
		      enum qcow2_wp_kind *kind, struct zq_error *err)
{
	char label[ZQ_ZONE_LABEL_MAX];

	*wp = qcow2_wp_get(img, zone, kind);
	if (*kind != QCOW2_WP_CORRUPT)
		return 0;
	return zq_fail(
		err, -EINVAL,
		"%s: %s: the write pointer 0x%" PRIx64 " is corrupt; \"zqfs check\" tells more",
		qcow2_name(img), zq_zone_label(qcow2_zoned(img)->geo.nr_conv, zone, label), *wp);
}
