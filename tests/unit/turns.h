/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking turns with a thread that the device has started: it stands still before each operation
 * on the image's file, until the test's own thread has done what it wants to be done in between.
 */
#ifndef ZQ_TESTS_TURNS_H
#define ZQ_TESTS_TURNS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "memio.h"

struct turns {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	pthread_t own; /* the thread that called turns_begin(): it never stands still */
	bool on, waits, go;
	uint64_t taken; /* operations of others */
};

/* From now on; uses the memio's hook. */
void turns_begin(struct turns *t, struct memio *m);
/* Until another thread stands before an operation; false: none does for so long. */
bool turns_wait(struct turns *t, unsigned ms);
/* It does the operation before which it stands. Without this it goes on after a while, since the
 * test may want what that thread holds. */
void turns_give(struct turns *t);
/* From now on all run as they like. */
void turns_end(struct turns *t, struct memio *m);

#endif
