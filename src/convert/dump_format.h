/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libzbd's dump of a zoned device: PREFIX_zone_info.dump, a header and 64 bytes for each
 * zone, little-endian and packed, and PREFIX_zone_data.dump, the device's bytes in their
 * places. "zbd dump" makes one, "zbd restore" puts it on a device, "zbd report" reads it.
 */
#ifndef ZQ_CONVERT_DUMP_FORMAT_H
#define ZQ_CONVERT_DUMP_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#define DUMP_INFO_SUFFIX "_zone_info.dump"
#define DUMP_DATA_SUFFIX "_zone_data.dump"

/* Offsets in the header. */
enum {
	DUMP_VENDOR = 0, /* 32 bytes of text */
	DUMP_NR_SECTORS = 32,
	DUMP_NR_LBLOCKS = 40,
	DUMP_NR_PBLOCKS = 48,
	DUMP_ZONE_SIZE = 56,
	DUMP_ZONE_SECTORS = 64,
	DUMP_LBLOCK_SIZE = 68,
	DUMP_PBLOCK_SIZE = 72,
	DUMP_NR_ZONES = 76,
	DUMP_MAX_OPEN = 80,   /* 0: no limit; all ones: unknown */
	DUMP_MAX_ACTIVE = 84, /* likewise */
	DUMP_MODEL = 88,
	DUMP_ZSTART = 128, /* zones that the dump holds: [zstart, zend) */
	DUMP_ZEND = 132,
	DUMP_HEADER_BYTES = 192,
};

/* Offsets in a zone's 64 bytes. */
enum {
	DUMP_Z_START = 0,
	DUMP_Z_LEN = 8,
	DUMP_Z_CAPACITY = 16,
	DUMP_Z_WP = 24,
	DUMP_Z_FLAGS = 32,
	DUMP_Z_TYPE = 36,
	DUMP_Z_COND = 40,
	DUMP_ZONE_BYTES = 64,
};

#define DUMP_MODEL_HOST_MANAGED 1u
#define DUMP_MODEL_HOST_AWARE	2u
#define DUMP_TYPE_CONVENTIONAL	1u
#define DUMP_TYPE_SEQUENTIAL	2u

/*
 * The two files of the dump that path names: PREFIX, or one of the two files. Both are the
 * caller's to free. -ENOMEM.
 */
int dump_paths(const char *path, char **info, char **data);

#endif
