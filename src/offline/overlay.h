/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new overlay: an image over a zoned one, whose zones, limits and write pointers it takes.
 */
#ifndef ZQ_OFFLINE_OVERLAY_H
#define ZQ_OFFLINE_OVERLAY_H

#include <stdint.h>

#include <zqfs/create.h>
#include <zqfs/error.h>

#include "qcow2/format/base_id.h"
#include "qcow2/format/zoned_layout.h"

struct overlay_base {
	uint64_t *written; /* of each zone, bytes; NULL: the base is no zoned image; owned */
	struct qcow2_base_id id;
};

/*
 * Looks at the backing file that o names, relative to the image at path. Where it is zoned,
 * what o leaves open comes from it, and *b tells what its zones hold; free it with
 * overlay_base_free. Another size or other zones than the base's are refused (-EINVAL).
 * Locks the base for reading meanwhile: -EAGAIN where somebody writes to it.
 */
int overlay_take_base(const char *path, struct zq_create_opts *o, struct overlay_base *b,
		      struct zq_error *err);
void overlay_base_free(struct overlay_base *b);

/* Can pointers of that layout say what the base's zones hold? -EINVAL: one stands within a
 * block, and the layout's QEMU would refuse the image. */
int overlay_check_layout(const struct overlay_base *b, const struct zoned_layout *l,
			 struct zq_error *err);

#endif
