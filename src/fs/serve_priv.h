/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the threads that serve share with a transport. For serve*.c only.
 */
#ifndef ZQ_FS_SERVE_PRIV_H
#define ZQ_FS_SERVE_PRIV_H

#include "fs/order.h"
#include "fs/serve.h"
#include "fs/trace.h"

#include <fuse_lowlevel.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/types.h>
#include <sys/uio.h>

struct serve_worker {
	struct serve *serve;
	struct serve_worker *next; /* [serve.lock] */
	pthread_t thread;
	bool done; /* [serve.lock] to be joined */
	int fd;	   /* of /dev/fuse: its own, or serve.fd */
	struct fuse_buf buf;
	uint64_t seen; /* [serve.lock] the request in hand when the watch last looked */
	/* The request in hand, unique 0: none. Written by the worker, read by others. */
	_Atomic uint64_t unique, node;
	_Atomic uint32_t opcode;
	struct trace_request trace; /* of the request in hand; the worker's alone */
	atomic_bool waiting;	    /* for a request: a signal may wake it */
};

/*
 * How requests come and answers go. Each function runs in the worker's thread.
 */
struct serve_transport {
	/* 0 or -errno. */
	int (*begin)(struct serve_worker *w);
	/* Waits for a request and puts it into w->buf. Its size; 0: the connection has ended;
	 * -EINTR: a signal came; -ENOMEM; another -errno: the connection has failed. */
	int (*take)(struct serve_worker *w);
	/* The answer to the request in hand, as writev(2). */
	ssize_t (*answer)(struct serve_worker *w, struct iovec *iov, int count);
	/* Undoes begin, also after it failed. */
	void (*end)(struct serve_worker *w);
};

/* Requests are read from /dev/fuse and answers are written there. */
extern const struct serve_transport serve_classic;

struct serve {
	struct fs *fs;
	struct fuse_session *se;
	const struct serve_transport *how;
	/* Hands the request in w->buf to libfuse, whose handler answers it before this returns. */
	void (*one)(struct serve_worker *w);
	struct serve_config cfg;
	int fd;		    /* of /dev/fuse; libfuse closes its own one when it unmounts */
	int nowhere;	    /* of /dev/null, takes the place of fd at the end */
	pthread_key_t self; /* the calling thread's worker */
	struct order order;
	pthread_mutex_t lock;
	pthread_cond_t changed;	    /* something that the main thread may wait for */
	struct serve_worker *first; /* [lock] */
	unsigned nr, nr_away;	    /* [lock] threads, and those of them that are away */
	bool asked, ended;	    /* [lock] */
	int rc;			    /* [lock] why it ended */
	atomic_uint idle;	    /* threads that wait for a request */
	atomic_uint surplus;	    /* threads that are more than are wanted */
	atomic_bool tight;	    /* none was idle: the watch looks whether all are stuck */
	atomic_bool refuse, stop;
};

#define SERVE_WAKE                                                                                 \
	SIGURG /* to a thread that waits for a request; ignored where nobody handles it */

/* ---- serve_workers.c ------------------------------------------------------------------------ */

/* The calling thread's worker; NULL: it serves nothing. */
struct serve_worker *serve_self(const struct serve *s);
/* One more thread. 0; -EAGAIN: there are enough, or the end has begun; -errno. [lock] */
int serve_start_worker(struct serve *s);
/* Forgets the threads that have ended. [lock] */
void serve_reap(struct serve *s);

#endif
