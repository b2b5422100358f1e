/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Serving: threads that take requests from the kernel, hand each to libfuse, which calls the
 * handler of ops.c, and give the answer back. How requests come and answers go is a transport
 * (serve_priv.h); nothing else in fs/ knows which.
 *
 * The thread that has taken a request also answers it. No thread is ever cancelled: one that has
 * taken a request answers it before it ends. A handler that has to wait for the mount itself
 * says so with serve_away(), and then another thread serves meanwhile.
 *
 * Functions may be called from any thread unless said otherwise.
 */
#ifndef ZQ_FS_SERVE_H
#define ZQ_FS_SERVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs;
struct serve;
struct trace_request;

struct serve_config {
	unsigned threads; /* so many serve at once; others come when these are away or stuck */
	unsigned least;	  /* so many of them while fewer would do */
	bool clone_fd;	  /* a descriptor of /dev/fuse for each */
	uint64_t hello;	  /* flags for the kernel that libfuse may not know, see hello.h */
};

/* For a session that is mounted and has served nothing yet: fs->se. 0 or -errno. */
int serve_new(struct fs *fs, const struct serve_config *cfg);
/*
 * After serve_new and before serve_start: requests shall come through io_uring, from INIT on. 0, or
 * -ENOTSUP with the reason in why: they come through /dev/fuse then, as they do when the
 * kernel changes its mind later; with required the connection ends in that case.
 */
int serve_use_rings(struct fs *fs, bool required, char *why, size_t size);
/* Why a connection that shall come through rings has ended: it cannot. "": it has not. */
const char *serve_why_no_rings(const struct serve *s);
/* Has root let mounts use them? */
bool serve_rings_are_enabled(void);
/* Starts the first thread, which says hello to the kernel. 0 or -errno. */
int serve_start(struct fs *fs);
/* After serve_join, or without serve_start. Closes the connection. */
void serve_free(struct fs *fs);

/* The main thread's: returns when the connection has ended or serve_ask_end() was called. */
void serve_until_asked(struct serve *s);
/* Safe at any time between serve_new and serve_free. */
void serve_ask_end(struct serve *s);
/* Has the connection ended by itself? */
bool serve_ended(struct serve *s);
/* Has it lost requests? Then it can only be aborted. */
bool serve_broken(struct serve *s);
/* 0, or the error that ended the connection. */
int serve_result(struct serve *s);

/*
 * What the end is made of; all four are the main thread's. deadline is of CLOCK_MONOTONIC,
 * nanoseconds.
 *
 * Waits until nobody serves a request and none is queued: true, or false at the deadline.
 */
bool serve_until_quiet(struct serve *s, int64_t deadline);
/* From now on requests get ENOTCONN, except those that write back pages or only let go. */
void serve_refuse(struct serve *s);
/* Ends the threads that serve nothing now, and the others after their answer. True when all have
 * ended, false at the deadline. */
bool serve_stop(struct serve *s, int64_t deadline);
/* After serve_stop: the kernel ends every request that has no answer (ECONNABORTED). */
void serve_abort(struct serve *s);
/* What is being served, "WRITE of seq/3, FSYNC of cnv/0"; "" when nothing is. */
void serve_describe(struct fs *fs, char *text, size_t size);

/*
 * In a handler: this thread is about to wait for something that needs an answer of the mount.
 * False: it must not wait, there is nobody else to give that answer. After true serve_back()
 * follows.
 */
bool serve_away(struct serve *s);
void serve_back(struct serve *s);

/*
 * In a handler: returns when the RELEASEs that the kernel has sent before the request in hand are
 * done. close(2) does not wait for the answer to its RELEASE, and another thread may have that
 * one. What is not coming is not waited for; a RELEASE that waits for a slow disk is, for
 * 100 milliseconds.
 */
void serve_await_releases(struct serve *s);

/* A page-aligned place of so many bytes in which the data of the answer to the request in hand can
 * be built, so that it need not be copied. NULL: there is none. */
void *serve_answer_room(struct serve *s, size_t size);

/* What is traced of the request that the calling thread has in hand; NULL: it serves nothing. */
struct trace_request *serve_trace(struct serve *s);

#endif
