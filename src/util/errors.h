/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a negative errno of the host means.
 */
#ifndef ZQ_UTIL_ERRORS_H
#define ZQ_UTIL_ERRORS_H

#include <errno.h>
#include <stdbool.h>

/* No room on the host: its disk, a quota or a limit of the file's size. Says nothing about the
 * host's health, and passes when room is made. */
static inline bool error_is_no_room(int rc)
{
	return rc == -ENOSPC || rc == -EDQUOT || rc == -EFBIG;
}

#endif
