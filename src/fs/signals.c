/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that waits for the signals that end a mount; see signals.h.
 */
#include "fs/signals.h"

#include <time.h>

#include "util/math.h"

#define STOP_SIGNAL SIGUSR2 /* ends the thread when stop is set */

static const int ending[] = { SIGHUP, SIGINT, SIGTERM };

static void ending_set(sigset_t *set)
{
	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaddset(set, ending[i]);
}

void signals_block(sigset_t *old)
{
	sigset_t set;

	ending_set(&set);
	pthread_sigmask(SIG_BLOCK, &set, old);
}

void signals_restore(const sigset_t *old)
{
	sigset_t set;

	ending_set(&set);
	while (sigtimedwait(&set, NULL, &(struct timespec){ .tv_sec = 0 }) > 0)
		;
	pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* Those that are not ignored, as under nohup, and the one that ends the thread. */
static void waited_set(sigset_t *set)
{
	struct sigaction old;

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		if (!sigaction(ending[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(set, ending[i]);
	sigaddset(set, STOP_SIGNAL);
}

static void *signals_main(void *data)
{
	struct signals *s = data;
	int signal = 0;

	while (!atomic_load(&s->stop))
		if (!sigwait(&s->set, &signal) && signal != STOP_SIGNAL)
			s->on_end(s->data);
	return NULL;
}

int signals_start(struct signals *s)
{
	struct sigaction pipe = { .sa_handler = SIG_IGN };

	sigaction(SIGPIPE, &pipe, NULL);
	waited_set(&s->set);
	pthread_sigmask(SIG_BLOCK, &s->set, NULL);
	atomic_init(&s->stop, false);
	return -pthread_create(&s->thread, NULL, signals_main, s);
}

void signals_stop(struct signals *s)
{
	atomic_store(&s->stop, true);
	pthread_kill(s->thread, STOP_SIGNAL);
	pthread_join(s->thread, NULL);
}
