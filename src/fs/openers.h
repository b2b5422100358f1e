/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which sequential zones are open for writing, by how many open file descriptions; with
 * explicit-open the first opens the zone and the last closes it. Memory only for zones that
 * are open. Safe from any thread.
 */
#ifndef ZQ_FS_OPENERS_H
#define ZQ_FS_OPENERS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <zqfs/device.h>

#define OPENERS_BUCKETS 64u

struct opener;

struct openers {
	struct {
		pthread_mutex_t lock; /* held while a zone of the bucket is opened or closed */
		struct opener *first; /* [lock] */
	} bucket[OPENERS_BUCKETS];
	struct zq_device *dev;
	bool explicit;
	pthread_mutex_t lock; /* taken under a bucket's */
	pthread_cond_t tried; /* [lock] trying has become less */
	unsigned trying;      /* [lock] zones that are being opened, perhaps in vain */
	atomic_uint files;    /* [lock] to write; zones that are open for writing */
};

/* explicit is ignored on a device without limits. */
void openers_init(struct openers *o, struct zq_device *dev, bool explicit);
void openers_destroy(struct openers *o);

/* Counts one more writer of the zone. -EBUSY beyond the limits, -ENOMEM, or what opening the
 * zone gives; nothing is counted then. */
int openers_get(struct openers *o, uint32_t zone);
/* One writer less. True when it was the last. */
bool openers_put(struct openers *o, uint32_t zone);
/* True while the zone is open for writing. */
bool openers_any(struct openers *o, uint32_t zone);
/* Opens a zone again that lost its explicit open state by a reset while it has writers. */
void openers_reopen(struct openers *o, uint32_t zone);

#endif
