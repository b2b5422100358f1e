/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Data: reads, writes, sync, holes. Nothing is allocated or copied for a request: a write uses
 * the buffer in which libfuse received it, a read the serving thread's own.
 */
#include "fs/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>
#include <unistd.h>

#include "fs/refresh.h"
#include "fs/serve.h"
#include "fs/trace.h"
#include "util/errors.h"
#include "util/math.h"

/* ---- buffers --------------------------------------------------------------------------------- */

struct buffer {
	size_t size;
	void *mem;
};

void fs_buffer_free(void *buffer)
{
	struct buffer *b = buffer;

	if (b)
		free(b->mem);
	free(b);
}

void *fs_buffer(struct fs *fs, size_t size)
{
	void *room = serve_answer_room(fs->serve, size);
	struct buffer *b;

	if (room)
		return room;
	b = pthread_getspecific(fs->buffer_key);
	if (b && b->size >= size)
		return b->mem;
	fs_buffer_free(b);
	pthread_setspecific(fs->buffer_key, NULL);
	b = calloc(1, sizeof(*b));
	if (!b)
		return NULL;
	b->size = align_up(max_u64(size, FS_BUFFER_SIZE), 4096);
	b->mem = aligned_alloc(4096, b->size);
	if (!b->mem || pthread_setspecific(fs->buffer_key, b)) {
		fs_buffer_free(b);
		return NULL;
	}
	return b->mem;
}

/* ---- reading --------------------------------------------------------------------------------- */

/* What of [off, off + size) lies in a conventional file, and where in the device. */
struct span {
	uint64_t start; /* of the file, absolute */
	uint64_t size;	/* of the file */
};

static struct span conv_span(const struct fs *fs, uint64_t node)
{
	uint32_t zone = tree_zone(node);

	if (fs->tree.aggr)
		return (struct span){ 0, fs_conv_size(fs) };
	return (struct span){ zq_zone_start(fs->geo, zone), zq_zone_len(fs->geo, zone) };
}

static void fail_read(struct fs *fs, fuse_req_t req, uint64_t node, int rc)
{
	char label[ZQ_ZONE_LABEL_MAX], line[ZQ_ZONE_LABEL_MAX + 32];

	/* nothing else would tell why a program cannot read */
	if (rc == -ENOMEM) {
		snprintf(line, sizeof(line), "%s: no memory to read",
			 tree_label(&fs->tree, node, label));
		fs_log_device(&fs->log, LOG_ERR, line);
	}
	fuse_reply_err(req, -rc);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	char *buf = fs_buffer(fs, size);
	ssize_t n;

	(void)fi;
	if (!buf) {
		fail_read(fs, req, ino, -ENOMEM);
		return;
	}
	if (fs_is_conv(fs, ino)) {
		struct span s = conv_span(fs, ino);

		if ((uint64_t)off >= s.size)
			n = 0;
		else
			n = zq_read_conv(fs->dev, s.start + (uint64_t)off, buf,
					 min_u64(size, s.size - (uint64_t)off));
	} else {
		n = zq_read(fs->dev, tree_zone(ino), (uint64_t)off, buf, size);
	}
	if (n < 0)
		fail_read(fs, req, ino, (int)n);
	else
		fuse_reply_buf(req, buf, (size_t)n);
}

/* ---- writing --------------------------------------------------------------------------------- */

static unsigned sync_flag(int flags)
{
	return flags & (O_SYNC | O_DSYNC) ? ZQ_WRITE_SYNC : 0;
}

/* Every write but root's takes setuid and setgid away. The kernel does so only where it keeps the
 * pages. */
static bool strips_mode(struct fs *fs, fuse_req_t req, uint64_t node)
{
	return fuse_req_ctx(req)->uid != 0 && changes_strip_mode(&fs->changes, node);
}

static void write_conv(struct fs *fs, fuse_req_t req, uint64_t node, const char *buf, size_t size,
		       uint64_t off, int flags)
{
	struct span s = conv_span(fs, node);
	ssize_t n;

	if (flags & O_APPEND)
		n = -EINVAL;
	else if (off >= s.size)
		n = -EFBIG;
	else
		n = zq_write(fs->dev, s.start + off, buf, min_u64(size, s.size - off),
			     sync_flag(flags));
	if (n >= 0 && strips_mode(fs, req, node))
		refresh_attributes(fs, node);
	else if (error_is_fault((int)n))
		refresh_attributes(fs, node);
	if (n >= 0)
		fuse_reply_write(req, (size_t)n);
	else
		fuse_reply_err(req, (int)-n);
	/* The pages of this write are locked until the answer. */
	if (error_is_fault((int)n))
		refresh_file_soon(fs, node);
}

/* Says once per open file where a write should have gone; a few lines for a whole mount. */
static void warn_misplaced(struct fs *fs, uint64_t node, struct handle *h, uint64_t off)
{
	struct zq_zone_info info;
	char label[ZQ_ZONE_LABEL_MAX];

	if (atomic_exchange(&h->warned, true) || fs_file_info(fs, node, &info) ||
	    off == info.written || atomic_fetch_sub(&fs->warnings, 1) <= 0)
		return;
	fs_log(&fs->log, LOG_WARNING, "%s: a write at %llu was refused, the next byte is %llu",
	       tree_label(&fs->tree, node, label), (unsigned long long)off,
	       (unsigned long long)info.written);
}

/* zonefs's rule under "strict"; what lies behind the capacity comes first, as always. */
static int check_strict(struct fs *fs, uint64_t node, uint64_t off, int flags)
{
	uint64_t capacity = zq_zone_cap(fs->geo, tree_zone(node));
	struct zq_zone_info info;

	if (!fs->cfg.strict || (flags & O_DIRECT))
		return 0;
	if ((flags & O_APPEND) && !fs_file_info(fs, node, &info))
		off = info.written;
	return off >= capacity ? -EFBIG : -EINVAL;
}

static void write_failed(struct fs *fs, fuse_req_t req, uint64_t node, struct handle *h,
			 uint64_t off, int rc)
{
	if (rc == -EINVAL)
		warn_misplaced(fs, node, h, off);
	/* If it is a piece of an asynchronous write, the kernel will truncate the file to the size
	 * that it believes in. */
	refresh_file(fs, node);
	fuse_reply_err(req, -rc);
}

static void write_seq(struct fs *fs, fuse_req_t req, uint64_t node, const char *buf, size_t size,
		      uint64_t off, struct fuse_file_info *fi)
{
	struct handle *h = handle_of(fi);
	/* Any write may be a piece of an asynchronous one, which the kernel sends all at once. */
	unsigned flags = sync_flag(fi->flags) | ZQ_WRITE_WAIT;
	uint64_t where = off;
	bool stripped;
	ssize_t n;

	if (!h) {
		fuse_reply_err(req, EBADF);
		return;
	}
	if (fi->flags & O_DIRECT)
		flags |= ZQ_WRITE_DIRECT;
	if (fi->flags & O_APPEND)
		flags |= ZQ_WRITE_APPEND;
	n = check_strict(fs, node, off, fi->flags);
	if (!n)
		n = zq_append(fs->dev, tree_zone(node), &h->writer, off, buf, size, flags, &where);
	if (n < 0) {
		write_failed(fs, req, node, h, off, (int)n);
		return;
	}
	if (where != off && atomic_load_explicit(&fs->trace.on, memory_order_relaxed))
		trace_landed(fs, where);
	if (!atomic_load_explicit(&h->wrote, memory_order_relaxed))
		atomic_store_explicit(&h->wrote, true, memory_order_relaxed);
	stripped = strips_mode(fs, req, node);
	/* The kernel dropped the pages at the offset that it knows, and not those that were
	 * written. It will also compute the size from its offset and this length, which is too
	 * small when the write landed further on. It turns a shortened piece of an asynchronous
	 * write into a failure. */
	if ((where != off || (size_t)n < size) && n)
		refresh_file(fs, node);
	else if (stripped)
		refresh_attributes(fs, node);
	fuse_reply_write(req, (size_t)n);
}

void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size, off_t off,
	      struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);

	if (fs_is_conv(fs, ino))
		write_conv(fs, req, ino, buf, size, (uint64_t)off, fi->flags);
	else
		write_seq(fs, req, ino, buf, size, (uint64_t)off, fi);
}

/* ---- the rest -------------------------------------------------------------------------------- */

/* For a file or a folder. A folder has no changes of its own, so an fsync of one confirms nothing
 * that the option powercut holds back. */
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	uint32_t first = 0, count = 0;

	(void)datasync;
	(void)fi;
	if (tree_is_file(ino)) {
		first = tree_zone(ino);
		count = fs->tree.aggr && fs_is_conv(fs, ino) ? fs->geo->nr_conv : 1;
	}
	fuse_reply_err(req, -zq_sync_zones(fs->dev, first, count));
}

void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
		  struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	int what = mode & ~FALLOC_FL_KEEP_SIZE;
	struct span s;
	int64_t done = 0;
	int ret;

	(void)fi; /* this request brings no flags along, so O_SYNC cannot be seen */
	if (!fs_is_conv(fs, ino) ||
	    (what != FALLOC_FL_PUNCH_HOLE && what != FALLOC_FL_ZERO_RANGE)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	s = conv_span(fs, ino);
	if ((uint64_t)off < s.size)
		done = zq_zero(fs->dev, s.start + (uint64_t)off,
			       min_u64((uint64_t)len, s.size - (uint64_t)off));
	ret = done < 0 ? (int)done : 0;
	if (ret ? error_is_fault(ret) : strips_mode(fs, req, ino))
		refresh_file_soon(fs, ino);
	fuse_reply_err(req, -ret);
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
	struct fs *fs = fs_of(req);
	uint64_t limit = 0, found = 0;
	int ret;

	(void)fi;
	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (fs_is_conv(fs, ino))
		limit = conv_span(fs, ino).size;
	ret = zq_seek(fs->dev, tree_zone(ino), (uint64_t)off, whence == SEEK_HOLE, limit, &found);
	if (ret)
		fuse_reply_err(req, -ret);
	else
		fuse_reply_lseek(req, (off_t)found);
}
