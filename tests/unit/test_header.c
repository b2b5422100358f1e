/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers that are good: what was encoded is read again, and what other programs write, or
 * will write one day, is accepted.
 */
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image_file.h"
#include "qcow2/format/format.h"
#include "util/math.h"

static void read_ok(struct memio *m, bool want_zoned, struct qcow2_header *h)
{
	struct zq_error err = { "" };

	ck_assert_msg(image_file_header(m, "disk.qcow2", want_zoned, h, &err) == 0, "%s", err.msg);
}

/* Cluster sizes by refcount widths by layouts. */
START_TEST(round_trip)
{
	struct qcow2_create_params p = image_params_header();
	struct qcow2_header h;
	struct memio *m;

	p.cluster_bits = 9 + (unsigned)_i % 13;
	p.refcount_order = (unsigned)_i / 13 % 7;
	p.layout = zoned_layout_at((unsigned)_i % 4);
	if (!zoned_layout_has(p.layout->max_append))
		p.geo.max_append = 0;
	p.compression_type = _i >> 1 & 1;
	p.lazy_refcounts = _i >> 2 & 1;
	p.extended_l2 = p.cluster_bits >= 14 && (_i & 1);
	m = image_file_make(&p, "disk.qcow2", NULL);
	read_ok(m, true, &h);
	ck_assert_uint_eq(h.version, 3);
	ck_assert_uint_eq(h.cluster_bits, p.cluster_bits);
	ck_assert_uint_eq(h.refcount_order, p.refcount_order);
	ck_assert_uint_eq(h.size, p.geo.size);
	ck_assert_uint_eq(h.header_length, 112);
	ck_assert_uint_eq(h.compression_type, p.compression_type);
	ck_assert_uint_eq(h.incompat,
			  QCOW2_INCOMPAT_ZONED |
				  (p.compression_type ? QCOW2_INCOMPAT_COMPRESSION : 0) |
				  (p.extended_l2 ? QCOW2_INCOMPAT_EXTL2 : 0));
	ck_assert_uint_eq(h.compat, p.lazy_refcounts ? QCOW2_COMPAT_LAZY : 0);
	ck_assert_uint_eq(h.autoclear, 0);
	ck_assert_ptr_eq(h.zoned.layout, p.layout);
	ck_assert_uint_eq(h.zoned.meta_size, 80);
	ck_assert_mem_eq(&h.zoned.geo, &p.geo, sizeof(p.geo));
	ck_assert_ptr_null(h.backing_file);
	ck_assert_ptr_null(h.data_file);
	ck_assert_uint_eq(h.file_size, memio_size(m));
	/* the names of features, unless they do not fit */
	if (p.cluster_bits == 9) {
		ck_assert_uint_eq(image_get(m, 112, 4), QCOW2_EXT_ZONED);
	} else {
		ck_assert_uint_eq(image_get(m, 112, 4), QCOW2_EXT_FEATURE_NAMES);
		ck_assert_uint_eq(image_get(m, 116, 4), 9 * 48);
		ck_assert_uint_eq(h.ext_end, 568 + align_up(p.layout->len, 8));
	}
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

/* "zoned format" is in the table as type 0, bit 5. */
START_TEST(feature_names)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	unsigned found = 0;

	for (uint64_t at = 120; at < 120 + 9 * 48; at += 48) {
		char name[47] = "";

		memio_peek(m, at + 2, name, 46);
		if (!strcmp(name, "zoned format")) {
			ck_assert_uint_eq(image_get(m, at, 2), 0x0005);
			found++;
		}
		if (!strcmp(name, "lazy refcounts")) {
			ck_assert_uint_eq(image_get(m, at, 2), 0x0100);
			found++;
		}
		if (!strcmp(name, "raw external data")) {
			ck_assert_uint_eq(image_get(m, at, 2), 0x0201);
			found++;
		}
	}
	ck_assert_uint_eq(found, 3);
	memio_free(m);
}
END_TEST

START_TEST(names_of_other_files)
{
	struct qcow2_create_params p = image_params_header();
	struct qcow2_header h;
	struct memio *m;

	p.backing_file = "../some where/base image.qcow2";
	p.backing_format = "qcow2";
	p.data_file = "disk.data";
	m = image_file_make(&p, "disk.qcow2", NULL);
	read_ok(m, true, &h);
	ck_assert_str_eq(h.backing_file, p.backing_file);
	ck_assert_str_eq(h.backing_format, "qcow2");
	ck_assert_str_eq(h.data_file, "disk.data");
	ck_assert_uint_eq(h.incompat, QCOW2_INCOMPAT_ZONED | QCOW2_INCOMPAT_DATA_FILE);
	ck_assert_uint_eq(h.backing_offset, h.ext_end);
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

/* Names that leave no room for the feature names push these out, and are refused at last. */
START_TEST(long_names)
{
	struct qcow2_header h;
	uint8_t cluster[2048];
	char name[1025];
	struct zq_error err = { "" };

	memset(name, 'n', sizeof(name));
	h = (struct qcow2_header){ .version = 3, .cluster_bits = 10, .backing_file = name };
	name[454] = '\0'; /* 112 + 440 + 8 + 464 = 1024 */
	ck_assert_int_eq(qcow2_header_encode(&h, cluster, &err), 0);
	ck_assert_uint_eq(cluster[112], 0x68);
	name[454] = 'n';
	name[465] = '\0';
	ck_assert_int_eq(qcow2_header_encode(&h, cluster, &err), 0);
	ck_assert_uint_eq(cluster[112], 0);
	name[465] = 'n';
	name[904] = '\0'; /* 112 + 8 + 904 = 1024 */
	ck_assert_int_eq(qcow2_header_encode(&h, cluster, &err), 0);
	name[904] = 'n';
	name[905] = '\0';
	ck_assert_int_eq(qcow2_header_encode(&h, cluster, &err), -E2BIG);
	ck_assert_str_eq(err.msg, "the header and the names of other files do not fit into a "
				  "cluster of 1024 bytes");
	h.cluster_bits = 11;
	name[905] = 'n';
	name[1023] = '\0';
	ck_assert_int_eq(qcow2_header_encode(&h, cluster, &err), 0);
	name[1023] = 'n';
	name[1024] = '\0';
	ck_assert_int_eq(qcow2_header_encode(&h, cluster, &err), -E2BIG);
	ck_assert_str_eq(err.msg, "backing_file: 1024 bytes are more than 1023");
}
END_TEST

static const struct {
	uint64_t off;
	unsigned bytes;
	uint64_t value;
} harmless[] = {
	{ 72, 8, 0x21 },		/* dirty */
	{ 72, 8, 0x22 },		/* corrupt: read-only, but it opens */
	{ 80, 8, UINT64_MAX },		/* unknown compatible features */
	{ 88, 8, UINT64_MAX - 2 },	/* unknown autoclear features */
	{ 88, 8, 1 },			/* bitmaps valid, though there are none */
	{ 105, 4, 0x01020304 },		/* padding of the header */
	{ 561, 2, 0xffff },		/* reserved bytes of the zoned extension */
	{ 64, 8, 0x123 },		/* place of a snapshot table, without snapshots */
	{ 16, 4, 5000 },		/* length of a backing file's name, without one */
	{ 112, 4, 0x11111111 },		/* an extension that nobody knows */
	{ 116, 4, 431 },		/* a length that is not a multiple of 8 */
	{ 36, 4, 8192 },		/* an L1 table larger than needed */
	{ 616, 4, 0x23852875 },		/* bitmaps of no length, not valid */
	{ 616, 8, 0x4441544100000004 }, /* a data file's name without the feature */
};

START_TEST(accepted)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	struct qcow2_header h;

	image_put(m, 624, 4, 0x61626364);
	image_put(m, harmless[_i].off, harmless[_i].bytes, harmless[_i].value);
	read_ok(m, true, &h);
	ck_assert_mem_eq(&h.zoned.geo, &p.geo, sizeof(p.geo));
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

/* Files of QEMU may end right behind the last word of a table. */
START_TEST(short_end_of_file)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	struct qcow2_header h;

	memio_resize(m, 262152); /* L1: one word */
	read_ok(m, true, &h);
	qcow2_header_free(&h);
	image_put(m, 40, 8, 0x30000); /* L1 and write pointers change places */
	image_put(m, 608, 8, 0x40000);
	memio_resize(m, 262144 + 80);
	read_ok(m, true, &h);
	qcow2_header_free(&h);
	image_put(m, 608, 8, 0x10000); /* write pointers and refcount table do */
	image_put(m, 48, 8, 0x40000);
	memio_resize(m, 262144 + 1);
	read_ok(m, true, &h);
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

/* A larger header, of a revision to come. */
START_TEST(newer_revision)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	struct qcow2_header h;
	uint8_t exts[512];

	memio_peek(m, 112, exts, sizeof(exts));
	image_put(m, 112, 8, UINT64_MAX); /* fields that nobody knows */
	memio_poke(m, 120, exts, sizeof(exts));
	image_put(m, 100, 4, 120);
	read_ok(m, true, &h);
	ck_assert_uint_eq(h.header_length, 120);
	ck_assert_str_eq(h.zoned.layout->name, "56");
	ck_assert_uint_eq(h.ext_end, 632);
	ck_assert_mem_eq(&h.zoned.geo, &p.geo, sizeof(p.geo));
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

/* With 104 bytes there is no compression_type: what stands there is an extension. */
START_TEST(shortest_header)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	struct qcow2_header h;
	uint8_t exts[512];

	memio_peek(m, 112, exts, sizeof(exts));
	memio_poke(m, 104, exts, sizeof(exts));
	image_put(m, 100, 4, 104);
	read_ok(m, true, &h);
	ck_assert_uint_eq(h.compression_type, 0);
	ck_assert_mem_eq(&h.zoned.geo, &p.geo, sizeof(p.geo));
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

/* The marker of the end may be missing where the extensions fill their space. */
START_TEST(no_end_marker)
{
	struct qcow2_create_params p = image_params_header();
	struct qcow2_header h;
	struct memio *m;

	p.cluster_bits = 9;
	m = image_file_make(&p, "disk.qcow2", NULL);
	image_put(m, 176, 8, (UINT64_C(0x11111111) << 32) | (512 - 184));
	read_ok(m, true, &h);
	ck_assert_uint_eq(h.ext_end, 512);
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

START_TEST(bitmaps)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	struct qcow2_header h;

	image_put(m, 88, 8, 1);
	image_put(m, 616, 8, 0x2385287500000018);
	image_put(m, 624, 4, 3);
	image_put(m, 632, 8, 96);
	image_put(m, 640, 8, 0x50000);
	memio_resize(m, 0x60000);
	read_ok(m, true, &h);
	ck_assert_uint_eq(h.nb_bitmaps, 3);
	ck_assert_uint_eq(h.bitmap_dir_size, 96);
	ck_assert_uint_eq(h.bitmap_dir_offset, 0x50000);
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

/* As backing files of qemu-img, also of old: version 2 with and without extensions. */
START_TEST(version_2)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	struct qcow2_header h;

	image_put(m, 4, 4, 2);
	image_put(m, 72, 8, 0);
	image_put(m, 96, 8, UINT64_MAX); /* not a part of this header */
	read_ok(m, false, &h);
	ck_assert_uint_eq(h.version, 2);
	ck_assert_uint_eq(h.refcount_order, 4);
	ck_assert_uint_eq(h.header_length, 72);
	ck_assert_uint_eq(h.incompat | h.compat | h.autoclear, 0);
	ck_assert(!h.zoned.present);
	qcow2_header_free(&h);
	image_put(m, 72, 8, 0xe2792aca00000003); /* "raw", then a name without end marker */
	image_put(m, 80, 4, 0x72617700);
	image_put(m, 88, 4, 0x62617365);
	image_put(m, 8, 8, 88);
	image_put(m, 16, 4, 4);
	read_ok(m, false, &h);
	ck_assert_str_eq(h.backing_format, "raw");
	ck_assert_str_eq(h.backing_file, "base");
	qcow2_header_free(&h);
	memio_free(m);
}
END_TEST

START_TEST(read_errors)
{
	struct qcow2_create_params p = image_params_header();

	for (unsigned n = 0; n < 2; n++) {
		struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
		struct qcow2_header h;
		struct zq_error err = { "" };

		memio_fail(m, MEMIO_READ, n, EIO, true, 0);
		ck_assert_int_eq(image_file_header(m, "disk.qcow2", true, &h, &err), -EIO);
		ck_assert_str_eq(err.msg, "disk.qcow2: reading the header: Input/output error");
		memio_free(m);
	}
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_LOOP(round_trip, 13 * 7 * 2),
		CHECK_TEST(feature_names),
		CHECK_TEST(names_of_other_files),
		CHECK_TEST(long_names),
		CHECK_LOOP(accepted, ARRAY_SIZE(harmless)),
		CHECK_TEST(short_end_of_file),
		CHECK_TEST(newer_revision),
		CHECK_TEST(shortest_header),
		CHECK_TEST(no_end_marker),
		CHECK_TEST(bitmaps),
		CHECK_TEST(version_2),
		CHECK_TEST(read_errors),
	};

	return check_main("header", tests, ARRAY_SIZE(tests));
}
