/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing guest bytes: which clusters are overwritten, taken or copied, and what the parts of
 * them hold that a write does not cover.
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

static uint64_t host_of(uint64_t guest)
{
	return qimage_disk_entry(&q, guest, NULL) & QCOW2_OFFSET_MASK;
}

static void write_create(void)
{
	qimage_init(&q);
	qimage_create(&q);
}

START_TEST(first_write_maps_and_later_ones_stay_in_place)
{
	uint64_t host;

	write_create();
	ck_assert_int_eq(qimage_write(&q, 8 * C, 'a', C), 0);
	qimage_commit(&q);
	host = host_of(8 * C);
	ck_assert_uint_ne(host, 0);
	ck_assert(qimage_disk_entry(&q, 8 * C, NULL) & QCOW2_COPIED);
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_write(&q, 8 * C + 100, 'b', 50), 0);
	ck_assert_uint_eq(memio_log_count(q.m), 1);
	ck_assert_uint_eq(memio_log_get(q.m, 0)->off, host + 100);
	ck_assert_uint_eq(memio_log_get(q.m, 0)->len, 50);
	qimage_expect(&q, 8 * C, 100, 'a');
	qimage_expect(&q, 8 * C + 100, 50, 'b');
	qimage_expect(&q, 8 * C + 150, C - 150, 'a');
	qimage_free(&q);
}
END_TEST

START_TEST(large_write_is_one_run)
{
	write_create();
	ck_assert_int_eq(qimage_write(&q, 20 * C, 'z', C), 0); /* makes the table */
	memio_log_start(q.m);
	ck_assert_int_eq(qimage_write(&q, 512, 'a', 10 * C), 0);
	ck_assert_uint_eq(memio_log_count(q.m), 1);
	qimage_commit(&q);
	for (uint64_t i = 1; i < 11; i++)
		ck_assert_uint_eq(host_of(i * C), host_of(0) + i * C);
	qimage_expect(&q, 0, 512, 0);
	qimage_expect(&q, 512, 10 * C, 'a');
	qimage_expect(&q, 512 + 10 * C, C - 512, 0);
	qimage_free(&q);
}
END_TEST

/* Fills zone 2 with data and lets it go, so that what is allocated next held something. */
static void leave_old_data(void)
{
	ck_assert_int_eq(qimage_write(&q, 2 << 16, 0xee, 1 << 16), 0);
	qimage_commit(&q);
	memio_set_no_punch(q.m, true);
	ck_assert_int_eq(qcow2_zero(q.img, 2 << 16, 1 << 16), 0);
	qimage_commit(&q);
	qimage_reopen(&q);
}

START_TEST(recycled_cluster_shows_nothing_of_before)
{
	uint8_t raw[4096];

	write_create();
	leave_old_data();
	ck_assert_int_eq(qimage_write(&q, 3 * C + 1000, 'n', 100), 0);
	qimage_expect(&q, 3 * C, 1000, 0);
	qimage_expect(&q, 3 * C + 1000, 100, 'n');
	qimage_expect(&q, 3 * C + 1100, C - 1100, 0);
	/* and one that zero_end covers */
	ck_assert_int_eq(qimage_write_to(&q, 5 * C, 'n', 512, 5 * C + 2048), 0);
	qimage_expect(&q, 5 * C + 512, C - 512, 0);
	qimage_commit(&q);
	memio_peek(q.m, host_of(3 * C), raw, sizeof(raw));
	ck_assert(!memchr(raw, 0xee, sizeof(raw)));
	qimage_free(&q);
}
END_TEST

START_TEST(padding_is_written_as_zeros)
{
	struct qcow2_write w = { .off = C, .len = 100, .pad = 412, .zero_end = 2 * C };
	uint8_t buf[100];

	write_create();
	ck_assert_int_eq(qimage_write(&q, C, 'o', C), 0);
	memset(buf, 'p', sizeof(buf));
	w.buf = buf;
	ck_assert_int_eq(qcow2_write(q.img, &w), 0);
	qimage_expect(&q, C, 100, 'p');
	qimage_expect(&q, C + 100, 412, 0);
	/* a mapped cluster keeps the rest, zero_end or not */
	qimage_expect(&q, C + 512, C - 512, 'o');
	qimage_free(&q);
}
END_TEST

START_TEST(pointer_moves_with_the_last_byte_only)
{
	write_create();
	ck_assert_int_eq(qimage_append(&q, 3, 'a', 20480), 0);
	ck_assert_uint_eq(qcow2_wp_now(q.img, 3), (3 << 16) + 20480);
	memio_fail(q.m, MEMIO_WRITE, 0, EIO, true, 100);
	ck_assert_int_eq(qimage_append(&q, 3, 'b', 20480), -EIO);
	ck_assert_uint_eq(qcow2_wp_now(q.img, 3), (3 << 16) + 20480);
	memio_fail(q.m, MEMIO_WRITE, 0, 0, false, 0);
	qimage_expect(&q, 3 << 16, 20480, 'a');
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0); /* what was taken went back */
	ck_assert_int_eq(qimage_append(&q, 3, 'c', 20480), 0);
	qimage_expect(&q, (3 << 16) + 20480, 20480, 'c');
	qimage_free(&q);
}
END_TEST

/* Makes the cluster look like one that a snapshot shares. */
static uint64_t write_share(uint64_t guest)
{
	uint64_t host;

	qimage_commit(&q);
	host = host_of(guest);
	qimage_close(&q);
	qimage_poke_entry(&q, guest, host, 0);
	qimage_poke_count(&q, host >> 12, 2);
	qimage_open(&q);
	return host;
}

START_TEST(shared_cluster_is_copied_first)
{
	uint8_t raw[4096];
	uint64_t host;

	write_create();
	ck_assert_int_eq(qimage_write(&q, 2 * C, 's', C), 0);
	host = write_share(2 * C);
	ck_assert_int_eq(qimage_write(&q, 2 * C + 10, 'n', 20), 0);
	qimage_expect(&q, 2 * C, 10, 's');
	qimage_expect(&q, 2 * C + 10, 20, 'n');
	qimage_expect(&q, 2 * C + 30, C - 30, 's');
	qimage_commit(&q);
	qimage_commit(&q);
	ck_assert_uint_ne(host_of(2 * C), host);
	ck_assert_uint_eq(qimage_disk_count(&q, host >> 12), 1);
	memio_peek(q.m, host, raw, sizeof(raw));
	for (unsigned i = 0; i < sizeof(raw); i++)
		ck_assert_uint_eq(raw[i], 's');
	qimage_free(&q);
}
END_TEST

START_TEST(zero_flag_with_a_cluster_is_reused)
{
	uint64_t host;

	write_create();
	ck_assert_int_eq(qimage_write(&q, 2 * C, 'z', C), 0);
	qimage_commit(&q);
	host = host_of(2 * C);
	qimage_close(&q);
	qimage_poke_entry(&q, 2 * C, host | QCOW2_COPIED | QCOW2_ZERO, 0);
	qimage_open(&q);
	qimage_expect(&q, 2 * C, C, 0);
	ck_assert_int_eq(qimage_write(&q, 2 * C + 1024, 'n', 512), 0);
	qimage_expect(&q, 2 * C, 1024, 0);
	qimage_expect(&q, 2 * C + 1024, 512, 'n');
	qimage_expect(&q, 2 * C + 1536, C - 1536, 0);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_entry(&q, 2 * C, NULL), host | QCOW2_COPIED);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_free(&q);
}
END_TEST

START_TEST(damaged_entry_is_refused_and_stays)
{
	write_create();
	ck_assert_int_eq(qimage_write(&q, 2 * C, 'd', C), 0);
	qimage_commit(&q);
	qimage_close(&q);
	qimage_poke_entry(&q, 2 * C, QCOW2_COPIED | 0x3000 | 2, 0);
	qimage_open(&q);
	ck_assert_int_eq(qimage_write(&q, 2 * C, 'n', 512), -EUCLEAN);
	ck_assert_ptr_nonnull(strstr(q.logged, "overlaps with metadata"));
	ck_assert_int_eq(qimage_write(&q, 3 * C, 'n', 512), 0);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_disk_entry(&q, 2 * C, NULL), QCOW2_COPIED | 0x3000 | 2);
	qimage_free(&q);
}
END_TEST

START_TEST(range_is_checked)
{
	write_create();
	ck_assert_int_eq(qimage_write(&q, q.p.geo.size - 512, 'x', 512), 0);
	ck_assert_int_eq(qimage_write(&q, q.p.geo.size - 512, 'x', 513), -EINVAL);
	ck_assert_int_eq(qimage_write(&q, UINT64_MAX - 511, 'x', 512), -EINVAL);
	qimage_free(&q);
}
END_TEST

/* ---- over a backing file ------------------------------------------------------------------- */

static char folder[] = "/tmp/zqfs-unit-XXXXXX", base[64], image[64];

static void create_over(bool extended)
{
	uint8_t buf[4096];
	int fd;

	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(base, sizeof(base), "%s/base.raw", folder);
	snprintf(image, sizeof(image), "%s/a.qcow2", folder);
	fd = open(base, O_CREAT | O_WRONLY, 0600);
	memset(buf, 'B', sizeof(buf));
	for (unsigned i = 0; i < 128; i++)
		ck_assert_int_eq(write(fd, buf, sizeof(buf)), sizeof(buf));
	close(fd);
	qimage_init(&q);
	q.name = image;
	q.p.backing_file = "base.raw";
	q.p.backing_format = "raw";
	q.p.extended_l2 = extended;
	if (extended)
		q.p.cluster_bits = 16; /* subclusters of 2 KiB */
	qimage_create(&q);
}

static void remove_base(void)
{
	unlink(base);
	rmdir(folder);
	qimage_free(&q);
}

START_TEST(rest_of_a_cluster_comes_from_the_backing_file)
{
	create_over(_i);
	qimage_expect(&q, 0, 1 << 16, 'B');
	ck_assert_int_eq(qimage_write(&q, 5000, 'n', 1000), 0);
	qimage_expect(&q, 0, 5000, 'B');
	qimage_expect(&q, 5000, 1000, 'n');
	qimage_expect(&q, 6000, 60000, 'B');
	qimage_reopen(&q);
	qimage_expect(&q, 4096, 904, 'B');
	qimage_expect(&q, 5000, 1000, 'n');
	qimage_expect(&q, 6000, 60000, 'B');
	ck_assert_uint_eq(qimage_check(&q), 0);
	remove_base();
}
END_TEST

START_TEST(append_over_a_backing_file_is_followed_by_zeros)
{
	uint64_t end;

	create_over(_i);
	end = _i ? 1 << 16 : 4096;
	ck_assert_int_eq(qimage_append(&q, 3, 'n', 1000), 0);
	qimage_expect(&q, 3 << 16, 1000, 'n');
	qimage_expect(&q, (3 << 16) + 1000, end - 1000, 0);
	qimage_reopen(&q);
	qimage_expect(&q, (3 << 16) + 1000, end - 1000, 0);
	/* and what is appended later stands between them */
	ck_assert_int_eq(qimage_append(&q, 3, 'm', 100), 0);
	qimage_expect(&q, 3 << 16, 1000, 'n');
	qimage_expect(&q, (3 << 16) + 1000, 100, 'm');
	qimage_expect(&q, (3 << 16) + 1100, end - 1100, 0);
	remove_base();
}
END_TEST

START_TEST(subclusters_are_written_alone)
{
	uint64_t bitmap;

	qimage_init(&q);
	q.p.extended_l2 = true;
	q.p.cluster_bits = 16;
	qimage_create(&q);
	ck_assert_int_eq(qimage_write(&q, 3 * 2048, 'a', 2 * 2048), 0);
	qimage_commit(&q);
	qimage_disk_entry(&q, 0, &bitmap);
	ck_assert_uint_eq(bitmap, 3 << 3);
	ck_assert_int_eq(qimage_write(&q, 9 * 2048 + 5, 'b', 10), 0);
	qimage_commit(&q);
	qimage_disk_entry(&q, 0, &bitmap);
	ck_assert_uint_eq(bitmap, 3 << 3 | 1 << 9);
	qimage_expect(&q, 0, 3 * 2048, 0);
	qimage_expect(&q, 3 * 2048, 2 * 2048, 'a');
	qimage_expect(&q, 5 * 2048, 4 * 2048 + 5, 0);
	qimage_expect(&q, 9 * 2048 + 5, 10, 'b');
	qimage_expect(&q, 9 * 2048 + 15, 2048 - 15, 0);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(first_write_maps_and_later_ones_stay_in_place),
		CHECK_TEST(large_write_is_one_run),
		CHECK_TEST(recycled_cluster_shows_nothing_of_before),
		CHECK_TEST(padding_is_written_as_zeros),
		CHECK_TEST(pointer_moves_with_the_last_byte_only),
		CHECK_TEST(shared_cluster_is_copied_first),
		CHECK_TEST(zero_flag_with_a_cluster_is_reused),
		CHECK_TEST(damaged_entry_is_refused_and_stays),
		CHECK_TEST(range_is_checked),
		CHECK_TEST(subclusters_are_written_alone),
		CHECK_LOOP(rest_of_a_cluster_comes_from_the_backing_file, 2),
		CHECK_LOOP(append_over_a_backing_file_is_followed_by_zeros, 2),
	};

	return check_main("qcow2/write", tests, ARRAY_SIZE(tests));
}
