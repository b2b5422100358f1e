/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules of a geometry one by one, for those who need less than zq_geometry_validate.
 * Sentences name the field, its value and the bound; they carry no prefix. Pure.
 */
#ifndef ZQ_QCOW2_FORMAT_GEOMETRY_H
#define ZQ_QCOW2_FORMAT_GEOMETRY_H

#include <zqfs/geometry.h>

/* Sizes and counts of zones. max_wp is the largest pointer that a word can hold. -EINVAL. */
int geometry_check_shape(const struct zq_geometry *g, uint64_t max_wp, struct zq_error *err);
int geometry_check_limits(const struct zq_geometry *g, struct zq_error *err);
int geometry_check_append(const struct zq_geometry *g, struct zq_error *err);

/* The largest max_append_bytes that QEMU's code accepts for a zone_capacity, and what a layout that
 * has the field gets when nobody says. */
uint64_t geometry_append_bound(uint64_t capacity);
uint32_t geometry_default_append(const struct zq_geometry *g);

/* Makes limits that are too large as large as they may be. */
void geometry_clamp_limits(struct zq_geometry *g);

#endif
