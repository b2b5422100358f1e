/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FUSE over io_uring as the kernel has it since Linux 6.14: what <linux/fuse.h> of older headers
 * lacks. Names of our own, so that newer headers do no harm.
 */
#ifndef ZQ_FS_RINGS_KERNEL_H
#define ZQ_FS_RINGS_KERNEL_H

#include <stdint.h>

/* INIT: bit 41 of the flags. */
#define RINGS_HELLO (UINT64_C(1) << 41)

enum { RINGS_REGISTER = 1, RINGS_COMMIT_AND_FETCH = 2 }; /* cmd_op of an entry */

/* What both sides say of a request beside its FUSE header. */
struct rings_inout {
	uint64_t flags;
	uint64_t commit_id;
	uint32_t payload_size;
	uint32_t padding;
	uint64_t reserved;
};

/* The first of the two buffers that an entry registers; the other is the payload. */
struct rings_head {
	char in_out[128]; /* struct fuse_in_header, then struct fuse_out_header */
	char op_in[128];  /* the first part of the request: struct fuse_write_in, ... */
	struct rings_inout inout;
};

/* At offset 48 of an io_uring entry. */
struct rings_command {
	uint64_t flags;
	uint64_t commit_id;
	uint16_t queue;
	uint8_t padding[6];
};
#define RINGS_COMMAND_AT 48u

_Static_assert(sizeof(struct rings_inout) == 32 && sizeof(struct rings_head) == 288 &&
		       sizeof(struct rings_command) == 24,
	       "as the kernel has them");

#endif
