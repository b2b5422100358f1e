/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page cache in front of a memio: the memio's content is what readers see, and behind it lies
 * what the disk has. A flush that succeeds brings the pages that were written since the one
 * before to the disk, whole pages, as Linux writes them. One that fails brings none of them, and
 * they are clean from then on. Holes and sizes belong to the file system, whose journal a failed
 * write of data does not undo.
 */
#include <stdlib.h>

#include "memio_priv.h"
#include "util/cleanup.h"
#include "util/math.h"

/* What awaits a flush. */
struct pending {
	enum memio_op op; /* MEMIO_WRITE, MEMIO_PUNCH, MEMIO_TRUNCATE */
	uint64_t off, len;
};

struct memio_cache {
	struct memio *disk;
	struct pending *pending;
	size_t nr, cap;
};

void memio_cache_start(struct memio *m)
{
	struct memio_cache *c = memio_must(calloc(1, sizeof(*c)));

	c->disk = memio_clone(m);
	m->cache = c;
}

void cache_free(struct memio *m)
{
	if (!m->cache)
		return;
	memio_free(m->cache->disk);
	free(m->cache->pending);
	free(m->cache);
	m->cache = NULL;
}

void cache_note(struct memio *m, enum memio_op op, uint64_t off, uint64_t len)
{
	struct memio_cache *c = m->cache;

	if (!c)
		return;
	if (c->nr == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->pending = memio_must(realloc(c->pending, c->cap * sizeof(*c->pending)));
	}
	c->pending[c->nr++] = (struct pending){ op, off, len };
}

/* Pages reach the disk as they are now, whatever was written to them since. */
static void write_pages(struct memio *m, const struct pending *p)
{
	uint64_t end = min_u64(p->off + p->len, m->size);

	for (uint64_t at = align_down(p->off, MEMIO_PAGE); at < end; at += MEMIO_PAGE) {
		uint8_t page[MEMIO_PAGE];

		content_read(m, at, page, sizeof(page));
		content_write(m->cache->disk, at, page, min_u64(sizeof(page), m->size - at));
	}
}

void cache_flush(struct memio *m, bool ok)
{
	struct memio_cache *c = m->cache;

	if (!c)
		return;
	for (size_t i = 0; i < c->nr; i++) {
		if (c->pending[i].op == MEMIO_PUNCH)
			content_punch(c->disk, c->pending[i].off, c->pending[i].len);
		if (c->pending[i].op == MEMIO_TRUNCATE)
			content_resize(c->disk, c->pending[i].off);
	}
	content_resize(c->disk, m->size); /* a write that extends the file does that as well */
	for (size_t i = 0; i < c->nr && ok; i++)
		if (c->pending[i].op == MEMIO_WRITE)
			write_pages(m, &c->pending[i]);
	c->nr = 0;
}

/* The lock of the disk's memio is not needed: nobody else knows it. */
void cache_drop(struct memio *m)
{
	if (!m->cache)
		return;
	cache_flush(m, true);
	content_copy(m, m->cache->disk);
}

struct memio *memio_disk(struct memio *m)
{
	SCOPE_LOCK(&m->lock);
	return memio_clone(m->cache->disk);
}
