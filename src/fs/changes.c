/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash of changed nodes; see changes.h. Entries are never removed before the end: they
 * are as few as the files that somebody has changed.
 */
#include "fs/changes.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct change {
	struct change *next;
	uint64_t node;
	unsigned what;
	mode_t mode; /* without the type */
	uid_t uid;
	gid_t gid;
	struct timespec atime, mtime, ctime;
	struct timespec base; /* the zone's own mtime when mtime was set */
};

static bool later(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

static struct change *find_change(struct changes *c, uint64_t node)
{
	struct change *e = c->bucket[node % CHANGES_BUCKETS];

	while (e && e->node != node)
		e = e->next;
	return e;
}

void changes_init(struct changes *c)
{
	*c = (struct changes){ .lock = PTHREAD_RWLOCK_INITIALIZER };
}

void changes_destroy(struct changes *c)
{
	for (unsigned i = 0; i < CHANGES_BUCKETS; i++) {
		struct change *e;

		while ((e = c->bucket[i])) {
			c->bucket[i] = e->next;
			free(e);
		}
	}
	pthread_rwlock_destroy(&c->lock);
}

int changes_set(struct changes *c, uint64_t node, unsigned what, const struct stat *to,
		const struct stat *as_is)
{
	struct change *e;

	pthread_rwlock_wrlock(&c->lock);
	e = find_change(c, node);
	if (!e) {
		e = calloc(1, sizeof(*e));
		if (!e) {
			pthread_rwlock_unlock(&c->lock);
			return -ENOMEM;
		}
		e->node = node;
		e->next = c->bucket[node % CHANGES_BUCKETS];
		c->bucket[node % CHANGES_BUCKETS] = e;
		atomic_fetch_add(&c->nr, 1);
	}
	e->what |= what;
	if (what & CHANGE_MODE)
		e->mode = to->st_mode & 07777;
	if (what & CHANGE_UID)
		e->uid = to->st_uid;
	if (what & CHANGE_GID)
		e->gid = to->st_gid;
	if (what & CHANGE_ATIME)
		e->atime = to->st_atim;
	if (what & CHANGE_MTIME) {
		e->mtime = to->st_mtim;
		e->base = as_is->st_mtim;
	}
	/* The device's clock for writes, so that a later one is never earlier than this. */
	clock_gettime(CLOCK_REALTIME_COARSE, &e->ctime);
	pthread_rwlock_unlock(&c->lock);
	return 0;
}

static mode_t privileges(const struct change *e)
{
	mode_t bits = 0;

	if (!e || !(e->what & CHANGE_MODE))
		return 0;
	if (e->mode & S_ISGID && e->mode & S_IXGRP)
		bits |= S_ISGID;
	return bits | (e->mode & S_ISUID);
}

bool changes_strip_mode(struct changes *c, uint64_t node)
{
	struct change *e;
	mode_t bits;

	if (!atomic_load_explicit(&c->nr, memory_order_acquire))
		return false;
	pthread_rwlock_rdlock(&c->lock);
	bits = privileges(find_change(c, node));
	pthread_rwlock_unlock(&c->lock);
	if (!bits)
		return false;
	pthread_rwlock_wrlock(&c->lock);
	e = find_change(c, node); /* still there: nothing is ever taken from the table */
	bits = privileges(e);
	if (bits) {
		e->mode &= ~bits;
		clock_gettime(CLOCK_REALTIME_COARSE, &e->ctime);
	}
	pthread_rwlock_unlock(&c->lock);
	return bits != 0;
}

void changes_apply(struct changes *c, uint64_t node, struct stat *st)
{
	const struct change *e;

	if (!atomic_load_explicit(&c->nr, memory_order_acquire))
		return;
	pthread_rwlock_rdlock(&c->lock);
	e = find_change(c, node);
	if (e) {
		if (e->what & CHANGE_MODE)
			st->st_mode = (st->st_mode & S_IFMT) | e->mode;
		if (e->what & CHANGE_UID)
			st->st_uid = e->uid;
		if (e->what & CHANGE_GID)
			st->st_gid = e->gid;
		if (e->what & CHANGE_ATIME)
			st->st_atim = e->atime;
		if ((e->what & CHANGE_MTIME) && !later(&st->st_mtim, &e->base))
			st->st_mtim = e->mtime;
		if (later(&e->ctime, &st->st_ctim))
			st->st_ctim = e->ctime;
	}
	pthread_rwlock_unlock(&c->lock);
}
