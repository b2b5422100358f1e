/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of requests, and what is agreed with the kernel when it says hello.
 *
 * Left out on purpose: tmpfile and ioctl (libfuse's ENOSYS becomes EOPNOTSUPP and ENOTTY),
 * write_buf (a plain write needs no splice), forget (nothing is kept per node).
 */
#include "fs/priv.h"

/* Comes with the change that made direct writes invalidate the page cache. */
#define PROTO_MINOR_LINUX_6_6 39

static void want(struct fuse_conn_info *conn, unsigned capability)
{
	conn->want |= conn->capable & capability;
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	struct fs *fs = data;

	if (fs->conn_opts)
		fuse_apply_conn_info_opts(fs->conn_opts, conn);
	/* O_TRUNC then comes as a truncation. The writeback cache would reorder writes. */
	conn->want &= ~(unsigned)(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_WRITEBACK_CACHE |
				  FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				  FUSE_CAP_SPLICE_MOVE | FUSE_CAP_POSIX_ACL);
	want(conn, FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_DIO | FUSE_CAP_ASYNC_READ |
			   FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
			   FUSE_CAP_AUTO_INVAL_DATA | FUSE_CAP_EXPORT_SUPPORT);
#ifdef FUSE_CAP_HANDLE_KILLPRIV_V2
	/* Without it the kernel asks for security.capability at every write that it caches. */
	want(conn, FUSE_CAP_HANDLE_KILLPRIV_V2);
#endif
	conn->max_background = 64;
	conn->congestion_threshold = 48;
	conn->time_gran = 1;
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
	conn->no_interrupt = 1;
#endif
	fs->coherent = conn->proto_major > 7 ||
		       (conn->proto_major == 7 && conn->proto_minor >= PROTO_MINOR_LINUX_6_6);
}

const struct fuse_lowlevel_ops fs_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.getattr = op_getattr,
	.setattr = op_setattr,
	.access = op_access,
	.statfs = op_statfs,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.readdirplus = op_readdirplus,
	.fsyncdir = op_fsync,
	.open = op_open,
	.read = op_read,
	.write = op_write,
	.flush = op_flush,
	.release = op_release,
	.fsync = op_fsync,
	.fallocate = op_fallocate,
	.lseek = op_lseek,
	.setxattr = op_setxattr,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.removexattr = op_removexattr,
	.mknod = op_mknod,
	.mkdir = op_mkdir,
	.symlink = op_symlink,
	.link = op_link,
	.create = op_create,
	.unlink = op_unlink,
	.rmdir = op_unlink,
	.rename = op_rename,
};
