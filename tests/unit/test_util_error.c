/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * util/error.c and util/cleanup.h.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include <zqfs/error.h>

#include "check_main.h"
#include "util/cleanup.h"
#include "util/errors.h"

START_TEST(returns_the_code_and_fills_the_sentence)
{
	struct zq_error err = { "" };

	ck_assert_int_eq(zq_fail(&err, -EINVAL, "size %d is odd", 7), -EINVAL);
	ck_assert_str_eq(err.msg, "size 7 is odd");
	ck_assert_int_eq(zq_fail(NULL, -EIO, "nobody listens"), -EIO);
}
END_TEST

START_TEST(a_failure_is_of_one_kind)
{
	static const int refused[] = { EPERM, EACCES, EINVAL, EBUSY, EROFS, ENOENT, EOPNOTSUPP };
	static const int passing[] = { ENOSPC, EDQUOT, EFBIG, ENOMEM, EUCLEAN };
	static const int faults[] = { EIO, ENXIO, ETIMEDOUT, EREMOTEIO, ENODEV, ESTALE };

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		ck_assert(error_is_refusal(-refused[i]));
		ck_assert(!error_is_fault(-refused[i]));
	}
	for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++) {
		ck_assert(!error_is_refusal(-passing[i]));
		ck_assert(!error_is_fault(-passing[i]));
	}
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		ck_assert(!error_is_refusal(-faults[i]));
		ck_assert(error_is_fault(-faults[i]));
	}
	ck_assert(!error_is_fault(0) && !error_is_refusal(0) && !error_is_no_room(0));
}
END_TEST

START_TEST(prefix_goes_in_front)
{
	struct zq_error err;

	zq_fail(&err, -EINVAL, "bad");
	zq_error_prefix(&err, "disk.qcow2");
	ck_assert_str_eq(err.msg, "disk.qcow2: bad");
	zq_error_prefix(NULL, "nobody");
}
END_TEST

START_TEST(message_may_quote_itself)
{
	struct zq_error err;

	zq_fail(&err, -EINVAL, "inner");
	zq_fail(&err, -EINVAL, "outer (%s)", err.msg);
	ck_assert_str_eq(err.msg, "outer (inner)");
}
END_TEST

START_TEST(long_sentences_are_cut)
{
	struct zq_error err;
	char text[2 * sizeof(err.msg)];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	zq_fail(&err, -EINVAL, "%s", text);
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
	zq_error_prefix(&err, "name");
	ck_assert_uint_eq(strlen(err.msg), sizeof(err.msg) - 1);
	ck_assert(!strncmp(err.msg, "name: xxx", 9));
}
END_TEST

START_TEST(no_character_is_cut_in_two)
{
	struct zq_error err;
	char text[2 * sizeof(err.msg)];

	/* three bytes a character, and 511 is no multiple of three */
	for (size_t i = 0; i + 3 < sizeof(text); i += 3)
		memcpy(text + i, "\xe2\x82\xac", 4);
	zq_fail(&err, -EINVAL, "%s", text);
	ck_assert_uint_eq(strlen(err.msg) % 3, 0);
	ck_assert_uint_gt(strlen(err.msg), sizeof(err.msg) - 5);
}
END_TEST

START_TEST(stays_one_printable_line)
{
	struct zq_error err;

	zq_fail(&err, -EINVAL, "name %s", "a\nb\033[31mc\177");
	ck_assert_str_eq(err.msg, "name a\\nb\\x1b[31mc\\x7f");
}
END_TEST

static int open_and_leave(int *seen)
{
	int fd CLEANUP_CLOSE = open("/dev/null", O_RDONLY | O_CLOEXEC);

	*seen = fd;
	errno = ENOTTY;
	return -1;
}

START_TEST(cleanup_closes_and_keeps_errno)
{
	int fd = -1;

	open_and_leave(&fd);
	ck_assert_int_eq(errno, ENOTTY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(scope_lock_ends_with_its_block)
{
	pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;

	{
		SCOPE_LOCK(&m);
		ck_assert_int_eq(pthread_mutex_trylock(&m), EBUSY);
	}
	ck_assert_int_eq(pthread_mutex_trylock(&m), 0);
	pthread_mutex_unlock(&m);
}
END_TEST

static char *make_and_steal(void)
{
	char *p CLEANUP_FREE = strdup("kept");
	char *q CLEANUP_FREE = strdup("freed");

	ck_assert_str_eq(q, "freed");
	return steal_ptr(&p);
}

START_TEST(stolen_pointers_survive)
{
	char *p CLEANUP_FREE = make_and_steal();

	ck_assert_str_eq(p, "kept");
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(returns_the_code_and_fills_the_sentence),
		CHECK_TEST(a_failure_is_of_one_kind),
		CHECK_TEST(prefix_goes_in_front),
		CHECK_TEST(message_may_quote_itself),
		CHECK_TEST(long_sentences_are_cut),
		CHECK_TEST(no_character_is_cut_in_two),
		CHECK_TEST(stays_one_printable_line),
		CHECK_TEST(cleanup_closes_and_keeps_errno),
		CHECK_TEST(scope_lock_ends_with_its_block),
		CHECK_TEST(stolen_pointers_survive),
	};

	return check_main("util/error", tests, ARRAY_SIZE(tests));
}
