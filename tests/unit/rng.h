/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random numbers that a seed gives again, and numbers from the environment.
 */
#ifndef ZQ_TESTS_RNG_H
#define ZQ_TESTS_RNG_H

#include <stdint.h>
#include <stdlib.h>

/* A number below the bound, which is not 0; *state is not 0 either. */
static inline uint64_t rng_below(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * UINT64_C(0x2545f4914f6cdd1d) % below;
}

static inline uint64_t from_env(const char *name, uint64_t otherwise)
{
	const char *v = getenv(name);

	return v && *v ? strtoull(v, NULL, 0) : otherwise;
}

#endif
