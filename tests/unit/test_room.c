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
	l2 = qimage_be64(&q, qimage_be64(&q, 40)) & QCOW2_OFFSET_MASK;
	io = memio_open(q.m, "disk.qcow2", false);
	ck_assert_int_eq(io_seek(io, l2, true, &hole), 0);
	ck_assert_uint_ge(hole, l2 + 65536);
	io_close(io);
	qimage_open(&q);
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
	};

	return check_main_timeout("qcow2/room", tests, ARRAY_SIZE(tests), 120);
}
