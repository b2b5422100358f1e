/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens between mounting and unmounting, in order. The threads that serve are in serve*.c,
 * the end in ending.c.
 */
#include "fs/session.h"

#include "fs/priv.h"

#include <errno.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/ending.h"
#include "fs/hello.h"
#include "fs/refresh.h"
#include "fs/serve.h"
#include "fs/signals.h"

/* So that one that waits for the disk leaves others, however few the processors. */
static unsigned nr_threads(const struct fs *fs)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (fs->cfg.max_threads)
		return fs->cfg.max_threads;
	return cpus < 4 ? 4 : cpus > 8 ? 8 : (unsigned)cpus;
}

/*
 * The kernel hands requests to idle threads in turn, and the scheduler wakes each where it ran
 * last. On two processors three in turn serve single small requests best: of two, nearly each one
 * is on the processor that sleeps, and four take 5 to 25 % longer (contrib/BENCHMARKS, "Threads").
 */
static unsigned least_threads(const struct fs *fs, unsigned threads)
{
	bool few = sysconf(_SC_NPROCESSORS_ONLN) <= 2;

	return few && threads > 3 && !fs->cfg.max_threads ? 3 : threads;
}

/* Threads are started when they are needed, and each would then open a file: not where the
 * filter forbids just that, unless it is asked for. */
static bool clones_fd(const struct fs *fs, unsigned threads)
{
	return fs->cfg.clone_fd || (threads > 2 && !fs->cfg.seccomp);
}

static void on_end_signal(void *data)
{
	serve_ask_end(((struct fs *)data)->serve);
}

static int connection_failed(const struct fs *fs, int rc, struct zq_error *err)
{
	return zq_fail(err, rc, "%s: the connection to the kernel failed: %s", fs->place.path,
		       strerror(-rc));
}

/* On most machines nobody has let mounts use io_uring, and nobody wants to read that each time. */
static int priority_without(const struct fs *fs)
{
	bool expected = fs->cfg.uring == FS_URING_AUTO || serve_rings_are_enabled();

	return expected ? LOG_NOTICE : LOG_DEBUG;
}

static int rings_failed(int rc, const char *why, struct zq_error *err)
{
	return zq_fail(err, rc, "option uring=on: %s", why);
}

/* Rings, where they are wanted and can be had. */
static int choose_transport(struct fs *fs, struct zq_error *err)
{
	bool required = fs->cfg.uring == FS_URING_ON;
	char why[128];

	if (fs->cfg.uring == FS_URING_OFF || !serve_use_rings(fs, required, why, sizeof(why)))
		return 0;
	if (required)
		return rings_failed(-ENOTSUP, why, err);
	fs_log(&fs->log, priority_without(fs), "without io_uring: %s", why);
	return 0;
}

int session_serve(struct fs *fs, struct zq_error *err)
{
	struct signals signals = { .on_end = on_end_signal, .data = fs };
	unsigned threads = nr_threads(fs);
	struct serve_config cfg = { .threads = threads,
				    .least = least_threads(fs, threads),
				    .clone_fd = clones_fd(fs, threads),
				    .hello = HELLO_KILLPRIV_V2 };
	int ret = serve_new(fs, &cfg);

	if (!ret)
		ret = refresh_new(fs);
	if (!ret)
		ret = signals_start(&signals);
	if (ret)
		return connection_failed(fs, ret, err);
	ret = choose_transport(fs, err);
	if (!ret) {
		ret = serve_start(fs);
		if (!ret) {
			serve_until_asked(fs->serve);
			ending_run(fs);
			ret = serve_result(fs->serve);
		}
		if (ret && *serve_why_no_rings(fs->serve))
			rings_failed(ret, serve_why_no_rings(fs->serve), err);
		else if (ret)
			connection_failed(fs, ret, err);
	}
	signals_stop(&signals);
	return ret;
}
