/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef ZQFS_VERSION_H
#define ZQFS_VERSION_H

/* The one place that states the version; the Makefile, the man page and packages read it. */
#define ZQFS_VERSION "0.1.0"

#endif
