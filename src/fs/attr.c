/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stat, statfs and access say. Computed from the device's report at each request; only
 * what chmod, chown and utimes have changed is kept (changes.c).
 */
#include "fs/priv.h"

#include <errno.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "fs/refresh.h"
#include "util/math.h"

#define REPORT_BATCH 64u
#define REFRESH_MS   1000u /* as long as the kernel keeps attributes then */

uint64_t fs_conv_size(const struct fs *fs)
{
	return min_u64(zq_zone_start(fs->geo, fs->geo->nr_conv), fs->geo->size);
}

/* One file for all conventional zones: the latest time, and a bad state if one has it. */
static int aggregate(struct fs *fs, struct zq_zone_info *info)
{
	struct zq_zone_info part[REPORT_BATCH];
	uint32_t nr = fs->geo->nr_conv;

	for (uint32_t zone = 1; zone < nr; zone += REPORT_BATCH) {
		uint32_t n = (uint32_t)min_u64(REPORT_BATCH, nr - zone);
		int ret = zq_report(fs->dev, zone, n, part);

		if (ret < 0)
			return ret;
		for (uint32_t i = 0; i < n; i++) {
			if (part[i].mtime_sec > info->mtime_sec ||
			    (part[i].mtime_sec == info->mtime_sec &&
			     part[i].mtime_nsec > info->mtime_nsec)) {
				info->mtime_sec = part[i].mtime_sec;
				info->mtime_nsec = part[i].mtime_nsec;
			}
			if (part[i].state > info->state)
				info->state = part[i].state;
		}
	}
	info->len = info->capacity = fs_conv_size(fs);
	info->written = info->state == ZQ_OFFLINE ? 0 : info->capacity;
	return 0;
}

int fs_file_info(struct fs *fs, uint64_t node, struct zq_zone_info *info)
{
	/* force_share: another process may have written since */
	int ret = zq_refresh(fs->dev, REFRESH_MS);

	if (ret == 0)
		ret = zq_report(fs->dev, tree_zone(node), 1, info);
	if (ret < 0)
		return ret;
	if (fs->tree.aggr && fs_is_conv(fs, node))
		return aggregate(fs, info);
	return 0;
}

void fs_file_stat(struct fs *fs, uint64_t node, const struct zq_zone_info *info, struct stat *st)
{
	*st = (struct stat){
		.st_ino = tree_ino(&fs->tree, node),
		.st_mode = S_IFREG | fs->cfg.perm,
		.st_nlink = 1,
		.st_uid = fs->cfg.uid,
		.st_gid = fs->cfg.gid,
		.st_size = (off_t)(info->state == ZQ_OFFLINE ? 0 : info->written),
		.st_blocks = (blkcnt_t)(info->capacity / 512),
		.st_blksize = 4096,
		.st_atim = fs->mounted,
		.st_mtim = { .tv_sec = info->mtime_sec, .tv_nsec = info->mtime_nsec },
	};
	st->st_ctim = st->st_mtim;
	changes_apply(&fs->changes, node, st);
	if (info->state == ZQ_OFFLINE)
		st->st_mode &= ~(mode_t)0777;
	else if (info->state == ZQ_READ_ONLY)
		st->st_mode &= ~(mode_t)0222;
}

static void folder_stat(struct fs *fs, uint64_t node, struct stat *st)
{
	uint32_t entries = tree_entries(&fs->tree, node);
	bool root = node == TREE_ROOT, of_folders = root && !fs->tree.flat;

	*st = (struct stat){
		.st_ino = tree_ino(&fs->tree, node),
		.st_mode = S_IFDIR | 0555,
		.st_nlink = of_folders ? 2 + entries : 2,
		.st_uid = fs->mounter,
		.st_gid = fs->mounter_gid,
		.st_size = (off_t)entries + (of_folders ? 2 : 0),
		.st_blksize = 4096,
		.st_atim = fs->mounted,
		.st_mtim = fs->mounted,
		.st_ctim = fs->mounted,
	};
	changes_apply(&fs->changes, node, st);
}

int fs_stat(struct fs *fs, uint64_t node, struct stat *st)
{
	struct zq_zone_info info;
	int ret;

	if (!tree_valid(&fs->tree, node))
		return -ENOENT;
	if (!tree_is_file(node)) {
		folder_stat(fs, node, st);
		return 0;
	}
	ret = fs_file_info(fs, node, &info);
	if (!ret)
		fs_file_stat(fs, node, &info, st);
	return ret;
}

/* ---- who may --------------------------------------------------------------------------------- */

bool fs_is_owner(struct fs *fs, fuse_req_t req, const struct stat *st)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);

	/* Whoever mounted the image can read and write it without us. */
	return ctx->uid == 0 || ctx->uid == st->st_uid || ctx->uid == fs->mounter;
}

int fs_zone_takes(const struct zq_zone_info *info, int mask)
{
	if (mask && info->state == ZQ_OFFLINE)
		return -EPERM;
	return (mask & W_OK) && info->state == ZQ_READ_ONLY ? -EPERM : 0;
}

int fs_may(struct fs *fs, fuse_req_t req, const struct zq_zone_info *info, const struct stat *st,
	   int mask)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	mode_t mode = st->st_mode;

	int ret = info ? fs_zone_takes(info, mask) : 0;

	if (ret)
		return ret;
	if (fs->cfg.default_permissions)
		return 0;
	if (ctx->uid == 0)
		return (mask & X_OK) && !S_ISDIR(mode) && !(mode & 0111) ? -EACCES : 0;
	if (fs_is_owner(fs, req, st))
		mode >>= 6;
	else if (ctx->gid == st->st_gid)
		mode >>= 3;
	return ((mode_t)mask & mode & 7) == (mode_t)mask ? 0 : -EACCES;
}

void op_access(fuse_req_t req, fuse_ino_t ino, int mask)
{
	struct fs *fs = fs_of(req);
	struct zq_zone_info info;
	bool file = tree_is_file(ino);
	struct stat st;
	int ret = fs_stat(fs, ino, &st);

	if (!ret && file)
		ret = fs_file_info(fs, ino, &info);
	if (!ret)
		ret = fs_may(fs, req, file ? &info : NULL, &st, mask & (R_OK | W_OK | X_OK));
	if (!ret && (mask & W_OK) && zq_device_readonly(fs->dev))
		ret = -EROFS;
	fuse_reply_err(req, -ret);
}

/* ---- requests -------------------------------------------------------------------------------- */

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	struct stat st;
	int ret = fs_stat(fs, ino, &st);

	(void)fi;
	if (ret)
		fuse_reply_err(req, -ret);
	else if (refresh_mark_answer(fs, fuse_req_ctx(req)->pid, &st))
		fuse_reply_attr(req, &st, 0);
	else
		fuse_reply_attr(req, &st, fs->timeout);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct fs *fs = fs_of(req);
	const struct tree *t = &fs->tree;
	struct zq_counts c;
	struct statvfs s;

	(void)ino;
	zq_get_counts(fs->dev, &c);
	/* Capacities are whole blocks of 512 bytes, so the sums are exact in this unit. */
	s = (struct statvfs){
		.f_bsize = ZQ_BLOCK,
		.f_frsize = ZQ_BLOCK,
		.f_blocks = c.usable / ZQ_BLOCK,
		.f_bfree = c.unwritten / ZQ_BLOCK,
		.f_bavail = c.unwritten / ZQ_BLOCK,
		.f_files = (uint64_t)tree_nr_cnv(t) + tree_nr_seq(t) +
			   (t->flat ? 0 : tree_entries(t, TREE_ROOT)),
		.f_namemax = TREE_NAME_MAX,
	};
	fuse_reply_statfs(req, &s);
}
