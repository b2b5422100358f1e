/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the snapshot table entry by entry. Memory is bounded by the bytes that the table
 * really has in the file, and those by a limit. Locks nothing and never writes.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "io/io.h"
#include "qcow2/format/format.h"
#include "qcow2/tables/snapshot.h"
#include "util/bytes.h"
#include "util/math.h"

#define MAX_TABLE_BYTES (UINT64_C(64) << 20)

/* Offsets in an entry; the strings follow the extra data. */
enum {
	S_L1_OFFSET = 0,
	S_L1_SIZE = 8,
	S_ID_LEN = 12,
	S_NAME_LEN = 14,
	S_DATE_SEC = 16,
	S_DATE_NSEC = 20,
	S_VM_CLOCK = 24,
	S_VM_STATE_32 = 32,
	S_EXTRA_LEN = 36,
	S_VM_STATE_64 = 40,
	S_DISK_SIZE = 48,
	S_KNOWN = 56,
};

void snapshot_parse(const uint8_t *b, struct snapshot_fixed *f)
{
	*f = (struct snapshot_fixed){
		.l1_offset = get_be64(b + S_L1_OFFSET),
		.l1_size = get_be32(b + S_L1_SIZE),
		.extra_len = get_be32(b + S_EXTRA_LEN),
		.id_len = get_be16(b + S_ID_LEN),
		.name_len = get_be16(b + S_NAME_LEN),
	};
	f->len = align_up((uint64_t)SNAPSHOT_FIXED + f->extra_len + f->id_len + f->name_len, 8);
}

/* Reads a string that is not terminated on disk. NULL with *ret set. */
static char *read_snapshot_string(struct zq_io *io, uint64_t off, uint32_t len, int *ret)
{
	char *s = malloc((size_t)len + 1);

	*ret = s ? io_pread(io, s, len, off) : -ENOMEM;
	if (*ret) {
		free(s);
		return NULL;
	}
	s[len] = '\0';
	return s;
}

static void fill_in(const uint8_t *b, const struct snapshot_fixed *f, uint64_t size,
		    struct qcow2_snapshot *s)
{
	s->l1_offset = f->l1_offset;
	s->l1_size = f->l1_size;
	s->date_sec = get_be32(b + S_DATE_SEC);
	s->date_nsec = get_be32(b + S_DATE_NSEC);
	s->vm_clock_nsec = get_be64(b + S_VM_CLOCK);
	s->vm_state = f->extra_len >= S_DISK_SIZE - SNAPSHOT_FIXED ? get_be64(b + S_VM_STATE_64)
								   : get_be32(b + S_VM_STATE_32);
	/* Version 2 images need not say it: a snapshot then has the disk's own size. */
	s->disk_size = f->extra_len >= S_KNOWN - SNAPSHOT_FIXED ? get_be64(b + S_DISK_SIZE) : size;
}

/* The entry at *pos, which moves to the next. */
static int read_entry(struct zq_io *io, const struct qcow2_header *h, uint32_t nr, uint64_t *pos,
		      struct qcow2_snapshot *s, struct zq_error *err)
{
	uint8_t b[S_KNOWN];
	struct snapshot_fixed f;
	int ret;

	ret = io_pread(io, b, sizeof(b), *pos);
	if (ret)
		goto fail;
	snapshot_parse(b, &f);
	if (f.len > MAX_TABLE_BYTES - (*pos - h->snapshots_offset))
		return zq_fail(err, -EINVAL,
			       "%s: snapshot %" PRIu32 " of %" PRIu32 ": its entry of %" PRIu64
			       " bytes makes the table larger than "
			       "%" PRIu64,
			       io->name, nr, h->nb_snapshots, f.len, MAX_TABLE_BYTES);
	/* QEMU does not write the padding behind the last entry */
	if (!range_within(*pos, f.len, align_up(h->file_size, 8)))
		return zq_fail(err, -EINVAL,
			       "%s: snapshot %" PRIu32 " of %" PRIu32 ": its entry at %" PRIu64
			       " (%" PRIu64 " bytes) passes the end of the file, %" PRIu64 " bytes",
			       io->name, nr, h->nb_snapshots, *pos, f.len, h->file_size);
	fill_in(b, &f, h->size, s);
	s->id = read_snapshot_string(io, *pos + SNAPSHOT_FIXED + f.extra_len, f.id_len, &ret);
	if (s->id)
		s->name = read_snapshot_string(io, *pos + SNAPSHOT_FIXED + f.extra_len + f.id_len,
					       f.name_len, &ret);
	if (ret)
		goto fail;
	*pos += f.len;
	return 0;
fail:
	return zq_fail(err, ret, "%s: reading the snapshot table: %s", io->name, strerror(-ret));
}

int qcow2_snapshots_read(struct zq_io *io, const struct qcow2_header *h,
			 struct qcow2_snapshot **list, uint64_t *end, struct zq_error *err)
{
	struct qcow2_snapshot *s = NULL;
	uint64_t pos = h->snapshots_offset;

	*list = NULL;
	if (h->nb_snapshots) {
		s = calloc(h->nb_snapshots, sizeof(*s));
		if (!s)
			return zq_fail(err, -ENOMEM, "%s: out of memory", io->name);
	}
	for (uint32_t i = 0; i < h->nb_snapshots; i++) {
		int ret = read_entry(io, h, i + 1, &pos, &s[i], err);

		if (ret) {
			qcow2_snapshots_free(s, h->nb_snapshots);
			return ret;
		}
	}
	*list = s;
	if (end)
		*end = pos;
	return 0;
}

void qcow2_snapshots_free(struct qcow2_snapshot *list, uint32_t nr)
{
	for (uint32_t i = 0; list && i < nr; i++) {
		free(list[i].id);
		free(list[i].name);
	}
	free(list);
}
