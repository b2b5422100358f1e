/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The write pointer table: which byte order it has, which words make no sense, and that
 * writing keeps the order, the other words, and what a damaged one says.
 */
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "qcow2/engine/wptable.h"
#include "qcow2/format/zoned_word.h"
#include "qimage.h"
#include "util/bytes.h"

#define NR	 8u
#define CONV_BIT (UINT64_C(1) << 59)
#define ZS	 UINT64_C(65536)

static struct qimage q;

static void put_word(uint32_t zone, uint64_t word, bool little)
{
	uint64_t at = q.img->hdr.zoned.meta_offset + zone * 8;
	uint8_t b[8];

	if (little)
		put_le64(b, word);
	else
		put_be64(b, word);
	memio_poke(q.m, at, b, sizeof(b));
}

static uint64_t good(uint32_t zone)
{
	return zone < 2 ? CONV_BIT | zone * ZS : zone * ZS + 512 * zone;
}

/* Fills the table of an image with words in a byte order and opens it again. */
static void wptable_with_table(const uint64_t *words, bool little)
{
	qimage_init(&q);
	qimage_create(&q);
	for (uint32_t i = 0; i < NR; i++)
		put_word(i, words[i], little);
	qimage_close(&q);
	qimage_open(&q);
}

START_TEST(word_is_judged_by_its_zone)
{
	struct zq_geometry g = {
		.size = 8 * ZS - 512, .zone_size = ZS, .nr_zones = 8, .nr_conv = 2
	};
	static const struct {
		uint32_t zone;
		uint64_t word;
		bool sane;
	} cases[] = {
		{ 0, CONV_BIT, true },
		{ 1, CONV_BIT | ZS, true },
		{ 1, CONV_BIT | (ZS + 512), false },
		{ 1, ZS, false }, /* the type disagrees */
		{ 2, CONV_BIT | 2 * ZS, false },
		{ 2, 2 * ZS, true },
		{ 2, 2 * ZS - 1, false },
		{ 2, 2 * ZS + 77, true }, /* QEMU's may stand at any byte */
		{ 2, 3 * ZS, true },
		{ 2, 3 * ZS + 1, false },
		{ 2, UINT64_C(0xf) << 60 | 2 * ZS, true }, /* an early revision's state */
		{ 7, 8 * ZS, true }, /* finished, though the disk ends before */
		{ 7, 8 * ZS + 512, false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++)
		ck_assert_msg(zoned_word_sane(zoned_layout_named("56"), &g, cases[i].zone,
					      cases[i].word) == cases[i].sane,
			      "case %u", i);
}
END_TEST

START_TEST(byte_order_is_that_of_more_sane_words)
{
	uint64_t words[NR];

	for (uint32_t i = 0; i < NR; i++)
		words[i] = good(i);
	wptable_with_table(words, _i);
	ck_assert_int_eq(qcow2_zoned(q.img)->little_endian, _i);
	ck_assert_uint_eq(qcow2_zoned(q.img)->corrupt, 0);
	for (uint32_t i = 0; i < NR; i++) {
		enum qcow2_wp_kind kind;

		ck_assert_uint_eq(qcow2_wp_get(q.img, i, &kind), good(i) & (CONV_BIT - 1));
		ck_assert_int_eq(kind, i < 2 ? QCOW2_WP_CONV : QCOW2_WP_SEQ);
	}
	ck_assert(qcow2_writable(q.img));
	qimage_free(&q);
}
END_TEST

START_TEST(few_bad_words_do_not_change_the_order)
{
	uint64_t words[NR];
	enum qcow2_wp_kind kind;

	for (uint32_t i = 0; i < NR; i++)
		words[i] = good(i);
	words[0] = UINT64_C(0x0123456789abcdef);
	words[4] = 3 * ZS;
	words[6] = CONV_BIT | 6 * ZS;
	wptable_with_table(words, _i);
	ck_assert_int_eq(qcow2_zoned(q.img)->little_endian, _i);
	ck_assert_uint_eq(qcow2_zoned(q.img)->corrupt, 3);
	ck_assert(qcow2_writable(q.img));
	qcow2_wp_get(q.img, 4, &kind);
	ck_assert_int_eq(kind, QCOW2_WP_CORRUPT);
	qcow2_wp_get(q.img, 0, &kind);
	ck_assert_int_eq(kind, QCOW2_WP_CORRUPT);
	qcow2_wp_get(q.img, 5, &kind);
	ck_assert_int_eq(kind, QCOW2_WP_SEQ);
	qimage_free(&q);
}
END_TEST

START_TEST(tie_is_big_endian)
{
	uint64_t words[NR];

	/* as many sane in one order as in the other */
	for (uint32_t i = 0; i < NR; i++)
		words[i] = i % 2 ? good(i) : __builtin_bswap64(good(i));
	wptable_with_table(words, false);
	ck_assert(!qcow2_zoned(q.img)->little_endian);
	ck_assert_uint_eq(qcow2_zoned(q.img)->corrupt, 4);
	ck_assert(qcow2_writable(q.img)); /* half is not more than half */
	qimage_free(&q);
}
END_TEST

START_TEST(mostly_damaged_table_is_read_only)
{
	uint64_t words[NR];

	for (uint32_t i = 0; i < NR; i++)
		words[i] = i < 3 ? good(i) : UINT64_MAX;
	wptable_with_table(words, false);
	ck_assert_uint_eq(qcow2_zoned(q.img)->corrupt, 5);
	ck_assert(!qcow2_writable(q.img));
	ck_assert_ptr_nonnull(strstr(qcow2_readonly_reason(q.img), "write pointers"));
	qimage_free(&q);
}
END_TEST

START_TEST(writing_keeps_order_and_other_words)
{
	uint64_t words[NR], at;
	uint8_t before[NR * 8], after[NR * 8], want[8];

	for (uint32_t i = 0; i < NR; i++)
		words[i] = good(i);
	words[6] = UINT64_C(0x7fffffffffffffff); /* damaged: stays as it is */
	wptable_with_table(words, _i);
	at = qcow2_zoned(q.img)->table_offset;
	memio_peek(q.m, at, before, sizeof(before));
	qcow2_wp_forward(q.img, 3, 3 * ZS + 8192);
	memio_peek(q.m, at, after, sizeof(after));
	ck_assert_mem_eq(before, after, sizeof(before)); /* only a commit writes */
	qimage_commit(&q);
	memio_peek(q.m, at, after, sizeof(after));
	if (_i)
		put_le64(want, 3 * ZS + 8192);
	else
		put_be64(want, 3 * ZS + 8192);
	ck_assert_mem_eq(after + 24, want, 8);
	ck_assert_mem_eq(after, before, 24);
	ck_assert_mem_eq(after + 32, before + 32, sizeof(after) - 32);
	qcow2_wp_back(q.img, 3);
	qimage_reopen(&q);
	ck_assert_uint_eq(qcow2_wp_now(q.img, 3), 3 * ZS);
	ck_assert_int_eq(qcow2_zoned(q.img)->little_endian, _i);
	qimage_free(&q);
}
END_TEST

/* Whatever a commit writes, no write covers the word of this zone. */
static void expect_not_written(uint32_t zone)
{
	uint64_t at = qcow2_zoned(q.img)->table_offset + zone * 8;
	const struct memio_entry *e;

	for (size_t i = 0; (e = memio_log_get(q.m, i)); i++)
		ck_assert_msg(e->op != MEMIO_WRITE || at + 8 <= e->off || e->off + e->len <= at,
			      "the word of zone %u is written", zone);
}

/* What the newest QEMU refuses, within a block or outside of its zone, is not written again. */
START_TEST(foreign_words_are_not_written_again)
{
	qimage_init(&q);
	q.p.layout = zoned_layout_named("44");
	q.p.geo.max_append = 0;
	qimage_create(&q);
	put_word(3, 3 * ZS + 700, false);
	put_word(6, 99 * ZS, false);
	qimage_close(&q);
	qimage_open(&q);
	qcow2_wp_forward(q.img, 2, 2 * ZS + 512);
	qcow2_wp_forward(q.img, 4, 4 * ZS + 512);
	qcow2_wp_forward(q.img, 7, 7 * ZS + 512);
	memio_log_start(q.m);
	qimage_commit(&q);
	expect_not_written(3);
	expect_not_written(6);
	ck_assert_uint_eq(qimage_disk_wp(&q, 2), 2 * ZS + 512);
	ck_assert_uint_eq(qimage_disk_wp(&q, 3), 3 * ZS + 700);
	ck_assert_uint_eq(qimage_disk_wp(&q, 4), 4 * ZS + 512);
	ck_assert_uint_eq(qimage_disk_wp(&q, 6), 99 * ZS);
	ck_assert_uint_eq(qimage_disk_wp(&q, 7), 7 * ZS + 512);
	/* once it is padded the block is one write again */
	qcow2_wp_forward(q.img, 3, 3 * ZS + 1024);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_wp(&q, 3), 3 * ZS + 1024);
	qimage_free(&q);
}
END_TEST

START_TEST(many_zones_in_few_writes)
{
	qimage_init(&q);
	q.p.geo.size = 1000 * ZS;
	q.p.geo.nr_zones = 1000;
	qimage_create(&q);
	for (uint32_t i = 999; i >= 2; i--)
		qcow2_wp_forward(q.img, i, i * ZS + 512);
	memio_log_start(q.m);
	qimage_commit(&q);
	ck_assert_uint_le(memio_log_count(q.m), 4);
	for (uint32_t i = 2; i < 1000; i++)
		ck_assert_uint_eq(qimage_disk_wp(&q, i), i * ZS + 512);
	/* far from each other: one block each */
	qcow2_wp_forward(q.img, 5, 5 * ZS + 1024);
	qcow2_wp_forward(q.img, 900, 900 * ZS + 1024);
	memio_log_start(q.m);
	qimage_commit(&q);
	ck_assert_uint_eq(memio_log_count(q.m), 3);
	ck_assert_uint_eq(memio_log_get(q.m, 0)->len, 512);
	ck_assert_uint_eq(memio_log_get(q.m, 1)->len, 512);
	qimage_free(&q);
}
END_TEST

START_TEST(settle_brings_pointers_back_on_disk)
{
	qimage_init(&q);
	qimage_create(&q);
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 512), 0);
	qimage_commit(&q);
	qcow2_wp_back(q.img, 3);
	ck_assert_uint_eq(qimage_disk_wp(&q, 3), 3 * ZS + 512);
	ck_assert_int_eq(qcow2_wp_settle(q.img), 0);
	ck_assert_uint_eq(qimage_disk_wp(&q, 3), 3 * ZS);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(word_is_judged_by_its_zone),
		CHECK_LOOP(byte_order_is_that_of_more_sane_words, 2),
		CHECK_LOOP(few_bad_words_do_not_change_the_order, 2),
		CHECK_TEST(tie_is_big_endian),
		CHECK_TEST(mostly_damaged_table_is_read_only),
		CHECK_LOOP(writing_keeps_order_and_other_words, 2),
		CHECK_TEST(foreign_words_are_not_written_again),
		CHECK_TEST(many_zones_in_few_writes),
		CHECK_TEST(settle_brings_pointers_back_on_disk),
	};

	return check_main("qcow2/wptable", tests, ARRAY_SIZE(tests));
}
