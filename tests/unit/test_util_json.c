/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util/json.c: commas, nesting, escapes.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "util/json.h"

struct sink {
	char *text;
	size_t len;
};

static void util_json_begin(struct json *j, struct sink *s)
{
	*j = (struct json){ .out = open_memstream(&s->text, &s->len) };
	ck_assert_ptr_nonnull(j->out);
}

static void util_json_expect(struct json *j, struct sink *s, const char *want)
{
	ck_assert_int_eq(fclose(j->out), 0);
	ck_assert_str_eq(s->text, want);
	free(s->text);
}

START_TEST(nests_with_commas_in_the_right_places)
{
	struct json j;
	struct sink s;

	util_json_begin(&j, &s);
	json_object(&j, NULL);
	json_number(&j, "a", UINT64_MAX);
	json_array(&j, "b");
	json_object_line(&j, NULL);
	json_string(&j, "c", "d");
	json_null(&j, "e");
	json_end_object(&j);
	json_object_line(&j, NULL);
	json_bool(&j, "f", true);
	json_array(&j, "g");
	json_number(&j, NULL, 1);
	json_number(&j, NULL, 2);
	json_end_array(&j);
	json_end_object(&j);
	json_end_array(&j);
	json_array(&j, "h");
	json_end_array(&j);
	json_string(&j, "i", NULL);
	json_end_object(&j);
	util_json_expect(&j, &s,
			 "{\n"
			 "  \"a\": 18446744073709551615,\n"
			 "  \"b\": [\n"
			 "    {\"c\": \"d\", \"e\": null},\n"
			 "    {\"f\": true, \"g\": [1, 2]}\n"
			 "  ],\n"
			 "  \"h\": [],\n"
			 "  \"i\": null\n"
			 "}\n");
}
END_TEST

START_TEST(escapes_strings)
{
	static const struct {
		const char *in, *want;
	} t[] = {
		{ "", "\"\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "tab\there\n", "\"tab\\u0009here\\n\"" },
		{ "\x7f\x01", "\"\\u007f\\u0001\"" },
		{ "gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\"" },
		{ "\xf0\x9f\x92\xbe", "\"\xf0\x9f\x92\xbe\"" },
		/* not UTF-8: cut off, stray, overlong, surrogate, beyond the last plane */
		{ "a\xc3", "\"a\xef\xbf\xbd\"" },
		{ "\xffz", "\"\xef\xbf\xbdz\"" },
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xe0\x80\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct json j;
		struct sink s;

		util_json_begin(&j, &s);
		json_string(&j, NULL, t[i].in);
		util_json_expect(&j, &s, t[i].want);
	}
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(nests_with_commas_in_the_right_places),
		CHECK_TEST(escapes_strings),
	};

	return check_main("util/json", tests, ARRAY_SIZE(tests));
}
