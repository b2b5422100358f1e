/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The metadata cache: a hash table of slices, a list of those that may be dropped (clean,
 * not pinned) in the order of last use, and a list of dirty ones. Guarded by the image's
 * lock, which a miss drops while it reads. Never writes: commit.c does.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/engine/mdcache.h"
#include "util/apart.h"
#include "util/math.h"

#define MIN_SLICES 64u /* enough for all threads' pins even with the smallest cache */

int mdcache_init(struct mdcache *c, const struct mdcache_host *host, size_t slice_size,
		 size_t max_bytes)
{
	memset(c, 0, sizeof(*c));
	c->host = *host;
	c->slice_size = slice_size;
	c->slice_bits = log2_u64(slice_size);
	c->max = max_bytes >> c->slice_bits;
	if (c->max < MIN_SLICES)
		c->max = MIN_SLICES;
	c->nr_buckets = 64;
	while (c->nr_buckets < c->max && c->nr_buckets < 65536)
		c->nr_buckets *= 2;
	c->bucket = calloc(c->nr_buckets, sizeof(*c->bucket));
	return c->bucket ? 0 : -ENOMEM;
}

static struct md_slice **slice_bucket(const struct mdcache *c, uint64_t off)
{
	uint64_t h = (off >> c->slice_bits) * UINT64_C(0x9e3779b97f4a7c15);

	return &c->bucket[(h >> 32) & (c->nr_buckets - 1)];
}

static struct md_slice *slice_find(const struct mdcache *c, uint64_t off)
{
	struct md_slice *s = *slice_bucket(c, off);

	while (s && s->off != off)
		s = s->hash_next;
	return s;
}

static void slice_unhash(struct mdcache *c, struct md_slice *s)
{
	struct md_slice **p = slice_bucket(c, s->off);

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

static void slice_lru_remove(struct mdcache *c, struct md_slice *s)
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

static void slice_lru_append(struct mdcache *c, struct md_slice *s)
{
	s->lru_prev = c->lru_tail;
	s->lru_next = NULL;
	if (c->lru_tail)
		c->lru_tail->lru_next = s;
	else
		c->lru_head = s;
	c->lru_tail = s;
}

APART static void drop_oldest(struct mdcache *c, size_t max)
{
	while (c->nr > max && c->lru_head) {
		struct md_slice *s = c->lru_head;

		slice_lru_remove(c, s);
		slice_unhash(c, s);
		slice_free(c, s);
	}
}

/* Puts a slice where it belongs after its pins or flags changed. */
static void slice_settle(struct mdcache *c, struct md_slice *s)
{
	if (!may_be_dropped(s))
		return;
	if (s->orphan) {
		slice_free(c, s);
		return;
	}
	slice_lru_append(c, s);
	if (c->nr > c->max)
		drop_oldest(c, c->max);
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

void mdcache_set_dirty(struct mdcache *c, struct md_slice *s)
{
	assert(s->pins && s->room);
	dirty_add(c, s);
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
	b = slice_bucket(c, off);
	s->hash_next = *b;
	*b = s;
	c->nr++;
	return s;
}

/* A table is there as a whole or it is damaged: behind the end of the file it is not zeros. */
static int slice_read(const struct mdcache *c, struct md_slice *s)
{
	uint64_t size = 0;
	int rc = io_size(c->host.file, &size);

	if (rc < 0)
		return rc;
	if (!range_within(s->off, c->slice_size, size))
		return -EUCLEAN;
	return io_pread(c->host.file, s->data, c->slice_size, s->off);
}

/* Reads a slice that is in the table, marked as loading and pinned by the caller. */
static int slice_load(struct mdcache *c, struct md_slice *s)
{
	int rc;

	s->loading = true;
	pthread_mutex_unlock(c->host.lock);
	rc = slice_read(c, s);
	pthread_mutex_lock(c->host.lock);
	s->loading = false;
	s->error = rc;
	if (rc < 0 && !s->orphan)
		slice_unhash(c, s); /* the next one to ask tries again */
	pthread_cond_broadcast(c->host.cond);
	return rc;
}

/* Lets go of a slice whose load failed; the last one frees it. */
static void slice_drop_failed(struct mdcache *c, struct md_slice *s)
{
	if (--s->pins == 0)
		slice_free(c, s);
}

/*
 * A slice that is about to be changed may lie in a hole (of a sparse copy), and the commit that
 * writes it must find room. A host that cannot set room aside has to be given the bytes: here,
 * under the lock, and only while the slice is as it is on disk, so no commit writes it at the
 * same time. What is not all zeros is not in a hole.
 */
APART static int slice_make_room(struct mdcache *c, struct md_slice *s)
{
	int rc;

	pthread_mutex_unlock(c->host.lock);
	rc = io_reserve(c->host.file, s->off, c->slice_size);
	pthread_mutex_lock(c->host.lock);
	if (rc == -EOPNOTSUPP && !s->room && !s->orphan && io_may_be_hole(s->data, c->slice_size))
		rc = io_write(c->host.file, s->data, c->slice_size, s->off);
	if (rc < 0 && rc != -EOPNOTSUPP) {
		mdcache_unpin(c, s);
		return rc;
	}
	s->room = true;
	return 0;
}

/* What a slice that has been read needs for its use. Without room it is not pinned any more. */
static int slice_suit(struct mdcache *c, struct md_slice *s, unsigned use)
{
	return (use & MDCACHE_WRITE) && !s->room ? slice_make_room(c, s) : 0;
}

/* Makes, reads and pins a slice that is not in the table. */
APART static int slice_fetch(struct mdcache *c, uint64_t off, unsigned use, struct md_slice **slice)
{
	struct md_slice *s;
	int rc;

	drop_oldest(c, c->max - 1);
	s = slice_new(c, off, use & MDCACHE_REFBLOCK);
	if (!s)
		return -ENOMEM;
	s->pins = 1;
	s->room = use & MDCACHE_FRESH;
	rc = use & MDCACHE_FRESH ? 0 : slice_load(c, s);
	if (rc < 0) {
		slice_drop_failed(c, s);
		return rc;
	}
	rc = slice_suit(c, s, use);
	if (rc == 0)
		*slice = s;
	return rc;
}

/* Waits until a slice that others read has been read. Where that failed it is not pinned any more.
 */
APART static int slice_await(struct mdcache *c, struct md_slice *s)
{
	int rc;

	while (s->loading)
		pthread_cond_wait(c->host.cond, c->host.lock);
	rc = s->error;
	if (rc < 0)
		slice_drop_failed(c, s);
	return rc;
}

int mdcache_pin(struct mdcache *c, uint64_t off, unsigned use, struct md_slice **slice)
{
	struct md_slice *s = slice_find(c, off);
	int rc = 0;

	if (!s)
		return slice_fetch(c, off, use, slice);
	slice_lru_remove(c, s);
	s->pins++;
	if (s->loading)
		rc = slice_await(c, s);
	if (rc == 0)
		rc = slice_suit(c, s, use);
	if (rc == 0)
		*slice = s;
	return rc;
}

void mdcache_unpin(struct mdcache *c, struct md_slice *s)
{
	assert(s->pins);
	s->pins--;
	slice_settle(c, s);
}

/* Takes a slice out of the table: nobody finds it again, whoever has it keeps it for now. */
static void slice_disown(struct mdcache *c, struct md_slice *s)
{
	slice_unhash(c, s);
	slice_lru_remove(c, s);
	if (s->dirty)
		dirty_remove(c, s);
	s->orphan = true;
	slice_settle(c, s);
}

void mdcache_forget(struct mdcache *c, uint64_t off, uint64_t len)
{
	for (uint64_t o = off; o < off + len; o += c->slice_size) {
		struct md_slice *s = slice_find(c, o);

		if (s)
			slice_disown(c, s);
	}
}

void mdcache_drop_all(struct mdcache *c)
{
	for (size_t i = 0; i < c->nr_buckets; i++)
		while (c->bucket[i])
			slice_disown(c, c->bucket[i]);
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

int mdcache_commit_begin(struct mdcache *c, struct md_copy **copies, size_t *nr)
{
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

void mdcache_commit_end(struct mdcache *c, struct md_copy *copies, size_t nr, bool ok, bool linked)
{
	for (size_t i = 0; i < nr; i++) {
		struct md_slice *s = copies[i].slice;

		s->copied = false;
		if (ok || linked)
			s->unlinked = false;
		if (!ok && !s->orphan)
			dirty_add(c, s);
		slice_settle(c, s);
		free(copies[i].data);
	}
	free(copies);
}
