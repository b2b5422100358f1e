/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stderr or syslog; see log.h. A line is formatted into one buffer and written by one call,
 * so that lines of several threads do not mix.
 */
#include "fs/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/printable.h"

void fs_vlog(const struct fs_log *log, int priority, const char *fmt, va_list ap)
{
	int saved = errno;
	char text[1024], shown[1024], image[256], line[1300];

	if (priority == LOG_DEBUG && !log->debug)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	text[strcspn(text, "\n")] = '\0';
	printable_to(text, shown, sizeof(shown));
	printable_to(log->image, image, sizeof(image));
	if (log->to_syslog) {
		syslog(priority, "%s: %s", image, shown);
	} else {
		int n = snprintf(line, sizeof(line), "zqfs: %s: %s\n", image, shown);

		/* When stderr cannot be written, there is no other place to say so. */
		if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
			errno = saved;
	}
	errno = saved;
}

void fs_log(const struct fs_log *log, int priority, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fs_vlog(log, priority, fmt, ap);
	va_end(ap);
}

bool log_limit_pass(struct log_limit *limit, int64_t now, unsigned *left_out)
{
	if (!limit->lines || now - limit->since >= LOG_LIMIT_NS) {
		limit->since = now;
		limit->lines = 0;
	}
	if (limit->lines == LOG_LIMIT_LINES) {
		limit->left_out++;
		return false;
	}
	limit->lines++;
	*left_out = limit->left_out;
	limit->left_out = 0;
	return true;
}

static void tell_left_out(const struct fs_log *log, unsigned lines)
{
	if (lines)
		fs_log(log, LOG_WARNING, "%u lines were left out", lines);
}

void fs_log_device(struct fs_log *log, int priority, const char *line)
{
	unsigned left_out = 0;
	bool pass = true;

	if (priority > LOG_CRIT) {
		SCOPE_LOCK(&log->lock);
		pass = log_limit_pass(&log->limit, clock_ns(CLOCK_MONOTONIC), &left_out);
	}
	tell_left_out(log, left_out);
	if (pass)
		fs_log(log, priority, "%s", line);
}

void fs_log_left_out(struct fs_log *log)
{
	unsigned left_out;

	pthread_mutex_lock(&log->lock);
	left_out = log->limit.left_out;
	log->limit.left_out = 0;
	pthread_mutex_unlock(&log->lock);
	tell_left_out(log, left_out);
}

void fs_log_to_syslog(struct fs_log *log)
{
	openlog("zqfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
	log->to_syslog = true;
}
