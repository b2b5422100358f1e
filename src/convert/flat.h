/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk whose bytes lie in one file or device, each zone at its place: raw disks, dumps and
 * real devices. Only the table of zones comes from different places.
 */
#ifndef ZQ_CONVERT_FLAT_H
#define ZQ_CONVERT_FLAT_H

#include "convert/disk.h"
#include "convert/zone_table.h"

/*
 * A source over the file at path, whose zones t tells. The file must have as many bytes as
 * the zones. On success *s owns a copy of all it needs; t stays the caller's.
 */
int flat_source_open(const char *path, const struct zone_table *t, enum zq_disk_format format,
		     struct disk_source **s, struct zq_error *err);

#endif
