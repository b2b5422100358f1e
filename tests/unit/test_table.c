/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tables that are kept whole: loading, dirty groups, fresh words, growing, and what a commit
 * takes along and gives back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "memio.h"
#include "qcow2/tables/table.h"
#include "util/bytes.h"

#define NR 150u /* two groups and a part of one */

static struct memio *m;
static struct zq_io *io;
static struct qcow2_table t;

static void table_setup(void)
{
	m = memio_new();
	for (unsigned i = 0; i < NR; i++) {
		uint8_t b[8];

		put_be64(b, 1000 + i);
		memio_poke(m, 4096 + i * 8, b, sizeof(b));
	}
	io = memio_open(m, "mem", true);
	memset(&t, 0, sizeof(t));
}

static void table_test_load(void)
{
	ck_assert_int_eq(table_load(&t, io, 4096, NR, memio_size(m)), 0);
}

static void table_teardown(void)
{
	table_free(&t);
	io->ops->close(io);
	memio_free(m);
}

START_TEST(words_are_big_endian_on_disk)
{
	table_test_load();
	ck_assert_uint_eq(t.nr, NR);
	ck_assert_uint_eq(t.offset, 4096);
	for (unsigned i = 0; i < NR; i++)
		ck_assert_uint_eq(t.word[i], 1000 + i);
	ck_assert(!t.any_dirty);
}
END_TEST

START_TEST(failed_read_is_an_error)
{
	memio_fail(m, MEMIO_READ, 0, EIO, false, 0);
	ck_assert_int_eq(table_load(&t, io, 4096, NR, memio_size(m)), -EIO);
}
END_TEST

START_TEST(commit_takes_changed_groups_only)
{
	struct table_group *g;
	size_t nr;

	table_test_load();
	ck_assert_int_eq(table_commit_begin(&t, &g, &nr), 0);
	ck_assert_uint_eq(nr, 0);
	table_set(&t, 3, 7, false);
	table_set(&t, 149, 8, true);
	ck_assert_int_eq(table_commit_begin(&t, &g, &nr), 0);
	ck_assert_uint_eq(nr, 2);
	ck_assert_uint_eq(g[0].first, 0);
	ck_assert_uint_eq(g[0].nr, TABLE_GROUP);
	ck_assert_uint_eq(g[0].word[3], 7);
	ck_assert_uint_eq(g[0].fresh, 0);
	ck_assert_uint_eq(g[1].first, 128);
	ck_assert_uint_eq(g[1].nr, NR - 128);
	ck_assert_uint_eq(g[1].fresh, UINT64_C(1) << 21);
	ck_assert(!t.any_dirty);
	/* what changes meanwhile is not part of it, and is taken next time */
	table_set(&t, 4, 9, false);
	ck_assert_uint_eq(g[0].word[4], 1004);
	ck_assert(table_is_fresh(&t, 149));
	table_commit_end(&t, g, nr, true, true);
	ck_assert(!table_is_fresh(&t, 149));
	ck_assert_uint_eq(t.nr_fresh, 0);
	ck_assert(t.any_dirty);
	ck_assert_int_eq(table_commit_begin(&t, &g, &nr), 0);
	ck_assert_uint_eq(nr, 1);
	ck_assert_uint_eq(g[0].word[4], 9);
	table_commit_end(&t, g, nr, true, true);
}
END_TEST

START_TEST(failed_commit_leaves_all_dirty)
{
	bool zeroed = _i;
	struct table_group *g;
	size_t nr;

	table_test_load();
	table_set(&t, 70, 7, true);
	ck_assert_int_eq(table_commit_begin(&t, &g, &nr), 0);
	table_commit_end(&t, g, nr, false, zeroed);
	ck_assert(t.any_dirty);
	/* once zeroed on disk it must not be zeroed again: the word may be there already */
	ck_assert(table_is_fresh(&t, 70) == !zeroed);
	ck_assert_int_eq(table_commit_begin(&t, &g, &nr), 0);
	ck_assert_uint_eq(nr, 1);
	ck_assert_uint_eq(g[0].word[6], 7);
	ck_assert_uint_eq(g[0].fresh, zeroed ? 0 : 1 << 6);
	table_commit_end(&t, g, nr, true, true);
}
END_TEST

START_TEST(grown_table_keeps_words_and_is_all_dirty)
{
	struct table_group *g;
	size_t nr;

	table_test_load();
	table_set(&t, 5, 77, true);
	ck_assert_int_eq(table_grow(&t, 300), 0);
	ck_assert_uint_eq(t.nr, 300);
	ck_assert_uint_eq(t.word[5], 77);
	ck_assert_uint_eq(t.word[149], 1149);
	ck_assert_uint_eq(t.word[150], 0);
	ck_assert_uint_eq(t.word[299], 0);
	ck_assert(table_is_fresh(&t, 5));
	ck_assert(!table_is_fresh(&t, 299));
	ck_assert_int_eq(table_commit_begin(&t, &g, &nr), 0);
	ck_assert_uint_eq(nr, 5);
	table_commit_end(&t, g, nr, true, true);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_WITH(words_are_big_endian_on_disk, table_setup, table_teardown),
		CHECK_WITH(failed_read_is_an_error, table_setup, table_teardown),
		CHECK_WITH(commit_takes_changed_groups_only, table_setup, table_teardown),
		CHECK_LOOP_WITH(failed_commit_leaves_all_dirty, 2, table_setup, table_teardown),
		CHECK_WITH(grown_table_keeps_words_and_is_all_dirty, table_setup, table_teardown),
	};

	return check_main("qcow2/table", tests, ARRAY_SIZE(tests));
}
