/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From open to the last close: who may open, which pages the kernel may keep, and what is
 * remembered of a writer. Only a writer of a sequential zone costs memory.
 */
#include "fs/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "fs/refresh.h"
#include "fs/serve.h"
#include "util/math.h"

static int access_mask(int flags)
{
	switch (flags & O_ACCMODE) {
	case O_RDONLY:
		return R_OK;
	case O_WRONLY:
		return W_OK;
	default:
		return R_OK | W_OK;
	}
}

static bool writes(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

/*
 * May the kernel keep the pages that it has from before? A page read while a write ended in
 * it may lack the write's last bytes, and nothing tells the kernel. So pages are kept only when
 * the zone has not changed since an open that threw them away while nobody was
 * writing. Zone and mtime are remembered as one mixed word in a table of fixed
 * size: two zones that share a slot cost a reread, never a stale page.
 */
static bool keep_pages(struct fs *fs, const struct zq_zone_info *info)
{
	uint64_t mtime = (uint64_t)info->mtime_sec * 1000000000u + info->mtime_nsec;
	uint64_t word = (mtime ^ ((uint64_t)info->number << 40)) * 0x9e3779b97f4a7c15u | 1;
	_Atomic uint64_t *slot = &fs->seen[info->number % FS_SEEN_SLOTS];

	if (fs->frozen)
		return true;
	if (openers_any(&fs->openers, info->number))
		return false;
	return atomic_exchange(slot, word) == word;
}

/*
 * What is open with direct_io cannot be mapped shared. There is a flag for the hello that lets it,
 * but that would be for all files, and with it a sequential file that is open for writing could
 * be mapped as well. O_DIRECT works without direct_io, too.
 */
static bool can_map_to_write(int flags)
{
	return (flags & O_ACCMODE) == O_RDWR;
}

static void set_caching(struct fs *fs, const struct zq_zone_info *info, struct fuse_file_info *fi)
{
	bool writer = writes(fi->flags);

	fi->noflush = !writer;
	if (info->conventional) {
		/* A cached write makes the kernel ask for an attribute each time. */
		fi->direct_io = fs->coherent && !can_map_to_write(fi->flags) &&
				((fi->flags & O_ACCMODE) == O_WRONLY || (fi->flags & O_DIRECT));
		fi->keep_cache = !fs->cfg.force_share;
	} else if (writer || (!fs->coherent && !fs->frozen && info->state != ZQ_FULL)) {
		fi->direct_io = 1;
	} else {
		fi->keep_cache = !fs->cfg.force_share && keep_pages(fs, info);
	}
}

void fs_await_closes(struct fs *fs)
{
	if (atomic_load(&fs->handles.nr))
		serve_await_releases(fs->serve);
}

static int open_writer(struct fs *fs, uint32_t zone, struct fuse_file_info *fi)
{
	struct handle *h = handle_new(&fs->handles);
	int ret;

	if (!h)
		return -ENOMEM;
	ret = openers_get(&fs->openers, zone);
	if (ret == -EBUSY) {
		/* one that was closed just now may still count */
		fs_await_closes(fs);
		ret = openers_get(&fs->openers, zone);
	}
	if (ret) {
		handle_free(&fs->handles, h);
		return ret;
	}
	fi->fh = (uint64_t)(uintptr_t)h;
	return 0;
}

static int open_file(struct fs *fs, fuse_req_t req, uint64_t node, struct fuse_file_info *fi)
{
	struct zq_zone_info info;
	struct stat st;
	int ret;

	if (!tree_valid(&fs->tree, node))
		return -ENOENT;
	if (!tree_is_file(node))
		return -EISDIR;
	ret = fs_file_info(fs, node, &info);
	if (ret)
		return ret;
	fs_file_stat(fs, node, &info, &st);
	if (writes(fi->flags) && zq_device_readonly(fs->dev))
		return -EROFS;
	ret = fs_may(fs, req, &info, &st, access_mask(fi->flags));
	if (ret)
		return ret;
	fi->fh = 0;
	set_caching(fs, &info, fi);
	if (info.conventional || !writes(fi->flags))
		return 0;
	return open_writer(fs, info.number, fi);
}

static void close_writer(struct fs *fs, uint32_t zone, struct handle *h)
{
	/* What a writer left is not to wait for the timer; nobody waits for this commit. */
	if (openers_put(&fs->openers, zone) && atomic_load(&h->wrote))
		zq_sync_soon(fs->dev);
	handle_free(&fs->handles, h);
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	int ret = open_file(fs, req, ino, fi);

	if (ret)
		fuse_reply_err(req, -ret);
	else if (fuse_reply_open(req, fi) == -ENOENT && fi->fh)
		/* The caller was interrupted: no RELEASE will come. */
		close_writer(fs, tree_zone(ino), handle_of(fi));
}

/* At each close of a descriptor of a writer, which waits for the answer: the kernel learns where
 * the padding ends. */
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct handle *h = handle_of(fi);
	uint64_t end;

	/* Someone else may have gone on behind the padding, or reset the zone and written
	 * there: what is at that place then is his. */
	if (h && atomic_load(&h->wrote) &&
	    zq_writer_end(fs->dev, tree_zone(ino), &h->writer, &end) &&
	    !is_aligned(end, ZQ_BLOCK)) {
		/* After "echo hello >> file" the kernel thinks of 6 bytes and the daemon of 512. A
		 * writer with RWF_APPEND, which no request shows, would then be sent to offset 6.
		 */
		refresh_file(fs, ino);
		zq_settle(fs->dev, tree_zone(ino), &h->writer, end);
	}
	fuse_reply_err(req, 0);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);

	if (h)
		close_writer(fs_of(req), tree_zone(ino), h);
	fuse_reply_err(req, 0);
}
