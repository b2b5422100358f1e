/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks for processes in /proc. Newer kernels say there whose connection a descriptor of
 * /dev/fuse belongs to; elsewhere the mount itself is asked. A user cannot see other users'
 * processes, and not even root may ask another user's mount: then what is left is to look for
 * those that have the image open.
 */
#include "cli/servers.h"

#include "cli/ask.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/file_id.h"
#include "util/size.h"

#define PROC_PATH_MAX 80

/* ---- looking at processes -------------------------------------------------------------------- */

/* The name of a process, "" when there is none. */
static void process_name(const char *pid, char *name, int size)
{
	char path[PROC_PATH_MAX];
	FILE *f;

	name[0] = '\0';
	snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
	f = fopen(path, "re");
	if (!f)
		return;
	if (!fgets(name, size, f))
		name[0] = '\0';
	fclose(f);
	name[strcspn(name, "\n")] = '\0';
}

static bool process_is_zqfs(const char *pid)
{
	char name[32];

	process_name(pid, name, sizeof(name));
	return !strcmp(name, "zqfs") || !strncmp(name, "mount.", strlen("mount."));
}

/* Does what is said of an open descriptor hold? */
typedef bool descriptor_test(const char *pid, const char *fd, void *data);

static bool any_descriptor(const char *pid, descriptor_test *test, void *data)
{
	char path[PROC_PATH_MAX];
	struct dirent *entry;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	d = opendir(path);
	while (d && !found && (entry = readdir(d)))
		found = entry->d_name[0] != '.' && test(pid, entry->d_name, data);
	if (d)
		closedir(d);
	return found;
}

/* The path that a descriptor leads to, as the kernel shows it; buf holds PATH_MAX bytes. */
static char *descriptor_target(const char *pid, const char *fd, char *buf)
{
	char path[PROC_PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, fd);
	n = readlink(path, buf, PATH_MAX - 1);
	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

/* data: the connection's number, which is the minor number of the mount's device. */
static bool is_connection(const char *pid, const char *fd, void *data)
{
	unsigned long connection = *(const unsigned *)data, found;
	char path[PROC_PATH_MAX], line[128];
	bool is = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%.20s/fdinfo/%.20s", pid, fd);
	f = fopen(path, "re");
	while (f && !is && fgets(line, sizeof(line), f))
		is = sscanf(line, "fuse_connection: %lu", &found) == 1 && found == connection;
	if (f)
		fclose(f);
	return is;
}

/* data: a path as the kernel shows it. */
static bool is_path(const char *pid, const char *fd, void *data)
{
	char target[PATH_MAX];

	return !strcmp(descriptor_target(pid, fd, target), data);
}

/* ---- finding the server ---------------------------------------------------------------------- */

static void add_server(struct servers *s, const char *pid)
{
	uint64_t number;
	int fd;

	if (s->nr == SERVERS_MAX || number_parse(pid, INT_MAX, &number) ||
	    (pid_t)number == getpid())
		return;
	fd = (int)syscall(SYS_pidfd_open, (pid_t)number, 0);
	if (fd >= 0)
		s->fd[s->nr++] = (struct pollfd){ .fd = fd, .events = POLLIN };
}

static void add_all(struct servers *s, descriptor_test *test, void *data)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
		    process_is_zqfs(entry->d_name) && any_descriptor(entry->d_name, test, data))
			add_server(s, entry->d_name);
	if (d)
		closedir(d);
}

void servers_find(struct servers *s, const struct mount_entry *e)
{
	unsigned connection = minor(e->dev);
	char pid[24];

	*s = (struct servers){ .sure = true };
	add_all(s, is_connection, &connection);
	/* The number is worth nothing where the process lives in another pid namespace. */
	if (!s->nr && mount_ask(e, "user.zone.pid", pid, sizeof(pid)) && process_is_zqfs(pid))
		add_server(s, pid);
	if (s->nr)
		return;
	s->sure = false;
	add_all(s, is_path, e->source);
}

void servers_close(struct servers *s)
{
	for (nfds_t i = 0; i < s->nr; i++)
		close(s->fd[i].fd);
	s->nr = 0;
}

/* ---- the image ------------------------------------------------------------------------------- */

struct image_search {
	const char *id; /* of the image */
	char *path;	/* allocated once it is found */
};

/* data: a struct image_search. Passes by an image that was deleted or cannot be seen from here. */
static bool is_image(const char *pid, const char *fd, void *data)
{
	char target[PATH_MAX], id[FILE_ID_MAX];
	struct image_search *search = data;
	struct stat st;

	if (stat(descriptor_target(pid, fd, target), &st) || strcmp(file_id(&st, id), search->id))
		return false;
	search->path = strdup(target);
	return true;
}

char *servers_image(const struct mount_entry *e)
{
	char id[FILE_ID_MAX], at_source[FILE_ID_MAX];
	struct image_search search = { .id = id };
	struct dirent *entry;
	struct stat st;
	DIR *d;

	if (!mount_ask(e, "user.zone.image", id, sizeof(id)) ||
	    (!stat(e->source, &st) && !strcmp(file_id(&st, at_source), id)))
		return e->source[0] == '/' ? strdup(e->source) : NULL;
	d = opendir("/proc");
	while (d && !search.path && (entry = readdir(d)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
		    process_is_zqfs(entry->d_name))
			any_descriptor(entry->d_name, is_image, &search);
	if (d)
		closedir(d);
	return search.path;
}

/* ---- other namespaces ------------------------------------------------------------------------ */

static bool has_mount(const char *pid, const struct mount_entry *e)
{
	struct mount_list list;
	bool found = !mounts_load_of(&list, pid) && mounts_again(&list, e);

	mounts_free(&list);
	return found;
}

bool servers_mounted_elsewhere(const struct mount_entry *e, char *buf, size_t size)
{
	DIR *d = opendir("/proc");
	struct dirent *entry;
	bool found = false;
	char name[32];

	while (d && !found && (entry = readdir(d))) {
		found = entry->d_name[0] >= '0' && entry->d_name[0] <= '9' &&
			has_mount(entry->d_name, e);
		if (!found)
			continue;
		process_name(entry->d_name, name, sizeof(name));
		snprintf(buf, size, "%.20s (%s)", entry->d_name, name);
	}
	if (d)
		closedir(d);
	return found;
}
