/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mounting and unmounting; see session.h. What happens in between is in session_serve.c.
 */
#include "fs/session.h"

#include "fs/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/refresh.h"
#include "fs/serve.h"
#include "util/cleanup.h"
#include "util/errors.h"

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

		if (error_is_stale(rc))
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
	/* fusermount3 opens it with the user's rights */
	if (geteuid() && access("/dev/fuse", R_OK | W_OK))
		return zq_fail(
			err, -EACCES,
			"/dev/fuse: users may not open it here; as root: chmod 666 /dev/fuse (in "
			"a container: give it the device)");
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
	place_remember(&fs->place, dir);
	fuse_opt_free_args(&args);
	fuse_said.log = &fs->log;
	return ret;
}

/* ---- unmounting ------------------------------------------------------------------------------ */

/* Was it unmounted from outside? Then another may be mounted there by now. */
static bool is_unmounted(struct fs *fs)
{
	struct pollfd p = { .fd = fuse_session_fd(fs->se), .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & POLLERR);
}

/*
 * libfuse would unmount by the path, whatever lies there by then. A descriptor that polls as an
 * error tells it that there is nothing left to do: the writing end of a pipe that nobody reads.
 */
static void keep_libfuse_from_it(struct fs *fs)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC))
		return;
	close(ends[0]);
	dup2(ends[1], fuse_session_fd(fs->se));
	close(ends[1]);
}

/*
 * root's own unmount. For /etc/mtab libfuse would run umount(8), which newer versions do wherever
 * the file looks as if it could be written; the filter forbids that.
 */
static void unmount_as_root(struct fs *fs)
{
	if (geteuid() == 0 && fs->place.path &&
	    !umount2(fs->place.path, MNT_DETACH | UMOUNT_NOFOLLOW))
		keep_libfuse_from_it(fs);
}

/* Whoever unmounts by the path would take away what is not ours. */
static void leave_covered(struct fs *fs)
{
	fs_log(&fs->log, LOG_WARNING,
	       "%s: something else is mounted on top: this mount stays below it, and dead; unmount "
	       "both",
	       fs->place.path);
	keep_libfuse_from_it(fs);
}

void session_detach(struct fs *fs)
{
	bool gone = is_unmounted(fs);

	if (!gone && place_is_covered(&fs->place)) {
		leave_covered(fs);
		gone = true;
	} else if (!gone) {
		unmount_as_root(fs);
	}
	fuse_session_unmount(fs->se);
	/* Everybody else has unmounted by now; a second time would hit what lies below. */
	harden_end_unmounter(&fs->unmounter, !gone && fs->cfg.seccomp && geteuid());
}

void session_end(struct fs *fs)
{
	refresh_free(fs);
	serve_free(fs);
	if (fs->se) {
		fuse_session_unmount(fs->se);
		fuse_session_destroy(fs->se);
	}
	free(fs->conn_opts);
	place_forget(&fs->place);
	fs->se = NULL;
	fs->conn_opts = NULL;
	fuse_said.log = NULL;
}
