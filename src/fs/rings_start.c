/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings' beginning: whether they can be had, from the mount to INIT's answer, and the way back
 * to /dev/fuse; see serve_rings.h.
 */
#include "fs/serve_rings.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "fs/priv.h"
#include "fs/rings_kernel.h"
#include "fs/uring.h"
#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"

#define MAX_QUEUES  64u
#define FIRST	    2u			 /* threads of a queue, until all are busy at once */
#define MOST	    128u		 /* of all queues, when none is stuck */
#define NO_QUEUE    UINT16_MAX		 /* there is none of that number */
#define PATIENCE_NS INT64_C(10000000000) /* for threads that have a call or two to make */

static const char not_offered[] = "the kernel does not offer it";

/* ---- whether they can be had -------------------------------------------------------------------
 */

/* "0-7"; 0: of another form, or more than can be said here. */
static unsigned possible_processors(void)
{
	FILE *f = fopen("/sys/devices/system/cpu/possible", "re");
	unsigned first = 0, last = 0;
	char end = '\n';
	int n;

	if (!f)
		return 0;
	n = fscanf(f, "%5u-%5u%c", &first, &last, &end);
	fclose(f);
	if (n == 1)
		last = first;
	return n < 1 || first || end != '\n' ? 0 : last + 1;
}

/* A file's first byte; what otherwise when it has none. */
static char first_byte(const char *path, char otherwise)
{
	FILE *f = fopen(path, "re");
	char c = otherwise;

	if (!f)
		return otherwise;
	if (fread(&c, 1, 1, f) != 1)
		c = otherwise;
	fclose(f);
	return c;
}

bool serve_rings_are_enabled(void)
{
	return first_byte("/sys/module/fuse/parameters/enable_uring", 'N') == 'Y';
}

static bool is_online(unsigned processor)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", processor);
	return first_byte(path, '1') != '0'; /* one that cannot be switched off has no such file */
}

/* A processor on which this process may not run, or shall not, as by taskset(1); nr: it may run on
 * all that are there. */
static unsigned forbidden_processor(unsigned nr)
{
	unsigned i = 0;
	cpu_set_t mine;

	if (sched_getaffinity(0, sizeof(mine), &mine))
		return 0;
	while (i < nr && (CPU_ISSET(i, &mine) || !is_online(i)))
		i++;
	return i;
}

/* One REGISTER that must be refused; with what. */
static int try_register(const struct serve *s)
{
	struct uring u;
	int ret = uring_open(&u);
	struct io_uring_sqe *sqe;
	int32_t res = 0;

	if (!ret) {
		sqe = uring_next(&u);
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = s->fd;
		sqe->cmd_op = RINGS_REGISTER;
		((struct rings_command *)(void *)((char *)sqe + RINGS_COMMAND_AT))->queue =
			NO_QUEUE;
		do
			ret = uring_enter(&u, 1);
		while (ret >= 0 && !uring_result(&u, &res));
		ret = ret < 0 ? ret : res;
	}
	uring_close(&u);
	return ret;
}

/* As long as INIT is not answered the kernel says EAGAIN to whoever may come back later. */
static const char *why_not(const struct serve *s)
{
	int rc = try_register(s);

	switch (rc) {
	case -EAGAIN:
		return NULL;
	case -EOPNOTSUPP:
		return "the kernel does not offer it; it takes Linux 6.14 and Y in "
		       "/sys/module/fuse/parameters/enable_uring";
	case -ENOSYS:
	case -EINVAL:
		return "the kernel's io_uring is too old; it takes Linux 6.14";
	case -EPERM:
	case -EACCES:
		return "io_uring is forbidden here, by the sysctl kernel.io_uring_disabled or "
		       "by a filter";
	default:
		return rc < 0 ? strerror(-rc) : "the kernel answers in an unknown way";
	}
}

/* ---- threads and phases -------------------------------------------------------------------- */

/* Waits until so many threads have done what the phase asks of them. 0 or -errno. [lock] */
static int await_threads(struct serve_rings *r, unsigned nr)
{
	int64_t deadline = clock_ns(CLOCK_MONOTONIC) + PATIENCE_NS;

	while (!r->rc && r->nr_done < nr)
		if (cond_wait_until(&r->changed, &r->lock, deadline) == -ETIMEDOUT)
			return -ETIMEDOUT;
	return r->rc;
}

/* A thread may wait for the disk, and its queue has no others than its own. */
static unsigned threads_of_queue(const struct serve *s, unsigned nr)
{
	return (unsigned)min_u64(s->cfg.threads, max_u64(FIRST, MOST / nr));
}

static int new_rings(struct serve *s, unsigned nr, bool required)
{
	struct serve_rings *r = calloc(1, sizeof(*r));
	struct rings_life *life = calloc(nr, sizeof(*life));
	struct serve_pool *pool = calloc(nr, sizeof(*pool));
	unsigned threads = threads_of_queue(s, nr);

	if (!r || !life || !pool || cond_init_monotonic(&r->changed)) {
		free(r);
		free(life);
		free(pool);
		return -ENOMEM;
	}
	pthread_mutex_init(&r->lock, NULL);
	for (unsigned i = 0; i < nr; i++) {
		life[i].online = is_online(i);
		pool[i] = (struct serve_pool){
			.serve = s, .how = &serve_by_rings, .queue = i, .threads = threads
		};
	}
	r->serve = s;
	r->life = life;
	r->nr = nr;
	r->first = (unsigned)min_u64(threads, FIRST);
	r->required = required;
	s->queues = pool;
	s->rings = r;
	return 0;
}

/*
 * All that are wanted, and not only one for each queue: where one thread is away another one must
 * serve, and later there may be no memory, descriptor or right for one more ring.
 */
static int start_threads(struct serve *s)
{
	int ret = 0;

	SCOPE_LOCK(&s->lock);
	for (unsigned i = 0; i < s->rings->nr * s->rings->first && !ret; i++)
		ret = serve_start_worker(&s->queues[i % s->rings->nr]);
	return ret;
}

/* Nobody else serves yet. */
static void undo_rings(struct serve *s)
{
	rings_leave(s);
	pthread_mutex_lock(&s->lock);
	while (s->nr)
		pthread_cond_wait(&s->changed, &s->lock);
	serve_reap(s);
	pthread_mutex_unlock(&s->lock);
	rings_free(s);
}

static int open_rings(struct serve *s, unsigned nr, bool required)
{
	int ret = new_rings(s, nr, required);

	if (ret)
		return ret;
	ret = rings_watch(s->rings);
	if (!ret)
		ret = start_threads(s);
	if (!ret) {
		SCOPE_LOCK(&s->rings->lock);
		ret = await_threads(s->rings, nr * s->rings->first);
	}
	if (ret)
		undo_rings(s);
	return ret;
}

int serve_use_rings(struct fs *fs, bool required, char *why, size_t size)
{
	unsigned nr = possible_processors(), forbidden;
	const char *text = NULL;

	if (fs->cfg.seccomp)
		text = "option seccomp forbids io_uring";
	else if (fs->cfg.auto_unmount)
		text = "option auto_unmount would leave a dead mount behind";
	else if (!nr)
		text = "how many processors there may be cannot be told";
	else if (nr > MAX_QUEUES)
		text = "the machine may have more than 64 processors";
	else
		text = why_not(fs->serve);
	if (!text) {
		forbidden = forbidden_processor(nr);
		if (forbidden < nr) {
			snprintf(why, size, "this process may not run on processor %u", forbidden);
			return -ENOTSUP;
		}
	}
	if (!text) {
		int ret = open_rings(fs->serve, nr, required);

		text = ret ? strerror(-ret) : NULL;
	}
	if (!text)
		return 0;
	snprintf(why, size, "%s", text);
	return -ENOTSUP;
}

/* ---- INIT --------------------------------------------------------------------------------------
 */

uint64_t rings_hello(const struct serve *s)
{
	return s->rings ? RINGS_HELLO : 0;
}

/* The leaders register; from the last one on the kernel puts requests into the queues. */
static int enter_all(struct serve_rings *r, size_t room)
{
	int ret;

	SCOPE_LOCK(&r->lock);
	if (r->phase != RINGS_OPEN)
		return -ECANCELED;
	r->room = room;
	r->nr_done = 0;
	r->phase = RINGS_ENTER;
	pthread_cond_broadcast(&r->changed);
	ret = await_threads(r, r->nr);
	r->phase = ret ? RINGS_OFF : RINGS_IN_USE;
	pthread_cond_broadcast(&r->changed);
	return ret;
}

/* possible: the kernel lets it. False: it does not, or it must not. */
static bool go_without(struct serve *s, const char *why, bool possible)
{
	struct serve_rings *r = s->rings;
	bool ends = r->required || !possible;

	snprintf(r->why, sizeof(r->why), "%s", why);
	rings_leave(s);
	if (ends)
		serve_note_end(s, -ENOTSUP);
	else
		fs_log(&s->fs->log, LOG_NOTICE, "without io_uring: %s", why);
	return !ends;
}

/*
 * A leader's REGISTER was refused. Requests wait for rings that will not be used, until a
 * REGISTER is refused for its queue. Or the kernel's parameter was changed since we asked, so that
 * it has none for this connection. False: it is neither.
 */
static bool take_back(const struct serve *s)
{
	int rc = try_register(s);

	return rc == -EINVAL || rc == -EOPNOTSUPP;
}

const char *serve_why_no_rings(const struct serve *s)
{
	return s->rings ? s->rings->why : "";
}

bool rings_agreed(struct serve *s, uint64_t granted, size_t room)
{
	struct serve_rings *r = s->rings;
	int ret;

	if (!r)
		return true;
	if (!(granted & RINGS_HELLO))
		return go_without(s, not_offered, true);
	ret = enter_all(r, room);
	if (ret) {
		bool possible = take_back(s);

		if (!possible)
			serve_break(s);
		return go_without(s, ret == -EOPNOTSUPP ? not_offered : strerror(-ret), possible);
	}
	SCOPE_LOCK(&s->lock);
	s->nr_queues = r->nr;
	s->pool.threads = s->pool.least = 1; /* for what does not come through rings */
	return true;
}
