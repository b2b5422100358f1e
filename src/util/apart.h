/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a function on the path of every request seldom does stands in a function of its own, which
 * is APART: not compiled into the first one, which would pay for its frame each time.
 */
#ifndef ZQ_UTIL_APART_H
#define ZQ_UTIL_APART_H

#define APART __attribute__((noinline))

#endif
