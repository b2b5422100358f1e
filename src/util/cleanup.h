/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Resources that are let go when their variable leaves its scope, so that an early return
 * is safe. Only for leaf functions; where several resources are built up in order and
 * handed on, use a ladder of labels.
 */
#ifndef ZQ_UTIL_CLEANUP_H
#define ZQ_UTIL_CLEANUP_H

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_free_(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close_(const int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	errno = saved;
}

static inline void cleanup_unlock_(pthread_mutex_t **m)
{
	if (*m)
		pthread_mutex_unlock(*m);
}

static inline pthread_mutex_t *scope_lock_(pthread_mutex_t *m)
{
	pthread_mutex_lock(m);
	return m;
}

/* char *p CLEANUP_FREE = NULL;    int fd CLEANUP_CLOSE = -1; */
#define CLEANUP_FREE  __attribute__((cleanup(cleanup_free_)))
#define CLEANUP_CLOSE __attribute__((cleanup(cleanup_close_)))

#define SCOPE_CAT2_(a, b) a##b
#define SCOPE_CAT_(a, b)  SCOPE_CAT2_(a, b)

/* Holds the mutex until the end of the enclosing block. */
#define SCOPE_LOCK(m)                                                                              \
	pthread_mutex_t *SCOPE_CAT_(scope_lock_, __LINE__)                                         \
		__attribute__((cleanup(cleanup_unlock_), unused)) = scope_lock_(m)

/* Takes a pointer out of a variable that would free it: return steal_ptr(&p); */
#define steal_ptr(pp)                                                                              \
	({                                                                                         \
		__typeof__(*(pp)) stolen_ = *(pp);                                                 \
		*(pp) = NULL;                                                                      \
		stolen_;                                                                           \
	})

#endif
