/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The signals that end a mount: SIGTERM, SIGINT and SIGHUP. They are blocked in all threads, and
 * one of its own waits for them, so that none can interrupt anything.
 */
#ifndef ZQ_FS_SIGNALS_H
#define ZQ_FS_SIGNALS_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct signals {
	pthread_t thread;
	sigset_t set;
	atomic_bool stop;
	void (*on_end)(void *data); /* called in that thread, at each of these signals */
	void *data;
};

/* Blocks them in the calling thread and in those that it starts later. old is what
 * signals_restore() gets. */
void signals_block(sigset_t *old);
/* Forgets those that came meanwhile: a late one must not spoil the exit status. */
void signals_restore(const sigset_t *old);

/* on_end and data are set. 0 or -errno. */
int signals_start(struct signals *s);
void signals_stop(struct signals *s);

#endif
