/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new image and its external data file, if it has one, before they have their names: zq_create
 * publishes them empty, zq_convert fills them first.
 */
#ifndef ZQ_OFFLINE_NEW_IMAGE_H
#define ZQ_OFFLINE_NEW_IMAGE_H

#include <zqfs/create.h>
#include <zqfs/error.h>

#include "offline/new_file.h"
#include "qcow2/create/create.h"

struct new_image {
	struct new_file image, data;
	bool has_data; /* data is in use */
};

/*
 * Writes an empty image that will be at path, and flushes it. Afterwards n->image.io and
 * n->data.io may be taken out (set to NULL) by whoever fills the image. -EEXIST, -EAGAIN,
 * -EINVAL with a sentence; then *n needs no new_image_end.
 */
int new_image_begin(struct new_image *n, const char *path, const struct zq_create_opts *o,
		    struct zq_error *err);

/* Gives the files their names. What was written has been flushed by then. */
int new_image_publish(struct new_image *n, struct zq_error *err);

/* Closes and frees; what was not published is gone. */
void new_image_end(struct new_image *n);

#endif
