/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host that runs out of room, at every place where it can: what was acknowledged before can
 * be committed, and a reset gives room again.
 */
#include "check_main.h"

#include <errno.h>
#include <string.h>

#include "io/io.h"
#include "qimage.h"

#define ZONES 8u /* of 64 KiB, the first two conventional */

static struct qimage q;

/* Appends pieces of 1 KiB to zone after zone until there is no room; bytes in each zone. */
static void append_until_full(uint64_t done[ZONES])
{
	for (uint32_t zone = 2; zone < ZONES; zone++) {
		done[zone] = 0;
		while (done[zone] < 65536) {
			int rc = qimage_append(&q, zone, (int)zone, 1024);

			if (rc == -ENOSPC)
				break;
			ck_assert_int_eq(rc, 0);
			done[zone] += 1024;
		}
	}
}

static void expect_appended(const uint64_t done[ZONES])
{
	for (uint32_t zone = 2; zone < ZONES; zone++)
		qimage_expect(&q, zone * 65536u, done[zone], (int)zone);
}

/* The image may grow by that many bytes. */
static void run_out(unsigned cluster_bits, uint64_t room)
{
	uint64_t done[ZONES];
	int rc;

	qimage_init(&q);
	q.p.cluster_bits = cluster_bits;
	q.p.refcount_order = cluster_bits == 9 ? 6 : 4; /* a block for each 64 clusters */
	qimage_create(&q);
	memio_set_limit(q.m, memio_size(q.m) + room);
	append_until_full(done);
	rc = qcow2_commit(q.img);
	ck_assert_msg(rc == 0, "clusters of %u, room for %llu: the commit fails with %d",
		      1u << cluster_bits, (unsigned long long)room, rc);
	expect_appended(done);
	/* a cluster that is used again is written whole, so it must lie within the room */
	if (done[2] && !(room & ((1u << cluster_bits) - 1))) {
		qimage_reset(&q, 2);
		qcow2_stream_release(q.img, 2);
		ck_assert_int_eq(qcow2_commit(q.img), 0);
		ck_assert_int_eq(qimage_append(&q, 2, 'n', 1024), 0);
		ck_assert_int_eq(qcow2_commit(q.img), 0);
		qimage_expect(&q, 2 * 65536u, 1024, 'n');
		done[2] = 0;
	}
	qimage_close(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_open(&q);
	expect_appended(done);
	qimage_free(&q);
}

START_TEST(clusters_of_512)
{
	for (uint64_t room = 0; room < 36 * 1024; room += 512)
		run_out(9, room);
}
END_TEST

START_TEST(clusters_of_4096)
{
	for (uint64_t room = 0; room < 128 * 1024; room += 2048)
		run_out(12, room);
}
END_TEST

START_TEST(clusters_of_65536)
{
	for (uint64_t room = 0; room < 8 * 65536; room += 32768)
		run_out(16, room);
}
END_TEST

/* Room that was set aside for a table must not be given back by zeroing it. */
START_TEST(new_tables_are_no_holes)
{
	uint64_t l2, hole;
	struct zq_io *io;

	qimage_init(&q);
	q.p.cluster_bits = 16; /* of which a commit writes one slice */
	qimage_create(&q);
	ck_assert_int_eq(qimage_append(&q, 2, 'a', 1024), 0);
	qimage_commit(&q);
	qimage_close(&q);
	l2 = image_get(q.m, image_get(q.m, 40, 8), 8) & QCOW2_OFFSET_MASK;
	io = memio_open(q.m, "disk.qcow2", false);
	ck_assert_int_eq(io_seek(io, l2, true, &hole), 0);
	ck_assert_uint_ge(hole, l2 + 65536);
	io_close(io);
	qimage_open(&q);
	qimage_free(&q);
}
END_TEST

/* A stream that has a run where there is no room lets go of it. */
START_TEST(a_stream_lets_go_of_a_run_that_does_not_fit)
{
	for (unsigned extra = 0; extra < 256; extra += 15) {
		int rc;

		qimage_init(&q);
		q.p.geo.zone_size = q.p.geo.zone_capacity = 4 << 20;
		q.p.geo.size = 32 << 20;
		qimage_create(&q);
		memio_set_limit(q.m, memio_size(q.m) + (5 << 20) + 4096 * extra);
		for (int i = 0; i < 1024; i++)
			ck_assert_int_eq(qimage_append(&q, 2, 1, 4096), 0);
		while ((rc = qimage_append(&q, 3, 2, 4096)) == 0)
			;
		ck_assert_int_eq(rc, -ENOSPC);
		qimage_reset(&q, 2);
		qcow2_stream_release(q.img, 2);
		qimage_commit(&q);
		ck_assert_int_eq(qimage_append(&q, 3, 3, 4096), 0);
		qimage_free(&q);
	}
}
END_TEST

static int limit_error;
static uint64_t limit_at;

static int other_limit(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	(void)data;
	if ((op != MEMIO_WRITE && op != MEMIO_RESERVE) || off + len <= limit_at)
		return 0;
	*apply = op == MEMIO_WRITE && off < limit_at ? limit_at - off : 0;
	return limit_error;
}

/* A quota and a limit of the file's size are as a disk that is full: what a reset lets go gives
 * room at once. */
static void fill_reset_and_write(int error)
{
	int rc = 0;

	limit_error = error;
	qimage_init(&q);
	q.p.cluster_bits = 16;
	q.p.geo.zone_size = q.p.geo.zone_capacity = 1 << 20;
	q.p.geo.size = 8 << 20;
	qimage_create(&q);
	limit_at = memio_size(q.m) + 65536 * 20;
	memio_set_hook(q.m, other_limit, NULL);
	for (uint32_t z = 2; z < ZONES && rc == 0; z++)
		while (rc == 0 && qcow2_wp_now(q.img, z) < (z + UINT64_C(1)) << 20)
			rc = qimage_append(&q, z, 'a', 65536);
	ck_assert_int_eq(rc, limit_error);
	qimage_commit(&q);
	for (uint32_t z = 2; z < ZONES; z++)
		qimage_reset(&q, z);
	ck_assert_int_eq(qimage_append(&q, 2, 'b', 65536), 0);
	memio_set_hook(q.m, NULL, NULL);
	qimage_free(&q);
}

START_TEST(every_kind_of_limit_makes_a_commit_give_room)
{
	fill_reset_and_write(-ENOSPC);
	fill_reset_and_write(-EFBIG);
	fill_reset_and_write(-EDQUOT);
}
END_TEST

/* What arrived of a write that failed takes no room on the host. */
START_TEST(a_failed_write_gives_its_clusters_back)
{
	uint64_t used;

	qimage_init(&q);
	qimage_create(&q);
	ck_assert_int_eq(qimage_append(&q, 2, 'a', 4096), 0);
	qimage_commit(&q);
	used = memio_used(q.m);
	memio_fail(q.m, MEMIO_WRITE, 0, ENOSPC, true, 32768);
	ck_assert_int_eq(qimage_append(&q, 2, 'b', 40960), -ENOSPC);
	memio_fail(q.m, MEMIO_WRITE, 0, 0, false, 0);
	ck_assert_uint_eq(memio_used(q.m), used);
	qimage_commit(&q);
	ck_assert_uint_eq(qimage_check(&q), 0);
	qimage_free(&q);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(clusters_of_512),
		CHECK_TEST(clusters_of_4096),
		CHECK_TEST(clusters_of_65536),
		CHECK_TEST(new_tables_are_no_holes),
		CHECK_TEST(a_stream_lets_go_of_a_run_that_does_not_fit),
		CHECK_TEST(every_kind_of_limit_makes_a_commit_give_room),
		CHECK_TEST(a_failed_write_gives_its_clusters_back),
	};

	return check_main_timeout("qcow2/room", tests, ARRAY_SIZE(tests), 120);
}
