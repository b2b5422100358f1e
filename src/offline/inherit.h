/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A new image that takes its zones from another disk: an overlay from its base, a copy from its
 * source. Pure.
 */
#ifndef ZQ_OFFLINE_INHERIT_H
#define ZQ_OFFLINE_INHERIT_H

#include <zqfs/create.h>
#include <zqfs/error.h>
#include <zqfs/geometry.h>

/* What o says of sizes and zones, as far as it says anything, is what g has. -EINVAL with a
 * sentence: "zone.size 1 is not that of WHOSE, 2: WHY". */
int inherit_check(const struct zq_create_opts *o, const struct zq_geometry *g, const char *whose,
		  const char *why, struct zq_error *err);

/* Sizes and zones are g's, limits too where o leaves them open and its layout has a place for
 * them. */
void inherit_take(struct zq_create_opts *o, const struct zq_geometry *g);

#endif
