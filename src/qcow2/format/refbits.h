/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Counts in a refcount block: 1 to 64 bits wide (1 << order), those below 8 bits packed from the
 * least significant bit of each byte up, wider ones big-endian. Pure.
 * Spec: "Host cluster management".
 */
#ifndef ZQ_QCOW2_FORMAT_REFBITS_H
#define ZQ_QCOW2_FORMAT_REFBITS_H

#include <stdint.h>

/* The count number index of the block, or of the part of one, that begins at p. */
uint64_t refbits_get(const uint8_t *p, uint64_t index, unsigned order);
/* value is at most refbits_max(). */
void refbits_put(uint8_t *p, uint64_t index, unsigned order, uint64_t value);

static inline uint64_t refbits_max(unsigned order)
{
	return order == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << order)) - 1;
}

/* Counts in so many bytes of a block. */
static inline uint64_t refbits_in(uint64_t bytes, unsigned order)
{
	return (bytes * 8) >> order;
}

#endif
