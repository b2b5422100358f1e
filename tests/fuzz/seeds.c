/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes the seed corpus of the fuzz targets into a folder: one small image for each feature,
 * made by the engine itself, so that it is always what the engine writes today.
 */
#include <inttypes.h>
#include <string.h>

#include <zlib.h>

#include "fuzz.h"
#include "image_file.h"
#include "qcow2/format/format.h"

struct seed {
	const char *name;
	unsigned cluster_bits, refcount_bits /* 0: 16 */, nr_conv, zones;
	const char *layout; /* NULL: 56 */
	bool little, ext_l2, lazy, prealloc, zstd, data_raw;
	const char *data_file, *backing;
	void (*change)(struct memio *m); /* afterwards; 16-bit refcounts, one block */
};

/* ---- what the engine does not make itself --------------------------------------------------- */

/* Where the 16-bit count of the cluster at that offset is. */
static uint64_t count_of(struct memio *m, uint64_t at)
{
	uint64_t place = image_count_place(m, at / image_cluster(m));

	FUZZ_ASSERT(place);
	return place;
}

/* A cluster that is free in the first refcount block, now counted once. */
static uint64_t add_cluster(struct memio *m)
{
	uint64_t cluster = image_cluster(m), at = 0;

	while (image_get(m, count_of(m, at), 2))
		at += cluster;
	if (memio_size(m) < at + cluster)
		memio_resize(m, at + cluster);
	image_put(m, count_of(m, at), 2, 1);
	return at;
}

static void add_compressed(struct memio *m)
{
	uint64_t cluster = image_cluster(m), at = add_cluster(m);
	uint64_t l2 = image_get(m, image_get(m, QCOW2_H_L1_OFFSET, 8), 8) & QCOW2_OFFSET_MASK;
	uint8_t plain[65536], packed[65536];
	z_stream s = { 0 };

	memset(plain, 'z', sizeof(plain));
	FUZZ_ASSERT(deflateInit2(&s, 9, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) == Z_OK);
	s.next_in = plain;
	s.avail_in = (uInt)cluster;
	s.next_out = packed;
	s.avail_out = (uInt)cluster;
	FUZZ_ASSERT(deflate(&s, Z_FINISH) == Z_STREAM_END);
	memio_poke(m, at, packed, (size_t)(cluster - s.avail_out));
	deflateEnd(&s);
	/* a cluster that nothing has been written to yet */
	image_put(m, l2 + 6 * 8, 8, QCOW2_COMPRESSED | at);
}

static void seeds_share(struct memio *m, uint64_t entry_at)
{
	uint64_t entry = image_get(m, entry_at, 8);

	image_put(m, entry_at, 8, entry & ~QCOW2_COPIED);
	image_put(m, count_of(m, entry & QCOW2_OFFSET_MASK), 2, 2);
}

static void seeds_add_snapshot(struct memio *m)
{
	uint64_t cluster = image_cluster(m), l1 = image_get(m, QCOW2_H_L1_OFFSET, 8);
	uint64_t copy = add_cluster(m), table = add_cluster(m);
	uint64_t nr = image_get(m, QCOW2_H_L1_SIZE, 4);

	for (uint64_t i = 0; i < nr; i++) {
		uint64_t l2 = image_get(m, l1 + i * 8, 8) & QCOW2_OFFSET_MASK;

		if (!l2)
			continue;
		for (uint64_t k = 0; k < cluster / 8; k++)
			if (image_get(m, l2 + k * 8, 8) & QCOW2_OFFSET_MASK)
				seeds_share(m, l2 + k * 8);
		seeds_share(m, l1 + i * 8);
		image_put(m, copy + i * 8, 8, l2);
	}
	image_put(m, table, 8, copy);
	image_put(m, table + 8, 4, nr);
	memio_poke(m, table + 12, "\0\1\0\1", 4);
	image_put(m, table + 36, 4, 16);
	image_put(m, table + 48, 8, image_get(m, QCOW2_H_SIZE, 8));
	memio_poke(m, table + 56, "1s", 2);
	image_put(m, QCOW2_H_NB_SNAPSHOTS, 4, 1);
	image_put(m, QCOW2_H_SNAPSHOTS_OFFSET, 8, table);
}

static void set_dirty(struct memio *m)
{
	image_put(m, QCOW2_H_INCOMPAT, 8, image_get(m, QCOW2_H_INCOMPAT, 8) | QCOW2_INCOMPAT_DIRTY);
}

/* ---- making them ---------------------------------------------------------------------------- */

static const struct seed seeds[] = {
	{ .name = "c512", .cluster_bits = 9 },
	{ .name = "c512-48", .cluster_bits = 9, .layout = "48", .little = true },
	{ .name = "c512-44", .cluster_bits = 9, .layout = "44" },
	{ .name = "c512-48b", .cluster_bits = 9, .layout = "48b" },
	{ .name = "c512-conv", .cluster_bits = 9, .nr_conv = 15 },
	{ .name = "c512-seq", .cluster_bits = 9, .nr_conv = 0, .little = true },
	{ .name = "c512-compressed", .cluster_bits = 9, .change = add_compressed },
	{ .name = "c512-snapshot", .cluster_bits = 9, .change = seeds_add_snapshot },
	{ .name = "c512-dirty", .cluster_bits = 9, .lazy = true, .change = set_dirty },
	{ .name = "c512-data", .cluster_bits = 9, .data_file = "data" },
	{ .name = "c512-raw", .cluster_bits = 9, .data_file = "data", .data_raw = true },
	{ .name = "c512-backing", .cluster_bits = 9, .backing = "data" },
	{ .name = "c512-prealloc", .cluster_bits = 9, .prealloc = true },
	{ .name = "c512-rc1", .cluster_bits = 9, .refcount_bits = 1 },
	{ .name = "c512-rc64", .cluster_bits = 9, .refcount_bits = 64 },
	{ .name = "c512-many", .cluster_bits = 9, .zones = 200 },
	{ .name = "c4k", .cluster_bits = 12, .zstd = true },
	{ .name = "c16k-extl2", .cluster_bits = 14, .ext_l2 = true },
};

/* One append with the device opened for it alone: a run that is reserved for one zone would put
 * the next zone's data a megabyte further on, and inputs must be small. */
static void seeds_append(struct memio *m, uint32_t zone, size_t len, bool reset)
{
	struct zq_device *dev = fuzz_device(m, false);
	uint8_t buf[4096];

	FUZZ_ASSERT(dev);
	memset(buf, 'a' + (int)zone, sizeof(buf));
	if (reset)
		FUZZ_ASSERT(!zq_zone_reset(dev, zone));
	FUZZ_ASSERT(zq_append(dev, zone, NULL, 0, buf, len, ZQ_WRITE_APPEND, NULL) > 0);
	FUZZ_ASSERT(!zq_close_device(dev));
}

static void seeds_fill(struct memio *m, const struct seed *s)
{
	struct zq_device *dev = fuzz_device(m, false);
	uint8_t buf[1024];
	uint32_t conv;

	FUZZ_ASSERT(dev);
	conv = zq_device_geometry(dev)->nr_conv;
	memset(buf, 'a', sizeof(buf));
	if (conv)
		FUZZ_ASSERT(zq_write(dev, 512, buf, sizeof(buf), 0) == sizeof(buf));
	FUZZ_ASSERT(!zq_close_device(dev));
	seeds_append(m, conv, 4096, false);
	if (s->nr_conv < 14) {
		seeds_append(m, conv + 1, 512, false);
		seeds_append(m, conv + 1, 700, true);
	}
}

static struct qcow2_create_params seeds_params(const struct seed *s)
{
	struct qcow2_create_params p = image_params();
	uint32_t zones = s->zones ? s->zones : 16;

	p.geo = (struct zq_geometry){
		.size = (uint64_t)zones * 4096,
		.zone_size = 4096,
		.zone_capacity = 4096,
		.nr_zones = zones,
		.nr_conv = s->nr_conv || s->little ? s->nr_conv : 2,
		.max_open = s->nr_conv ? 1 : 6,
		.max_active = s->nr_conv ? 1 : 8,
		.max_append = 1024,
	};
	if (s->layout)
		p.layout = zoned_layout_named(s->layout);
	p.wp_little_endian = s->little;
	p.cluster_bits = s->cluster_bits;
	if (s->refcount_bits)
		p.refcount_order = (unsigned)__builtin_ctz(s->refcount_bits);
	p.compression_type = s->zstd;
	p.extended_l2 = s->ext_l2;
	p.lazy_refcounts = s->lazy;
	p.prealloc_metadata = s->prealloc;
	p.data_file = s->data_file;
	p.data_file_raw = s->data_raw;
	p.backing_file = s->backing;
	p.backing_format = s->backing ? "raw" : NULL;
	return p;
}

static void seeds_make(const struct seed *s, const char *dir)
{
	struct qcow2_create_params p = seeds_params(s);
	/* makes the scratch folder, too; a header of nothing is fine for that */
	static const uint8_t nothing[QCOW2_H_V3_MIN];
	struct memio *m;
	char path[512];

	memio_free(fuzz_image(nothing, sizeof(nothing)));
	m = image_file_make(&p, s->name, NULL);
	seeds_fill(m, s);
	if (s->change)
		s->change(m);
	snprintf(path, sizeof(path), "%s/%s", dir, s->name);
	if (memio_save(m, path)) {
		fprintf(stderr, "%s: cannot write\n", path);
		exit(1);
	}
	memio_free(m);
}

int main(int argc, char **argv)
{
	if (argc != 2) {
		fputs("usage: seeds FOLDER\n", stderr);
		return 2;
	}
	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		seeds_make(&seeds[i], argv[1]);
	return 0;
}
