/* SPDX-License-Identifier: Apache-2.0 */
/* covers: base/lock_holder.c */
/* A lock file's text: what is taken for one is written again as it was. */
#include <stdlib.h>
#include <string.h>

#include "base/lock_holder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_holder holder, again;
    char text[WM_HOLDER_TEXT_MAX], why[WM_HOLDER_FIELD];
    if (!wm_holder_parse((struct wm_str){(const char *)data, size}, &holder))
        return 0;
    size_t len = wm_holder_print(&holder, text);
    if (len >= sizeof text || !wm_holder_parse((struct wm_str){text, len}, &again) ||
        strcmp(holder.name, again.name) != 0 || holder.pid != again.pid ||
        holder.started != again.started)
        abort();
    (void)wm_holder_dead(&holder, 0, 0, why);
    (void)wm_holder_dead(&holder, 0, INT64_MAX, why);
    wm_holder_self(&again); /* the same process number and start, but on this machine */
    if (!wm_holder_is_here(&again) || wm_holder_dead(&again, 0, 0, why))
        abort();
    again.pid = holder.pid;
    again.started = holder.started;
    (void)wm_holder_dead(&again, 0, INT64_MAX, why);
    return 0;
}
