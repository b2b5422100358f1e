/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pieces that the commands which look at an image share.
 */
#ifndef ZQ_CLI_REPORT_H
#define ZQ_CLI_REPORT_H

#include <stdbool.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>

struct json;

/* "geometry": {...}, the same in report and info. */
void report_json_geometry(struct json *j, const struct zq_geometry *g);

/* Prints why an image could not be opened, with who has it or what to do when it is in use. Returns
 * CLI_FAILED. can_share: the command has -U. */
int report_open_failed(const char *path, int ret, const struct zq_error *err, bool can_share);

#endif
