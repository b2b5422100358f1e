/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The write pointer table, for wptable.c and wptable_write.c only.
 */
#ifndef ZQ_QCOW2_ENGINE_WPTABLE_PRIV_H
#define ZQ_QCOW2_ENGINE_WPTABLE_PRIV_H

#include "qcow2/engine/wptable.h"

enum { WP_FORWARD = 1, WP_BACK = 2, WP_CHANGED = 3, WP_CORRUPT = 4 };

struct qcow2_wptable {
	struct qcow2_zoned_info info;
	const struct zoned_layout *layout;
	_Atomic uint64_t *wp; /* [lock] to write; current pointers, flag bits masked off */
	uint64_t *disk;	      /* words as on disk, host byte order; only commits touch it */
	uint8_t *flags;	  /* [lock] WP_FORWARD, WP_BACK; WP_CORRUPT for a word that was not sane */
	uint32_t *list;	  /* [lock] zones with something pending */
	uint32_t nr, cap; /* [lock] */
	bool foreign;	  /* some words were not sane, or refused, when they were read */
};

/* A word that is not sane, or that the layout's QEMU refuses: what it should be is not known here,
 * and it is not written again either. */
bool wptable_is_foreign(const struct qcow2_wptable *t, uint32_t zone);
/* Notes a change. Without memory for the list the next commit looks at every zone. [lock] */
void wptable_note(struct qcow2_wptable *t, uint32_t zone, uint8_t what);

#endif
