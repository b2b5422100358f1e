/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Feature bits of the header that change while an image is open. qcow2_begin_change is in qcow2.h.
 */
#ifndef ZQ_QCOW2_ENGINE_CHANGE_H
#define ZQ_QCOW2_ENGINE_CHANGE_H

#include "qcow2/engine/image.h"

/* Sets the corrupt bit on disk, once. Without the lock. */
void change_set_corrupt(struct qcow2_image *img);
/* Does so if image_note_overlap has been called. At the end of whatever changes the image. */
static inline void change_mark_corrupt(struct qcow2_image *img)
{
	if (atomic_load_explicit(&img->overlaps, memory_order_relaxed))
		change_set_corrupt(img);
}

#endif
