/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing an image in place: what these files share.
 *
 *   amend.c         layout, byte order, limits, names: what the image becomes
 *   resize.c        more zones, or fewer
 *   resize_map.c    the mapping of zones that go
 *   amend_steps.c   steps that both take, in their order
 *   amend_table.c   the pointer table in another layout or byte order
 *   amend_header.c  the first cluster: from one header to another with one sector's write
 */
#ifndef ZQ_OFFLINE_AMEND_H
#define ZQ_OFFLINE_AMEND_H

#include <zqfs/amend.h>
#include <zqfs/io.h>
#include <zqfs/resize.h>

#include "qcow2/format/format.h"
#include "qcow2/format/header.h"

/* zq_amend on a file that is open for writing and locked. Closes nothing. */
int amend_image(struct zq_io *io, const struct zq_amend_opts *o, struct zq_error *err);

/* The pointers of a table, read whole. */
struct amend_table {
	uint8_t *raw; /* geo.nr_zones words as the image has them; owned */
	bool little;
	uint32_t corrupt; /* words that are not sane */
	uint32_t refused; /* sane ones that the layout's QEMU refuses */
};

int amend_table_read(struct zq_io *io, const struct qcow2_zoned_ext *from, struct amend_table *t,
		     struct zq_error *err);
void amend_table_free(struct amend_table *t);

/*
 * Turns the words, which are sane, into those of another layout and byte order. -EINVAL with a
 * sentence that names the zone for a pointer that the layout cannot hold.
 */
int amend_table_convert(struct amend_table *t, const struct qcow2_zoned_ext *from,
			const struct zoned_layout *to, bool little, struct zq_error *err);

/* 0, or -EINVAL with a sentence, without the file's name, for an image marked dirty or corrupt. */
int amend_refuse_unclean(const struct qcow2_header *h, struct zq_error *err);

/* A table that an image is to have; nothing leads to it yet. */
struct amend_new_table {
	const void *data;
	size_t bytes;
	uint64_t offset; /* in the file, set by amend_place */
};

/* Writes tables into new clusters and counts these; all of it is on disk when it returns 0. *h, the
 * image's header, is kept up to date. */
int amend_place(struct zq_io *io, struct qcow2_header *h, struct amend_new_table *t, size_t nr,
		struct zq_error *err);

/* Frees what the header does not lead to any more. */
int amend_give_back(struct zq_io *io, struct zq_error *err);

/* zq_resize on files that are open for writing and locked; data is NULL without a data file. */
int resize_image(struct zq_io *io, struct zq_io *data, const struct zq_resize_opts *o,
		 struct zq_resize_result *res, struct zq_error *err);

/* Entries of one L2 table. */
static inline uint64_t amend_l2_entries(const struct qcow2_header *h)
{
	return qcow2_header_cluster_size(h) / (h->incompat & QCOW2_INCOMPAT_EXTL2 ? 16 : 8);
}

/* Takes the mapping of [from, the end of the disk) out, which no zone with data has; on disk when
 * it returns 0. l1 has the entries as the file does, and is changed likewise. */
int resize_unmap(struct zq_io *io, const struct qcow2_header *h, uint64_t from, uint8_t *l1,
		 struct zq_error *err);

/*
 * Makes the header on disk *to instead of *from, so that a power failure at any moment leaves the
 * one or the other; a write of one sector of 512 bytes is all that this takes for granted.
 * Writes nothing where nothing differs. On stable storage when it returns 0.
 * -E2BIG with a sentence when the first cluster has no room for both at once.
 */
int amend_header(struct zq_io *io, const struct qcow2_header *from, const struct qcow2_header *to,
		 struct zq_error *err);

#endif
