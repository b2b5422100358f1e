/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocked signals, asked for between two steps. Threads that are made later inherit the mask.
 */
#include <pthread.h>
#include <time.h>

#include "cli/interrupts.h"
#include "util/math.h"

void interrupts_block(sigset_t *blocked)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction old;

	sigemptyset(blocked);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(blocked, signals[i]);
	pthread_sigmask(SIG_BLOCK, blocked, NULL);
}

bool interrupts_came(const sigset_t *blocked)
{
	const struct timespec now = { 0 };

	return sigtimedwait(blocked, NULL, &now) > 0;
}
