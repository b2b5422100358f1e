/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page whose writeback failed stays in Linux's page cache, clean, with content that the disk
 * never got. Whoever opens the file next reads it, and a flush then has nothing to write and
 * succeeds. Nothing tells such a page from a good one, and whoever opens a file cannot know that
 * a flush failed before. So a writer starts with a cache that has been emptied:
 *
 *   1. fdatasync: no page is dirty any more, and an error that nobody was told of is told here.
 *      It is about the past. What was lost by it was never acknowledged.
 *   2. POSIX_FADV_DONTNEED for the whole file. It skips pages that are mapped or locked.
 *   3. Count what is left (cachestat, mincore before Linux 6.5). Nothing: done, every later read
 *      comes from the disk.
 *   4. For each page that is left: read it past the cache (O_DIRECT) and, where it differs, write
 *      what the disk has over it; flush. Where the host has no O_DIRECT the cached content is
 *      written back. In both cases cache and disk agree afterwards.
 *
 * Why the disk's content may be believed: it is what a power failure at the moment of the failed
 * flush would have left, and the order of commits makes that a sound image with all that was
 * acknowledged. A page of 4 is no exception: with O_DIRECT it too becomes what the disk has, and
 * without it the page is one of the writes that were waiting for that flush, of which any part
 * may have arrived.
 *
 * O_DIRECT alone would not do. The next write of a few bytes goes through the cached page, and
 * the rest of that page would reach the disk with it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "io/cold.h"
#include "util/cleanup.h"
#include "util/math.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on every architecture */
#endif

#define WINDOW	   (UINT64_C(1) << 28) /* bytes that are mapped to be looked at */
#define DROP_TRIES 5

struct cold {
	int fd, direct; /* direct: O_DIRECT, or -1 */
	uint64_t size, page;
	uint8_t *seen;	       /* mincore's answer for a window */
	uint8_t *disk, *cache; /* one page each, aligned */
	bool wrote;
};

/* ---- what is left -------------------------------------------------------------------------- */

/* Pages of [off, off + len) in the cache; -ENOSYS before Linux 6.5. */
static int64_t count_cached(int fd, uint64_t off, uint64_t len)
{
	struct {
		uint64_t off, len;
	} range = { off, len };
	struct {
		uint64_t cached, dirty, writeback, evicted, recently_evicted;
	} st;

	return syscall(SYS_cachestat, fd, &range, &st, 0) < 0 ? -errno : (int64_t)st.cached;
}

/* Calls each() for every page of a window that is in the cache, until it fails. */
static int each_in_window(struct cold *c, uint64_t off, int (*each)(struct cold *c, uint64_t off))
{
	size_t len = (size_t)min_u64(WINDOW, c->size - off);
	void *map = mmap(NULL, len, PROT_READ, MAP_SHARED, c->fd, (off_t)off);
	int rc = 0;

	if (map == MAP_FAILED)
		return -errno;
	if (mincore(map, len, c->seen) < 0)
		rc = -errno;
	munmap(map, len);
	for (uint64_t at = 0; at < len && rc == 0; at += c->page)
		if (c->seen[at / c->page] & 1)
			rc = each(c, off + at);
	return rc;
}

/*
 * The same for the whole file. Without cachestat only where the file has data: a hole that is
 * cached is one on the disk as well, since a host without room drops what it found no place for.
 */
static int each_cached(struct cold *c, int (*each)(struct cold *c, uint64_t off))
{
	int rc = 0;

	for (uint64_t off = 0; off < c->size && rc == 0; off += WINDOW) {
		int64_t n = count_cached(c->fd, off, min_u64(WINDOW, c->size - off));

		if (n < 0) {
			off_t data = lseek(c->fd, (off_t)off, SEEK_DATA);

			if (data < 0 && errno == ENXIO)
				break;
			if (data > 0)
				off = max_u64(off, align_down((uint64_t)data, WINDOW));
		}
		if (n)
			rc = each_in_window(c, off, each);
	}
	return rc;
}

static int found_one(struct cold *c, uint64_t off)
{
	(void)c;
	(void)off;
	return 1;
}

/* 1: some page is in the cache; 0: none. */
static int some_cached(struct cold *c)
{
	int64_t n = count_cached(c->fd, 0, c->size);

	return n < 0 ? each_cached(c, found_one) : n > 0;
}

/* ---- letting go ---------------------------------------------------------------------------- */

static int flush_fd(int fd)
{
	while (fdatasync(fd) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* An error of former times is told once; one that comes again is of today. */
static int flush_past(int fd)
{
	int rc = flush_fd(fd);

	return rc < 0 ? flush_fd(fd) : 0;
}

/* Drops what can be dropped; a page may be locked for a moment. 1: some are left. */
static int drop_cached(struct cold *c)
{
	int rc = 0;

	for (int i = 0; i < DROP_TRIES; i++) {
		struct timespec pause = { .tv_nsec = 1000000 << i };

		rc = -posix_fadvise(c->fd, 0, 0, POSIX_FADV_DONTNEED);
		if (rc == 0)
			rc = some_cached(c);
		if (rc <= 0)
			break;
		nanosleep(&pause, NULL);
	}
	return rc;
}

/* ---- what could not be dropped --------------------------------------------------------------- */

/* Reads up to a page; what lies behind the end of the file is left out. */
static ssize_t read_page(int fd, void *buf, size_t len, uint64_t off)
{
	ssize_t n;

	do
		n = pread(fd, buf, len, (off_t)off);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static int write_page(struct cold *c, const uint8_t *from, size_t len, uint64_t off)
{
	ssize_t n;

	do
		n = pwrite(c->fd, from, len, (off_t)off);
	while (n < 0 && errno == EINTR);
	c->wrote = true;
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* Makes cache and disk agree about one page. */
static int settle_page(struct cold *c, uint64_t off)
{
	size_t len = (size_t)min_u64(c->page, c->size - off);
	ssize_t n = read_page(c->fd, c->cache, len, off), direct = -EINVAL;

	if (n < 0)
		return (int)n;
	if (c->direct >= 0)
		direct = read_page(c->direct, c->disk, (size_t)c->page, off);
	if (direct < 0) /* this host has no way past the cache */
		return write_page(c, c->cache, (size_t)n, off);
	len = (size_t)min_u64((uint64_t)n, (uint64_t)direct);
	return memcmp(c->cache, c->disk, len) ? write_page(c, c->disk, len, off) : 0;
}

static int settle_cached(struct cold *c)
{
	char path[32];
	int rc;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", c->fd);
	c->direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	rc = each_cached(c, settle_page);
	if (c->direct >= 0)
		close(c->direct);
	return rc == 0 && c->wrote ? flush_fd(c->fd) : rc;
}

/* Memory is all the storage that such a file has. */
static bool is_in_memory(int fd)
{
	struct statfs st;

	return fstatfs(fd, &st) == 0 &&
	       ((uint32_t)st.f_type == TMPFS_MAGIC || (uint32_t)st.f_type == RAMFS_MAGIC);
}

int cold_start(int fd)
{
	struct cold c = { .fd = fd, .direct = -1, .page = (uint64_t)sysconf(_SC_PAGESIZE) };
	uint8_t *seen CLEANUP_FREE = NULL, *pages CLEANUP_FREE = NULL;
	off_t size = lseek(fd, 0, SEEK_END);
	int rc;

	if (size < 0)
		return -errno;
	if (is_in_memory(fd))
		return 0;
	c.size = (uint64_t)size;
	c.seen = seen = malloc((size_t)(WINDOW / c.page));
	c.disk = pages = aligned_alloc((size_t)c.page, (size_t)(2 * c.page));
	if (!seen || !pages)
		return -ENOMEM;
	c.cache = pages + c.page;
	rc = flush_past(fd);
	if (rc == 0)
		rc = drop_cached(&c);
	return rc > 0 ? settle_cached(&c) : rc;
}
