/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cancel.h
 * Asking work to stop. The program's signal handler (the library installs none) calls
 * wm_cancel_raise; long work asks wm_cancel_check between steps it can resume from. Any thread.
 */
#ifndef WETMILL_CANCEL_H
#define WETMILL_CANCEL_H

#include <stdatomic.h>

#include "wetmill/error.h"

/** Zeroed: go on. */
struct wm_cancel {
    atomic_int signal; /**< 0, or the signal that asks to stop. */
};

/** Ask to stop because of `signal` (> 0). Async-signal-safe; the first signal stands. */
void wm_cancel_raise(struct wm_cancel *cancel, int signal);

/** 0, or WM_E_CANCELLED with `err` filled. `cancel` may be NULL: never cancelled. */
int wm_cancel_check(struct wm_cancel *cancel, struct wm_error *err);

#endif /* WETMILL_CANCEL_H */
