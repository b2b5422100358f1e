/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power failures within a repair: whatever part of its writes arrived, the image is no worse than
 * before, and repair can be run again and comes as far.
 */
#ifndef ZQ_TESTS_REPAIR_REPLAY_H
#define ZQ_TESTS_REPAIR_REPLAY_H

#include "check_image.h"

/* Mends an image, to the same end however often it is called; 0 or -errno. */
typedef int (*repair_fn)(struct check_image *t);

/* zqfs check --repair=leaks and --repair=all */
int repair_mend_leaks(struct check_image *t);
int repair_mend_all(struct check_image *t);

/*
 * Mends the image in t, then fails the power behind each of its writes, so often that parts of what
 * was not flushed arrived in many ways ("variants"; ZQ_CRASH_VARIANTS and ZQ_CRASH_SEED replace
 * that number and the seed). Mends each image that is left, and wants as few corruptions afterwards
 * as there are in t, and as few leaks: where damage remains, what it may hide is kept. guest: its
 * bytes, which never change; NULL where damage hides some.
 */
void repair_replay(struct check_image *t, repair_fn mend, const uint8_t *guest, unsigned variants);

#endif
