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
	*o = (struct openers){ .dev = dev, .explicit = explicit };
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
}

/* The place that points to the zone's entry, or to NULL. [bucket's lock] */
static struct opener **find(struct openers *o, uint32_t zone)
{
	struct opener **p = &o->bucket[zone % OPENERS_BUCKETS].first;

	while (*p && (*p)->zone != zone)
		p = &(*p)->next;
	return p;
}

/* The first writer's part of explicit-open. A full zone counts, but stays full. */
static int open_zone(struct openers *o, uint32_t zone, unsigned files)
{
	const struct zq_geometry *geo = zq_device_geometry(o->dev);
	struct zq_zone_info info;
	int ret;

	if (!o->explicit)
		return 0;
	if (geo->max_open && files > geo->max_open)
		return -EBUSY;
	ret = zq_report(o->dev, zone, 1, &info);
	if (ret < 0 || info.state == ZQ_FULL)
		return ret < 0 ? ret : 0;
	return zq_zone_open(o->dev, zone);
}

int openers_get(struct openers *o, uint32_t zone)
{
	SCOPE_LOCK(&o->bucket[zone % OPENERS_BUCKETS].lock);
	struct opener **p = find(o, zone), *e;
	int ret;

	if (*p) {
		(*p)->count++;
		return 0;
	}
	e = malloc(sizeof(*e));
	if (!e)
		return -ENOMEM;
	ret = open_zone(o, zone, atomic_fetch_add(&o->files, 1) + 1);
	if (ret) {
		atomic_fetch_sub(&o->files, 1);
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
	struct opener **p = find(o, zone), *e = *p;

	if (!e || --e->count)
		return false;
	/* A zone that became full or was reset meanwhile needs no closing; it says so. */
	if (o->explicit)
		zq_zone_close(o->dev, zone);
	*p = e->next;
	free(e);
	atomic_fetch_sub(&o->files, 1);
	return true;
}

bool openers_any(struct openers *o, uint32_t zone)
{
	SCOPE_LOCK(&o->bucket[zone % OPENERS_BUCKETS].lock);

	return *find(o, zone) != NULL;
}

void openers_reopen(struct openers *o, uint32_t zone)
{
	if (!o->explicit)
		return;
	SCOPE_LOCK(&o->bucket[zone % OPENERS_BUCKETS].lock);
	/* Without a free slot the next write tells. */
	if (*find(o, zone))
		zq_zone_open(o->dev, zone);
}
