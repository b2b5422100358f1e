/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ring of lines and the thread that writes it to a file; see trace_log.h. Places are counted
 * in bytes since the start, so that a reader who was away too long is found out. The lock is
 * taken under the device's, and nothing is taken under it.
 */
#include "fs/trace_log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"

#define RING_BYTES  (UINT64_C(4) << 20)
#define WRITE_BYTES (UINT64_C(64) << 10) /* of a single write(2), whole lines */
#define LISTEN_NS   INT64_C(5000000000)	 /* after the last read */
#define LOOK_NS	    INT64_C(100000000)	 /* the thread looks at least so often */

struct trace_ring {
	pthread_mutex_t lock;
	pthread_cond_t half;	  /* full, or stop */
	char *bytes;		  /* RING_BYTES; NULL until somebody wants lines */
	uint64_t head;		  /* [lock] bytes ever added */
	uint64_t written;	  /* [lock] of them in the file */
	uint64_t lost, lost_told; /* [lock] lines that had no room */
	int64_t listen_until;	  /* [lock] 0: nobody has read */
	bool stop;		  /* [lock] */
	pthread_t thread;
	bool running;
	bool to_file; /* does not change once the thread runs */
	/* the file; the thread's, once it runs */
	struct fs_log *log;
	int dir, fd; /* -1: none */
	char *name;  /* in dir */
	bool may_reopen, failed;
};

/* ---- the file -------------------------------------------------------------------------------- */

static int open_trace_file(struct trace_ring *r)
{
	return openat(r->dir, r->name,
		      O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		      0644);
}

/* Lines are added to earlier lines only: any other file, the image itself for example, is not ours.
 */
static bool holds_lines(int fd)
{
	char first;
	ssize_t n = pread(fd, &first, 1, 0);

	return n == 0 || (n == 1 && first == '{');
}

/* logrotate renames the file and expects another one under its name. */
static void follow_rotation(struct trace_ring *r)
{
	struct stat by_name, have;
	int fd;

	if (!r->may_reopen || fstat(r->fd, &have))
		return;
	if (!fstatat(r->dir, r->name, &by_name, AT_SYMLINK_NOFOLLOW) &&
	    by_name.st_ino == have.st_ino && by_name.st_dev == have.st_dev)
		return;
	fd = open_trace_file(r);
	if (fd < 0)
		return;
	if (!holds_lines(fd)) {
		close(fd);
		return;
	}
	close(r->fd);
	r->fd = fd;
}

static void write_lines(struct trace_ring *r, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(r->fd, buf, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			if (!r->failed)
				fs_log(r->log, LOG_ERR, "the trace cannot be written: %s",
				       strerror(errno));
			r->failed = true;
			return;
		}
		buf += n;
		len -= (size_t)n;
	}
	r->failed = false;
}

/* ---- the ring -------------------------------------------------------------------------------- */

/* Copies [from, from + len) out of the ring. [lock] */
static void ring_copy(const struct trace_ring *r, uint64_t from, char *to, size_t len)
{
	size_t at = (size_t)(from % RING_BYTES), first = (size_t)min_u64(len, RING_BYTES - at);

	memcpy(to, r->bytes + at, first);
	memcpy(to + first, r->bytes, len - first);
}

/* How many of the len bytes are whole lines. */
static size_t whole_lines(const char *buf, size_t len)
{
	while (len && buf[len - 1] != '\n')
		len--;
	return len;
}

static bool ring_make(struct trace_ring *r)
{
	if (!r->bytes)
		r->bytes = malloc(RING_BYTES);
	return r->bytes != NULL;
}

void trace_log_add(struct trace_log *t, const char *line, size_t len)
{
	struct trace_ring *r = t->ring;
	size_t at, first;

	SCOPE_LOCK(&r->lock);
	if (!r->to_file && clock_ns(CLOCK_MONOTONIC) > r->listen_until) {
		atomic_store(&t->on, false);
		return;
	}
	if (r->to_file && r->head + len - r->written > RING_BYTES) {
		r->lost++;
		return;
	}
	at = (size_t)(r->head % RING_BYTES);
	first = (size_t)min_u64(len, RING_BYTES - at);
	memcpy(r->bytes + at, line, first);
	memcpy(r->bytes, line + first, len - first);
	if (r->running && r->head - r->written < RING_BYTES / 2 &&
	    r->head + len - r->written >= RING_BYTES / 2)
		pthread_cond_signal(&r->half);
	r->head += len;
}

ptrdiff_t trace_log_read(struct trace_log *t, uint64_t cursor, char *buf, size_t size)
{
	struct trace_ring *r = t->ring;
	uint64_t oldest;
	size_t len = 0, head;
	bool missed = false;

	SCOPE_LOCK(&r->lock);
	if (!ring_make(r))
		return -ENOMEM;
	r->listen_until = clock_ns(CLOCK_MONOTONIC) + LISTEN_NS;
	atomic_store(&t->on, true);
	oldest = r->head > RING_BYTES ? r->head - RING_BYTES : 0;
	if (cursor > r->head)
		cursor = r->head;
	if (cursor < oldest) {
		/* The line at the oldest place is cut. */
		cursor = oldest;
		while (cursor < r->head && r->bytes[cursor++ % RING_BYTES] != '\n')
			;
		missed = true;
	}
	head = 48; /* room for the first line */
	if (size > head) {
		len = (size_t)min_u64(r->head - cursor, size - head);
		ring_copy(r, cursor, buf + head, len);
		len = whole_lines(buf + head, len);
	}
	/* Padded with blanks, so that the lines need not move. */
	snprintf(buf, head, "%-20llu %-25llu", (unsigned long long)(cursor + len),
		 (unsigned long long)(r->lost + missed));
	buf[head - 2] = ' ';
	buf[head - 1] = '\n';
	return (ptrdiff_t)(head + len);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* What is not in the file yet, as many whole lines as fit. */
static size_t take_lines(struct trace_ring *r, char *buf)
{
	size_t len;

	SCOPE_LOCK(&r->lock);
	len = (size_t)min_u64(r->head - r->written, WRITE_BYTES);
	ring_copy(r, r->written, buf, len);
	len = whole_lines(buf, len);
	r->written += len;
	return len;
}

/* A line about those that were lost since the last time; 0: none. */
static size_t take_lost(struct trace_ring *r, char *buf, size_t size)
{
	SCOPE_LOCK(&r->lock);
	uint64_t lost = r->lost - r->lost_told;

	r->lost_told = r->lost;
	return lost ? (size_t)snprintf(buf, size, "{\"op\":\"lost\",\"lines\":%llu}\n",
				       (unsigned long long)lost)
		    : 0;
}

static void drain_ring(struct trace_ring *r, char *buf)
{
	char lost[64];
	size_t len;

	follow_rotation(r);
	while ((len = take_lines(r, buf)))
		write_lines(r, buf, len);
	len = take_lost(r, lost, sizeof(lost));
	write_lines(r, lost, len);
}

static bool wait_for_lines(struct trace_ring *r)
{
	SCOPE_LOCK(&r->lock);
	if (!r->stop && r->head - r->written < RING_BYTES / 2)
		cond_wait_until(&r->half, &r->lock, clock_ns(CLOCK_MONOTONIC) + LOOK_NS);
	return !r->stop;
}

static void *trace_main(void *data)
{
	struct trace_ring *r = data;
	char *buf = malloc(WRITE_BYTES);

	while (buf && wait_for_lines(r))
		drain_ring(r, buf);
	if (buf)
		drain_ring(r, buf);
	free(buf);
	return NULL;
}

/* ---- opening --------------------------------------------------------------------------------- */

static bool lies_below(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	return !strncmp(path, dir, len) && (path[len] == '/' || !path[len] || !strcmp(dir, "/"));
}

static int open_trace_dir(struct trace_ring *r, const char *path, const char *mountpoint,
			  struct zq_error *err)
{
	const char *slash = strrchr(path, '/');
	char *dir CLEANUP_FREE = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	char *real CLEANUP_FREE = dir ? realpath(dir, NULL) : NULL;

	r->name = strdup(slash ? slash + 1 : path);
	if (!dir || !r->name)
		return zq_fail(err, -ENOMEM, "out of memory");
	if (!real)
		return zq_fail(err, -errno, "trace file %s: %s", path, strerror(errno));
	if (mountpoint && lies_below(real, mountpoint))
		return zq_fail(
			err, -EINVAL,
			"trace file %s: lies on the mount itself, which would wait for itself",
			path);
	r->dir = open(real, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return r->dir < 0 ? zq_fail(err, -errno, "trace file %s: %s", path, strerror(errno)) : 0;
}

int trace_log_open(struct trace_log *t, const char *path, const char *mountpoint, bool may_reopen,
		   struct fs_log *log, struct zq_error *err)
{
	struct trace_ring *r = calloc(1, sizeof(*r));
	struct stat st;
	int ret;

	if (!r)
		return zq_fail(err, -ENOMEM, "out of memory");
	*r = (struct trace_ring){ .log = log, .dir = -1, .fd = -1, .may_reopen = may_reopen };
	pthread_mutex_init(&r->lock, NULL);
	t->ring = r;
	ret = cond_init_monotonic(&r->half);
	if (ret)
		return zq_fail(err, ret, "cannot trace: %s", strerror(-ret));
	if (!path)
		return 0;
	ret = open_trace_dir(r, path, mountpoint, err);
	if (ret)
		return ret;
	r->fd = open_trace_file(r);
	if (r->fd < 0 || fstat(r->fd, &st))
		return zq_fail(err, -errno, "trace file %s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return zq_fail(err, -EINVAL, "trace file %s: not a regular file", path);
	if (!holds_lines(r->fd))
		return zq_fail(err, -EEXIST, "trace file %s: holds something else than a trace",
			       path);
	r->to_file = true;
	return ring_make(r) ? 0 : zq_fail(err, -ENOMEM, "out of memory");
}

int trace_log_start(struct trace_log *t)
{
	struct trace_ring *r = t->ring;
	int ret;

	if (!r->to_file)
		return 0;
	ret = pthread_create(&r->thread, NULL, trace_main, r);
	if (ret)
		return -ret;
	SCOPE_LOCK(&r->lock);
	r->running = true;
	atomic_store(&t->on, true);
	return 0;
}

/* False: it still writes, and has the ring to itself. */
static bool end_thread(struct trace_ring *r, unsigned patience)
{
	struct timespec until;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->half);
	pthread_mutex_unlock(&r->lock);
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += (time_t)patience;
	return pthread_clockjoin_np(r->thread, NULL, CLOCK_MONOTONIC, &until) == 0;
}

bool trace_log_close(struct trace_log *t, unsigned patience)
{
	struct trace_ring *r = t->ring;

	if (!r)
		return true;
	t->ring = NULL;
	if (r->running && !end_thread(r, patience)) {
		fs_log(r->log, LOG_ERR,
		       "the disk of the trace does not answer; its end is missing");
		return false;
	}
	if (r->fd >= 0)
		close(r->fd);
	if (r->dir >= 0)
		close(r->dir);
	pthread_cond_destroy(&r->half);
	pthread_mutex_destroy(&r->lock);
	free(r->bytes);
	free(r->name);
	free(r);
	return true;
}
