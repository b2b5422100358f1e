/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fs_mount(): options, fork, image, session, and all of it back in reverse order. Owns the
 * struct fs of the mount.
 */
#include "fs/fs.h"

#include "fs/priv.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/daemon.h"
#include "fs/ending.h"
#include "fs/harden.h"
#include "fs/serve.h"
#include "fs/session.h"
#include "fs/trace.h"
#include "fs/signals.h"
#include "util/cleanup.h"
#include "util/size.h"

_Static_assert((int)FS_ERRORS_REMOUNT_RO == (int)ZQ_ERRORS_REMOUNT_RO &&
		       (int)FS_ERRORS_ZONE_RO == (int)ZQ_ERRORS_ZONE_RO &&
		       (int)FS_ERRORS_ZONE_OFFLINE == (int)ZQ_ERRORS_ZONE_OFFLINE &&
		       (int)FS_ERRORS_REPAIR == (int)ZQ_ERRORS_REPAIR,
	       "the option's words stand in the order of the device's values");

#define MAX_WARNINGS  100
#define LONG_TIMEOUT  86400.0 /* seconds; the image is ours alone, nothing changes behind us */
#define SHORT_TIMEOUT 1.0

static void on_device_log(void *data, int priority, const char *line)
{
	fs_log_device(data, priority, line);
}

static int open_image(struct fs *fs, const char *image, struct zq_error *err)
{
	const struct fs_config *c = &fs->cfg;
	struct zq_open_opts opts = {
		.readonly = c->ro,
		.require_rw = c->rw,
		.force_share = c->force_share,
		.data_file = c->data_file,
		.cache_bytes = (size_t)c->cache,
		.commit_secs = c->commit,
		.committer = true,
		.sync = c->sync,
		.strict = c->strict,
		.compress = c->compress != 0,
		.compress_level = c->compress > FS_COMPRESS_MAX ? 0 : (int)c->compress,
		.powercut = c->powercut != 0,
		.powercut_seed = c->powercut == FS_NO_SEED ? 0 : c->powercut,
		.on_error = (enum zq_on_error)c->on_error,
		.log = on_device_log,
		.log_data = &fs->log,
		.on_state = trace_state,
		.state_data = fs,
	};
	struct stat st;
	int ret = zq_open_device(image, &opts, &fs->dev, err);

	if (ret)
		return ret;
	if (!stat(image, &st))
		file_id(&st, fs->image_id);
	if (zq_device_readonly(fs->dev) && !c->ro)
		fs_log(&fs->log, LOG_WARNING, "mounted read-only: %s",
		       zq_device_readonly_reason(fs->dev));
	return 0;
}

static void fill(struct fs *fs)
{
	const struct zq_geometry *geo = zq_device_geometry(fs->dev);

	fs->geo = geo;
	fs->tree = (struct tree){
		.nr_zones = geo->nr_zones,
		.nr_conv = geo->nr_conv,
		.aggr = fs->cfg.aggr_cnv,
		.flat = fs->cfg.layout == FS_LAYOUT_ZLOOP,
	};
	clock_gettime(CLOCK_REALTIME, &fs->mounted);
	fs->pid = getpid();
	fs->mounter = getuid();
	fs->mounter_gid = getgid();
	fs->timeout = fs->cfg.force_share ? SHORT_TIMEOUT : LONG_TIMEOUT;
	fs->frozen = zq_device_readonly(fs->dev) && !fs->cfg.force_share;
	atomic_init(&fs->warnings, MAX_WARNINGS);
	openers_init(&fs->openers, fs->dev, fs->cfg.explicit_open);
	if (fs->cfg.explicit_open && !fs->openers.explicit)
		fs_log(&fs->log, LOG_NOTICE,
		       "explicit-open is ignored: the image limits neither open nor active zones");
	changes_init(&fs->changes);
	handles_init(&fs->handles);
}

/* What on_ready works on. */
struct start {
	struct fs *fs;
	struct daemon *daemon;
	const char *mountpoint; /* absolute */
	int connection;		/* N of a mount point /dev/fd/N, which is no folder; -1 */
};

/* The mount answers: from here on no file is opened and no program run. */
static void harden(struct start *s)
{
	const struct fs_config *c = &s->fs->cfg;
	struct harden_needs needs = { .open_files = c->clone_fd,
				      .unlink_file = s->daemon->pid_file != NULL };
	int ret;

	harden_close_fds(&s->daemon->inherited, s->connection);
	if (!c->seccomp)
		return;
	ret = harden_seccomp(&needs);
	if (ret) {
		fs_log(&s->fs->log, LOG_ERR, "option seccomp: the kernel refuses the filter: %s",
		       strerror(-ret));
		serve_ask_end(s->fs->serve);
	}
}

static void on_ready(void *data)
{
	struct start *s = data;
	const struct fs_config *c = &s->fs->cfg;
	int ret = 0;

	/* Whoever started us may kill us as soon as it knows that the mount answers. */
	if (s->connection < 0 && (c->auto_unmount || (c->seccomp && geteuid())))
		ret = harden_start_unmounter(&s->fs->unmounter, s->mountpoint, c->auto_unmount);
	if (ret)
		fs_log(&s->fs->log, LOG_ERR, "cannot start the process that unmounts: %s",
		       strerror(-ret));
	daemon_ready(s->daemon);
	harden(s);
}

/* Everything between an open image and a closed one. */
static int serve_image(struct fs *fs, struct daemon *d, const struct fs_mount_args *args,
		       struct zq_error *err)
{
	char *source CLEANUP_FREE = realpath(args->image, NULL);
	char *dir CLEANUP_FREE = realpath(args->mountpoint, NULL);
	struct start start = {
		.fs = fs, .daemon = d, .mountpoint = dir ? dir : args->mountpoint, .connection = -1
	};
	uint64_t fd;
	int ret;

	if (!strncmp(args->mountpoint, "/dev/fd/", strlen("/dev/fd/")) &&
	    !number_parse(args->mountpoint + strlen("/dev/fd/"), INT_MAX, &fd))
		start.connection = (int)fd;
	fs->ready = on_ready;
	/* called while session_serve runs, below, and not afterwards */
	/* cppcheck-suppress autoVariables */
	fs->ready_data = &start;
	ret = -pthread_key_create(&fs->buffer_key, fs_buffer_free);
	if (ret)
		return zq_fail(err, ret, "%s: %s", args->image, strerror(-ret));
	ret = session_mount(fs, source ? source : args->image, args->mountpoint, args->debug, err);
	if (!ret)
		ret = session_serve(fs, err);
	fs->ready_data = NULL;
	session_end(fs);
	pthread_key_delete(fs->buffer_key);
	return ret;
}

/* The same, and what the requests share. */
static int serve_filled(struct fs *fs, struct daemon *d, const struct fs_mount_args *args,
			struct zq_error *err)
{
	int ret;

	fill(fs);
	ret = serve_image(fs, d, args, err);
	handles_destroy(&fs->handles);
	openers_destroy(&fs->openers);
	changes_destroy(&fs->changes);
	return ret;
}

static int serve(struct fs *fs, struct daemon *d, const struct fs_mount_args *args,
		 struct zq_error *err)
{
	sigset_t old;
	int ret, closed;

	signals_block(&old);
	/* Inherited likewise. Nothing that root's process runs needs more than it has. */
	ret = harden_privileges();
	if (ret)
		fs_log(&fs->log, LOG_WARNING, "cannot do without new privileges: %s",
		       strerror(-ret));
	ret = trace_log_start(&fs->trace);
	if (ret)
		zq_fail(err, ret, "cannot start a thread: %s", strerror(-ret));
	else
		ret = open_image(fs, args->image, err);
	if (!ret) {
		ret = serve_filled(fs, d, args, err);
		ending_commit_begin(fs);
		closed = zq_close_device(fs->dev);
		ending_commit_end(fs);
		if (closed) {
			fs_log(&fs->log, LOG_ERR, "the last commit failed: %s", strerror(-closed));
			if (!ret)
				ret = zq_fail(err, closed, "%s: the last commit failed: %s",
					      args->image, strerror(-closed));
		}
	}
	fs_log_left_out(&fs->log);
	signals_restore(&old);
	return ret;
}

static int open_trace(struct fs *fs, const struct fs_mount_args *args, struct zq_error *err)
{
	char *dir CLEANUP_FREE = realpath(args->mountpoint, NULL);

	/* Under seccomp no file may be opened later on. */
	return trace_log_open(&fs->trace, fs->cfg.trace, dir, !fs->cfg.seccomp, &fs->log, err);
}

/* The process that serves. */
static int run(struct daemon *d, const struct fs_mount_args *args, struct fs_config *cfg,
	       struct zq_error *err)
{
	struct fs *fs = calloc(1, sizeof(*fs));
	int ret = 0;

	if (!fs)
		return zq_fail(err, -ENOMEM, "out of memory");
	fs->cfg = *cfg;
	fs->log.image = args->image;
	fs->log.debug = args->debug;
	pthread_mutex_init(&fs->log.lock, NULL);
	d->log = &fs->log;
	if (cfg->seccomp)
		ret = harden_supported(err);
	if (!ret)
		ret = open_trace(fs, args, err);
	if (!ret)
		ret = daemon_open_pid_file(d, args->pid_file, err);
	if (!ret)
		ret = serve(fs, d, args, err);
	daemon_failed(d, ret, err);
	daemon_end(d);
	/* what a thread still uses goes with the process */
	if (!trace_log_close(&fs->trace, fs->cfg.end_timeout))
		return ret;
	pthread_mutex_destroy(&fs->log.lock);
	free(fs);
	return ret;
}

/* The daemon must not go on as if it were the command that a person has called. */
static void __attribute__((noreturn)) run_child(struct daemon *d, const struct fs_mount_args *args,
						struct fs_config *cfg, struct zq_error *err)
{
	int ret = run(d, args, cfg, err);

	fs_config_free(cfg);
	exit(ret ? EXIT_FAILURE : EXIT_SUCCESS);
}

/* May it be mounted where zqfs has something mounted already? */
static int check_occupied(const struct fs_mount_args *args, const struct fs_config *cfg,
			  struct zq_error *err)
{
	if (!args->occupied_by)
		return 0;
	if (!cfg->nonempty)
		return zq_fail(err, -EBUSY,
			       "%s: %s is mounted there already; first run: zqfs umount %s (or "
			       "mount over it with -o nonempty)",
			       args->mountpoint, args->occupied_by, args->mountpoint);
	/* fusermount3 wants a folder that the user may write to, which no root of ours is */
	if (geteuid())
		return zq_fail(err, -EPERM,
			       "%s: cannot mount there: only root can mount over a zqfs",
			       args->mountpoint);
	return 0;
}

int fs_mount(const struct fs_mount_args *args, struct zq_error *err)
{
	struct daemon d = { .report = -1, .ready_fd = args->ready_fd, .pid_fd = -1 };
	struct fs_config cfg;
	int ret = daemon_std_fds(), fd = -1;

	if (ret)
		return zq_fail(err, ret, "/dev/null: %s", strerror(-ret));
	harden_note_fds(&d.inherited, args->ready_fd);
	ret = fs_config_parse(&cfg, args->options, err);
	if (!ret)
		ret = check_occupied(args, &cfg, err);
	if (!ret && args->foreground) {
		ret = run(&d, args, &cfg, err);
	} else if (!ret) {
		pid_t pid = daemon_fork(&d, &fd);

		if (pid > 0)
			ret = daemon_wait(pid, fd, err);
		else if (pid < 0)
			ret = zq_fail(err, (int)pid, "cannot start a process: %s",
				      strerror((int)-pid));
		else
			run_child(&d, args, &cfg, err);
	}
	fs_config_free(&cfg);
	harden_forget_fds(&d.inherited);
	return ret;
}
