/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arithmetic on the descriptor of a compressed cluster: bits 0 to x - 1 the host offset, bits
 * x to 61 the number of further sectors, x = 62 - (cluster_bits - 8). Spec: "Compressed
 * Clusters Descriptor". Pure.
 */
#ifndef ZQ_QCOW2_FORMAT_DESCRIPTOR_H
#define ZQ_QCOW2_FORMAT_DESCRIPTOR_H

#include <stdint.h>

/* The host bytes that a descriptor names: from *off on, at most *len, as the data may end
 * before the last sector does. Flag bits are ignored. */
void descriptor_extent(unsigned cluster_bits, uint64_t desc, uint64_t *off, uint64_t *len);

/* The descriptor of a compressed cluster of len bytes at host offset off; len > 0, at most a
 * cluster, and off below the 56 bits that all offsets have. */
uint64_t descriptor_compressed(unsigned cluster_bits, uint64_t off, uint64_t len);

#endif
