/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting by a clock that nobody sets: nanoseconds, and conditions with a deadline.
 */
#ifndef ZQ_UTIL_CLOCK_H
#define ZQ_UTIL_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define NSEC_PER_SEC INT64_C(1000000000)

/* What the clock shows, in nanoseconds. */
int64_t clock_ns(clockid_t clock);

/* A condition whose deadlines are of CLOCK_MONOTONIC. 0 or -errno. */
int cond_init_monotonic(pthread_cond_t *cond);
/* pthread_cond_timedwait on such a one, deadline in nanoseconds. 0, or -ETIMEDOUT. */
int cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t deadline);

#endif
