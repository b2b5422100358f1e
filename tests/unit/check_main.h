/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main function that unit tests share: a table of tests in, an exit status out.
 *
 *	int main(void)
 *	{
 *		static const struct check_test tests[] = {
 *			CHECK_TEST(reads_big_endian),
 *		};
 *
 *		return check_main("util/bytes", tests, ARRAY_SIZE(tests));
 *	}
 */
#ifndef ZQ_TESTS_CHECK_MAIN_H
#define ZQ_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdio.h>

#include "util/math.h"

struct check_test {
	const char *name;
	const TTest **test;
	size_t loops;			      /* 0: once; else with _i from 0 to loops - 1 */
	void (*before)(void), (*after)(void); /* around each run, or NULL */
	int signal;			      /* that must end it; 0: none */
};
/* clang-format off */
#define CHECK_TEST(fn) { #fn, &fn, 0, NULL, NULL, 0 }
#define CHECK_SIGNAL(fn, signal) { #fn, &fn, 0, NULL, NULL, signal }
#define CHECK_LOOP(fn, loops) { #fn, &fn, loops, NULL, NULL, 0 }
#define CHECK_WITH(fn, before, after) { #fn, &fn, 0, before, after, 0 }
#define CHECK_LOOP_WITH(fn, loops, before, after) { #fn, &fn, loops, before, after, 0 }
/* clang-format on */

/*
 * Runs the tests of a table as one suite, each in a process of its own (CK_FORK=no for a
 * debugger), all with that timeout in seconds. 0 when all passed, 1 otherwise.
 */
static inline int check_main_timeout(const char *suite_name, const struct check_test *tests,
				     size_t nr, double timeout)
{
	Suite *s = suite_create(suite_name);
	SRunner *sr;
	int failed, run;

	for (size_t i = 0; i < nr; i++) {
		TCase *tc = tcase_create(tests[i].name);

		tcase_set_timeout(tc, timeout);
		if (tests[i].before)
			tcase_add_checked_fixture(tc, tests[i].before, tests[i].after);
		if (tests[i].signal)
			tcase_add_test_raise_signal(tc, *tests[i].test, tests[i].signal);
		else if (tests[i].loops)
			tcase_add_loop_test(tc, *tests[i].test, 0, (int)tests[i].loops);
		else
			tcase_add_test(tc, *tests[i].test);
		suite_add_tcase(s, tc);
	}
	sr = srunner_create(s);
	srunner_run_all(sr, CK_ENV);
	run = srunner_ntests_run(sr);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	if (!run)
		printf("%s: no test ran\n", suite_name);
	return failed || !run;
}

static inline int check_main(const char *suite_name, const struct check_test *tests, size_t nr)
{
	return check_main_timeout(suite_name, tests, nr, 60);
}

#endif
