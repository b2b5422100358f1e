/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The snapshot table: entries of all shapes, and hostile ones.
 */
#include "check_main.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image_file.h"
#include "io/io.h"
#include "qcow2/tables/snapshot.h"
#include "qcow2/tables/header_read.h"
#include "util/math.h"

#define TABLE 0x50000u /* behind the fixture's five clusters */

static struct memio *snapshot_with_table(uint32_t nr, uint64_t file_size)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);

	memio_resize(m, file_size);
	image_put(m, 60, 4, nr);
	image_put(m, 64, 8, TABLE);
	return m;
}

/* Writes one entry with "extra" bytes of extra data; returns the offset of the next. */
static uint64_t snapshot_put_entry(struct memio *m, uint64_t at, const char *id, const char *name,
				   uint32_t extra)
{
	uint64_t len = 40 + extra + strlen(id) + strlen(name);

	image_put(m, at, 8, 0x40000);
	image_put(m, at + 8, 4, 1);
	image_put(m, at + 12, 2, strlen(id));
	image_put(m, at + 14, 2, strlen(name));
	image_put(m, at + 16, 4, 1700000000);
	image_put(m, at + 20, 4, 123456789);
	image_put(m, at + 24, 8, 987654321000);
	image_put(m, at + 32, 4, 77);
	image_put(m, at + 36, 4, extra);
	for (uint32_t i = 0; i < extra; i++)
		image_put(m, at + 40 + i, 1, 0xaa);
	if (extra >= 8)
		image_put(m, at + 40, 8, 0x100000055);
	if (extra >= 16)
		image_put(m, at + 48, 8, 4096);
	memio_poke(m, at + 40 + extra, id, strlen(id));
	memio_poke(m, at + 40 + extra + strlen(id), name, strlen(name));
	return at + align_up(len, 8);
}

static int snapshot_read_table(struct memio *m, struct qcow2_snapshot **list, uint32_t *nr,
			       uint64_t *end, struct zq_error *err)
{
	struct zq_io *io = memio_open(m, "disk.qcow2", false);
	struct qcow2_header h;
	int ret;

	ck_assert_msg(qcow2_header_read(io, HEADER_ZONED, &h, err) == 0, "%s", err->msg);
	ret = qcow2_snapshots_read(io, &h, list, end, err);
	*nr = h.nb_snapshots;
	qcow2_header_free(&h);
	io_close(io);
	return ret;
}

START_TEST(entries)
{
	struct memio *m = snapshot_with_table(4, 0x60000);
	struct qcow2_snapshot *s;
	struct zq_error err = { "" };
	uint64_t at = TABLE, end;
	uint32_t nr;

	at = snapshot_put_entry(m, at, "1", "before the upgrade", 16);
	at = snapshot_put_entry(m, at, "2", "", 0);
	at = snapshot_put_entry(m, at, "", "old", 8);
	at = snapshot_put_entry(m, at, "id-4", "of a later revision", 21);
	ck_assert_msg(snapshot_read_table(m, &s, &nr, &end, &err) == 0, "%s", err.msg);
	ck_assert_uint_eq(nr, 4);
	ck_assert_uint_eq(end, at);
	ck_assert_str_eq(s[0].id, "1");
	ck_assert_str_eq(s[0].name, "before the upgrade");
	ck_assert_uint_eq(s[0].date_sec, 1700000000);
	ck_assert_uint_eq(s[0].date_nsec, 123456789);
	ck_assert_uint_eq(s[0].vm_clock_nsec, 987654321000);
	ck_assert_uint_eq(s[0].vm_state, 0x100000055);
	ck_assert_uint_eq(s[0].disk_size, 4096);
	ck_assert_uint_eq(s[0].l1_offset, 0x40000);
	ck_assert_uint_eq(s[0].l1_size, 1);
	ck_assert_str_eq(s[1].id, "2");
	ck_assert_str_eq(s[1].name, "");
	ck_assert_uint_eq(s[1].vm_state, 77);
	ck_assert_uint_eq(s[1].disk_size, 10 << 20); /* not stated: the disk's */
	ck_assert_str_eq(s[2].id, "");
	ck_assert_str_eq(s[2].name, "old");
	ck_assert_uint_eq(s[2].vm_state, 0x100000055);
	ck_assert_uint_eq(s[2].disk_size, 10 << 20);
	ck_assert_str_eq(s[3].id, "id-4");
	ck_assert_str_eq(s[3].name, "of a later revision");
	ck_assert_uint_eq(s[3].disk_size, 4096);
	qcow2_snapshots_free(s, nr);
	memio_free(m);
}
END_TEST

START_TEST(none)
{
	struct qcow2_create_params p = image_params_header();
	struct memio *m = image_file_make(&p, "disk.qcow2", NULL);
	struct qcow2_snapshot *s;
	struct zq_error err = { "" };
	uint32_t nr;

	ck_assert_int_eq(snapshot_read_table(m, &s, &nr, NULL, &err), 0);
	ck_assert_uint_eq(nr, 0);
	ck_assert_ptr_null(s);
	qcow2_snapshots_free(s, nr);
	memio_free(m);
}
END_TEST

static const struct {
	uint64_t off;
	unsigned bytes;
	uint64_t value;
	const char *msg;
} bad[] = {
	{ TABLE + 36, 4, 0xffffffff,
	  "disk.qcow2: snapshot 1 of 2: its entry of 4294967344 bytes makes the table larger than "
	  "67108864" },
	{ TABLE + 36, 4, 0x10000,
	  "disk.qcow2: snapshot 1 of 2: its entry at 327680 (65584 bytes) passes the end of the "
	  "file, 393216 bytes" },
	{ TABLE + 12, 2, 0xffff,
	  "disk.qcow2: snapshot 1 of 2: its entry at 327680 (65600 bytes) passes the end of the "
	  "file, 393216 bytes" },
	{ TABLE + 64 + 14, 2, 0xffff,
	  "disk.qcow2: snapshot 2 of 2: its entry at 327744 (65592 bytes) passes the end of the "
	  "file, 393216 bytes" },
};

START_TEST(hostile)
{
	struct memio *m = snapshot_with_table(2, 0x60000);
	struct qcow2_snapshot *s;
	struct zq_error err = { "" };
	uint64_t at;
	uint32_t nr;

	at = snapshot_put_entry(m, TABLE, "1", "abc", 16);
	ck_assert_uint_eq(at, TABLE + 64);
	snapshot_put_entry(m, at, "2", "def", 16);
	image_put(m, bad[_i].off, bad[_i].bytes, bad[_i].value);
	ck_assert_int_eq(snapshot_read_table(m, &s, &nr, NULL, &err), -EINVAL);
	ck_assert_str_eq(err.msg, bad[_i].msg);
	ck_assert_ptr_null(s);
	memio_free(m);
}
END_TEST

/* A sparse file of any size cannot make it take more than its limit. */
START_TEST(table_limit)
{
	struct memio *m = snapshot_with_table(65536, UINT64_C(1) << 40);
	struct qcow2_snapshot *s;
	struct zq_error err = { "" };
	uint64_t at = TABLE;
	uint32_t nr;

	for (int i = 0; i < 17; i++) {
		image_put(m, at + 36, 4, 4 << 20);
		at += 40 + (4 << 20);
	}
	ck_assert_int_eq(snapshot_read_table(m, &s, &nr, NULL, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "disk.qcow2: snapshot 16 of 65536: its entry of 4194344 bytes "
				  "makes the table larger than 67108864");
	memio_free(m);
}
END_TEST

START_TEST(read_errors)
{
	/* the header takes two reads; then each entry takes three */
	for (unsigned n = 2; n < 8; n++) {
		struct memio *m = snapshot_with_table(2, 0x60000);
		struct qcow2_snapshot *s;
		struct zq_error err = { "" };
		uint32_t nr;

		snapshot_put_entry(m, snapshot_put_entry(m, TABLE, "1", "a", 16), "2", "b", 16);
		memio_fail(m, MEMIO_READ, n, EIO, true, 0);
		ck_assert_int_eq(snapshot_read_table(m, &s, &nr, NULL, &err), -EIO);
		ck_assert_str_eq(err.msg,
				 "disk.qcow2: reading the snapshot table: Input/output error");
		memio_free(m);
	}
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(entries),
		CHECK_TEST(none),
		CHECK_LOOP(hostile, ARRAY_SIZE(bad)),
		CHECK_TEST(table_limit),
		CHECK_TEST(read_errors),
	};

	return check_main("snapshot", tests, ARRAY_SIZE(tests));
}
