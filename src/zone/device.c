/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening and closing a zoned device, and the plain facts about one. Decides between
 * read-write and read-only; everything about zones is in the other files.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "util/clock.h"
#include "util/sized.h"
#include "zone/wcache.h"
#include "zone/zone.h"

/* What qcow2/ has to say is about damage. */
static void log_damage(void *data, const char *line)
{
	device_log_line(data, LOG_WARNING, line);
}

/* ---- opening ------------------------------------------------------------------------------ */

static void init_locks(struct zq_device *dev)
{
	pthread_mutex_init(&dev->lock, NULL);
	for (unsigned i = 0; i < ZONE_STRIPES; i++) {
		pthread_mutex_init(&dev->stripe[i].lock, NULL);
		cond_init_monotonic(&dev->stripe[i].cond);
	}
	pthread_mutex_init(&dev->refresh_lock, NULL);
	committer_init(dev);
	compressor_init(dev);
	callers_init(&dev->callers);
}

static void free_device(struct zq_device *dev)
{
	committer_destroy(dev);
	compressor_destroy(dev);
	callers_destroy(&dev->callers);
	for (unsigned i = 0; i < ZONE_STRIPES; i++) {
		pthread_mutex_destroy(&dev->stripe[i].lock);
		pthread_cond_destroy(&dev->stripe[i].cond);
	}
	pthread_mutex_destroy(&dev->lock);
	pthread_mutex_destroy(&dev->refresh_lock);
	zones_free(dev);
	free(dev);
}

static struct zq_device *new_device(const struct zq_open_opts *opts)
{
	/* the stripes want more alignment than malloc gives */
	size_t size = (sizeof(struct zq_device) + 127) & ~(size_t)127;
	struct zq_device *dev = aligned_alloc(128, size);

	if (!dev)
		return NULL;
	memset(dev, 0, sizeof(*dev));
	dev->opts = *opts;
	init_locks(dev);
	return dev;
}

static enum zq_lock lock_mode(const struct zq_open_opts *opts, bool writable)
{
	if (opts->force_share)
		return ZQ_LOCK_SHARED;
	return writable ? ZQ_LOCK_WRITE : ZQ_LOCK_READ;
}

static int open_zoned_image(struct zq_device *dev, struct zq_io *io, bool writable,
			    struct zq_error *err)
{
	struct qcow2_open_opts q = {
		.writable = writable,
		.zoned = true,
		.lock = lock_mode(&dev->opts, writable),
		.cache_bytes = dev->opts.cache_bytes,
		.data_file = dev->opts.data_file,
		.data_io = dev->opts.data_io,
		.log = log_damage,
		.log_data = dev,
	};

	return qcow2_open(io, &q, &dev->img, err);
}

/* With the image open: the mode that it came to, the zones, the thread. */
static int set_up(struct zq_device *dev, bool wanted, const char *why, struct zq_error *err)
{
	int rc;

	dev->geo = qcow2_zoned(dev->img)->geo;
	dev->readonly = !wanted || !qcow2_writable(dev->img);
	if (dev->readonly)
		snprintf(dev->why_readonly, sizeof(dev->why_readonly), "%s",
			 wanted ? qcow2_readonly_reason(dev->img) : why);
	if (dev->readonly && dev->opts.require_rw)
		return zq_fail(err, -EROFS, "%s: cannot be opened for writing: %s",
			       qcow2_name(dev->img), dev->why_readonly);
	atomic_store(&dev->refreshed, clock_ns(CLOCK_MONOTONIC));
	rc = zones_load(dev);
	if (rc < 0)
		return zq_fail(err, rc, "out of memory for %u zones", dev->geo.nr_zones);
	rc = dev->readonly ? 0 : compressor_check(dev, err);
	if (rc < 0)
		return rc;
	rc = wcache_open(dev, err);
	if (rc < 0)
		return rc;
	if (dev->opts.committer)
		rc = zq_start_committer(dev);
	if (rc < 0)
		return zq_fail(err, rc, "cannot start a thread: %s", strerror(-rc));
	dev->opts.data_file = NULL; /* the caller's, from now on */
	return 0;
}

/* Both are ours as soon as we are called. */
static void close_ios(struct zq_io *io, const struct zq_open_opts *opts)
{
	if (io)
		io->ops->close(io);
	if (opts->data_io)
		opts->data_io->ops->close(opts->data_io);
}

/* Takes io over. why: reason for a read-only open, when writable is false. */
static int open_io(struct zq_io *io, const struct zq_open_opts *opts, bool writable,
		   const char *why, struct zq_device **out, struct zq_error *err)
{
	struct zq_device *dev = new_device(opts);
	int rc;

	if (!dev) {
		close_ios(io, opts);
		return zq_fail(err, -ENOMEM, "out of memory");
	}
	rc = open_zoned_image(dev, io, writable, err);
	if (rc == 0) {
		rc = set_up(dev, writable, why, err);
		if (rc < 0) {
			wcache_close(dev);
			qcow2_close(dev->img);
		}
	}
	if (rc < 0) {
		free_device(dev);
		return rc;
	}
	*out = dev;
	return 0;
}

static int check_opts(const struct zq_open_opts *opts, const char *name, struct zq_error *err)
{
	if (opts->force_share && !opts->readonly)
		return zq_fail(err, -EINVAL, "%s: force_share is for a read-only open only", name);
	if (opts->readonly && opts->require_rw)
		return zq_fail(err, -EINVAL, "%s: asked for read-only and read-write at once",
			       name);
	if (opts->powercut && opts->compress)
		return zq_fail(err, -EINVAL, "%s: powercut and compress exclude each other", name);
	return 0;
}

static const char asked_for[] = "it was opened read-only";

/* What the caller gave, as far as all ways to open have it in common. */
static int take_open_args(struct zq_open_opts *o, const struct zq_open_opts *opts, size_t size,
			  const void *image, struct zq_device **dev, struct zq_error *err)
{
	int rc = sized_take(o, sizeof(*o), opts, size, err);

	if (rc == 0 && (!image || !dev))
		rc = zq_fail(err, -EINVAL, "no image, or no place for the device");
	return rc;
}

int zq_open_device_io_sized(struct zq_io *io, const struct zq_open_opts *opts, size_t size,
			    struct zq_device **dev, struct zq_error *err)
{
	struct zq_open_opts o;
	int rc = take_open_args(&o, opts, size, io, dev, err);

	if (rc == 0)
		rc = check_opts(&o, io->name, err);
	if (rc < 0) {
		close_ios(io, &o);
		return rc;
	}
	return open_io(io, &o, !o.readonly && io->writable,
		       o.readonly ? asked_for : "its file is not open for writing", dev, err);
}

static int open_path(const char *path, const struct zq_open_opts *opts, bool writable,
		     const char *why, struct zq_device **dev, struct zq_error *err)
{
	struct zq_io *io;
	int rc = zq_io_open(path, writable, &io, err);

	return rc < 0 ? rc : open_io(io, opts, writable, why, dev, err);
}

static const char *no_permission(int rc)
{
	switch (rc) {
	case -EACCES:
	case -EPERM:
		return "no permission to write to the file";
	case -EROFS:
		return "the file is on a read-only file system";
	default:
		return NULL;
	}
}

int zq_open_device_sized(const char *path, const struct zq_open_opts *opts, size_t size,
			 struct zq_device **dev, struct zq_error *err)
{
	struct zq_open_opts o;
	int rc = take_open_args(&o, opts, size, path, dev, err);
	const char *why;

	if (rc == 0)
		rc = check_opts(&o, path, err);
	if (rc == 0 && o.data_io)
		rc = zq_fail(err, -EINVAL, "%s: data_io is for images in an io", path);
	if (rc < 0) {
		close_ios(NULL, &o);
		return rc;
	}
	if (o.readonly)
		return open_path(path, &o, false, asked_for, dev, err);
	rc = open_path(path, &o, true, "", dev, err);
	/* the image's file or its external data file */
	why = no_permission(rc);
	if (!why || o.require_rw)
		return rc;
	if (err)
		err->msg[0] = '\0';
	return open_path(path, &o, false, why, dev, err);
}

/* ---- closing -------------------------------------------------------------------------------- */

/* The files of a forked process's copy. */
static void abandon(struct zq_device *dev)
{
	qcow2_abandon(dev->img);
	wcache_abandon(dev->wcache);
}

int zq_close_device(struct zq_device *dev)
{
	int rc = dev ? device_enter(dev) : 0;

	/* of a forked process the locks and the memory are of no use, but its copies of the files
	 * would keep the image in use */
	if (rc == -ESTALE)
		abandon(dev);
	if (!dev || rc < 0)
		return rc;
	zq_stop_committer(dev);
	rc = dev->readonly ? 0 : device_commit(dev);
	/* a commit frees clusters at its end; the next one writes that down */
	for (int i = 0; i < 3 && rc == 0 && !dev->readonly && qcow2_dirty(dev->img); i++)
		rc = device_commit(dev);
	wcache_close(dev);
	qcow2_close(dev->img);
	free_device(dev);
	return rc;
}

/* ---- facts ---------------------------------------------------------------------------- */

const struct zq_geometry *zq_device_geometry(const struct zq_device *dev)
{
	return &dev->geo;
}

bool zq_device_readonly(const struct zq_device *dev)
{
	return device_check_writable(dev) < 0;
}

/* ---- threads -------------------------------------------------------------------------- */

int zq_start_committer(struct zq_device *dev)
{
	int rc = device_enter(dev);

	if (rc < 0)
		return rc;
	qcow2_start_ahead(dev->img);
	if (dev->committer.running || dev->readonly)
		return 0;
	rc = compressor_start(dev);
	return rc < 0 ? rc : committer_start(dev);
}

void zq_stop_committer(struct zq_device *dev)
{
	if (device_enter(dev) < 0)
		return;
	qcow2_stop_ahead(dev->img);
	if (!dev->committer.running)
		return;
	compressor_stop(dev);
	committer_stop(dev);
}
