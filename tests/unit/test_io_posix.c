/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io/posix.c and io/lock.c on real files of a temporary folder.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check_main.h"
#include "io/io.h"

static char dir[256], path[300];
static struct zq_io *io;

static void io_posix_begin(void)
{
	const char *tmp = getenv("TMPDIR");
	struct zq_error err;

	snprintf(dir, sizeof(dir), "%.200s/zqfs-io-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/file", dir);
	ck_assert_int_eq(zq_io_create(path, &io, &err), 0);
}

static void io_posix_end(void)
{
	io_close(io);
	unlink(path);
	ck_assert_int_eq(rmdir(dir), 0);
}

START_TEST(reads_zeros_behind_the_end)
{
	uint8_t got[100];

	io_posix_begin();
	ck_assert_int_eq(io_write(io, "abc", 3, 10), 0);
	memset(got, 0xff, sizeof(got));
	ck_assert_int_eq(io_pread(io, got, 20, 8), 0);
	ck_assert_mem_eq(got, "\0\0abc\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
	ck_assert_uint_eq(got[20], 0xff);
	ck_assert_int_eq(io_pread(io, got, 5, UINT64_C(1) << 40), 0);
	ck_assert_mem_eq(got, "\0\0\0\0\0", 5);
	ck_assert_int_eq(io_pread(io, got, 5, UINT64_MAX - 2), -EIO);
	io_posix_end();
}
END_TEST

/* Pages of the file that are in the page cache, of the first 16. */
static unsigned pages_cached(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open(path, O_RDWR);
	void *map = mmap(NULL, 16 * page, PROT_READ, MAP_SHARED, fd, 0);
	uint8_t seen[16] = { 0 };
	unsigned n = 0;

	ck_assert_int_eq(mincore(map, 16 * page, seen), 0);
	munmap(map, 16 * page);
	close(fd);
	for (size_t i = 0; i < sizeof(seen); i++)
		n += seen[i] & 1;
	return n;
}

START_TEST(a_cold_start_empties_the_cache_and_changes_nothing)
{
	size_t len = 16 * (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *data = malloc(len), *got = malloc(len);
	struct statfs st;

	io_posix_begin();
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 7 >> 3);
	ck_assert_int_eq(io_write(io, data, len, 0), 0);
	ck_assert_int_eq(io_cold_start(io), 0);
	ck_assert_int_eq(statfs(path, &st), 0);
	if (st.f_type != TMPFS_MAGIC) /* where the cache is all there is */
		ck_assert_uint_eq(pages_cached(), 0);
	ck_assert_int_eq(io_pread(io, got, len, 0), 0);
	ck_assert_mem_eq(got, data, len);
	io_posix_end();
	free(data);
	free(got);
}
END_TEST

START_TEST(a_cold_start_reads_what_another_has_mapped_past_the_cache)
{
	size_t len = 16 * (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *data = malloc(len), *map;
	int fd;

	io_posix_begin();
	memset(data, 'm', len);
	ck_assert_int_eq(io_write(io, data, len - 100, 0), 0); /* the last page is not whole */
	fd = open(path, O_RDONLY);
	map = mmap(NULL, len, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_int_eq(io_cold_start(io), 0);
	ck_assert_mem_eq(map, data, len - 100);
	munmap(map, len);
	close(fd);
	io_posix_end();
	free(data);
}
END_TEST

START_TEST(writes_more_vectors_than_the_kernel_takes)
{
	enum { NR = 3 * IOV_MAX + 17 };
	struct iovec *iov;
	uint8_t *data, *got;
	uint64_t size;

	io_posix_begin();
	iov = calloc(NR, sizeof(*iov));
	data = malloc((size_t)NR * 3);
	got = malloc((size_t)NR * 3);
	for (size_t i = 0; i < (size_t)NR * 3; i++)
		data[i] = (uint8_t)(i * 31);
	for (size_t i = 0, at = 0; i < NR; i++) {
		iov[i].iov_base = data + at;
		iov[i].iov_len = i % 4; /* some are empty */
		at += i % 4;
	}
	ck_assert_int_eq(io_pwritev(io, iov, NR, 7), 0);
	ck_assert_int_eq(io_size(io, &size), 0);
	ck_assert_int_eq(io_pread(io, got, size - 7, 7), 0);
	ck_assert_mem_eq(got, data, size - 7);
	/* only empty ones: nothing happens, and it ends */
	for (size_t i = 0; i < NR; i++)
		iov[i].iov_len = 0;
	ck_assert_int_eq(io_pwritev(io, iov, NR, 0), 0);
	iov[0].iov_len = 1;
	ck_assert_int_eq(io_pwritev(io, iov, 1, UINT64_MAX), -EFBIG);
	ck_assert_int_eq(io_pwritev(io, iov, 1, INT64_MAX), -EFBIG);
	free(iov);
	free(data);
	free(got);
	io_posix_end();
}
END_TEST

START_TEST(partial_writes_tell_the_reason)
{
	uint8_t buf[1000];
	struct iovec iov[3] = { { buf, 1000 }, { buf, 1000 }, { buf, 1000 } };
	struct rlimit old, small;
	uint64_t size;

	io_posix_begin();
	memset(buf, 'x', sizeof(buf));
	ck_assert_int_eq(io_write(io, buf, 1, 0),
			 0); /* the limit is lowered after the first look */
	signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 1500, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	/* the kernel takes half of it, and says why only when it is asked for the rest */
	ck_assert_int_eq(io_pwritev(io, iov, 3, 0), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_int_eq(io_size(io, &size), 0);
	ck_assert_uint_eq(size, 1500);
	ck_assert_int_eq(io_pwritev(io, iov, 3, 0), 0);
	ck_assert_int_eq(io_size(io, &size), 0);
	ck_assert_uint_eq(size, 3000);
	io_posix_end();
}
END_TEST

/* A program that does not know of SIGXFSZ lives on. */
START_TEST(a_limit_of_the_size_sends_no_signal)
{
	uint8_t buf[1000] = { 1 };
	struct rlimit old, small;

	io_posix_begin();
	signal(SIGXFSZ, SIG_DFL);
	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &old), 0);
	small = (struct rlimit){ 1500, old.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	ck_assert_int_eq(io_write(io, buf, sizeof(buf), 0), 0);
	ck_assert_int_eq(io_write(io, buf, sizeof(buf), 501), -EFBIG);
	ck_assert_int_eq(io_write(io, buf, sizeof(buf), 500), 0);
	ck_assert_int_eq(io_write(io, buf, 1, 1500), -EFBIG);
	ck_assert_int_eq(io_reserve(io, 0, 1501), -EFBIG);
	ck_assert_int_eq(io_truncate(io, 1501), -EFBIG);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &old), 0);
	ck_assert_int_eq(io_write(io, buf, 1, 1500), 0);
	io_posix_end();
}
END_TEST

START_TEST(room_set_aside)
{
	uint8_t buf[4096], got[4096];
	uint64_t size;
	int ret;

	io_posix_begin();
	memset(buf, 'r', sizeof(buf));
	ck_assert_int_eq(io_write(io, buf, sizeof(buf), 0), 0);
	ret = io_reserve(io, 0, 65536);
	if (ret == -EOPNOTSUPP) { /* then nothing has changed */
		ck_assert_int_eq(io_size(io, &size), 0);
		ck_assert_uint_eq(size, sizeof(buf));
		io_posix_end();
		return;
	}
	ck_assert_int_eq(ret, 0);
	ck_assert_int_eq(io_size(io, &size), 0);
	ck_assert_uint_eq(size, 65536);
	ck_assert_int_eq(io_pread(io, got, sizeof(got), 0), 0);
	ck_assert_mem_eq(got, buf, sizeof(buf));
	ck_assert_int_eq(io_usage(io, &size), 0);
	ck_assert_uint_ge(size, 65536);
	ck_assert_int_eq(io_reserve(io, INT64_MAX, 2), -EFBIG);
	io_posix_end();
}
END_TEST

START_TEST(holes)
{
	uint8_t *buf = malloc(1 << 20), *got = malloc(1 << 20);
	uint64_t used, less, size, at = 0;
	int ret;

	io_posix_begin();
	memset(buf, 'h', 1 << 20);
	ck_assert_int_eq(io_write(io, buf, 1 << 20, 0), 0);
	ck_assert_int_eq(io_flush(io), 0);
	ck_assert_int_eq(io_usage(io, &used), 0);
	ck_assert_uint_ge(used, 1 << 20);
	ret = io_punch(io, 65536, 65536);
	if (ret == 0) { /* not every host file system can */
		memset(buf + 65536, 0, 65536);
		ck_assert_int_eq(io_pread(io, got, 1 << 20, 0), 0);
		ck_assert_mem_eq(got, buf, 1 << 20);
		ck_assert_int_eq(io_usage(io, &less), 0);
		ck_assert_uint_lt(less, used);
		ck_assert_int_eq(io_seek(io, 0, true, &at), 0);
		ck_assert_uint_eq(at, 65536);
		ck_assert_int_eq(io_seek(io, at, false, &at), 0);
		ck_assert_uint_eq(at, 131072);
	} else {
		ck_assert_int_eq(ret, -EOPNOTSUPP);
	}
	/* a hole behind the end does not move the end */
	ret = io_punch(io, 1 << 20, 65536);
	ck_assert(ret == 0 || ret == -EOPNOTSUPP);
	ck_assert_int_eq(io_size(io, &size), 0);
	ck_assert_uint_eq(size, 1 << 20);
	ck_assert_int_eq(io_seek(io, 1 << 20, false, &at), -ENXIO);
	ck_assert_int_eq(io_seek(io, UINT64_MAX, false, &at), -ENXIO);
	free(buf);
	free(got);
	io_posix_end();
}
END_TEST

START_TEST(truncates_both_ways)
{
	uint64_t size;

	io_posix_begin();
	ck_assert_int_eq(io_write(io, "abcdef", 6, 0), 0);
	ck_assert_int_eq(io_truncate(io, 3), 0);
	ck_assert_int_eq(io_truncate(io, 100), 0);
	ck_assert_int_eq(io_size(io, &size), 0);
	ck_assert_uint_eq(size, 100);
	ck_assert_int_eq(io_truncate(io, UINT64_MAX), -EFBIG);
	io_posix_end();
}
END_TEST

START_TEST(descriptor_stays_clear_of_the_standard_ones)
{
	struct zq_io *second;
	struct zq_error err;
	int in;

	io_posix_begin();
	in = dup(0);
	close(0);
	ck_assert_int_eq(zq_io_open(path, false, &second, &err), 0);
	ck_assert_int_eq(fcntl(0, F_GETFD), -1);
	if (in >= 0) {
		dup2(in, 0);
		close(in);
	}
	io_close(second);
	io_posix_end();
}
END_TEST

START_TEST(refuses_what_is_no_image_file)
{
	struct zq_error err = { "" };
	struct zq_io *other = NULL;
	char fifo[320], missing[320];

	io_posix_begin();
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(missing, sizeof(missing), "%s/missing", dir);
	ck_assert_int_eq(zq_io_open(dir, false, &other, &err), -EISDIR);
	ck_assert_ptr_nonnull(strstr(err.msg, dir));
	ck_assert_ptr_nonnull(strstr(err.msg, "directory"));
	ck_assert_int_eq(zq_io_open("/dev/null", true, &other, &err), -EINVAL);
	ck_assert_ptr_nonnull(strstr(err.msg, "/dev/null: neither a regular file"));
	ck_assert_int_eq(mkfifo(fifo, 0600), 0);
	ck_assert_int_eq(zq_io_open(fifo, false, &other, &err), -EINVAL); /* and does not hang */
	unlink(fifo);
	ck_assert_int_eq(zq_io_open(missing, false, &other, &err), -ENOENT);
	ck_assert_int_eq(zq_io_create(path, &other, &err), -EEXIST);
	ck_assert_ptr_nonnull(strstr(err.msg, path));
	ck_assert_int_eq(zq_io_open(missing, false, &other, NULL), -ENOENT);
	ck_assert_ptr_null(other);
	io_posix_end();
}
END_TEST

START_TEST(readonly_stays_readonly)
{
	struct zq_io *ro;
	struct zq_error err;

	io_posix_begin();
	ck_assert(io->writable);
	ck_assert_str_eq(io->name, path);
	ck_assert_int_eq(zq_io_open(path, false, &ro, &err), 0);
	ck_assert(!ro->writable);
	ck_assert_int_eq(io_write(ro, "x", 1, 0), -EBADF);
	io_close(ro);
	io_posix_end();
}
END_TEST

/* Every pair of modes, the second one taken while the first is held. */
START_TEST(locks_exclude_each_other)
{
	static const bool ok[4][4] = {
		[ZQ_LOCK_NONE] = { true, true, true, true },
		[ZQ_LOCK_READ] = { true, true, false, true },
		[ZQ_LOCK_WRITE] = { true, false, false, true },
		[ZQ_LOCK_SHARED] = { true, true, true, true },
	};
	struct zq_io *other;

	io_posix_begin();
	ck_assert_int_eq(zq_io_open(path, true, &other, NULL), 0);
	for (unsigned a = 0; a < 4; a++) {
		for (unsigned b = 0; b < 4; b++) {
			ck_assert_int_eq(io_lock(io, a), 0);
			ck_assert_msg(io_lock(other, b) == (ok[a][b] ? 0 : -EAGAIN), "%u %u", a, b);
			ck_assert_int_eq(io_lock(other, ZQ_LOCK_NONE), 0);
		}
	}
	ck_assert_int_eq(io_lock(io, 4), -EINVAL);
	io_close(other);
	io_posix_end();
}
END_TEST

START_TEST(failed_lock_keeps_the_old_one)
{
	struct zq_io *a, *b;

	io_posix_begin();
	ck_assert_int_eq(zq_io_open(path, true, &a, NULL), 0);
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(io_lock(a, ZQ_LOCK_READ), 0);
	ck_assert_int_eq(io_lock(a, ZQ_LOCK_WRITE), -EAGAIN);
	/* what the attempt took is given back ... */
	ck_assert_int_eq(zq_io_open(path, false, &b, NULL), 0);
	ck_assert_int_eq(io_lock(b, ZQ_LOCK_READ), 0);
	io_close(b);
	/* ... and what it had before is still held */
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_WRITE), -EAGAIN);
	io_close(a);
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_WRITE), 0);
	io_posix_end();
}
END_TEST

START_TEST(locks_survive_a_forked_parent)
{
	struct zq_io *other;
	int status;
	pid_t pid;

	io_posix_begin();
	ck_assert_int_eq(io_lock(io, ZQ_LOCK_WRITE), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		io_close(io); /* what the foreground process of a daemon does */
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(zq_io_open(path, true, &other, NULL), 0);
	ck_assert_int_eq(io_lock(other, ZQ_LOCK_READ), -EAGAIN);
	io_close(other);
	io_posix_end();
}
END_TEST

int main(void)
{
	static const struct check_test tests[] = {
		CHECK_TEST(a_cold_start_empties_the_cache_and_changes_nothing),
		CHECK_TEST(a_cold_start_reads_what_another_has_mapped_past_the_cache),
		CHECK_TEST(reads_zeros_behind_the_end),
		CHECK_TEST(writes_more_vectors_than_the_kernel_takes),
		CHECK_TEST(partial_writes_tell_the_reason),
		CHECK_TEST(a_limit_of_the_size_sends_no_signal),
		CHECK_TEST(room_set_aside),
		CHECK_TEST(holes),
		CHECK_TEST(truncates_both_ways),
		CHECK_TEST(descriptor_stays_clear_of_the_standard_ones),
		CHECK_TEST(refuses_what_is_no_image_file),
		CHECK_TEST(readonly_stays_readonly),
		CHECK_TEST(locks_exclude_each_other),
		CHECK_TEST(failed_lock_keeps_the_old_one),
		CHECK_TEST(locks_survive_a_forked_parent),
	};

	return check_main("io/posix", tests, ARRAY_SIZE(tests));
}
