/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs info --usage": what the zones of each state hold, and what that takes in the file.
 */
#ifndef ZQ_CLI_INFO_USAGE_H
#define ZQ_CLI_INFO_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/device.h>

#include "util/json.h"

/* Of the image itself, not of what is below it; bytes. */
struct info_usage {
	uint32_t zones;
	uint64_t plain;	     /* data as it is, which takes as much in the file */
	uint64_t compressed; /* data in compressed clusters */
	uint64_t packed;     /* what these take in the file */
};

/* by_state holds ZQ_NR_STATES. 0, or a negative errno with a sentence. */
int info_usage_read(const char *path, bool force_share, const char *data_file,
		    struct info_usage *by_state, struct zq_error *err);

void info_usage_text(const struct info_usage *by_state);
void info_usage_json(struct json *j, const struct info_usage *by_state);

#endif
