/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a compressed cluster lies, from its descriptor and back.
 */
#include "qcow2/format/descriptor.h"
#include "qcow2/format/format.h"

#define SECTOR 512u

static unsigned offset_bits(unsigned cluster_bits)
{
	return 62 - (cluster_bits - 8);
}

void descriptor_extent(unsigned cluster_bits, uint64_t desc, uint64_t *off, uint64_t *len)
{
	unsigned x = offset_bits(cluster_bits);
	uint64_t sectors;

	desc &= ~(QCOW2_COPIED | QCOW2_COMPRESSED);
	*off = desc & ((UINT64_C(1) << x) - 1);
	sectors = (desc >> x) + 1;
	*len = sectors * SECTOR - *off % SECTOR;
}

uint64_t descriptor_compressed(unsigned cluster_bits, uint64_t off, uint64_t len)
{
	uint64_t further = (off + len - 1) / SECTOR - off / SECTOR;

	return off | further << offset_bits(cluster_bits) | QCOW2_COMPRESSED;
}
