/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of internal snapshots, read for show. What snapshots refer to is protected by
 * refcounts alone: nothing else in this folder needs to know them. Spec: "Snapshots".
 */
#ifndef ZQ_QCOW2_TABLES_SNAPSHOT_H
#define ZQ_QCOW2_TABLES_SNAPSHOT_H

#include <stdint.h>

#include <zqfs/io.h>

#include "qcow2/format/header.h"

#define SNAPSHOT_FIXED 40u /* bytes that every entry begins with */

/* What the fixed part of an entry says. */
struct snapshot_fixed {
	uint64_t l1_offset;
	uint32_t l1_size; /* entries */
	uint32_t extra_len;
	uint16_t id_len, name_len;
	uint64_t len; /* of the whole entry, a multiple of 8 */
};

/* Takes SNAPSHOT_FIXED bytes apart; nothing is checked. */
void snapshot_parse(const uint8_t *b, struct snapshot_fixed *f);

struct qcow2_snapshot {
	char *id, *name;   /* owned */
	uint64_t date_sec; /* since the epoch */
	uint32_t date_nsec;
	uint64_t vm_clock_nsec;
	uint64_t vm_state;  /* bytes */
	uint64_t disk_size; /* bytes */
	uint64_t l1_offset; /* as stored, not checked */
	uint32_t l1_size;   /* entries, not checked */
};

/*
 * Reads all entries of an image whose header is *h; *list has h->nb_snapshots of them and is
 * NULL when there are none. *end (may be NULL) is the offset behind the table.
 * -EINVAL with a sentence where an entry leaves the file or the table its limit of 64 MiB.
 * Free with qcow2_snapshots_free.
 */
int qcow2_snapshots_read(struct zq_io *io, const struct qcow2_header *h,
			 struct qcow2_snapshot **list, uint64_t *end, struct zq_error *err);

void qcow2_snapshots_free(struct qcow2_snapshot *list, uint32_t nr);

#endif
