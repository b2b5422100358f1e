/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mounted file system: what the files of this folder share. Nothing outside fs/ includes it.
 * Which function belongs where is in README.
 *
 * Locks, in the order in which they are taken; none is held while the mount is waited for:
 *
 *     openers.bucket[].lock   a zone that is being opened or closed; across zq_zone_open and
 *                             zq_zone_close, so the device's locks come under it
 *     openers.lock            how many zones are open for writing; an opening may wait for
 *                             another one here, which needs no lock that this one has
 *     serve.lock              the list of threads that serve; across starting and joining one
 *     refresh.lock            the queue of files that the kernel shall ask for
 *     rings.lock              how far the beginning of the rings is; no other is taken under it
 *     handles.lock, changes.lock, ending.lock, write_back.lock   what their structs say
 *     log.lock                one line at a time
 *
 * All but the first are for memory work only. No two of the middle lines are held together,
 * and a line may be logged under any. libfuse has a lock of its own, around its list of
 * requests, and calls nothing under it.
 */
#ifndef ZQ_FS_PRIV_H
#define ZQ_FS_PRIV_H

#include <fuse_lowlevel.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include <zqfs/device.h>

#include "fs/changes.h"
#include "fs/ending.h"
#include "fs/handles.h"
#include "fs/harden.h"
#include "fs/log.h"
#include "fs/openers.h"
#include "fs/options.h"
#include "fs/place.h"
#include "fs/trace_log.h"
#include "fs/tree.h"
#include "util/file_id.h"

#define FS_SEEN_SLOTS  1024u
#define FS_BUFFER_SIZE (1u << 20) /* one request of a kernel that was not tuned */

struct refresh;
struct serve;

struct fs {
	struct zq_device *dev;
	const struct zq_geometry *geo; /* the device's */
	struct tree tree;
	struct fs_config cfg;
	struct fs_log log;
	struct trace_log trace;
	struct fuse_session *se;
	pid_t pid;
	char image_id[FILE_ID_MAX]; /* of the image, "" when it could not be looked at */
	struct place place;
	struct fuse_conn_info_opts *conn_opts; /* from -o; owned */
	struct timespec mounted;	       /* when; time of all that has not changed since */
	uint32_t mounter, mounter_gid;	       /* the mounting user */
	double timeout; /* of attributes and names in the kernel's caches, seconds */
	bool frozen;	/* nobody can change the image while it is mounted */
	/* Since Linux 6.6 a direct write takes away what the page cache has of its range. */
	bool coherent;	       /* set by INIT, before any other request */
	void (*ready)(void *); /* called once, when the kernel has the answer to its hello */
	void *ready_data;
	struct harden_unmounter unmounter; /* under auto_unmount, and a user's under seccomp */
	struct serve *serve;		   /* owned by session.c, like refresh */
	struct refresh *refresh;
	struct ending ending;
	struct openers openers;
	struct handles handles;
	struct changes changes;
	pthread_key_t buffer_key; /* each serving thread's buffer */
	atomic_int warnings;	  /* lines about misplaced writes that may still be logged */
	/* What open saw last, see keep_pages() in open.c: a mixture of zone and mtime. */
	_Atomic uint64_t seen[FS_SEEN_SLOTS];
};

static inline struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* An open file description that writes to a sequential zone; NULL for all others. */
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return fi ? (struct handle *)(uintptr_t)fi->fh : NULL;
}

/* ---- attr.c ---------------------------------------------------------------------------- */

/* A file by its zone; for the aggregated file all conventional zones as one. 0 or -errno. */
int fs_file_info(struct fs *fs, uint64_t node, struct zq_zone_info *info);
/* What stat shows of a file whose info is known, and of any node. */
void fs_file_stat(struct fs *fs, uint64_t node, const struct zq_zone_info *info, struct stat *st);
int fs_stat(struct fs *fs, uint64_t node, struct stat *st);
/* Bytes of all conventional zones together. */
uint64_t fs_conv_size(const struct fs *fs);

static inline bool fs_is_conv(const struct fs *fs, uint64_t node)
{
	return tree_is_file(node) && tree_zone(node) < fs->geo->nr_conv;
}

/*
 * May the caller of the request do that (R_OK, W_OK, X_OK)? 0, -EACCES by the mode, -EPERM for
 * a zone that is offline or, for writing, read-only. Where the kernel checks
 * modes itself only the last is looked at.
 */
int fs_may(struct fs *fs, fuse_req_t req, const struct zq_zone_info *info, const struct stat *st,
	   int mask);
/* The last of these alone. */
int fs_zone_takes(const struct zq_zone_info *info, int mask);
bool fs_is_owner(struct fs *fs, fuse_req_t req, const struct stat *st);

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_access(fuse_req_t req, fuse_ino_t ino, int mask);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

/* ---- dir.c ----------------------------------------------------------------------------- */

/* The answer to a lookup of that node. */
int fs_entry(struct fs *fs, uint64_t node, struct fuse_entry_param *e);
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);

/* ---- open.c ---------------------------------------------------------------------------- */

/*
 * Closes that have returned to their callers before the request in hand was sent are done when
 * this returns. For handlers that show or need what a close gives back: counters, states, slots.
 */
void fs_await_closes(struct fs *fs);
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* ---- file.c ---------------------------------------------------------------------------- */

/* The calling thread's buffer of at least size bytes, page aligned; NULL: no memory. */
void *fs_buffer(struct fs *fs, size_t size);
void fs_buffer_free(void *buffer); /* of a thread that ends */
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		  struct fuse_file_info *fi);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);

/* ---- setattr.c ------------------------------------------------------------------------- */

/* Resets a zone; it stays open where it has writers and explicit-open is set. */
int fs_reset(struct fs *fs, uint32_t zone);
/* Finishes a zone; one that was closed just now gives its slot first. */
int fs_finish(struct fs *fs, uint32_t zone);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		struct fuse_file_info *fi);

/* ---- xattr.c --------------------------------------------------------------------------- */

void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size,
		 int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* ---- refuse.c -------------------------------------------------------------------------- */

void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent, const char *name);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t parent, const char *name);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t newparent,
	       const char *newname, unsigned flags);

/* ---- ops.c ----------------------------------------------------------------------------- */

extern const struct fuse_lowlevel_ops fs_ops;

#endif
