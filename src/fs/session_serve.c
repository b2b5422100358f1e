/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What happens between mounting and unmounting, in order. The threads that serve are in serve*.c,
 * the end in ending.c.
 */
#include "fs/session.h"

#include "fs/priv.h"

#include <unistd.h>

#include "fs/ending.h"
#include "fs/hello.h"
#include "fs/refresh.h"
#include "fs/serve.h"
#include "fs/signals.h"

/*
 * At least four, however few the processors: with only as many threads as processors the
 * scheduler wakes nearly every time a thread on the processor that sleeps, and to wake that one
 * takes longer than to serve a small request (contrib/BENCHMARKS).
 */
static unsigned nr_threads(const struct fs *fs)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	if (fs->cfg.max_threads)
		return fs->cfg.max_threads;
	return cpus < 4 ? 4 : cpus > 8 ? 8 : (unsigned)cpus;
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

int session_serve(struct fs *fs)
{
	struct signals signals = { .on_end = on_end_signal, .data = fs };
	unsigned threads = nr_threads(fs);
	struct serve_config cfg = { .threads = threads,
				    .clone_fd = clones_fd(fs, threads),
				    .hello = HELLO_KILLPRIV_V2 };
	int ret = serve_new(fs, &cfg);

	if (!ret)
		ret = refresh_new(fs);
	if (!ret)
		ret = signals_start(&signals);
	if (ret)
		return ret;
	ret = serve_start(fs);
	if (!ret) {
		serve_until_asked(fs->serve);
		ending_run(fs);
		ret = serve_result(fs->serve);
	}
	signals_stop(&signals);
	return ret;
}
