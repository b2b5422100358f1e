/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A raw disk with a zone report in a file beside it.
 */
#include <errno.h>
#include <stdio.h>

#include "convert/formats.h"
#include "convert/flat.h"
#include "util/cleanup.h"

int source_open_raw(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		    struct zq_error *err)
{
	char *beside CLEANUP_FREE = NULL;
	const char *report = opts->zones;
	struct zone_table t = { .name = path };
	int ret;

	if (!report && asprintf(&beside, "%s.zones", path) < 0)
		return zq_fail(err, -ENOMEM, "out of memory");
	ret = zone_report_read(report ? report : beside, &t, err);
	if (ret == -ENOENT && !report)
		ret = zq_fail(err, ret,
			      "%s: is no image, and there is no zone report %s for a raw disk "
			      "(another report can be named)",
			      path, beside);
	if (!ret)
		ret = flat_source_open(path, &t, ZQ_DISK_RAW, s, err);
	zone_table_free(&t);
	return ret;
}
