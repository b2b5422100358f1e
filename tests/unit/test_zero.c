/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making guest bytes read as zeros: whole clusters lose their mapping, parts are overwritten,
 * neighbours stay.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "qimage.h"

#define C UINT64_C(4096)

static struct qimage q;

static void create_filled(void)
{
	qimage_init(&q);
	qimage_create(&q);
	ck_assert_int_eq(qimage_write(&q, 0, 'd', 8 * C), 0);
	qimage_commit(&q);
}

START_TEST(whole_clusters_are_unmapped_and_given_back)
{
	uint64_t used;

	create_filled();
	used = memio_used(q.m);
	ck_assert_int_eq(qcow2_zero(q.img, 2 * C, 3 * C), 0);
	qimage_expect(&q, 0, 2 * C, 'd');
	qimage_expect(&q, 2 * C, 3 * C, 0);
	qimage_expect(&q, 5 * C, 3 * C, 'd');
	ck_assert_uint_eq(memio_used(q.m), used); /* the space stays until the commit */
	qimage_commit(&q);
	ck_assert_uint_eq(memio_used(q.m), used - 3 * C);
	for (uint64_t c = 0; c < 8; c++)
		ck_assert_int_eq(qimage_disk_entry(&q, c * C, NULL) == 0, c >= 2 && c < 5);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_free(&q);
}
END_TEST

START_TEST(parts_are_overwritten_where_they_are)
{
	uint64_t entry;

	create_filled();
	entry = qimage_disk_entry(&q, C, NULL);
	ck_assert_int_eq(qcow2_zero(q.img, C + 100, 2 * C), 0);
	qimage_expect(&q, C, 100, 'd');
	qimage_expect(&q, C + 100, 2 * C, 0);
	qimage_expect(&q, 3 * C + 100, C - 100, 'd');
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_entry(&q, C, NULL), entry);
	ck_assert_uint_eq(qimage_disk_entry(&q, 2 * C, NULL), 0);
	ck_assert_int_eq(qcow2_zero(q.img, 4 * C + 8, 16), 0);
	qimage_expect(&q, 4 * C, 8, 'd');
	qimage_expect(&q, 4 * C + 8, 16, 0);
	qimage_expect(&q, 4 * C + 24, C - 24, 'd');
	qimage_free(&q);
}
END_TEST

START_TEST(what_is_zero_costs_nothing)
{
	qimage_init(&q);
	qimage_create(&q);
	memio_log_start(q.m);
	ck_assert_int_eq(qcow2_zero(q.img, 0, q.p.geo.size), 0);
	ck_assert_int_eq(qcow2_zero(q.img, 700, 9000), 0);
	ck_assert_int_eq(qcow2_zero(q.img, 700, 0), 0);
	ck_assert(!qcow2_dirty(q.img));
	qimage_commit(&q);
	ck_assert_uint_eq(memio_log_count(q.m), 0);
	qimage_free(&q);
}
END_TEST

START_TEST(last_cluster_is_whole_where_the_disk_ends)
{
	qimage_init(&q);
	q.p.geo.size = (7 << 16) + 4096 + 512;
	qimage_create(&q);
	ck_assert_int_eq(qimage_write(&q, q.p.geo.size - 512, 'l', 512), 0);
	qimage_commit(&q);
	ck_assert_uint_ne(qimage_disk_entry(&q, q.p.geo.size - 512, NULL), 0);
	ck_assert(!qcow2_zero_in_place(q.img, (7 << 16) + C, 512));
	ck_assert_int_eq(qcow2_zero(q.img, (7 << 16) + C, 512), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_entry(&q, q.p.geo.size - 512, NULL), 0);
	ck_assert_int_eq(qcow2_zero(q.img, q.p.geo.size - 512, 513), -EINVAL);
	qimage_free(&q);
}
END_TEST

START_TEST(in_place_is_said_beforehand)
{
	create_filled();
	ck_assert(!qcow2_zero_in_place(q.img, C, 4 * C));
	ck_assert(qcow2_zero_in_place(q.img, C + 512, 4 * C));
	ck_assert(qcow2_zero_in_place(q.img, C, 4 * C + 512));
	qimage_free(&q);
}
END_TEST

START_TEST(shared_cluster_only_loses_a_reference)
{
	uint8_t raw[4096];
	uint64_t host;

	create_filled();
	host = qimage_disk_entry(&q, 2 * C, NULL) & QCOW2_OFFSET_MASK;
	qimage_close(&q);
	qimage_poke_entry(&q, 2 * C, host, 0);
	qimage_poke_count(&q, host >> 12, 2);
	qimage_open(&q);
	ck_assert_int_eq(qcow2_zero(q.img, 2 * C, C), 0);
	qimage_expect(&q, 2 * C, C, 0);
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_count(&q, host >> 12), 1);
	memio_peek(q.m, host, raw, sizeof(raw));
	ck_assert_uint_eq(raw[0], 'd');
	ck_assert_uint_eq(raw[4095], 'd');
	qimage_free(&q);
}
END_TEST

START_TEST(damaged_entry_is_replaced_and_nothing_freed)
{
	unsigned before;

	create_filled();
	qimage_close(&q);
	qimage_poke_entry(&q, 2 * C, QCOW2_COPIED | 0, 0);
	qimage_poke_entry(&q, 3 * C, QCOW2_COPIED | C | 4, 0); /* on top of the L1 table, say */
	before = qimage_disk_count(&q, 1);
	ck_assert_uint_eq(before, 1);
	qimage_open(&q);
	ck_assert_int_eq(qcow2_zero(q.img, 2 * C, 2 * C), -EUCLEAN); /* and it is done */
	qimage_expect(&q, 2 * C, 2 * C, 0);
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_count(&q, 1), 1);
	ck_assert_uint_eq(qimage_disk_count(&q, 0), 1);
	qimage_check(&q);
	qimage_free(&q);
}
END_TEST

START_TEST(backing_file_does_not_come_back)
{
	char folder[] = "/tmp/zqfs-unit-XXXXXX", base[64], image[64];
	uint64_t bitmap;
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(base, sizeof(base), "%s/base.raw", folder);
	snprintf(image, sizeof(image), "%s/a.qcow2", folder);
	fd = open(base, O_CREAT | O_WRONLY, 0600);
	for (unsigned i = 0; i < 8 << 16; i += 8)
		ck_assert_int_eq(write(fd, "backing!", 8), 8);
	close(fd);
	qimage_init(&q);
	q.name = image;
	q.p.backing_file = "base.raw";
	q.p.backing_format = "raw";
	q.p.extended_l2 = _i;
	q.p.cluster_bits = _i ? 14 : 12;
	qimage_create(&q);
	ck_assert_int_eq(qimage_write(&q, 2 << 16, 'n', 5000), 0);
	ck_assert_int_eq(qcow2_zero(q.img, 2 << 16, 1 << 16), 0);
	qimage_expect(&q, 2 << 16, 1 << 16, 0);
	ck_assert_int_eq(qcow2_zero(q.img, (4 << 16) + 100, 1000), 0);
	qimage_commit(&q); /* the next one lowers the counts */
	qimage_reopen(&q);
	qimage_expect(&q, 2 << 16, 1 << 16, 0);
	qimage_expect(&q, (4 << 16) + 100, 1000, 0);
	qimage_expect(&q, (4 << 16) + 96, 1, 'b');
	qimage_expect(&q, (4 << 16) + 1104, 1, 'b');
	if (_i) {
		ck_assert_uint_eq(qimage_disk_entry(&q, 2 << 16, &bitmap), 0);
		ck_assert_uint_eq(bitmap, UINT64_C(0xffffffff00000000));
	} else {
		ck_assert_uint_eq(qimage_disk_entry(&q, 2 << 16, NULL), QCOW2_ZERO);
	}
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	unlink(base);
	rmdir(folder);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(whole_clusters_are_unmapped_and_given_back),
		CHECK_TEST(parts_are_overwritten_where_they_are),
		CHECK_TEST(what_is_zero_costs_nothing),
		CHECK_TEST(last_cluster_is_whole_where_the_disk_ends),
		CHECK_TEST(in_place_is_said_beforehand),
		CHECK_TEST(shared_cluster_only_loses_a_reference),
		CHECK_TEST(damaged_entry_is_replaced_and_nothing_freed),
		CHECK_LOOP(backing_file_does_not_come_back, 2),
	};

	return check_main("qcow2/zero", tests, ARRAY_SIZE(tests));
}
