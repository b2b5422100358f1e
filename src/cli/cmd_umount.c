/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs umount": takes a mount away and waits until its process has written everything and
 * let go of the image. umount(8) and fusermount3 return before that. Also clears a mount
 * whose process is gone.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <zqfs/io.h>

#include "cli/command.h"
#include "cli/mounts.h"
#include "cli/term.h"
#include "util/cleanup.h"
#include "util/size.h"

#define POLL_MICROSECONDS 3000
#define MAX_HOLDERS	  16
/* A reader writes nothing: how long it is waited for at most, in seconds. */
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

/* The zqfs processes that have an image open, as descriptors that tell of their end. */
struct holders {
	struct pollfd fd[MAX_HOLDERS];
	nfds_t nr;
};

static void find_holders(struct holders *h, const char *image)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;

	h->nr = 0;
	while (d && h->nr < MAX_HOLDERS && (entry = readdir(d))) {
		uint64_t pid;
		int fd;

		if (number_parse(entry->d_name, INT_MAX, &pid) || (pid_t)pid == getpid() ||
		    !process_holds(entry->d_name, image))
			continue;
		fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
		if (fd >= 0)
			h->fd[h->nr++] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
	if (d)
		closedir(d);
}

static void let_go(struct holders *h)
{
	for (nfds_t i = 0; i < h->nr; i++)
		close(h->fd[i].fd);
	h->nr = 0;
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

/* Tells a person once why nothing seems to happen. */
struct patience {
	struct timespec start;
	const char *image;
	bool told;
};

static double waited(struct patience *p)
{
	double seconds = term_seconds_since(&p->start);

	if (seconds > 1 && !p->told) {
		if (term_is_fancy(stderr))
			cli_error("%s: writing what is left ...", p->image);
		p->told = true;
	}
	return seconds;
}

/*
 * Waits for the process that served the mount. There is more than one holder only where
 * all are readers, or readers that take no lock: the first to end is then the one.
 */
static void wait_for_process(struct holders *h, struct patience *p, bool readonly)
{
	while (h->nr && poll(h->fd, h->nr, 100) <= 0)
		if (waited(p) > READER_PATIENCE && readonly)
			return;
}

/*
 * A writer excludes readers until it has written everything; this is for a process that
 * cannot be seen. A reader holds nothing that has to be written.
 */
static void wait_for_lock(const char *image, struct patience *p)
{
	while (image_locked(image, ZQ_LOCK_READ)) {
		if (waited(p) > 1) {
			struct holders now;
			nfds_t left;

			/* Someone else may have taken the image since. */
			find_holders(&now, image);
			left = now.nr;
			let_go(&now);
			if (!left)
				return;
		}
		usleep(p->told ? 100 * 1000 : POLL_MICROSECONDS);
	}
}

/* ---- was it written? ------------------------------------------------------------------ */

/*
 * 0, or why the image could not be completed. Asked while it is mounted, as nobody tells of it
 * afterwards. 0 too where the mount cannot be asked: it is another user's, or its process is gone.
 */
static int last_commit(const char *dir)
{
	int fd CLEANUP_CLOSE = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	/* The first failure may be one from before, which is told once. */
	if (fd < 0 || !fsync(fd) || !fsync(fd))
		return 0;
	switch (errno) {
	case EIO:
	case ENOSPC:
	case EDQUOT:
	case ENOMEM:
	case EROFS:
		return -errno;
	default:
		return 0;
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
	struct holders holders;
	int ret, written;

	if (!dir)
		return cli_error("%s: %s", operand, strerror(errno));
	e = mounts_at(mounts, dir);
	/* As umount(8) does, take what is mounted for where it is mounted. */
	if (!e)
		e = mounts_of_image(mounts, operand);
	if (!e || !mount_is_zqfs(e))
		return explain(mounts, operand, dir);
	/* Found while it is still mounted: afterwards it may be about to end. */
	find_holders(&holders, e->source);
	written = last_commit(e->dir);
	ret = take_away(e->dir);
	if (!ret && e->source[0] == '/') {
		struct patience p = { .image = e->source };

		clock_gettime(CLOCK_MONOTONIC, &p.start);
		wait_for_process(&holders, &p, e->readonly);
		if (!e->readonly)
			wait_for_lock(e->source, &p);
	}
	let_go(&holders);
	if (!ret && written)
		ret = cli_error("%s: not complete: its last commit failed: %s; see what is lost "
				"with: zqfs check %s",
				e->source, strerror(-written), e->source);
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
