/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images in memory, and what the library does on an io of its caller: create, check, info,
 * opening, structures of another size than ours.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/amend.h>
#include <zqfs/check.h>
#include <zqfs/commit.h>
#include <zqfs/compact.h>
#include <zqfs/convert.h>
#include <zqfs/create.h>
#include <zqfs/device.h>
#include <zqfs/info.h>
#include <zqfs/map.h>
#include <zqfs/resize.h>
#include <zqfs/version.h>

#include "check_main.h"
#include "util/math.h"

static struct zq_memory *mem;
static struct zq_io *io;
static struct zq_error err;

static struct zq_io *memory_begin(void)
{
	mem = zq_memory_new("memory");
	ck_assert_int_eq(zq_memory_io(mem, true, &io), 0);
	return io;
}

static void memory_end(void)
{
	io->ops->close(io);
	zq_memory_free(mem);
}

static struct zq_io *open_memory(bool writable)
{
	struct zq_io *i;

	ck_assert_int_eq(zq_memory_io(mem, writable, &i), 0);
	return i;
}

START_TEST(memory_is_like_a_file)
{
	uint8_t out[200000], in[200000];
	struct iovec iov[2] = { { out, 100000 }, { out + 100000, 100000 } };
	uint64_t n;

	memory_begin();
	for (size_t i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(1 + i % 255);
	ck_assert_int_eq(io->ops->pwritev(io, iov, 2, 300001), 0);
	ck_assert_int_eq(io->ops->size(io, &n), 0);
	ck_assert_uint_eq(n, 500001);
	ck_assert_int_eq(io->ops->pread(io, in, sizeof(in), 300001), 0);
	ck_assert_int_eq(memcmp(in, out, sizeof(in)), 0);
	memset(in, 7, sizeof(in));
	ck_assert_int_eq(io->ops->pread(io, in, sizeof(in), 500000), 0);
	ck_assert_int_eq(in[0], out[199999]);
	ck_assert_int_eq(in[1] | in[199999], 0);
	ck_assert_int_eq(io->ops->seek(io, 0, false, &n), 0);
	ck_assert_uint_eq(n, 262144);
	ck_assert_int_eq(io->ops->seek(io, 300001, true, &n), 0);
	ck_assert_uint_eq(n, 500001);
	ck_assert_int_eq(io->ops->seek(io, 500001, true, &n), -ENXIO);
	ck_assert_int_eq(io->ops->punch(io, 300001, 190000), 0);
	ck_assert_int_eq(io->ops->pread(io, in, 190001, 300001), 0);
	ck_assert_int_eq(in[0] | in[189999], 0);
	ck_assert_int_eq(in[190000], out[190000]);
	ck_assert_int_eq(io->ops->usage(io, &n), 0);
	ck_assert_uint_eq(n, 2 * 65536);
	/* shorter and longer again: zeros */
	ck_assert_int_eq(io->ops->truncate(io, 490002), 0);
	ck_assert_int_eq(io->ops->truncate(io, 600000), 0);
	ck_assert_int_eq(io->ops->pread(io, in, 2, 490001), 0);
	ck_assert_int_eq(in[0], out[190000]);
	ck_assert_int_eq(in[1], 0);
	ck_assert_int_eq(io->ops->reserve(io, 0, 700000), 0);
	ck_assert_int_eq(io->ops->size(io, &n), 0);
	ck_assert_uint_eq(n, 700000);
	ck_assert_int_eq(io->ops->flush(io), 0);
	memory_end();
}
END_TEST

START_TEST(memory_has_the_locks_of_files)
{
	struct zq_io *a, *b;

	memory_begin();
	a = open_memory(true);
	b = open_memory(false);
	ck_assert_int_eq(a->ops->lock(a, ZQ_LOCK_WRITE), 0);
	ck_assert_int_eq(b->ops->lock(b, ZQ_LOCK_READ), -EAGAIN);
	ck_assert_int_eq(b->ops->lock(b, ZQ_LOCK_SHARED), 0);
	ck_assert_int_eq(io->ops->lock(io, ZQ_LOCK_WRITE), -EAGAIN);
	ck_assert_int_eq(a->ops->lock(a, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(b->ops->lock(b, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(a->ops->lock(a, ZQ_LOCK_WRITE), -EAGAIN);
	b->ops->close(b);
	ck_assert_int_eq(a->ops->lock(a, ZQ_LOCK_WRITE), 0);
	a->ops->close(a);
	ck_assert_int_eq(io->ops->lock(io, ZQ_LOCK_WRITE), 0);
	ck_assert_int_eq(io->ops->lock(io, 9), -EINVAL);
	/* the bytes live as long as somebody uses them */
	zq_memory_free(mem);
	ck_assert_int_eq(io->ops->truncate(io, 5), 0);
	io->ops->close(io);
}
END_TEST

/* 4 zones of 1 MiB, the first one conventional. */
static struct zq_create_opts small_disk(void)
{
	return (struct zq_create_opts){ .size = 4 << 20, .zone_size = 1 << 20, .nr_conv = 1 };
}

START_TEST(an_image_lives_in_memory)
{
	struct zq_create_opts o = small_disk();
	struct zq_check_result res;
	struct zq_image_info *info;
	struct zq_device *dev, *second;
	uint64_t where;

	memory_begin();
	ck_assert_msg(!zq_create_io(io, &o, &err), "%s", err.msg);
	ck_assert_int_eq(zq_create_io(io, &o, &err), -EEXIST);
	ck_assert_msg(!zq_open_device_io(open_memory(true), NULL, &dev, &err), "%s", err.msg);
	ck_assert_int_eq(zq_open_device_io(open_memory(true), NULL, &second, &err), -EAGAIN);
	ck_assert_int_eq(zq_check_io(io, NULL, &res, &err), -EAGAIN);
	ck_assert_int_eq(zq_append(dev, 2, NULL, 0, "text", 4, ZQ_WRITE_APPEND, &where), 4);
	ck_assert_int_eq(zq_close_device(dev), 0);
	ck_assert_msg(!zq_check_io(io, NULL, &res, &err), "%s", err.msg);
	ck_assert_uint_eq(res.corruptions + res.leaks, 0);
	ck_assert_uint_eq(res.allocated_clusters, 1);
	ck_assert_msg(!zq_get_image_info_io(io, NULL, false, &info, &err), "%s", err.msg);
	ck_assert_uint_eq(info->geo.nr_zones, 4);
	ck_assert_uint_gt(info->disk_usage, 0);
	zq_image_info_free(info);
	/* none of it has left a lock behind */
	ck_assert_int_eq(zq_open_device_io(open_memory(true), NULL, &dev, &err), 0);
	ck_assert_int_eq(zq_close_device(dev), 0);
	memory_end();
}
END_TEST

START_TEST(data_files_may_be_in_memory)
{
	struct zq_create_opts o = small_disk();
	struct zq_memory *data = zq_memory_new("data");
	struct zq_open_opts oo = { .readonly = true, .require_rw = true };
	struct zq_io *data_io;
	struct zq_device *dev;
	char got[4];

	memory_begin();
	ck_assert_int_eq(zq_memory_io(data, true, &data_io), 0);
	o.data_file = (char *)"data";
	ck_assert_int_eq(zq_create_io(io, &o, &err), -EINVAL);
	o.data_io = data_io;
	ck_assert_int_eq(zq_create("x.qcow2", &o, &err), -EINVAL);
	ck_assert_msg(!zq_create_io(io, &o, &err), "%s", err.msg);
	/* both are taken over, on every failure too: else the memory would leak */
	oo.data_io = data_io;
	ck_assert_int_eq(zq_open_device_io(open_memory(true), &oo, &dev, &err), -EINVAL);
	ck_assert_int_eq(zq_memory_io(data, true, &oo.data_io), 0);
	ck_assert_int_eq(zq_open_device("no-such", &oo, &dev, &err), -EINVAL);
	oo = (struct zq_open_opts){ .require_rw = true };
	ck_assert_int_eq(zq_memory_io(data, true, &oo.data_io), 0);
	ck_assert_int_eq(zq_open_device("no-such", &oo, &dev, &err), -EINVAL);
	ck_assert_int_eq(zq_memory_io(data, true, &oo.data_io), 0);
	ck_assert_int_eq(zq_open_device_io(open_memory(false), &oo, &dev, &err), -EROFS);
	ck_assert_int_eq(zq_memory_io(data, true, &oo.data_io), 0);
	ck_assert_int_eq(zq_open_device_io(NULL, &oo, &dev, &err), -EINVAL);
	ck_assert_int_eq(zq_memory_io(data, true, &oo.data_io), 0);
	ck_assert_int_eq(zq_open_device_io(open_memory(true), &oo, NULL, &err), -EINVAL);
	ck_assert_int_eq(zq_memory_io(data, true, &oo.data_io), 0);
	ck_assert_msg(!zq_open_device_io(open_memory(true), &oo, &dev, &err), "%s", err.msg);
	ck_assert_int_eq(zq_append(dev, 1, NULL, 0, "text", 4, 0, NULL), 4);
	ck_assert_int_eq(zq_read(dev, 1, 0, got, 4), 4);
	ck_assert_int_eq(memcmp(got, "text", 4), 0);
	ck_assert_int_eq(zq_close_device(dev), 0);
	zq_memory_free(data);
	memory_end();
}
END_TEST

static int nr_asked;

static bool cancel_now(void *data)
{
	return nr_asked++ >= *(int *)data;
}

START_TEST(a_check_can_be_ended)
{
	struct zq_create_opts o = small_disk();
	struct zq_check_result res;
	int at = 0;
	struct zq_check_opts c = { .data = &at, .cancelled = cancel_now };

	memory_begin();
	ck_assert_int_eq(zq_create_io(io, &o, &err), 0);
	ck_assert_int_eq(zq_check_io(io, &c, &res, &err), -ECANCELED);
	ck_assert_int_eq(nr_asked, 1);
	c.repair = ZQ_REPAIR_ALL;
	for (at = 1; at < 50; at++) {
		nr_asked = 0;
		if (zq_check_io(io, &c, &res, &err) == 0)
			break;
	}
	ck_assert_int_lt(at, 50);
	ck_assert_int_eq(zq_check_io(io, NULL, NULL, &err), -EINVAL);
	ck_assert_int_eq(zq_check_io(NULL, NULL, &res, &err), -EINVAL);
	ck_assert_int_eq(zq_check(NULL, NULL, &res, &err), -EINVAL);
	memory_end();
}
END_TEST

START_TEST(ios_must_fit_what_is_asked)
{
	struct zq_create_opts o = small_disk();
	struct zq_check_opts c = { .repair = ZQ_REPAIR_ALL };
	struct zq_check_result res;
	struct zq_image_info *info = NULL;
	struct zq_io *ro;
	uint64_t size;

	memory_begin();
	ro = open_memory(false);
	ck_assert_int_eq(zq_create_io(ro, &o, &err), -EROFS);
	ck_assert_int_eq(zq_create_io(NULL, &o, &err), -EINVAL);
	ck_assert_int_eq(zq_create_io(io, NULL, &err), -EINVAL);
	o.zone_size = 1000;
	ck_assert_int_eq(zq_create_io(io, &o, &err), -EINVAL);
	ck_assert_int_eq(io->ops->size(io, &size), 0);
	ck_assert_uint_eq(size, 0);
	ck_assert_int_lt(zq_get_image_info_io(io, NULL, false, &info, &err), 0);
	ck_assert_ptr_null(info);
	ck_assert_int_eq(zq_get_image_info(NULL, NULL, false, &info, &err), -EINVAL);
	ck_assert_int_eq(zq_check_io(ro, &c, &res, &err), -EROFS);
	ck_assert_int_eq(zq_memory_io(NULL, true, &ro), -EINVAL);
	ro->ops->close(ro);
	memory_end();
}
END_TEST

/* ---- programs and libraries of different versions
 * ------------------------------------------------ */

START_TEST(structures_of_other_sizes_are_taken)
{
	struct {
		struct zq_create_opts o;
		uint64_t later;
	} newer = { .o = small_disk() };
	struct {
		struct zq_zone_info info;
		uint64_t later;
	} rows[2];
	const size_t old_size = offsetof(struct zq_zone_info, mtime_sec);
	uint8_t old[2 * sizeof(struct zq_zone_info)];
	uint32_t number;
	struct zq_device *dev;

	memory_begin();
	newer.later = 1;
	ck_assert_int_eq(zq_create_io_sized(io, &newer.o, sizeof(newer), &err), -E2BIG);
	newer.later = 0;
	ck_assert_int_eq(zq_create_io_sized(io, &newer.o, sizeof(newer), &err), 0);
	ck_assert_int_eq(zq_open_device_io(open_memory(true), NULL, &dev, &err), 0);
	memset(rows, 0xff, sizeof(rows));
	ck_assert_int_eq(zq_report_sized(dev, 1, 2, &rows[0].info, sizeof(rows[0])), 0);
	ck_assert_uint_eq(rows[0].info.number, 1);
	ck_assert_uint_eq(rows[1].info.number, 2);
	ck_assert_uint_eq(rows[0].later | rows[1].later, 0);
	memset(old, 0xff, sizeof(old));
	ck_assert_int_eq(zq_report_sized(dev, 1, 2, (void *)old, old_size), 0);
	memcpy(&number, old + old_size, sizeof(number));
	ck_assert_uint_eq(number, 2);
	ck_assert_uint_eq(old[2 * old_size], 0xff);
	/* an option behind the end of what the program knows */
	ck_assert_int_eq(zq_create_set_sized(&newer.o, offsetof(struct zq_create_opts, data_file),
					     "data_file", "x", &err),
			 -EINVAL);
	ck_assert_ptr_null(newer.o.data_file);
	ck_assert_int_eq(zq_close_device(dev), 0);
	memory_end();
}
END_TEST

/* An io of a program from before cold_start, whose table ends where it says. */
START_TEST(older_tables_of_functions_are_taken)
{
	struct zq_create_opts o = small_disk();
	const size_t first = offsetof(struct zq_io_ops, struct_size);
	struct zq_io_ops *ops = malloc(first + sizeof(size_t));
	const struct zq_io_ops *real;
	struct zq_device *dev;
	struct zq_io *i;

	memory_begin();
	ck_assert_int_eq(zq_create_io(io, &o, &err), 0);
	i = open_memory(true);
	real = i->ops;
	memcpy(ops, real, first);
	memset((char *)ops + first, 0, sizeof(size_t));
	i->ops = ops;
	ck_assert_int_eq(zq_open_device_io(i, NULL, &dev, &err), 0);
	ck_assert_int_eq(zq_append(dev, 1, NULL, 0, "text", 4, 0, NULL), 4);
	ck_assert_int_eq(zq_close_device(dev), 0);
	free(ops);
	memory_end();
}
END_TEST

/* What must not change while programs that were built before are to run. */
START_TEST(structures_keep_their_shape)
{
	ck_assert_uint_eq(sizeof(struct zq_error), 512);
	ck_assert_uint_eq(sizeof(struct zq_writer), 32);
	ck_assert_uint_eq(sizeof(struct zq_geometry), 80);
	ck_assert_uint_eq(offsetof(struct zq_image_info, layout), 80);
	if (sizeof(void *) != 8)
		return;
	ck_assert_uint_eq(sizeof(struct zq_io), 48);
	ck_assert_uint_eq(offsetof(struct zq_io_ops, struct_size), 11 * sizeof(void *));
	ck_assert_uint_eq(sizeof(struct zq_create_option), 64);
	ck_assert_uint_eq(sizeof(struct zq_snapshot_info), 64);
	ck_assert_uint_eq(offsetof(struct zq_open_opts, log_data), 56);
	ck_assert_uint_eq(offsetof(struct zq_create_opts, data_io), 120);
	ck_assert_uint_eq(offsetof(struct zq_check_opts, cancelled), 40);
	ck_assert_uint_eq(offsetof(struct zq_check_result, image_end), 64);
	ck_assert_uint_eq(offsetof(struct zq_zone_info, mtime_nsec), 64);
	ck_assert_uint_eq(offsetof(struct zq_counts, usable), 80);
}
END_TEST

START_TEST(structures_grow_at_their_end)
{
	if (sizeof(void *) != 8)
		return;
	ck_assert_uint_eq(offsetof(struct zq_open_opts, powercut_seed), 96);
	ck_assert_uint_eq(offsetof(struct zq_create_opts, warn_data), 136);
	ck_assert_uint_eq(offsetof(struct zq_amend_opts, warn_data), 64);
	ck_assert_uint_eq(offsetof(struct zq_commit_opts, data), 16);
	ck_assert_uint_eq(offsetof(struct zq_commit_result, resumed), 20);
	ck_assert_uint_eq(offsetof(struct zq_compact_opts, data), 24);
	ck_assert_uint_eq(offsetof(struct zq_compact_result, compressed_clusters), 40);
	ck_assert_uint_eq(offsetof(struct zq_convert_opts, finished), 80);
	ck_assert_uint_eq(offsetof(struct zq_convert_result, copied), 32);
	ck_assert_uint_eq(offsetof(struct zq_difference, offset), 144);
	ck_assert_uint_eq(offsetof(struct zq_difference, nr_conv), 152);
	ck_assert_uint_eq(offsetof(struct zq_chain_file, inherited), 68);
	ck_assert_uint_eq(offsetof(struct zq_map_opts, data_file), 8);
	ck_assert_uint_eq(offsetof(struct zq_map_piece, file), 48);
	ck_assert_uint_eq(offsetof(struct zq_resize_opts, data_file), 16);
	ck_assert_uint_eq(offsetof(struct zq_resize_result, new_zones), 20);
}
END_TEST

START_TEST(versions_are_told)
{
	int major, minor, patch;

	ck_assert_str_eq(zq_version_text(), ZQFS_VERSION);
	ck_assert_int_eq(zq_version(), ZQFS_VERSION_NUM);
	ck_assert_int_eq(sscanf(ZQFS_VERSION, "%d.%d.%d", &major, &minor, &patch), 3);
	ck_assert_int_eq(ZQFS_VERSION_NUM, major * 10000 + minor * 100 + patch);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(memory_is_like_a_file),
		CHECK_TEST(memory_has_the_locks_of_files),
		CHECK_TEST(an_image_lives_in_memory),
		CHECK_TEST(data_files_may_be_in_memory),
		CHECK_TEST(a_check_can_be_ended),
		CHECK_TEST(ios_must_fit_what_is_asked),
		CHECK_TEST(structures_of_other_sizes_are_taken),
		CHECK_TEST(older_tables_of_functions_are_taken),
		CHECK_TEST(structures_keep_their_shape),
		CHECK_TEST(structures_grow_at_their_end),
		CHECK_TEST(versions_are_told),
	};

	return check_main("io/memory", tests, ARRAY_SIZE(tests));
}
