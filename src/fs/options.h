/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mount options: from the text of -o to what the file system and the device are told.
 * No FUSE, no device; what is not known here is handed to libfuse, which refuses it if
 * it does not know it either. zqfs.1 describes each.
 */
#ifndef ZQ_FS_OPTIONS_H
#define ZQ_FS_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <zqfs/error.h>

enum fs_on_error {
	FS_ERRORS_REMOUNT_RO,
	FS_ERRORS_ZONE_RO,
	FS_ERRORS_ZONE_OFFLINE,
	FS_ERRORS_REPAIR
};
/* The last one is no word: auto that nobody has asked for. */
enum fs_uring { FS_URING_OFF, FS_URING_ON, FS_URING_AUTO, FS_URING_DEFAULT };
enum fs_layout { FS_LAYOUT_ZONEFS, FS_LAYOUT_ZLOOP };

#define FS_COMPRESS_MAX 22u
#define FS_NO_SEED	UINT32_MAX

struct fs_config {
	uint32_t uid, gid;    /* owner of the zone files; the mounting user */
	uint32_t perm;	      /* their mode: 0640 */
	uint32_t on_error;    /* enum fs_on_error */
	uint32_t layout;      /* enum fs_layout */
	uint32_t commit;      /* seconds; 0: the device's default */
	uint32_t max_threads; /* 0: by the number of processors */
	uint32_t end_timeout; /* seconds */
	uint32_t uring;	      /* enum fs_uring */
	uint32_t compress;    /* level; FS_COMPRESS_MAX + 1: the method's own; 0: not at all */
	uint32_t powercut;    /* seed; FS_NO_SEED: none; 0: without the option */
	uint64_t cache;	      /* bytes; 0: the device's default */
	char *data_file;      /* owned, or NULL */
	char *trace;	      /* likewise */
	bool ro, rw;	      /* what was asked for; neither: as permissions allow */
	bool explicit_open, aggr_cnv, strict, sync, force_share;
	bool allow_other, default_permissions, clone_fd, seccomp, fsname;
	bool auto_unmount, nonempty;
	char *unknown;	  /* owned: the first word that only libfuse may know, or NULL */
	const char *near; /* zqfs's option that is most like it, or NULL */
	char *fuse;	  /* owned: what goes to libfuse, comma separated; NULL: nothing */
};

/* Fills *c with the defaults and then from all texts (NULL ended; NULL: none). -EINVAL with
 * a sentence, -ENOMEM. Free with fs_config_free in every case. */
int fs_config_parse(struct fs_config *c, const char *const *texts, struct zq_error *err);
void fs_config_free(struct fs_config *c);

#endif
