/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads that ask the kernel to ask; see refresh.h. There is one for each file that is waited
 * for, so that a file whose pages are locked for long holds up no other.
 */
#include "fs/refresh.h"

#include "fs/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/outside.h"
#include "fs/serve.h"
#include "util/cleanup.h"
#include "util/clock.h"

#define TRIES 20
/* A few more than there may be threads that wait: see serve_workers.c. */
#define MAX_THREADS 66u
#define MAX_LATER   64u /* files in the queue that nobody waits for */
#define STOP_NS	    INT64_C(1000000000)

struct refresh_job {
	struct refresh_job *next;
	uint64_t node;
	unsigned refs; /* of the queue or the thread that does it, and of who waits */
	bool waited, done;
};

/* A thread that asks, as the kernel names it, and the mark of the answer that is meant for it. */
struct asker {
	struct asker *next;
	pid_t tid;
	uint32_t mark;
};

struct refresh {
	struct fs *fs;
	pthread_mutex_t lock;
	pthread_cond_t work, done;
	struct refresh_job *first, **last; /* [lock] */
	unsigned nr, idle;		   /* [lock] threads, and those of them without a job */
	unsigned later;			   /* [lock] jobs in the queue that nobody waits for */
	bool off, stop;			   /* [lock] off: cannot be done on this system */
	struct asker *askers;		   /* [lock] */
	_Atomic unsigned nr_askers;	   /* written under lock */
	uint32_t last_mark;		   /* [lock] */
};

/* ---- what a thread does ---------------------------------------------------------------------- */

static bool same(const struct statx *a, const struct statx *b)
{
	return a->stx_size == b->stx_size && a->stx_mtime.tv_sec == b->stx_mtime.tv_sec &&
	       a->stx_mtime.tv_nsec == b->stx_mtime.tv_nsec;
}

/*
 * The kernel throws an answer away when the file's attributes have become invalid since it asked.
 * So this looks at what it has taken: with the mark, that is this answer and no other. Where
 * something else lies on the mount, the kernel asks with the next stat or read; only what is mapped
 * may be old until then.
 */
static void ask(int root, const char *name)
{
	const unsigned mask = STATX_SIZE | STATX_MTIME;
	struct statx told, kept;

	for (int i = 0; i < TRIES; i++)
		if (statx(root, name, AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW, mask, &told) ||
		    statx(root, name, AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW, mask, &kept) ||
		    same(&told, &kept))
			return;
}

static void ask_for_node(struct fs *fs, uint64_t node)
{
	char name[TREE_NAME_ROOM];
	int root = place_open(&fs->place, O_PATH);

	if (root < 0)
		return;
	ask(root, tree_path(&fs->tree, node, name));
	outside_close(root);
}

/* [lock] */
static void add_asker(struct refresh *r, struct asker *a)
{
	r->last_mark = (r->last_mark + 1) % (uint32_t)NSEC_PER_SEC;
	a->mark = r->last_mark;
	a->next = r->askers;
	r->askers = a;
	atomic_fetch_add(&r->nr_askers, 1);
}

/* [lock] */
static void remove_asker(struct refresh *r, const struct asker *a)
{
	struct asker **p = &r->askers;

	while (*p != a)
		p = &(*p)->next;
	*p = a->next;
	atomic_fetch_sub(&r->nr_askers, 1);
}

/* The time is past, so that no change to come can have it. */
bool refresh_mark_answer(struct fs *fs, pid_t tid, struct stat *st)
{
	struct refresh *r = fs->refresh;

	if (!atomic_load_explicit(&r->nr_askers, memory_order_relaxed))
		return false;
	SCOPE_LOCK(&r->lock);
	for (const struct asker *a = r->askers; a; a = a->next) {
		if (a->tid == tid) {
			st->st_mtim.tv_sec--;
			st->st_mtim.tv_nsec = a->mark;
			return true;
		}
	}
	return false;
}

/* [lock] */
static void job_put(struct refresh_job *job)
{
	if (!--job->refs)
		free(job);
}

/* NULL: this thread is not needed any more. [lock] */
static struct refresh_job *next_job(struct refresh *r)
{
	struct refresh_job *job;

	while (!r->first && !r->stop) {
		if (r->idle)
			return NULL; /* one that waits is enough */
		r->idle++;
		pthread_cond_wait(&r->work, &r->lock);
		r->idle--;
	}
	job = r->first;
	if (job) {
		r->first = job->next;
		if (!r->first)
			r->last = &r->first;
		if (!job->waited)
			r->later--;
	}
	return job;
}

static void *refresh_main(void *data)
{
	struct refresh *r = data;
	struct asker self = { .tid = gettid() };
	int ret = outside_enter();
	struct refresh_job *job;

	pthread_mutex_lock(&r->lock);
	if (ret && !r->off) {
		r->off = true;
		fs_log(&r->fs->log, LOG_WARNING,
		       "mapped files may show old data for a while: no thread without /dev/fuse "
		       "can be had: %s",
		       strerror(-ret));
	}
	while ((job = next_job(r))) {
		bool ask_now = !r->off && !r->stop;

		add_asker(r, &self);
		pthread_mutex_unlock(&r->lock);
		if (ask_now)
			ask_for_node(r->fs, job->node);
		pthread_mutex_lock(&r->lock);
		remove_asker(r, &self);
		job->done = true;
		pthread_cond_broadcast(&r->done);
		job_put(job);
	}
	r->nr--;
	pthread_cond_broadcast(&r->done);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* ---- the queue ------------------------------------------------------------------------------- */

/* [lock] */
static bool enough_threads(struct refresh *r)
{
	unsigned jobs = 0;

	for (struct refresh_job *job = r->first; job; job = job->next)
		jobs++;
	if (r->idle >= jobs)
		return true;
	if (r->nr >= MAX_THREADS)
		return r->nr > 0;
	r->nr++;
	if (!outside_start(refresh_main, r))
		return true;
	r->nr--;
	return r->nr > 0;
}

/* NULL: it cannot be done. [lock] */
static struct refresh_job *add_job(struct refresh *r, uint64_t node, bool waited)
{
	struct refresh_job *job;

	if (r->off || r->stop)
		return NULL;
	job = malloc(sizeof(*job));
	if (!job)
		return NULL;
	*job = (struct refresh_job){ .node = node, .refs = waited ? 2 : 1, .waited = waited };
	*r->last = job;
	r->last = &job->next;
	if (enough_threads(r)) {
		pthread_cond_signal(&r->work);
		return job;
	}
	/* No thread at all: the queue had been empty. */
	r->first = NULL;
	r->last = &r->first;
	free(job);
	return NULL;
}

static bool has_pages(struct fs *fs, uint64_t node)
{
	return fs->place.path && tree_is_file(node);
}

void refresh_attributes(struct fs *fs, uint64_t node)
{
	/* ENOENT: the kernel does not know the node, so it has nothing to forget. The negative
	 * offset means: no pages. */
	fuse_lowlevel_notify_inval_inode(fs->se, node, -1, 0);
}

/* [lock] */
static bool is_queued(const struct refresh *r, uint64_t node)
{
	for (const struct refresh_job *job = r->first; job; job = job->next)
		if (job->node == node)
			return true;
	return false;
}

static void refresh_pages_soon(struct fs *fs, uint64_t node)
{
	struct refresh *r = fs->refresh;

	SCOPE_LOCK(&r->lock);
	if (!is_queued(r, node) && r->later < MAX_LATER && add_job(r, node, false))
		r->later++;
}

void refresh_file(struct fs *fs, uint64_t node)
{
	struct refresh *r = fs->refresh;
	struct refresh_job *job;

	refresh_attributes(fs, node);
	if (!has_pages(fs, node))
		return;
	if (!serve_away(fs->serve)) {
		refresh_pages_soon(fs, node);
		return;
	}
	pthread_mutex_lock(&r->lock);
	job = add_job(r, node, true);
	if (job) {
		while (!job->done && !r->stop)
			pthread_cond_wait(&r->done, &r->lock);
		job_put(job);
	}
	pthread_mutex_unlock(&r->lock);
	serve_back(fs->serve);
}

void refresh_file_soon(struct fs *fs, uint64_t node)
{
	refresh_attributes(fs, node);
	if (has_pages(fs, node))
		refresh_pages_soon(fs, node);
}

int refresh_new(struct fs *fs)
{
	struct refresh *r = calloc(1, sizeof(*r));
	int ret;

	if (!r)
		return -ENOMEM;
	r->fs = fs;
	r->last = &r->first;
	ret = cond_init_monotonic(&r->done);
	if (ret) {
		free(r);
		return ret;
	}
	pthread_cond_init(&r->work, NULL);
	pthread_mutex_init(&r->lock, NULL);
	fs->refresh = r;
	return 0;
}

void refresh_stop(struct fs *fs)
{
	struct refresh *r = fs->refresh;

	SCOPE_LOCK(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->work);
	pthread_cond_broadcast(&r->done);
}

void refresh_free(struct fs *fs)
{
	struct refresh *r = fs->refresh;
	int64_t deadline = clock_ns(CLOCK_MONOTONIC) + STOP_NS;
	bool left;

	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	while (r->nr && cond_wait_until(&r->done, &r->lock, deadline) != -ETIMEDOUT)
		;
	left = r->nr;
	pthread_mutex_unlock(&r->lock);
	fs->refresh = NULL;
	/* One that still waits, for a foreign file system at our path, has r to the end. */
	if (left)
		return;
	pthread_cond_destroy(&r->work);
	pthread_cond_destroy(&r->done);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
