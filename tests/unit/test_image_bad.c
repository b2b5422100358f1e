/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Damage behind the header, one fault each: the image opens, what the fault covers gives EIO
 * and a line, all else reads, and the check finds it. Headers are in test_header_bad.c.
 */
#include "check_main.h"
#include "qimage.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/check/check.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/header_read.h"
#include "util/bytes.h"

#define CONV_BIT (UINT64_C(1) << 59)
#define ZONE	 65536u
#define CLUSTER	 4096u
#define NEAR	 (2 * (uint64_t)ZONE)  /* a zone by the first L2 table, which gets the fault */
#define FAR	 (40 * (uint64_t)ZONE) /* one by the second, which must go on */
#define BEYOND	 UINT64_C(0x40000000)  /* behind the end of the file, aligned */

static struct qimage q;
static uint64_t good; /* the word that the fault replaces */
static char lines[8192];

/* Two zones with two clusters each and a conventional one, closed. */
static void image_bad_make(void)
{
	qimage_init(&q);
	q.p.geo.size = 64 * ZONE;
	q.p.geo.nr_zones = 64;
	qimage_create(&q);
	ck_assert_int_eq(qimage_write(&q, 0, 1, CLUSTER), 0);
	ck_assert_int_eq(qimage_append(&q, 2, 2, (size_t)2 * CLUSTER), 0);
	ck_assert_int_eq(qimage_append(&q, 40, 3, (size_t)2 * CLUSTER), 0);
	qimage_commit(&q);
	qimage_commit(&q);
	qimage_close(&q);
}

static void image_bad_found(void *data, enum zq_finding_kind kind, bool fixed, const char *line)
{
	size_t len = strlen(lines);

	(void)data;
	(void)fixed;
	if (kind == ZQ_FOUND_CORRUPTION)
		snprintf(lines + len, sizeof(lines) - len, "%s\n", line);
}

/* The check calls it corruption and says text. */
static void assert_found(const char *text)
{
	struct zq_check_opts o = { .found = image_bad_found };
	struct zq_io *io = memio_open(q.m, "mem", false);
	struct zq_check_result res;
	struct qcow2_header hdr;
	struct zq_error err = { "" };

	lines[0] = '\0';
	ck_assert_msg(qcow2_header_read(io, HEADER_ZONED, &hdr, &err) == 0, "%s", err.msg);
	ck_assert_int_eq(qcow2_check(io, &hdr, &o, &res, &err), 0);
	qcow2_header_free(&hdr);
	io_close(io);
	ck_assert_msg(res.corruptions && strstr(lines, text), "'%s' is not in:\n%s", text, lines);
}

static uint64_t image_bad_entry_place(uint64_t guest)
{
	uint64_t l1 = image_get(q.m, QCOW2_H_L1_OFFSET, 8), cluster = guest / CLUSTER;
	uint64_t l2 = image_get(q.m, l1 + cluster / 512 * 8, 8) & QCOW2_OFFSET_MASK;

	return l2 + cluster % 512 * 8;
}

static uint64_t reftable(void)
{
	return image_get(q.m, QCOW2_H_REFTABLE_OFFSET, 8);
}

static uint64_t meta_offset(void)
{
	uint64_t off;

	qimage_open(&q);
	off = q.img->hdr.zoned.meta_offset;
	qimage_close(&q);
	return off;
}

/* Reads fail there, with a line that says text, and nowhere else. */
static void assert_eio(uint64_t off, const char *text)
{
	uint8_t buf[512];

	q.nr_logged = 0;
	ck_assert_int_eq(qcow2_read(q.img, off, buf, sizeof(buf)), -EIO);
	ck_assert_uint_eq(q.nr_logged, 1);
	ck_assert_msg(strstr(q.logged, text), "'%s' is not in: %s", text, q.logged);
}

static void assert_far_goes_on(void)
{
	qimage_expect(&q, FAR, (size_t)2 * CLUSTER, 3);
	ck_assert_int_eq(qimage_append(&q, 40, 3, CLUSTER), 0);
	qimage_commit(&q);
	qimage_expect(&q, FAR, (size_t)3 * CLUSTER, 3);
}

/* ---- L2 entries ------------------------------------------------------------------------------ */

static void bad_l2(uint64_t word, const char *finding)
{
	image_bad_make();
	image_put(q.m, image_bad_entry_place(NEAR), 8, word);
	assert_found(finding);
	qimage_open(&q);
	assert_eio(NEAR, "L2 entry of guest offset 0x20000 is damaged");
	qimage_expect(&q, NEAR + CLUSTER, CLUSTER, 2);
	qimage_expect(&q, 0, CLUSTER, 1);
	assert_far_goes_on();
	qimage_free(&q);
}

static void learn_good(void)
{
	image_bad_make();
	good = image_get(q.m, image_bad_entry_place(NEAR), 8);
	ck_assert(good & QCOW2_COPIED);
	qimage_free(&q);
}

START_TEST(l2_reserved_bits)
{
	learn_good();
	for (unsigned bit = 1; bit < 62; bit++)
		if (QCOW2_L2_RESERVED >> bit & 1)
			bad_l2(good | UINT64_C(1) << bit, "reserved bits are set");
}
END_TEST

START_TEST(l2_offsets)
{
	learn_good();
	for (unsigned bit = 9; bit < 12; bit++)
		bad_l2(good | UINT64_C(1) << bit, "not aligned");
	for (unsigned bit = 30; bit < 56; bit++)
		bad_l2(QCOW2_COPIED | UINT64_C(1) << bit, "behind the end of the file");
}
END_TEST

START_TEST(l2_into_metadata)
{
	uint64_t l1, table, meta;

	image_bad_make();
	l1 = image_get(q.m, QCOW2_H_L1_OFFSET, 8);
	table = reftable();
	meta = meta_offset();
	qimage_free(&q);
	bad_l2(QCOW2_COPIED | l1, "and as data");
	bad_l2(QCOW2_COPIED | table, "and as data");
	bad_l2(QCOW2_COPIED | meta, "and as data");
}
END_TEST

START_TEST(l2_compressed)
{
	learn_good();
	bad_l2(QCOW2_COMPRESSED | BEYOND, "behind the end of the file");
	bad_l2(QCOW2_COMPRESSED | 8, "used as");
}
END_TEST

/* A descriptor that is in order and leads to bytes that are no compressed cluster. */
START_TEST(compressed_garbage)
{
	uint64_t host;

	learn_good();
	image_bad_make();
	host = good & QCOW2_OFFSET_MASK;
	memio_poke(q.m, host, "\xff\xff\xff\xff", 4);
	image_put(q.m, image_bad_entry_place(NEAR), 8, QCOW2_COMPRESSED | host);
	qimage_open(&q);
	assert_eio(NEAR, "compressed cluster");
	qimage_expect(&q, NEAR + CLUSTER, CLUSTER, 2);
	assert_far_goes_on();
	qimage_free(&q);
}
END_TEST

/* ---- L1 entries ------------------------------------------------------------------------------ */

static void bad_l1(uint64_t word, const char *finding)
{
	image_bad_make();
	image_put(q.m, image_get(q.m, QCOW2_H_L1_OFFSET, 8), 8, word);
	assert_found(finding);
	qimage_open(&q);
	assert_eio(NEAR, "L1 entry 0 is damaged");
	assert_eio(0, "L1 entry 0 is damaged");
	assert_far_goes_on();
	/* and so do writes there: nothing may be put into a table that is none */
	ck_assert_int_eq(qimage_append(&q, 2, 2, 512), -EUCLEAN);
	qimage_free(&q);
}

START_TEST(l1_entries)
{
	uint64_t l1, table, meta;

	image_bad_make();
	l1 = image_get(q.m, QCOW2_H_L1_OFFSET, 8);
	good = image_get(q.m, l1, 8);
	table = reftable();
	meta = meta_offset();
	qimage_free(&q);
	for (unsigned bit = 0; bit < 63; bit++) {
		if (bit < 9 || bit > 55)
			bad_l1(good | UINT64_C(1) << bit, "reserved bits are set");
		else if (bit < 12)
			bad_l1(good | UINT64_C(1) << bit, "not aligned");
		else if (bit >= 30)
			bad_l1(QCOW2_COPIED | UINT64_C(1) << bit, "behind the end of the file");
	}
	bad_l1(QCOW2_COPIED | l1, "used");
	bad_l1(QCOW2_COPIED | table, "used");
	bad_l1(QCOW2_COPIED | meta, "used");
}
END_TEST

/* ---- refcounts ------------------------------------------------------------------------------- */

/* Reads do not need counts. What wants a new cluster is refused, and the file stays as it is, but
 * for the corrupt bit where the counts would have had a table overwritten. */
static void bad_refcounts(const char *finding, bool overlaps)
{
	struct memio *before = memio_clone(q.m);

	if (finding)
		assert_found(finding);
	qimage_open(&q);
	qimage_expect(&q, NEAR, (size_t)2 * CLUSTER, 2);
	qimage_expect(&q, FAR, (size_t)2 * CLUSTER, 3);
	q.nr_logged = 0;
	ck_assert_int_eq(qimage_append(&q, 5, 5, CLUSTER), -EUCLEAN);
	ck_assert_uint_ge(q.nr_logged, 1);
	ck_assert_msg(strstr(q.logged, "refcount"), "%s", q.logged);
	qimage_close(&q);
	if (overlaps) {
		uint64_t bits = image_get(q.m, QCOW2_H_INCOMPAT, 8);

		ck_assert(bits & QCOW2_INCOMPAT_CORRUPT);
		image_put(q.m, QCOW2_H_INCOMPAT, 8, bits & ~QCOW2_INCOMPAT_CORRUPT);
	}
	ck_assert(memio_equal(before, q.m, NULL));
	memio_free(before);
	memio_free(q.m);
}

START_TEST(refcount_table)
{
	uint64_t l1;

	image_bad_make();
	good = image_get(q.m, reftable(), 8);
	l1 = image_get(q.m, QCOW2_H_L1_OFFSET, 8);
	memio_free(q.m);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (bit >= 12 && bit < 30)
			continue; /* may be a cluster of the file */
		image_bad_make();
		image_put(q.m, reftable(), 8,
			  bit < 12 ? good | UINT64_C(1) << bit : UINT64_C(1) << bit);
		bad_refcounts(bit < 9	 ? "reserved bits"
			      : bit < 12 ? "not cluster aligned"
					 : "behind the end of the file",
			      false);
	}
	image_bad_make();
	image_put(q.m, reftable(), 8, l1);
	bad_refcounts("used for something else", false);
	image_bad_make();
	image_put(q.m, reftable(), 8, 0);
	bad_refcounts("no refcount block", true);
}
END_TEST

/* The clusters of the header, of all tables and of the refcount block itself, each called free. */
START_TEST(counts_of_tables)
{
	uint64_t off[8];
	unsigned nr = 0;

	image_bad_make();
	off[nr++] = 0;
	off[nr++] = reftable();
	off[nr++] = image_get(q.m, reftable(), 8);
	off[nr++] = image_get(q.m, QCOW2_H_L1_OFFSET, 8);
	off[nr++] = meta_offset();
	off[nr++] = image_get(q.m, off[3], 8) & QCOW2_OFFSET_MASK;
	off[nr++] = image_get(q.m, off[3] + 8, 8) & QCOW2_OFFSET_MASK;
	memio_free(q.m);
	for (unsigned i = 0; i < nr; i++) {
		image_bad_make();
		qimage_poke_count(&q, off[i] / CLUSTER, 0);
		bad_refcounts("refcount 0, 1 reference", true);
	}
}
END_TEST

/* ---- write pointers -------------------------------------------------------------------------- */

static void bad_pointer(uint32_t zone, uint64_t word, const char *finding)
{
	enum qcow2_wp_kind kind;

	image_bad_make();
	image_put(q.m, meta_offset() + zone * 8, 8, word);
	assert_found(finding);
	qimage_open(&q);
	ck_assert(qcow2_writable(q.img));
	ck_assert_uint_eq(qcow2_zoned(q.img)->corrupt, 1);
	qcow2_wp_get(q.img, zone, &kind);
	ck_assert_int_eq((int)kind, QCOW2_WP_CORRUPT);
	qcow2_wp_get(q.img, 40, &kind);
	ck_assert_int_eq((int)kind, QCOW2_WP_SEQ);
	assert_far_goes_on();
	qimage_free(&q);
}

START_TEST(pointers)
{
	bad_pointer(2, NEAR - 1, "outside of its zone");
	bad_pointer(2, 0, "outside of its zone");
	bad_pointer(2, NEAR + ZONE + 1, "outside of its zone");
	for (unsigned bit = 20; bit < 59; bit++)
		bad_pointer(2, NEAR | UINT64_C(1) << bit, "outside of its zone");
	bad_pointer(2, NEAR | CONV_BIT, "bit 59 says conventional");
	bad_pointer(0, 0, "bit 59 says sequential");
	bad_pointer(63, 63 * (uint64_t)ZONE - 512, "outside of its zone");
}
END_TEST

START_TEST(most_pointers)
{
	uint64_t meta;

	image_bad_make();
	meta = meta_offset();
	for (uint32_t i = 2; i < 40; i++)
		image_put(q.m, meta + i * 8, 8, UINT64_C(0x0123456789abcdef));
	qimage_open(&q);
	ck_assert(!qcow2_writable(q.img));
	ck_assert_str_eq(qcow2_readonly_reason(q.img),
			 "more than half of its write pointers are damaged; \"zqfs check\" tells "
			 "more");
	qimage_expect(&q, FAR, (size_t)2 * CLUSTER, 3);
	qimage_free(&q);
}
END_TEST

/* ---- files that are too short ---------------------------------------------------------------- */

/* Cut anywhere, the image is refused with a sentence or gives EIO or zeros, never more. */
START_TEST(cut_off)
{
	uint64_t size;
	unsigned opened = 0, refused = 0;

	image_bad_make();
	size = memio_size(q.m);
	memio_free(q.m);
	for (uint64_t at = 0; at < size; at += at < 8192 ? 97 : 1531) {
		struct qcow2_open_opts o = { .zoned = true, .lock = ZQ_LOCK_READ };
		struct zq_error err = { "" };
		uint8_t buf[512];

		image_bad_make();
		memio_resize(q.m, at);
		if (qcow2_open(memio_open(q.m, "mem", false), &o, &q.img, &err)) {
			ck_assert_msg(!strncmp(err.msg, "mem: ", 5), "%s", err.msg);
			ck_assert_uint_eq(memio_open_count(q.m), 0);
			q.img = NULL;
			refused++;
		} else {
			for (uint64_t off = 0; off < 64 * ZONE; off += CLUSTER) {
				int rc = qcow2_read(q.img, off, buf, sizeof(buf));

				ck_assert(rc == 0 || rc == -EIO);
			}
			opened++;
		}
		qimage_free(&q);
	}
	ck_assert_uint_gt(opened, 10);
	ck_assert_uint_gt(refused, 10);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(l2_reserved_bits),
		CHECK_TEST(l2_offsets),
		CHECK_TEST(l2_into_metadata),
		CHECK_TEST(l2_compressed),
		CHECK_TEST(compressed_garbage),
		CHECK_TEST(l1_entries),
		CHECK_TEST(refcount_table),
		CHECK_TEST(counts_of_tables),
		CHECK_TEST(pointers),
		CHECK_TEST(most_pointers),
		CHECK_TEST(cut_off),
	};

	return check_main("image/bad", tests, ARRAY_SIZE(tests));
}
