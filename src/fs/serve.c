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
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/hello.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"

#define MAX_THREADS 128u
#define MAX_AWAY    64u		       /* of them */
#define STUCK_NS    INT64_C(50000000)  /* all have had the same request for so long */
#define LATE_NS	    INT64_C(100000000) /* for a RELEASE that another thread has */
#define WAKE_NS	    INT64_C(20000000)  /* between two signals to a thread that shall end */
#define WAKE_SIGNAL SIGURG	       /* ignored where nobody handles it */

static void on_wake(int signal)
{
	(void)signal;
}

static struct serve_worker *self(const struct serve *s)
{
	return pthread_getspecific(s->self);
}

/* ---- one request ------------------------------------------------------------------------- */

/* Who lets go, or writes back what was accepted before, is served to the end. */
static bool is_refused(const struct fuse_buf *buf)
{
	const struct fuse_in_header *in = buf->mem;
	const struct fuse_write_in *w = (const struct fuse_write_in *)(in + 1);

	switch (in->opcode) {
	case FUSE_FORGET:
	case FUSE_BATCH_FORGET:
	case FUSE_INTERRUPT:
	case FUSE_RELEASE:
	case FUSE_RELEASEDIR:
	case FUSE_DESTROY:
		return false;
	case FUSE_WRITE:
		return buf->size < sizeof(*in) + sizeof(*w) || !(w->write_flags & FUSE_WRITE_CACHE);
	default:
		return true;
	}
}

static void refuse_request(struct serve_worker *w)
{
	const struct fuse_in_header *in = w->buf.mem;
	struct fuse_out_header out = { sizeof(out), -ENOTCONN, in->unique };
	struct iovec iov = { &out, sizeof(out) };

	/* What it returns: the caller may have gone. */
	w->serve->how->answer(w, &iov, 1);
}

static void serve_request(struct serve_worker *w)
{
	const struct fuse_in_header *in = w->buf.mem;
	struct serve *s = w->serve;

	atomic_store_explicit(&w->node, in->nodeid, memory_order_relaxed);
	atomic_store_explicit(&w->opcode, in->opcode, memory_order_relaxed);
	atomic_store_explicit(&w->unique, in->unique, memory_order_relaxed);
	order_seen(&s->order, in->unique);
	if (atomic_load_explicit(&s->fs->trace.on, memory_order_relaxed))
		trace_begin(s->fs, &w->trace, in, w->buf.size);
	if (atomic_load_explicit(&s->refuse, memory_order_relaxed) && is_refused(&w->buf))
		refuse_request(w);
	else
		fuse_session_process_buf(s->se, &w->buf);
	if (w->trace.op)
		trace_end(s->fs, &w->trace);
	atomic_store_explicit(&w->unique, 0, memory_order_relaxed);
}

struct trace_request *serve_trace(struct serve *s)
{
	struct serve_worker *w = self(s);

	return w ? &w->trace : NULL;
}

/* libfuse's way out: answers, and notifications, whose unique is 0. */
static ssize_t on_writev(int fd, struct iovec *iov, int count, void *data)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct serve *s = ((struct fs *)data)->serve;
	struct serve_worker *w = self(s);

	(void)fd;
	if (!w || !out->unique ||
	    out->unique != atomic_load_explicit(&w->unique, memory_order_relaxed))
		return writev(s->fd, iov, count);
	if (w->trace.op)
		trace_answer(&w->trace, iov, count);
	if (atomic_load_explicit(&w->opcode, memory_order_relaxed) == FUSE_INIT)
		hello_complete(w->buf.mem, w->buf.size, iov, count, s->cfg.hello);
	return s->how->answer(w, iov, count);
}

static ssize_t on_read(int fd, void *buf, size_t size, void *data)
{
	struct serve *s = ((struct fs *)data)->serve;

	(void)fd;
	return read(self(s)->fd, buf, size);
}

/* ---- the threads ------------------------------------------------------------------------- */

static void connection_ended(struct serve *s, int rc)
{
	SCOPE_LOCK(&s->lock);
	s->ended = true;
	if (rc < 0 && !s->rc)
		s->rc = rc;
	pthread_cond_broadcast(&s->changed);
}

/* [lock] */
static void count_surplus(struct serve *s)
{
	unsigned serving = s->nr - s->nr_away;

	atomic_store(&s->surplus, serving > s->cfg.threads ? serving - s->cfg.threads : 0);
}

static void *worker_main(void *data);

/* Forgets the threads that have ended. [lock] */
static void reap_threads(struct serve *s)
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
static int start_worker(struct serve *s)
{
	struct serve_worker *w;
	int ret;

	reap_threads(s);
	if (s->nr >= MAX_THREADS || atomic_load(&s->stop))
		return -EAGAIN;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->serve = s;
	w->fd = s->fd;
	ret = pthread_create(&w->thread, NULL, worker_main, w);
	if (ret) {
		free(w);
		return -ret;
	}
	w->next = s->first;
	s->first = w;
	s->nr++;
	count_surplus(s);
	return 0;
}

/* The last idle thread has taken a request. */
static void none_idle(struct serve *s)
{
	if (atomic_load_explicit(&s->tight, memory_order_relaxed))
		return;
	SCOPE_LOCK(&s->lock);
	if (s->nr - s->nr_away < s->cfg.threads && start_worker(s) == 0)
		return;
	/* The watch has a look from time to time, until one is idle again. */
	atomic_store(&s->tight, true);
	pthread_cond_broadcast(&s->changed);
}

/* A request that is over in no time is worth no thread. */
static bool is_quick(const struct fuse_buf *buf)
{
	uint32_t opcode = ((const struct fuse_in_header *)buf->mem)->opcode;

	return opcode == FUSE_FORGET || opcode == FUSE_BATCH_FORGET || opcode == FUSE_INIT;
}

/* More threads than are wanted, and one of the others waits for a request: this one may end. */
static bool is_surplus(struct serve *s)
{
	unsigned n = atomic_load_explicit(&s->surplus, memory_order_relaxed);

	while (n && atomic_load_explicit(&s->idle, memory_order_relaxed))
		if (atomic_compare_exchange_weak(&s->surplus, &n, n - 1))
			return true;
	return false;
}

/* What take() gave was no request. False: this thread ends. */
static bool may_go_on(struct serve *s, int rc)
{
	if (rc == -EINTR)
		return true;
	if (rc == -ENOMEM) { /* for the buffer; nothing has been taken */
		nanosleep(&(struct timespec){ .tv_nsec = WAKE_NS }, NULL);
		return true;
	}
	connection_ended(s, rc);
	return false;
}

static void serve_requests(struct serve_worker *w)
{
	struct serve *s = w->serve;

	do {
		bool last;
		int n;

		atomic_store(&w->waiting, true);
		if (atomic_load(&s->stop))
			return;
		atomic_fetch_add(&s->idle, 1);
		n = s->how->take(w);
		last = atomic_fetch_sub(&s->idle, 1) == 1;
		atomic_store(&w->waiting, false);
		if (n > 0) {
			if (last && !is_quick(&w->buf))
				none_idle(s);
			serve_request(w);
		} else if (!may_go_on(s, n)) {
			return;
		}
	} while (!is_surplus(s));
}

static void *worker_main(void *data)
{
	struct serve_worker *w = data;
	struct serve *s = w->serve;
	int ret = s->how->begin(w);

	pthread_setspecific(s->self, w);
	if (!ret)
		serve_requests(w);
	else
		connection_ended(s, ret);
	s->how->end(w);
	SCOPE_LOCK(&s->lock);
	atomic_store(&w->waiting, false);
	w->done = true;
	s->nr--;
	count_surplus(s);
	pthread_cond_broadcast(&s->changed);
	return NULL;
}

bool serve_away(struct serve *s)
{
	bool anyone;

	SCOPE_LOCK(&s->lock);
	if (!self(s) || s->nr_away >= MAX_AWAY)
		return false;
	s->nr_away++;
	if (!atomic_load(&s->idle))
		start_worker(s);
	anyone = s->nr > s->nr_away;
	if (!anyone)
		s->nr_away--;
	count_surplus(s);
	return anyone;
}

void serve_back(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
	s->nr_away--;
	count_surplus(s);
}

/* ---- requests that came before ----------------------------------------------------------- */

/* Has another thread an earlier RELEASE in hand? */
static bool is_releasing(struct serve *s, uint64_t unique)
{
	SCOPE_LOCK(&s->lock);
	for (struct serve_worker *w = s->first; w; w = w->next) {
		uint64_t other = atomic_load_explicit(&w->unique, memory_order_relaxed);

		if (other && other < unique &&
		    atomic_load_explicit(&w->opcode, memory_order_relaxed) == FUSE_RELEASE)
			return true;
	}
	return false;
}

void serve_await_releases(struct serve *s)
{
	const struct timespec moment = { .tv_nsec = 50000 };
	struct serve_worker *w = self(s);
	uint64_t unique = w ? atomic_load_explicit(&w->unique, memory_order_relaxed) : 0;
	int64_t end = 0; /* nearly always there is nothing to wait for */

	while (!order_is_whole(&s->order, unique) || is_releasing(s, unique)) {
		if (!end)
			end = clock_ns(CLOCK_MONOTONIC) + LATE_NS;
		else if (clock_ns(CLOCK_MONOTONIC) > end)
			break;
		nanosleep(&moment, NULL);
	}
	order_give_up(&s->order, unique);
}

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
		start_worker(s);
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
				pthread_kill(w->thread, WAKE_SIGNAL);
		cond_wait_until(&s->changed, &s->lock,
				min_i64(deadline, clock_ns(CLOCK_MONOTONIC) + WAKE_NS));
	}
	reap_threads(s);
	return !s->nr;
}

void serve_abort(struct serve *s)
{
	SCOPE_LOCK(&s->lock);
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

/* ---- from the beginning to the end --------------------------------------------------------- */

/*
 * libfuse closes the descriptor that it has when it unmounts, which is long before the last answer.
 * So the threads use another one.
 */
static int take_session_over(struct serve *s)
{
	static const struct fuse_custom_io io = { .writev = on_writev, .read = on_read };
	int fd = fuse_session_fd(s->se);

	s->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	s->nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (s->fd < 0 || s->nowhere < 0)
		return -errno;
	return fuse_session_custom_io(s->se, &io, fd) ? -ENOMEM : 0;
}

int serve_new(struct fs *fs, const struct serve_config *cfg)
{
	struct sigaction wake = { .sa_handler = on_wake };
	struct serve *s = calloc(1, sizeof(*s));
	int ret;

	if (!s)
		return -ENOMEM;
	s->fs = fs;
	s->se = fs->se;
	s->cfg = *cfg;
	s->how = &serve_classic;
	s->fd = s->nowhere = -1;
	fs->serve = s;
	pthread_mutex_init(&s->lock, NULL);
	sigaction(WAKE_SIGNAL, &wake, NULL);
	ret = cond_init_monotonic(&s->changed);
	if (!ret) {
		ret = -pthread_key_create(&s->self, NULL);
		if (ret)
			pthread_cond_destroy(&s->changed);
	}
	if (ret) {
		pthread_mutex_destroy(&s->lock);
		free(s);
		fs->serve = NULL;
		return ret;
	}
	return take_session_over(s);
}

int serve_start(struct fs *fs)
{
	struct serve *s = fs->serve;

	SCOPE_LOCK(&s->lock);
	return start_worker(s);
}

void serve_free(struct fs *fs)
{
	struct serve *s = fs->serve;

	if (!s)
		return;
	if (s->fd >= 0)
		close(s->fd);
	if (s->nowhere >= 0)
		close(s->nowhere);
	pthread_key_delete(s->self);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	fs->serve = NULL;
	free(s);
}
