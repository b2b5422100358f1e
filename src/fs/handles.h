/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The open file descriptions that write to sequential zones, and what is remembered of each. Safe
 * from any thread.
 */
#ifndef ZQ_FS_HANDLES_H
#define ZQ_FS_HANDLES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <zqfs/device.h>

struct handle {
	struct zq_writer writer;
	atomic_bool wrote, warned;
	struct handle *next, **back; /* [handles.lock]; back: the pointer that leads here */
};

struct handles {
	pthread_mutex_t lock; /* for memory work only */
	struct handle *first; /* [lock] */
	atomic_uint nr;
};

void handles_init(struct handles *all);
/* Frees what is left: the kernel sends no RELEASE when a mount is ended by force. Only when
 * nothing is served any more. */
void handles_destroy(struct handles *all);

/* Owned by the list; NULL: no memory. */
struct handle *handle_new(struct handles *all);
void handle_free(struct handles *all, struct handle *h);

#endif
