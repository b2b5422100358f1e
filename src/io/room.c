/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room on the host: limits, the end of a device, fallocate.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <unistd.h>

#include "io/room.h"
#include "util/math.h"

#define LIMIT_STEP (UINT64_C(16) << 20) /* the limit is asked for once in so many bytes */

int room_within_limit(_Atomic uint64_t *below, uint64_t end)
{
	uint64_t limit = INT64_MAX;
	struct rlimit r;

	if (end <= atomic_load_explicit(below, memory_order_relaxed))
		return 0;
	if (getrlimit(RLIMIT_FSIZE, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
		limit = min_u64(limit, r.rlim_cur);
	if (end > limit)
		return -EFBIG;
	atomic_store_explicit(below, min_u64(limit, align_up(end, LIMIT_STEP)),
			      memory_order_relaxed);
	return 0;
}

int room_on_device(int fd, uint64_t end)
{
	off_t size = lseek(fd, 0, SEEK_END);

	if (size < 0)
		return -errno;
	return end <= (uint64_t)size ? 0 : -ENOSPC;
}

static bool has_no_hole(int fd, uint64_t off, uint64_t end)
{
	off_t hole = lseek(fd, (off_t)off, SEEK_HOLE);

	return hole >= 0 && (uint64_t)hole >= end;
}

int room_reserve(int fd, uint64_t off, uint64_t len)
{
	while (fallocate(fd, 0, (off_t)off, (off_t)len) < 0) {
		int rc = -errno;

		if (rc == -EINTR)
			continue;
		if (rc == -ENOSYS || rc == -ENODEV || rc == -ENOTTY || rc == -EINVAL)
			return -EOPNOTSUPP;
		/* some file systems ask for as much again as the range has already */
		return rc != -EOPNOTSUPP && has_no_hole(fd, off, off + len) ? 0 : rc;
	}
	return 0;
}
