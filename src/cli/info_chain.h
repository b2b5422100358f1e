/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "zqfs info --chain".
 */
#ifndef ZQ_CLI_INFO_CHAIN_H
#define ZQ_CLI_INFO_CHAIN_H

#include <stdbool.h>

/* Prints the files of the chain from the image at path on. CLI_DONE, or CLI_FAILED after a
 * sentence. */
int info_show_chain(const char *path, bool force_share, bool json);

#endif
