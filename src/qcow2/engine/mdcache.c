/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata cache: a hash table of slices, a list of those that may be dropped (clean,
 * not pinned) in the order of last use, and a list of dirty ones. Guarded by the image's
 * lock, which a miss drops while it reads. Never writes: commit.c does.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/image.h"
#include "util/math.h"

#define MIN_SLICES 64u /* enough for all threads' pins even with the smallest cache */

int mdcache_init(struct mdcache *c, size_t slice_size, size_t max_bytes)
{
	memset(c, 0, sizeof(*c));
	c->slice_size = slice_size;
	c->max = max_bytes / slice_size;
	if (c->max < MIN_SLICES)
		c->max = MIN_SLICES;
	c->nr_buckets = 64;
	while (c->nr_buckets < c->max && c->nr_buckets < 65536)
		c->nr_buckets *= 2;
	c->bucket = calloc(c->nr_buckets, sizeof(*c->bucket));
	return c->bucket ? 0 : -ENOMEM;
}

static struct md_slice **bucket_of(const struct mdcache *c, uint64_t off)
{
	uint64_t h = off / c->slice_size * UINT64_C(0x9e3779b97f4a7c15);

	return &c->bucket[(h >> 32) & (c->nr_buckets - 1)];
}

static struct md_slice *find(const struct mdcache *c, uint64_t off)
{
	struct md_slice *s = *bucket_of(c, off);

	while (s && s->off != off)
		s = s->hash_next;
	return s;
}

static void unhash(struct mdcache *c, struct md_slice *s)
{
	struct md_slice **p = bucket_of(c, s->off);

	while (*p != s)
		p = &(*p)->hash_next;
	*p = s->hash_next;
}

static void slice_free(struct mdcache *c, struct md_slice *s)
{
	free(s->data);
	free(s);
	c->nr--;
}

/* ---- the list of slices that may be dropped ----------------------------------------- */

static bool may_be_dropped(const struct md_slice *s)
{
	return !s->pins && !s->dirty && !s->copied;
}

static void lru_remove(struct mdcache *c, struct md_slice *s)
{
	if (s->lru_prev)
		s->lru_prev->lru_next = s->lru_next;
	else if (c->lru_head == s)
		c->lru_head = s->lru_next;
	else
		return; /* was not on the list */
	if (s->lru_next)
		s->lru_next->lru_prev = s->lru_prev;
	else
		c->lru_tail = s->lru_prev;
	s->lru_prev = s->lru_next = NULL;
}

static void lru_append(struct mdcache *c, struct md_slice *s)
{
	s->lru_prev = c->lru_tail;
	s->lru_next = NULL;
	if (c->lru_tail)
		c->lru_tail->lru_next = s;
	else
		c->lru_head = s;
	c->lru_tail = s;
}

static void shrink(struct mdcache *c, size_t max)
{
	while (c->nr > max && c->lru_head) {
		struct md_slice *s = c->lru_head;

		lru_remove(c, s);
		unhash(c, s);
		slice_free(c, s);
	}
}

/* Puts a slice where it belongs after its pins or flags changed. */
static void settle(struct mdcache *c, struct md_slice *s)
{
	if (!may_be_dropped(s))
		return;
	if (s->orphan) {
		slice_free(c, s);
		return;
	}
	lru_append(c, s);
	shrink(c, c->max);
}

/* ---- dirty slices -------------------------------------------------------------------- */

static void dirty_remove(struct mdcache *c, struct md_slice *s)
{
	if (s->dirty_prev)
		s->dirty_prev->dirty_next = s->dirty_next;
	else
		c->dirty_head = s->dirty_next;
	if (s->dirty_next)
		s->dirty_next->dirty_prev = s->dirty_prev;
	s->dirty_prev = s->dirty_next = NULL;
	s->dirty = false;
	c->nr_dirty--;
}

static void dirty_add(struct mdcache *c, struct md_slice *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	s->dirty_prev = NULL;
	s->dirty_next = c->dirty_head;
	if (c->dirty_head)
		c->dirty_head->dirty_prev = s;
	c->dirty_head = s;
	c->nr_dirty++;
}

void mdcache_set_dirty(struct qcow2_image *img, struct md_slice *s)
{
	dirty_add(&img->cache, s);
}

/* ---- finding and reading ---------------------------------------------------------------- */

static struct md_slice *slice_new(struct mdcache *c, uint64_t off, bool refblock)
{
	struct md_slice *s = calloc(1, sizeof(*s));
	struct md_slice **b;

	if (!s)
		return NULL;
	s->data = calloc(1, c->slice_size);
	if (!s->data) {
		free(s);
		return NULL;
	}
	s->off = off;
	s->refblock = refblock;
	b = bucket_of(c, off);
	s->hash_next = *b;
	*b = s;
	c->nr++;
	return s;
}

/* Reads a slice that is in the table, marked as loading and pinned by the caller. */
static int load(struct qcow2_image *img, struct md_slice *s)
{
	int rc;

	s->loading = true;
	pthread_mutex_unlock(&img->lock);
	rc = io_pread(img->file, s->data, img->cache.slice_size, s->off);
	pthread_mutex_lock(&img->lock);
	s->loading = false;
	s->error = rc;
	if (rc < 0 && !s->orphan)
		unhash(&img->cache, s); /* the next one to ask tries again */
	pthread_cond_broadcast(&img->cond);
	return rc;
}

/* Lets go of a slice whose load failed; the last one frees it. */
static void drop_failed(struct mdcache *c, struct md_slice *s)
{
	if (--s->pins == 0)
		slice_free(c, s);
}

int mdcache_pin(struct qcow2_image *img, uint64_t off, bool refblock, bool fresh,
		struct md_slice **slice)
{
	struct mdcache *c = &img->cache;
	struct md_slice *s = find(c, off);
	int rc = 0;

	if (s) {
		lru_remove(c, s);
		s->pins++;
		while (s->loading)
			pthread_cond_wait(&img->cond, &img->lock);
		rc = s->error;
	} else {
		shrink(c, c->max - 1);
		s = slice_new(c, off, refblock);
		if (!s)
			return -ENOMEM;
		s->pins = 1;
		if (!fresh)
			rc = load(img, s);
	}
	if (rc < 0) {
		drop_failed(c, s);
		return rc;
	}
	*slice = s;
	return 0;
}

void mdcache_unpin(struct qcow2_image *img, struct md_slice *s)
{
	s->pins--;
	settle(&img->cache, s);
}

/* Takes a slice out of the table: nobody finds it again, whoever has it keeps it for now. */
static void disown(struct mdcache *c, struct md_slice *s)
{
	unhash(c, s);
	lru_remove(c, s);
	if (s->dirty)
		dirty_remove(c, s);
	s->orphan = true;
	settle(c, s);
}

void mdcache_forget(struct qcow2_image *img, uint64_t off, uint64_t len)
{
	struct mdcache *c = &img->cache;

	for (uint64_t o = off; o < off + len; o += c->slice_size) {
		struct md_slice *s = find(c, o);

		if (s)
			disown(c, s);
	}
}

void mdcache_drop_all(struct qcow2_image *img)
{
	struct mdcache *c = &img->cache;

	for (size_t i = 0; i < c->nr_buckets; i++)
		while (c->bucket[i])
			disown(c, c->bucket[i]);
}

void mdcache_destroy(struct mdcache *c)
{
	for (size_t i = 0; c->bucket && i < c->nr_buckets; i++) {
		struct md_slice *s, *next;

		for (s = c->bucket[i]; s; s = next) {
			next = s->hash_next;
			slice_free(c, s);
		}
	}
	free(c->bucket);
	c->bucket = NULL;
}

/* ---- what a commit takes along --------------------------------------------------------- */

int mdcache_commit_begin(struct qcow2_image *img, struct md_copy **copies, size_t *nr)
{
	struct mdcache *c = &img->cache;
	struct md_copy *list;
	size_t n = 0;

	*copies = NULL;
	*nr = 0;
	if (!c->nr_dirty)
		return 0;
	list = calloc(c->nr_dirty, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (struct md_slice *s = c->dirty_head; s; s = s->dirty_next, n++) {
		list[n].slice = s;
		list[n].unlinked = s->unlinked;
		list[n].data = malloc(c->slice_size);
		if (!list[n].data)
			goto out_of_memory;
		memcpy(list[n].data, s->data, c->slice_size);
	}
	for (size_t i = 0; i < n; i++) {
		dirty_remove(c, list[i].slice);
		list[i].slice->copied = true;
	}
	*copies = list;
	*nr = n;
	return 0;

out_of_memory:
	while (n)
		free(list[--n].data);
	free(list);
	return -ENOMEM;
}

void mdcache_commit_end(struct qcow2_image *img, struct md_copy *copies, size_t nr, bool ok,
			bool linked)
{
	struct mdcache *c = &img->cache;

	for (size_t i = 0; i < nr; i++) {
		struct md_slice *s = copies[i].slice;

		s->copied = false;
		if (ok || linked)
			s->unlinked = false;
		if (!ok && !s->orphan)
			dirty_add(c, s);
		settle(c, s);
		free(copies[i].data);
	}
	free(copies);
}
