/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A zoned device in a qcow2 image: what QEMU's zone_report, zone_mgmt and zone_append do,
 * as functions, without FUSE.
 *
 * Offsets and lengths are bytes; a zone is named by its number in the device, which must be
 * < nr_zones (-EINVAL otherwise). All functions may be called from several threads
 * at once. Those that return int give 0 or a negative errno, those that return ssize_t
 * a count or a negative errno.
 */
#ifndef ZQFS_DEVICE_H
#define ZQFS_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>
#include <zqfs/io.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zq_device;

/* What a failed write does to the zone or to the whole device (errors=). */
enum zq_on_error {
	ZQ_ERRORS_REMOUNT_RO,	/* the device becomes read-only */
	ZQ_ERRORS_ZONE_RO,	/* the zone becomes read-only */
	ZQ_ERRORS_ZONE_OFFLINE, /* the zone becomes offline */
	ZQ_ERRORS_REPAIR,	/* nothing but the error */
};

struct zq_open_opts {
	bool readonly;	       /* open for reading only */
	bool require_rw;       /* fail rather than fall back to read-only without permission */
	bool force_share;      /* with readonly: no lock; someone may be writing */
	const char *data_file; /* external data file; NULL: as the image says */
	struct zq_io *data_io; /* the same, already open, for zq_open_device_io; taken over */
	size_t cache_bytes;    /* bound of the metadata cache; 0: default */
	unsigned commit_secs;  /* a commit starts at most so long after a change; 0: 5 */
	bool committer;	       /* run a thread for that; without it commits come from
				* zq_sync, zq_close_device and a full cache only */
	bool sync;	       /* every write is on stable storage when it returns */
	bool strict;	       /* zonefs's rules: whole blocks only, no partial ones */
	enum zq_on_error on_error;
	void (*log)(void *data, int priority, const char *line); /* priority as in syslog(3) */
	void *log_data;
};

/* Opens an image. A sentence in err names what is wrong. -EAGAIN: in use by another process. */
int zq_open_device(const char *path, const struct zq_open_opts *opts, struct zq_device **dev,
		   struct zq_error *err);

/* The same on an io that the caller has opened; takes it over, also on failure. */
int zq_open_device_io(struct zq_io *io, const struct zq_open_opts *opts, struct zq_device **dev,
		      struct zq_error *err);

/* Stops the committer. A library's caller need not; zq_close_device does it. */
void zq_stop_committer(struct zq_device *dev);
/* Starts it again, for a process that has forked since it opened the device. */
int zq_start_committer(struct zq_device *dev);

/* Commits, closes, unlocks and frees. The result is that of the commit. */
int zq_close_device(struct zq_device *dev);

const struct zq_geometry *zq_device_geometry(const struct zq_device *dev);
bool zq_device_readonly(const struct zq_device *dev);
/* Why it is read-only, a clause; "" when it is not. Valid as long as the device. */
const char *zq_device_readonly_reason(const struct zq_device *dev);

/* ---- reporting ------------------------------------------------------------------------ */

/* Zone states ("conditions" in the standards). */
enum zq_zone_state {
	ZQ_NOT_WP, /* conventional */
	ZQ_EMPTY,
	ZQ_IMPLICIT_OPEN,
	ZQ_EXPLICIT_OPEN,
	ZQ_CLOSED,
	ZQ_FULL,
	ZQ_READ_ONLY,
	ZQ_OFFLINE,
	ZQ_NR_STATES,
};

/* "not-wp", "empty", "implicit-open", ...: as user.zone.state spells them in zqfs(1). */
const char *zq_state_name(enum zq_zone_state state);
/* The state of that name, or -EINVAL. */
int zq_state_from_name(const char *name);

struct zq_zone_info {
	uint32_t number;
	bool conventional;
	enum zq_zone_state state;
	uint64_t start, len, capacity;
	uint64_t wp;	   /* absolute; meaningless for conventional and full zones */
	uint64_t written;  /* bytes readable from the zone's start: what a file's size is */
	int64_t mtime_sec; /* of the last write, reset or finish; the time of opening before */
	uint32_t mtime_nsec;
};

int zq_report(struct zq_device *dev, uint32_t first, uint32_t count, struct zq_zone_info *out);

struct zq_counts { /* exact at every moment */
	uint32_t by_state[ZQ_NR_STATES];
	uint32_t active;    /* implicitly open + explicitly open + closed */
	uint64_t unwritten; /* bytes that sequential zones still take */
	uint64_t usable;    /* sum of all zones' capacity */
};
void zq_get_counts(struct zq_device *dev, struct zq_counts *c);

/* Human-readable facts of the image for "info"; see zqfs/info.h. */

/* ---- data ------------------------------------------------------------------------------- */

/* Reads from a zone, off relative to its start; ends at what zq_zone_info.written says, so
 * 0 behind it. -EPERM for an offline zone, -EIO for a damaged mapping. */
ssize_t zq_read(struct zq_device *dev, uint32_t zone, uint64_t off, void *buf, size_t len);

/*
 * Whoever appends through one open file description. It knows where the stream ends that
 * does not fill its last block: the next write of the same writer goes on behind the last
 * byte, another writer's goes behind the padding. The caller provides the memory, zeroed. A
 * writer that wrote to another zone or device last, or before a reset, finish or close of its
 * zone, is like a new one.
 */
struct zq_writer {
	uint64_t stamp; /* of its last write; private */
	uint64_t end;	/* exact end of the stream, absolute; private */
};

enum zq_write_flags {
	ZQ_WRITE_APPEND = 1, /* write at the end whatever off is */
	ZQ_WRITE_DIRECT = 2, /* off and len must be whole blocks (-EINVAL) */
	ZQ_WRITE_SYNC = 4,   /* on stable storage when it returns */
	/* The write may be a piece of a larger one whose pieces come in any order, off is where
	 * its caller takes the end of the zone to be, with APPEND too. A piece that others must
	 * come before waits for them: as long as the zone is written to, and 50 ms more. */
	ZQ_WRITE_WAIT = 8,
};

/*
 * Appends to a sequential zone, off relative to its start. Shortened at the capacity; -EFBIG
 * at or past it (checked first); -EINVAL where off is not the end; -EBUSY when no open or
 * active slot can be had; -EPERM for a read-only or offline zone; -EROFS; -ENOSPC, -EIO as
 * the host gives them, the pointer unchanged. w may be NULL: a writer of one write.
 * *where (may be NULL) is set to where the data landed, relative to the zone's start.
 */
ssize_t zq_append(struct zq_device *dev, uint32_t zone, struct zq_writer *w, uint64_t off,
		  const void *buf, size_t len, unsigned flags, uint64_t *where);

/* Everybody has been told of the padding behind the writer's stream, which ends at end
 * relative to the zone's start: another writer's write at that very place, until now taken for
 * one at the size, is misplaced from now on. False, and nothing happens, when the padding is no
 * longer w's: it has gone on, or another has written to the zone or reset it. */
bool zq_settle(struct zq_device *dev, uint32_t zone, const struct zq_writer *w, uint64_t end);

/* True when w was the last to write to the zone: then *end is where its stream ends, relative
 * to the zone's start and without padding. */
bool zq_writer_end(struct zq_device *dev, uint32_t zone, const struct zq_writer *w, uint64_t *end);

/* Writes to conventional zones; off is absolute and may run over several zones.
 * Shortened at the end of the conventional space, -EFBIG behind it. */
ssize_t zq_write(struct zq_device *dev, uint64_t off, const void *buf, size_t len, unsigned flags);
/* Reads from conventional zones, absolute likewise. */
ssize_t zq_read_conv(struct zq_device *dev, uint64_t off, void *buf, size_t len);
/* Makes a range of the conventional space read as zeros and gives the space back. */
int zq_zero(struct zq_device *dev, uint64_t off, uint64_t len);

/* SEEK_DATA (hole false) or SEEK_HOLE from off, relative to the zone's start, within what is
 * written; -ENXIO behind it. For conventional space seek with zone = first of it and
 * limit up to its whole length; limit 0: the zone's written bytes. */
int zq_seek(struct zq_device *dev, uint32_t zone, uint64_t off, bool hole, uint64_t limit,
	    uint64_t *found);

/* ---- zone management ------------------------------------------------------------------------ */

int zq_zone_open(struct zq_device *dev, uint32_t zone); /* explicitly */
int zq_zone_close(struct zq_device *dev, uint32_t zone);
int zq_zone_finish(struct zq_device *dev, uint32_t zone);
int zq_zone_reset(struct zq_device *dev, uint32_t zone);
/* read-only or offline, in memory only, for tests of error handling; -EINVAL for others. */
int zq_zone_set_state(struct zq_device *dev, uint32_t zone, enum zq_zone_state state);

/* Everything done before the call is on stable storage when it returns 0 (fsync). */
int zq_sync(struct zq_device *dev);
/* Asks the committer to start a commit now; does not wait. */
void zq_sync_soon(struct zq_device *dev);

#ifdef __cplusplus
}
#endif

#endif
