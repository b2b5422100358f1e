/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where messages go: stderr as long as somebody looks at it, syslog once the process is in
 * the background. Safe from any thread; errno is kept.
 */
#ifndef ZQ_FS_LOG_H
#define ZQ_FS_LOG_H

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* So that who reads a damaged cluster again and again does not fill the journal. */
#define LOG_LIMIT_LINES 30u
#define LOG_LIMIT_NS	INT64_C(60000000000)

struct log_limit {
	int64_t since; /* nanoseconds: when lines began to be counted */
	unsigned lines, left_out;
};

struct fs_log {
	const char *image; /* named in every line */
	atomic_bool to_syslog;
	bool debug; /* LOG_DEBUG lines as well */
	pthread_mutex_t lock;
	struct log_limit limit; /* [lock] */
};

/*
 * May one more line be written at that time? LOG_LIMIT_LINES of them within LOG_LIMIT_NS. *left_out
 * is the number of lines that were refused since the last one that was let through, to be
 * told with it.
 */
bool log_limit_pass(struct log_limit *limit, int64_t now, unsigned *left_out);

/* priority as in syslog(3). One line, without its newline. */
void fs_log(const struct fs_log *log, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fs_vlog(const struct fs_log *log, int priority, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

/* What the device has to say. LOG_CRIT tells of a change of state, once; all else
 * is what a request can bring about any number of times: see log_limit_pass. */
void fs_log_device(struct fs_log *log, int priority, const char *line);
/* Tells how many lines were left out, if any have been since that was told last. */
void fs_log_left_out(struct fs_log *log);

/* From now on lines go to syslog. */
void fs_log_to_syslog(struct fs_log *log);

#endif
