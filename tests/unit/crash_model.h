/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a zoned device may hold after a power failure: a history of what was done to each
 * zone and to each block of conventional space, with the position in the log of writes at
 * which it began and a number, and of what a sync has acknowledged. Given a position and what is
 * found, it says whether that can be.
 *
 * Every byte that is written tells the zone, how often the zone had been reset, and where
 * it belongs, so that data of another zone or of before a reset is recognised.
 */
#ifndef ZQ_TESTS_CRASH_MODEL_H
#define ZQ_TESTS_CRASH_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/device.h>

struct crash_event { /* one zone: the zone has this content from log position "at" on */
	size_t at, seq;
	uint32_t gen;  /* resets before */
	uint64_t end;  /* exact bytes written in this generation */
	bool finished; /* zeros from end to the capacity */
};

struct crash_version { /* one conventional block */
	size_t at, seq;
	uint32_t version; /* 0: as the image was at first */
	bool zero;
};

struct crash_list {
	void *item;
	size_t nr, cap;
};

struct crash_model {
	struct zq_geometry geo;
	struct crash_list *zone;  /* of crash_event, per zone; starts with gen 0, end 0 */
	struct crash_list *block; /* of crash_version, per block of conventional space */
	struct crash_list syncs;  /* of size_t: pairs of what crash_synced got */
	uint8_t *initial;	  /* conventional space as it was at first */
	uint32_t next_version;
	size_t seq; /* number of the next operation */
};

struct crash_model *crash_model_new(struct zq_device *dev);
void crash_model_free(struct crash_model *m);

/* The bytes that belong at off of a zone in that generation. */
void crash_fill(uint32_t zone, uint32_t gen, uint64_t off, uint8_t *buf, size_t len);

/* The zone's present state. */
const struct crash_event *crash_now(const struct crash_model *m, uint32_t zone);

/* Notes, before the operation begins, what it will bring about; at: entries in the log. */
void crash_append(struct crash_model *m, uint32_t zone, uint64_t end, size_t at);
void crash_reset(struct crash_model *m, uint32_t zone, size_t at);
void crash_finish(struct crash_model *m, uint32_t zone, size_t at);
/* Fills buf with what is to be written to whole blocks; NULL buf: they are zeroed. */
void crash_conv(struct crash_model *m, uint64_t off, uint8_t *buf, size_t len, size_t at);
/* Around a sync: the first tells what it covers, the second that it succeeded, with the
 * number of entries in the log then. */
size_t crash_sync_begins(const struct crash_model *m);
void crash_synced(struct crash_model *m, size_t seq, size_t at);

/* Compares a device opened after a crash behind log entry "at". NULL: all is as it may be;
 * else a sentence, in a buffer of the model's that lives until the next call. */
const char *crash_verify(struct crash_model *m, struct zq_device *dev, size_t at);

#endif
