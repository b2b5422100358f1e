/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compressed clusters: descriptors, both compressions, damage, the cache and its threads.
 */
#include "check_main.h"
#include "memio.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>

#include "io/io.h"
#include "qcow2/engine/compress.h"
#include "qcow2/format/descriptor.h"
#include "qcow2/engine/image.h"

#define CLUSTER 65536u

static struct memio *file;
static struct qcow2_image img;
static uint8_t want[CLUSTER], got[CLUSTER];
static char last_line[256];

static void compress_log_line(void *data, const char *line)
{
	(void)data;
	snprintf(last_line, sizeof(last_line), "%s", line);
}

static void compress_setup(unsigned cluster_bits, uint8_t type)
{
	file = memio_new();
	img = (struct qcow2_image){ .file = memio_open(file, "image", true),
				    .cluster_bits = cluster_bits,
				    .cluster_size = UINT64_C(1) << cluster_bits,
				    .hdr = { .compression_type = type },
				    .log = compress_log_line };
	last_line[0] = '\0';
	ck_assert_int_eq(decomp_init(&img), 0);
	for (unsigned i = 0; i < CLUSTER; i++)
		want[i] = (uint8_t)(i / 37 ^ i >> 9);
}

static void compress_teardown(void)
{
	decomp_destroy(&img);
	io_close(img.file);
	memio_free(file);
}

static size_t deflate_cluster(uint8_t *out, size_t size, const uint8_t *in, size_t len, int window)
{
	z_stream s = { 0 };
	size_t used;

	ck_assert_int_eq(deflateInit2(&s, 9, Z_DEFLATED, window, 9, Z_DEFAULT_STRATEGY), Z_OK);
	s.next_in = (uint8_t *)in;
	s.avail_in = (uInt)len;
	s.next_out = out;
	s.avail_out = (uInt)size;
	ck_assert_int_eq(deflate(&s, Z_FINISH), Z_STREAM_END);
	used = size - s.avail_out;
	deflateEnd(&s);
	return used;
}

/* Stores bytes at off and gives their descriptor. */
static uint64_t compress_store(uint64_t off, const uint8_t *data, size_t len)
{
	unsigned x = 62 - (img.cluster_bits - 8);
	uint64_t sectors = (off + len - 1) / 512 - off / 512;

	memio_poke(file, off, data, len);
	return QCOW2_COMPRESSED | sectors << x | off;
}

static uint64_t store_packed(uint64_t off, int window)
{
	uint8_t packed[CLUSTER];
	size_t len =
		img.hdr.compression_type
			? ZSTD_compress(packed, sizeof(packed), want, img.cluster_size, 3)
			: deflate_cluster(packed, sizeof(packed), want, img.cluster_size, window);

	ck_assert(!ZSTD_isError(len));
	return compress_store(off, packed, len);
}

static void assert_reads(uint64_t desc)
{
	memset(got, 0xee, sizeof(got));
	ck_assert_int_eq(decomp_read(&img, desc, 0, got, img.cluster_size), 0);
	ck_assert_int_eq(memcmp(got, want, img.cluster_size), 0);
	ck_assert_int_eq(decomp_read(&img, desc, 1000, got, 77), 0);
	ck_assert_int_eq(memcmp(got, want + 1000, 77), 0);
}

START_TEST(extents)
{
	uint64_t off, len;

	compress_setup(16, 0); /* x = 54 */
	descriptor_extent(img.cluster_bits, QCOW2_COMPRESSED | UINT64_C(3) << 54 | 0x50123, &off,
			  &len);
	ck_assert_uint_eq(off, 0x50123);
	ck_assert_uint_eq(len, 4 * 512 - 0x123);
	descriptor_extent(img.cluster_bits, QCOW2_COMPRESSED, &off, &len);
	ck_assert_uint_eq(off, 0);
	ck_assert_uint_eq(len, 512);
	descriptor_extent(9, QCOW2_COMPRESSED | UINT64_C(1) << 61 | 0x1ff, &off, &len);
	ck_assert_uint_eq(off, 0x1ff);
	ck_assert_uint_eq(len, 513);
	descriptor_extent(21, ~UINT64_C(0), &off, &len);
	ck_assert_uint_eq(off, (UINT64_C(1) << 49) - 1);
	ck_assert_uint_eq(len, (UINT64_C(1) << 13) * 512 - 511);
	compress_teardown();
}
END_TEST

START_TEST(deflate_windows)
{
	compress_setup(16, 0);
	assert_reads(store_packed(0x10000, -12));
	assert_reads(store_packed(0x2fff3, -12)); /* any byte, over a cluster's border */
	assert_reads(store_packed(0x41234, -15));
	compress_teardown();
}
END_TEST

START_TEST(zstd_frames)
{
	uint8_t packed[CLUSTER];
	size_t len;

	compress_setup(16, 1);
	assert_reads(store_packed(0x10000, 0));
	memio_poke(file, memio_size(file), "trailing garbage", 16);
	assert_reads(store_packed(0x20001, 0));
	/* two frames for one cluster */
	len = ZSTD_compress(packed, sizeof(packed), want, 30000, 3);
	len += ZSTD_compress(packed + len, sizeof(packed) - len, want + 30000, CLUSTER - 30000, 3);
	assert_reads(compress_store(0x60007, packed, len));
	compress_teardown();
}
END_TEST

static void assert_damaged(uint64_t desc)
{
	last_line[0] = '\0';
	ck_assert_int_eq(decomp_read(&img, desc, 0, got, 512), -EIO);
	ck_assert_ptr_nonnull(strstr(last_line, "compressed cluster 0x"));
}

static void damage(uint8_t type)
{
	uint8_t packed[2 * CLUSTER], twice[2 * CLUSTER];
	uint64_t desc;
	size_t len;

	compress_setup(16, type);
	desc = store_packed(0x10000, -12);
	memio_poke(file, 0x10005, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
	assert_damaged(desc);
	/* less than a cluster, cut off in the middle, and nothing at all */
	len = type ? ZSTD_compress(packed, sizeof(packed), want, 5000, 3)
		   : deflate_cluster(packed, sizeof(packed), want, 5000, -12);
	assert_damaged(compress_store(0x30000, packed, len));
	desc = store_packed(0x40000, -12);
	assert_damaged(desc & ~(UINT64_C(0xff) << 54));
	memio_resize(file, 0x90000);
	assert_damaged(QCOW2_COMPRESSED | 0x80000);
	/* more than a cluster */
	memcpy(twice, want, CLUSTER);
	memcpy(twice + CLUSTER, want, CLUSTER);
	if (type) {
		len = ZSTD_compress(packed, sizeof(packed), twice, sizeof(twice), 3);
		assert_damaged(compress_store(0x50000, packed, len));
	}
	/* behind the end of the file */
	assert_damaged(QCOW2_COMPRESSED | UINT64_C(0x20) << 54 | (memio_size(file) - 512));
	assert_damaged(QCOW2_COMPRESSED | (UINT64_C(1) << 53));
	compress_teardown();
}

START_TEST(damaged_zlib)
{
	damage(0);
}
END_TEST

START_TEST(damaged_zstd)
{
	damage(1);
}
END_TEST

/* The last cluster of a file may end in the middle of its last sector. */
START_TEST(end_of_file)
{
	compress_setup(16, 0);
	memio_resize(file, 0x10000);
	assert_reads(store_packed(0x10000, -12));
	ck_assert_uint_ne(memio_size(file) % 512, 0);
	compress_teardown();
}
END_TEST

START_TEST(small_and_large_clusters)
{
	uint8_t *big = calloc(1, 2 << 20), *out = malloc(2 << 20), *packed = malloc(4 << 20);
	uint64_t desc[5];

	compress_setup(9, 0);
	for (unsigned i = 0; i < 512; i++)
		want[i] = (uint8_t)rand(); /* does not shrink */
	memset(got, 0, sizeof(got));
	ck_assert_int_eq(decomp_read(&img, store_packed(0x1001, -12), 0, got, 512), 0);
	ck_assert_int_eq(memcmp(got, want, 512), 0);
	compress_teardown();
	compress_setup(21, 0);
	for (unsigned k = 0; k < 5; k++) { /* one more than the cache takes */
		memset(big, (int)k, 2 << 20);
		desc[k] = compress_store((k + 1) * 0x100000, packed,
					 deflate_cluster(packed, 4 << 20, big, 2 << 20, -12));
	}
	for (unsigned k = 0; k < 20; k++) {
		ck_assert_int_eq(decomp_read(&img, desc[k % 5], 0, out, 2 << 20), 0);
		ck_assert_int_eq(out[0], (int)(k % 5));
		ck_assert_int_eq(memcmp(out, out + 1, (2 << 20) - 1), 0);
	}
	compress_teardown();
	free(big);
	free(out);
	free(packed);
}
END_TEST

static uint64_t compress_reads(void)
{
	struct memio_stats st;

	memio_get_stats(file, &st);
	return st.ops[MEMIO_READ];
}

START_TEST(cache)
{
	uint64_t desc[70], before;

	compress_setup(16, 0);
	for (unsigned i = 0; i < 70; i++)
		desc[i] = store_packed((i + 1) * 0x10000, -12);
	for (unsigned k = 0; k < 10; k++)
		assert_reads(desc[0]);
	ck_assert_uint_eq(compress_reads(), 1);
	for (unsigned i = 0; i < 70; i++) /* more than it holds */
		assert_reads(desc[i]);
	before = compress_reads();
	assert_reads(desc[69]);
	ck_assert_uint_eq(compress_reads(), before);
	assert_reads(desc[0]);
	ck_assert_uint_eq(compress_reads(), before + 1);
	decomp_forget(&img);
	want[0] ^= 1; /* the host cluster was reused */
	store_packed(0x10000, -12);
	assert_reads(desc[0]);
	ck_assert_uint_eq(compress_reads(), before + 2);
	/* a failure is not remembered */
	decomp_forget(&img);
	memio_fail(file, MEMIO_READ, 0, EIO, false, 0);
	ck_assert_int_eq(decomp_read(&img, desc[0], 0, got, 1), -EIO);
	assert_reads(desc[0]);
	compress_teardown();
}
END_TEST

static int compress_slow_read(void *data, enum memio_op op, uint64_t off, uint64_t len,
			      uint64_t *apply)
{
	(void)data;
	(void)off;
	(void)len;
	(void)apply;
	if (op == MEMIO_READ)
		usleep(20000);
	return 0;
}

static void *reader(void *arg)
{
	uint8_t buf[512];
	int bad = 0;

	for (unsigned i = 0; i < 100 && !bad; i++) {
		bad = decomp_read(&img, *(uint64_t *)arg, i * 512, buf, sizeof(buf)) ||
		      memcmp(buf, want + i * 512, sizeof(buf)) != 0;
	}
	return bad ? arg : NULL;
}

/* However many want a cluster at once, it is read once; the cache may be forgotten meanwhile. */
START_TEST(threads)
{
	pthread_t thread[8];
	uint64_t desc[2];
	void *bad;

	compress_setup(16, 0);
	desc[0] = store_packed(0x10000, -12);
	desc[1] = store_packed(0x20000, -12);
	memio_set_hook(file, compress_slow_read, NULL);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, reader, &desc[i % 2]), 0);
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(thread[i], &bad);
		ck_assert_ptr_null(bad);
	}
	ck_assert_uint_eq(compress_reads(), 2);
	memio_set_hook(file, NULL, NULL);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, reader, &desc[i % 2]), 0);
	for (unsigned i = 0; i < 50; i++)
		decomp_forget(&img);
	for (unsigned i = 0; i < 8; i++) {
		pthread_join(thread[i], &bad);
		ck_assert_ptr_null(bad);
	}
	compress_teardown();
}
END_TEST

static struct zq_io_ops ops;
static const struct zq_io_ops *below;
static bool replace; /* what has just been read */

static int read_then_replace(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	int rc = below->pread(io, buf, len, off);

	if (replace) {
		replace = false;
		decomp_forget(&img);
		want[0] ^= 1;
		store_packed(0x10000, -12);
	}
	return rc;
}

/* Its host cluster is let go and used again while it is being unpacked. */
START_TEST(what_is_forgotten_while_it_is_read_is_not_kept)
{
	uint64_t desc;

	compress_setup(16, 0);
	below = img.file->ops;
	ops = *below;
	ops.pread = read_then_replace;
	img.file->ops = &ops;
	desc = store_packed(0x10000, -12);
	replace = true;
	decomp_read_ahead(&img, desc);
	assert_reads(desc);
	decomp_forget(&img);
	replace = true;
	ck_assert_int_eq(decomp_read(&img, desc, 0, got, 1), 0);
	assert_reads(desc);
	compress_teardown();
}
END_TEST

/* Only what is compressed badly on disk is damaged, and only a reader is told. */
START_TEST(reading_ahead_keeps_what_is_good_and_says_nothing_of_damage)
{
	uint64_t desc[2], before;

	compress_setup(16, 0);
	desc[0] = store_packed(0x10000, -12);
	desc[1] = compress_store(0x20000, (const uint8_t *)"\xff\xff\xff\xff", 4);
	decomp_read_ahead(&img, desc[0]);
	decomp_read_ahead(&img, desc[1]);
	ck_assert_str_eq(last_line, "");
	before = compress_reads();
	assert_reads(desc[0]);
	ck_assert_uint_eq(compress_reads(), before);
	ck_assert_int_eq(decomp_read(&img, desc[1], 0, got, 1), -EIO);
	ck_assert_str_ne(last_line, "");
	compress_teardown();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(extents),
		CHECK_TEST(deflate_windows),
		CHECK_TEST(zstd_frames),
		CHECK_TEST(damaged_zlib),
		CHECK_TEST(damaged_zstd),
		CHECK_TEST(end_of_file),
		CHECK_TEST(cache),
		CHECK_TEST(threads),
		CHECK_TEST(what_is_forgotten_while_it_is_read_is_not_kept),
		CHECK_TEST(reading_ahead_keeps_what_is_good_and_says_nothing_of_damage),
		CHECK_TEST(small_and_large_clusters),
	};

	return check_main("qcow2/compress", tests, ARRAY_SIZE(tests));
}
