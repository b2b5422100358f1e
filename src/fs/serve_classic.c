/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The classic transport: each thread reads its requests from /dev/fuse and writes its answers
 * there; see serve_priv.h. An answer has to go through the descriptor that its request came from.
 */
#include "fs/serve_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* A queue of its own for the requests that the thread works on. Without one it shares. */
static void clone_fd(struct serve_worker *w)
{
	uint32_t from = (uint32_t)w->serve->fd;
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return;
	if (ioctl(fd, FUSE_DEV_IOC_CLONE, &from))
		close(fd);
	else
		w->fd = fd;
}

static int classic_begin(struct serve_worker *w)
{
	if (w->serve->cfg.clone_fd)
		clone_fd(w);
	return 0;
}

/* The kernel says ECONNABORTED to whoever is given a request while the connection ends, as in an
 * unmount; it is as much of an end as ENODEV, of which libfuse makes 0. */
static int classic_take(struct serve_worker *w)
{
	int ret = fuse_session_receive_buf(w->serve->se, &w->buf);

	return ret == -ECONNABORTED ? 0 : ret;
}

static ssize_t classic_answer(struct serve_worker *w, struct iovec *iov, int count)
{
	return writev(w->fd, iov, count);
}

static void classic_end(struct serve_worker *w)
{
	if (w->fd != w->serve->fd)
		close(w->fd);
	w->fd = w->serve->fd;
	free(w->buf.mem);
	w->buf.mem = NULL;
}

const struct serve_transport serve_classic = {
	.begin = classic_begin,
	.take = classic_take,
	.answer = classic_answer,
	.end = classic_end,
};
