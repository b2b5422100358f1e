/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a new zoned image. The option names of the command line are here too, so that
 * "zqfs create -o", its help and a program that uses the library share one table.
 */
#ifndef ZQFS_CREATE_H
#define ZQFS_CREATE_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zq_create_opts {
	uint64_t size;		/* bytes of the device */
	uint64_t zone_size;	/* 0: 256 MiB */
	uint64_t zone_capacity; /* 0: zone_size */
	uint32_t nr_conv;
	uint32_t max_open, max_active; /* 0: no limit */
	uint64_t max_append;	       /* 0: 64 KiB, less when the capacity is small */
	const char *layout; /* of the zoned extension, its name is not copied; NULL: 56 */
	bool wp_little_endian;
	uint64_t cluster_size;	/* 0: 64 KiB */
	unsigned refcount_bits; /* 0: 16 */
	bool zstd;		/* compression_type=zstd */
	bool extended_l2, lazy_refcounts, prealloc_metadata;
	char *data_file; /* owned: freed by zq_create_opts_free */
	bool data_file_raw;
	char *backing_file, *backing_fmt; /* owned */
	bool force;			  /* overwrite an existing file */
};

/* One option KEY=VALUE as in "zqfs create -o"; the names of qemu-img and of older series. */
struct zq_create_option {
	const char *name;
	const char *value; /* placeholder for help: "SIZE", "N", "on|off", ... */
	const char *help;
	bool alias; /* an older spelling: accepted, not shown in the short help */
};
/* The table, ended by an entry whose name is NULL. */
const struct zq_create_option *zq_create_options(void);

/* Sets one option from text. -EINVAL with a sentence for an unknown name or a bad value. */
int zq_create_set(struct zq_create_opts *o, const char *name, const char *value,
		  struct zq_error *err);
void zq_create_opts_free(struct zq_create_opts *o);

/*
 * Creates the image at path. Refuses to overwrite without force (-EEXIST); a failure leaves
 * no file behind, and an existing file that was to be replaced stays.
 */
int zq_create(const char *path, const struct zq_create_opts *o, struct zq_error *err);

#ifdef __cplusplus
}
#endif

#endif
