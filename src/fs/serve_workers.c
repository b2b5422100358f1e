/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads that serve; see serve.h.
 *
 * A thread is started when the last idle one takes a request, up to cfg.threads. There are two
 * reasons for more: a thread is away (it waits for an answer of the mount, which another one has
 * to give), or all have had the same request in hand for a while, as when a disk does not answer
 * to fsync: requests that need no disk must not wait for those that do.
 */
#include "fs/priv.h"
#include "fs/serve_priv.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>

#include "util/cleanup.h"

#define MAX_THREADS	128u
#define MAX_AWAY	64u		  /* of them */
#define NO_MEMORY_NS	INT64_C(20000000) /* before it is tried again */
#define NO_MEMORY_TRIES 100u

struct serve_worker *serve_self(const struct serve *s)
{
	return pthread_getspecific(s->self);
}

struct trace_request *serve_trace(struct serve *s)
{
	struct serve_worker *w = serve_self(s);

	return w ? &w->trace : NULL;
}

void *serve_answer_room(struct serve *s, size_t size)
{
	struct serve_worker *w = serve_self(s);

	return w && w->pool->how->room ? w->pool->how->room(w, size) : NULL;
}

void serve_note_end(struct serve *s, int rc)
{
	SCOPE_LOCK(&s->lock);
	s->ended = true;
	if (rc < 0 && !s->rc)
		s->rc = rc;
	pthread_cond_broadcast(&s->changed);
}

/* [lock] */
static void count_surplus(struct serve_pool *p)
{
	unsigned serving = p->nr - p->nr_away;

	if (!p->how->stays)
		atomic_store(&p->surplus, serving > p->threads ? serving - p->threads : 0);
}

static void *worker_main(void *data);

/* Forgets the threads that have ended. [lock] */
void serve_reap(struct serve *s)
{
	for (struct serve_worker **p = &s->first, *w; (w = *p);) {
		if (!w->done) {
			p = &w->next;
			continue;
		}
		*p = w->next;
		pthread_join(w->thread, NULL); /* it holds no lock any more */
		free(w);
	}
}

/* [lock] */
int serve_start_worker(struct serve_pool *p)
{
	struct serve *s = p->serve;
	struct serve_worker *w;
	int ret;

	serve_reap(s);
	if (p->nr >= MAX_THREADS || atomic_load(&s->stop))
		return -EAGAIN;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->serve = s;
	w->pool = p;
	w->fd = s->fd;
	ret = pthread_create(&w->thread, NULL, worker_main, w);
	if (ret) {
		free(w);
		return -ret;
	}
	w->next = s->first;
	s->first = w;
	s->nr++;
	p->nr++;
	count_surplus(p);
	return 0;
}

/* The last idle thread has taken a request. */
static void none_idle(struct serve_pool *p)
{
	struct serve *s = p->serve;

	if (atomic_load_explicit(&p->tight, memory_order_relaxed))
		return;
	SCOPE_LOCK(&s->lock);
	if (p->nr - p->nr_away < p->threads && serve_start_worker(p) == 0)
		return;
	/* The watch has a look from time to time, until one is idle again. */
	atomic_store(&p->tight, true);
	pthread_cond_broadcast(&s->changed);
}

/* A request that is over in no time is worth no thread. */
static bool is_quick(const struct fuse_buf *buf)
{
	uint32_t opcode = ((const struct fuse_in_header *)buf->mem)->opcode;

	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INIT;
}

/* More threads than are wanted, and one of the others waits for a request: this one may end. */
static bool is_surplus(struct serve_pool *p)
{
	unsigned n = atomic_load_explicit(&p->surplus, memory_order_relaxed);

	while (n && atomic_load_explicit(&p->idle, memory_order_relaxed))
		if (atomic_compare_exchange_weak(&p->surplus, &n, n - 1))
			return true;
	return false;
}

/* No thread of the pool but this one may serve. */
static bool is_alone(struct serve_pool *p)
{
	SCOPE_LOCK(&p->serve->lock);
	return p->nr - p->nr_away <= 1;
}

/* What take() gave was no request. False: this thread ends. */
static bool may_go_on(struct serve_worker *w, int rc, unsigned *tries)
{
	struct serve *s = w->serve;

	if (rc == -EINTR)
		return true;
	/* For the buffer; nothing has been taken. Who has none when there is nobody else must not
	 * try for ever: all who ask the mount would wait as long. */
	if (rc == -ENOMEM && (w->buf.mem || !is_alone(w->pool) || ++*tries < NO_MEMORY_TRIES)) {
		nanosleep(&(struct timespec){ .tv_nsec = NO_MEMORY_NS }, NULL);
		return true;
	}
	serve_note_end(s, rc);
	return false;
}

static void serve_requests(struct serve_worker *w)
{
	struct serve_pool *p = w->pool;
	struct serve *s = w->serve;
	unsigned tries = 0;

	do {
		bool last;
		int n;

		atomic_store(&w->waiting, true);
		if (atomic_load(&s->stop))
			return;
		atomic_fetch_add(&p->idle, 1);
		n = p->how->take(w);
		last = atomic_fetch_sub(&p->idle, 1) == 1;
		atomic_store(&w->waiting, false);
		if (n > 0) {
			if (last && !is_quick(&w->buf))
				none_idle(p);
			s->one(w);
		} else if (!may_go_on(w, n, &tries)) {
			return;
		}
	} while (!is_surplus(p));
}

/* A pool goes on without the thread while it has another one that may serve. */
static void begin_failed(struct serve_pool *p, int rc)
{
	struct serve *s = p->serve;

	if (is_alone(p) && rc != -ECANCELED)
		serve_note_end(s, rc);
}

static void *worker_main(void *data)
{
	struct serve_worker *w = data;
	struct serve_pool *p = w->pool;
	struct serve *s = w->serve;
	int ret = p->how->begin(w);

	pthread_setspecific(s->self, w);
	if (!ret)
		serve_requests(w);
	else
		begin_failed(p, ret);
	p->how->end(w);
	SCOPE_LOCK(&s->lock);
	atomic_store(&w->waiting, false);
	w->done = true;
	s->nr--;
	p->nr--;
	count_surplus(p);
	pthread_cond_broadcast(&s->changed);
	return NULL;
}

bool serve_away(struct serve *s)
{
	struct serve_worker *w = serve_self(s);
	struct serve_pool *p;
	bool anyone;

	SCOPE_LOCK(&s->lock);
	if (!w || s->nr_away >= MAX_AWAY)
		return false;
	p = w->pool;
	p->nr_away++;
	if (!atomic_load(&p->idle))
		serve_start_worker(p);
	anyone = p->nr > p->nr_away;
	w->away = anyone;
	if (anyone)
		s->nr_away++;
	else
		p->nr_away--;
	count_surplus(p);
	return anyone;
}

void serve_back(struct serve *s)
{
	struct serve_worker *w = serve_self(s);
	struct serve_pool *p = w->pool;

	SCOPE_LOCK(&s->lock);
	w->away = false;
	s->nr_away--;
	p->nr_away--;
	count_surplus(p);
}
