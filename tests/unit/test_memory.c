/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Out of memory: what is to be on disk when it returns is either done or not begun. Each test has a
 * process of its own, which takes all the memory that there is.
 */
#include "check_main.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <zqfs/create.h>
#include <zqfs/device.h>

#define ZONES 16u

static char path[64];
static struct zq_device *dev;

static void take_memory_begin(void)
{
	struct zq_create_opts c = { .size = ZONES << 20, .zone_size = 1 << 20, .nr_conv = 2 };
	struct zq_open_opts o = { .sync = true };
	struct zq_error err = { "" };
	int fd;

	snprintf(path, sizeof(path), "/tmp/zqfs-memory.XXXXXX");
	fd = mkstemp(path);
	ck_assert_int_ge(fd, 0);
	close(fd);
	c.force = true;
	ck_assert_msg(zq_create(path, &c, &err) == 0, "%s", err.msg);
	ck_assert_msg(zq_open_device(path, &o, &dev, &err) == 0, "%s", err.msg);
	unlink(path);
}

static uint64_t size_of_zone(uint32_t zone)
{
	struct zq_zone_info info;

	ck_assert_int_eq(zq_report(dev, zone, 1, &info), 0);
	return info.written;
}

/* Nothing can be allocated afterwards, but for what is given back. */
static void take_all_memory(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long pages = 0;
	struct rlimit now;

	ck_assert(f && fscanf(f, "%lu", &pages) == 1);
	fclose(f);
	getrlimit(RLIMIT_AS, &now);
	now.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE);
	setrlimit(RLIMIT_AS, &now);
	for (size_t size = (size_t)1 << 20; size >= 16; size /= 2)
		while (malloc(size))
			;
}

static void give_memory_back(void)
{
	struct rlimit all;

	getrlimit(RLIMIT_AS, &all);
	all.rlim_cur = all.rlim_max;
	setrlimit(RLIMIT_AS, &all);
}

START_TEST(done_or_not_begun)
{
	static char block[4096];
	ssize_t n[ZONES];
	int reset;

	take_memory_begin();
	for (uint32_t i = 2; i < ZONES; i++)
		ck_assert_int_eq(zq_append(dev, i, NULL, 0, block, 4096, 0, NULL), 4096);
	take_all_memory();
	/* the first one has what was kept for it, later ones have nothing */
	for (uint32_t i = 2; i < ZONES - 1; i++)
		n[i] = zq_append(dev, i, NULL, 4096, block, sizeof(block), 0, NULL);
	reset = zq_zone_reset(dev, ZONES - 1);
	give_memory_back();
	for (uint32_t i = 2; i < ZONES - 1; i++) {
		ck_assert_msg(n[i] == 4096 || n[i] == -ENOMEM, "%zd", n[i]);
		ck_assert_msg(size_of_zone(i) == (n[i] < 0 ? 4096 : 8192), "%zd of %u", n[i], i);
	}
	ck_assert_int_eq(n[2], 4096);
	ck_assert_int_eq(n[ZONES - 2], -ENOMEM);
	ck_assert(reset == -ENOMEM && size_of_zone(ZONES - 1) == 4096);
	/* and it goes on */
	ck_assert_int_eq(zq_append(dev, 3, NULL, size_of_zone(3), block, 4096, 0, NULL), 4096);
	ck_assert_int_eq(zq_close_device(dev), 0);
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(done_or_not_begun),
	};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return 0; /* they need address space themselves */
#else
	return check_main("memory", tests, ARRAY_SIZE(tests));
#endif
}
