/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qcow2/format/refbits.h"
#include "util/bytes.h"

/* Where a count narrower than a byte is in its byte. */
static unsigned shift_of(uint64_t index, unsigned order)
{
	return (unsigned)(index << order) & 7;
}

uint64_t refbits_get(const uint8_t *p, uint64_t index, unsigned order)
{
	switch (order) {
	case 3:
		return p[index];
	case 4:
		return get_be16(p + index * 2);
	case 5:
		return get_be32(p + index * 4);
	case 6:
		return get_be64(p + index * 8);
	default:
		return (uint64_t)p[(index << order) / 8] >> shift_of(index, order) &
		       refbits_max(order);
	}
}

static void put_packed(uint8_t *byte, unsigned shift, unsigned mask, unsigned value)
{
	*byte = (uint8_t)((*byte & ~(mask << shift)) | (value & mask) << shift);
}

void refbits_put(uint8_t *p, uint64_t index, unsigned order, uint64_t value)
{
	switch (order) {
	case 3:
		p[index] = (uint8_t)value;
		break;
	case 4:
		put_be16(p + index * 2, (uint16_t)value);
		break;
	case 5:
		put_be32(p + index * 4, (uint32_t)value);
		break;
	case 6:
		put_be64(p + index * 8, value);
		break;
	default:
		put_packed(&p[(index << order) / 8], shift_of(index, order),
			   (unsigned)refbits_max(order), (unsigned)value);
	}
}
