/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When commits happen: on request, some seconds after a change, and when much is dirty. Owns
 * the committer thread. Nothing here holds a stripe or device.lock while a commit runs.
 */
#include <errno.h>
#include <signal.h>
#include <time.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"
#include "zone/wcache.h"
#include "zone/zone.h"

#define DEFAULT_COMMIT_SECS 5

/* What a caller was promised of these zones. Without locks. */
static int confirm(struct zq_device *dev, uint32_t first, uint32_t count)
{
	int rc = wcache_confirm(dev, first, count);

	return rc < 0 ? rc : device_commit(dev);
}

int zq_sync(struct zq_device *dev)
{
	struct call c = { "sync", ZONE_NONE, 0, 0 };
	int rc = device_enter(dev);

	if (rc < 0 || dev->readonly)
		return rc;
	rc = confirm(dev, 0, dev->geo.nr_zones);
	return rc < 0 ? call_failed(dev, &c, rc, NULL) : 0;
}

int zq_sync_zones(struct zq_device *dev, uint32_t first, uint32_t count)
{
	struct call c = { "sync", count == 1 ? first : ZONE_NONE, 0, 0 };
	int rc = device_enter(dev);

	if (rc == 0 && !range_within(first, count, dev->geo.nr_zones))
		return call_failed(dev, &c, -EINVAL, "not all of the zones exist");
	if (rc < 0 || dev->readonly)
		return rc;
	rc = confirm(dev, first, count);
	return rc < 0 ? call_failed(dev, &c, rc, NULL) : 0;
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
	atomic_store(&c->hurried, false);
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
		/* What could not be committed stays dirty and is tried again. Nobody asked for this
		 * commit, so its failure goes to the log. A caller of sync learns of his own
		 * commit. */
		if (qcow2_dirty(dev->img) && device_commit(dev) < 0 &&
		    !atomic_exchange(&dev->committer.armed, true))
			arm(dev, false);
	}
	return NULL;
}

/* The program's signals are for its own threads. */
static int create_without_signals(struct zq_device *dev)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&dev->committer.thread, NULL, committer_main, dev);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

int committer_start(struct zq_device *dev)
{
	struct zone_committer *c = &dev->committer;
	int rc;

	c->stop = false;
	rc = create_without_signals(dev);
	c->running = rc == 0;
	if (rc == 0 && qcow2_dirty(dev->img)) {
		atomic_store(&c->armed, true);
		arm(dev, false);
	}
	return rc;
}

void committer_stop(struct zq_device *dev)
{
	struct zone_committer *c = &dev->committer;

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
	device_drop_reserve(dev);
	pthread_cond_destroy(&dev->committer.cond);
	pthread_mutex_destroy(&dev->committer.lock);
}

/* ---- what starts a commit ------------------------------------------------------------- */

void zq_sync_soon(struct zq_device *dev)
{
	/* without a change since the last commit there is nothing to do soon */
	if (device_enter(dev) == 0 && dev->committer.running && atomic_load(&dev->committer.armed))
		arm(dev, true);
}

int device_changed(struct zq_device *dev, uint32_t first, uint32_t count, bool sync)
{
	struct zone_committer *c = &dev->committer;

	if (sync || dev->opts.sync)
		return dev->readonly ? 0 : confirm(dev, first, count);
	wcache_changed(dev, first, count);
	/* armed is set without a committer too: one may be started later */
	if (!atomic_load(&c->armed) && !atomic_exchange(&c->armed, true))
		arm(dev, false);
	/* without a committer the next change commits when it must, see qcow2_pressure() */
	if (qcow2_pressure(dev->img) != QCOW2_PRESSURE_NONE && c->running &&
	    !atomic_exchange(&c->hurried, true))
		arm(dev, true);
	return 0;
}
