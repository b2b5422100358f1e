/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which images are mounted where, from the kernel's list of mounts. A zqfs mount has the type
 * "fuse.zqfs" and, unless fsname= said otherwise, its image's absolute path as its source.
 */
#ifndef ZQ_CLI_MOUNTS_H
#define ZQ_CLI_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/types.h>

struct mount_entry {
	char *type, *source, *dir; /* owned by the list */
	dev_t dev;		   /* st_dev of what lies on it */
	bool readonly;
};

struct mount_list {
	struct mount_entry *e; /* in the order of mounting */
	size_t nr;
};

/* Reads the list; 0 or a negative errno. Free with mounts_free in every case. */
int mounts_load(struct mount_list *list);
/* The same of the mount namespace of a process. */
int mounts_load_of(struct mount_list *list, const char *pid);
void mounts_free(struct mount_list *list);

static inline bool mount_is_zqfs(const struct mount_entry *e)
{
	return !strcmp(e->type, "fuse.zqfs");
}

/*
 * The zqfs mount of the image at path (a writable one if there are several), or NULL. An image
 * that was renamed while mounted is found too, and one that lies where a mounted one lay is not
 * taken for it, where the mounts may be asked.
 */
const struct mount_entry *mounts_of_image(const struct mount_list *list, const char *path);
/* Does another process have the image open for writing? */
bool mounts_image_locked(const char *path);

/* The mount of any type on that directory, the topmost; dir is absolute. */
const struct mount_entry *mounts_at(const struct mount_list *list, const char *dir);
/* The same mount at a place where it still is, as far as can be told: a device number soon belongs
 * to another mount once its own is gone. */
const struct mount_entry *mounts_again(const struct mount_list *list, const struct mount_entry *e);
/* The mount with that device number. */
const struct mount_entry *mounts_of_dev(const struct mount_list *list, dev_t dev);

/*
 * The absolute path of what may be a mount point whose server is gone, so that nothing about
 * the directory itself can be asked. Allocated; NULL with errno set.
 */
char *mounts_resolve(const char *path);

#endif
