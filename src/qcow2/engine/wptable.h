/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The zonedmeta region: one word per zone. Keeps what each pointer is and what it is on
 * disk, and which ones went back since the last commit. FORMAT section 4.
 * The public part (qcow2_wp_*) is in qcow2.h. wptable.c has the pointers in memory, wptable_write.c
 * brings them to disk.
 */
#ifndef ZQ_QCOW2_ENGINE_WPTABLE_H
#define ZQ_QCOW2_ENGINE_WPTABLE_H

#include "qcow2/qcow2.h"

struct qcow2_wptable;

/* Reads the region, decides on the byte order and counts what is not sane. */
int wptable_load(struct qcow2_image *img, struct zq_error *err);
/* Reads the region again; see qcow2_refresh. */
int wptable_reload(struct qcow2_image *img, qcow2_moved_fn moved, void *data);
/* Has no pointer of a zone of the range gone back on disk? -ESTALE: one has. */
int wptable_unchanged(struct qcow2_image *img, uint64_t off, size_t len);
/* The region is where the header in memory says. Nothing awaits a commit. [lock] */
void wptable_note_place(struct qcow2_image *img);
void wptable_free(struct qcow2_wptable *t);

/* With the lock held. */
void wptable_forward_locked(struct qcow2_image *img, uint32_t zone, uint64_t wp);
void wptable_back_locked(struct qcow2_image *img, uint32_t zone);
bool wptable_dirty_locked(const struct qcow2_image *img);

/* A commit's copy: what to write in the first step and in the last. */
struct wp_update {
	uint32_t zone;
	bool back;   /* write the zone's start in the first step */
	uint64_t wp; /* value to stand there after the last step */
};
int wptable_commit_begin(struct qcow2_image *img, struct wp_update **upd, size_t *nr);
/* Writes the pointers that went back / forward. Without the lock; commits are serialised. */
int wptable_write_back(struct qcow2_image *img, const struct wp_update *upd, size_t nr,
		       bool *wrote);
int wptable_write_forward(struct qcow2_image *img, const struct wp_update *upd, size_t nr,
			  bool *wrote);
/* back_done: the first step is on disk; ok: the whole commit is. */
void wptable_commit_end(struct qcow2_image *img, struct wp_update *upd, size_t nr, bool back_done,
			bool ok);

#endif
