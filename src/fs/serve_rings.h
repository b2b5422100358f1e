/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rings: requests come and answers go through io_uring, on the processor of whoever asks. For
 * serve*.c only.
 *
 * The kernel has a queue for each processor. A thread of ours brings one entry into one queue and
 * waits for a request; the answer goes back with the call that waits for the next one. A thread
 * has never more than one entry, so no request waits for a thread that has another in hand, and
 * an entry is only taken away with the connection. Three things are always to be kept:
 *
 *   - REGISTER, unlike an answer, does not take what is queued already. So when somebody has
 *     registered while the rings are in use the watchdog sends a kick after it:
 *     FUSE_NOTIFY_RETRIEVE of no bytes. The kernel makes a request of it on the spot, without
 * waiting for anyone, in the queue of the processor that it is sent from. An idle entry gets it,
 *     and its answer takes the next one of the queue. So there are never more idle entries
 *     beside a queue that is not empty than kicks to come.
 *     A kick has to name a file that the kernel has in memory. Whoever waits for the mount has
 *     a request for one in hand, and that one cannot be forgotten meanwhile (serve_held_file).
 *   - From INIT's answer on the kernel holds all requests back until each queue has an entry. If
 * one cannot be had, a REGISTER that must be refused makes it go back to /dev/fuse.
 *   - The watchdog kicks all queues from time to time. If one does not come through though a thread
 *     waits for it, requests are lost: the connection is aborted, with a line in the log. It
 *     has no entry and answers nothing, so nobody waits for it if it has to wait itself.
 *
 * FORGET, INTERRUPT and notifications stay with /dev/fuse, where one thread goes on.
 */
#ifndef ZQ_FS_SERVE_RINGS_H
#define ZQ_FS_SERVE_RINGS_H

#include "fs/rings_place.h"
#include "fs/serve_priv.h"

/* What has been seen of a queue. */
struct rings_life {
	bool online;		 /* its processor, when it was mounted */
	bool led;		 /* [rings.lock] one of its threads is the leader */
	_Atomic uint64_t served; /* requests */
	_Atomic uint64_t asked;	 /* a kick that has not come yet; 0: none */
	_Atomic uint64_t file;	 /* the last file that a request was for; 0: none */
	atomic_bool wanted;	 /* a kick, by somebody who has registered */
	uint64_t before;	 /* served, when the watchdog looked last; its own */
	unsigned lost;		 /* how often in turn nothing moved; its own */
};

#define RINGS_WHY 64

/* A queue's leader is the thread that registers first. Where it cannot there is a way back to
 * /dev/fuse, which there is not once each queue has an entry. */
enum rings_phase {
	RINGS_OPEN,   /* until INIT is answered: threads open their rings */
	RINGS_ENTER,  /* the leaders register */
	RINGS_IN_USE, /* the others register, and whoever comes later */
	RINGS_OFF,    /* not to be had, or the end */
};

struct serve_rings {
	struct serve *serve;
	struct rings_life *life; /* of each queue */
	unsigned nr;		 /* queues: possible processors */
	unsigned first;		 /* threads of a queue that open their rings before INIT's answer */
	bool required;		 /* no mount without them */
	size_t room;		 /* bytes of a payload, set by INIT's answer */
	uint64_t kicks;		 /* so far; the watchdog's */
	struct rings_place place;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	enum rings_phase phase; /* [lock] */
	unsigned nr_done;	/* [lock] threads that have done what the phase asks of them */
	int rc;			/* [lock] of one that could not */
	bool wanted;		/* [lock] a kick, see life */
	char why[RINGS_WHY];	/* there are none after all; set before the phase is RINGS_OFF */
	pthread_t watchdog;
	bool watched;
};

/* ---- serve_rings.c: the transport --------------------------------------------------------------
 */

extern const struct serve_transport serve_by_rings;

/* ---- rings_start.c ----------------------------------------------------------------------------
 */

/* What to ask of the kernel in INIT's answer. */
uint64_t rings_hello(const struct serve *s);
/* INIT is answered, and so many bytes may come with a request; granted: the flags in the answer.
 * False: the connection ends, as it has no rings and shall not do without. */
bool rings_agreed(struct serve *s, uint64_t granted, size_t room);

/* ---- rings_phase.c ----------------------------------------------------------------------------
 */

/* Threads that wait for a phase go, and the watchdog. Any number of times. */
void rings_leave(struct serve *s);
/* After the last thread. */
void rings_free(struct serve *s);

/*
 * A thread that begins has opened its ring, or could not (rc < 0). Returns when it shall register:
 * 0, or -ECANCELED. *leads: it is its queue's leader.
 */
int rings_opened(struct serve_rings *r, unsigned queue, int rc, bool *leads);
/* A leader has registered, or could not. Returns when all have: 0, or -ECANCELED. */
int rings_entered(struct serve_rings *r, int rc);

/* ---- rings_watch.c ----------------------------------------------------------------------------
 */

/* Has the watchdog send a kick to that queue. */
void rings_want_kick(struct serve_rings *r, unsigned queue);
bool rings_is_kick(uint64_t unique);
/* The calling thread runs on nr processors from first on, and on no other. 0 or -errno. */
int rings_run_on(unsigned first, unsigned nr);
/* Starts the watchdog, which waits until the rings are in use. 0 or -errno. */
int rings_watch(struct serve_rings *r);

#endif
