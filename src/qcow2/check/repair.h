/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of a repair, which check.c calls in their order. One thread, no locks.
 */
#ifndef ZQ_QCOW2_CHECK_REPAIR_H
#define ZQ_QCOW2_CHECK_REPAIR_H

#include "qcow2/check/check_priv.h"

/* ---- repair_unmap.c ---- */

/* Must an entry that leads to this range be removed? All metadata but refcount blocks has been
 * counted before. */
bool repair_unmaps(struct check *c, uint64_t off, uint64_t len);
/* Reports it and notes it: the entry at place in the file leads to off. */
void repair_unmap(struct check *c, uint64_t place, uint64_t off, const char *what);
void repair_write_unmapped(struct check *c);

/* ---- repair_split.c ---- */

/* Gives guest clusters that share a host cluster copies of their own. */
void repair_split(struct check *c);

/* ---- repair.c ---- */

/* New blocks and counts that go up, all of it on disk when it returns. */
void repair_raise(struct check *c);
/* Counts that go down. */
void repair_lower(struct check *c);
/* Gives the space of every cluster that nothing refers to back to the host, also of those that a
 * process wrote to before it was killed. Does nothing when damage hides who refers to what. */
void repair_punch(struct check *c);
/* Clears the dirty and corrupt bits when they are no longer true. */
void repair_features(struct check *c);

#endif
