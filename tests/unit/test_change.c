/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Before the first change: refcounts that a killed machine left behind are rebuilt, autoclear
 * bits are cleared, and whatever fails on the way leaves an image that is read as before and
 * can be tried again.
 */
#include <check.h>
#include <errno.h>

#include "check_main.h"
#include "qimage.h"

#define KEPT  3u /* zone with data whose counts are missing on disk */
#define OTHER 4u /* zone that is written while the image is dirty */
#define LEN   65536u

/* As lazy refcounts leave an image: data is mapped, its counts are 0, the dirty bit is set. */
static void make_dirty(struct qimage *q)
{
	uint64_t first;

	qimage_init(q);
	qimage_create(q);
	ck_assert_int_eq(qimage_append(q, KEPT, 0x33, LEN), 0);
	qimage_commit(q);
	first = (qimage_disk_entry(q, KEPT * LEN, NULL) & QCOW2_OFFSET_MASK) >> 12;
	qimage_close(q);
	for (uint64_t c = first; c < first + LEN / 4096; c++)
		qimage_poke_count(q, c, 0);
	image_put(q->m, QCOW2_H_INCOMPAT, 8,
		  image_get(q->m, QCOW2_H_INCOMPAT, 8) | QCOW2_INCOMPAT_DIRTY);
}

static bool is_dirty(struct qimage *q)
{
	return image_get(q->m, QCOW2_H_INCOMPAT, 8) & QCOW2_INCOMPAT_DIRTY;
}

START_TEST(rebuilds_before_the_first_write)
{
	struct qimage q;

	make_dirty(&q);
	qimage_open(&q);
	qimage_expect(&q, KEPT * LEN, LEN, 0x33);
	ck_assert(is_dirty(&q)); /* reading changes nothing */
	ck_assert_int_eq(qimage_append(&q, OTHER, 0x44, LEN), 0);
	ck_assert(!is_dirty(&q));
	qimage_reopen(&q);
	qimage_expect(&q, KEPT * LEN, LEN, 0x33);
	qimage_expect(&q, OTHER * LEN, LEN, 0x44);
	qimage_close(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_free(&q);
}
END_TEST

/* What can fail while refcounts are rebuilt. */
static const enum memio_op kinds[] = { MEMIO_READ, MEMIO_WRITE, MEMIO_FLUSH };

/*
 * The n-th operation fails once: the write fails with it, or it came after the rebuild. Either way
 * nothing is lost, and the next write works unless it was a flush.
 */
static bool change_one_fault(enum memio_op kind, uint64_t n)
{
	struct qimage q;
	int rc;

	make_dirty(&q);
	qimage_open(&q);
	qimage_expect(&q, KEPT * LEN, LEN, 0x33);
	memio_fail(q.m, kind, n, EIO, false, 0);
	rc = qimage_append(&q, OTHER, 0x44, LEN);
	memio_fail(q.m, kind, 0, 0, false, 0);
	if (memio_failures(q.m, kind) && is_dirty(&q))
		ck_assert_int_eq(rc, -EIO);
	qimage_expect(&q, KEPT * LEN, LEN, 0x33);
	if (rc < 0 && kind != MEMIO_FLUSH) {
		ck_assert_int_eq(qimage_append(&q, OTHER, 0x44, LEN), 0);
		rc = 0;
	}
	if (rc == 0)
		qimage_reopen(&q);
	qimage_expect(&q, KEPT * LEN, LEN, 0x33);
	if (rc == 0)
		qimage_expect(&q, OTHER * LEN, LEN, 0x44);
	qimage_close(&q);
	/* an image that is still dirty has counts that are too low, and says so */
	if (!is_dirty(&q))
		qimage_check(&q);
	n = memio_failures(q.m, kind);
	qimage_free(&q);
	return n;
}

START_TEST(a_failed_rebuild_loses_nothing)
{
	uint64_t n = 0;

	while (change_one_fault(kinds[_i], n))
		n++;
	ck_assert_uint_ge(n, 2);
}
END_TEST

START_TEST(after_a_failed_flush_nothing_is_accepted)
{
	struct qimage q;

	qimage_init(&q);
	qimage_create(&q);
	ck_assert_int_eq(qimage_append(&q, KEPT, 0x33, LEN), 0);
	memio_fail(q.m, MEMIO_FLUSH, 0, ENOSPC, false, 0);
	ck_assert_int_lt(qcow2_commit(q.img), 0);
	/* what it accepted now could never reach the disk */
	ck_assert_int_eq(qimage_append(&q, OTHER, 0x44, LEN), -EIO);
	ck_assert_int_eq(qcow2_zero(q.img, 0, 4096), -EIO);
	ck_assert_int_eq(qcow2_commit(q.img), -EIO);
	qimage_expect(&q, KEPT * LEN, LEN, 0x33);
	qimage_close(&q);
	qimage_check(&q);
	qimage_free(&q);
}
END_TEST

START_TEST(clears_what_is_not_maintained)
{
	struct qimage q;

	qimage_init(&q);
	qimage_create(&q);
	qimage_close(&q);
	image_put(q.m, QCOW2_H_AUTOCLEAR, 8, UINT64_C(0x8000000000000004));
	qimage_open(&q);
	qimage_expect(&q, 0, LEN, 0);
	ck_assert_uint_eq(image_get(q.m, QCOW2_H_AUTOCLEAR, 8), UINT64_C(0x8000000000000004));
	ck_assert_int_eq(qimage_append(&q, KEPT, 0x33, LEN), 0);
	ck_assert_uint_eq(image_get(q.m, QCOW2_H_AUTOCLEAR, 8), 0);
	qimage_close(&q);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(rebuilds_before_the_first_write),
		CHECK_LOOP(a_failed_rebuild_loses_nothing, ARRAY_SIZE(kinds)),
		CHECK_TEST(after_a_failed_flush_nothing_is_accepted),
		CHECK_TEST(clears_what_is_not_maintained),
	};

	return check_main_timeout("qcow2/change", tests, ARRAY_SIZE(tests), 120);
}
