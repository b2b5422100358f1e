/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree's arithmetic: names, node numbers, inode numbers in each layout.
 */
#include "check_main.h"

#include <stdio.h>
#include <string.h>

/* The file system is no part of the library, and this file of it is pure. */
#include "fs/tree.c" // NOLINT(bugprone-suspicious-include)

static const struct tree normal = { .nr_zones = 10, .nr_conv = 3 };
static const struct tree no_conv = { .nr_zones = 4 };
static const struct tree all_conv = { .nr_zones = 4, .nr_conv = 4 };
static const struct tree aggr = { .nr_zones = 10, .nr_conv = 3, .aggr = true };
static const struct tree flat = { .nr_zones = 10, .nr_conv = 3, .flat = true };
static const struct tree flat_aggr = { .nr_zones = 10, .nr_conv = 3, .flat = true, .aggr = true };

/* Walks a folder: each entry's name leads back to its node, and each node is valid. */
static void tree_walk(const struct tree *t, uint64_t dir)
{
	for (uint32_t i = 0; i < tree_entries(t, dir); i++) {
		char name[TREE_NAME_ROOM];
		uint64_t node = tree_entry(t, dir, i, name);

		ck_assert_msg(tree_valid(t, node), "%s", name);
		ck_assert_uint_le(strlen(name), TREE_NAME_MAX);
		ck_assert_uint_eq(tree_lookup(t, dir, name), node);
		ck_assert_uint_eq(tree_parent(t, node), dir);
		ck_assert_uint_ne(tree_ino(t, node), 0);
		if (!tree_is_file(node))
			tree_walk(t, node);
	}
}

START_TEST(names_lead_back)
{
	tree_walk(&normal, TREE_ROOT);
	tree_walk(&no_conv, TREE_ROOT);
	tree_walk(&all_conv, TREE_ROOT);
	tree_walk(&aggr, TREE_ROOT);
	tree_walk(&flat, TREE_ROOT);
	tree_walk(&flat_aggr, TREE_ROOT);
}
END_TEST

START_TEST(folders)
{
	ck_assert_uint_eq(tree_entries(&normal, TREE_ROOT), 2);
	ck_assert_uint_eq(tree_entries(&normal, TREE_CNV), 3);
	ck_assert_uint_eq(tree_entries(&normal, TREE_SEQ), 7);
	ck_assert_uint_eq(tree_entries(&no_conv, TREE_ROOT), 1);
	ck_assert_uint_eq(tree_lookup(&no_conv, TREE_ROOT, "cnv"), TREE_NONE);
	ck_assert_uint_eq(tree_lookup(&no_conv, TREE_ROOT, "seq"), TREE_SEQ);
	ck_assert(!tree_valid(&no_conv, TREE_CNV));
	ck_assert_uint_eq(tree_entries(&all_conv, TREE_ROOT), 2);
	ck_assert_uint_eq(tree_entries(&all_conv, TREE_SEQ), 0);
	ck_assert_uint_eq(tree_entries(&aggr, TREE_CNV), 1);
	ck_assert_uint_eq(tree_entries(&flat, TREE_ROOT), 10);
	ck_assert_uint_eq(tree_entries(&flat_aggr, TREE_ROOT), 8);
}
END_TEST

START_TEST(zones_of_files)
{
	ck_assert_uint_eq(tree_zone(tree_lookup(&normal, TREE_CNV, "2")), 2);
	ck_assert_uint_eq(tree_zone(tree_lookup(&normal, TREE_SEQ, "0")), 3);
	ck_assert_uint_eq(tree_zone(tree_lookup(&normal, TREE_SEQ, "6")), 9);
	ck_assert_uint_eq(tree_zone(tree_lookup(&aggr, TREE_SEQ, "0")), 3);
	ck_assert_uint_eq(tree_zone(tree_lookup(&flat, TREE_ROOT, "seq-000003")), 3);
	ck_assert_uint_eq(tree_zone(tree_lookup(&flat_aggr, TREE_ROOT, "seq-000009")), 9);
}
END_TEST

START_TEST(only_canonical_names)
{
	static const char *const bad[] = {
		"00",  "01", "+1", "-1",	 " 0",
		"0 ",  "",   "7",  "a",		 "1a",
		"0x1", ".",  "..", "4294967296", "18446744073709551616"
	};
	static const char *const bad_flat[] = { "seq-3",      "seq-0000003", "seq-000002",
						"seq-000010", "cnv-000003",  "cnv000001",
						"seq",	      "cnv",	     "seq-",
						"SEQ-000003", "xyz-000003",  "0" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		ck_assert_msg(!tree_lookup(&normal, TREE_SEQ, bad[i]), "seq/'%s'", bad[i]);
		ck_assert_msg(!tree_lookup(&normal, TREE_ROOT, bad[i]), "'%s'", bad[i]);
	}
	for (size_t i = 0; i < sizeof(bad_flat) / sizeof(*bad_flat); i++)
		ck_assert_msg(!tree_lookup(&flat, TREE_ROOT, bad_flat[i]), "'%s'", bad_flat[i]);
	ck_assert(!tree_lookup(&aggr, TREE_CNV, "1"));
	ck_assert(!tree_lookup(&flat_aggr, TREE_ROOT, "cnv-000001"));
	ck_assert(!tree_lookup(&normal, tree_node_of_zone(5), "0"));
	ck_assert(!tree_lookup(&flat, TREE_ROOT, "seq-000002"));
}
END_TEST

START_TEST(inode_numbers)
{
	ck_assert_uint_eq(tree_ino(&normal, tree_node_of_zone(0)), 1);
	ck_assert_uint_eq(tree_ino(&normal, tree_node_of_zone(9)), 10);
	ck_assert_uint_eq(tree_ino(&normal, TREE_ROOT), 11);
	ck_assert_uint_eq(tree_ino(&normal, TREE_CNV), 12);
	ck_assert_uint_eq(tree_ino(&normal, TREE_SEQ), 13);
}
END_TEST

START_TEST(nodes_out_of_range)
{
	ck_assert(!tree_valid(&normal, 0));
	ck_assert(!tree_valid(&normal, TREE_ZONES + 10));
	ck_assert(!tree_valid(&normal, UINT64_MAX));
	ck_assert(tree_valid(&normal, TREE_ZONES + 9));
	ck_assert(!tree_valid(&flat, TREE_SEQ));
	ck_assert(!tree_valid(&aggr, TREE_ZONES + 1));
	ck_assert(tree_valid(&aggr, TREE_ZONES));
}
END_TEST

START_TEST(a_million_zones)
{
	struct tree t = { .nr_zones = 1000000, .nr_conv = 1, .flat = true };

	ck_assert_uint_eq(tree_zone(tree_lookup(&t, TREE_ROOT, "seq-999999")), 999999);
	t.nr_zones++;
	ck_assert_uint_eq(tree_zone(tree_lookup(&t, TREE_ROOT, "seq-1000000")), 1000000);
	ck_assert(!tree_lookup(&t, TREE_ROOT, "seq-0999999"));
	t.flat = false;
	ck_assert_uint_eq(tree_zone(tree_lookup(&t, TREE_SEQ, "999999")), 1000000);
}
END_TEST

START_TEST(paths)
{
	char buf[TREE_NAME_ROOM];

	ck_assert_str_eq(tree_path(&normal, TREE_ROOT, buf), "/");
	ck_assert_str_eq(tree_path(&normal, TREE_SEQ, buf), "seq");
	ck_assert_str_eq(tree_path(&normal, tree_node_of_zone(2), buf), "cnv/2");
	ck_assert_str_eq(tree_path(&normal, tree_node_of_zone(3), buf), "seq/0");
	ck_assert_str_eq(tree_path(&flat, tree_node_of_zone(3), buf), "seq-000003");
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(names_lead_back), CHECK_TEST(folders),
		CHECK_TEST(zones_of_files),  CHECK_TEST(only_canonical_names),
		CHECK_TEST(inode_numbers),   CHECK_TEST(nodes_out_of_range),
		CHECK_TEST(a_million_zones), CHECK_TEST(paths),
	};

	return check_main("fs/tree", tests, ARRAY_SIZE(tests));
}
