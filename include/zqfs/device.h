/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A zoned device in a qcow2 image: what QEMU's zone_report, zone_mgmt and zone_append do,
 * as functions, without FUSE.
 *
 * Offsets and lengths are bytes; a zone is named by its number in the device, which must be
 * < nr_zones (-EINVAL otherwise). Those that return int give 0 or a negative errno, those
 * that return ssize_t or int64_t a count or a negative errno. NULL for what a call must fill or
 * read is -EINVAL.
 *
 * All functions may be called from several threads at once, but nothing else may run when
 * zq_close_device() is called. There are no calls that return before they are done: threads of
 * the program do that, and different zones never wait for each other. The library has threads of
 * its own for a device from zq_start_committer() on, or with the option: the committer, the one for
 * compress, and some that unpack compressed clusters ahead of those who read them in order. They
 * handle no signals.
 *
 * A device belongs to the process that opened it. In a child that was forked since, every call
 * does nothing and returns -ESTALE, and zq_close_device() closes the child's copies of the files.
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

struct zq_open_opts {
	bool readonly;	       /* open for reading only */
	bool require_rw;       /* fail rather than fall back to read-only without permission */
	bool force_share;      /* with readonly: no lock; someone may be writing */
	const char *data_file; /* external data file; NULL: as the image says */
	struct zq_io *data_io; /* the same, already open, for zq_open_device_io; taken over,
				* also on failure */
	size_t cache_bytes;    /* bound of the metadata cache; 0: default */
	unsigned commit_secs;  /* a commit starts at most so long after a change; 0: 5 */
	bool committer;	       /* run a thread for that; without it commits come from
				* zq_sync, zq_close_device and a full cache only */
	bool sync;	       /* every write is on stable storage when it returns */
	bool strict;	       /* zonefs's rules: whole blocks only, no partial ones */
	enum zq_on_error on_error;
	/* Gets a line, without a newline, about each failure that a log should have; priority as in
	 * syslog(3). Called in any thread that uses the device and in the committer, one or more
	 * at once, with locks held: a call for this device in it returns -EDEADLK, but for the
	 * zq_device_ functions. */
	void (*log)(void *data, int priority, const char *line);
	void *log_data;
	/* A zone has changed its state; implicit: not because that was asked for. Called with a
	 * lock of the device held, so it must not call back. NULL: nobody wants to know. */
	void (*on_state)(void *data, uint32_t zone, enum zq_zone_state was, enum zq_zone_state now,
			 bool implicit);
	void *state_data;
	/* Full zones are rewritten compressed by a thread of low priority, which runs with the
	 * committer. -EOPNOTSUPP where the image cannot hold compressed clusters. level 0: the
	 * default of the image's compression_type. */
	bool compress;
	int compress_level;
	/* For tests of programs: what has not been confirmed by zq_sync(), zq_sync_zones() or
	 * ZQ_WRITE_SYNC is lost at the end, however the process ends, and zq_close_device()
	 * confirms nothing. With a seed other than 0 a random part of it that a disk might have
	 * kept is there. Not together with compress; a read-only device ignores it. */
	bool powercut;
	uint64_t powercut_seed;
};

int zq_open_device_sized(const char *path, const struct zq_open_opts *opts, size_t size,
			 struct zq_device **dev, struct zq_error *err);
int zq_open_device_io_sized(struct zq_io *io, const struct zq_open_opts *opts, size_t size,
			    struct zq_device **dev, struct zq_error *err);

/* Opens an image. A sentence in err names what is wrong. -EAGAIN: in use by another process, or by
 * this one. *dev is untouched on failure. */
static inline int zq_open_device(const char *path, const struct zq_open_opts *opts,
				 struct zq_device **dev, struct zq_error *err)
{
	return zq_open_device_sized(path, opts, sizeof(*opts), dev, err);
}

/* The same on an io that the caller has opened; takes it over, also on failure. */
static inline int zq_open_device_io(struct zq_io *io, const struct zq_open_opts *opts,
				    struct zq_device **dev, struct zq_error *err)
{
	return zq_open_device_io_sized(io, opts, sizeof(*opts), dev, err);
}

/* Stops the committer and the other threads. zq_close_device does this too. Do not call
 * zq_start_committer and zq_stop_committer at the same time. */
void zq_stop_committer(struct zq_device *dev);
/* Starts them, for a device that was opened without or where they have been stopped. */
int zq_start_committer(struct zq_device *dev);

/* Commits, closes, unlocks and frees. The result is that of the commit; the device is gone in any
 * case but -EDEADLK. NULL is ignored. */
int zq_close_device(struct zq_device *dev);

/* Why the last call failed that this thread made for the device: a sentence with the zone, the
 * place and the reason; "" when none has failed. The last 32 threads are remembered. */
void zq_last_error(struct zq_device *dev, struct zq_error *err);

const struct zq_geometry *zq_device_geometry(const struct zq_device *dev);
bool zq_device_readonly(const struct zq_device *dev);
/* Why it is read-only, a clause; "" when it is not. Valid as long as the device. */
const char *zq_device_readonly_reason(const struct zq_device *dev);

/* ---- reporting ------------------------------------------------------------------------ */

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

int zq_report_sized(struct zq_device *dev, uint32_t first, uint32_t count, struct zq_zone_info *out,
		    size_t size);
ssize_t zq_report_states_sized(struct zq_device *dev, uint32_t *next, unsigned states,
			       struct zq_zone_info *out, uint32_t max, size_t size);

/* What is known of count zones from first on, all of which must exist. */
static inline int zq_report(struct zq_device *dev, uint32_t first, uint32_t count,
			    struct zq_zone_info *out)
{
	return zq_report_sized(dev, first, count, out, sizeof(*out));
}

/*
 * The same of zones in certain states only, from *next on: states has the bit 1 << state for
 * each that is wanted. At most max of them; *next becomes the number of the zone to go on with,
 * nr_zones at the end. Returns how many there are in out.
 */
static inline ssize_t zq_report_states(struct zq_device *dev, uint32_t *next, unsigned states,
				       struct zq_zone_info *out, uint32_t max)
{
	return zq_report_states_sized(dev, next, states, out, max, sizeof(*out));
}

#define ZQ_COUNTED_STATES 16 /* room for states that may come */

struct zq_counts { /* exact at every moment */
	uint32_t by_state[ZQ_COUNTED_STATES];
	uint32_t active;    /* implicitly open + explicitly open + closed */
	uint64_t unwritten; /* bytes that sequential zones still take */
	uint64_t usable;    /* sum of all zones' capacity */
};
int zq_get_counts_sized(struct zq_device *dev, struct zq_counts *c, size_t size);

static inline int zq_get_counts(struct zq_device *dev, struct zq_counts *c)
{
	return zq_get_counts_sized(dev, c, sizeof(*c));
}

/*
 * Looks again at an image that was opened with force_share and that another process may be
 * writing to: sizes, states and counters are those on disk afterwards, times change where a
 * pointer did. Only if the last look is older than max_age_ms; 0: always. Nothing happens for
 * a device that was opened otherwise. Reads look by themselves at what leads to their data, and
 * give -EIO where it changes faster than they can follow. -EIO: the file is another image now.
 */
int zq_refresh(struct zq_device *dev, unsigned max_age_ms);

/* ---- data ------------------------------------------------------------------------------- */

/* Reads from a zone, off relative to its start; ends at what zq_zone_info.written says, so
 * 0 behind it. -EPERM for an offline zone, -EIO for a damaged mapping. */
ssize_t zq_read(struct zq_device *dev, uint32_t zone, uint64_t off, void *buf, size_t len);
/* The same into several buffers, one behind the other; a reset shows in all of them or in none. */
ssize_t zq_readv(struct zq_device *dev, uint32_t zone, uint64_t off, const struct iovec *iov,
		 int niov);

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
	uint64_t reserved[2];
};

enum zq_write_flags {
	ZQ_WRITE_APPEND = 1, /* write at the end whatever off is */
	ZQ_WRITE_DIRECT = 2, /* off and len must be whole blocks (-EINVAL) */
	ZQ_WRITE_SYNC = 4,   /* on stable storage when it returns */
	/* The write may be a piece of a larger one whose pieces come in any order, off is where
	 * its caller takes the end of the zone to be, with APPEND too. A piece that others must
	 * come before waits for them: as long as the zone is written to or a commit goes on, and
	 * about 50 ms more. */
	ZQ_WRITE_WAIT = 8,
};

/*
 * Appends to a sequential zone, off relative to its start. Shortened at the capacity; -EFBIG
 * at or past it (checked first); -EINVAL where off is not the end; -EBUSY when no open or
 * active slot can be had; -EPERM for a read-only or offline zone; -EROFS; -ENOSPC, -EIO as
 * the host gives them; -EINVAL for a flag that is not above. w may be NULL: a writer of one
 * write. *where (may be NULL) is set to where the data landed, relative to the zone's start, and
 * to ZQ_NOWHERE when it did not: the pointer has not moved then. A failure with another *where
 * is that of the commit which ZQ_WRITE_SYNC or the option sync asked for: the data is in the
 * zone and the pointer behind it, but a power failure may take both. With len 0 nothing is
 * written, and *where is where this writer's next append would begin, or off.
 */
ssize_t zq_append(struct zq_device *dev, uint32_t zone, struct zq_writer *w, uint64_t off,
		  const void *buf, size_t len, unsigned flags, uint64_t *where);
/* The same from several buffers, one behind the other in the zone without anything between.
 * Short, with a whole number of blocks, when a part could not be written. */
ssize_t zq_appendv(struct zq_device *dev, uint32_t zone, struct zq_writer *w, uint64_t off,
		   const struct iovec *iov, int niov, unsigned flags, uint64_t *where);
#define ZQ_NOWHERE UINT64_MAX

/* Everybody has been told of the padding behind the writer's stream, which ends at end
 * relative to the zone's start: another writer's write at that very place, until now taken for
 * one at the size, is misplaced from now on. False, and nothing happens, when the padding is no
 * longer w's: it has gone on, or another has written to the zone or reset it. */
bool zq_settle(struct zq_device *dev, uint32_t zone, const struct zq_writer *w, uint64_t end);

/* True when w was the last to write to the zone: then *end is where its stream ends, relative
 * to the zone's start and without padding. */
bool zq_writer_end(struct zq_device *dev, uint32_t zone, const struct zq_writer *w, uint64_t *end);

/* Would zq_settle() say true? */
static inline bool zq_is_last(struct zq_device *dev, uint32_t zone, const struct zq_writer *w,
			      uint64_t end)
{
	uint64_t own;

	return zq_writer_end(dev, zone, w, &own) && own == end;
}

/* Writes to conventional zones; off is absolute and may run over several zones. Shortened at the
 * end of the conventional space, -EFBIG behind it. A failure leaves any part of the data written.
 */
ssize_t zq_write(struct zq_device *dev, uint64_t off, const void *buf, size_t len, unsigned flags);
/* Reads from conventional zones, absolute likewise. */
ssize_t zq_read_conv(struct zq_device *dev, uint64_t off, void *buf, size_t len);
/* Makes a range of the conventional space read as zeros and gives the space back. The result is how
 * many bytes: fewer at the end of the conventional space, -EFBIG behind it. */
int64_t zq_zero(struct zq_device *dev, uint64_t off, uint64_t len);

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
/* Resets or finishes count zones from first on, but for conventional ones. Stops at the first one
 * that fails, with its error; *done (may be NULL) is how many zones, the conventional ones too, are
 * dealt with. */
int zq_reset_zones(struct zq_device *dev, uint32_t first, uint32_t count, uint32_t *done);
int zq_finish_zones(struct zq_device *dev, uint32_t first, uint32_t count, uint32_t *done);
/* read-only or offline, in memory only, for tests of error handling; -EINVAL for others. */
int zq_zone_set_state(struct zq_device *dev, uint32_t zone, enum zq_zone_state state);

/* Everything done before the call is on stable storage when it returns 0 (fsync). */
int zq_sync(struct zq_device *dev);
/* The same for what was done to count zones from first on. Changes of other zones may be too. */
int zq_sync_zones(struct zq_device *dev, uint32_t first, uint32_t count);
/* Asks the committer to start a commit now; does not wait. */
void zq_sync_soon(struct zq_device *dev);

#ifdef __cplusplus
}
#endif

#endif
