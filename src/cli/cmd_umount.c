// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * "zqfs umount": takes a mount away and waits until its process has written everything and
 * let go of the image. umount(8) and fusermount3 return before that. Also clears a mount
 * whose process is gone.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zqfs/io.h>

#include "cli/command.h"
#include "cli/mounts.h"
#include "cli/term.h"
#include "util/cleanup.h"

#define POLL_MICROSECONDS 3000
/* A reader writes nothing: how long its lock is waited for at most, in seconds. */
#define READER_PATIENCE 2.0

extern char **environ;

/* ---- unmounting ---------------------------------------------------------------------------- */

/* Runs fusermount3 -u; its words, without the newline, go to said. 0 when it succeeded. */
static int fusermount(const char *dir, char *said, size_t size)
{
	const char *argv[] = { "fusermount3", "-u", "--", dir, NULL };
	posix_spawn_file_actions_t actions;
	int fd[2], status, ret;
	size_t len = 0;
	ssize_t n;
	pid_t pid;

	said[0] = '\0';
	if (pipe2(fd, O_CLOEXEC))
		return -errno;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, fd[1], STDERR_FILENO);
	ret = posix_spawnp(&pid, argv[0], &actions, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(fd[1]);
	while (!ret && len + 1 < size && (n = read(fd[0], said + len, size - 1 - len)) > 0)
		len += (size_t)n;
	close(fd[0]);
	said[len] = '\0';
	said[strcspn(said, "\n")] = '\0';
	if (ret)
		return -ret;
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) && !WEXITSTATUS(status) ? 0 : -EBUSY;
}

static int say_busy(const char *dir)
{
	return cli_error("%s: busy: a process has a file in it open or stands in it; "
			 "fuser -vm %s shows which",
			 dir, dir);
}

static int take_away(const char *dir)
{
	char said[256];
	int ret;

	if (!geteuid() && !umount2(dir, UMOUNT_NOFOLLOW))
		return CLI_DONE;
	if (!geteuid() && errno == EBUSY)
		return say_busy(dir);
	ret = fusermount(dir, said, sizeof(said));
	if (!ret)
		return CLI_DONE;
	if (ret == -ENOENT)
		return cli_error("%s: cannot unmount: fusermount3 is not installed (package fuse3)",
				 dir);
	/* The tool's words are its only way to say what went wrong. */
	if (strstr(said, "busy"))
		return say_busy(dir);
	return cli_error("%s: cannot unmount: %s", dir, *said ? said : strerror(-ret));
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* Does the process with that number have the file open? */
static bool process_holds(const char *pid, const char *image)
{
	char path[64], comm[32] = "", target[PATH_MAX];
	struct dirent *entry;
	bool holds = false;
	FILE *f;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(comm, sizeof(comm), f))
		comm[0] = '\0';
	fclose(f);
	comm[strcspn(comm, "\n")] = '\0';
	if (strcmp(comm, "zqfs") && strncmp(comm, "mount.", strlen("mount.")))
		return false;
	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	d = opendir(path);
	if (!d)
		return false;
	while (!holds && (entry = readdir(d))) {
		ssize_t n = readlinkat(dirfd(d), entry->d_name, target, sizeof(target) - 1);

		target[n > 0 ? n : 0] = '\0';
		holds = !strcmp(target, image);
	}
	closedir(d);
	return holds;
}

/* Is it still a zqfs that has the image, and not someone who took it since? */
static bool zqfs_holds(const char *image)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	bool holds = false;
	long self = getpid();

	if (!d)
		return true;
	while (!holds && (entry = readdir(d)))
		if (isdigit((unsigned char)entry->d_name[0]) && atol(entry->d_name) != self)
			holds = process_holds(entry->d_name, image);
	closedir(d);
	return holds;
}

/* True while a lock of that kind cannot be had. Lets go of it at once. */
static bool image_locked(const char *image, enum zq_lock mode)
{
	struct zq_io *io;
	bool locked;

	if (zq_io_open(image, false, &io, NULL))
		return false; /* gone or unreadable: there is nothing to ask */
	locked = io->ops->lock(io, mode) == -EAGAIN;
	io->ops->close(io);
	return locked;
}

/*
 * A writer excludes readers until it has written everything. A reader is waited for with
 * the stronger lock, but not for long: force_share takes none, and others may read too.
 */
static void wait_until_unlocked(const char *image, bool readonly)
{
	enum zq_lock mode = readonly ? ZQ_LOCK_WRITE : ZQ_LOCK_READ;
	struct timespec start, asked;
	bool told = false;

	clock_gettime(CLOCK_MONOTONIC, &start);
	asked = start;
	while (image_locked(image, mode)) {
		if (readonly && term_seconds_since(&start) > READER_PATIENCE)
			return;
		if (term_seconds_since(&asked) > 1) {
			if (!zqfs_holds(image))
				return;
			if (!told && term_is_fancy(stderr))
				fprintf(stderr, "zqfs: %s: writing what is left ...\n", image);
			told = true;
			clock_gettime(CLOCK_MONOTONIC, &asked);
		}
		usleep(POLL_MICROSECONDS);
	}
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Why the operand is not a mount of ours, in a sentence. */
static int explain(const struct mount_list *mounts, const char *operand, const char *dir)
{
	const struct mount_entry *e = mounts_at(mounts, dir);
	struct stat st;

	if (e)
		return cli_error("%s: mounted, but not by zqfs (type %s); use umount", operand,
				 e->type);
	if (stat(operand, &st))
		return cli_error("%s: %s", operand, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return cli_error("%s: not mounted anywhere by zqfs", operand);
	e = mounts_of_dev(mounts, st.st_dev);
	if (e && mount_is_zqfs(e))
		return cli_error("%s: a folder of the mount %s; unmount that", operand, e->dir);
	return cli_error("%s: nothing is mounted on it", operand);
}

static int umount_operand(const struct mount_list *mounts, const char *operand)
{
	char *dir CLEANUP_FREE = mounts_resolve(operand);
	const struct mount_entry *e;
	int ret;

	if (!dir)
		return cli_error("%s: %s", operand, strerror(errno));
	e = mounts_at(mounts, dir);
	/* As umount(8) does, take what is mounted for where it is mounted. */
	if (!e)
		e = mounts_of_image(mounts, operand);
	if (!e || !mount_is_zqfs(e))
		return explain(mounts, operand, dir);
	ret = take_away(e->dir);
	if (!ret && e->source[0] == '/')
		wait_until_unlocked(e->source, e->readonly);
	return ret;
}

static int run_umount(const struct cli_args *args)
{
	struct mount_list mounts;
	int ret = mounts_load(&mounts);

	ret = ret ? cli_error("cannot read the list of mounts: %s", strerror(-ret))
		  : umount_operand(&mounts, args->operands[0]);
	mounts_free(&mounts);
	return ret;
}

static const struct cli_option umount_options[] = {
	{ 0 },
};

static const char *const umount_operands[] = { "MOUNTPOINT", NULL };

const struct cli_command cmd_umount = {
	.name = "umount",
	.summary = "unmount, and wait until the image is complete and unlocked",
	.details = "Also clears a mount whose zqfs process is gone.",
	.operands = umount_operands,
	.min_operands = 1,
	.options = umount_options,
	.run = run_umount,
};
