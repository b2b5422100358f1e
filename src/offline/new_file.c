/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files that appear whole or not at all. Takes the image lock of a file that is about to be
 * replaced, so that one that is in use stays; never writes to the old file.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "io/io.h"
#include "util/cleanup.h"
#include "offline/new_file.h"

#define TRIES	      16
#define PROC_PATH_MAX 32

/* The folder part of a path, with its slash; "./" when there is none. The caller frees it. */
static char *folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
}

static void proc_path(int fd, char *buf)
{
	snprintf(buf, PROC_PATH_MAX, "/proc/self/fd/%d", fd);
}

/* A name in the folder of path that nobody uses. */
static char *temporary_name(const char *path)
{
	char *dir CLEANUP_FREE = folder_of(path);
	char *name = NULL;
	uint64_t random = 0;

	/* Without randomness the name may be taken; then the next try fails, and so do we. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint64_t)getpid();
	if (!dir || asprintf(&name, "%s.zqfs-%016" PRIx64, dir, random) < 0)
		return NULL;
	return name;
}

/* -EOPNOTSUPP and the like where the host cannot make files without a name. */
static int begin_nameless(struct new_file *f, struct zq_error *err)
{
	char *dir CLEANUP_FREE = folder_of(f->path);
	char proc[PROC_PATH_MAX];
	int fd, ret;

	if (!dir)
		return zq_fail(err, -ENOMEM, "out of memory");
	fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
	if (fd < 0)
		return -errno;
	proc_path(fd, proc);
	ret = zq_io_open(proc, true, &f->io, err);
	if (ret)
		close(fd);
	else
		f->fd = fd;
	return ret;
}

static int begin_named(struct new_file *f, struct zq_error *err)
{
	int ret = -EEXIST;

	for (int i = 0; i < TRIES && ret == -EEXIST; i++) {
		free(f->tmp);
		f->tmp = temporary_name(f->path);
		if (!f->tmp)
			return zq_fail(err, -ENOMEM, "out of memory");
		ret = zq_io_create(f->tmp, &f->io, err);
	}
	if (ret) { /* it is not ours to remove */
		free(f->tmp);
		f->tmp = NULL;
	}
	return ret;
}

/* The file that would be replaced: may it be, and is nobody using it? */
static int take_old(struct new_file *f, bool force, const char *what, struct zq_error *err)
{
	int ret;

	if (!S_ISREG(f->old_st.st_mode)) /* force does not help, so it is not what to say */
		return zq_fail(err, -EINVAL, "%s: %s is not a regular file and is not replaced",
			       f->path, what);
	if (!force)
		return zq_fail(err, -EEXIST, "%s: %s exists already", f->path, what);
	ret = zq_io_open(f->path, true, &f->old, err);
	if (ret)
		return ret;
	return io_claim(f->old, ZQ_LOCK_WRITE, what, err);
}

static int begin(struct new_file *f, const char *path, bool force, const char *what,
		 struct zq_error *err)
{
	int ret;

	if (stat(path, &f->old_st) == 0) {
		/* The file that a link points to is replaced, not the link. */
		f->path = force ? realpath(path, NULL) : strdup(path);
		if (!f->path)
			return zq_fail(err, -errno, "%s: %s", path, strerror(errno));
		ret = take_old(f, force, what, err);
		if (ret)
			return ret;
	} else {
		struct stat link;

		if (errno != ENOENT)
			return zq_fail(err, -errno, "%s: %s", path, strerror(errno));
		if (lstat(path, &link) == 0)
			return zq_fail(err, -EEXIST,
				       "%s: is a symbolic link to what does not exist", path);
		f->path = strdup(path);
		if (!f->path)
			return zq_fail(err, -ENOMEM, "%s: out of memory", path);
	}
	ret = begin_nameless(f, err);
	if (ret)
		ret = begin_named(f, err);
	if (ret)
		return zq_fail(err, ret, "%s: cannot be created: %s", path, strerror(-ret));
	return 0;
}

int new_file_begin(struct new_file *f, const char *path, bool force, const char *what,
		   struct zq_error *err)
{
	int ret;

	*f = (struct new_file){ .fd = -1 };
	ret = begin(f, path, force, what, err);
	if (ret)
		new_file_end(f);
	return ret;
}

/* Owner and mode of the file that is replaced. What is not allowed to us stays ours. */
static void take_over_owner(const struct new_file *f)
{
	const char *tmp = f->tmp;

	if (chown(tmp, f->old_st.st_uid, f->old_st.st_gid) < 0 &&
	    (f->old_st.st_uid != geteuid() || f->old_st.st_gid != getegid()))
		return;
	(void)!chmod(tmp, f->old_st.st_mode & 07777);
}

/* Gives a nameless file the name "to", which must not be in use. */
static int link_fd(const struct new_file *f, const char *to)
{
	char proc[PROC_PATH_MAX];

	proc_path(f->fd, proc);
	return linkat(AT_FDCWD, proc, AT_FDCWD, to, AT_SYMLINK_FOLLOW) < 0 ? -errno : 0;
}

static int publish_over_old(struct new_file *f)
{
	int ret = 0;

	if (!f->tmp) {
		f->tmp = temporary_name(f->path);
		ret = f->tmp ? link_fd(f, f->tmp) : -ENOMEM;
		if (ret) {
			free(f->tmp);
			f->tmp = NULL;
			return ret;
		}
	}
	take_over_owner(f);
	/* the old file keeps a name until the end, for new_file_retract */
	if (renameat2(AT_FDCWD, f->tmp, AT_FDCWD, f->path, RENAME_EXCHANGE) == 0) {
		f->exchanged = true;
		return 0;
	}
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	return rename(f->tmp, f->path) < 0 ? -errno : 0;
}

/* Fails when meanwhile somebody else has made a file of that name. */
static int publish_new(struct new_file *f)
{
	if (!f->tmp)
		return link_fd(f, f->path);
	if (renameat2(AT_FDCWD, f->tmp, AT_FDCWD, f->path, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -errno;
	if (link(f->tmp, f->path) < 0)
		return -errno;
	unlink(f->tmp);
	return 0;
}

void new_file_sync_folder(const char *path)
{
	char *dir CLEANUP_FREE = folder_of(path);
	int fd CLEANUP_CLOSE = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0)
		(void)fsync(fd);
}

int new_file_publish(struct new_file *f, struct zq_error *err)
{
	int ret = f->old ? publish_over_old(f) : publish_new(f);

	if (ret)
		return zq_fail(err, ret, "cannot be created: %s", strerror(-ret));
	f->published = true;
	new_file_sync_folder(f->path);
	return 0;
}

void new_file_retract(struct new_file *f)
{
	if (f->exchanged)
		f->published = renameat2(AT_FDCWD, f->tmp, AT_FDCWD, f->path, RENAME_EXCHANGE) != 0;
	else if (f->published && !f->old)
		f->published = unlink(f->path) != 0;
	new_file_sync_folder(f->path);
}

void new_file_end(struct new_file *f)
{
	if (f->tmp && (!f->published || f->exchanged))
		unlink(f->tmp);
	if (f->io)
		f->io->ops->close(f->io);
	if (f->old)
		f->old->ops->close(f->old);
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f->tmp);
	*f = (struct new_file){ .fd = -1 };
}
