/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util/suggest.c: which word was meant.
 */
#include <check.h>
#include <string.h>

#include "check_main.h"
#include "util/suggest.h"

START_TEST(counts_changes)
{
	static const struct {
		const char *a, *b;
		unsigned want;
	} t[] = {
		{ "", "", 0 },
		{ "", "abc", 3 },
		{ "report", "report", 0 },
		{ "reprot", "report", 1 },
		{ "repor", "report", 1 },
		{ "rreport", "report", 1 },
		{ "rapport", "report", 2 },
		{ "kitten", "sitting", 3 },
		{ "ab", "ba", 1 },
		{ "abc", "xyz", 3 },
	};
	char word[80];

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		ck_assert_uint_eq(suggest_distance(t[i].a, t[i].b), t[i].want);
		ck_assert_uint_eq(suggest_distance(t[i].b, t[i].a), t[i].want);
	}
	memset(word, 'a', sizeof(word));
	word[63] = '\0';
	ck_assert_uint_eq(suggest_distance(word, "a"), 62);
	word[63] = 'a';
	word[64] = '\0';
	ck_assert_uint_eq(suggest_distance(word, "a"), SUGGEST_FAR);
}
END_TEST

static const char *suggestion(const char *typed)
{
	static const char *const words[] = { "create", "info",	"report", "reset",
					     "finish", "check", "umount", "help" };
	struct suggest s = { .typed = typed };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		suggest_offer(&s, words[i]);
	return s.best;
}

START_TEST(suggests_what_is_near_only)
{
	ck_assert_str_eq(suggestion("reprot"), "report");
	ck_assert_str_eq(suggestion("crate"), "create");
	ck_assert_str_eq(suggestion("unmount"), "umount");
	ck_assert_str_eq(suggestion("chekc"), "check");
	ck_assert_str_eq(suggestion("fin"), "finish"); /* a beginning */
	ck_assert_str_eq(suggestion("rset"), "reset");
	ck_assert_ptr_null(suggestion("disk"));
	ck_assert_ptr_null(suggestion("x"));
	ck_assert_ptr_null(suggestion(""));
	ck_assert_ptr_null(suggestion("mnt"));
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(counts_changes),
		CHECK_TEST(suggests_what_is_near_only),
	};

	return check_main("util/suggest", tests, ARRAY_SIZE(tests));
}
