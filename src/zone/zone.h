/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An open zoned device: what the files of this folder share. Nothing outside zone/ includes
 * it. Which function belongs where is in README.
 *
 * Locks, in the order in which they are taken:
 *   stripe  one of ZONE_STRIPES mutexes, chosen by zone number % ZONE_STRIPES. Whoever changes
 *           a sequential zone (append, open, close, finish, reset, set_state) holds it from the
 *           first check to the last update, across the data's I/O: writers of one zone are
 *           ordered, those of neighbouring zones do not meet. Its condition is signalled
 *           whenever a zone of the stripe has changed.
 *   lock    states, counters, times, the list of implicitly open zones. Memory work only.
 *   wcache.lock     with the option powercut only, before lock; see wcache.h
 *   (the locks of qcow2/)
 *   compressor.lock the queue of full zones; no other lock is taken under it.
 *   committer.lock  the committer's deadline and flags; no other lock is taken under it.
 *   callers.lock    whose log function is running, and why calls failed; none is taken under it.
 * At most one stripe at a time. Another zone's state may change without its stripe in one
 * case only: an implicitly open zone is closed to make room. So after I/O look at the state again.
 *
 * A read takes none of these. It takes locks of qcow2/ for looking the mapping up, and none is
 * held while its data is read. It goes by "resets": reads it, the pointer, the data, and "resets"
 * again. A reset moves the pointer back, then counts, and only then touches data. So a read that
 * saw anything of the new content under the old pointer finds the count changed.
 */
#ifndef ZQ_ZONE_ZONE_H
#define ZQ_ZONE_ZONE_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

#include <zqfs/device.h>

#include "qcow2/qcow2.h"
#include "zone/state.h"

#define ZONE_STRIPES 128u
#define ZONE_NONE    UINT32_MAX /* no zone */

/*
 * What is known of a zone beside its pointer, which qcow2/ keeps, and its state. All of it is zero
 * until the zone is changed, and opening a device does not touch it: a zone that nobody changes
 * costs its state here, one byte, and no page of memory for this.
 */
struct zone {
	int64_t mtime;	/* [lock] nanoseconds since the epoch; 0: when the device was opened */
	uint64_t stamp; /* [stripe] a new one with each write, and when the tail is padded for good;
			 * 0: nobody has written since the device was opened */
	/* [stripe] Where the caller of the last write takes its end to be, absolute: what it asked
	 * for, which is elsewhere than the true end when the write had to land elsewhere. */
	uint64_t asked_end;
	atomic_uint resets; /* [stripe] to write */
	uint16_t tail_pad;  /* [stripe] padding behind the last writer's stream, 0 to 511 bytes */
	bool stale;	    /* [stripe] empty, but what it held could not be zeroed yet */
};

/* A zone's place in the list of implicitly open zones. Numbers are those of zones and 1 more;
 * 0: none. */
struct zone_link {
	uint32_t prev, next;
};

struct zone_stripe {
	pthread_mutex_t lock;
	pthread_cond_t cond;	 /* CLOCK_MONOTONIC */
} __attribute__((aligned(128))); /* two stripes never share a cache line */

struct zone_committer {
	pthread_mutex_t lock;
	pthread_cond_t cond; /* CLOCK_MONOTONIC */
	pthread_t thread;
	bool running;		 /* owned by whoever opens and closes the device */
	bool stop;		 /* [committer.lock] */
	bool soon;		 /* [committer.lock] start now */
	int64_t deadline;	 /* [committer.lock] CLOCK_MONOTONIC ns, 0: nothing to do */
	atomic_bool armed;	 /* a deadline has been set since the last commit began */
	atomic_bool hurried;	 /* told to start now since the last commit began */
	atomic_uint underway;	 /* commits at this moment, whoever makes them */
	int logged;		 /* [committer.lock] error that the log has seen last */
	_Atomic(void *) reserve; /* address space that a commit may have, see device_reserve() */
};

/* Full zones on their way to being compressed. See compressor.c. */
struct zone_compressor {
	pthread_mutex_t lock; /* the queue; no other lock is taken under it */
	pthread_cond_t cond;  /* there is work, or it is time to stop; CLOCK_MONOTONIC */
	pthread_t thread;
	bool running;		     /* owned by whoever opens and closes the device */
	atomic_bool stop;	     /* [compressor.lock] to write */
	struct qcow2_packer *packer; /* the thread's; NULL: nothing is compressed */
	uint32_t *queue;	     /* [compressor.lock] zones that became full, in their order */
	size_t nr, cap;		     /* [compressor.lock] */
	int64_t took;		     /* the thread's: processor time of the last cluster, ns */
	uint64_t seen;		     /* the thread's: reads and writes at its last look */
	bool quiet;		     /* the thread's: none came while it rested, and none since */
	atomic_uint pieces, rests; /* clusters done, and before how many it has rested: for tests */
};

/* Who calls, and why calls have failed. See caller.c. */
struct callers {
	const atomic_bool *alive; /* in a page that a fork clears; NULL: look at pid instead */
	pid_t pid;		  /* that the device belongs to */
	pthread_mutex_t lock;
	_Atomic(struct log_call *) logging; /* [callers.lock] to change; calls of opts.log */
	struct call_failure {
		pthread_t thread;
		char why[320]; /* "": unused */
	} failure[32];	       /* [callers.lock] the last ones of the last threads */
	unsigned oldest;       /* [callers.lock] of them, the next to be replaced */
};

struct zq_device {
	struct qcow2_image *img;
	struct zq_geometry geo;
	struct zq_open_opts opts; /* data_file is not valid after opening */
	struct zone *zones;	  /* geo.nr_zones of them */
	atomic_uchar *states;	  /* [lock] to write; enum zq_zone_state of each zone */
	int64_t opened;		  /* mtime of a zone that has none of its own */
	struct zone_stripe stripe[ZONE_STRIPES];

	pthread_mutex_t lock;
	uint32_t by_state[ZQ_NR_STATES]; /* [lock] */
	uint64_t unwritten;		 /* [lock] sum of zone_left() */
	uint64_t usable;		 /* constant */
	/* [lock] Implicitly open zones, least recently written first. Kept only where the number of
	 * open zones is limited, since only then one has to be closed for another. */
	struct zone_link *implicit;
	uint32_t implicit_first, implicit_last; /* as in struct zone_link */

	struct callers callers;
	bool readonly;		/* since it was opened */
	atomic_bool failed;	/* read-only since a write failed; why_readonly was set before */
	atomic_bool told_limit; /* the log has a line about a limit of the image's size */
	char why_readonly[160];
	struct zone_committer committer;
	pthread_mutex_t refresh_lock; /* one look at a time; before all other locks but stripes */
	atomic_llong refreshed;	      /* CLOCK_MONOTONIC ns of the last one */
	struct zone_compressor compressor;
	struct wcache *wcache; /* NULL: what is written goes to the image */
};

/* ---- caller.c: who calls, and what a caller and the log are told ------------------------- */

int callers_init(struct callers *c);
void callers_destroy(struct callers *c);

/* For device_enter(), when there may be a reason. */
int device_check_caller(struct zq_device *dev);
/* First in every function that callers of the library have, but for plain facts: -ESTALE in a
 * process that was forked off, whose copies of the locks nobody will ever unlock; -EDEADLK out
 * of the log function, which is called with locks held. */
static inline int device_enter(struct zq_device *dev)
{
	const struct callers *c = &dev->callers;

	/* a call of the log function by this thread would be seen */
	if (c->alive && atomic_load_explicit(c->alive, memory_order_relaxed) &&
	    !atomic_load_explicit(&c->logging, memory_order_relaxed))
		return 0;
	return device_check_caller(dev);
}
bool device_is_forked(const struct zq_device *dev);

/* A call, for the sentence that says why it failed. */
struct call {
	const char *name;
	uint32_t zone; /* or ZONE_NONE */
	uint64_t off, len;
};
/* Keeps the sentence for zq_last_error() and returns rc. why: the reason; NULL takes the one that
 * rc and the zone's state give. Without locks. */
int call_failed(struct zq_device *dev, const struct call *c, int rc, const char *why);

void device_log(struct zq_device *dev, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* For lines that are complete. */
void device_log_line(struct zq_device *dev, int priority, const char *line);

/* The sum of the buffers' lengths; -EINVAL for a missing one, or more than ssize_t holds. */
int iovec_length(const struct iovec *iov, int niov, uint64_t *len);

/* ---- device.c ------------------------------------------------------------------------- */

static inline struct zone_stripe *zone_stripe(struct zq_device *dev, uint32_t zone)
{
	return &dev->stripe[zone % ZONE_STRIPES];
}

static inline enum zq_zone_state zone_state(const struct zq_device *dev, uint32_t zone)
{
	return (enum zq_zone_state)atomic_load(&dev->states[zone]);
}

/* Was the last write to the zone the one that got this stamp? [stripe] */
static inline bool zone_last_was(const struct zone *z, uint64_t stamp)
{
	return stamp && z->stamp == stamp;
}

/* 0, or -EROFS for a device that takes no changes. */
static inline int device_check_writable(const struct zq_device *dev)
{
	return dev->readonly || atomic_load(&dev->failed) ? -EROFS : 0;
}

/* ---- refresh.c ------------------------------------------------------------------------- */

/* zq_refresh() for those who have entered the device. */
int device_look_again(struct zq_device *dev, unsigned max_age_ms);

/* ---- zones.c: states, counters, limits ------------------------------------------------- */

/* The zone's pointer as qcow2/ has it; no bounds hold for a corrupt one. */
uint64_t zone_wp(struct zq_device *dev, uint32_t zone);
/* Bytes that can be read from the zone's start when its pointer stands at wp. */
uint64_t zone_written(const struct zq_device *dev, uint32_t zone, enum zq_zone_state state,
		      uint64_t wp);
/* First states and counters from the pointers; when opening. -ENOMEM. */
int zones_load(struct zq_device *dev);
void zones_free(struct zq_device *dev);
/* When the zone was last changed, nanoseconds since the epoch. [lock] */
int64_t zone_mtime(const struct zq_device *dev, uint32_t zone);
/* Never the same twice in a process: no two writes to any zone of any device share one. */
uint64_t zone_new_stamp(void);

/*
 * Sets a zone's state and keeps the counters and the list. wp_old and wp_new: where its pointer
 * was and is (equal when it did not move). [lock]
 */
void zone_move(struct zq_device *dev, uint32_t zone, enum zq_zone_state next, uint64_t wp_old,
	       uint64_t wp_new);
/* The zone's mtime becomes now, and is later than it was in any case. [lock] */
void zone_touch(struct zq_device *dev, uint32_t zone);
/* zone_step() for the zone as it is; an implicitly open zone is closed to make room if it
 * must be. Nothing else changes. [stripe, lock] */
int zone_take_step(struct zq_device *dev, uint32_t zone, enum zone_op op, bool at_start, bool fills,
		   struct zone_step *step);

/*
 * Around the I/O of a write or a finish. zone_begin gets the resources: an empty or closed
 * zone is implicitly open from then on. zone_end tells how it went: on success the pointer
 * stands at wp_new, and full makes the zone full; otherwise the zone gets its earlier
 * state back. [stripe]
 */
struct zone_change {
	enum zq_zone_state before;
	uint64_t wp;
};
int zone_begin(struct zq_device *dev, uint32_t zone, enum zone_op op, bool fills,
	       struct zone_change *c);
void zone_end(struct zq_device *dev, uint32_t zone, const struct zone_change *c, bool ok,
	      uint64_t wp_new, bool full);

/* The zone's pointer stood at wp_old and is another in the image now: state, counters and time
 * follow. For a device that somebody else writes. */
void zone_follow(struct zq_device *dev, uint32_t zone, uint64_t wp_old);

/* ---- manage.c ---------------------------------------------------------------------------- */

/* Zeroes what a reset had to leave behind, if anything. [stripe] */
int zone_purge(struct zq_device *dev, uint32_t zone);
/* ---- fault.c: what failures do ----------------------------------------------------------- */

/* What a caller is told of a failure of the host: rc, but -ENOSPC where the image file must not
 * grow, as -EFBIG means the end of a zone. The log gets the reason once, as LOG_CRIT. */
int host_error(struct zq_device *dev, int rc);
/* Applies errors= after an operation on the zone failed with rc; not for those that
 * say nothing about the host's health (-ENOSPC, -EINVAL, -EBUSY ...). Returns host_error(rc).
 * LOG_CRIT when the device or the zone is another from now on, LOG_ERR when that is not new and
 * may come again and again. [stripe] if sequential */
int zone_fault(struct zq_device *dev, uint32_t zone, int rc, const char *what);
/* The same after a commit failed; here only the whole device can become read-only. Always
 * LOG_CRIT: for commit_failed(), which knows what has been told. */
void commit_fault(struct zq_device *dev, int rc);

/* ---- commit.c: one commit of the image ------------------------------------------------- */

/* After a commit, or a part of one, failed with rc: commit_fault() if that is news. Returns
 * host_error(rc). */
int commit_failed(struct zq_device *dev, int rc);
/* Before a change: sees to it that its commit, if sync or the option asks for one, will have
 * memory. -ENOMEM when there is none: then nothing has been done yet. */
int device_reserve(struct zq_device *dev, bool sync);
/* Commits what the image has, also on behalf of those who have not asked for it. -ENOMEM is met
 * with what device_reserve() has set aside. */
int device_commit(struct zq_device *dev);
/* Gives back what device_reserve() has set aside; false when that was nothing. */
bool device_drop_reserve(struct zq_device *dev);
/* Makes the zone read as zeros in the image, after its pointer went back there. [stripe] */
int zone_erase_image(struct zq_device *dev, uint32_t zone);

/* ---- committer.c --------------------------------------------------------------------------- */

int committer_init(struct zq_device *dev);
void committer_destroy(struct zq_device *dev);
/* The thread that commits some time after a change. A stop waits for it; it must run. */
int committer_start(struct zq_device *dev);
void committer_stop(struct zq_device *dev);
/* After every change, of count zones: commits when sync or the option says so (the result is the
 * commit's), else sees to it that a commit comes. Without locks. */
int device_changed(struct zq_device *dev, uint32_t first, uint32_t count, bool sync);

/* ---- compressor.c: full zones are compressed in the background ---------------------------- */

void compressor_init(struct zq_device *dev);
void compressor_destroy(struct zq_device *dev);
/* With opts.compress: can the image's clusters be compressed? -EOPNOTSUPP, -EINVAL with a sentence.
 */
int compressor_check(struct zq_device *dev, struct zq_error *err);
/* Its thread, along with the committer's. */
int compressor_start(struct zq_device *dev);
void compressor_stop(struct zq_device *dev);
/* ---- compressor_queue.c ----------------------------------------------------------------- */

/* The zone has become full. [lock] */
void compressor_take(struct zq_device *dev, uint32_t zone);
/* Waits for the zone that has waited for longest; false: stop. */
bool compressor_next(struct zone_compressor *c, uint32_t *zone);
/* Before each cluster: rests while others use the device. False: stop. */
bool compressor_give_way(struct zq_device *dev);

#endif
