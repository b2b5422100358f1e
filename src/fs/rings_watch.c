/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kicks, and the watchdog that sends them; see serve_rings.h.
 */
#include "fs/serve_rings.h"

#include <errno.h>
#include <linux/fuse.h>
#include <sched.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/priv.h"
#include "util/cleanup.h"
#include "util/clock.h"

/* The kernel counts its requests in steps of two and will not get there. */
#define KICK (UINT64_C(1) << 62)

#define BUSY_NS INT64_C(1000000000)  /* between two looks, while requests come */
#define IDLE_NS INT64_C(10000000000) /* and while none do */
#define LOST	10u		     /* looks of the first kind in turn */

bool rings_is_kick(uint64_t unique)
{
	return unique & KICK;
}

void rings_want_kick(struct serve_rings *r, unsigned queue)
{
	atomic_store(&r->life[queue].wanted, true);
	SCOPE_LOCK(&r->lock);
	r->wanted = true;
	pthread_cond_broadcast(&r->changed);
}

int rings_run_on(unsigned first, unsigned nr)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = first; i < first + nr; i++)
		CPU_SET(i, &set);
	return sched_setaffinity(0, sizeof(set), &set) ? -errno : 0;
}

/* A request of no bytes that names that file, in the queue of this thread's processor. False: the
 * kernel does not have the file in memory, or the connection has ended. */
static bool send_kick(struct serve_rings *r, struct rings_life *life, uint64_t node)
{
	uint64_t unique = KICK | (r->kicks += 2);
	struct fuse_notify_retrieve_out what = { .notify_unique = unique, .nodeid = node };
	struct fuse_out_header head = { .len = sizeof(head) + sizeof(what),
					.error = FUSE_NOTIFY_RETRIEVE };
	struct iovec iov[2] = { { &head, sizeof(head) }, { &what, sizeof(what) } };

	/* Before it is sent: it may have come by the time that is done. */
	atomic_store(&life->asked, unique);
	if (writev(r->serve->fd, iov, 2) >= 0)
		return true;
	atomic_store(&life->asked, 0);
	return false;
}

/* Nobody asks from a processor that is switched off. False: not now. */
static bool kick_queue(struct serve_rings *r, unsigned queue)
{
	struct rings_life *life = &r->life[queue];
	uint64_t node = serve_held_file(r->serve, &r->serve->queues[queue]);
	bool sent = false;

	if (rings_run_on(queue, 1))
		return false;
	atomic_store(&life->wanted, false);
	if (node)
		sent = send_kick(r, life, node);
	for (unsigned i = 0; i < r->nr && !sent; i++) {
		node = atomic_load(&r->life[i].file);
		if (node)
			sent = send_kick(r, life, node);
	}
	if (!sent)
		atomic_store(&life->wanted, true);
	return sent;
}

static void kick_wanted(struct serve_rings *r)
{
	for (unsigned i = 0; i < r->nr; i++)
		if (atomic_load(&r->life[i].wanted))
			kick_queue(r, i);
}

/* False: nothing moves there though a thread waits. */
static bool look_at(struct serve_rings *r, unsigned queue, bool *active)
{
	struct rings_life *life = &r->life[queue];
	const struct serve_pool *p = &r->serve->queues[queue];
	uint64_t served = atomic_load(&life->served);
	bool moved = served != life->before, missing = atomic_load(&life->asked) != 0;

	life->before = served;
	if (!missing)
		kick_queue(r, queue);
	*active |= moved || missing;
	life->lost = missing && !moved && atomic_load(&p->idle) ? life->lost + 1 : 0;
	return life->lost < LOST;
}

/* The first queue of which requests are lost; r->nr: none. */
static unsigned look_at_all(struct serve_rings *r, bool *active)
{
	unsigned i = 0;

	*active = false;
	while (i < r->nr && look_at(r, i, active))
		i++;
	return i;
}

static void tell_lost(struct serve_rings *r, unsigned queue)
{
	fs_log(&r->serve->fs->log, LOG_ERR,
	       "requests of processor %u do not come through io_uring any more: the mount is "
	       "ended, whoever waits gets an error",
	       queue);
	serve_break(r->serve);
}

/* Returns when it is time to look, or false when somebody wants a kick before. [lock] */
static bool await_time(struct serve_rings *r, int64_t until)
{
	while (r->phase == RINGS_IN_USE && !r->wanted)
		if (cond_wait_until(&r->changed, &r->lock, until) == -ETIMEDOUT)
			return true;
	r->wanted = false;
	return false;
}

/* Looks are counted, not seconds: a process that was stopped has missed nothing. */
static void *watchdog_main(void *data)
{
	struct serve_rings *r = data;
	int64_t until = clock_ns(CLOCK_MONOTONIC) + BUSY_NS;
	unsigned dead = r->nr;
	bool active;

	pthread_mutex_lock(&r->lock);
	while (r->phase < RINGS_IN_USE)
		pthread_cond_wait(&r->changed, &r->lock);
	while (dead == r->nr && r->phase == RINGS_IN_USE) {
		bool look = await_time(r, until);

		pthread_mutex_unlock(&r->lock);
		if (look) {
			dead = look_at_all(r, &active);
			until = clock_ns(CLOCK_MONOTONIC) + (active ? BUSY_NS : IDLE_NS);
		} else {
			kick_wanted(r);
		}
		pthread_mutex_lock(&r->lock);
	}
	pthread_mutex_unlock(&r->lock);
	if (dead < r->nr)
		tell_lost(r, dead);
	return NULL;
}

int rings_watch(struct serve_rings *r)
{
	int ret = -pthread_create(&r->watchdog, NULL, watchdog_main, r);

	r->watched = !ret;
	return ret;
}
