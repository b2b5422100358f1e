/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zone/ranges.c: lists of zones as people type them.
 */
#include <check.h>
#include <errno.h>
#include <string.h>

#include "check_main.h"
#include "zone/ranges.h"

/* Zones 0 and 1 are conventional, 2 to 11 sequential. */
static const struct zq_geometry twelve = { .nr_zones = 12, .nr_conv = 2 };

/* The list as text, "3-7 9-9", so that a case is one line. */
static const char *as_text(const struct zone_ranges *l, char *buf, size_t size)
{
	size_t len = 0;

	buf[0] = '\0';
	for (size_t i = 0; i < l->nr && len < size; i++)
		len += (size_t)snprintf(buf + len, size - len, "%s%u-%u", i ? " " : "",
					l->r[i].first, l->r[i].last);
	return buf;
}

START_TEST(parses_lists)
{
	static const struct {
		const char *text, *want;
		uint64_t count;
	} t[] = {
		{ "0", "0-0", 1 },
		{ "11", "11-11", 1 },
		{ "3-7", "3-7", 5 },
		{ "007", "7-7", 1 },
		{ "9-", "9-11", 3 },
		{ "11-", "11-11", 1 },
		{ "3,5,9-", "3-3 5-5 9-11", 5 },
		{ "9-,3,5", "3-3 5-5 9-11", 5 },
		{ "3,3,3", "3-3", 1 },
		{ "3,4,5", "3-5", 3 },
		{ "1-8,2-3", "1-8", 8 },
		{ "5-6,1-5", "1-6", 6 },
		{ "0-11", "0-11", 12 },
		{ "all", "0-11", 12 },
		{ "seq/0", "2-2", 1 },
		{ "seq/3-7", "5-9", 5 },
		{ "seq/7-", "9-11", 3 },
		{ "seq/0-", "2-11", 10 },
		{ "cnv/0-1", "0-1", 2 },
		{ "cnv/1-", "1-1", 1 },
		{ "seq/0,0", "0-0 2-2", 2 },
		{ "cnv/1,seq/0", "1-2", 2 },
		{ "seq-000003", "3-3", 1 },
		{ "seq-000009-11", "9-11", 3 },
		{ "cnv-000001", "1-1", 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct zq_error err = { "" };
		struct zone_ranges l;
		char buf[128];

		ck_assert_msg(!ranges_parse(t[i].text, &twelve, &l, &err), "%s: %s", t[i].text,
			      err.msg);
		ck_assert_str_eq(as_text(&l, buf, sizeof(buf)), t[i].want);
		ck_assert_uint_eq(ranges_count(&l), t[i].count);
		ck_assert_int_eq(l.all, !strcmp(t[i].text, "all"));
		ranges_free(&l);
	}
}
END_TEST

START_TEST(refuses_with_a_sentence)
{
	static const struct {
		const char *text, *part;
	} t[] = {
		{ "", "not a zone" },
		{ "x", "'x' is not a zone" },
		{ "-3", "'-3' is not a zone" },
		{ "3,", "'' is not a zone" },
		{ ",3", "'' is not a zone" },
		{ "3,,4", "'' is not a zone" },
		{ "3-4-5", "'3-4-5' is not a zone" },
		{ "3 ", "'3 ' is not a zone" },
		{ "0x3", "'0x3' is not a zone" },
		{ "1,all", "'all' is not a zone" },
		{ "all,1", "'all' is not a zone" },
		{ "7-3", "7-3 runs backwards" },
		{ "seq", "'seq' is not a zone" },
		{ "seq/", "'seq/' is not a zone" },
		{ "seq/-3", "'seq/-3' is not a zone" },
		{ "seq3", "'seq3' is not a zone" },
		{ "seq/3-seq/4", "'seq/3-seq/4' is not a zone" },
		{ "dev/3", "'dev/3' is not a zone" },
		{ "seq/4-3", "seq/4-3 runs backwards" },
		{ "seq/10", "seq/10: the last sequential zone is 11 (seq/9)" },
		{ "seq/10-", "seq/10-: the last sequential zone is 11 (seq/9)" },
		{ "seq/4294967295", "the last sequential zone is 11 (seq/9)" },
		{ "seq/18446744073709551615", "the last sequential zone is 11 (seq/9)" },
		{ "cnv/2", "cnv/2: the last conventional zone is 1 (cnv/1)" },
		{ "seq-000001", "seq-000001: zone 1 (cnv/1) is conventional" },
		{ "12", "12: the last zone is 11 (seq/9)" },
		{ "12-", "12-: the last zone is 11" },
		{ "3-12", "3-12: the last zone is 11" },
		{ "4294967296", "the last zone is 11" },
		{ "0-18446744073709551616", "the last zone is 11" },
		{ "99999999999999999999999", "the last zone is 11" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		struct zq_error err = { "" };
		struct zone_ranges l;

		ck_assert_msg(ranges_parse(t[i].text, &twelve, &l, &err) == -EINVAL, "%s",
			      t[i].text);
		ck_assert_msg(strstr(err.msg, t[i].part) != NULL, "'%s': %s", t[i].text, err.msg);
	}
}
END_TEST

START_TEST(reaches_the_largest_device)
{
	static const struct zq_geometry huge = { .nr_zones = UINT32_MAX };
	struct zq_error err = { "" };
	struct zone_ranges l;

	ck_assert_int_eq(ranges_parse("all", &huge, &l, &err), 0);
	ck_assert_uint_eq(ranges_count(&l), UINT32_MAX);
	ranges_free(&l);
	ck_assert_int_eq(ranges_parse("4294967294,0", &huge, &l, &err), 0);
	ck_assert_uint_eq(ranges_count(&l), 2);
	ck_assert_uint_eq(l.r[1].last, UINT32_MAX - 1);
	ranges_free(&l);
	ck_assert_int_eq(ranges_parse("4294967295", &huge, &l, &err), -EINVAL);
}
END_TEST

START_TEST(knows_a_kind_that_is_missing)
{
	static const struct zq_geometry none = { .nr_zones = 4 };
	struct zq_error err = { "" };
	struct zone_ranges l;

	ck_assert_int_eq(ranges_parse("cnv/0", &none, &l, &err), -EINVAL);
	ck_assert_str_eq(err.msg, "zones: cnv/0: there are no conventional zones");
	ck_assert_int_eq(ranges_parse("cnv/0-", &none, &l, &err), -EINVAL);
	ck_assert_int_eq(ranges_parse("seq/1-", &none, &l, &err), 0);
	ck_assert_uint_eq(l.r[0].first, 1);
	ranges_free(&l);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(parses_lists),
		CHECK_TEST(refuses_with_a_sentence),
		CHECK_TEST(reaches_the_largest_device),
		CHECK_TEST(knows_a_kind_that_is_missing),
	};

	return check_main("zone/ranges", tests, ARRAY_SIZE(tests));
}
