/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * syncfs(2) on a mount that this process serves, by a thread outside; see writeback.h.
 */
#include "fs/writeback.h"

#include "fs/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fs/outside.h"
#include "util/clock.h"
#include "util/math.h"

#define OPEN_NS INT64_C(1000000000)

enum step { STARTED, HOLDS, DETACHED, WRITTEN };

struct write_back {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	enum step step; /* [lock] */
	unsigned refs;	/* [lock] the thread's and the caller's */
	struct place place;
};

static void put_and_unlock(struct write_back *w)
{
	bool last = !--w->refs;

	pthread_mutex_unlock(&w->lock);
	if (!last)
		return;
	pthread_cond_destroy(&w->cond);
	pthread_mutex_destroy(&w->lock);
	place_forget(&w->place);
	free(w);
}

/* [lock] */
static void go_to(struct write_back *w, enum step step)
{
	if (w->step < step)
		w->step = step;
	pthread_cond_broadcast(&w->cond);
}

/* Waits for a step, at most until then. [lock] */
static void wait_for(struct write_back *w, enum step step, int64_t until)
{
	while (w->step < step && cond_wait_until(&w->cond, &w->lock, until) != -ETIMEDOUT)
		;
}

static void *write_back_main(void *data)
{
	struct write_back *w = data;
	int fd = -1;

	if (!outside_enter())
		fd = place_open(&w->place, O_RDONLY);
	pthread_mutex_lock(&w->lock);
	go_to(w, HOLDS);
	wait_for(w, DETACHED, INT64_MAX);
	pthread_mutex_unlock(&w->lock);
	if (fd >= 0) {
		syncfs(fd);
		outside_close(fd);
	}
	pthread_mutex_lock(&w->lock);
	go_to(w, WRITTEN);
	put_and_unlock(w);
	return NULL;
}

/* Only conventional files can be mapped for writing. */
static bool can_be_mapped(const struct fs *fs)
{
	return fs->place.path && fs->geo->nr_conv && !zq_device_readonly(fs->dev);
}

struct write_back *write_back_begin(struct fs *fs, int64_t deadline)
{
	struct write_back *w;
	int64_t until = clock_ns(CLOCK_MONOTONIC) + OPEN_NS;

	if (!can_be_mapped(fs))
		return NULL;
	w = calloc(1, sizeof(*w));
	if (!w)
		return NULL;
	w->place = place_again(&fs->place);
	w->refs = 2;
	pthread_mutex_init(&w->lock, NULL);
	if (!w->place.path || cond_init_monotonic(&w->cond) || outside_start(write_back_main, w)) {
		place_forget(&w->place);
		free(w);
		return NULL;
	}
	pthread_mutex_lock(&w->lock);
	wait_for(w, HOLDS, min_i64(until, deadline));
	pthread_mutex_unlock(&w->lock);
	return w;
}

void write_back_end(struct write_back *w, int64_t deadline)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	go_to(w, DETACHED);
	wait_for(w, WRITTEN, deadline);
	put_and_unlock(w);
}
