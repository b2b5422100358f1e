/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The content of the file in memory: pages in a hash table, and what a test does to it
 * directly. Never counts, logs or fails; that is memio_io.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "memio_priv.h"
#include "util/cleanup.h"
#include "util/math.h"

void *memio_must(void *p)
{
	if (!p) {
		fputs("memio: out of memory\n", stderr);
		abort();
	}
	return p;
}

/* ---- pages; all with the lock held ------------------------------------------------------- */

static struct page **page_slot(struct memio *m, uint64_t nr)
{
	struct page **p = &m->bucket[(nr * UINT64_C(0x9e3779b97f4a7c15) >> 20) % m->nr_buckets];

	while (*p && (*p)->nr != nr)
		p = &(*p)->next;
	return p;
}

static void memio_grow_table(struct memio *m)
{
	struct page **old = m->bucket;
	size_t nr_old = m->nr_buckets;

	m->nr_buckets *= 4;
	m->bucket = memio_must(calloc(m->nr_buckets, sizeof(*m->bucket)));
	for (size_t i = 0; i < nr_old; i++) {
		while (old[i]) {
			struct page *p = old[i];

			old[i] = p->next;
			p->next = NULL;
			*page_slot(m, p->nr) = p;
		}
	}
	free(old);
}

static struct page *page_make(struct memio *m, uint64_t nr)
{
	struct page **slot = page_slot(m, nr);
	struct page *found = *slot;

	if (found)
		return found;
	if (m->nr_pages >= m->nr_buckets) {
		memio_grow_table(m);
		slot = page_slot(m, nr);
	}
	*slot = memio_must(calloc(1, sizeof(**slot)));
	(*slot)->nr = nr;
	m->nr_pages++;
	return *slot;
}

static void page_drop(struct memio *m, struct page **slot)
{
	struct page *p = *slot;

	*slot = p->next;
	free(p);
	m->nr_pages--;
}

void content_read(struct memio *m, uint64_t off, void *buf, uint64_t len)
{
	uint8_t *to = buf;

	while (len) {
		uint64_t in = off % MEMIO_PAGE;
		uint64_t n = min_u64(MEMIO_PAGE - in, len);
		struct page *p = *page_slot(m, off / MEMIO_PAGE);

		if (p)
			memcpy(to, p->data + in, n);
		else
			memset(to, 0, n);
		to += n;
		off += n;
		len -= n;
	}
}

void content_write(struct memio *m, uint64_t off, const void *buf, uint64_t len)
{
	const uint8_t *from = buf;

	if (len && off + len > m->size)
		m->size = off + len;
	while (len) {
		uint64_t in = off % MEMIO_PAGE;
		uint64_t n = min_u64(MEMIO_PAGE - in, len);

		memcpy(page_make(m, off / MEMIO_PAGE)->data + in, from, n);
		from += n;
		off += n;
		len -= n;
	}
}

/* Zeroes [off, end) and drops the pages that lie within; looks at existing pages only. */
static void content_clear(struct memio *m, uint64_t off, uint64_t end)
{
	for (size_t i = 0; i < m->nr_buckets; i++) {
		for (struct page **slot = &m->bucket[i]; *slot;) {
			uint64_t start = (*slot)->nr * MEMIO_PAGE;
			uint64_t from = max_u64(off, start);
			uint64_t to = min_u64(end, start + MEMIO_PAGE);

			if (from < to && to - from == MEMIO_PAGE) {
				page_drop(m, slot);
				continue;
			}
			if (from < to)
				memset((*slot)->data + (from - start), 0, to - from);
			slot = &(*slot)->next;
		}
	}
}

void content_resize(struct memio *m, uint64_t size)
{
	if (size < m->size)
		content_clear(m, size, UINT64_MAX);
	m->size = size;
}

void content_punch(struct memio *m, uint64_t off, uint64_t len)
{
	content_clear(m, off, min_u64(off + len, m->size));
}

uint64_t content_fit(struct memio *m, uint64_t off, uint64_t len)
{
	uint64_t left = m->room - min_u64(m->nr_pages, m->room), at = off, end = off + len;

	if (m->limit)
		end = max_u64(off, min_u64(end, m->limit));
	for (; m->room && at < end; at = align_down(at, MEMIO_PAGE) + MEMIO_PAGE) {
		if (*page_slot(m, at / MEMIO_PAGE))
			continue;
		if (!left)
			return at - off;
		left--;
	}
	return end - off;
}

void content_reserve(struct memio *m, uint64_t off, uint64_t len)
{
	for (uint64_t nr = off / MEMIO_PAGE; len && nr <= (off + len - 1) / MEMIO_PAGE; nr++)
		page_make(m, nr);
}

int content_seek(struct memio *m, uint64_t off, bool hole, uint64_t *found)
{
	uint64_t at = off;

	if (off >= m->size)
		return -ENXIO;
	if (hole) {
		while (at < m->size && *page_slot(m, at / MEMIO_PAGE))
			at = align_down(at, MEMIO_PAGE) + MEMIO_PAGE;
		*found = min_u64(at, m->size);
		return 0;
	}
	if (*page_slot(m, at / MEMIO_PAGE)) {
		*found = at;
		return 0;
	}
	/* the file may be huge and nearly empty: look at the pages that exist */
	at = UINT64_MAX;
	for (size_t i = 0; i < m->nr_buckets; i++)
		for (struct page *p = m->bucket[i]; p; p = p->next)
			if (p->nr * MEMIO_PAGE >= off)
				at = min_u64(at, p->nr * MEMIO_PAGE);
	if (at >= m->size)
		return -ENXIO;
	*found = at;
	return 0;
}

/* ---- life ---------------------------------------------------------------------------------- */

struct memio *memio_new(void)
{
	struct memio *m = memio_must(calloc(1, sizeof(*m)));

	pthread_mutex_init(&m->lock, NULL);
	m->nr_buckets = 256;
	m->bucket = memio_must(calloc(m->nr_buckets, sizeof(*m->bucket)));
	return m;
}

void memio_free(struct memio *m)
{
	if (!m)
		return;
	content_resize(m, 0);
	cache_free(m);
	log_drop(m);
	free(m->log);
	free(m->bucket);
	pthread_mutex_destroy(&m->lock);
	free(m);
}

void content_copy(struct memio *to, struct memio *from)
{
	content_resize(to, 0);
	for (size_t i = 0; i < from->nr_buckets; i++)
		for (struct page *p = from->bucket[i]; p; p = p->next)
			memcpy(page_make(to, p->nr)->data, p->data, MEMIO_PAGE);
	to->size = from->size;
}

void memio_make_sparse(struct memio *m)
{
	static const uint8_t zeros[MEMIO_PAGE];

	SCOPE_LOCK(&m->lock);
	for (size_t i = 0; i < m->nr_buckets; i++)
		for (struct page **slot = &m->bucket[i]; *slot;) {
			if (!memcmp((*slot)->data, zeros, sizeof(zeros)))
				page_drop(m, slot);
			else
				slot = &(*slot)->next;
		}
}

struct memio *memio_clone(struct memio *m)
{
	struct memio *copy = memio_new();

	SCOPE_LOCK(&m->lock);
	content_copy(copy, m);
	return copy;
}

int memio_load(const char *path, struct memio **out)
{
	int fd CLEANUP_CLOSE = open(path, O_RDONLY | O_CLOEXEC);
	struct memio *m;
	struct stat st;
	uint8_t buf[MEMIO_PAGE];
	off_t at = 0;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	m = memio_new();
	while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
		off_t end = lseek(fd, at, SEEK_HOLE);

		while (at < end) {
			uint64_t want = min_u64(sizeof(buf), (uint64_t)(end - at));
			ssize_t n = pread(fd, buf, want, at);

			if (n <= 0) {
				memio_free(m);
				return n < 0 ? -errno : -EIO;
			}
			content_write(m, (uint64_t)at, buf, (uint64_t)n);
			at += n;
		}
	}
	m->size = (uint64_t)st.st_size;
	*out = m;
	return 0;
}

int memio_save(struct memio *m, const char *path)
{
	int fd CLEANUP_CLOSE = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0)
		return -errno;
	SCOPE_LOCK(&m->lock);
	if (ftruncate(fd, (off_t)m->size) < 0)
		return -errno;
	for (size_t i = 0; i < m->nr_buckets; i++) {
		for (struct page *p = m->bucket[i]; p; p = p->next) {
			uint64_t off = p->nr * MEMIO_PAGE;
			uint64_t len = off < m->size ? min_u64(MEMIO_PAGE, m->size - off) : 0;
			ssize_t n = pwrite(fd, p->data, len, (off_t)off);

			if (n < 0)
				return -errno;
			if ((uint64_t)n != len)
				return -EIO;
		}
	}
	return 0;
}

/* ---- direct access -------------------------------------------------------------------- */

uint64_t memio_size(struct memio *m)
{
	SCOPE_LOCK(&m->lock);
	return m->size;
}

void memio_peek(struct memio *m, uint64_t off, void *buf, size_t len)
{
	SCOPE_LOCK(&m->lock);
	content_read(m, off, buf, len);
}

void memio_poke(struct memio *m, uint64_t off, const void *buf, size_t len)
{
	SCOPE_LOCK(&m->lock);
	content_write(m, off, buf, len);
}

void memio_resize(struct memio *m, uint64_t size)
{
	SCOPE_LOCK(&m->lock);
	content_resize(m, size);
}

uint64_t memio_used(struct memio *m)
{
	SCOPE_LOCK(&m->lock);
	return (uint64_t)m->nr_pages * MEMIO_PAGE;
}

/* First difference in a page of a, seen against b; UINT64_MAX for none. With both locks. */
static uint64_t first_difference(struct memio *a, struct memio *b)
{
	uint64_t first = UINT64_MAX;
	uint8_t other[MEMIO_PAGE];

	for (size_t i = 0; i < a->nr_buckets; i++) {
		for (struct page *p = a->bucket[i]; p; p = p->next) {
			content_read(b, p->nr * MEMIO_PAGE, other, sizeof(other));
			if (!memcmp(p->data, other, MEMIO_PAGE))
				continue;
			for (size_t j = 0; j < MEMIO_PAGE; j++) {
				if (p->data[j] != other[j]) {
					first = min_u64(first, p->nr * MEMIO_PAGE + j);
					break;
				}
			}
		}
	}
	return first;
}

bool memio_equal(struct memio *a, struct memio *b, uint64_t *where)
{
	uint64_t first = UINT64_MAX;

	if (a == b)
		return true;
	SCOPE_LOCK(a < b ? &a->lock : &b->lock); /* by address: two threads may compare crosswise */
	SCOPE_LOCK(a < b ? &b->lock : &a->lock);
	if (a->size != b->size)
		first = min_u64(a->size, b->size);
	first = min_u64(first, first_difference(a, b));
	first = min_u64(first, first_difference(b, a));
	if (where && first != UINT64_MAX)
		*where = first;
	return first == UINT64_MAX;
}
