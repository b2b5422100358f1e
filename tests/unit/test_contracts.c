/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What <zqfs/device.h> promises to programs beyond the plain case: failed commits, wrong
 * arguments, several buffers, ranges, calls from where none is allowed, other processes.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_main.h"
#include "zonedev.h"

#define CAP  49152
#define CONV (2 * 65536)

static struct zonedev z;
static uint8_t data[300000];

static void contracts_begin(void)
{
	zonedev_init(&z);
	zonedev_create(&z);
	memset(data, 'd', sizeof(data));
}

static void contracts_end(void)
{
	zonedev_check_counts(&z);
	zonedev_free(&z);
}

static const char *last_error(void)
{
	static struct zq_error err;

	zq_last_error(z.dev, &err);
	return err.msg;
}

static void expect_error(const char *sentence)
{
	ck_assert_str_eq(last_error(), sentence);
}

START_TEST(a_failed_commit_says_where_the_data_is)
{
	uint64_t where = 7;

	contracts_begin();
	z.opts.on_error = ZQ_ERRORS_REPAIR;
	zonedev_reopen(&z);
	memio_fail(z.m, MEMIO_FLUSH, 0, EIO, false, 0);
	ck_assert_int_eq(
		zq_append(z.dev, 3, NULL, 0, data, 1000, ZQ_WRITE_APPEND | ZQ_WRITE_SYNC, &where),
		-EIO);
	ck_assert_uint_eq(where, 0);
	ck_assert_uint_eq(zonedev_written(&z, 3), 1024);
	expect_error("zone 3 (seq/1): append of 1000 bytes at 0: written, but not committed: "
		     "Input/output error");
	contracts_end();
}
END_TEST

START_TEST(a_failed_write_is_nowhere)
{
	uint64_t where = 7;

	contracts_begin();
	z.opts.on_error = ZQ_ERRORS_REPAIR;
	zonedev_reopen(&z);
	memio_fail(z.m, MEMIO_WRITE, 0, EIO, true, 0);
	ck_assert_int_eq(
		zq_append(z.dev, 3, NULL, 0, data, 1000, ZQ_WRITE_APPEND | ZQ_WRITE_SYNC, &where),
		-EIO);
	ck_assert_uint_eq(where, ZQ_NOWHERE);
	ck_assert_uint_eq(zonedev_written(&z, 3), 0);
	memio_fail(z.m, MEMIO_WRITE, 0, 0, false, 0);
	contracts_end();
}
END_TEST

START_TEST(nothing_says_where_it_would_be)
{
	struct zq_writer w = { 0 };
	uint64_t where = 7;

	contracts_begin();
	ck_assert_int_eq(zq_append(z.dev, 2, &w, 0, data, 100, ZQ_WRITE_APPEND, NULL), 100);
	ck_assert_int_eq(zq_append(z.dev, 2, &w, 0, NULL, 0, ZQ_WRITE_APPEND, &where), 0);
	ck_assert_uint_eq(where, 100);
	ck_assert_int_eq(zq_append(z.dev, 2, NULL, 0, NULL, 0, ZQ_WRITE_APPEND, &where), 0);
	ck_assert_uint_eq(where, 512);
	ck_assert_int_eq(zq_append(z.dev, 2, NULL, 4096, NULL, 0, 0, &where), 0);
	ck_assert_uint_eq(where, 4096);
	ck_assert_uint_eq(zonedev_written(&z, 2), 512);
	contracts_end();
}
END_TEST

START_TEST(wrong_arguments_are_refused)
{
	struct zq_writer w = { 0 };
	uint64_t where, end;
	uint8_t b[8];

	contracts_begin();
	ck_assert_int_eq(zq_append(z.dev, 99, &w, 0, data, 1, 0, &where), -EINVAL);
	expect_error("zone 99: append of 1 bytes at 0: there is no such zone");
	ck_assert_int_eq(zq_append(z.dev, 0, &w, 0, data, 1, 0, &where), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, 2, &w, 0, data, 1, 0x8000, &where), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, 2, &w, 0, NULL, 1, 0, &where), -EINVAL);
	ck_assert_int_eq(zq_append(z.dev, 2, &w, 4096, data, 512, 0, &where), -EINVAL);
	expect_error("zone 2 (seq/0): append of 512 bytes at 4096: not where the zone ends");
	ck_assert_int_eq(zq_append(z.dev, 2, &w, 0, data, 5, ZQ_WRITE_DIRECT, &where), -EINVAL);
	expect_error("zone 2 (seq/0): append of 5 bytes at 0: not in whole blocks");
	ck_assert_int_eq(zq_write(z.dev, 0, data, 1, 0x8000), -EINVAL);
	ck_assert_int_eq(zq_write(z.dev, 0, NULL, 1, 0), -EINVAL);
	ck_assert_int_eq(zq_read(z.dev, 2, 0, NULL, 1), -EINVAL);
	ck_assert_int_eq(zq_read_conv(z.dev, 0, NULL, 1), -EINVAL);
	ck_assert_int_eq(zq_read(z.dev, 99, 0, b, 1), -EINVAL);
	ck_assert_int_eq(zq_report(z.dev, 0, 1, NULL), -EINVAL);
	ck_assert_int_eq(zq_report(z.dev, 7, 2, NULL), -EINVAL);
	ck_assert_int_eq(zq_get_counts(z.dev, NULL), -EINVAL);
	ck_assert_int_eq(zq_seek(z.dev, 2, 0, true, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_close_device(NULL), 0);
	ck_assert(!zq_settle(z.dev, 99, &w, 0));
	ck_assert(!zq_settle(z.dev, 2, NULL, 0));
	ck_assert(!zq_settle(z.dev, 0, &w, 1));
	ck_assert(!zq_is_last(z.dev, 99, &w, 0));
	ck_assert(!zq_writer_end(z.dev, UINT32_MAX, &w, &end));
	ck_assert(!zq_writer_end(z.dev, 2, NULL, &end));
	ck_assert(!zq_writer_end(z.dev, 2, &w, NULL));
	contracts_end();
}
END_TEST

START_TEST(reasons_are_kept_for_each_call)
{
	struct zq_error err;

	contracts_begin();
	expect_error("");
	ck_assert_int_eq(zq_append(z.dev, 2, NULL, CAP, data, 1, 0, NULL), -EFBIG);
	expect_error(
		"zone 2 (seq/0): append of 1 bytes at 49152: behind the zone's capacity of 49152");
	ck_assert_int_eq(zq_zone_reset(z.dev, 0), -EINVAL);
	expect_error("zone 0 (cnv/0): reset: not possible, the zone is not-wp");
	ck_assert_int_eq(zq_zone_set_state(z.dev, 5, ZQ_OFFLINE), 0);
	ck_assert_int_eq(zq_read(z.dev, 5, 0, data, 1), -EPERM);
	ck_assert_str_eq(last_error(),
			 "zone 5 (seq/3): read of 1 bytes at 0: not possible, the zone is "
			 "offline");
	ck_assert_int_eq(zq_write(z.dev, CONV, data, 1, 0), -EFBIG);
	zq_last_error(z.dev, &err);
	ck_assert_str_eq(err.msg, "write of 1 bytes at 131072: behind the conventional zones");
	contracts_end();
}
END_TEST

/* ---- several buffers ------------------------------------------------------------------------- */

START_TEST(buffers_land_one_behind_the_other)
{
	struct iovec out[4] = { { (void *)"abc", 3 }, { NULL, 0 }, { data, 40000 }, { "xyz", 3 } };
	char head[3], tail[3];
	struct iovec in[3] = { { head, 3 }, { data + 100000, 40000 }, { tail, 3 } };
	struct zq_writer w = { 0 };
	uint64_t where;

	contracts_begin();
	zonedev_append(&z, 2, 'a', 512);
	ck_assert_int_eq(zq_appendv(z.dev, 2, &w, 0, out, 4, ZQ_WRITE_APPEND, &where), 40006);
	ck_assert_uint_eq(where, 512);
	ck_assert_int_eq(zq_readv(z.dev, 2, 512, in, 3), 40006);
	ck_assert_int_eq(memcmp(head, "abc", 3) | memcmp(tail, "xyz", 3), 0);
	ck_assert_int_eq(memcmp(data, data + 100000, 40000), 0);
	/* the same writer goes on behind the last byte, and is shortened at the capacity */
	ck_assert_int_eq(zq_appendv(z.dev, 2, &w, 0, out, 4, ZQ_WRITE_APPEND, &where),
			 CAP - 512 - 40006);
	ck_assert_uint_eq(where, 512 + 40006);
	ck_assert_int_eq(zq_appendv(z.dev, 2, &w, 0, out, 4, ZQ_WRITE_APPEND, &where), -EFBIG);
	ck_assert_uint_eq(where, ZQ_NOWHERE);
	contracts_end();
}
END_TEST

/* More than is put together at once: nothing of others comes between, the last part may fail. */
START_TEST(long_rows_are_contiguous)
{
	const size_t mib = 1 << 20;
	uint8_t *big = malloc(3 * mib), *got = malloc(3 * mib);
	struct iovec out[3] = { { big, mib - 7 },
				{ big + mib - 7, mib },
				{ big + 2 * mib - 7, 100 } };
	bool short_once = false;
	ssize_t part = 0;

	for (size_t i = 0; i < 3 * mib; i++)
		big[i] = (uint8_t)(i * 7 + i / 251);
	zonedev_init(&z);
	z.p.geo.size = 8 * 4 * mib;
	z.p.geo.zone_size = z.p.geo.zone_capacity = 4 * mib;
	z.opts.on_error = ZQ_ERRORS_REPAIR;
	zonedev_create(&z);
	ck_assert_int_eq(zq_appendv(z.dev, 3, NULL, 0, out, 3, 0, NULL), 2 * mib + 93);
	ck_assert_int_eq(zq_read(z.dev, 3, 0, got, 2 * mib + 93), 2 * mib + 93);
	ck_assert_int_eq(memcmp(got, big, 2 * mib + 93), 0);
	ck_assert_int_eq(zq_appendv(z.dev, 4, NULL, 0, out, 3, ZQ_WRITE_DIRECT, NULL), -EINVAL);
	ck_assert_uint_eq(zonedev_written(&z, 4), 0);
	/* whichever write of the host fails: the parts before it are in the zone */
	for (uint64_t n = 0; part != 2 * (ssize_t)mib + 93 && n < 50; n++) {
		ck_assert_int_eq(zq_zone_reset(z.dev, 5), 0);
		memio_fail(z.m, MEMIO_WRITE, n, EIO, false, 0);
		part = zq_appendv(z.dev, 5, NULL, 0, out, 3, 0, NULL);
		ck_assert_uint_eq(zonedev_written(&z, 5),
				  part < 0 ? 0 : align_up((uint64_t)part, ZQ_BLOCK));
		short_once |= part == (ssize_t)mib;
	}
	ck_assert(short_once);
	memio_fail(z.m, MEMIO_WRITE, 0, 0, false, 0);
	free(big);
	free(got);
	contracts_end();
}
END_TEST

START_TEST(bad_rows_are_refused)
{
	struct iovec bad[2] = { { data, SIZE_MAX }, { data, SIZE_MAX } };

	contracts_begin();
	ck_assert_int_eq(zq_appendv(z.dev, 2, NULL, 0, bad, 2, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_appendv(z.dev, 2, NULL, 0, NULL, 1, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_appendv(z.dev, 2, NULL, 0, bad, -1, 0, NULL), -EINVAL);
	ck_assert_int_eq(zq_readv(z.dev, 2, 0, bad, 2), -EINVAL);
	ck_assert_int_eq(zq_appendv(z.dev, 2, NULL, 0, NULL, 0, 0, NULL), 0);
	contracts_end();
}
END_TEST

/* ---- ranges
 * ---------------------------------------------------------------------------------------- */

START_TEST(ranges_are_reset_and_finished)
{
	uint32_t done = 9;

	contracts_begin();
	for (uint32_t i = 2; i < 8; i++)
		zonedev_append(&z, i, 'r', 512);
	ck_assert_int_eq(zq_finish_zones(z.dev, 0, 4, &done), 0);
	ck_assert_uint_eq(done, 4);
	ck_assert_uint_eq(zonedev_state(&z, 3), ZQ_FULL);
	ck_assert_uint_eq(zonedev_state(&z, 4), ZQ_IMPLICIT_OPEN);
	ck_assert_int_eq(zq_zone_set_state(z.dev, 6, ZQ_READ_ONLY), 0);
	ck_assert_int_eq(zq_reset_zones(z.dev, 0, 8, &done), -EPERM);
	ck_assert_uint_eq(done, 6);
	expect_error("zone 6 (seq/4): reset: not possible, the zone is read-only");
	ck_assert_uint_eq(zonedev_state(&z, 5), ZQ_EMPTY);
	ck_assert_uint_eq(zonedev_written(&z, 7), 512);
	ck_assert_int_eq(zq_reset_zones(z.dev, 7, 2, &done), -EINVAL);
	ck_assert_uint_eq(done, 0);
	ck_assert_int_eq(zq_reset_zones(z.dev, 7, 1, NULL), 0);
	contracts_end();
}
END_TEST

START_TEST(zones_are_found_by_state)
{
	struct zq_zone_info out[2];
	uint32_t next = 0;

	contracts_begin();
	for (uint32_t i = 3; i < 8; i += 2)
		zonedev_append(&z, i, 's', 512);
	ck_assert_int_eq(zq_report_states(z.dev, &next, 1u << ZQ_IMPLICIT_OPEN, out, 2), 2);
	ck_assert_uint_eq(out[0].number, 3);
	ck_assert_uint_eq(out[1].number, 5);
	ck_assert_int_eq(zq_report_states(z.dev, &next, 1u << ZQ_IMPLICIT_OPEN, out, 2), 1);
	ck_assert_uint_eq(out[0].number, 7);
	ck_assert_uint_eq(next, 8);
	ck_assert_int_eq(zq_report_states(z.dev, &next, 1u << ZQ_IMPLICIT_OPEN, out, 2), 0);
	next = 0;
	ck_assert_int_eq(zq_report_states(z.dev, &next, 1u << ZQ_FULL, out, 2), 0);
	ck_assert_int_eq(zq_report_states(z.dev, NULL, 1, out, 2), -EINVAL);
	contracts_end();
}
END_TEST

START_TEST(zeroing_says_how_much)
{
	contracts_begin();
	zonedev_append(&z, 2, 'k', 512);
	ck_assert_int_eq(zq_zero(z.dev, 4096, 4096), 4096);
	ck_assert_int_eq(zq_zero(z.dev, CONV - 512, 65536), 512);
	ck_assert_int_eq(zq_zero(z.dev, CONV, 512), -EFBIG);
	zonedev_expect(&z, 2, 0, 512, 'k');
	contracts_end();
}
END_TEST

/* ---- who may call
 * ------------------------------------------------------------------------------------- */

static int from_log[8], nr_from_log;

static void call_from_log(void *dev, int priority, const char *line)
{
	struct zq_device *d = *(struct zq_device **)dev;
	struct zq_zone_info info;
	struct zq_counts counts;

	(void)priority;
	if (!strstr(line, "failed") || nr_from_log)
		return;
	from_log[nr_from_log++] = zq_sync(d);
	from_log[nr_from_log++] = (int)zq_append(d, 3, NULL, 0, "x", 1, ZQ_WRITE_APPEND, NULL);
	from_log[nr_from_log++] = zq_zone_reset(d, 3);
	from_log[nr_from_log++] = zq_report(d, 3, 1, &info);
	from_log[nr_from_log++] = zq_get_counts(d, &counts);
	from_log[nr_from_log++] = zq_close_device(d);
	zq_stop_committer(d);
	zq_sync_soon(d);
}

START_TEST(calls_out_of_the_log_are_refused)
{
	zonedev_init(&z);
	z.opts.log = call_from_log;
	z.opts.log_data = &z.dev;
	z.opts.on_error = ZQ_ERRORS_REPAIR;
	z.opts.committer = true;
	zonedev_create(&z);
	memio_fail(z.m, MEMIO_WRITE, 0, EIO, false, 0);
	ck_assert_int_eq(zq_append(z.dev, 3, NULL, 0, "x", 1, 0, NULL), -EIO);
	ck_assert_int_eq(nr_from_log, 6);
	for (int i = 0; i < nr_from_log; i++)
		ck_assert_int_eq(from_log[i], -EDEADLK);
	/* and afterwards allowed again, in a commit's line too */
	nr_from_log = 0;
	ck_assert_int_eq(zq_append(z.dev, 3, NULL, 0, "x", 1, 0, NULL), 1);
	memio_fail(z.m, MEMIO_WRITE, 0, EIO, false, 0);
	ck_assert_int_eq(zq_sync(z.dev), -EIO);
	ck_assert_int_eq(nr_from_log, 6);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	contracts_end();
}
END_TEST

/* A child must neither write what its parent has not written yet nor wait for threads that it does
 * not have. */
START_TEST(a_child_is_told)
{
	struct zq_zone_info info;
	int status;
	pid_t pid;

	zonedev_init(&z);
	z.opts.committer = true;
	zonedev_create(&z);
	zonedev_append(&z, 2, 'p', 512);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		alarm(20);
		_exit(zq_append(z.dev, 2, NULL, 0, "c", 1, ZQ_WRITE_APPEND, NULL) != -ESTALE ||
		      zq_sync(z.dev) != -ESTALE || zq_report(z.dev, 2, 1, &info) != -ESTALE ||
		      zq_zone_reset(z.dev, 2) != -ESTALE ||
		      strcmp(last_error(), "the device belongs to the process that opened it") ||
		      zq_close_device(z.dev) != -ESTALE || memio_open_count(z.m));
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(zonedev_written(&z, 2), 512);
	ck_assert_int_eq(zq_sync(z.dev), 0);
	contracts_end();
}
END_TEST

/* The mask of a thread, from /proc. */
static unsigned long long blocked_signals(const char *task)
{
	char path[300], line[200];
	unsigned long long mask = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%s/status", task);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &mask) == 1)
			break;
	if (f)
		fclose(f);
	return mask;
}

START_TEST(the_committer_takes_no_signals)
{
	unsigned long long mask;
	char line[64] = "";
	FILE *tasks;
	int nr = 0;

	zonedev_init(&z);
	z.opts.committer = true;
	zonedev_create(&z);
	tasks = popen("ls /proc/$PPID/task", "r");
	ck_assert_ptr_nonnull(tasks);
	while (fgets(line, sizeof(line), tasks)) {
		line[strcspn(line, "\n")] = '\0';
		if (atoi(line) == getpid())
			continue;
		mask = blocked_signals(line);
		nr += (mask >> (SIGTERM - 1) & 1) && (mask >> (SIGUSR1 - 1) & 1);
	}
	pclose(tasks);
	ck_assert_int_ge(nr, 1);
	contracts_end();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_failed_commit_says_where_the_data_is),
		CHECK_TEST(a_failed_write_is_nowhere),
		CHECK_TEST(nothing_says_where_it_would_be),
		CHECK_TEST(wrong_arguments_are_refused),
		CHECK_TEST(reasons_are_kept_for_each_call),
		CHECK_TEST(buffers_land_one_behind_the_other),
		CHECK_TEST(long_rows_are_contiguous),
		CHECK_TEST(bad_rows_are_refused),
		CHECK_TEST(ranges_are_reset_and_finished),
		CHECK_TEST(zones_are_found_by_state),
		CHECK_TEST(zeroing_says_how_much),
		CHECK_TEST(calls_out_of_the_log_are_refused),
		CHECK_TEST(a_child_is_told),
		CHECK_TEST(the_committer_takes_no_signals),
	};

	return check_main("zone/contracts", tests, ARRAY_SIZE(tests));
}
