/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making a new zoned image. The option names of the command line are here too, so that
 * "zqfs create -o", its help and a program that uses the library share one table.
 */
#ifndef ZQFS_CREATE_H
#define ZQFS_CREATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/io.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zq_create_opts {
	uint64_t size;		/* bytes of the device */
	uint64_t zone_size;	/* 0: 256 MiB */
	uint64_t zone_capacity; /* 0: zone_size */
	uint32_t nr_conv;
	uint32_t max_open; /* 0: max_active, unless no_max_open says that there is no limit */
	bool no_max_open;
	uint32_t max_active; /* 0: no limit */
	uint64_t max_append; /* 0: 64 KiB, less when the capacity is small */
	const char *layout;  /* of the zoned extension, its name is not copied; NULL: 44,
			      * or 56 when max_append is set */
	bool wp_little_endian;
	uint64_t cluster_size;	/* 0: 64 KiB */
	unsigned refcount_bits; /* 0: 16 */
	bool zstd;		/* compression_type=zstd */
	bool extended_l2, lazy_refcounts, prealloc_metadata;
	char *data_file; /* owned: freed by zq_create_opts_free */
	bool data_file_raw;
	char *backing_file, *backing_fmt; /* owned */
	bool force;			  /* overwrite an existing file */
	struct zq_io *data_io;		  /* the data file of zq_create_io; stays open */
	/* Told what is worth knowing about an image that is made all the same. May be NULL. */
	void (*warn)(void *data, const char *line);
	void *warn_data;
};

/* One option KEY=VALUE as in "zqfs create -o"; the names of qemu-img and of older series. */
struct zq_create_option {
	const char *name;
	const char *value; /* placeholder for help: "SIZE", "N", "on|off", ... */
	const char *help;
	bool alias; /* an older spelling: accepted, not shown in the short help */
	const void *reserved[4];
};
/* A layout of the zoned extension: its name for zone.layout, and which QEMU opens it. */
struct zq_layout {
	const char *name, *opened_by;
};
/* The i-th layout, the default of new images first. False: there are no more. */
bool zq_layout_get(unsigned i, struct zq_layout *layout);

/* The table, ended by an entry whose name is NULL. */
const struct zq_create_option *zq_create_options(void);

int zq_create_set_sized(struct zq_create_opts *o, size_t size, const char *name, const char *value,
			struct zq_error *err);
int zq_create_sized(const char *path, const struct zq_create_opts *o, size_t size,
		    struct zq_error *err);
int zq_create_io_sized(struct zq_io *io, const struct zq_create_opts *o, size_t size,
		       struct zq_error *err);

/* Sets one option from text. -EINVAL with a sentence for an unknown name or a bad value. */
static inline int zq_create_set(struct zq_create_opts *o, const char *name, const char *value,
				struct zq_error *err)
{
	return zq_create_set_sized(o, sizeof(*o), name, value, err);
}

void zq_create_opts_free_sized(struct zq_create_opts *o, size_t size);

/* Frees the texts that zq_create_set() has put there, and clears them. NULL is ignored. */
static inline void zq_create_opts_free(struct zq_create_opts *o)
{
	zq_create_opts_free_sized(o, sizeof(*o));
}

/*
 * Creates the image at path. Refuses to overwrite without force (-EEXIST); a failure leaves
 * no file behind, and an existing file that was to be replaced stays.
 */
static inline int zq_create(const char *path, const struct zq_create_opts *o, struct zq_error *err)
{
	return zq_create_sized(path, o, sizeof(*o), err);
}

/*
 * Creates the image in an io, which must be writable and empty (-EEXIST otherwise) and stays
 * the caller's, open and without locks. The image gets the name in data_file, and the contents of
 * the data file go to data_io. A backing file is looked for beside the io's name. After a failure
 * the io holds no image.
 */
static inline int zq_create_io(struct zq_io *io, const struct zq_create_opts *o,
			       struct zq_error *err)
{
	return zq_create_io_sized(io, o, sizeof(*o), err);
}

#ifdef __cplusplus
}
#endif

#endif
