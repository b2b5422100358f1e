/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads that serve; see serve.h.
 *
 * A thread is started when the last idle one takes a request, up to cfg.threads, and ends when that
 * has not happened for a while, down to cfg.least. There are two reasons for more: a thread is away
 * (it waits for an answer of the mount, which another one has to give), or all have had the same
 * request in hand for a while, as when a disk does not answer to fsync: requests that need no disk
 * must not wait for those that do.
 */
#include "fs/priv.h"
#include "fs/serve_priv.h"

#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/math.h"

#define MAX_THREADS	128u
#define MAX_AWAY	64u		  /* of them */
#define CALM		1024u		  /* requests until a thread that is not needed ends */
#define SELDOM		64u		  /* one request in so many that finds all busy */
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

	if (p->how->stays)
		return;
	atomic_store(&p->surplus, serving > p->threads ? serving - p->threads : 0);
	atomic_store(&p->spare, serving > p->least ? serving - p->least : 0);
	atomic_store(&p->calm, 0);
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

/* All that stay, else one more. False: none. [lock] */
static bool start_more(struct serve_pool *p)
{
	unsigned serving = p->nr - p->nr_away;
	uint64_t want = max_u64(p->least, min_u64(serving + 1, p->threads));
	bool some = false;

	for (; serving < want && !serve_start_worker(p); serving++)
		some = true;
	return some;
}

/* The last idle thread has taken a request. */
static void none_idle(struct serve_pool *p)
{
	struct serve *s = p->serve;

	if (atomic_load_explicit(&p->tight, memory_order_relaxed))
		return;
	SCOPE_LOCK(&s->lock);
	if (start_more(p))
		return;
	/* The watch has a look from time to time, until one is idle again. */
	atomic_store(&p->tight, true);
	pthread_cond_broadcast(&s->changed);
}

/* Counts while there are more threads than the least: one of them ends when all were seldom busy at
 * once for some time. Now and then they are on a busy machine, for no other reason. */
static void count_calm(struct serve_pool *p, bool last)
{
	unsigned calm;

	if (!atomic_load_explicit(&p->spare, memory_order_relaxed))
		return;
	calm = atomic_load_explicit(&p->calm, memory_order_relaxed);
	if (last)
		atomic_store_explicit(&p->calm, calm > SELDOM ? calm - SELDOM : 0,
				      memory_order_relaxed);
	else if (atomic_fetch_add_explicit(&p->calm, 1, memory_order_relaxed) == CALM)
		atomic_store(&p->surplus, 1); /* its end begins the count anew */
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

/* No thread of the pool but this one, which has begun, may serve. */
static bool is_alone(struct serve_pool *p)
{
	SCOPE_LOCK(&p->serve->lock);
	return p->nr_begun - p->nr_away <= 1;
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
			count_calm(p, last);
			if (last && !is_quick(&w->buf))
				none_idle(p);
			s->one(w);
		} else if (!may_go_on(w, n, &tries)) {
			return;
		}
	} while (!is_surplus(p));
}

/* Whether the thread may serve now. A pool goes on without it while another one may. */
static bool has_begun(struct serve_worker *w, int rc)
{
	struct serve_pool *p = w->pool;
	struct serve *s = w->serve;
	bool nobody;

	pthread_mutex_lock(&s->lock);
	w->begun = !rc;
	p->nr_begun += w->begun;
	nobody = p->nr_begun == p->nr_away;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	if (nobody && rc != -ECANCELED)
		serve_note_end(s, rc);
	return !rc;
}

static void *worker_main(void *data)
{
	struct serve_worker *w = data;
	struct serve_pool *p = w->pool;
	struct serve *s = w->serve;

	pthread_setspecific(s->self, w);
	if (has_begun(w, p->how->begin(w)))
		serve_requests(w);
	p->how->end(w);
	SCOPE_LOCK(&s->lock);
	atomic_store(&w->waiting, false);
	w->done = true;
	s->nr--;
	p->nr--;
	p->nr_begun -= w->begun;
	count_surplus(p);
	pthread_cond_broadcast(&s->changed);
	return NULL;
}

/*
 * A thread that may serve while the caller is away; one more is started for that where none is
 * idle. It counts only once it has begun: it may be refused memory, a descriptor or a ring. [lock]
 */
static bool has_substitute(struct serve_pool *p)
{
	struct serve *s = p->serve;

	if (!atomic_load(&p->idle) && p->nr_begun == p->nr)
		serve_start_worker(p);
	while (!atomic_load(&p->idle) && p->nr_begun < p->nr)
		pthread_cond_wait(&s->changed, &s->lock);
	return p->nr_begun - p->nr_away > 1;
}

bool serve_away(struct serve *s)
{
	struct serve_worker *w = serve_self(s);
	struct serve_pool *p;

	SCOPE_LOCK(&s->lock);
	if (!w || s->nr_away >= MAX_AWAY)
		return false;
	p = w->pool;
	if (!has_substitute(p))
		return false;
	w->away = true;
	p->nr_away++;
	s->nr_away++;
	count_surplus(p);
	return true;
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
