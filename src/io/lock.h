/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QEMU's image locks: single bytes of the image file, held as shared locks of the open file
 * description, so that a fork keeps them and any of its closes does not drop them.
 */
#ifndef ZQ_IO_LOCK_H
#define ZQ_IO_LOCK_H

#include <zqfs/io.h>

/*
 * Goes from the locks of one enum zq_lock to those of another on the descriptor fd.
 * 0: the locks of "to" are held; -EAGAIN: another process is in the way, those
 * of "from" are held as before; another negative errno where the file system cannot lock.
 * The caller keeps calls on one descriptor apart.
 */
int lock_change(int fd, enum zq_lock from, enum zq_lock to);

#endif
