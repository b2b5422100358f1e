/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The formats of disks: which one something has, and opening it.
 */
#ifndef ZQ_CONVERT_FORMATS_H
#define ZQ_CONVERT_FORMATS_H

#include "convert/disk.h"

/* Opens what is at path; opts as in zq_convert. A sentence in err, which starts with a name. */
int disk_source_open(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		     struct zq_error *err);

/* Begins what will be at path, in the format of opts, with the source's geometry unless the
 * options say otherwise. Refuses what exists without force, and what it cannot hold. */
int disk_target_begin(const char *path, const struct zq_convert_opts *opts,
		      const struct disk_source *from, struct disk_target **t, struct zq_error *err);

/* Each in the file of its format. */
int source_open_image(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		      struct zq_error *err);
int source_open_raw(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		    struct zq_error *err);
int source_open_dump(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		     struct zq_error *err);
int source_open_folder(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		       struct zq_error *err);
int source_open_device(const char *path, const struct zq_convert_opts *opts, struct disk_source **s,
		       struct zq_error *err);

int target_begin_image(const char *path, const struct zq_convert_opts *opts,
		       const struct disk_source *from, struct disk_target **t,
		       struct zq_error *err);
int target_begin_raw(const char *path, const struct zq_convert_opts *opts,
		     const struct disk_source *from, struct disk_target **t, struct zq_error *err);
int target_begin_dump(const char *path, const struct zq_convert_opts *opts,
		      const struct disk_source *from, struct disk_target **t, struct zq_error *err);
int target_begin_folder(const char *path, const struct zq_convert_opts *opts,
			const struct disk_source *from, struct disk_target **t,
			struct zq_error *err);

#endif
