/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asking all mounts, of which some may never answer: their processes are stopped, or their disks.
 */
#ifndef ZQ_CLI_ASK_H
#define ZQ_CLI_ASK_H

#include "cli/mounts.h"

/* The mount of zqfs that shows the image with that id. NULL when there is none, or when what is
 * left has not answered for some seconds. */
const struct mount_entry *ask_for_image(const struct mount_list *list, const char *id);

/* An attribute of the mount's root, which need not be listed, as text; false when there is none or
 * the mount may not be asked. */
bool mount_ask(const struct mount_entry *e, const char *name, char *buf, size_t size);

#endif
