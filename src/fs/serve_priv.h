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

struct serve_rings;

/* The threads that take requests from one queue of the kernel's. */
struct serve_pool {
	struct serve *serve;
	const struct serve_transport *how;
	unsigned queue;	      /* the transport's number for it */
	unsigned threads;     /* so many serve at once */
	unsigned least;	      /* of them stay when not all are needed */
	unsigned nr, nr_away; /* [lock] threads, and those of them that are away */
	unsigned nr_begun;    /* [lock] those that may take requests, or are away */
	atomic_uint idle;     /* threads that wait for a request */
	atomic_uint surplus;  /* threads that are more than are wanted */
	atomic_uint spare;    /* threads that are more than the least */
	atomic_uint calm;     /* requests that did not find all busy, if there are spare ones */
	atomic_bool tight;    /* none was idle: the watch looks whether all are stuck */
};

struct serve_worker {
	struct serve *serve;
	struct serve_pool *pool;
	struct serve_worker *next; /* [serve.lock] */
	pthread_t thread;
	bool begun, done; /* [serve.lock] it may take requests; it is to be joined */
	int fd;		  /* of /dev/fuse: its own, or serve.fd */
	struct fuse_buf buf;
	void *seat;    /* the transport's own */
	uint64_t seen; /* [serve.lock] the request in hand when the watch last looked */
	/* The request in hand, unique 0: none. Written by the worker, read by others. */
	_Atomic uint64_t unique, node;
	_Atomic uint32_t opcode;
	struct trace_request trace; /* of the request in hand; the worker's alone */
	atomic_bool waiting;	    /* for a request: a signal may wake it */
	bool away;		    /* [serve.lock] the request in hand waits for the mount */
};

/*
 * How requests come and answers go. Each function runs in the worker's thread.
 */
struct serve_transport {
	/* 0 or -errno; -ECANCELED: the thread is not wanted any more. */
	int (*begin)(struct serve_worker *w);
	/* Waits for a request and puts it into w->buf. Its size; 0: the connection has ended;
	 * -EINTR: a signal came; -ENOMEM; another -errno: the connection has failed. */
	int (*take)(struct serve_worker *w);
	/* The answer to the request in hand, as writev(2). */
	ssize_t (*answer)(struct serve_worker *w, struct iovec *iov, int count);
	/* Where the data of an answer may be built so that it need not be copied; NULL: nowhere. */
	void *(*room)(struct serve_worker *w, size_t size);
	/* Undoes begin, also after it failed. */
	void (*end)(struct serve_worker *w);
	bool stays; /* a thread that has begun may end only with the connection */
};

/* Requests are read from /dev/fuse and answers are written there. */
extern const struct serve_transport serve_classic;

struct serve {
	struct fs *fs;
	struct fuse_session *se;
	/* Hands the request in w->buf to libfuse, whose handler answers it before this returns. */
	void (*one)(struct serve_worker *w);
	struct serve_config cfg;
	struct serve_pool pool;	   /* of those who read /dev/fuse */
	struct serve_pool *queues; /* of the rings; owned by them, like what they need else */
	unsigned nr_queues;	   /* [lock] 0: requests do not come through rings */
	struct serve_rings *rings; /* NULL: there are none */
	int fd;			   /* of /dev/fuse; libfuse closes its own one when it unmounts */
	int nowhere;		   /* of /dev/null, takes the place of fd at the end */
	pthread_key_t self;	   /* the calling thread's worker */
	struct order order;
	pthread_mutex_t lock;
	pthread_cond_t changed;	    /* something that the main thread may wait for */
	struct serve_worker *first; /* [lock] */
	unsigned nr, nr_away;	    /* [lock] threads of all pools, and those that are away */
	bool asked, ended, broken;  /* [lock] */
	int rc;			    /* [lock] why it ended */
	atomic_bool refuse, stop;
	atomic_bool aborted; /* fd is /dev/null, or will be at once */
};

#define SERVE_WAKE                                                                                 \
	SIGURG /* to a thread that waits for a request; ignored where nobody handles it */

/* ---- serve_workers.c ------------------------------------------------------------------------ */

/* The calling thread's worker; NULL: it serves nothing. */
struct serve_worker *serve_self(const struct serve *s);
/* One more thread. 0; -EAGAIN: there are enough, or the end has begun; -errno. [lock] */
int serve_start_worker(struct serve_pool *p);
/* Forgets the threads that have ended. [lock] */
void serve_reap(struct serve *s);
/* The connection has ended: by itself (0) or by an error. */
void serve_note_end(struct serve *s, int rc);

/* ---- serve_watch.c -------------------------------------------------------------------------- */

/* A transport's: its requests do not come any more, nor ever will. */
void serve_break(struct serve *s);
/* A file that the kernel cannot forget, as a request for it is in hand, best one that waits for the
 * mount in that pool: a node; 0: there is none. */
uint64_t serve_held_file(struct serve *s, const struct serve_pool *p);

#endif
