/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The identity in the header of an image that is changed. What others call is in qcow2.h.
 */
#ifndef ZQ_QCOW2_ENGINE_IDENTITY_H
#define ZQ_QCOW2_ENGINE_IDENTITY_H

#include "qcow2/engine/image.h"

/* Before the first change: the image gets img->next_identity, on disk when 0 comes back. Does
 * nothing for an image that has no place for one. */
int identity_renew(struct qcow2_image *img);
/* Writes what img->hdr has of it, without a flush. */
int identity_put(struct qcow2_image *img);

#endif
