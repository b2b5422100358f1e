/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The order of locks, watched: each thread knows which it holds. Nothing of this is in a build
 * with NDEBUG.
 */
#include "qcow2/engine/locks.h"

#ifndef NDEBUG
_Thread_local unsigned locks_held;
#endif
