/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a negative errno means for whoever has to go on after it. The only place that knows.
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

/* Refused: nothing was tried, so nothing has changed. */
static inline bool error_is_refusal(int rc)
{
	switch (rc) {
	case -EPERM:
	case -EACCES:
	case -EINVAL:
	case -EBUSY:
	case -EROFS:
	case -EISDIR:
	case -ENOENT:
	case -EEXIST:
	case -EOPNOTSUPP:
		return true;
	default:
		return false;
	}
}

/* Of a call on a mount whose process has gone. The last two are of a call that was waiting then, or
 * whose connection was ended by force. */
static inline bool error_is_stale(int rc)
{
	return rc == -ENOTCONN || rc == -ECONNABORTED || rc == -ECANCELED;
}

/* The host does not do its work, so errors= applies. All other failures end with the call: a
 * refusal, no room, no memory, or -EUCLEAN, a damaged image, of which qcow2/ has told the log. */
static inline bool error_is_fault(int rc)
{
	return rc < 0 && !error_is_no_room(rc) && !error_is_refusal(rc) && rc != -ENOMEM &&
	       rc != -EUCLEAN;
}

#endif
