/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <sys/random.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/random.h"

uint64_t random_u64(void)
{
	uint64_t n = 0;

	if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != (ssize_t)sizeof(n))
		n = (uint64_t)clock_ns(CLOCK_REALTIME) * 2654435761u ^ (uint64_t)getpid() << 40;
	return n ? n : 1;
}
