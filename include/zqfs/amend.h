/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Changing what an image's header says, in place: the layout of the zoned extension, the byte
 * order of the write pointers, limits, and what qemu-img amend and rebase -u change.
 */
#ifndef ZQFS_AMEND_H
#define ZQFS_AMEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <zqfs/create.h>
#include <zqfs/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Zeros change nothing. zq_amend_set fills it from text. */
struct zq_amend_opts {
	const char *layout; /* a name from zq_layout_get, not copied; NULL: stays */
	bool set_order, wp_little_endian;
	bool set_open, set_active;
	uint32_t max_open, max_active;
	bool set_append;
	uint64_t max_append; /* bytes */
	bool set_compression, zstd;
	bool set_lazy, lazy_refcounts;
	char *backing_file, *backing_fmt; /* owned; NULL: stays */
	/* Told what is lost or worth knowing. May be NULL. */
	void (*warn)(void *data, const char *line);
	void *warn_data;
};

/* The options of "zqfs amend -o", ended by an entry whose name is NULL. */
const struct zq_create_option *zq_amend_options(void);

int zq_amend_set_sized(struct zq_amend_opts *o, size_t size, const char *name, const char *value,
		       struct zq_error *err);
void zq_amend_opts_free_sized(struct zq_amend_opts *o, size_t size);
int zq_amend_sized(const char *path, const struct zq_amend_opts *o, size_t size,
		   struct zq_error *err);

/* Sets one option from text. -EINVAL with a sentence for an unknown name or a bad value. */
static inline int zq_amend_set(struct zq_amend_opts *o, const char *name, const char *value,
			       struct zq_error *err)
{
	return zq_amend_set_sized(o, sizeof(*o), name, value, err);
}

/* Frees the texts that zq_amend_set() has put there, and clears them. NULL is ignored. */
static inline void zq_amend_opts_free(struct zq_amend_opts *o)
{
	zq_amend_opts_free_sized(o, sizeof(*o));
}

/*
 * Amends the image at path, which nobody may have open (-EAGAIN) and which must be clean. At
 * every moment, a power failure included, the file is a whole image of the old or of the new
 * kind; an end in between leaves leaked clusters at most. What is there already changes
 * nothing. -EINVAL with a sentence for what the image or the layout cannot hold.
 */
static inline int zq_amend(const char *path, const struct zq_amend_opts *o, struct zq_error *err)
{
	return zq_amend_sized(path, o, sizeof(*o), err);
}

#ifdef __cplusplus
}
#endif

#endif
