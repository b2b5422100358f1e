/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The end of a mount; see ending.h.
 */
#include "fs/ending.h"

#include "fs/priv.h"

#include <errno.h>
#include <syslog.h>

#include "fs/refresh.h"
#include "fs/serve.h"
#include "fs/session.h"
#include "fs/writeback.h"
#include "util/clock.h"
#include "util/math.h"

/* After the detach, for requests that were queued before it. */
#define QUIET_NS INT64_C(1000000000)
/* In which threads that serve nothing end. */
#define IDLE_NS INT64_C(200000000)

static void ending_start(struct fs *fs)
{
	struct ending *e = &fs->ending;

	if (e->deadline)
		return;
	e->fs = fs;
	e->deadline = clock_ns(CLOCK_MONOTONIC) + fs->cfg.end_timeout * NSEC_PER_SEC;
}

static void tell(struct ending *e, const char *what)
{
	fs_log(&e->fs->log, LOG_ERR,
	       "the disk does not answer: the image stays locked until it does, %u seconds after "
	       "the "
	       "end began this waits for: %s",
	       e->fs->cfg.end_timeout, what);
	e->told = true;
}

/* ---- the requests ---------------------------------------------------------------------------- */

/* Pages that programs have changed through mappings are still the kernel's alone. */
static void detach(struct fs *fs)
{
	struct write_back *w = NULL;

	if (!serve_broken(fs->serve))
		w = write_back_begin(fs, fs->ending.deadline);
	session_detach(fs);
	write_back_end(w, fs->ending.deadline);
}

/* Callers get their answers, and who comes later ENOTCONN. False when the disk does not answer. */
static bool answer_all(struct fs *fs)
{
	int64_t deadline = fs->ending.deadline, soon = clock_ns(CLOCK_MONOTONIC) + QUIET_NS;

	serve_until_quiet(fs->serve, min_i64(soon, deadline));
	serve_refuse(fs->serve);
	return serve_until_quiet(fs->serve, deadline);
}

static void give_up(struct fs *fs)
{
	char text[512];

	serve_describe(fs, text, sizeof(text));
	tell(&fs->ending, text);
}

void ending_run(struct fs *fs)
{
	bool all;

	ending_start(fs);
	detach(fs);
	all = answer_all(fs);
	if (!all)
		give_up(fs);
	/* With a stuck one left, the connection goes when the others have let go of it. */
	all = all && !serve_broken(fs->serve);
	serve_stop(fs->serve, all ? INT64_MAX : clock_ns(CLOCK_MONOTONIC) + IDLE_NS);
	serve_abort(fs->serve);
	refresh_stop(fs);
	serve_stop(fs->serve, INT64_MAX);
}

/* ---- the last commit ------------------------------------------------------------------------- */

static void *ending_main(void *data)
{
	struct ending *e = data;

	pthread_mutex_lock(&e->lock);
	while (!e->over && cond_wait_until(&e->cond, &e->lock, e->deadline) != -ETIMEDOUT)
		;
	if (!e->over && !e->told)
		tell(e, "the last commit");
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

void ending_commit_begin(struct fs *fs)
{
	struct ending *e = &fs->ending;

	ending_start(fs);
	if (e->told || cond_init_monotonic(&e->cond))
		return;
	pthread_mutex_init(&e->lock, NULL);
	e->watched = !pthread_create(&e->thread, NULL, ending_main, e);
}

void ending_commit_end(struct fs *fs)
{
	struct ending *e = &fs->ending;

	if (!e->watched)
		return;
	pthread_mutex_lock(&e->lock);
	e->over = true;
	pthread_cond_broadcast(&e->cond);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->thread, NULL);
	pthread_cond_destroy(&e->cond);
	pthread_mutex_destroy(&e->lock);
}
