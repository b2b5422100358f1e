/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that tells the kernel what its caches must forget or know. A notification waits
 * for locked pages, and a page stays locked until a READ of it has been answered: from a
 * thread that answers requests it could wait for itself. So the request that needs one is
 * handed over with it and answered here. This thread holds no lock while it notifies.
 */
#include "fs/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>

#include "util/math.h"

#define REFRESH_TRIES 20

enum job_kind { JOB_CHANGED, JOB_LANDED, JOB_PADDED, JOB_STRIPPED, JOB_FAILED };

struct notify_job {
	struct notify_job *next;
	enum job_kind kind;
	uint64_t node, off, len;
	struct handle *handle; /* JOB_PADDED: alive until the request is answered */
	bool resize;	       /* JOB_LANDED, JOB_FAILED */
	fuse_req_t req;
	int rc;
};

/* ---- what the jobs do ------------------------------------------------------------------------ */

static void forget_range(struct fs *fs, const struct notify_job *job)
{
	/* ENOENT: the kernel does not know the node, so it has nothing to forget. */
	fuse_lowlevel_notify_inval_inode(fs->se, job->node, (off_t)job->off, (off_t)job->len);
}

/*
 * No notification makes the kernel's idea of a size smaller, only the answer to a GETATTR does,
 * and RWF_APPEND goes by that idea. So this thread asks for the file's attributes like any
 * program; a serving thread answers. The kernel drops an answer when that to another GETATTR, which
 * may be from before the change, has come meanwhile: so this looks at what it has taken. Nobody
 * writes at this time, as the caller's request holds the file's lock in the kernel. Where
 * the mount cannot be reached by its path the kernel asks with the next stat.
 */
static void refresh_size(struct fs *fs, uint64_t node)
{
	char name[TREE_NAME_ROOM], path[PATH_MAX];
	struct zq_zone_info info;
	struct statx stx;
	int n;

	if (!fs->where || !tree_is_file(node) || fs_is_conv(fs, node))
		return;
	n = snprintf(path, sizeof(path), "%s/%s", fs->where, tree_path(&fs->tree, node, name));
	if (n < 0 || (size_t)n >= sizeof(path))
		return;
	for (int i = 0; i < REFRESH_TRIES; i++) {
		if (statx(AT_FDCWD, path, AT_STATX_FORCE_SYNC | AT_SYMLINK_NOFOLLOW, STATX_SIZE,
			  &stx) ||
		    statx(AT_FDCWD, path, AT_STATX_DONT_SYNC | AT_SYMLINK_NOFOLLOW, STATX_SIZE,
			  &stx) ||
		    fs_file_info(fs, node, &info))
			return;
		if (stx.stx_size == (info.state == ZQ_OFFLINE ? 0 : info.written))
			return;
	}
}

static int store(struct fs *fs, uint64_t node, uint64_t off, void *data, size_t len)
{
	struct fuse_bufvec bv = FUSE_BUFVEC_INIT(len);

	bv.buf[0].mem = data;
	return fuse_lowlevel_notify_store(fs->se, node, (off_t)off, &bv, 0);
}

/*
 * After "echo hello >> file" the kernel thinks of 6 bytes and the daemon of 512. A writer with
 * RWF_APPEND, which no request shows, would then be sent to offset 6. Storing the padding moves
 * the kernel's size on.
 */
static void do_padded(struct fs *fs, struct notify_job *job)
{
	char zeros[ZQ_BLOCK] = { 0 };

	/* A process that shares the description, or another after a reset, may have written there
	 * meanwhile. */
	if (!store(fs, job->node, job->off, zeros, job->len) &&
	    !zq_settle(fs->dev, tree_zone(job->node), &job->handle->writer, job->off))
		forget_range(fs, job);
	handle_closing(&fs->handles, job->handle);
	fuse_reply_err(job->req, 0);
}

/*
 * When an asynchronous write fails, or is shorter than asked for, which the kernel makes an
 * EIO, the kernel truncates the file to what it believes is the size. Parts of it may have been
 * written; storing the last block tells the true size, and a truncation to that changes nothing.
 */
static void tell_size(struct fs *fs, uint64_t node)
{
	struct zq_zone_info info;
	char block[ZQ_BLOCK];
	uint64_t len;

	if (fs_file_info(fs, node, &info) || !info.written || info.state == ZQ_OFFLINE)
		return;
	len = min_u64(sizeof(block), info.written);
	if (zq_read(fs->dev, tree_zone(node), info.written - len, block, len) == (ssize_t)len)
		store(fs, node, info.written - len, block, len);
}

/* Attributes only: of a cached write the kernel holds the pages until the answer. */
static void forget_attributes(struct fs *fs, uint64_t node)
{
	fuse_lowlevel_notify_inval_inode(fs->se, node, -1, 0);
}

static void do_failed(struct fs *fs, const struct notify_job *job)
{
	struct zq_zone_info info;

	if (job->resize)
		tell_size(fs, job->node);
	forget_attributes(fs, job->node); /* the pages can go after the answer only */
	if (job->resize)
		refresh_size(fs, job->node);
	fuse_reply_err(job->req, -job->rc);
	if (!fs_file_info(fs, job->node, &info) && info.state == ZQ_OFFLINE)
		fuse_lowlevel_notify_inval_inode(fs->se, job->node, 0, 0);
}

static void do_job(struct fs *fs, struct notify_job *job)
{
	switch (job->kind) {
	case JOB_CHANGED:
		forget_range(fs, job);
		refresh_size(fs, job->node);
		fuse_reply_err(job->req, -job->rc);
		break;
	case JOB_LANDED:
		forget_range(fs, job);
		if (job->resize)
			tell_size(fs, job->node);
		fuse_reply_write(job->req, job->len);
		break;
	case JOB_PADDED:
		do_padded(fs, job);
		break;
	case JOB_STRIPPED:
		forget_attributes(fs, job->node);
		fuse_reply_write(job->req, job->len);
		break;
	case JOB_FAILED:
		do_failed(fs, job);
		break;
	}
}

/* ---- the queue ------------------------------------------------------------------------------- */

static struct notify_job *next_job(struct notifier *n)
{
	struct notify_job *job;

	pthread_mutex_lock(&n->lock);
	n->working = false;
	while (!n->first && !n->stop)
		pthread_cond_wait(&n->cond, &n->lock);
	job = n->first;
	if (job) {
		n->first = job->next;
		if (!n->first)
			n->last = &n->first;
		n->working = true;
	}
	pthread_mutex_unlock(&n->lock);
	return job;
}

static void *notifier_main(void *data)
{
	struct fs *fs = data;
	struct notify_job *job;

	while ((job = next_job(&fs->notify))) {
		do_job(fs, job);
		free(job);
	}
	return NULL;
}

int notifier_start(struct fs *fs)
{
	struct notifier *n = &fs->notify;
	int ret;

	pthread_mutex_init(&n->lock, NULL);
	pthread_cond_init(&n->cond, NULL);
	n->first = NULL;
	n->last = &n->first;
	n->stop = false;
	ret = pthread_create(&n->thread, NULL, notifier_main, fs);
	n->running = !ret;
	return -ret;
}

bool notifier_busy(struct fs *fs)
{
	struct notifier *n = &fs->notify;
	bool busy;

	pthread_mutex_lock(&n->lock);
	busy = n->first || n->working;
	pthread_mutex_unlock(&n->lock);
	return busy;
}

void notifier_stop(struct fs *fs)
{
	struct notifier *n = &fs->notify;

	if (!n->running)
		return;
	pthread_mutex_lock(&n->lock);
	n->stop = true;
	pthread_cond_signal(&n->cond);
	pthread_mutex_unlock(&n->lock);
	pthread_join(n->thread, NULL);
	pthread_cond_destroy(&n->cond);
	pthread_mutex_destroy(&n->lock);
	n->running = false;
}

/* Without memory for the job the request is answered all the same: the kernel's cache may then
 * be behind, but no caller hangs. */
static bool enqueue(struct fs *fs, const struct notify_job *what)
{
	struct notifier *n = &fs->notify;
	struct notify_job *job = malloc(sizeof(*job));

	if (!job) {
		fs_log(&fs->log, LOG_ERR, "out of memory: the page cache may be stale");
		return false;
	}
	*job = *what;
	job->next = NULL;
	pthread_mutex_lock(&n->lock);
	*n->last = job;
	n->last = &job->next;
	pthread_cond_signal(&n->cond);
	pthread_mutex_unlock(&n->lock);
	return true;
}

void notify_changed(struct fs *fs, uint64_t node, fuse_req_t req, int rc)
{
	/* Length 0: to the end. */
	struct notify_job job = { .kind = JOB_CHANGED, .node = node, .req = req, .rc = rc };

	if (!enqueue(fs, &job))
		fuse_reply_err(req, -rc);
}

void notify_landed(struct fs *fs, uint64_t node, uint64_t off, size_t len, bool resize,
		   fuse_req_t req)
{
	struct notify_job job = { .kind = JOB_LANDED,
				  .node = node,
				  .off = off,
				  .len = len,
				  .resize = resize,
				  .req = req };

	if (!enqueue(fs, &job))
		fuse_reply_write(req, len);
}

void notify_padded(struct fs *fs, uint64_t node, struct handle *h, uint64_t end, uint64_t padded,
		   fuse_req_t req)
{
	struct notify_job job = { .kind = JOB_PADDED,
				  .node = node,
				  .off = end,
				  .len = padded - end,
				  .handle = h,
				  .req = req };

	if (enqueue(fs, &job))
		return;
	handle_closing(&fs->handles, h);
	fuse_reply_err(req, 0);
}

void notify_stripped(struct fs *fs, uint64_t node, size_t len, fuse_req_t req)
{
	struct notify_job job = { .kind = JOB_STRIPPED, .node = node, .len = len, .req = req };

	if (!enqueue(fs, &job))
		fuse_reply_write(req, len);
}

void notify_failed(struct fs *fs, uint64_t node, bool resize, fuse_req_t req, int rc)
{
	struct notify_job job = {
		.kind = JOB_FAILED, .node = node, .resize = resize, .req = req, .rc = rc
	};

	if (!enqueue(fs, &job))
		fuse_reply_err(req, -rc);
}
