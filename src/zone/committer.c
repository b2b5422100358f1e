/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When commits happen: on request, some seconds after a change, and when much is dirty. Owns
 * the committer thread. Nothing here holds a stripe or device.lock while a commit runs.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "zone/zone.h"

#define DEFAULT_COMMIT_SECS 5
#define DEFAULT_CACHE	    ((size_t)32 << 20) /* what qcow2/ takes when 0 is given */
#define LOOK_EVERY	    16u		       /* changes between two looks at how much is dirty */

/* ---- commits ------------------------------------------------------------------------------ */

/* A disk that stays broken is told of once. */
static bool is_news(struct zq_device *dev, int rc)
{
	SCOPE_LOCK(&dev->committer.lock);
	if (rc == dev->committer.logged)
		return false;
	dev->committer.logged = rc;
	return true;
}

int commit_failed(struct zq_device *dev, int rc)
{
	if (is_news(dev, rc))
		commit_fault(dev, rc);
	return host_error(dev, rc);
}

static int commit(struct zq_device *dev)
{
	int rc = qcow2_commit(dev->img);

	if (rc < 0)
		return commit_failed(dev, rc);
	is_news(dev, rc);
	return rc;
}

/* A commit that nobody waits for: its failure is kept for the next zq_sync. */
static void commit_unasked(struct zq_device *dev)
{
	int rc = commit(dev);

	if (rc < 0)
		atomic_store(&dev->committer.error, rc);
}

int zq_sync(struct zq_device *dev)
{
	int rc, kept;

	if (dev->readonly)
		return 0;
	rc = commit(dev);
	kept = atomic_exchange(&dev->committer.error, 0);
	return rc < 0 ? rc : kept;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static int64_t commit_delay(const struct zq_device *dev)
{
	unsigned secs = dev->opts.commit_secs;

	return (secs ? secs : DEFAULT_COMMIT_SECS) * NSEC_PER_SEC;
}

/* Waits until it is time for a commit (true) or to stop (false). */
static bool wait_for_work(struct zone_committer *c)
{
	SCOPE_LOCK(&c->lock);
	while (!c->stop && !c->soon) {
		if (!c->deadline)
			pthread_cond_wait(&c->cond, &c->lock);
		else if (clock_ns(CLOCK_MONOTONIC) >= c->deadline)
			break;
		else
			cond_wait_until(&c->cond, &c->lock, c->deadline);
	}
	c->soon = false;
	c->deadline = 0;
	/* changes from here on set a new deadline: this commit may be too late for them */
	atomic_store(&c->armed, false);
	return !c->stop;
}

static void arm(struct zq_device *dev, bool soon)
{
	struct zone_committer *c = &dev->committer;

	SCOPE_LOCK(&c->lock);
	if (!c->deadline)
		c->deadline = clock_ns(CLOCK_MONOTONIC) + commit_delay(dev);
	c->soon |= soon;
	pthread_cond_signal(&c->cond);
}

static void *committer_main(void *arg)
{
	struct zq_device *dev = arg;

	while (wait_for_work(&dev->committer)) {
		if (!qcow2_dirty(dev->img, NULL))
			continue;
		commit_unasked(dev);
		/* what could not be committed is tried again */
		if (atomic_load(&dev->committer.error) &&
		    !atomic_exchange(&dev->committer.armed, true))
			arm(dev, false);
	}
	return NULL;
}

int zq_start_committer(struct zq_device *dev)
{
	struct zone_committer *c = &dev->committer;
	int rc;

	if (c->running || dev->readonly)
		return 0;
	c->stop = false;
	rc = -pthread_create(&c->thread, NULL, committer_main, dev);
	c->running = rc == 0;
	if (rc == 0 && qcow2_dirty(dev->img, NULL)) {
		atomic_store(&c->armed, true);
		arm(dev, false);
	}
	return rc;
}

void zq_stop_committer(struct zq_device *dev)
{
	struct zone_committer *c = &dev->committer;

	if (!c->running)
		return;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->running = false;
}

int committer_init(struct zq_device *dev)
{
	pthread_mutex_init(&dev->committer.lock, NULL);
	return cond_init_monotonic(&dev->committer.cond);
}

void committer_destroy(struct zq_device *dev)
{
	zq_stop_committer(dev);
	pthread_cond_destroy(&dev->committer.cond);
	pthread_mutex_destroy(&dev->committer.lock);
}

/* ---- what starts a commit ------------------------------------------------------------- */

void zq_sync_soon(struct zq_device *dev)
{
	/* without a change since the last commit there is nothing to do soon */
	if (dev->committer.running && atomic_load(&dev->committer.armed))
		arm(dev, true);
}

/* Much is dirty: the committer is to hurry. Far too much: whoever makes it does the work. */
static void look_at_dirty(struct zq_device *dev)
{
	size_t bound = dev->opts.cache_bytes ? dev->opts.cache_bytes : DEFAULT_CACHE;
	size_t bytes = 0;

	if (!qcow2_dirty(dev->img, &bytes) || bytes <= bound / 2)
		return;
	if (dev->committer.running && bytes <= bound)
		arm(dev, true);
	else
		commit_unasked(dev);
}

int device_changed(struct zq_device *dev, bool sync)
{
	struct zone_committer *c = &dev->committer;

	if (sync || dev->opts.sync)
		return zq_sync(dev);
	/* armed is set without a committer too: one may be started later */
	if (!atomic_load(&c->armed) && !atomic_exchange(&c->armed, true))
		arm(dev, false);
	if (atomic_fetch_add(&c->changes, 1) % LOOK_EVERY == LOOK_EVERY - 1)
		look_at_dirty(dev);
	return 0;
}
