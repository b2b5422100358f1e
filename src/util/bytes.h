/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * On-disk integers: read from and written to byte arrays, never through packed structs,
 * so that neither alignment nor the host's byte order matters.
 */
#ifndef ZQ_UTIL_BYTES_H
#define ZQ_UTIL_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define ZQ_DEFINE_ACCESSORS(order, bits)                                                           \
	static inline uint##bits##_t get_##order##bits(const void *p)                              \
	{                                                                                          \
		uint##bits##_t v;                                                                  \
                                                                                                   \
		memcpy(&v, p, sizeof(v));                                                          \
		return order##bits##toh(v);                                                        \
	}                                                                                          \
	static inline void put_##order##bits(void *p, uint##bits##_t v)                            \
	{                                                                                          \
		v = hto##order##bits(v);                                                           \
		memcpy(p, &v, sizeof(v));                                                          \
	}

/* get_be16(p), put_be16(p, v), ... get_be64, put_be64, get_le32, ... put_le64 */
ZQ_DEFINE_ACCESSORS(be, 16)
ZQ_DEFINE_ACCESSORS(be, 32)
ZQ_DEFINE_ACCESSORS(be, 64)
ZQ_DEFINE_ACCESSORS(le, 32)
ZQ_DEFINE_ACCESSORS(le, 64)

#undef ZQ_DEFINE_ACCESSORS

#endif
