/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads for convert and compact.
 */
#include <pthread.h>
#include <unistd.h>

#include "convert/workers.h"
#include "util/math.h"

/* While one waits for the disk, another compresses. */
#define MIN_THREADS 4u
#define MAX_THREADS 8u

struct worker {
	void (*work)(void *data, bool caller);
	void *data;
};

static void *run_worker(void *arg)
{
	const struct worker *w = arg;

	w->work(w->data, false);
	return NULL;
}

static unsigned pick_threads(unsigned wanted)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = wanted ? wanted : cpus > (long)MIN_THREADS ? (unsigned)cpus : MIN_THREADS;

	return n > MAX_THREADS ? MAX_THREADS : n;
}

void run_workers(unsigned threads, void (*work)(void *data, bool caller), void *data)
{
	struct worker w = { work, data };
	pthread_t thread[MAX_THREADS];
	unsigned nr = 0, want = pick_threads(threads) - 1;

	while (nr < want && !pthread_create(&thread[nr], NULL, run_worker, &w))
		nr++;
	work(data, true);
	while (nr)
		pthread_join(thread[--nr], NULL);
}
