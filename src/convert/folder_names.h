/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of zone files in a folder: zonefs has cnv/0 and seq/0, numbered within their folder;
 * Linux's zloop driver has cnv-000000 and seq-000003, numbered by zone.
 */
#ifndef ZQ_CONVERT_FOLDER_NAMES_H
#define ZQ_CONVERT_FOLDER_NAMES_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define FOLDER_NAME_MAX 24

/* The name of a zone's file. buf holds FOLDER_NAME_MAX bytes; returns buf. */
static inline char *folder_file_name(bool zloop, uint32_t nr_conv, uint32_t zone, char *buf)
{
	bool conv = zone < nr_conv;

	if (zloop)
		snprintf(buf, FOLDER_NAME_MAX, "%s-%06u", conv ? "cnv" : "seq", zone);
	else
		snprintf(buf, FOLDER_NAME_MAX, "%s/%u", conv ? "cnv" : "seq",
			 conv ? zone : zone - nr_conv);
	return buf;
}

#endif
