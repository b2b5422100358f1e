/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A child for each mount asks it, since nobody who waits for a mount can stop waiting but by being
 * killed, and not even so once the mount's process has taken the request. The children that still
 * wait at the end are killed and left behind: they have nothing open that others could wait for.
 */
#include "cli/ask.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/clock.h"
#include "util/file_id.h"

#define PATIENCE_MS 5000
#define BURIAL_MS   100 /* what a killed child may take to end */

bool mount_ask(const struct mount_entry *e, const char *name, char *buf, size_t size)
{
	ssize_t n = getxattr(e->dir, name, buf, size - 1);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

struct asker {
	const struct mount_entry *mount;
	pid_t pid;
};

/* The child's exit status is the answer; *fd becomes readable when it has ended. */
static bool start(struct asker *a, const struct mount_entry *e, const char *id, int *fd)
{
	char shown[FILE_ID_MAX];
	int ends[2];

	if (pipe(ends))
		return false;
	*a = (struct asker){ e, fork() };
	if (!a->pid) {
		close_range(0, (unsigned int)ends[1] - 1, 0);
		close_range((unsigned int)ends[1] + 1, ~0U, 0);
		_exit(mount_ask(e, "user.zone.image", shown, sizeof(shown)) && !strcmp(shown, id)
			      ? EXIT_SUCCESS
			      : EXIT_FAILURE);
	}
	close(ends[1]);
	*fd = ends[0];
	if (a->pid < 0)
		close(*fd);
	return a->pid > 0;
}

static bool says_yes(const struct asker *a)
{
	int status;

	return waitpid(a->pid, &status, 0) == a->pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == EXIT_SUCCESS;
}

/* The first that says yes, out of nr askers. */
static const struct mount_entry *listen(struct asker *asker, struct pollfd *fd, nfds_t nr)
{
	int64_t end = clock_ns(CLOCK_MONOTONIC) + PATIENCE_MS * (NSEC_PER_SEC / 1000);
	const struct mount_entry *found = NULL;
	nfds_t waiting = nr;

	while (waiting && !found && clock_ns(CLOCK_MONOTONIC) < end) {
		poll(fd, nr, 100);
		for (nfds_t i = 0; i < nr && !found; i++) {
			if (fd[i].fd < 0 || !fd[i].revents)
				continue;
			if (says_yes(&asker[i]))
				found = asker[i].mount;
			asker[i].pid = 0;
			close(fd[i].fd);
			fd[i].fd = -1;
			waiting--;
		}
	}
	return found;
}

static void stop_waiting(const struct asker *asker, struct pollfd *fd, nfds_t nr)
{
	for (nfds_t i = 0; i < nr; i++)
		if (asker[i].pid)
			kill(asker[i].pid, SIGKILL);
	for (nfds_t i = 0; i < nr; i++)
		if (asker[i].pid) {
			poll(&fd[i], 1, BURIAL_MS);
			waitpid(asker[i].pid, NULL, WNOHANG);
			close(fd[i].fd);
		}
}

const struct mount_entry *ask_for_image(const struct mount_list *list, const char *id)
{
	struct asker *asker CLEANUP_FREE = calloc(list->nr, sizeof(*asker));
	struct pollfd *fd CLEANUP_FREE = calloc(list->nr, sizeof(*fd));
	const struct mount_entry *found;
	nfds_t nr = 0;

	for (size_t i = 0; asker && fd && i < list->nr; i++) {
		fd[nr].events = POLLIN;
		if (mount_is_zqfs(&list->e[i]) && start(&asker[nr], &list->e[i], id, &fd[nr].fd))
			nr++;
	}
	found = listen(asker, fd, nr);
	stop_waiting(asker, fd, nr);
	return found;
}
