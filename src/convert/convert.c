/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zq_convert: pieces of the source, taken in order by as many threads as there are processors,
 * go to the target. Holes and zeros are left out. Pointers and states come last, and only
 * then does the target get its name.
 *
 * job.lock guards the cursor, the count of bytes done and the first error. No other lock is
 * taken under it but those of the source's status call.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "convert/disk.h"
#include "convert/formats.h"
#include "convert/target_rules.h"
#include "convert/workers.h"
#include "util/cleanup.h"
#include "util/math.h"

/* Read and written at once: small enough to be in the processor's cache still when it is written.
 */
#define PIECE_BYTES    (UINT64_C(256) << 10)
#define MAX_SPARSE     (UINT64_C(2) << 20)
#define DEFAULT_SPARSE 4096u
#define OUT_BYTES      (UINT64_C(32) << 20) /* then what is in the cache begins to go out */

struct job {
	struct disk_source *from;
	struct disk_target *to;
	const struct zq_convert_opts *opts;
	uint64_t sparse; /* zeros of this many bytes become holes; 0: none do */
	uint64_t piece;	 /* bytes: a multiple of every unit of source and target */
	pthread_mutex_t lock;
	uint32_t zone;	 /* [lock] the cursor */
	uint64_t off;	 /* [lock] within that zone */
	uint64_t done;	 /* [lock] bytes behind the cursor */
	int error;	 /* [lock] the first one ends the work */
	bool writing;	 /* [lock] the error came from the target */
	uint64_t unsent; /* [lock] bytes written since the target was told to write out */
	uint64_t copied; /* [lock] bytes of data that the target was given */
	uint64_t total;
};

struct piece {
	uint32_t zone;
	uint64_t off;
	size_t len;
};

/* ---- one piece --------------------------------------------------------------------------- */

/*
 * What lies at the cursor, as the source tells it, cut at the target's units: a unit with any
 * data in it is data, so that the cursor never stops within one. [lock]
 */
static int next_run(struct job *j, uint64_t left, bool *data, uint64_t *run)
{
	uint64_t unit = j->to->unit, end;
	int ret = j->from->ops->status(j->from, j->zone, j->off, left, data, run);

	if (ret || *run >= left)
		return ret;
	end = j->off + *run;
	*run = (*data ? align_up(end, unit) : align_down(end, unit)) - j->off;
	if (!*run) {
		*data = true;
		*run = unit;
	}
	*run = min_u64(*run, left);
	return 0;
}

/* Moves the cursor over holes and empty zones. 1 with a piece, 0 at the end. [lock] */
static int next_piece(struct job *j, struct piece *p)
{
	const struct zq_geometry *g = &j->from->geo;

	while (j->zone < g->nr_zones) {
		uint64_t written = j->from->zone[j->zone].written, run;
		bool data = true;
		int ret = 0;

		if (j->off >= written) {
			j->zone++;
			j->off = 0;
			continue;
		}
		run = written - j->off;
		if (!j->opts->no_holes)
			ret = next_run(j, run, &data, &run);
		if (ret)
			return ret;
		/* pieces begin at multiples of their size, so that units are never cut */
		if (data)
			run = min_u64(run, j->piece - j->off % j->piece);
		*p = (struct piece){ j->zone, j->off, (size_t)run };
		j->off += run;
		j->done += run;
		if (data)
			return 1;
	}
	return 0;
}

static bool all_zero(const uint8_t *b, size_t len)
{
	return !*b && (len == 1 || !memcmp(b, b + 1, len - 1));
}

/* The length from b on of what is alike, zeros or not, in steps of unit. */
static size_t alike(const uint8_t *b, size_t len, size_t unit, bool *zero)
{
	size_t n = (size_t)min_u64(len, unit);

	*zero = all_zero(b, n);
	while (n < len && all_zero(b + n, (size_t)min_u64(len - n, unit)) == *zero)
		n += (size_t)min_u64(len - n, unit);
	return n;
}

/* The unit in which zeros are looked for: never cuts a unit of the target. */
static size_t zero_unit(const struct job *j)
{
	return (size_t)max_u64(j->sparse, j->to->unit);
}

/* *copied: the bytes of it that are not left out as zeros. */
static int write_piece(struct job *j, const struct piece *p, const uint8_t *buf, size_t *copied)
{
	size_t at = 0, unit = zero_unit(j);
	int ret = 0;

	*copied = j->sparse ? 0 : p->len;
	if (!j->sparse)
		return j->to->ops->write(j->to, p->zone, p->off, buf, p->len);
	while (at < p->len && !ret) {
		/* up to the next boundary first, where a run of data began within a unit */
		size_t lead = (size_t)(unit - (p->off + at) % unit), n;
		bool zero;

		if (lead < unit) {
			n = (size_t)min_u64(lead, p->len - at);
			zero = all_zero(buf + at, n);
		} else {
			n = alike(buf + at, p->len - at, unit, &zero);
		}
		if (!zero) {
			ret = j->to->ops->write(j->to, p->zone, p->off + at, buf + at, n);
			*copied += n;
		}
		at += n;
	}
	return ret;
}

/* ---- the threads ----------------------------------------------------------------------------- */

static void end_with(struct job *j, int ret, bool writing)
{
	SCOPE_LOCK(&j->lock);
	if (!j->error) {
		j->error = ret;
		j->writing = writing;
	}
}

/*
 * The disk works while the next pieces are read. Otherwise all of it would wait for the last
 * flush, since the host's cache takes gigabytes before it begins by itself.
 */
static void note_written(struct job *j, size_t len, size_t copied)
{
	bool enough;

	pthread_mutex_lock(&j->lock);
	j->unsent += len;
	j->copied += copied;
	enough = j->unsent >= OUT_BYTES;
	if (enough)
		j->unsent = 0;
	pthread_mutex_unlock(&j->lock);
	if (enough && j->to->ops->write_out)
		j->to->ops->write_out(j->to);
}

/* Takes the next piece; false at the end or after an error. */
static bool take_piece(struct job *j, struct piece *p, double *done)
{
	int ret;

	SCOPE_LOCK(&j->lock);
	if (j->error)
		return false;
	ret = next_piece(j, p);
	if (ret < 0)
		j->error = ret;
	*done = j->total ? (double)j->done / (double)j->total : 1;
	return ret == 1;
}

/* Copies pieces until there are none. caller: this is the thread that called zq_convert. */
static void copy_pieces(void *data, bool caller)
{
	struct job *j = data;
	uint8_t *buf CLEANUP_FREE = malloc((size_t)j->piece);
	struct piece p = { 0 };
	double done = 0;

	if (!buf) {
		end_with(j, -ENOMEM, false);
		return;
	}
	while (take_piece(j, &p, &done)) {
		int ret = j->from->ops->read(j->from, p.zone, p.off, buf, p.len);
		size_t copied;

		if (ret) {
			end_with(j, ret, false);
			return;
		}
		ret = write_piece(j, &p, buf, &copied);
		if (ret) {
			end_with(j, ret, true);
			return;
		}
		note_written(j, p.len, copied);
		if (caller && j->opts->progress && j->opts->progress(j->opts->data, done))
			end_with(j, -ECANCELED, false);
	}
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static int say_conversion_failed(const struct job *j, struct zq_error *err)
{
	const char *name = j->writing ? j->to->name : j->from->name;

	if (j->error == -ECANCELED)
		return zq_fail(err, j->error, "%s: interrupted, nothing was made", j->to->name);
	return zq_fail(err, j->error, "%s: %s", name, strerror(-j->error));
}

static int run_job(struct job *j, struct zq_error *err)
{
	/* all of them are powers of two */
	j->piece = max_u64(max_u64(PIECE_BYTES, j->from->unit), zero_unit(j));
	for (uint32_t i = 0; i < j->from->geo.nr_zones; i++)
		j->total += j->from->zone[i].written;
	pthread_mutex_init(&j->lock, NULL);
	run_workers(j->opts->threads, copy_pieces, j);
	pthread_mutex_destroy(&j->lock);
	if (j->error)
		return say_conversion_failed(j, err);
	if (j->opts->progress && j->opts->progress(j->opts->data, 1)) {
		j->error = -ECANCELED;
		return say_conversion_failed(j, err);
	}
	return j->to->ops->publish(j->to, j->from->zone, err);
}

static void tell_finished(const struct job *j)
{
	const struct zq_convert_result res = {
		.source_format = j->from->format,
		.target_format = j->to->format,
		.size = j->from->geo.size,
		.zones = j->from->geo.nr_zones,
		.written = j->total,
		.copied = j->copied,
	};

	if (j->opts->finished)
		j->opts->finished(j->opts->data, &res);
}

int zq_convert_sized(const char *source, const char *target, const struct zq_convert_opts *opts,
		     size_t opts_size, size_t create_size, struct zq_error *err)
{
	struct disk_opts o;
	struct job j = { .opts = &o.convert };
	int ret = disk_take_opts(&o, opts, opts_size, create_size, err);

	if (!ret && (!source || !target))
		ret = zq_fail(err, -EINVAL, "no source or no target");
	if (ret)
		return ret;
	j.sparse = j.opts->sparse_size ? j.opts->sparse_size : DEFAULT_SPARSE;
	if (j.opts->no_holes)
		j.sparse = 0;
	else if (!is_pow2(j.sparse) || j.sparse < ZQ_BLOCK || j.sparse > MAX_SPARSE)
		return zq_fail(err, -EINVAL,
			       "%s: zeros are found in runs of a power of two from %u bytes to "
			       "%" PRIu64 ", not %" PRIu64,
			       target, ZQ_BLOCK, MAX_SPARSE, j.sparse);
	ret = disk_source_open(source, j.opts, &j.from, err);
	if (ret)
		return ret;
	ret = disk_target_begin(target, j.opts, j.from, &j.to, err);
	if (!ret) {
		target_tell_lost(j.from, j.to, j.opts);
		ret = run_job(&j, err);
	}
	if (!ret)
		tell_finished(&j);
	disk_target_end(j.to);
	disk_source_close(j.from);
	return ret;
}
