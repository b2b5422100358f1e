/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where messages go: stderr as long as somebody looks at it, syslog once the process is in
 * the background. Safe from any thread; errno is kept.
 */
#ifndef ZQ_FS_LOG_H
#define ZQ_FS_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>

struct fs_log {
	const char *image; /* named in every line */
	atomic_bool to_syslog;
	bool debug; /* LOG_DEBUG lines as well */
};

/* priority as in syslog(3). One line, without its newline. */
void fs_log(const struct fs_log *log, int priority, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void fs_vlog(const struct fs_log *log, int priority, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

/* From now on lines go to syslog. */
void fs_log_to_syslog(struct fs_log *log);

#endif
