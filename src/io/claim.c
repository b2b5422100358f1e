/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a file's locks, with the sentence for a person when they cannot be had. A writer starts
 * from what the disk has (cold.c): nobody else writes from here on, and nothing has been read.
 */
#include <errno.h>
#include <string.h>

#include "io/io.h"

int io_claim(struct zq_io *io, enum zq_lock mode, const char *what, struct zq_error *err)
{
	int ret = io_lock(io, mode);

	if (ret == -EAGAIN)
		return zq_fail(err, ret, "%s: %s%sin use by another process", io->name,
			       what ? what : "", what ? " is " : "");
	if (ret)
		return zq_fail(err, ret, "%s: cannot lock%s%s: %s", io->name, what ? " " : "",
			       what ? what : "", strerror(-ret));
	if (mode == ZQ_LOCK_WRITE)
		ret = io_cold_start(io);
	if (ret)
		return zq_fail(err, ret, "%s: cannot be brought to what its disk has: %s", io->name,
			       strerror(-ret));
	return 0;
}
