/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compressing full zones in the background: one thread of low priority, which takes the zones
 * that became full in their order and rewrites them cluster by cluster, while nobody needs the
 * device (compressor_queue.c). Reading and compressing a cluster holds up nobody. To enter it the
 * thread holds the zone's stripe, and has a look whether the zone is what it was; a reset ends it.
 * The order on disk is the commit's.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/math.h"
#include "zone/zone.h"

/* As nice(1) counts. Not the lowest: others wait for the locks that the thread takes. */
#define LOW_PRIORITY 10

/* ---- one zone ---------------------------------------------------------------------------- */

struct full_zone {
	uint32_t zone;
	unsigned resets; /* the zone's, when it began */
	uint64_t stamp;	 /* the zone's, before the cluster was read */
};

/* Nobody has reset it, and the image may be written. [stripe] */
static bool still_full(struct zq_device *dev, const struct full_zone *f)
{
	return zone_state(dev, f->zone) == ZQ_FULL &&
	       atomic_load(&dev->zones[f->zone].resets) == f->resets &&
	       device_check_writable(dev) == 0;
}

static bool note_stamp(struct zq_device *dev, struct full_zone *f)
{
	SCOPE_LOCK(&zone_stripe(dev, f->zone)->lock);
	f->stamp = dev->zones[f->zone].stamp;
	return still_full(dev, f);
}

/* Another stamp: somebody has gone on writing in the zone's last block, so its last cluster
 * stays as it is. */
static bool enter_cluster(struct zq_device *dev, const struct full_zone *f, int *rc)
{
	bool packed;

	SCOPE_LOCK(&zone_stripe(dev, f->zone)->lock);
	if (!still_full(dev, f))
		return false;
	if (dev->zones[f->zone].stamp == f->stamp)
		*rc = qcow2_pack_enter(dev->img, dev->compressor.packer, &packed);
	return true;
}

/* One cluster of a zone that is still as full as it was. False ends the zone. */
static bool compress_cluster(struct zq_device *dev, struct full_zone *f, uint64_t off)
{
	char label[ZQ_ZONE_LABEL_MAX];
	bool worth;
	int rc;

	if (!note_stamp(dev, f))
		return false;
	rc = qcow2_pack_prepare(dev->img, dev->compressor.packer, off, &worth);
	if (rc == 0 && worth && !enter_cluster(dev, f, &rc))
		return false;
	if (rc < 0)
		device_log(dev, LOG_NOTICE, "%s is not compressed any further: %s",
			   zq_zone_label(dev->geo.nr_conv, f->zone, label), strerror(-rc));
	return rc == 0;
}

static void compress_zone(struct zq_device *dev, uint32_t zone)
{
	uint64_t cluster = qcow2_cluster_size(dev->img);
	uint64_t off = align_up(zq_zone_start(&dev->geo, zone), cluster);
	uint64_t end = zq_zone_start(&dev->geo, zone) + zq_zone_cap(&dev->geo, zone);
	uint64_t next = zq_zone_start(&dev->geo, zone) + zq_zone_len(&dev->geo, zone);
	struct full_zone f = { .zone = zone, .resets = atomic_load(&dev->zones[zone].resets) };

	/* a cluster that another zone has a part of stays as it is */
	while (off < end && (off + cluster <= next || next == dev->geo.size)) {
		int64_t from;

		if (!compressor_give_way(dev))
			break;
		from = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		if (!compress_cluster(dev, &f, off))
			break;
		dev->compressor.took = clock_ns(CLOCK_THREAD_CPUTIME_ID) - from;
		atomic_fetch_add(&dev->compressor.pieces, 1);
		off += cluster;
	}
	device_changed(dev, zone, 1, false);
}

/* ---- the thread -------------------------------------------------------------------------- */

static void *compressor_main(void *arg)
{
	struct zq_device *dev = arg;
	uint32_t zone;

	/* of this thread alone, as Linux has it; not to be nice harms nobody */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), LOW_PRIORITY);
	while (compressor_next(&dev->compressor, &zone))
		compress_zone(dev, zone);
	return NULL;
}

int compressor_check(struct zq_device *dev, struct zq_error *err)
{
	const char *why;
	int rc;

	if (!dev->opts.compress)
		return 0;
	why = qcow2_why_not_packed(dev->img);
	if (why)
		return zq_fail(err, -EOPNOTSUPP, "%s: full zones cannot be compressed: %s",
			       qcow2_name(dev->img), why);
	rc = qcow2_packer_new(dev->img, dev->opts.compress_level, &dev->compressor.packer);
	if (rc == -EINVAL)
		return zq_fail(err, rc, "%s: level %d is none of the image's compression_type",
			       qcow2_name(dev->img), dev->opts.compress_level);
	return rc < 0 ? zq_fail(err, rc, "out of memory") : 0;
}

void compressor_init(struct zq_device *dev)
{
	pthread_mutex_init(&dev->compressor.lock, NULL);
	cond_init_monotonic(&dev->compressor.cond);
}

void compressor_destroy(struct zq_device *dev)
{
	qcow2_packer_free(dev->compressor.packer);
	free(dev->compressor.queue);
	pthread_cond_destroy(&dev->compressor.cond);
	pthread_mutex_destroy(&dev->compressor.lock);
}

int compressor_start(struct zq_device *dev)
{
	struct zone_compressor *c = &dev->compressor;
	sigset_t all, old;
	int rc;

	if (!c->packer || c->running || dev->readonly)
		return 0;
	atomic_store(&c->stop, false);
	sigfillset(&all); /* the program's signals are for its own threads */
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = -pthread_create(&c->thread, NULL, compressor_main, dev);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	c->running = rc == 0;
	return rc;
}

void compressor_stop(struct zq_device *dev)
{
	struct zone_compressor *c = &dev->compressor;

	if (!c->running)
		return;
	pthread_mutex_lock(&c->lock);
	atomic_store(&c->stop, true);
	pthread_cond_signal(&c->cond);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	c->running = false;
}
