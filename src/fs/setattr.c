/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * truncate, chmod, chown and utimes. O_TRUNC arrives here as well. SEMANTICS has the rules.
 */
#include "fs/priv.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs/refresh.h"
#include "util/errors.h"
#include "util/math.h"

/*
 * Truncating to the size that the file has does nothing at all, whatever that is: after a
 * failed asynchronous write the kernel itself truncates to what it believes is the size. The same
 * for the end of the descriptor's own stream, which is the size that its owner knows.
 */
static bool is_size(struct fs *fs, const struct zq_zone_info *info, const struct handle *h,
		    uint64_t size)
{
	uint64_t end;

	return size == info->written ||
	       (h && zq_writer_end(fs->dev, info->number, &h->writer, &end) && size == end);
}

int fs_finish(struct fs *fs, uint32_t zone)
{
	int ret = zq_zone_finish(fs->dev, zone);

	if (ret != -EBUSY)
		return ret;
	/* one that was closed just now may still have the slot */
	fs_await_closes(fs);
	return zq_zone_finish(fs->dev, zone);
}

int fs_reset(struct fs *fs, uint32_t zone)
{
	int ret = zq_zone_reset(fs->dev, zone);

	if (!ret)
		openers_reopen(&fs->openers, zone);
	return ret;
}

/* Through a descriptor the right to write was given when it was opened. */
static int truncate_zone_file(struct fs *fs, fuse_req_t req, uint64_t node, uint64_t size,
			      const struct fuse_file_info *fi)
{
	struct zq_zone_info info;
	struct stat st;
	int ret = fs_file_info(fs, node, &info);

	if (ret)
		return ret;
	fs_file_stat(fs, node, &info, &st);
	ret = fi ? fs_zone_takes(&info, W_OK) : fs_may(fs, req, &info, &st, W_OK);
	if (ret)
		return ret;
	if (is_size(fs, &info, handle_of(fi), size))
		return 0;
	if (info.conventional || (size && size != info.capacity))
		return -EPERM;
	return size ? fs_finish(fs, info.number) : fs_reset(fs, info.number);
}

/*
 * Is the caller in the group? The kernel's list of its groups stands in /proc, which cannot be
 * read under seccomp. A caller that comes here then is the user who has mounted the image, since
 * others are let in with default_permissions only: our groups are that user's.
 */
static bool in_group(fuse_req_t req, gid_t gid)
{
	gid_t list[256];
	int max = (int)ARRAY_SIZE(list), n;

	if (fuse_req_ctx(req)->gid == gid)
		return true;
	n = fuse_req_getgroups(req, max, list);
	if (n < 0 && fuse_req_ctx(req)->uid == geteuid())
		n = getgroups(max, list);
	for (int i = 0; i < n && i < max; i++)
		if (list[i] == gid)
			return true;
	return false;
}

/* The rules of chmod(2), chown(2) and utimensat(2) where the kernel does not apply them. */
static int may_change(struct fs *fs, fuse_req_t req, const struct stat *st, const struct stat *attr,
		      int to_set)
{
	if (fs->cfg.default_permissions || fuse_req_ctx(req)->uid == 0)
		return 0;
	if (!fs_is_owner(fs, req, st))
		return -EPERM;
	if ((to_set & FUSE_SET_ATTR_UID) && attr->st_uid != st->st_uid)
		return -EPERM;
	if ((to_set & FUSE_SET_ATTR_GID) && attr->st_gid != st->st_gid &&
	    !in_group(req, attr->st_gid))
		return -EPERM;
	return 0;
}

/* The zone's own attributes, without what was set by these calls before. */
static int original(struct fs *fs, uint64_t node, struct stat *st)
{
	struct zq_zone_info info;
	int ret;

	*st = (struct stat){ .st_mtim = fs->mounted };
	if (!tree_is_file(node))
		return 0;
	ret = fs_file_info(fs, node, &info);
	if (ret)
		return ret;
	st->st_mtim = (struct timespec){ .tv_sec = info.mtime_sec, .tv_nsec = info.mtime_nsec };
	/* As zonefs, where such a file is immutable. */
	return info.state == ZQ_OFFLINE || info.state == ZQ_READ_ONLY ? -EPERM : 0;
}

static int set_rest(struct fs *fs, fuse_req_t req, uint64_t node, const struct stat *attr,
		    int to_set)
{
	struct stat to = *attr, now, as_is;
	unsigned what = 0;
	int ret = fs_stat(fs, node, &now);

	if (!ret)
		ret = original(fs, node, &as_is);
	if (!ret)
		ret = may_change(fs, req, &now, attr, to_set);
	if (ret)
		return ret;
	/* The tree is fixed, so nobody may be told that a folder can be written to. */
	if ((to_set & FUSE_SET_ATTR_MODE) && !tree_is_file(node) && (attr->st_mode & 0222))
		return -EPERM;
	/* As chmod(2): nobody lends out a group that is not his own. */
	if ((to.st_mode & S_ISGID) && fuse_req_ctx(req)->uid != 0 && !in_group(req, now.st_gid))
		to.st_mode &= ~(mode_t)S_ISGID;
	if (to_set & FUSE_SET_ATTR_MODE)
		what |= CHANGE_MODE;
	if (to_set & FUSE_SET_ATTR_UID)
		what |= CHANGE_UID;
	if (to_set & FUSE_SET_ATTR_GID)
		what |= CHANGE_GID;
	if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW))
		what |= CHANGE_ATIME;
	if (to_set & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW))
		what |= CHANGE_MTIME;
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		clock_gettime(CLOCK_REALTIME, &to.st_atim);
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		clock_gettime(CLOCK_REALTIME, &to.st_mtim);
	return what ? changes_set(&fs->changes, node, what, &to, &as_is) : 0;
}

/* Newer versions add what the kernel has in mind with a request; nothing to set. */
#define TO_SET                                                                                     \
	(FUSE_SET_ATTR_MODE | FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID | FUSE_SET_ATTR_SIZE |         \
	 FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_ATIME_NOW |                     \
	 FUSE_SET_ATTR_MTIME_NOW | FUSE_SET_ATTR_CTIME)

/* A new owner, and a truncation by anyone but root, take setuid and setgid away. */
static bool strips(fuse_req_t req, int to_set)
{
	if (to_set & FUSE_SET_ATTR_MODE)
		return false;
	return to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID) ||
	       (to_set & FUSE_SET_ATTR_SIZE && fuse_req_ctx(req)->uid != 0);
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct stat st;
	bool half_done;
	int ret = 0;

	to_set &= TO_SET;
	/* What became read-only after a failed write is no read-only mount to the kernel. */
	if (zq_device_readonly(fs->dev))
		ret = -EROFS;
	else if ((to_set & FUSE_SET_ATTR_SIZE) && !tree_is_file(ino))
		ret = -EISDIR;
	else if (to_set & FUSE_SET_ATTR_SIZE)
		ret = truncate_zone_file(fs, req, ino, (uint64_t)attr->st_size, fi);
	if (!ret && (to_set & ~FUSE_SET_ATTR_SIZE))
		ret = set_rest(fs, req, ino, attr, to_set);
	if (!ret && tree_is_file(ino) && strips(req, to_set))
		changes_strip_mode(&fs->changes, ino);
	if (!ret)
		ret = fs_stat(fs, ino, &st);
	/* A reset or finish that fails may be half done: the pointer has gone back already. The
	 * kernel would go on with the size and the pages that it has. */
	half_done = (to_set & FUSE_SET_ATTR_SIZE) && ret && !error_is_refusal(ret);
	if (half_done)
		refresh_attributes(fs, ino);
	if (ret)
		fuse_reply_err(req, -ret);
	else
		fuse_reply_attr(req, &st, fs->timeout);
	/* While the truncation is under way the kernel takes no other size, and writes no page. */
	if (half_done)
		refresh_file_soon(fs, ino);
}
