/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util/printable.c: what names from outside look like on a terminal.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "util/printable.h"

static const struct {
	const char *text, *want;
} cases[] = {
	{ "", "" },
	{ "disk.qcow2", "disk.qcow2" },
	{ "a b\\c", "a b\\c" },
	{ "two\nlines\tand\r", "two\\nlines\\tand\\x0d" },
	{ "\033[31mred\x7f", "\\x1b[31mred\\x7f" },
	{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
	{ "\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80" },
	{ "\xc2\x9b"
	  "31m",
	  "\\xc2\\x9b31m" },	      /* C1: another way to begin a sequence */
	{ "\xff\xc3", "\\xff\\xc3" }, /* no UTF-8, and cut off */
	{ "\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80" }, /* overlong, surrogate */
};

START_TEST(escapes)
{
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = printable_dup(cases[i].text), *written = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&written, &len);

		ck_assert_ptr_nonnull(text);
		ck_assert_str_eq(text, cases[i].want);
		printable_write(f, cases[i].text);
		ck_assert_int_eq(fclose(f), 0);
		ck_assert_str_eq(written, cases[i].want);
		free(written);
		free(text);
	}
}
END_TEST

START_TEST(cuts_between_characters)
{
	char buf[8];

	ck_assert_str_eq(printable_to("1234567", buf, sizeof(buf)), "1234567");
	ck_assert_str_eq(printable_to("12345678", buf, sizeof(buf)), "1234567");
	ck_assert_str_eq(printable_to("1234\033", buf, sizeof(buf)), "1234");
	ck_assert_str_eq(printable_to("123456\xc3\xbc", buf, sizeof(buf)), "123456");
	ck_assert_str_eq(printable_to("x", buf, 1), "");
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(escapes),
		CHECK_TEST(cuts_between_characters),
	};

	return check_main("util/printable", tests, ARRAY_SIZE(tests));
}
