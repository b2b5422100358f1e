/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the main thread does while others serve: it waits for the end, has an eye on threads that
 * are stuck, and ends them all; see serve.h.
 */
#include "fs/priv.h"
#include "fs/serve_priv.h"

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

/* All have the request in hand that they had when this was asked last. [lock] */
static bool all_stuck(struct serve *s)
{
	bool stuck = true;

	for (struct serve_worker *w = s->first; w; w = w->next) {
		uint64_t unique = atomic_load_explicit(&w->unique, memory_order_relaxed);

		if (!w->done && (!unique || unique != w->seen))
			stuck = false;
		w->seen = unique;
	}
	return stuck;
}

/* Waits for a change, at most until then, with an eye on the threads. [lock] */
static void watch(struct serve *s, int64_t until)
{
	int64_t now;

	if (!atomic_load(&s->tight) && until == INT64_MAX) {
		pthread_cond_wait(&s->changed, &s->lock);
		return;
	}
	now = clock_ns(CLOCK_MONOTONIC);
	if (atomic_load(&s->tight) && until - now > STUCK_NS)
		until = now + STUCK_NS;
	cond_wait_until(&s->changed, &s->lock, until);
	if (!atomic_load(&s->tight) || clock_ns(CLOCK_MONOTONIC) < until)
		return;
	if (atomic_load(&s->idle))
		atomic_store(&s->tight, false);
	else if (all_stuck(s))
		serve_start_worker(s);
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

int serve_result(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	return s->rc;
}

/* ---- the end ----------------------------------------------------------------------------- */

/* [lock] */
static bool is_quiet(const struct serve *s)
{
	struct pollfd p = { .fd = s->fd, .events = POLLIN };

	return s->ended || (atomic_load(&s->idle) >= s->nr && poll(&p, 1, 0) == 0);
}

bool serve_until_quiet(struct serve *s, int64_t deadline)
{
	int64_t now;

	SCOPE_LOCK(&s->lock);
	/* Nobody tells when the last answer is given: this looks. */
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
	/* The last descriptor that goes ends the connection, whatever threads still work on. */
	dup2(s->nowhere, s->fd);
	if (fuse_session_fd(s->se) >= 0) /* it has not unmounted */
		dup2(s->nowhere, fuse_session_fd(s->se));
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
	char path[TREE_NAME_ROOM];
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
			     tree_path(&fs->tree, node, path));
		len += n > 0 ? (size_t)n : 0;
	}
}
