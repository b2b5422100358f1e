/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the zoned device sees of an image: a range of guest bytes that can be read,
 * written, zeroed and let go, a table with one write pointer per zone, and a commit that
 * brings all of it to stable storage in an order that survives a power failure.
 *
 * This layer knows clusters and write pointers as stored numbers. It never knows a zone's
 * state: zone/ decides what may be written where, and says so here.
 *
 * All functions are safe to call from several threads; how, is written in image.h.
 * All return 0 or a negative errno unless a line says otherwise.
 */
#ifndef ZQ_QCOW2_QCOW2_H
#define ZQ_QCOW2_QCOW2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>
#include <zqfs/io.h>

struct qcow2_image;
struct qcow2_header;
struct qcow2_chain;
struct qcow2_base_id;

/* Receives one line (no newline) about damage met while the image is in use. */
typedef void (*qcow2_log_fn)(void *data, const char *line);

struct qcow2_open_opts {
	bool writable;
	bool zoned;	       /* the image must carry the zoned extension */
	bool zoned_base;       /* it may: this is the base of a zoned image */
	bool unfinished;       /* writable even where a commit into it has not ended */
	bool base_writable;    /* the image below, too: this one is to be written down into it */
	bool same_contents;    /* what is changed is not what the disk holds: it keeps a valid
				* identity, and so its overlays */
	enum zq_lock lock;     /* taken on the image and on its external data file */
	size_t cache_bytes;    /* bound of the metadata cache; 0 picks the default (32 MiB) */
	const char *data_file; /* external data file, overrides the name in the image; or NULL */
	struct zq_io *data_io; /* the external data file, already open; taken over, or NULL */
	struct zq_io *base_io; /* the backing file, already open; taken over, or NULL */
	unsigned depth;	       /* position in the backing chain, 0 for the image itself */
	const struct qcow2_chain *chain; /* set by backing.c: the images above, to find loops */
	qcow2_log_fn log;		 /* may be NULL */
	void *log_data;
};

/*
 * Opens the image in io. Takes io over in every case: on failure it has been closed.
 * Nothing is written before the first change. Spec: "Header", "Header extensions".
 */
int qcow2_open(struct zq_io *io, const struct qcow2_open_opts *opts, struct qcow2_image **out,
	       struct zq_error *err);

/* Frees everything and closes the files. Does not commit: what is not committed is lost. */
void qcow2_close(struct qcow2_image *img);
/* Closes the files only, in a process forked from the one that opened the image: locks are as they
 * were at the fork, so nothing else can be done. The memory is not freed. */
void qcow2_abandon(struct qcow2_image *img);

const struct qcow2_header *qcow2_get_header(const struct qcow2_image *img);
const char *qcow2_name(const struct qcow2_image *img);
uint64_t qcow2_size(const struct qcow2_image *img);	    /* guest bytes */
uint64_t qcow2_cluster_size(const struct qcow2_image *img); /* bytes */
bool qcow2_writable(const struct qcow2_image *img);	    /* false too for a corrupt image */
/* False once a flush has failed: every later commit fails too. */
bool qcow2_commits(const struct qcow2_image *img);
const char *qcow2_readonly_reason(const struct qcow2_image *img); /* "" or a clause */

/* Is the image below this one zoned? Then this one is an overlay: what it does not hold below a
 * write pointer is the base's. */
bool qcow2_is_overlay(const struct qcow2_image *img);
/* The image below, or NULL: none, or a raw file. Lives as long as this one. */
struct qcow2_image *qcow2_base(const struct qcow2_image *img);
/* Is that file a part of the image: its own, its data file, or one of its chain? */
struct stat;
bool qcow2_uses(const struct qcow2_image *img, const struct stat *st);
/* What an overlay of it remembers of the image as it is now, which nobody changes meanwhile. */
void qcow2_tell_base(struct qcow2_image *base, struct qcow2_base_id *id);

/* ---- data ---------------------------------------------------------------------------- */

/* Reads guest bytes [off, off + len), which lie within the image. -EIO (and a line in the
 * log) where the mapping is damaged. -ESTALE, for an image that another process may write
 * (ZQ_LOCK_SHARED): what leads to these bytes has changed; refresh and read again. */
int qcow2_read(struct qcow2_image *img, uint64_t off, void *buf, size_t len);

/* Called for each zone whose word has changed; its pointer stood at before. */
typedef void (*qcow2_moved_fn)(void *data, uint32_t zone, uint64_t before);

/*
 * Looks again at an image that another process may write: header, L1 table, pointers; what is
 * cached of L2 tables is forgotten. Nothing happens for other images. One call at a time.
 * -EIO with a line in the log: it is another image now, or cannot be read.
 */
int qcow2_refresh(struct qcow2_image *img, qcow2_moved_fn moved, void *data);

struct qcow2_write {
	uint64_t off; /* guest offset, any byte */
	const void *buf;
	size_t len;	   /* bytes in buf, > 0 */
	size_t pad;	   /* zero bytes to write behind them, 0 to 511 */
	uint64_t zero_end; /* when a cluster is allocated, what lies between the end of this
			    * write and zero_end becomes zeros; other bytes of the cluster keep
			    * what they read as. At least off + len + pad. */
	uint32_t stream;   /* writes of one stream (a zone) get adjacent host clusters */
	bool move_wp;	   /* with the last mapping, set zone's pointer to wp in one step, so that
			    * no commit sees one without the other */
	uint32_t zone;
	uint64_t wp;
};

/*
 * Writes guest bytes. All or nothing as far as the pointer goes: after a failure it stands
 * where it stood, though part of the bytes behind it may have changed. Allocates, copies
 * shared clusters first, never overwrites what a snapshot refers to. When the host has no
 * room (-ENOSPC, -EDQUOT, -EFBIG), clusters that await reuse are freed (a commit) and it is
 * tried once more, elsewhere in the file. Commits first when too much awaits one, and fails with
 * the commit's error. In the steady state: one pwritev.
 */
int qcow2_write(struct qcow2_image *img, const struct qcow2_write *w);

/*
 * Makes [off, off + len) read as zeros. Whole clusters are unmapped and their space goes
 * back to the host with the next commit; parts of clusters are overwritten, so the caller makes
 * sure that no pointer on disk covers them (qcow2_wp_settle). A raw data file is punched too.
 */
int qcow2_zero(struct qcow2_image *img, uint64_t off, uint64_t len);

/* True when zeroing [off, off + len) overwrites bytes in place (parts of a cluster, or an
 * external data file), so that pointers that go back must be on disk first. */
bool qcow2_zero_in_place(const struct qcow2_image *img, uint64_t off, uint64_t len);

/* What of the range is in the image: *data tells whether the byte at off is allocated, *run
 * how many bytes from off are alike (1 to len). For SEEK_DATA, SEEK_HOLE and check. */
int qcow2_block_status(struct qcow2_image *img, uint64_t off, uint64_t len, bool *data,
		       uint64_t *run);

/* A part of the disk, as "qemu-img map" has it. */
struct qcow2_piece {
	uint64_t len;	/* bytes */
	unsigned depth; /* which file of the chain has it, 0: the image; the caller begins with 0 */
	bool present;	/* some file of the chain says what it is */
	bool zero, data, compressed;
	bool has_offset;  /* offset is where its bytes are, one for one */
	uint64_t offset;  /* in file; where the compressed data begins */
	const char *file; /* the image's, or NULL: nothing has it */
	uint64_t packed;  /* compressed: bytes from offset on, up to the end of a block */
};

/*
 * From now on threads unpack compressed clusters ahead of those who read them in order, of all
 * images of the chain. They start with the first need; without memory or a second processor
 * there are none. Stop ends them; closing does too. Not both at once.
 */
void qcow2_start_ahead(struct qcow2_image *img);
void qcow2_stop_ahead(struct qcow2_image *img);

/* What the first bytes of [off, off + len) are, through the chain. -EIO at a damaged entry. */
int qcow2_describe(struct qcow2_image *img, uint64_t off, uint64_t len, struct qcow2_piece *p);

/* Gives back the host clusters that are reserved for a stream and not used. */
void qcow2_stream_release(struct qcow2_image *img, uint32_t stream);

/* Prepares the first change (autoclear bits, a rebuild of refcounts after a crash), which
 * every function that changes data does by itself; for those who move a pointer first. Call
 * it without the lock. Cheap afterwards.
 * -EROFS; -EIO when nothing can be committed any more. */
int qcow2_begin_change(struct qcow2_image *img);

/* ---- compressed clusters ---------------------------------------------------------------- */

/* NULL, or a clause that says why clusters of the image are not compressed: an external data
 * file, internal snapshots (their clusters are shared), refcounts of one or two bits. */
const char *qcow2_why_not_packed(struct qcow2_image *img);

/* What a thread needs to compress clusters by the image's method. level 0: the default.
 * -EINVAL for a level that the method lacks, -EOPNOTSUPP as above, -ENOMEM. */
struct qcow2_packer;
int qcow2_packer_new(struct qcow2_image *img, int level, struct qcow2_packer **packer);
void qcow2_packer_free(struct qcow2_packer *p); /* NULL is ignored */
/* The lowest and the highest level of the image's method. */
void qcow2_packer_levels(const struct qcow2_image *img, int *min, int *max);

/*
 * Writes the whole guest cluster at off, a multiple of the cluster size, compressed. *packed
 * is false, and nothing was written, where it would not become smaller by a sector.
 */
int qcow2_write_packed(struct qcow2_image *img, struct qcow2_packer *p, uint64_t off,
		       const void *cluster, bool *packed);

/* Compresses what the guest cluster at off holds now, if that is data that lies in a host
 * cluster of its own. Reads go on meanwhile, and a reset of the cluster waits; the caller sees
 * to it that nobody writes to it, as a write in its place would be lost. */
int qcow2_repack(struct qcow2_image *img, struct qcow2_packer *p, uint64_t off, bool *packed);

/*
 * The same in two steps, for those whose reads, writes and resets of the cluster must not wait for
 * the compressor: the first one reads and compresses into the packer, and nobody waits for it.
 * *worth tells whether there is anything to enter. The second one writes and enters that, unless
 * the cluster has another mapping by then. The caller sees to it that nobody has written to the
 * cluster in its place in between, and that nobody does during the second step.
 */
int qcow2_pack_prepare(struct qcow2_image *img, struct qcow2_packer *p, uint64_t off, bool *worth);
int qcow2_pack_enter(struct qcow2_image *img, struct qcow2_packer *p, bool *packed);

/*
 * Moves what the file holds towards its start, and cuts it: tables without entries and refcount
 * blocks that count nothing go, compressed clusters are laid close together. tell is called
 * now and then, from 0 to 1; when it returns anything but 0, what was done is committed, and
 * the result is -ECANCELED. An end at any point leaves a whole image. The image is close to
 * unusable for others meanwhile: nobody else may write to it, and it is closed afterwards.
 */
int qcow2_gather(struct qcow2_image *img, int (*tell)(void *data, double done), void *data);

/* ---- write pointers --------------------------------------------------------------------- */

enum qcow2_wp_kind {
	QCOW2_WP_SEQ,	  /* a pointer of a sequential zone within its bounds */
	QCOW2_WP_CONV,	  /* the flag of a conventional zone, agrees with conventional_zones */
	QCOW2_WP_CORRUPT, /* outside of its zone, or its type disagrees with the header */
};

struct qcow2_zoned_info {
	struct zq_geometry geo;
	const char *layout;    /* name of the extension's layout */
	bool whole_blocks;     /* the layout's QEMU refuses a pointer within a block */
	bool little_endian;    /* byte order of the pointer table */
	uint64_t table_offset; /* of the zonedmeta region, bytes in the file */
	uint32_t corrupt;      /* pointers that are not sane in the image's byte order */
	bool hopeless;	       /* so many that nothing may be written */
};

/* NULL: the image has no zones, which only one opened with opts.zoned_base can be. */
const struct qcow2_zoned_info *qcow2_zoned(const struct qcow2_image *img);

/* The pointer (absolute guest offset, flag bits masked off) as it stands in memory. Each append and
 * each read asks for it, so it takes no lock. */
uint64_t qcow2_wp_now(const struct qcow2_image *img, uint32_t zone);
/* The same, and what it stands for. */
uint64_t qcow2_wp_get(struct qcow2_image *img, uint32_t zone, enum qcow2_wp_kind *kind);
/* The pointers of nr zones from first on, and what each stands for. For who wants many. */
struct qcow2_wp {
	uint64_t wp;
	enum qcow2_wp_kind kind;
};
void qcow2_wp_list(struct qcow2_image *img, uint32_t first, uint32_t nr, struct qcow2_wp *out);
/* The same for who cannot go on with a corrupt one. -EINVAL with a sentence, image named. */
int qcow2_wp_get_sane(struct qcow2_image *img, uint32_t zone, uint64_t *wp,
		      enum qcow2_wp_kind *kind, struct zq_error *err);

/* Bytes from the zone's start up to its pointer, at most its capacity; a conventional zone's
 * length; 0 where the pointer is corrupt. */
uint64_t qcow2_wp_written(struct qcow2_image *img, uint32_t zone);

/* Where the pointer of a finished zone stands; no pointer may pass it. */
uint64_t qcow2_wp_finished(const struct qcow2_image *img, uint32_t zone);

/* Moves a pointer forward; goes to disk in the last step of the next commit. */
void qcow2_wp_forward(struct qcow2_image *img, uint32_t zone, uint64_t wp);

/* Moves a pointer back to the zone's start; goes to disk in the first step of the next commit. */
void qcow2_wp_back(struct qcow2_image *img, uint32_t zone);

/* Returns once every pointer that went back before the call is on disk (a commit if needed). */
int qcow2_wp_settle(struct qcow2_image *img);

/* ---- an overlay that is written down ---------------------------------------------------- */

/* What an image has for a range, whatever lies below it. */
enum qcow2_own {
	QCOW2_OWN_NONE, /* nothing: the base shows */
	QCOW2_OWN_ZERO, /* zeros, which hide the base */
	QCOW2_OWN_DATA,
};
/* Tells what the image has at off, and how many bytes from there are alike (1 to len). */
int qcow2_own_status(struct qcow2_image *img, uint64_t off, uint64_t len, enum qcow2_own *own,
		     uint64_t *run);

/*
 * The overlay, opened with base_writable, remembers its base as it is now, and that a commit is
 * going to give that the identity "commit", or 0. On disk when 0 comes back; a power failure
 * leaves a memory that the base of before or of after agrees with.
 */
int qcow2_remember_base(struct qcow2_image *over, uint64_t commit);

/* The base's first change: its identity becomes "commit", it is dirty, and until
 * qcow2_end_unfinished nobody else may write to it. On disk when 0 comes back. */
int qcow2_begin_unfinished(struct qcow2_image *base, uint64_t commit);
int qcow2_end_unfinished(struct qcow2_image *base);
/* Instead of both: what is in the base stays, under an identity that no overlay knows. As the first
 * change of an image that was opened with unfinished; on disk when 0 comes back. */
int qcow2_abandon_unfinished(struct qcow2_image *base);

/* The files themselves, for what is done to them past the engine. The second is the external
 * data file, or NULL. */
struct zq_io *qcow2_file(struct qcow2_image *img);
struct zq_io *qcow2_data_file(struct qcow2_image *img);

/* ---- commit --------------------------------------------------------------------------------- */

/*
 * Brings everything that was done before the call to stable storage, in the order of
 * src/DESIGN section 6. Callers that arrive while one runs share the next. On failure all
 * stays dirty and the next commit tries again.
 */
int qcow2_commit(struct qcow2_image *img);

/* Begins to bring data to stable storage, so that a commit after much of it has less to do. */
void qcow2_write_out(struct qcow2_image *img);

/* True when something awaits a commit. */
bool qcow2_dirty(struct qcow2_image *img);

/*
 * How urgent a commit is: changed metadata takes memory until a commit has written it, and
 * clusters that were let go take room on the host until one has freed them. With NOW the next
 * change commits first, and fails where that fails. Reads one word; no lock.
 */
enum qcow2_pressure {
	QCOW2_PRESSURE_NONE,
	QCOW2_PRESSURE_SOON, /* half of a bound is reached: commit in the background */
	QCOW2_PRESSURE_NOW,
};
enum qcow2_pressure qcow2_pressure(const struct qcow2_image *img);

/* Counters since opening, for benchmarks and tests. */
struct qcow2_stats {
	uint64_t commits, flushes, meta_bytes, data_writes, data_bytes, reads;
};
void qcow2_get_stats(struct qcow2_image *img, struct qcow2_stats *st);

#endif
