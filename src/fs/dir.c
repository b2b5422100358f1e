/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names: lookup and the lists of folders. Names never change while the image is mounted, so
 * the kernel may keep them; files are filled in from reports of many zones at once.
 */
#include "fs/priv.h"

#include <errno.h>
#include <string.h>

#include "util/math.h"

int fs_entry(struct fs *fs, uint64_t node, struct fuse_entry_param *e)
{
	*e = (struct fuse_entry_param){
		.ino = node,
		.attr_timeout = fs->timeout,
		.entry_timeout = fs->timeout,
	};
	return fs_stat(fs, node, &e->attr);
}

/* Names that only the kernel asks for, when it has nothing but a file handle (NFS): "." of any
 * node, ".." of a folder or a file. */
static uint64_t dotted(const struct tree *t, uint64_t node, const char *name)
{
	if (!tree_valid(t, node))
		return TREE_NONE;
	if (!strcmp(name, "."))
		return node;
	return strcmp(name, "..") ? TREE_NONE : tree_parent(t, node);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fs *fs = fs_of(req);
	struct fuse_entry_param e;
	uint64_t node;
	int ret;

	if (strnlen(name, TREE_NAME_MAX + 1) > TREE_NAME_MAX) {
		fuse_reply_err(req, ENAMETOOLONG);
		return;
	}
	node = dotted(&fs->tree, parent, name);
	if (node == TREE_NONE)
		node = tree_lookup(&fs->tree, parent, name);
	if (node == TREE_NONE) {
		/* Node 0 with a timeout: the kernel remembers that there is nothing. */
		e = (struct fuse_entry_param){ .entry_timeout = fs->timeout };
		fuse_reply_entry(req, &e);
		return;
	}
	ret = fs_entry(fs, node, &e);
	if (ret)
		fuse_reply_err(req, -ret);
	else
		fuse_reply_entry(req, &e);
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);

	if (!tree_valid(&fs->tree, ino) || tree_is_file(ino)) {
		fuse_reply_err(req, ENOTDIR);
		return;
	}
	fi->cache_readdir = 1;
	fi->keep_cache = 1;
	fuse_reply_open(req, fi);
}

/* ---- lists ----------------------------------------------------------------------------------- */

#define AHEAD 64u

/* A folder being listed, with a report of the zones that come next. */
struct listing {
	struct fs *fs;
	fuse_req_t req;
	uint64_t dir;
	bool plus;
	uint32_t first, nr; /* zones in info */
	struct zq_zone_info info[AHEAD];
};

static int file_stat(struct listing *l, uint64_t node, struct stat *st)
{
	uint32_t zone = tree_zone(node);

	if (l->fs->tree.aggr && fs_is_conv(l->fs, node))
		return fs_stat(l->fs, node, st);
	if (zone < l->first || zone - l->first >= l->nr) {
		int ret;

		l->first = zone;
		l->nr = (uint32_t)min_u64(AHEAD, l->fs->geo->nr_zones - zone);
		ret = zq_report(l->fs->dev, l->first, l->nr, l->info);
		if (ret < 0) {
			l->nr = 0;
			return ret;
		}
	}
	fs_file_stat(l->fs, node, &l->info[zone - l->first], st);
	return 0;
}

/* Writes the entry at position pos (0 and 1 are "." and ".."); returns its size. */
static size_t put_entry(struct listing *l, uint32_t pos, char *to, size_t room)
{
	char name[TREE_NAME_ROOM] = "..";
	struct fuse_entry_param e = { .ino = 0 };
	const struct tree *t = &l->fs->tree;
	uint64_t node;

	if (pos < 2) {
		node = pos ? tree_parent(t, l->dir) : l->dir;
		name[pos + 1] = '\0';
	} else {
		node = tree_entry(t, l->dir, pos - 2, name);
	}
	e.attr.st_ino = tree_ino(t, node);
	e.attr.st_mode = tree_is_file(node) ? S_IFREG : S_IFDIR;
	if (!l->plus)
		return fuse_add_direntry(l->req, to, room, name, &e.attr, (off_t)pos + 1);
	/* Node 0 means no lookup: for the dots, and for a file whose report failed. */
	if (pos >= 2 &&
	    !(tree_is_file(node) ? file_stat(l, node, &e.attr) : fs_stat(l->fs, node, &e.attr))) {
		e.ino = node;
		e.attr_timeout = e.entry_timeout = l->fs->timeout;
	}
	return fuse_add_direntry_plus(l->req, to, room, name, &e, (off_t)pos + 1);
}

static void list(fuse_req_t req, uint64_t dir, size_t size, off_t off, bool plus)
{
	struct fs *fs = fs_of(req);
	struct listing l = { .fs = fs, .req = req, .dir = dir, .plus = plus };
	uint64_t end = (uint64_t)tree_entries(&fs->tree, dir) + 2;
	char *buf = fs_buffer(fs, size);
	size_t used = 0;

	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	for (uint64_t pos = (uint64_t)off; pos < end; pos++) {
		size_t n = put_entry(&l, (uint32_t)pos, buf + used, size - used);

		if (n > size - used)
			break;
		used += n;
	}
	fuse_reply_buf(req, buf, used);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	(void)fi;
	list(req, ino, size, off, true);
}
