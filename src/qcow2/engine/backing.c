/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The backing chain. A link of it is either a raw file or a qcow2 image of its own, which
 * opens its own backing file in turn. Owns the next link's io or image; has no locks, since
 * nothing in it changes after opening. Never writes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/io.h"
#include "qcow2/engine/backing.h"
#include "qcow2/engine/image.h"
#include "qcow2/tables/named_file.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/math.h"

struct qcow2_backing {
	struct zq_io *raw; /* one of these two */
	struct qcow2_image *img;
	uint64_t size; /* bytes; zeros behind */
};

/* The images above, on the stacks of those who open them. */
struct qcow2_chain {
	const struct qcow2_chain *up;
	dev_t dev;
	ino_t ino;
};

/* Errors say whose backing file it is. */
static int in_backing(const struct qcow2_image *img, int rc, struct zq_error *err)
{
	if (rc < 0) {
		zq_error_prefix(err, "backing file");
		zq_error_prefix(err, img->file->name);
	}
	return rc;
}

static enum zq_lock lock_below(enum zq_lock above)
{
	return above == ZQ_LOCK_SHARED || above == ZQ_LOCK_NONE ? above : ZQ_LOCK_READ;
}

static int lock_link(const struct qcow2_image *img, struct zq_io *io, enum zq_lock above,
		     struct zq_error *err)
{
	int ret = io_claim(io, lock_below(above), "the backing file", err);

	if (ret)
		zq_error_prefix(err, img->file->name);
	return ret;
}

/*
 * Refuses a path that is one of the images above. The limit of depth is what bounds the
 * chain; this only finds the better words, so a file that cannot be looked at passes.
 */
static int check_loop(const struct qcow2_image *img, const char *path, struct qcow2_chain *self,
		      const struct qcow2_open_opts *opts, struct zq_error *err)
{
	struct stat st;

	if (opts->depth >= QCOW2_MAX_CHAIN)
		return zq_fail(err, -ELOOP, "%s: the chain of backing files is deeper than %u",
			       img->file->name, QCOW2_MAX_CHAIN);
	self->up = opts->chain;
	if (stat(img->file->name, &st) == 0) {
		self->dev = st.st_dev;
		self->ino = st.st_ino;
	}
	if (stat(path, &st) != 0)
		return 0;
	for (const struct qcow2_chain *c = self; c; c = c->up)
		if (c->ino && c->dev == st.st_dev && c->ino == st.st_ino)
			return zq_fail(err, -ELOOP,
				       "%s: backing file '%s': the chain of backing "
				       "files loops",
				       img->file->name, path);
	return 0;
}

/*
 * Is the base the one that this image was made on? An overlay that another program made
 * remembers nothing; its base must have the same zones at least.
 */
static int check_base(const struct qcow2_image *img, struct qcow2_image *base, struct zq_error *err)
{
	struct qcow2_base_id now, then = img->hdr.base_id;
	int ret;

	if (!base->hdr.zoned.present) {
		if (!then.present)
			return 0;
		return zq_fail(err, -ESTALE,
			       "%s: backing file %s is another than it was: it has no zones",
			       img->file->name, base->file->name);
	}
	qcow2_tell_base(base, &now);
	if (!then.present)
		then = (struct qcow2_base_id){ .geo = img->hdr.zoned.geo,
					       .pointers = now.pointers,
					       .identity = now.identity,
					       .tables = now.tables };
	ret = base_id_compare(&then, &now, err);
	if (ret) {
		zq_error_prefix(err, "is another than it was");
		zq_error_prefix(err, base->file->name);
		zq_error_prefix(err, "backing file");
		zq_error_prefix(err, img->file->name);
	}
	return ret;
}

static int open_qcow2(struct qcow2_image *img, struct zq_io *io, const struct qcow2_open_opts *opts,
		      const struct qcow2_chain *self, struct qcow2_backing *b, struct zq_error *err)
{
	struct qcow2_open_opts next = {
		.writable = opts->base_writable,
		.unfinished = opts->base_writable,
		.lock = opts->base_writable ? ZQ_LOCK_WRITE : lock_below(opts->lock),
		.cache_bytes = opts->cache_bytes,
		.zoned_base = img->hdr.zoned.present,
		.depth = opts->depth + 1,
		.chain = self,
		.log = opts->log,
		.log_data = opts->log_data,
	};
	int ret = qcow2_open(io, &next, &b->img, err);

	if (ret) {
		/* Only the first link says whose it is; deeper ones are named by their own words.
		 */
		if (!opts->depth) {
			zq_error_prefix(err, "backing file");
			zq_error_prefix(err, img->file->name);
		}
		return ret;
	}
	b->size = qcow2_size(b->img);
	ret = check_base(img, b->img, err);
	if (ret)
		qcow2_close(b->img);
	return ret;
}

/* The file below, unless the caller has opened it. 0 with *io NULL: the image names none. */
static int find_file(struct qcow2_image *img, const struct qcow2_open_opts *opts,
		     struct qcow2_chain *self, struct zq_io **io, struct zq_error *err)
{
	char *path CLEANUP_FREE = NULL;
	int ret;

	*io = steal_ptr(&img->base_io);
	if (*io)
		return 0;
	ret = in_backing(
		img, named_backing_path(img->file->name, img->hdr.backing_file, &path, err), err);
	if (ret || !path)
		return ret;
	ret = check_loop(img, path, self, opts, err);
	return ret ? ret : in_backing(img, zq_io_open(path, opts->base_writable, io, err), err);
}

int backing_open(struct qcow2_image *img, const struct qcow2_open_opts *opts, struct zq_error *err)
{
	struct qcow2_backing *b CLEANUP_FREE = NULL;
	struct qcow2_chain self = { 0 };
	struct zq_io *io;
	bool qcow2 = false;
	int ret;

	if (!img->hdr.backing_file)
		return 0;
	b = calloc(1, sizeof(*b));
	if (!b)
		return zq_fail(err, -ENOMEM, "%s: out of memory", img->file->name);
	ret = find_file(img, opts, &self, &io, err);
	if (ret || !io)
		return ret;
	ret = in_backing(img, named_is_qcow2(io, img->hdr.backing_format, &qcow2, err), err);
	if (!ret && qcow2) { /* takes io over and locks it */
		ret = open_qcow2(img, io, opts, &self, b, err);
		if (!ret)
			img->backing = steal_ptr(&b);
		return ret;
	}
	if (!ret)
		ret = lock_link(img, io, opts->lock, err);
	if (!ret) {
		ret = io_size(io, &b->size);
		if (ret)
			zq_fail(err, ret, "%s: backing file %s: %s", img->file->name, io->name,
				strerror(-ret));
	}
	if (ret) {
		io_close(io);
		return ret;
	}
	b->raw = io;
	img->backing = steal_ptr(&b);
	return 0;
}

/* By its name, as an io tells no more of its file. */
static bool is_file(const struct zq_io *io, const struct stat *st)
{
	struct stat is;

	return !stat(io->name, &is) && is.st_dev == st->st_dev && is.st_ino == st->st_ino;
}

bool qcow2_uses(const struct qcow2_image *img, const struct stat *st)
{
	const struct qcow2_backing *b = img->backing;

	return is_file(img->file, st) || is_file(img->data, st) ||
	       (b && (b->img ? qcow2_uses(b->img, st) : is_file(b->raw, st)));
}

bool qcow2_is_overlay(const struct qcow2_image *img)
{
	return img->backing && img->backing->img && img->backing->img->hdr.zoned.present;
}

struct qcow2_image *qcow2_base(const struct qcow2_image *img)
{
	return img->backing ? img->backing->img : NULL;
}

void backing_close(struct qcow2_backing *b)
{
	if (!b)
		return;
	if (b->img)
		qcow2_close(b->img);
	io_close(b->raw);
	free(b);
}

void backing_abandon(struct qcow2_backing *b)
{
	if (!b)
		return;
	if (b->img)
		qcow2_abandon(b->img);
	io_close(b->raw);
}

int backing_read(struct qcow2_backing *b, uint64_t off, void *buf, size_t len)
{
	size_t inside = off < b->size ? (size_t)min_u64(len, b->size - off) : 0;

	memset((uint8_t *)buf + inside, 0, len - inside);
	if (!inside)
		return 0;
	return b->img ? qcow2_read(b->img, off, buf, inside) : io_pread(b->raw, buf, inside, off);
}

/* Data and holes of a raw file; one that cannot tell is all data. */
static int raw_status(struct zq_io *io, uint64_t off, uint64_t len, bool *data, uint64_t *run)
{
	uint64_t found;
	int ret = io_seek(io, off, false, &found);

	if (ret == -ENXIO || (!ret && found > off)) {
		*data = false;
		*run = ret ? len : min_u64(len, found - off);
		return 0;
	}
	if (!ret)
		ret = io_seek(io, off, true, &found);
	if (ret && ret != -EOPNOTSUPP && ret != -ENXIO)
		return ret;
	*data = true;
	*run = ret || found <= off ? len : min_u64(len, found - off);
	return 0;
}

int backing_status(struct qcow2_backing *b, uint64_t off, uint64_t len, bool *data, uint64_t *run)
{
	if (off >= b->size) {
		*data = false;
		*run = len;
		return 0;
	}
	len = min_u64(len, b->size - off);
	return b->img ? qcow2_block_status(b->img, off, len, data, run)
		      : raw_status(b->raw, off, len, data, run);
}

int backing_describe(struct qcow2_backing *b, uint64_t off, struct qcow2_piece *p)
{
	unsigned depth = p->depth + 1;
	int rc;

	if (off >= b->size) /* the image above says so, as nothing else can */
		return 0;
	p->len = min_u64(p->len, b->size - off);
	p->depth = depth;
	if (b->img)
		return qcow2_describe(b->img, off, p->len, p);
	rc = raw_status(b->raw, off, p->len, &p->data, &p->len);
	p->present = p->has_offset = true;
	p->zero = !p->data;
	p->offset = off;
	p->file = b->raw->name;
	return rc;
}
