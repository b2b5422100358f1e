/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serving, from the beginning to the end of a connection, and one request on its way through
 * libfuse; see serve.h. The threads are in serve_workers.c, the main thread's part is in
 * serve_watch.c.
 */
#include "fs/priv.h"
#include "fs/serve_priv.h"
#include "fs/serve_rings.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/hello.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define LATE_NS INT64_C(100000000) /* for a RELEASE that another thread has */

/* ---- one request ------------------------------------------------------------------------- */

/* These are served to the end: requests that let go, and those that write back what was accepted.
 */
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
	w->pool->how->answer(w, &iov, 1);
}

static void serve_one(struct serve_worker *w)
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

/* The kernel may put requests into the rings as soon as it has this answer. */
static ssize_t answer_hello(struct serve_worker *w, struct iovec *iov, int count)
{
	struct serve *s = w->serve;
	uint64_t granted =
		hello_complete(w->buf.mem, w->buf.size, iov, count, s->cfg.hello | rings_hello(s));
	size_t room = hello_room(iov, count);
	ssize_t n = w->pool->how->answer(w, iov, count);

	if (rings_agreed(s, n < 0 ? 0 : granted, room) && s->fs->ready)
		s->fs->ready(s->fs->ready_data);
	return n;
}

/* libfuse's way out: answers, and notifications, whose unique is 0. */
static ssize_t on_writev(int fd, struct iovec *iov, int count, void *data)
{
	const struct fuse_out_header *out = iov[0].iov_base;
	struct serve *s = ((struct fs *)data)->serve;
	struct serve_worker *w = serve_self(s);
	uint32_t opcode;

	(void)fd;
	if (!w || !out->unique ||
	    out->unique != atomic_load_explicit(&w->unique, memory_order_relaxed))
		return writev(s->fd, iov, count);
	if (w->trace.op)
		trace_answer(&w->trace, iov, count);
	opcode = atomic_load_explicit(&w->opcode, memory_order_relaxed);
	if (opcode == FUSE_INIT)
		return answer_hello(w, iov, count);
	/* One file for all its zones, or a zone: neither changes its size. */
	if (opcode == FUSE_OPEN &&
	    fs_is_conv(s->fs, atomic_load_explicit(&w->node, memory_order_relaxed)))
		hello_complete_open(iov, count);
	return w->pool->how->answer(w, iov, count);
}

static ssize_t on_read(int fd, void *buf, size_t size, void *data)
{
	struct serve *s = ((struct fs *)data)->serve;

	(void)fd;
	return read(serve_self(s)->fd, buf, size);
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
	struct serve_worker *w = serve_self(s);
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

/* ---- from the beginning to the end --------------------------------------------------------- */

static void on_wake(int signal)
{
	(void)signal;
}

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
	/* Once more: a request that comes after an answer comes after what led to it, which the
	 * thread sanitizer knows of descriptors by dup3() and not of those by fcntl(). */
	if (dup3(fd, s->fd, O_CLOEXEC) < 0)
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
	s->one = serve_one;
	s->pool = (struct serve_pool){
		.serve = s, .how = &serve_classic, .threads = cfg->threads, .least = cfg->least
	};
	s->fd = s->nowhere = -1;
	fs->serve = s;
	pthread_mutex_init(&s->lock, NULL);
	sigaction(SERVE_WAKE, &wake, NULL);
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
	return serve_start_worker(&s->pool);
}

void serve_free(struct fs *fs)
{
	struct serve *s = fs->serve;

	if (!s)
		return;
	rings_free(s);
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
