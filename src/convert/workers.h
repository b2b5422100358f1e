/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that share a job, the calling one among them.
 */
#ifndef ZQ_CONVERT_WORKERS_H
#define ZQ_CONVERT_WORKERS_H

#include <stdbool.h>

/*
 * Calls work from so many threads at once and returns when all have ended; 0: one for each
 * processor, 4 to 8. caller: it is the calling thread. Where no thread can be made there
 * are fewer.
 */
void run_workers(unsigned threads, void (*work)(void *data, bool caller), void *data);

#endif
