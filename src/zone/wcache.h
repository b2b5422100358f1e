/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option powercut: a volatile write cache, as disks have one. What is written or reset stays
 * in a file beside the image, which has no name and goes with the process. A sync of a zone brings
 * what the cache has of that zone into the image. Nothing else does, so the image has at each
 * moment what syncs have confirmed, however the process ends. src/DESIGN section 6 has the reasons.
 *
 * With a seed the cache also writes back by itself, at random, what a disk might: of a sequential
 * zone the reset and a part that begins at its start, of conventional ones any blocks.
 *
 * Locks: wcache.lock comes after the stripe and before device.lock; it is held across I/O. What
 * changes a sequential zone also holds its stripe. The pointer is read without locks.
 */
#ifndef ZQ_ZONE_WCACHE_H
#define ZQ_ZONE_WCACHE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "zone/zone.h"

#define WCACHE_GRAIN UINT64_C(4096)    /* of a conventional zone is cached as a whole */
#define WCACHE_CHUNK ((size_t)1 << 20) /* is moved at once */

/* What becomes of a zone until it is confirmed, when there is a seed. */
enum wcache_fate { WCACHE_STAYS, WCACHE_FOLLOWS, WCACHE_WANDERS };

/* A zone that has been changed since the device was opened. Offsets are absolute. */
struct wcache_zone {
	atomic_bool pending; /* it is not in the image as it should be */
	_Atomic uint64_t wp; /* its pointer while it is pending */
	/* [stripe, lock] Of a sequential zone: [from, end) is in the cache, [end, wp) reads as
	 * zeros since it has been finished, the rest is in the image. */
	uint64_t from, end;
	bool back, erase; /* [stripe, lock] the image must first move the pointer back, and erase */
	uint8_t *grains;  /* [lock] of a conventional zone: a bit for each grain in the cache */
	uint64_t nr_grains; /* [lock] how many are set */
	enum wcache_fate fate;
};

struct wcache {
	pthread_mutex_t lock;
	struct zq_io *io;		      /* [lock] at the offsets of the device */
	uint8_t *buf;			      /* [lock] a chunk */
	_Atomic(struct wcache_zone *) *zones; /* NULL: nothing has changed yet */
	uint64_t random;		      /* [lock] state of the generator */
	bool seeded;
};

/* ---- wcache.c: what is where ------------------------------------------------------------- */

/* With opts.powercut: makes dev->wcache, for a device that can be written. */
int wcache_open(struct zq_device *dev, struct zq_error *err);
/* What has not been confirmed is gone. NULL is ignored. */
void wcache_close(struct zq_device *dev);
/* In a forked process: closes its copy of the file, and that is all. */
void wcache_abandon(struct wcache *c);

/* The zone's entry; a new one where there is none. NULL: no memory. */
struct wcache_zone *wcache_zone(struct zq_device *dev, uint32_t zone);
/* The same; NULL unless the zone is pending. */
struct wcache_zone *wcache_pending(const struct zq_device *dev, uint32_t zone);
static inline uint64_t wcache_nr_grains(uint64_t zone_len)
{
	return (zone_len + WCACHE_GRAIN - 1) / WCACHE_GRAIN;
}

/* Of a conventional zone: is that grain in the cache? [lock] */
static inline bool wcache_has_grain(const struct wcache_zone *z, uint64_t grain)
{
	return z->grains[grain / 8] >> grain % 8 & 1;
}

/* A number below n. [lock] */
uint64_t wcache_draw(struct wcache *c, uint64_t n);

enum wcache_place { WCACHE_IMAGE, WCACHE_FILE, WCACHE_ZEROS };
/* Where the byte at off is, and how many bytes from there, at most len, are there too. [lock] */
enum wcache_place wcache_where(const struct zq_device *dev, uint64_t off, uint64_t len,
			       uint64_t *run);

/* ---- instead of what qcow2/ has, for the files of zone/ ---------------------------------------
 * Without a cache each of these is the function of qcow2/qcow2.h. Those that every read and write
 * asks for find that out without a call. */

int wcache_read(struct zq_device *dev, uint64_t off, void *buf, size_t len);
static inline int cached_read(struct zq_device *dev, uint64_t off, void *buf, size_t len)
{
	return dev->wcache ? wcache_read(dev, off, buf, len) : qcow2_read(dev->img, off, buf, len);
}

int wcache_write(struct zq_device *dev, const struct qcow2_write *w);
static inline int cached_write(struct zq_device *dev, const struct qcow2_write *w)
{
	return dev->wcache ? wcache_write(dev, w) : qcow2_write(dev->img, w);
}

static inline uint64_t cached_wp(const struct zq_device *dev, uint32_t zone)
{
	const struct wcache_zone *z = dev->wcache ? wcache_pending(dev, zone) : NULL;

	return z ? atomic_load(&z->wp) : qcow2_wp_now(dev->img, zone);
}

int cached_status(struct zq_device *dev, uint64_t off, uint64_t len, bool *data, uint64_t *run);
/* Conventional zones only. */
int cached_zero(struct zq_device *dev, uint64_t off, uint64_t len);
/* Before cached_wp_back(): qcow2_begin_change(). [stripe] */
int cached_begin_change(struct zq_device *dev, uint32_t zone);
/* [stripe, device.lock] */
void cached_wp_back(struct zq_device *dev, uint32_t zone);
/* What the zone held is gone; its pointer is back. [stripe] */
int cached_erase(struct zq_device *dev, uint32_t zone);
/* [wp, end) of a sequential zone reads as zeros, and its pointer stands at new_wp. [stripe] */
int cached_finish(struct zq_device *dev, uint32_t zone, uint64_t wp, uint64_t end, uint64_t new_wp);

/* ---- wcache_confirm.c --------------------------------------------------------------------- */

/* Brings what the cache has of count zones into the image, for a commit. Without locks. */
int wcache_confirm(struct zq_device *dev, uint32_t first, uint32_t count);
/* After a change of these zones, with a seed: may write back a part. Without locks. */
void wcache_wander(struct zq_device *dev, uint32_t first, uint32_t count);
static inline void wcache_changed(struct zq_device *dev, uint32_t first, uint32_t count)
{
	if (dev->wcache && dev->wcache->seeded)
		wcache_wander(dev, first, count);
}

#endif
