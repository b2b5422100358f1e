/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounting, the loop of serving threads, and the end of it; see session.h. Signals go to a
 * thread of their own: all others are started while they are blocked.
 */
#include "fs/session.h"

#include "fs/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/math.h"

/*
 * libfuse hands its messages to a function without saying whose they are, so this is the
 * one thing that all sessions of a process would share.
 */
static struct {
	const struct fs_log *log; /* NULL: keep the last line in text */
	char text[256];
} fuse_said;

static void on_fuse_log(enum fuse_log_level level, const char *fmt, va_list ap)
{
	if (fuse_said.log)
		fs_vlog(fuse_said.log, (int)level, fmt, ap);
	else if (level <= FUSE_LOG_ERR)
		vsnprintf(fuse_said.text, sizeof(fuse_said.text), fmt, ap);
	fuse_said.text[strcspn(fuse_said.text, "\n")] = '\0';
}

/* ---- mounting -------------------------------------------------------------------------------- */

static int add(struct fuse_args *args, const char *option)
{
	return fuse_opt_add_arg(args, "-o") || fuse_opt_add_arg(args, option);
}

/* The words for libfuse. A comma in the path must not look like the next option. */
static int build_args(struct fs *fs, struct fuse_args *args, const char *source, bool debug)
{
	char *fsname CLEANUP_FREE = malloc(2 * strlen(source) + sizeof("fsname="));
	char *to = fsname;
	int ret;

	if (!fsname)
		return -ENOMEM;
	to = stpcpy(to, "fsname=");
	for (const char *p = source; *p; p++) {
		if (*p == ',' || *p == '\\')
			*to++ = '\\';
		*to++ = *p;
	}
	*to = '\0';
	ret = fuse_opt_add_arg(args, "zqfs") || add(args, "subtype=zqfs");
	if (!fs->cfg.fsname)
		ret = ret || add(args, fsname);
	if (zq_device_readonly(fs->dev))
		ret = ret || add(args, "ro");
	if (fs->cfg.allow_other)
		ret = ret || add(args, "allow_other");
	if (fs->cfg.default_permissions)
		ret = ret || add(args, "default_permissions");
	if (fs->cfg.fuse)
		ret = ret || add(args, fs->cfg.fuse);
	if (debug)
		ret = ret || add(args, "debug");
	return ret ? -ENOMEM : 0;
}

/* True when /etc/fuse.conf lets ordinary users use allow_other. */
static bool allow_other_permitted(void)
{
	FILE *f = fopen("/etc/fuse.conf", "re");
	char line[256], word[64];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, " %63s", word) == 1 && !strcmp(word, "user_allow_other");
	fclose(f);
	return found;
}

/* What commonly stands in the way, said before libfuse says it in its own words. */
static int look_ahead(struct fs *fs, const char *mountpoint, struct zq_error *err)
{
	struct stat st;

	if (stat(mountpoint, &st)) {
		int rc = -errno;

		if (rc == -ENOTCONN)
			return zq_fail(err, rc,
				       "%s: a stale mount, its zqfs is gone; clear it with: "
				       "zqfs umount %s",
				       mountpoint, mountpoint);
		return zq_fail(err, rc, "%s: cannot mount there: %s", mountpoint, strerror(-rc));
	}
	if (!S_ISDIR(st.st_mode))
		return zq_fail(err, -ENOTDIR, "%s: cannot mount there: not a directory",
			       mountpoint);
	if (access("/dev/fuse", F_OK))
		return zq_fail(err, -ENODEV,
			       "/dev/fuse: %s; load it with: modprobe fuse (in a container: give "
			       "it the device)",
			       strerror(errno));
	if (geteuid() && access(mountpoint, W_OK))
		return zq_fail(err, -EACCES,
			       "%s: cannot mount there: a user must be allowed to write to the "
			       "folder",
			       mountpoint);
	if (geteuid() && fs->cfg.allow_other && !allow_other_permitted())
		return zq_fail(err, -EPERM,
			       "option allow_other: only root may use it, unless /etc/fuse.conf "
			       "has the line user_allow_other");
	return 0;
}

/* libfuse has refused the options. It says so in several pieces, and knows no near words. */
static int refused(const struct fs *fs, struct zq_error *err)
{
	const char *word = fs->cfg.unknown, *near = fs->cfg.near;

	if (!word)
		return zq_fail(err, -EINVAL, "mount options refused by libfuse: %s",
			       fuse_said.text);
	return zq_fail(err, -EINVAL, "unknown mount option '%s'%s%s%s", word,
		       near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int session_mount(struct fs *fs, const char *source, const char *mountpoint, bool debug,
		  struct zq_error *err)
{
	/* Absolute, as the daemon leaves the directory that it was started in. */
	char *dir = realpath(mountpoint, NULL);
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	int ret = look_ahead(fs, mountpoint, err);

	if (!ret && build_args(fs, &args, source, debug))
		ret = zq_fail(err, -ENOMEM, "out of memory");
	fuse_set_log_func(on_fuse_log);
	/* libfuse takes io_uring from here too, which no option can then refuse: see refuse_rings()
	 * in options.c. */
	unsetenv("FUSE_URING_ENABLE");
	if (!ret) {
		fs->conn_opts = fuse_parse_conn_info_opts(&args);
		fs->se = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), fs);
		if (!fs->conn_opts || !fs->se)
			ret = refused(fs, err);
	}
	if (!ret && fuse_session_mount(fs->se, dir ? dir : mountpoint)) {
		ret = zq_fail(err, -EPERM, "%s: cannot mount there: %s", mountpoint,
			      *fuse_said.text ? fuse_said.text : "see the line above");
	}
	fs->where = dir;
	fuse_opt_free_args(&args);
	fuse_said.log = &fs->log;
	return ret;
}

/* ---- serving --------------------------------------------------------------------------------- */

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

static int loop(struct fs *fs)
{
	unsigned threads = nr_threads(fs);
	struct fuse_loop_config *config;
	int ret;

	if (threads == 1)
		return fuse_session_loop(fs->se);
	config = fuse_loop_cfg_create();
	if (!config)
		return -ENOMEM;
	fuse_loop_cfg_set_max_threads(config, threads);
	fuse_loop_cfg_set_clone_fd(config, clones_fd(fs, threads));
	ret = fuse_session_loop_mt(fs->se, config);
	fuse_loop_cfg_destroy(config);
	return ret;
}

/*
 * A notification may wait for a page that a READ has locked. When the loop has ended, such
 * a READ is answered here, or the notifier could not end.
 */
static void drain(struct fs *fs)
{
	struct fuse_buf buf = { .mem = NULL };
	struct pollfd p = { .fd = fuse_session_fd(fs->se), .events = POLLIN };

	fuse_session_reset(fs->se);
	while (notifier_busy(fs) && !fuse_session_exited(fs->se)) {
		if (poll(&p, 1, 5) <= 0)
			continue;
		if (!(p.revents & POLLIN) || fuse_session_receive_buf(fs->se, &buf) <= 0)
			break;
		fuse_session_process_buf(fs->se, &buf);
	}
	free(buf.mem);
}

/*
 * A thread waits for the signals that end the mount, with all of them blocked everywhere.
 * The loop looks for its end and then sleeps; what comes between the two must not be lost, so
 * its thread is woken again and again until it has left the loop. A second signal is
 * taken in the same way and cannot kill the last commit.
 */
struct ender {
	struct fs *fs;
	pthread_t thread, looper;
	sigset_t set;
	pthread_mutex_t lock;
	bool left; /* [lock] the loop has ended */
};

#define WAKE_SIGNAL   SIGURG /* ignored where nobody handles it */
#define WAKE_EVERY_MS 20

static void on_wake(int signal)
{
	(void)signal;
}

/* Those of the three that are not ignored, as under nohup, and the one that ends the thread. */
static void ending_signals(sigset_t *set)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGTERM };
	struct sigaction old;

	sigemptyset(set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (!sigaction(signals[i], NULL, &old) && old.sa_handler != SIG_IGN)
			sigaddset(set, signals[i]);
	sigaddset(set, SIGUSR2);
}

static void wake_until_left(struct ender *e)
{
	struct timespec pause = { .tv_nsec = WAKE_EVERY_MS * 1000000L };

	pthread_mutex_lock(&e->lock);
	while (!e->left) {
		pthread_kill(e->looper, WAKE_SIGNAL);
		pthread_mutex_unlock(&e->lock);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&e->lock);
	}
	pthread_mutex_unlock(&e->lock);
}

static void *ender_main(void *data)
{
	struct ender *e = data;
	bool left = false;
	int signal = 0;

	while (!left) {
		if (sigwait(&e->set, &signal))
			continue;
		if (signal != SIGUSR2) {
			fuse_session_exit(e->fs->se);
			wake_until_left(e);
		}
		pthread_mutex_lock(&e->lock);
		left = e->left;
		pthread_mutex_unlock(&e->lock);
	}
	return NULL;
}

static int ender_start(struct ender *e)
{
	struct sigaction wake = { .sa_handler = on_wake }, pipe = { .sa_handler = SIG_IGN };
	int ret;

	sigaction(WAKE_SIGNAL, &wake, NULL);
	sigaction(SIGPIPE, &pipe, NULL);
	ending_signals(&e->set);
	pthread_sigmask(SIG_BLOCK, &e->set, NULL);
	e->looper = pthread_self();
	pthread_mutex_init(&e->lock, NULL);
	ret = pthread_create(&e->thread, NULL, ender_main, e);
	if (ret)
		pthread_mutex_destroy(&e->lock);
	return -ret;
}

static void ender_stop(struct ender *e)
{
	pthread_mutex_lock(&e->lock);
	e->left = true;
	pthread_mutex_unlock(&e->lock);
	pthread_kill(e->thread, SIGUSR2);
	pthread_join(e->thread, NULL);
	pthread_mutex_destroy(&e->lock);
}

/* Was it unmounted from outside? Then another may be mounted there by now. */
static bool is_unmounted(struct fs *fs)
{
	struct pollfd p = { .fd = fuse_session_fd(fs->se), .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

int session_serve(struct fs *fs)
{
	bool gone;
	struct ender e = { .fs = fs };
	int ret = ender_start(&e);

	if (ret)
		return ret;
	ret = loop(fs);
	ender_stop(&e);
	drain(fs);
	notifier_stop(fs);
	gone = is_unmounted(fs);
	fuse_session_unmount(fs->se);
	harden_end_unmounter(&fs->unmounter, !gone);
	/* A positive number is the signal that ended the loop. */
	return ret < 0 ? ret : 0;
}

void session_end(struct fs *fs)
{
	if (fs->se) {
		fuse_session_unmount(fs->se);
		fuse_session_destroy(fs->se);
	}
	free(fs->conn_opts);
	free(fs->where);
	fs->where = NULL;
	fs->se = NULL;
	fs->conn_opts = NULL;
	fuse_said.log = NULL;
}
