/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The open file descriptions that write to sequential zones: what is remembered of each, and
 * which of them are about to go. Safe from any thread.
 *
 * close(2) waits for FLUSH, but not for RELEASE, which another thread may serve after a
 * request that the caller has sent later. So a handle counts as closing from its FLUSH on, and
 * whoever must see the close as done waits for a moment. A FLUSH also comes when one of several
 * descriptors is closed, and no RELEASE then: that shows by a write, or by waiting in vain.
 */
#ifndef ZQ_FS_HANDLES_H
#define ZQ_FS_HANDLES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <zqfs/device.h>

struct handle {
	struct zq_writer writer;
	atomic_bool wrote, warned;
	_Atomic uint64_t closing;    /* the turn of its last FLUSH; 0: not counted in nr_closing */
	struct handle *next, **back; /* [handles.lock]; back: the place that points here */
};

struct handles {
	pthread_mutex_t lock; /* for memory work only */
	pthread_cond_t gone;  /* one is not closing any more */
	struct handle *first; /* [lock] all: a mount that ends by force gets no RELEASE */
	atomic_uint nr_closing;
	_Atomic uint64_t turns; /* FLUSHes so far */
};

/* 0 or -errno: then there is nothing to destroy. */
int handles_init(struct handles *all);
/* Frees what the kernel has not released. When nothing is served any more. */
void handles_destroy(struct handles *all);

/* Owned by the list; NULL: no memory. */
struct handle *handle_new(struct handles *all);
/* After all that the close has to do: whoever waits for it goes on. */
void handle_free(struct handles *all, struct handle *h);

/* A descriptor of it was closed, perhaps the last one: just before FLUSH is answered. */
void handle_closing(struct handles *all, struct handle *h);
/* It was written to: that descriptor was not the last one. Costs nothing where it is in use. */
void handle_used(struct handles *all, struct handle *h);
/* Returns when the closes that have returned to their callers are done, or after 10 milliseconds:
 * a RELEASE that is later than that is not waited for, nor is one a second time of a
 * handle that stays. */
void handles_settle(struct handles *all);

#endif
