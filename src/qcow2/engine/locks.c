/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of locks, watched: each thread knows which it holds. Nothing of this is in a build
 * with NDEBUG.
 */
#include "qcow2/engine/locks.h"

#ifndef NDEBUG
static _Thread_local unsigned held; /* by this thread, of enum lock_order */

/* Only the image's own lock is taken under another one. */
static unsigned may_be_held(enum lock_order self)
{
	return self == LOCK_IMAGE ? LOCK_CHANGE : 0;
}

void locks_note(enum lock_order self)
{
	assert(!(held & ~may_be_held(self)));
	held |= self;
}

void locks_forget(enum lock_order self)
{
	held &= ~(unsigned)self;
}
#endif
