/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a mount away. Both say on stderr what is wrong, and return CLI_DONE or CLI_FAILED.
 */
#ifndef ZQ_CLI_TAKE_AWAY_H
#define ZQ_CLI_TAKE_AWAY_H

/* Unmounts dir. Fails when it is busy for longer than a moment. */
int take_away(const char *dir);
/* The same when the process behind it is gone: files in it may still be open. */
int take_away_dead(const char *dir);

#endif
