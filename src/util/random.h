/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers that nobody has drawn before.
 */
#ifndef ZQ_UTIL_RANDOM_H
#define ZQ_UTIL_RANDOM_H

#include <stdint.h>

/* Any number but 0. Never fails: where the kernel has no randomness yet, the time has to do. */
uint64_t random_u64(void);

#endif
