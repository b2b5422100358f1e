/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a mount away, as root or through fusermount3.
 */
#include "cli/take_away.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/command.h"

#define BUSY_TRIES	  20
#define BUSY_MICROSECONDS 10000

extern char **environ;

/* Runs fusermount3 -u or -uz; its words, without the newline, go to said. 0 when it succeeded. */
static int fusermount(const char *flags, const char *dir, char *said, size_t size)
{
	const char *argv[] = { "fusermount3", flags, "--", dir, NULL };
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

/* 0, -EBUSY or another negative errno, with the words of fusermount3 if it was run. */
static int take_away_once(const char *dir, char *said, size_t size)
{
	int ret;

	said[0] = '\0';
	if (!geteuid() && !umount2(dir, UMOUNT_NOFOLLOW))
		return 0;
	if (!geteuid() && errno == EBUSY)
		return -EBUSY;
	ret = fusermount("-u", dir, said, size);
	/* The tool's words are its only way to say what went wrong. */
	return ret == -EBUSY && !strstr(said, "busy") ? -EIO : ret;
}

int take_away(const char *dir)
{
	char said[256];
	int ret = take_away_once(dir, said, sizeof(said));

	/* Somebody may just be looking, as "zqfs trace" does again and again. */
	for (int i = 0; i < BUSY_TRIES && ret == -EBUSY; i++) {
		usleep(BUSY_MICROSECONDS);
		ret = take_away_once(dir, said, sizeof(said));
	}
	if (!ret)
		return CLI_DONE;
	if (ret == -EBUSY)
		return say_busy(dir);
	if (ret == -ENOENT)
		return cli_error("%s: cannot unmount: fusermount3 is not installed (package fuse3)",
				 dir);
	return cli_error("%s: cannot unmount: %s", dir, *said ? said : strerror(-ret));
}

int take_away_dead(const char *dir)
{
	char said[256];

	/* Where auto_unmount is faster, nothing is left to do. */
	if (!geteuid() && (!umount2(dir, UMOUNT_NOFOLLOW | MNT_DETACH) || errno == EINVAL))
		return CLI_DONE;
	if (!fusermount("-uz", dir, said, sizeof(said)) || strstr(said, "not found"))
		return CLI_DONE;
	return cli_error("%s: cannot unmount: %s", dir, said);
}
