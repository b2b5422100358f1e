/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parameters that a person's options of a new image amount to.
 */
#ifndef ZQ_OFFLINE_CREATE_PARAMS_H
#define ZQ_OFFLINE_CREATE_PARAMS_H

#include <zqfs/create.h>
#include <zqfs/error.h>

#include "qcow2/create/create.h"

/* Fills in defaults and checks the options against each other. -EINVAL with a sentence. p points
 * into o. */
int create_make_params(const struct zq_create_opts *o, struct qcow2_create_params *p,
		       struct zq_error *err);

#endif
