/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Does one operation on a path and prints its result: 0, a value, or the name of its errno,
 * which shell tools translate into sentences. See zpath_usage() for the operations.
 */
#include <fcntl.h>
#include <grp.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tool.h"

#define SAID (-2) /* the answer has been printed already */

static void zpath_usage(void)
{
	fputs("usage: zpath [-u UID[:GID]] OPERATION PATH [ARGUMENT...]\n"
	      "  create mkdir mkfifo mknod unlink rmdir tmpfile PATH; symlink|link|rename OLD NEW\n"
	      "  truncate PATH LEN; chmod PATH OCTAL; chown PATH UID GID; utime PATH SECONDS\n"
	      "  access PATH r|w|x; opendir PATH; open PATH r|w|rw; lstat PATH\n"
	      "  get PATH NAME [BUFFER]; set PATH NAME VALUE [create|replace]; remove PATH NAME\n"
	      "  list PATH [BUFFER] (the number of bytes); statfs PATH (fields, space separated)\n"
	      "  dirents PATH (inode, type and name of each entry, one a line)\n"
	      "  handle PATH FILE (writes its file handle); byhandle PATH FILE (opens what the\n"
	      "  handle names on the file system of PATH; its inode and size)\n",
	      stderr);
	exit(2);
}

/* Drops root for good; what follows is done as that user. */
static void become(const char *who)
{
	struct tool_op op = tool_split(who, 2);
	uid_t uid = (uid_t)tool_number(op.word[0]);
	gid_t gid = *op.word[1] ? (gid_t)tool_number(op.word[1]) : (gid_t)uid;

	if (setgroups(0, NULL) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid))
		tool_die("cannot become %s: %s", who, strerror(errno));
	free(op.text);
}

static int64_t get_xattr(const char *path, const char *name, const char *room)
{
	char value[4096] = "";
	size_t len = room ? (size_t)tool_number(room) : sizeof(value) - 1;
	ssize_t n = getxattr(path, name, len ? value : NULL, len);

	if (n > 0 && len)
		printf("%.*s\n", (int)n, value);
	return n < 0 || !len ? n : SAID;
}

static int64_t set_xattr(char **arg)
{
	int flags = 0;

	if (arg[3])
		flags = !strcmp(arg[3], "create") ? XATTR_CREATE : XATTR_REPLACE;
	return setxattr(arg[0], arg[1], arg[2], strlen(arg[2]), flags);
}

static int64_t list_xattr(const char *path, const char *room)
{
	char names[65536];
	size_t len = room ? (size_t)tool_number(room) : 0;

	if (len > sizeof(names))
		len = sizeof(names);
	return listxattr(path, len ? names : NULL, len);
}

static int64_t show_statfs(const char *path)
{
	struct statvfs st;

	if (statvfs(path, &st))
		return -1;
	printf("bsize=%lu blocks=%llu bfree=%llu bavail=%llu files=%llu ffree=%llu namelen=%lu\n",
	       st.f_frsize, (unsigned long long)st.f_blocks, (unsigned long long)st.f_bfree,
	       (unsigned long long)st.f_bavail, (unsigned long long)st.f_files,
	       (unsigned long long)st.f_ffree, st.f_namemax);
	return SAID;
}

static int64_t show_dirents(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		printf("%llu %s %s\n", (unsigned long long)e->d_ino,
		       e->d_type == DT_DIR   ? "d"
		       : e->d_type == DT_REG ? "f"
					     : "?",
		       e->d_name);
	closedir(d);
	return SAID;
}

/* A file handle, as NFS keeps it, with all that it has room for. */
union kept_handle {
	struct file_handle h;
	char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
};

static int64_t keep_handle(const char *path, const char *file)
{
	union kept_handle k = { .h.handle_bytes = MAX_HANDLE_SZ };
	int mount, fd;

	if (name_to_handle_at(AT_FDCWD, path, &k.h, &mount, 0))
		return -1;
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, &k, sizeof(k)) != (ssize_t)sizeof(k))
		tool_die("%s: %s", file, strerror(errno));
	return close(fd);
}

static int64_t open_handle(const char *mount, const char *file)
{
	union kept_handle k;
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC), at = open(mount, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || at < 0 || read(fd, &k, sizeof(k)) != (ssize_t)sizeof(k))
		tool_die("%s, %s: %s", mount, file, strerror(errno));
	close(fd);
	fd = open_by_handle_at(at, &k.h, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	if (fstat(fd, &st))
		return -1;
	printf("%llu %lld\n", (unsigned long long)st.st_ino, (long long)st.st_size);
	return SAID;
}

/* An open that may create; what it creates is closed again. */
static int64_t open_close(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int access_mode(const char *text)
{
	return *text == 'r' ? R_OK : *text == 'w' ? W_OK : X_OK;
}

static int open_mode(const char *text)
{
	if (!strcmp(text, "rw"))
		return O_RDWR;
	return *text == 'w' ? O_WRONLY : O_RDONLY;
}

static int64_t set_time(const char *path, const char *secs)
{
	struct timespec ts[2] = { { .tv_sec = tool_number(secs) },
				  { .tv_sec = tool_number(secs) } };

	return utimensat(AT_FDCWD, path, ts, 0);
}

static int64_t zpath_open_directory(const char *path)
{
	DIR *d = opendir(path);

	if (!d)
		return -1;
	return closedir(d);
}

/* arg[0] is the path; arguments that were not given are NULL. */
static int64_t zpath_operate(const char *name, char **arg)
{
	struct stat st;

	if (!strcmp(name, "create"))
		return open_close(arg[0], O_CREAT | O_EXCL | O_WRONLY);
	if (!strcmp(name, "tmpfile"))
		return open_close(arg[0], O_TMPFILE | O_RDWR);
	if (!strcmp(name, "mkdir"))
		return mkdir(arg[0], 0755);
	if (!strcmp(name, "mkfifo"))
		return mkfifo(arg[0], 0600);
	if (!strcmp(name, "mknod"))
		return mknod(arg[0], S_IFREG | 0600, 0);
	if (!strcmp(name, "unlink"))
		return unlink(arg[0]);
	if (!strcmp(name, "rmdir"))
		return rmdir(arg[0]);
	if (!strcmp(name, "lstat"))
		return lstat(arg[0], &st);
	if (!strcmp(name, "opendir"))
		return zpath_open_directory(arg[0]);
	if (!strcmp(name, "statfs"))
		return show_statfs(arg[0]);
	if (!strcmp(name, "dirents"))
		return show_dirents(arg[0]);
	if (!strcmp(name, "list"))
		return list_xattr(arg[0], arg[1]);
	if (!arg[1])
		zpath_usage();
	if (!strcmp(name, "handle"))
		return keep_handle(arg[0], arg[1]);
	if (!strcmp(name, "byhandle"))
		return open_handle(arg[0], arg[1]);
	if (!strcmp(name, "symlink"))
		return symlink(arg[0], arg[1]);
	if (!strcmp(name, "link"))
		return link(arg[0], arg[1]);
	if (!strcmp(name, "rename"))
		return rename(arg[0], arg[1]);
	if (!strcmp(name, "truncate"))
		return truncate(arg[0], tool_number(arg[1]));
	if (!strcmp(name, "chmod"))
		return chmod(arg[0], (mode_t)strtoul(arg[1], NULL, 8));
	if (!strcmp(name, "utime"))
		return set_time(arg[0], arg[1]);
	if (!strcmp(name, "access"))
		return access(arg[0], access_mode(arg[1]));
	if (!strcmp(name, "open"))
		return open_close(arg[0], open_mode(arg[1]));
	if (!strcmp(name, "get"))
		return get_xattr(arg[0], arg[1], arg[2]);
	if (!strcmp(name, "remove"))
		return removexattr(arg[0], arg[1]);
	if (!arg[2])
		zpath_usage();
	if (!strcmp(name, "set"))
		return set_xattr(arg);
	if (!strcmp(name, "chown"))
		return chown(arg[0], (uid_t)tool_number(arg[1]), (gid_t)tool_number(arg[2]));
	tool_die("unknown operation '%s'", name);
}

int main(int argc, char **argv)
{
	char *arg[5] = { NULL };
	int first = 1;
	int64_t ret;

	if (argc > 3 && !strcmp(argv[1], "-u")) {
		become(argv[2]);
		first = 3;
	}
	if (argc < first + 2 || argc > first + 5)
		zpath_usage();
	for (int i = first + 1; i < argc; i++)
		arg[i - first - 1] = argv[i];
	ret = zpath_operate(argv[first], arg);
	if (ret == -1)
		puts(tool_errno(errno));
	else if (ret >= 0)
		printf("%lld\n", (long long)ret);
	return 0;
}
