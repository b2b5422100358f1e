/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mutator for libFuzzer that knows where the fields and tables of an image are. Blind changes
 * rarely get past the header; this one changes an entry that is used, mostly into something
 * that looks right: another table's offset, a cluster of the file, one off a bound.
 */
#include <string.h>

#include "fuzz.h"
#include "qcow2/format/format.h"
#include "qcow2/format/zoned_layout.h"
#include "util/bytes.h"
#include "util/math.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

struct image {
	uint8_t *data;
	size_t size;
	uint64_t cluster;
	uint64_t zoned; /* offset of the zoned extension's data, 0: none */
	uint32_t rnd;
};

static uint32_t mutate_draw(struct image *img, uint32_t below)
{
	img->rnd ^= img->rnd << 13;
	img->rnd ^= img->rnd >> 17;
	img->rnd ^= img->rnd << 5;
	return img->rnd % below;
}

static uint64_t mutate_word(const struct image *img, uint64_t off, unsigned bytes)
{
	uint64_t v = 0;

	if (!range_within(off, bytes, img->size))
		return 0;
	for (unsigned i = 0; i < bytes; i++)
		v = v << 8 | img->data[off + i];
	return v;
}

static void mutate_set_word(struct image *img, uint64_t off, unsigned bytes, uint64_t v)
{
	if (!range_within(off, bytes, img->size))
		return;
	for (unsigned i = bytes; i--; v >>= 8)
		img->data[off + i] = (uint8_t)v;
}

/* ---- places ---------------------------------------------------------------------------------- */

static const struct {
	uint8_t off, bytes;
} header[] = {
	{ 8, 8 },  { 16, 4 },  { 20, 4 },  { 24, 8 },  { 32, 4 },  { 36, 4 }, { 40, 8 },
	{ 48, 8 }, { 56, 4 },  { 60, 4 },  { 64, 8 },  { 72, 8 },  { 80, 8 }, { 88, 8 },
	{ 96, 4 }, { 100, 4 }, { 104, 1 }, { 112, 4 }, { 116, 4 },
};

/* The row of the table for the image's extension; any one where its length is not known. */
static const struct zoned_layout *mutate_layout(struct image *img)
{
	uint64_t len = mutate_word(img, img->zoned - 4, 4);
	const struct zoned_layout *l, *found = NULL;

	for (unsigned i = 0; (l = zoned_layout_at(i)); i++)
		if (l->len == len && (!found || mutate_draw(img, 2)))
			found = l;
	return found ? found : zoned_layout_at(0);
}

static uint64_t zoned_place(struct image *img, unsigned *bytes)
{
	const struct zoned_layout *l = mutate_layout(img);
	const struct zoned_field f[] = {
		{ 0, 1 },      l->nr_zones, l->zone_size,  l->zone_capacity, l->nr_conv,
		l->max_active, l->max_open, l->max_append, l->meta_offset,   l->meta_size,
	};
	unsigned i = mutate_draw(img, ARRAY_SIZE(f));

	if (mutate_draw(img, 10) == 0) {
		*bytes = 4;
		return img->zoned - 4; /* the length itself */
	}
	*bytes = f[i].bytes ? f[i].bytes : 4;
	return img->zoned + f[i].at;
}

/* Where the pointer table begins, by a layout that may be the image's. */
static uint64_t pointer_table(struct image *img, uint64_t *nr)
{
	const struct zoned_layout *l = mutate_layout(img);

	*nr = mutate_word(img, img->zoned + l->nr_zones.at, l->nr_zones.bytes);
	return mutate_word(img, img->zoned + l->meta_offset.at, l->meta_offset.bytes);
}

static uint64_t find_zoned(const struct image *img)
{
	for (uint64_t at = 104; at + 64 <= img->size && at < img->cluster; at += 8)
		if (mutate_word(img, at, 4) == QCOW2_EXT_ZONED)
			return at + 8;
	return 0;
}

static uint64_t entry_of(struct image *img, uint64_t table, uint64_t nr)
{
	return table + (nr ? mutate_draw(img, (uint32_t)min_u64(nr, 4096)) : 0) * 8;
}

static uint64_t l1_entry(struct image *img)
{
	return entry_of(img, mutate_word(img, QCOW2_H_L1_OFFSET, 8),
			mutate_word(img, QCOW2_H_L1_SIZE, 4));
}

static uint64_t l2_entry(struct image *img)
{
	for (int tries = 0; tries < 4; tries++) {
		uint64_t l2 = mutate_word(img, l1_entry(img), 8) & QCOW2_OFFSET_MASK;

		if (l2)
			return entry_of(img, l2, img->cluster / 8);
	}
	return l1_entry(img);
}

static uint64_t snapshot_l1_entry(struct image *img)
{
	uint64_t table = mutate_word(img, QCOW2_H_SNAPSHOTS_OFFSET, 8);

	return entry_of(img, mutate_word(img, table, 8), mutate_word(img, table + 8, 4));
}

/* Offset and width of something that means something. */
static uint64_t mutate_place(struct image *img, unsigned *bytes)
{
	uint64_t reftable = mutate_word(img, QCOW2_H_REFTABLE_OFFSET, 8), table, nr;
	unsigned i;

	*bytes = 8;
	switch (mutate_draw(img, 14)) {
	case 0:
	case 1:
		i = mutate_draw(img, ARRAY_SIZE(header));
		*bytes = header[i].bytes;
		return header[i].off;
	case 2:
		return img->zoned ? zoned_place(img, bytes) : 4;
	case 3:
		return l1_entry(img);
	case 4:
	case 5:
	case 6:
		return l2_entry(img);
	case 7:
		return entry_of(img, reftable, 4);
	case 8:
	case 9:
		*bytes = 2;
		return mutate_word(img, entry_of(img, reftable, 2), 8) + mutate_draw(img, 64) * 2;
	case 10:
	case 11:
		if (!img->zoned)
			return 8;
		table = pointer_table(img, &nr);
		return entry_of(img, table, nr);
	case 12:
		return mutate_word(img, QCOW2_H_SNAPSHOTS_OFFSET, 8) + mutate_draw(img, 8) * 4;
	default:
		return snapshot_l1_entry(img);
	}
}

/* ---- values ---------------------------------------------------------------------------------- */

static uint64_t offset_in_use(struct image *img)
{
	uint64_t nr;

	switch (mutate_draw(img, 6)) {
	case 0:
		return mutate_word(img, QCOW2_H_L1_OFFSET, 8);
	case 1:
		return mutate_word(img, QCOW2_H_REFTABLE_OFFSET, 8);
	case 2:
		return mutate_word(img, l1_entry(img), 8) & QCOW2_OFFSET_MASK;
	case 3:
		return mutate_word(img, l2_entry(img), 8) & QCOW2_OFFSET_MASK;
	case 4:
		return img->zoned ? pointer_table(img, &nr) : 0;
	default:
		return mutate_draw(img, (uint32_t)(img->size / img->cluster + 2)) * img->cluster;
	}
}

static uint64_t value(struct image *img, uint64_t now)
{
	static const uint64_t flags[] = {
		0,
		1,
		QCOW2_COPIED,
		QCOW2_COPIED,
		QCOW2_COPIED | 1,
		QCOW2_COMPRESSED,
		UINT64_C(1) << 59,
		UINT64_C(1) << 63,
	};

	switch (mutate_draw(img, 10)) {
	case 0:
		return now ^ UINT64_C(1) << mutate_draw(img, 64);
	case 1:
		return now + mutate_draw(img, 5) - 2;
	case 2:
		return 0;
	case 3:
		return UINT64_MAX >> mutate_draw(img, 64);
	case 4:
		return UINT64_C(1) << mutate_draw(img, 64);
	case 5:
		return (uint64_t)mutate_draw(img, 256) << 9;
	case 6:
		return QCOW2_COMPRESSED | (uint64_t)mutate_draw(img, 4) << 61 |
		       mutate_draw(img, (uint32_t)img->size);
	default:
		return offset_in_use(img) | flags[mutate_draw(img, ARRAY_SIZE(flags))];
	}
}

/* The file ends elsewhere; kept within max. */
static size_t resize(struct image *img, size_t max)
{
	size_t size = img->size;

	switch (mutate_draw(img, 3)) {
	case 0:
		size -= min_u64(size / 2, mutate_draw(img, 600));
		break;
	case 1:
		size = align_down(size, img->cluster);
		break;
	default:
		size += mutate_draw(img, 1200);
	}
	size = min_u64(size, max);
	if (size > img->size)
		memset(img->data + img->size, 0, size - img->size);
	return size;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	struct image img = { .data = data, .size = size, .rnd = seed | 1 };
	uint64_t bits = mutate_word(&img, QCOW2_H_CLUSTER_BITS, 4);

	if (size < QCOW2_H_V3_MIN || bits < 9 || bits > 21 || !mutate_draw(&img, 8))
		return LLVMFuzzerMutate(data, size, max);
	img.cluster = UINT64_C(1) << bits;
	img.zoned = find_zoned(&img);
	for (uint32_t n = 1 + mutate_draw(&img, 4); n; n--) {
		unsigned bytes;
		uint64_t off = mutate_place(&img, &bytes);

		if (range_within(off, bytes, size))
			mutate_set_word(&img, off, bytes,
					value(&img, mutate_word(&img, off, bytes)));
	}
	return mutate_draw(&img, 12) ? size : resize(&img, max);
}
