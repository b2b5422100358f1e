/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the main thread does while others serve: it waits for the end, has an eye on threads that
 * are stuck, and ends them all; see serve.h.
 */
#include "fs/priv.h"
#include "fs/serve_priv.h"
#include "fs/serve_rings.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"

#define STUCK_NS INT64_C(50000000) /* all have had the same request for so long */
#define WAKE_NS	 INT64_C(20000000) /* between two signals to a thread that shall end */

/* ---- the watch --------------------------------------------------------------------------- */

/* The pool that reads /dev/fuse, and those of the rings: 0 to s->nr_queues. [lock] */
static struct serve_pool *pool_at(struct serve *s, unsigned i)
{
	return i ? &s->queues[i - 1] : &s->pool;
}

/* All have the request in hand that they had when this was asked last. [lock] */
static bool all_stuck(struct serve_pool *p)
{
	bool stuck = true;

	for (struct serve_worker *w = p->serve->first; w; w = w->next) {
		uint64_t unique = atomic_load_explicit(&w->unique, memory_order_relaxed);

		if (w->pool != p)
			continue;
		if (!w->done && (!unique || unique != w->seen))
			stuck = false;
		w->seen = unique;
	}
	return stuck;
}

/* Was there a pool of which no thread was idle? [lock] */
static bool any_tight(struct serve *s)
{
	for (unsigned i = 0; i <= s->nr_queues; i++)
		if (atomic_load(&pool_at(s, i)->tight))
			return true;
	return false;
}

/* [lock] */
static void relieve(struct serve_pool *p)
{
	if (!atomic_load(&p->tight))
		return;
	if (atomic_load(&p->idle))
		atomic_store(&p->tight, false);
	else if (all_stuck(p))
		serve_start_worker(p);
}

/* Waits for a change, at most until then, with an eye on the threads. [lock] */
static void watch(struct serve *s, int64_t until)
{
	bool tight = any_tight(s);
	int64_t now;

	if (!tight && until == INT64_MAX) {
		pthread_cond_wait(&s->changed, &s->lock);
		return;
	}
	now = clock_ns(CLOCK_MONOTONIC);
	if (tight && until - now > STUCK_NS)
		until = now + STUCK_NS;
	cond_wait_until(&s->changed, &s->lock, until);
	if (clock_ns(CLOCK_MONOTONIC) < until)
		return;
	for (unsigned i = 0; i <= s->nr_queues; i++)
		relieve(pool_at(s, i));
}

uint64_t serve_held_file(struct serve *s, const struct serve_pool *p)
{
	uint64_t found = 0;

	SCOPE_LOCK(&s->lock);
	for (struct serve_worker *w = s->first; w; w = w->next) {
		uint64_t node = atomic_load(&w->node);
		uint32_t opcode = atomic_load(&w->opcode);

		if (!atomic_load(&w->unique) || !tree_is_file(node) || opcode == FUSE_FORGET)
			continue;
		if (w->away && w->pool == p)
			return node;
		if (!found || w->pool == p)
			found = node;
	}
	return found;
}

void serve_until_asked(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	while (!s->asked && !s->ended)
		watch(s, INT64_MAX);
}

void serve_ask_end(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	s->asked = true;
	pthread_cond_broadcast(&s->changed);
}

bool serve_ended(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	return s->ended;
}

void serve_break(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	s->broken = s->ended = true;
	if (!s->rc)
		s->rc = -ECONNABORTED;
	pthread_cond_broadcast(&s->changed);
}

bool serve_broken(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	return s->broken;
}

int serve_result(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	return s->rc;
}

/* ---- the end ----------------------------------------------------------------------------- */

/* [lock] */
static bool is_quiet(struct serve *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	if (s->ended)
		return true;
	for (unsigned i = 0; i <= s->nr_queues; i++)
		if (atomic_load(&pool_at(s, i)->idle) < pool_at(s, i)->nr)
			return false;
	return poll(&p, 1, 0) == 0;
}

bool serve_until_quiet(struct serve *s, int64_t deadline)
{
	int64_t now;

	SCOPE_LOCK(&s->lock);
	/* There is no signal for the last answer, so this looks again and again. */
	while (!is_quiet(s)) {
		now = clock_ns(CLOCK_MONOTONIC);
		if (now >= deadline)
			return false;
		watch(s, min_i64(deadline, now + 2000000));
	}
	return true;
}

void serve_refuse(struct serve *s)
{
	atomic_store(&s->refuse, true);
}

bool serve_stop(struct serve *s, int64_t deadline)
{
	rings_leave(s);
	SCOPE_LOCK(&s->lock);
	atomic_store(&s->stop, true);
	while (s->nr && clock_ns(CLOCK_MONOTONIC) < deadline) {
		/* A signal may come just before the thread sleeps: so again and again. */
		for (struct serve_worker *w = s->first; w; w = w->next)
			if (!w->done && atomic_load(&w->waiting))
				pthread_kill(w->thread, SERVE_WAKE);
		cond_wait_until(&s->changed, &s->lock,
				min_i64(deadline, clock_ns(CLOCK_MONOTONIC) + WAKE_NS));
	}
	serve_reap(s);
	return !s->nr;
}

void serve_abort(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	atomic_store(&s->aborted, true);
	/* The last descriptor that goes ends the connection, whatever threads still work on. */
	dup2(s->nowhere, s->fd);
	for (struct serve_worker *w = s->first; w; w = w->next)
		if (!w->done && w->fd != s->fd)
			dup2(s->nowhere, w->fd);
}

static const char *request_name(uint32_t opcode)
{
	switch (opcode) {
	case FUSE_READ:
		return "READ";
	case FUSE_WRITE:
		return "WRITE";
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
		return "FSYNC";
	case FUSE_SETATTR:
		return "SETATTR";
	case FUSE_SETXATTR:
		return "SETXATTR";
	case FUSE_FALLOCATE:
		return "FALLOCATE";
	case FUSE_FLUSH:
		return "FLUSH";
	case FUSE_RELEASE:
		return "RELEASE";
	default:
		return "a request";
	}
}

void serve_describe(struct fs *fs, char *text, size_t size)
{
	struct serve *s = fs->serve;
	char label[ZQ_ZONE_LABEL_MAX];
	size_t len = 0;

	SCOPE_LOCK(&s->lock);
	text[0] = '\0';
	for (struct serve_worker *w = s->first; w && len < size; w = w->next) {
		uint64_t node = atomic_load(&w->node);
		int n;

		if (!atomic_load(&w->unique) || !tree_valid(&fs->tree, node))
			continue;
		n = snprintf(text + len, size - len, "%s%s of %s", len ? ", " : "",
			     request_name(atomic_load(&w->opcode)),
			     tree_label(&fs->tree, node, label));
		len += n > 0 ? (size_t)n : 0;
	}
}
