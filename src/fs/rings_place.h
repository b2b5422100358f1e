/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the threads of the rings run. A queue belongs to a processor. A thread that is bound to it
 * serves a client that stays there without a second processor, and much faster than /dev/fuse.
 *
 * But a client that gets its answer may be moved: the thread that answers still runs, and the
 * scheduler looks for a processor that sleeps. The next request comes from there, its client is
 * moved back, and each time a processor has to be woken: that is slower than /dev/fuse. So the
 * threads count how many requests come from clients that have moved. If these are many, no thread
 * is bound for a while. Then the scheduler wakes a thread on another processor, and the client
 * stays where it is.
 *
 * And who asks for much at once, as readahead does, has all in the queue of one processor. A thread
 * that finds its next request there already, most of the time, is kept by its binding from the
 * processors that have nothing to do. So nobody is bound then either, if another queue is idle.
 */
#ifndef ZQ_FS_RINGS_PLACE_H
#define ZQ_FS_RINGS_PLACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define PLACE_WINDOW  64u /* requests of a thread between two decisions */
#define PLACE_MANY    24u /* of them from clients that have moved */
#define PLACE_SLEEPS  32u /* and fewer sleeps between them: the thread does not wait for them */
#define PLACE_CLIENTS 64u

/* What the threads of all queues share. Begins with zeros. */
struct rings_place {
	_Atomic uint64_t client[PLACE_CLIENTS]; /* a client and the queue of its last request */
	_Atomic int64_t free_until;		/* CLOCK_MONOTONIC ns; nobody is bound before */
	atomic_uint turns;			/* how often in a row binding has failed */
};

/* A thread's own. Begins with zeros. */
struct place_count {
	bool free;	    /* it runs where the scheduler likes; else on its queue's processor */
	unsigned nr, moved; /* requests since the last decision */
	uint64_t sleeps;    /* of the thread, until then */
};

/* A request of that client, a thread's number, has come to that queue. True: it is time to
 * decide. */
bool place_request(struct rings_place *p, struct place_count *c, uint32_t client, unsigned queue);

/* Decides where the thread is from now on, and begins a new count. sleeps: how often it has slept
 * in its life; idle: another queue has nothing to do. True: not where it was. */
bool place_decide(struct rings_place *p, struct place_count *c, int64_t now, uint64_t sleeps,
		  bool idle);

#endif
