/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of options KEY=VALUE, as text: one function for each kind of value. They check that a
 * value is one of its kind, and nothing else.
 */
#ifndef ZQ_OFFLINE_OPTION_VALUES_H
#define ZQ_OFFLINE_OPTION_VALUES_H

#include <stdbool.h>

#include <zqfs/error.h>

/* Sets *field from value; name is for the sentence. 0, -EINVAL, -ENOMEM. */
typedef int (*option_set_fn)(void *field, const char *name, const char *value,
			     struct zq_error *err);

/* Fields: uint64_t for sizes (and sectors of 512 bytes), uint32_t for numbers, char * that is
 * owned for strings and formats, bool for the rest; a layout's name is not copied. */
int option_set_size(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_positive_size(void *field, const char *name, const char *value,
			     struct zq_error *err);
int option_set_number(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_sectors(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_string(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_text(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_switch(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_compression(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_order(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_layout(void *field, const char *name, const char *value, struct zq_error *err);
int option_set_format(void *field, const char *name, const char *value, struct zq_error *err);

/* Looks value up in a list of words "a|b|c"; its number in the list or -EINVAL. */
int option_choose(const char *name, const char *value, const char *list, struct zq_error *err);
/* For flags whose list is "what is false|what is true". */
int option_choose_flag(bool *flag, const char *name, const char *value, const char *list,
		       struct zq_error *err);

/* Is this the name, or the name with dashes, as QMP spells it? */
bool option_name_is(const char *typed, const char *name);

#endif
