/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Write pointers within a block, in a layout whose QEMU refuses the whole image for one. Repair
 * pads: zeros from the pointer to the end of its block, on the disk before the pointer moves there.
 * It writes only where it is sure whose bytes they are: after everything has been counted, to a
 * cluster that nothing else refers to. FORMAT section 4.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "io/io.h"
#include "qcow2/check/check_priv.h"
#include "qcow2/format/zoned_word.h"
#include "util/math.h"

enum tail_place {
	TAIL_ZERO,    /* reads as zeros already */
	TAIL_OWN,     /* bytes of a cluster of its own */
	TAIL_UNKNOWN, /* a backing file's, compressed, or in doubt */
};

static uint64_t tail_in_cluster(const struct check *c, const struct wp_tail *t)
{
	return t->wp & (c->cluster_size - 1);
}

static bool is_only_data(struct check *c, uint64_t off)
{
	unsigned use;

	return counts_get(c, off >> c->cluster_bits, &use) == 1 && (use & USE_KINDS) == USE_DATA;
}

static enum tail_place of_unallocated(const struct check *c)
{
	/* a raw data file shows its bytes whatever the mapping says */
	if (c->data_file)
		return c->hdr->autoclear & QCOW2_AUTOCLEAR_DATA_RAW ? TAIL_OWN : TAIL_ZERO;
	return c->hdr->backing_file ? TAIL_UNKNOWN : TAIL_ZERO;
}

/* The same for the subcluster that the pointer stands in. */
static enum tail_place of_subcluster(const struct check *c, const struct wp_tail *t)
{
	uint64_t sub = tail_in_cluster(c, t) / (c->cluster_size / QCOW2_SUBCLUSTERS);

	if (t->bitmap >> sub & 1)
		return TAIL_OWN;
	return t->bitmap >> (sub + QCOW2_SUBCLUSTERS) & 1 ? TAIL_ZERO : of_unallocated(c);
}

static enum tail_place tail_place(const struct check *c, const struct wp_tail *t)
{
	if (t->word & QCOW2_COMPRESSED)
		return TAIL_UNKNOWN;
	if (c->ext_l2)
		return of_subcluster(c, t);
	if (t->word & QCOW2_ZERO)
		return TAIL_ZERO;
	if (t->word & (c->data_file ? QCOW2_COPIED | QCOW2_OFFSET_MASK : QCOW2_OFFSET_MASK))
		return TAIL_OWN;
	return of_unallocated(c);
}

static bool all_zeros(struct zq_io *io, uint64_t off, size_t len)
{
	uint8_t buf[ZQ_BLOCK];
	bool zeros = io_pread(io, buf, len, off) == 0;

	for (size_t i = 0; i < len && zeros; i++)
		zeros = !buf[i];
	return zeros;
}

/* Zeros behind the pointer, as far as they are not there. False: that is not possible. */
static bool pad_block(struct check *c, const struct wp_tail *t)
{
	static const uint8_t zeros[ZQ_BLOCK];
	struct zq_io *io = c->data_file ? c->data : c->io;
	uint64_t off = c->data_file ? t->wp : (t->word & QCOW2_OFFSET_MASK) + tail_in_cluster(c, t);
	size_t len = (size_t)(align_up(t->wp, ZQ_BLOCK) - t->wp);
	enum tail_place place = tail_place(c, t);

	if (place != TAIL_OWN || c->damaged || !io)
		return place == TAIL_ZERO;
	if (all_zeros(io, off, len))
		return true;
	if (!c->data_file && !is_only_data(c, off))
		return false;
	check_renew_identity(c);
	if (!c->error)
		c->error = io_write(io, zeros, len, off);
	if (!c->error)
		c->error = io_flush(io);
	return !c->error;
}

static void judge_block(struct check *c, const struct wp_tail *t)
{
	const struct zoned_layout *l = c->hdr->zoned.layout;
	bool fixed = check_repairs(c) && !c->refs_only && pad_block(c, t);
	char label[ZQ_ZONE_LABEL_MAX];

	zq_zone_label(c->hdr->zoned.geo.nr_conv, t->zone, label);
	if (c->error)
		return;
	if (fixed)
		check_wp_set(c, t->zone, align_up(t->wp, ZQ_BLOCK));
	check_found(c, ZQ_FOUND_CORRUPTION, 1, fixed,
		    "%s: write pointer 0x%" PRIx64 " is not a multiple of %u: QEMU of %s refuses "
		    "the image; %s",
		    label, t->wp, ZQ_BLOCK, l->revision,
		    fixed ? "padded with zeros" : "writing on or finishing the zone mends it");
}

void check_blocks(struct check *c)
{
	for (size_t i = 0; i < c->wp.nr_within && !c->error; i++)
		judge_block(c, &c->wp.within[i]);
}
