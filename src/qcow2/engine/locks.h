/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The locks of an open image in their order (image.h says what each guards). Whoever takes one
 * goes through here, so that a debug build stops a thread that takes them in another order, or
 * twice: also one of another image, since no thread holds locks of two links of a backing chain.
 */
#ifndef ZQ_QCOW2_ENGINE_LOCKS_H
#define ZQ_QCOW2_ENGINE_LOCKS_H

#include <assert.h>
#include <pthread.h>

enum lock_order {
	LOCK_CHANGE = 1, /* change_lock */
	LOCK_COMMIT = 2, /* commit_lock */
	LOCK_IMAGE = 4,	 /* lock */
	LOCK_DRAIN = 8,	 /* drain_lock */
	LOCK_DECOMP = 16,
	LOCK_AHEAD = 32,
};

#ifndef NDEBUG
extern _Thread_local unsigned locks_held; /* by this thread, of enum lock_order */
#endif

/* Asserts that the thread may take the lock now, and notes that it has it. */
static inline void locks_note(enum lock_order self)
{
#ifndef NDEBUG
	/* only the image's own lock is taken under another one */
	assert(!(locks_held & ~(self == LOCK_IMAGE ? LOCK_CHANGE : 0u)));
	locks_held |= self;
#endif
	(void)self;
}

static inline void locks_forget(enum lock_order self)
{
#ifndef NDEBUG
	locks_held &= ~(unsigned)self;
#endif
	(void)self;
}

static inline void locks_take(pthread_mutex_t *m, enum lock_order self)
{
	locks_note(self);
	pthread_mutex_lock(m);
}

static inline void locks_give(pthread_mutex_t *m, enum lock_order self)
{
	pthread_mutex_unlock(m);
	locks_forget(self);
}

#endif
