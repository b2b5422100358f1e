/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals that would end a command, which asks for them where it can end well.
 */
#ifndef ZQ_CLI_INTERRUPTS_H
#define ZQ_CLI_INTERRUPTS_H

#include <signal.h>
#include <stdbool.h>

/* Blocks SIGINT, SIGTERM and SIGHUP. What is ignored, as under nohup, stays so. */
void interrupts_block(sigset_t *blocked);

/* Has one of them come? Takes it. */
bool interrupts_came(const sigset_t *blocked);

#endif
