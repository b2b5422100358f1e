/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The options of a new image on a command line, for "create" and "convert".
 */
#ifndef ZQ_CLI_IMAGE_OPTIONS_H
#define ZQ_CLI_IMAGE_OPTIONS_H

#include <zqfs/create.h>

#include "cli/command.h"

/* The i-th key, for struct cli_command. */
bool image_options_key(size_t i, struct cli_key *key);

/* Sets what every -o of the command line says; path is the image in messages. Returns 0, or an
 * exit status after it has said why. */
int image_options_set(const struct cli_args *args, const char *path, struct zq_create_opts *o);

/* The same for any table of options and any setter. */
bool image_options_row(const struct zq_create_option *table, size_t i, struct cli_key *key);
typedef int (*image_option_fn)(void *opts, const char *name, const char *value,
			       struct zq_error *err);
int image_options_each(const struct cli_args *args, const char *path, image_option_fn set,
		       void *opts);

#endif
