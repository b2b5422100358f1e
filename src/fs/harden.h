/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a serving process gives up: descriptors that it did not open, new privileges, and with
 * the option seccomp every system call that serving does not need.
 *
 * An ordinary user's process keeps the right to run a setuid program, as fusermount3 has
 * to unmount for it at the end. Under seccomp it gives that up too; a shell that was started
 * before and waits for a word runs it then.
 */
#ifndef ZQ_FS_HARDEN_H
#define ZQ_FS_HARDEN_H

#include <stdbool.h>
#include <sys/types.h>

#include <zqfs/error.h>

/* Descriptors above 2 that were open when the process began; owned, free(). */
struct harden_fds {
	int *fd;
	unsigned nr;
};

/*
 * Notes what is open, but for keep (-1: none). Nothing is closed yet: the image may be named as
 * /dev/fd/N. Without /proc, or without memory, the list stays empty.
 */
void harden_note_fds(struct harden_fds *f, int keep);
/* Closes what was noted, but for keep, and frees the list. */
void harden_close_fds(struct harden_fds *f, int keep);
/* Frees the list alone. */
void harden_forget_fds(struct harden_fds *f);

/* 0, or -ENOTSUP with a sentence where the kernel or this program cannot filter. */
int harden_supported(struct zq_error *err);

struct harden_needs {
	bool open_files;  /* clone_fd opens /dev/fuse for each thread */
	bool unlink_file; /* a pid file is removed at the end */
};

/*
 * No new privileges for a process of root's, which unmounts by itself. For the calling thread
 * and those that it starts; a negative errno where the kernel refuses.
 */
int harden_privileges(void);
/* What unmounts when the process cannot; none has pid 0. */
struct harden_unmounter {
	pid_t pid;
	int fd;
};

/* Starts it for an absolute path. When this process dies it ends too, and with when_we_die it
 * unmounts before. -errno. */
int harden_start_unmounter(struct harden_unmounter *u, const char *mountpoint, bool when_we_die);
/* Lets it unmount, or only end, and waits for it. */
void harden_end_unmounter(struct harden_unmounter *u, bool unmount);

/* The filter, on all threads. Calls that are not on the list fail with EPERM. */
int harden_seccomp(const struct harden_needs *needs);

#endif
