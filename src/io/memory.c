/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * struct zq_io on a file in memory. The bytes belong to a struct zq_memory, which any number of
 * ios are open on; the last one of all of them frees it. Pages that nobody has written to take no
 * memory. One lock for the file: for reading it, or for changing it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <zqfs/io.h>

#include "util/math.h"

#define PAGE_BYTES UINT64_C(65536)

struct zq_memory {
	pthread_rwlock_t lock;
	char *name;
	unsigned users;	 /* [lock] ios, and one for whoever has made it */
	uint64_t size;	 /* [lock] */
	uint8_t **pages; /* [lock] NULL for one that is all zeros */
	uint64_t nr_pages, nr_used;
	unsigned held[ZQ_LOCK_SHARED + 1]; /* [lock] ios that hold each mode of enum zq_lock */
};

struct memory_io {
	struct zq_io io;
	struct zq_memory *mem;
	enum zq_lock mode; /* [lock] */
};

static struct zq_memory *memory_of(struct zq_io *io)
{
	return ((struct memory_io *)io)->mem;
}

/* ---- the bytes ------------------------------------------------------------------------------ */

/* Room for pages up to end, which are not there yet. */
static int grow_pages(struct zq_memory *m, uint64_t end)
{
	uint64_t want = div_up(end, PAGE_BYTES), nr = m->nr_pages ? m->nr_pages : 16;
	uint8_t **pages;

	if (want <= m->nr_pages)
		return 0;
	if (want > SIZE_MAX / 2 / sizeof(*pages))
		return -EFBIG;
	while (nr < want)
		nr *= 2;
	pages = realloc(m->pages, (size_t)nr * sizeof(*pages));
	if (!pages)
		return -ENOMEM;
	memset(pages + m->nr_pages, 0, (size_t)(nr - m->nr_pages) * sizeof(*pages));
	m->pages = pages;
	m->nr_pages = nr;
	return 0;
}

/* The page that a byte is in, made if need be. NULL without memory. */
static uint8_t *page_for_write(struct zq_memory *m, uint64_t off)
{
	uint8_t **page = &m->pages[off / PAGE_BYTES];

	if (!*page) {
		*page = calloc(1, PAGE_BYTES);
		m->nr_used += *page != NULL;
	}
	return *page;
}

static void drop_page(struct zq_memory *m, uint64_t number)
{
	if (!m->pages[number])
		return;
	free(m->pages[number]);
	m->pages[number] = NULL;
	m->nr_used--;
}

static int write_bytes(struct zq_memory *m, const uint8_t *from, size_t len, uint64_t off)
{
	while (len) {
		size_t at = (size_t)(off % PAGE_BYTES);
		size_t n = (size_t)min_u64(len, PAGE_BYTES - at);
		uint8_t *page = page_for_write(m, off);

		if (!page)
			return -ENOMEM;
		memcpy(page + at, from, n);
		from += n;
		len -= n;
		off += n;
		m->size = max_u64(m->size, off);
	}
	return 0;
}

/* Zeros within the pages that there are. */
static void zero_bytes(struct zq_memory *m, uint64_t off, uint64_t end)
{
	end = min_u64(end, m->nr_pages * PAGE_BYTES);
	while (off < end) {
		uint64_t at = off % PAGE_BYTES, n = min_u64(end - off, PAGE_BYTES - at);

		if (n == PAGE_BYTES)
			drop_page(m, off / PAGE_BYTES);
		else if (m->pages[off / PAGE_BYTES])
			memset(m->pages[off / PAGE_BYTES] + at, 0, (size_t)n);
		off += n;
	}
}

/* ---- the functions of the io ------------------------------------------------------------------
 */

static int memory_pread(struct zq_io *io, void *buf, size_t len, uint64_t off)
{
	struct zq_memory *m = memory_of(io);
	uint8_t *to = buf;

	if (!range_within(off, len, INT64_MAX))
		return -EINVAL;
	pthread_rwlock_rdlock(&m->lock);
	while (len) {
		size_t at = (size_t)(off % PAGE_BYTES);
		size_t n = (size_t)min_u64(len, PAGE_BYTES - at);
		const uint8_t *page =
			off / PAGE_BYTES < m->nr_pages ? m->pages[off / PAGE_BYTES] : NULL;

		if (page)
			memcpy(to, page + at, n);
		else
			memset(to, 0, n);
		to += n;
		len -= n;
		off += n;
	}
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static int memory_pwritev(struct zq_io *io, const struct iovec *iov, int niov, uint64_t off)
{
	struct zq_memory *m = memory_of(io);
	uint64_t end = off;
	int rc;

	for (int i = 0; i < niov; i++)
		if (!add_u64(end, iov[i].iov_len, &end))
			return -EFBIG;
	if (end > INT64_MAX)
		return -EFBIG;
	if (!io->writable)
		return -EBADF;
	pthread_rwlock_wrlock(&m->lock);
	rc = grow_pages(m, end);
	for (int i = 0; rc == 0 && i < niov; i++) {
		rc = write_bytes(m, iov[i].iov_base, iov[i].iov_len, off);
		off += iov[i].iov_len;
	}
	pthread_rwlock_unlock(&m->lock);
	return rc;
}

static int memory_flush(struct zq_io *io)
{
	(void)io;
	return 0;
}

static int memory_punch(struct zq_io *io, uint64_t off, uint64_t len)
{
	struct zq_memory *m = memory_of(io);

	if (!range_within(off, len, INT64_MAX))
		return -EINVAL;
	if (!io->writable)
		return -EBADF;
	pthread_rwlock_wrlock(&m->lock);
	zero_bytes(m, off, off + len);
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

/* The file becomes size bytes long, but never shorter when it may only grow. */
static int set_size(struct zq_io *io, uint64_t size, bool only_grow)
{
	struct zq_memory *m = memory_of(io);
	int rc;

	if (size > INT64_MAX)
		return -EFBIG;
	if (!io->writable)
		return -EBADF;
	pthread_rwlock_wrlock(&m->lock);
	rc = grow_pages(m, size);
	if (rc == 0 && (!only_grow || size > m->size)) {
		if (size < m->size)
			zero_bytes(m, size, m->size);
		m->size = size;
	}
	pthread_rwlock_unlock(&m->lock);
	return rc;
}

static int memory_truncate(struct zq_io *io, uint64_t size)
{
	return set_size(io, size, false);
}

static int memory_reserve(struct zq_io *io, uint64_t off, uint64_t len)
{
	return range_within(off, len, INT64_MAX) ? set_size(io, off + len, true) : -EFBIG;
}

static int memory_seek(struct zq_io *io, uint64_t off, bool hole, uint64_t *found)
{
	struct zq_memory *m = memory_of(io);
	int rc = -ENXIO;

	pthread_rwlock_rdlock(&m->lock);
	for (; off < m->size; off = align_down(off, PAGE_BYTES) + PAGE_BYTES) {
		bool data = m->pages[off / PAGE_BYTES];

		if (data != hole) {
			*found = off;
			rc = 0;
			break;
		}
		if (hole && m->size - off <= PAGE_BYTES) { /* the end counts as a hole */
			*found = m->size;
			rc = 0;
		}
	}
	pthread_rwlock_unlock(&m->lock);
	return rc;
}

static int memory_size(struct zq_io *io, uint64_t *size)
{
	struct zq_memory *m = memory_of(io);

	pthread_rwlock_rdlock(&m->lock);
	*size = m->size;
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

static int memory_usage(struct zq_io *io, uint64_t *bytes)
{
	struct zq_memory *m = memory_of(io);

	pthread_rwlock_rdlock(&m->lock);
	*bytes = m->nr_used * PAGE_BYTES;
	pthread_rwlock_unlock(&m->lock);
	return 0;
}

/* Do the locks of others allow this one? As io/lock.c has it for files of the host. */
static bool lock_fits(const unsigned *held, unsigned mode)
{
	switch (mode) {
	case ZQ_LOCK_READ:
		return !held[ZQ_LOCK_WRITE];
	case ZQ_LOCK_WRITE:
		return !held[ZQ_LOCK_READ] && !held[ZQ_LOCK_WRITE];
	default:
		return true;
	}
}

static int memory_lock(struct zq_io *io, unsigned mode)
{
	struct memory_io *i = (struct memory_io *)io;
	struct zq_memory *m = i->mem;
	int rc = 0;

	if (mode > ZQ_LOCK_SHARED)
		return -EINVAL;
	pthread_rwlock_wrlock(&m->lock);
	m->held[i->mode]--;
	if (lock_fits(m->held, mode))
		i->mode = (enum zq_lock)mode;
	else
		rc = -EAGAIN;
	m->held[i->mode]++;
	pthread_rwlock_unlock(&m->lock);
	return rc;
}

/* One user less; frees what nobody uses. */
static void memory_let_go(struct zq_memory *m)
{
	unsigned left;

	pthread_rwlock_wrlock(&m->lock);
	left = --m->users;
	pthread_rwlock_unlock(&m->lock);
	if (left)
		return;
	for (uint64_t i = 0; i < m->nr_pages; i++)
		free(m->pages[i]);
	free(m->pages);
	free(m->name);
	pthread_rwlock_destroy(&m->lock);
	free(m);
}

static void memory_close(struct zq_io *io)
{
	struct memory_io *i = (struct memory_io *)io;
	struct zq_memory *m = i->mem;

	pthread_rwlock_wrlock(&m->lock);
	m->held[i->mode]--;
	pthread_rwlock_unlock(&m->lock);
	free(i);
	memory_let_go(m);
}

static const struct zq_io_ops memory_ops = {
	.pread = memory_pread,
	.pwritev = memory_pwritev,
	.flush = memory_flush,
	.punch = memory_punch,
	.reserve = memory_reserve,
	.seek = memory_seek,
	.size = memory_size,
	.truncate = memory_truncate,
	.usage = memory_usage,
	.lock = memory_lock,
	.close = memory_close,
	.struct_size = sizeof(struct zq_io_ops),
};

/* ---- what callers have ------------------------------------------------------------------- */

struct zq_memory *zq_memory_new(const char *name)
{
	struct zq_memory *m = calloc(1, sizeof(*m));
	char *copy = strdup(name ? name : "memory");

	if (!m || !copy || pthread_rwlock_init(&m->lock, NULL) != 0) {
		free(m);
		free(copy);
		return NULL;
	}
	m->name = copy;
	m->users = 1;
	return m;
}

void zq_memory_free(struct zq_memory *mem)
{
	if (mem)
		memory_let_go(mem);
}

int zq_memory_io(struct zq_memory *mem, bool writable, struct zq_io **io)
{
	struct memory_io *i;

	if (!mem || !io)
		return -EINVAL;
	i = calloc(1, sizeof(*i));
	if (!i)
		return -ENOMEM;
	*i = (struct memory_io){
		.io = { .ops = &memory_ops, .name = mem->name, .writable = writable },
		.mem = mem,
		.mode = ZQ_LOCK_NONE,
	};
	pthread_rwlock_wrlock(&mem->lock);
	mem->users++;
	mem->held[ZQ_LOCK_NONE]++;
	pthread_rwlock_unlock(&mem->lock);
	*io = &i->io;
	return 0;
}
