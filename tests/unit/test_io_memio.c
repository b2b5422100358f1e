/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tests' own file in memory: other tests trust it, so it is tested itself.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "io/io.h"
#include "memio.h"

static struct memio *m;
static struct zq_io *io;

static void io_memio_begin(void)
{
	m = memio_new();
	io = memio_open(m, "mem", true);
}

static void io_memio_end(void)
{
	io_close(io);
	ck_assert_uint_eq(memio_open_count(m), 0);
	memio_free(m);
}

START_TEST(reads_back_what_was_written)
{
	uint8_t buf[10000], got[10100];
	uint64_t size;

	io_memio_begin();
	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7 + 1);
	ck_assert_int_eq(io_write(io, buf, sizeof(buf), 4000), 0);
	ck_assert_int_eq(io_size(io, &size), 0);
	ck_assert_uint_eq(size, 14000);
	ck_assert_int_eq(io_pread(io, got, sizeof(got), 3950), 0);
	for (size_t i = 0; i < 50; i++)
		ck_assert_uint_eq(got[i], 0);
	ck_assert_mem_eq(got + 50, buf, sizeof(buf));
	for (size_t i = 10050; i < sizeof(got); i++)
		ck_assert_uint_eq(got[i], 0);
	io_memio_end();
}
END_TEST

START_TEST(is_sparse)
{
	uint64_t found = 0, used;
	uint8_t byte = 1, page[MEMIO_PAGE];

	io_memio_begin();
	ck_assert_int_eq(io_write(io, &byte, 1, UINT64_C(64) << 40), 0);
	ck_assert_int_eq(io_usage(io, &used), 0);
	ck_assert_uint_eq(used, MEMIO_PAGE);
	ck_assert_int_eq(io_seek(io, 0, false, &found), 0);
	ck_assert_uint_eq(found, UINT64_C(64) << 40);
	ck_assert_int_eq(io_seek(io, 5, true, &found), 0);
	ck_assert_uint_eq(found, 5);
	ck_assert_int_eq(io_seek(io, UINT64_C(64) << 40, true, &found), 0);
	ck_assert_uint_eq(found, (UINT64_C(64) << 40) + 1);
	ck_assert_int_eq(io_seek(io, (UINT64_C(64) << 40) + 1, true, &found), -ENXIO);
	/* many pages, so that the table grows */
	memset(page, 0x5a, sizeof(page));
	for (uint64_t i = 0; i < 5000; i++)
		ck_assert_int_eq(io_write(io, page, sizeof(page), i * MEMIO_PAGE), 0);
	ck_assert_uint_eq(memio_used(m), 5001 * UINT64_C(4096));
	ck_assert_int_eq(io_pread(io, page, 1, 4999 * UINT64_C(4096)), 0);
	ck_assert_uint_eq(page[0], 0x5a);
	io_memio_end();
}
END_TEST

START_TEST(punch_and_truncate_clear)
{
	uint8_t buf[3 * MEMIO_PAGE], got[3 * MEMIO_PAGE];

	io_memio_begin();
	memset(buf, 0xaa, sizeof(buf));
	ck_assert_int_eq(io_write(io, buf, sizeof(buf), 0), 0);
	ck_assert_int_eq(io_punch(io, 100, 2 * MEMIO_PAGE), 0);
	memset(buf + 100, 0, 2 * MEMIO_PAGE);
	ck_assert_int_eq(io_pread(io, got, sizeof(got), 0), 0);
	ck_assert_mem_eq(got, buf, sizeof(buf));
	ck_assert_uint_eq(memio_used(m), 2 * MEMIO_PAGE);

	/* what was cut off does not come back */
	ck_assert_int_eq(io_truncate(io, 50), 0);
	ck_assert_int_eq(io_truncate(io, sizeof(buf)), 0);
	memset(buf + 50, 0, sizeof(buf) - 50);
	ck_assert_int_eq(io_pread(io, got, sizeof(got), 0), 0);
	ck_assert_mem_eq(got, buf, sizeof(buf));
	memio_set_no_punch(m, true);
	ck_assert_int_eq(io_punch(io, 0, 10), -EOPNOTSUPP);
	io_memio_end();
}
END_TEST

START_TEST(faults_hit_the_nth_operation)
{
	uint8_t buf[8] = "abcdefg", got[8];

	io_memio_begin();
	memio_fail(m, MEMIO_WRITE, 1, EIO, false, 3);
	ck_assert_int_eq(io_write(io, buf, 8, 0), 0);
	ck_assert_int_eq(io_write(io, buf, 8, 100), -EIO);
	ck_assert_int_eq(io_write(io, buf, 8, 200), 0);
	ck_assert_uint_eq(memio_failures(m, MEMIO_WRITE), 1);
	memio_peek(m, 100, got, 8);
	ck_assert_mem_eq(got, "abc\0\0\0\0\0", 8); /* torn after three bytes */

	memio_fail(m, MEMIO_FLUSH, 0, ENOSPC, true, 0);
	ck_assert_int_eq(io_flush(io), -ENOSPC);
	ck_assert_int_eq(io_flush(io), -ENOSPC);
	memio_fail(m, MEMIO_FLUSH, 0, 0, false, 0);
	ck_assert_int_eq(io_flush(io), 0);
	memio_set_limit(m, 1000);
	ck_assert_int_eq(io_write(io, buf, 8, 996), -ENOSPC);
	ck_assert_int_eq(io_truncate(io, 1001), -ENOSPC);
	ck_assert_uint_eq(memio_size(m), 1000);
	io_memio_end();
}
END_TEST

struct hook_log {
	uint64_t calls, last_off, last_len;
	enum memio_op refuse;
};

static int hook(void *data, enum memio_op op, uint64_t off, uint64_t len, uint64_t *apply)
{
	struct hook_log *h = data;

	h->calls++;
	h->last_off = off;
	h->last_len = len;
	*apply = 1;
	return op == h->refuse ? -EDOM : 0;
}

START_TEST(hook_sees_and_refuses)
{
	struct hook_log h = { .refuse = MEMIO_WRITE };
	struct memio_stats st;
	uint8_t buf[4] = "xyz";

	io_memio_begin();
	memio_set_hook(m, hook, &h);
	ck_assert_int_eq(io_pread(io, buf, 4, 40), 0);
	ck_assert_uint_eq(h.calls, 1);
	ck_assert_uint_eq(h.last_off, 40);
	ck_assert_uint_eq(h.last_len, 4);
	ck_assert_int_eq(io_write(io, "xyz", 4, 0), -EDOM);
	ck_assert_uint_eq(memio_size(m), 1);
	memio_get_stats(m, &st);
	ck_assert_uint_eq(st.ops[MEMIO_READ], 1);
	ck_assert_uint_eq(st.bytes[MEMIO_READ], 4);
	ck_assert_uint_eq(st.ops[MEMIO_WRITE], 1);
	ck_assert_uint_eq(st.bytes[MEMIO_WRITE], 0);
	memio_set_hook(m, NULL, NULL);
	io_memio_end();
}
END_TEST

static bool odd_ones_torn(void *data, size_t i, const struct memio_entry *e, uint64_t *len)
{
	(void)data;
	if (e->op == MEMIO_WRITE && i % 2)
		*len = 1;
	return true;
}

START_TEST(log_replays_onto_a_clone)
{
	struct memio *before, *copy;
	uint64_t where = 0;

	io_memio_begin();
	ck_assert_int_eq(io_write(io, "start", 5, 0), 0);
	before = memio_clone(m);
	memio_log_start(m);
	ck_assert_int_eq(io_write(io, "AA", 2, 1), 0);	  /* 0 */
	ck_assert_int_eq(io_write(io, "BB", 2, 9000), 0); /* 1 */
	ck_assert_int_eq(io_flush(io), 0);		  /* 2 */
	ck_assert_int_eq(io_punch(io, 0, 3), 0);	  /* 3 */
	ck_assert_int_eq(io_truncate(io, 20000), 0);	  /* 4 */
	ck_assert_uint_eq(memio_log_count(m), 5);
	ck_assert_ptr_null(memio_log_get(m, 5));
	ck_assert_uint_eq(memio_log_last_flush(m, 5), 3);
	ck_assert_uint_eq(memio_log_last_flush(m, 2), 0);

	copy = memio_clone(before);
	ck_assert(!memio_equal(copy, m, NULL));
	memio_replay(m, 0, 5, copy, NULL, NULL);
	ck_assert(memio_equal(copy, m, NULL));
	memio_poke(copy, 12345, "!", 1);
	ck_assert(!memio_equal(copy, m, &where));
	ck_assert_uint_eq(where, 12345);
	memio_free(copy);

	copy = memio_clone(before);
	memio_replay(m, 0, 2, copy, odd_ones_torn, NULL);
	ck_assert_uint_eq(memio_size(copy), 9001);
	memio_free(copy);
	memio_free(before);
	io_memio_end();
}
END_TEST

START_TEST(locks_exclude_as_on_the_host)
{
	struct zq_io *other;

	io_memio_begin();
	other = memio_open(m, "other", false);
	ck_assert_uint_eq(memio_open_count(m), 2);
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(io_lock(other, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_WRITE), -EAGAIN);
	ck_assert_int_eq(io_lock(other, ZQ_LOCK_SHARED), 0);
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_WRITE), 0);
	ck_assert_int_eq(io_lock(other, ZQ_LOCK_READ), -EAGAIN);
	ck_assert_int_eq(io_write(other, "x", 1, 0), -EBADF);
	io_close(other);
	io_memio_end();
}
END_TEST

START_TEST(saves_and_loads)
{
	char path[] = "/tmp/zqfs-memio-XXXXXX";
	struct memio *back = NULL;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	io_memio_begin();
	ck_assert_int_eq(io_write(io, "far", 3, 1 << 20), 0);
	ck_assert_int_eq(io_truncate(io, (2 << 20) + 5), 0);
	ck_assert_int_eq(memio_save(m, path), 0);
	ck_assert_int_eq(memio_load(path, &back), 0);
	ck_assert(memio_equal(m, back, NULL));
	ck_assert_int_eq(memio_load("/nonexistent/file", &back), -ENOENT);
	memio_free(back);
	unlink(path);
	close(fd);
	io_memio_end();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(reads_back_what_was_written),  CHECK_TEST(is_sparse),
		CHECK_TEST(punch_and_truncate_clear),	  CHECK_TEST(faults_hit_the_nth_operation),
		CHECK_TEST(hook_sees_and_refuses),	  CHECK_TEST(log_replays_onto_a_clone),
		CHECK_TEST(locks_exclude_as_on_the_host), CHECK_TEST(saves_and_loads),
	};

	return check_main("tests/memio", tests, ARRAY_SIZE(tests));
}
