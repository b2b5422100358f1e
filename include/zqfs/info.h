/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The facts of an image that "zqfs info" shows, without opening it for writing.
 */
#ifndef ZQFS_INFO_H
#define ZQFS_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include <zqfs/error.h>
#include <zqfs/geometry.h>
#include <zqfs/io.h>

#ifdef __cplusplus
extern "C" {
#endif

struct zq_snapshot_info {
	char *id, *name;    /* owned by the zq_image_info */
	uint64_t date_sec;  /* since the epoch */
	uint64_t disk_size; /* bytes */
	uint64_t vm_state;  /* bytes */
	uint64_t reserved[3];
};

struct zq_image_info {
	struct zq_geometry geo;
	const char *layout;    /* of the zoned extension: "44", "56", "48" or "48b" */
	const char *opened_by; /* the QEMU series that opens it: "the series of ..." */
	unsigned ext_len;      /* length of the extension, bytes */
	bool wp_little_endian;
	uint32_t corrupt_zones;
	uint64_t cluster_size;
	unsigned refcount_bits;
	const char *compression; /* "zlib" or "zstd" */
	bool dirty, corrupt, extended_l2, lazy_refcounts, data_file_raw, bitmaps;
	uint64_t incompat, compat, autoclear;	      /* the header's feature words */
	char *backing_file, *backing_fmt, *data_file; /* owned; NULL: none */
	bool has_data_file;
	uint64_t file_size, disk_usage;	    /* of the image file, bytes */
	uint64_t data_usage;		    /* of the external data file */
	uint64_t table_offset;		    /* of the write pointers in the file */
	struct zq_snapshot_info *snapshots; /* owned */
	uint32_t nr_snapshots;
};

/*
 * The facts of the image at path. force_share: look even while another process writes.
 * data_file may be NULL. *info is the caller's to free; it is NULL after a failure.
 */
int zq_get_image_info(const char *path, const char *data_file, bool force_share,
		      struct zq_image_info **info, struct zq_error *err);
/* The same of an image in an io, which stays the caller's, open and without locks. data_io: its
 * external data file, or NULL. */
int zq_get_image_info_io(struct zq_io *io, struct zq_io *data_io, bool force_share,
			 struct zq_image_info **info, struct zq_error *err);
/* One file of a chain; the texts live during the call that tells it. */
struct zq_chain_file {
	const char *path;	  /* as it was found */
	const char *format;	  /* "qcow2" or "raw" */
	const char *layout;	  /* of the zoned extension; NULL: it has no zones */
	const char *backing_file; /* as the header has it; NULL: none */
	uint64_t size;		  /* bytes of the disk; of a raw file 0 */
	uint64_t cluster_size;	  /* bytes; of a raw file 0 */
	uint64_t own_data;	  /* bytes that the file itself maps */
	uint64_t own_zeros;	  /* bytes for which it hides what is below it with zeros */
	uint32_t zones;
	uint32_t inherited; /* zones whose write pointer is where the zoned image below has it */
	uint64_t reserved[4];
};

/*
 * Tells the files of the chain that begins with the image at path, from the top, with the read
 * locks of all of them, or with force_share none that a writer minds. A base that has changed is
 * -ESTALE, as for whoever opens the image.
 */
int zq_get_chain(const char *path, bool force_share,
		 void (*file)(void *data, const struct zq_chain_file *f), void *data,
		 struct zq_error *err);

/* NULL is ignored. */
void zq_image_info_free(struct zq_image_info *info);

#ifdef __cplusplus
}
#endif

#endif
