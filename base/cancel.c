/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/cancel.h"

#include <signal.h>

void wm_cancel_raise(struct wm_cancel *cancel, int signal)
{
    int none = 0;
    (void)atomic_compare_exchange_strong(&cancel->signal, &none, signal);
}

int wm_cancel_check(struct wm_cancel *cancel, struct wm_error *err)
{
    int signal = cancel ? atomic_load_explicit(&cancel->signal, memory_order_relaxed) : 0;
    if (!signal)
        return 0;
    return wm_fail(err, WM_E_CANCELLED, "interrupted (%s)",
                   signal == SIGTERM  ? "SIGTERM"
                   : signal == SIGINT ? "SIGINT"
                                      : "asked to stop");
}
