/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs umount": takes a mount away and waits until its process has written everything and
 * let go of the image. umount(8) and fusermount3 return before that. Also clears a mount
 * whose process is gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/ask.h"
#include "cli/mounts.h"
#include "cli/servers.h"
#include "cli/take_away.h"
#include "cli/term.h"
#include "util/cleanup.h"
#include "util/errors.h"

enum { OPT_POWER_CUT = CLI_LONG_ONLY };

/* A reader writes nothing: how long it is waited for at most, in seconds. */
#define READER_PATIENCE 2.0
/* A process that cannot be seen may have ended, and another one have its image. */
#define UNSEEN_PATIENCE	  10.0
#define POLL_MICROSECONDS 3000
/* When to look for the mount in other namespaces, in seconds: most sandboxes end sooner. */
#define ELSEWHERE_AFTER 10.0

/* ---- waiting ------------------------------------------------------------------------------- */

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
 * Waits for the process that served the mount. Where it is not sure which one that is, all
 * are readers, or readers that take no lock: the first to end is then the one. False:
 * it goes on, since another mount namespace has the mount too, which elsewhere tells.
 */
static bool wait_for_server(struct servers *s, struct patience *p, const struct mount_entry *e,
			    char *elsewhere, size_t size)
{
	nfds_t first = 0;

	while (first < s->nr) {
		int ended = poll(s->fd + first, s->sure ? 1 : s->nr, 100);

		if (ended > 0 && !s->sure)
			break;
		if (ended > 0)
			first++;
		else if (waited(p) > READER_PATIENCE && e->readonly && !s->sure)
			break;
		else if (waited(p) > ELSEWHERE_AFTER &&
			 servers_mounted_elsewhere(e, elsewhere, size))
			return false;
	}
	return true;
}

/* For a process that cannot be seen: a writer excludes readers until it has written everything. */
static void wait_for_lock(const char *image, struct patience *p)
{
	while (mounts_image_locked(image) && waited(p) < UNSEEN_PATIENCE)
		usleep(POLL_MICROSECONDS);
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

/* Another place where the mount can be seen, as a bind mount, when it is not at e->dir any more;
 * allocated, NULL: there is none. */
static char *still_mounted(const struct mount_entry *e)
{
	const struct mount_entry *other;
	struct mount_list now;
	char *dir = NULL;

	if (!mounts_load(&now)) {
		other = mounts_again(&now, e);
		if (other)
			dir = strdup(other->dir);
	}
	mounts_free(&now);
	return dir;
}

/* Its end, once it has been taken away from e->dir. stale: its process was gone before. */
static int wait_for_end(const struct mount_entry *e, struct servers *s, bool stale)
{
	char *other CLEANUP_FREE = still_mounted(e);
	struct patience p = { .image = e->source };
	char elsewhere[80];

	if (other)
		return cli_error("%s: unmounted, but the same mount is also at %s, and its process "
				 "goes on until that goes too: zqfs umount %s",
				 e->dir, other, other);
	clock_gettime(CLOCK_MONOTONIC, &p.start);
	if (!s->nr && !stale && !e->readonly)
		wait_for_lock(e->source, &p);
	if (wait_for_server(s, &p, e, elsewhere, sizeof(elsewhere)))
		return CLI_DONE;
	return cli_error("%s: unmounted here, but not in the mount namespace of process %s; zqfs "
			 "goes on until it is unmounted there",
			 e->dir, elsewhere);
}

static int umount_entry(const struct mount_entry *e)
{
	struct servers servers;
	struct stat st;
	bool stale = stat(e->dir, &st) && error_is_stale(-errno);
	int ret, written;

	/* Found while it is still mounted: afterwards it may be about to end. */
	servers_find(&servers, e);
	written = last_commit(e->dir);
	ret = take_away(e->dir);
	if (!ret)
		ret = wait_for_end(e, &servers, stale);
	servers_close(&servers);
	if (!ret && written)
		ret = cli_error("%s: not complete: its last commit failed: %s; see what is lost "
				"with: zqfs check %s",
				e->source, strerror(-written), e->source);
	return ret;
}

/* ---- with the power cut ---------------------------------------------------------------------- */

/* The processes are killed, and what the mount still shows is taken away. */
static int kill_servers(const struct mount_entry *e, const struct servers *s)
{
	for (nfds_t i = 0; i < s->nr; i++)
		if (syscall(SYS_pidfd_send_signal, s->fd[i].fd, SIGKILL, NULL, 0) < 0 &&
		    errno != ESRCH)
			return cli_error("%s: cannot kill its process: %s", e->dir,
					 strerror(errno));
	for (nfds_t i = 0; i < s->nr; i++) {
		struct pollfd fd = s->fd[i];

		if (poll(&fd, 1, (int)(UNSEEN_PATIENCE * 1000)) <= 0)
			return cli_error("%s: its process is killed, but its disk does not answer",
					 e->dir);
	}
	return take_away_dead(e->dir);
}

static int cut_power(const struct mount_entry *e)
{
	struct servers servers;
	char is[8];
	int ret;

	if (!mount_ask(e, "user.zone.powercut", is, sizeof(is)))
		return cli_error("%s: mounted without -o powercut, which --power-cut is for",
				 e->dir);
	servers_find(&servers, e);
	if (servers.nr && servers.sure)
		ret = kill_servers(e, &servers);
	else
		ret = cli_error("%s: cannot find its process", e->dir);
	servers_close(&servers);
	return ret;
}

/* ---- operands ----------------------------------------------------------------------------------
 */

static int umount_operand(const struct mount_list *mounts, const char *operand, bool cut)
{
	char *dir CLEANUP_FREE = mounts_resolve(operand);
	const struct mount_entry *e;

	if (!dir)
		return cli_error("%s: %s", operand, strerror(errno));
	e = mounts_at(mounts, dir);
	/* As umount(8) does, take what is mounted for where it is mounted. */
	if (!e)
		e = mounts_of_image(mounts, operand);
	if (!e || !mount_is_zqfs(e))
		return explain(mounts, operand, dir);
	return cut ? cut_power(e) : umount_entry(e);
}

static int run_umount(const struct cli_args *args)
{
	struct mount_list mounts;
	int ret = mounts_load(&mounts);

	ret = ret ? cli_error("cannot read the list of mounts: %s", strerror(-ret))
		  : umount_operand(&mounts, args->operands[0], cli_given(args, OPT_POWER_CUT));
	mounts_free(&mounts);
	return ret;
}

static const struct cli_option umount_options[] = {
	{ OPT_POWER_CUT, "power-cut", NULL, NULL,
	  "kill the process of a mount with -o powercut, also while files in it are open" },
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
