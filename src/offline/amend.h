/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Amending an image: what its three files share.
 *
 *   amend.c         what the image becomes, and the order of the steps
 *   amend_table.c   the pointer table in another layout or byte order
 *   amend_header.c  the first cluster: from one header to another with one sector's write
 */
#ifndef ZQ_OFFLINE_AMEND_H
#define ZQ_OFFLINE_AMEND_H

#include <zqfs/amend.h>
#include <zqfs/io.h>

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

/*
 * Makes the header on disk *to instead of *from, so that a power failure at any moment leaves the
 * one or the other; a write of one sector of 512 bytes is all that this takes for granted.
 * Writes nothing where nothing differs. On stable storage when it returns 0.
 * -E2BIG with a sentence when the first cluster has no room for both at once.
 */
int amend_header(struct zq_io *io, const struct qcow2_header *from, const struct qcow2_header *to,
		 struct zq_error *err);

#endif
