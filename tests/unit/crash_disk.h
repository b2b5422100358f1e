/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files under a crash replay: an image and, if it has one, its external data file. Both
 * log what is done to them; together that is one sequence, and a position in it says how far
 * the workload had come when the power failed. A flush vouches for its own file only.
 */
#ifndef ZQ_TESTS_CRASH_DISK_H
#define ZQ_TESTS_CRASH_DISK_H

#include <stdint.h>

#include "memio.h"

struct crash_disk {
	struct memio *image;
	struct memio *data; /* NULL: none */
	struct crash_record *record;
};

/* From now on everything is logged. One thread only. */
void crash_record(struct crash_disk *d);
void crash_record_end(struct crash_disk *d);
/* Entries in both logs so far. */
size_t crash_position(const struct crash_disk *d);
/* The image as it was when recording began. */
struct memio *crash_image_before(const struct crash_disk *d);
/* Forgets what was recorded; the files stay. */
void crash_record_free(struct crash_disk *d);
/* Frees the files as well. */
void crash_disk_free(struct crash_disk *d);

/*
 * Calls state() with what the disks may hold after a power failure behind each position: first
 * with all that was written by then, and, if some of it was not flushed, variants - 1 times
 * with parts of that. rng is drawn from. state() may change the files; they are freed after it.
 */
void crash_each_state(struct crash_disk *d, unsigned variants, uint64_t (*rng)(void *data),
		      void (*state)(void *data, const struct crash_disk *left, size_t at,
				    unsigned variant),
		      void *data);

/*
 * What a disk may hold that has "stable", the first "flushed" entries of the log, when the power
 * fails behind entry "at": with salt 0 all of them, else parts of what was not flushed, which the
 * salt chooses.
 */
struct memio *crash_left_over(struct memio *log, struct memio *stable, size_t flushed, size_t at,
			      uint64_t salt);

#endif
