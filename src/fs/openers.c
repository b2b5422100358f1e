/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash of the zones that are open for writing; see openers.h. Opening and closing one zone
 * exclude each other, so that the device sees them in the order of the counts.
 */
#include "fs/openers.h"

#include <errno.h>
#include <stdlib.h>

#include "util/cleanup.h"

struct opener {
	struct opener *next;
	uint32_t zone;
	uint32_t count;
};

void openers_init(struct openers *o, struct zq_device *dev, bool explicit)
{
	const struct zq_geometry *geo = zq_device_geometry(dev);

	/* as zonefs does: without limits there is nothing to reserve */
	*o = (struct openers){ .dev = dev,
			       .explicit = explicit && (geo->max_open || geo->max_active) };
	pthread_mutex_init(&o->lock, NULL);
	pthread_cond_init(&o->tried, NULL);
	for (unsigned i = 0; i < OPENERS_BUCKETS; i++)
		pthread_mutex_init(&o->bucket[i].lock, NULL);
}

void openers_destroy(struct openers *o)
{
	for (unsigned i = 0; i < OPENERS_BUCKETS; i++) {
		struct opener *e;

		/* A mount that is taken away by force sends no RELEASE. */
		while ((e = o->bucket[i].first)) {
			o->bucket[i].first = e->next;
			if (o->explicit)
				zq_zone_close(o->dev, e->zone);
			free(e);
		}
		pthread_mutex_destroy(&o->bucket[i].lock);
	}
	pthread_cond_destroy(&o->tried);
	pthread_mutex_destroy(&o->lock);
}

/* The place that points to the zone's entry, or to NULL. [bucket's lock] */
static struct opener **find_opener(struct openers *o, uint32_t zone)
{
	struct opener **p = &o->bucket[zone % OPENERS_BUCKETS].first;

	while (*p && (*p)->zone != zone)
		p = &(*p)->next;
	return p;
}

/* Counts a zone that is about to be opened. -EBUSY beyond the limit. When only zones that are just
 * being opened reach the limit, this waits until it is known whether they count. */
static int count_file(struct openers *o)
{
	unsigned limit = o->explicit ? zq_device_geometry(o->dev)->max_open : 0;

	SCOPE_LOCK(&o->lock);
	while (limit && atomic_load(&o->files) < limit &&
	       atomic_load(&o->files) + o->trying >= limit)
		pthread_cond_wait(&o->tried, &o->lock);
	if (limit && atomic_load(&o->files) >= limit)
		return -EBUSY;
	o->trying++;
	return 0;
}

static void file_tried(struct openers *o, bool open)
{
	SCOPE_LOCK(&o->lock);
	o->trying--;
	if (open)
		atomic_fetch_add(&o->files, 1);
	pthread_cond_broadcast(&o->tried);
}

static void file_closed(struct openers *o)
{
	SCOPE_LOCK(&o->lock);
	atomic_fetch_sub(&o->files, 1);
}

/* What explicit-open does for the first writer. A full zone counts but stays full; a later reset
 * calls openers_reopen(). */
static int open_zone(struct openers *o, uint32_t zone)
{
	int ret = o->explicit ? zq_zone_open(o->dev, zone) : 0;

	return ret == -EINVAL ? 0 : ret;
}

static int first_open(struct openers *o, uint32_t zone)
{
	int ret = count_file(o);

	if (ret)
		return ret;
	ret = open_zone(o, zone);
	file_tried(o, !ret);
	return ret;
}

int openers_get(struct openers *o, uint32_t zone)
{
	SCOPE_LOCK(&o->bucket[zone % OPENERS_BUCKETS].lock);
	struct opener **p = find_opener(o, zone), *e;
	int ret;

	if (*p) {
		(*p)->count++;
		return 0;
	}
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	ret = first_open(o, zone);
	if (ret) {
		free(e);
		return ret;
	}
	*e = (struct opener){ .zone = zone, .count = 1 };
	*p = e;
	return 0;
}

bool openers_put(struct openers *o, uint32_t zone)
{
	SCOPE_LOCK(&o->bucket[zone % OPENERS_BUCKETS].lock);
	struct opener **p = find_opener(o, zone), *e = *p;

	if (!e || --e->count)
		return false;
	/* A zone that became full or was reset meanwhile needs no closing; it says so. */
	if (o->explicit)
		zq_zone_close(o->dev, zone);
	*p = e->next;
	free(e);
	file_closed(o);
	return true;
}

bool openers_any(struct openers *o, uint32_t zone)
{
	SCOPE_LOCK(&o->bucket[zone % OPENERS_BUCKETS].lock);

	return *find_opener(o, zone) != NULL;
}

void openers_reopen(struct openers *o, uint32_t zone)
{
	if (!o->explicit)
		return;
	SCOPE_LOCK(&o->bucket[zone % OPENERS_BUCKETS].lock);
	/* Without a free slot the next write tells. */
	if (*find_opener(o, zone))
		zq_zone_open(o->dev, zone);
}
