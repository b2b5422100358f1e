/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that would change the tree. The tree cannot change, so these functions only choose
 * the errno that the kernel's zonefs gives: ENOENT for a name that is not there, since its lookup
 * fails first, EPERM for what is there. SEMANTICS section 2.
 */
#include "fs/priv.h"

#include <errno.h>
#include <string.h>

static int refuse_new(fuse_req_t req, uint64_t parent, const char *name)
{
	if (strnlen(name, TREE_NAME_MAX + 1) > TREE_NAME_MAX)
		return fuse_reply_err(req, ENAMETOOLONG);
	if (tree_lookup(&fs_of(req)->tree, parent, name) != TREE_NONE)
		return fuse_reply_err(req, EEXIST);
	return fuse_reply_err(req, ENOENT);
}

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev)
{
	(void)mode;
	(void)rdev;
	refuse_new(req, parent, name);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	(void)mode;
	refuse_new(req, parent, name);
}

void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name)
{
	(void)link;
	refuse_new(req, parent, name);
}

void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name)
{
	(void)ino;
	refuse_new(req, parent, name);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi)
{
	(void)mode;
	(void)fi;
	refuse_new(req, parent, name);
}

/* Also rmdir. */
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	bool there = tree_lookup(&fs_of(req)->tree, parent, name) != TREE_NONE;

	fuse_reply_err(req, there ? EPERM : ENOENT);
}

void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned flags)
{
	(void)parent;
	(void)name;
	(void)flags;
	if (strnlen(newname, TREE_NAME_MAX + 1) > TREE_NAME_MAX)
		fuse_reply_err(req, ENAMETOOLONG);
	else
		op_unlink(req, newparent, newname);
}
