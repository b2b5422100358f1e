/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdlib.h>

#include "check_main.h"
#include "util/hash.h"

struct thing {
	struct hash_node node;
	unsigned seen;
};

static struct thing *hash_test_add(struct hash *h, uint64_t key)
{
	struct thing *t = calloc(1, sizeof(*t));

	t->node.key = key;
	ck_assert_int_eq(hash_add(h, &t->node), 0);
	return t;
}

START_TEST(an_empty_table_has_nothing)
{
	struct hash h = { 0 };

	ck_assert_ptr_null(hash_find(&h, 0));
	ck_assert_ptr_null(hash_next(&h, NULL));
	hash_free(&h);
}
END_TEST

START_TEST(finds_what_was_added_and_not_what_was_removed)
{
	struct hash h = { 0 };
	struct thing *gone = NULL;

	for (uint64_t i = 0; i < 5000; i++) {
		struct thing *t = hash_test_add(&h, i << 16);

		if (i == 1234)
			gone = t;
	}
	hash_remove(&h, &gone->node);
	free(gone);
	for (uint64_t i = 0; i < 5000; i++) {
		struct hash_node *n = hash_find(&h, i << 16);

		ck_assert_int_eq(!!n, i != 1234);
		ck_assert(!n || n->key == i << 16);
		ck_assert_ptr_null(hash_find(&h, (i << 16) + 1));
	}
	ck_assert_uint_eq(h.nr, 4999);
	hash_free(&h);
	ck_assert_uint_eq(h.nr, 0);
}
END_TEST

START_TEST(walks_over_each_node_once)
{
	struct hash h = { 0 };
	unsigned n = 0;

	for (uint64_t i = 0; i < 777; i++)
		hash_test_add(&h, i * i * 4096);
	for (struct hash_node *i = hash_next(&h, NULL); i; i = hash_next(&h, i), n++)
		ck_assert_uint_eq(((struct thing *)i)->seen++, 0);
	ck_assert_uint_eq(n, 777);
	hash_free(&h);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(an_empty_table_has_nothing),
		CHECK_TEST(finds_what_was_added_and_not_what_was_removed),
		CHECK_TEST(walks_over_each_node_once),
	};

	return check_main("hash", tests, ARRAY_SIZE(tests));
}
