/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/generate_stop.h"

#include <string.h>

enum { HELD_MAX = 16 << 20 };

int wm_stop_filter_init(struct wm_stop_filter *f, const struct wm_list *stops,
                        wm_generate_fn *on_text, void *arg, struct wm_error *err)
{
    *f = (struct wm_stop_filter){.stops = stops, .on_text = on_text, .arg = arg};
    wm_buf_init(&f->held, HELD_MAX);
    for (size_t i = 0; i < stops->n; i++) {
        const size_t len = strlen(stops->items[i]);
        if (len == 0 || len > WM_STOP_STRING_MAX)
            return wm_fail(err, WM_E_CONFIG,
                           "a stop string of %zu bytes; from 1 to %d are possible", len,
                           WM_STOP_STRING_MAX);
    }
    return 0;
}

void wm_stop_filter_done(struct wm_stop_filter *f)
{
    wm_buf_done(&f->held);
}

static int give(struct wm_stop_filter *f, size_t n)
{
    if (!n || f->stopped)
        return f->stopped;
    f->stopped = f->on_text(f->arg, (struct wm_str){f->held.ptr, n});
    memmove(f->held.ptr, f->held.ptr + n, f->held.len - n);
    f->held.len -= n;
    return f->stopped;
}

/* Does a stop string begin at `at`: all of it (`whole`), or as much as there is? */
static bool begins(const struct wm_stop_filter *f, size_t at, bool whole)
{
    const size_t left = f->held.len - at;
    for (size_t i = 0; i < f->stops->n; i++) {
        const char *stop = f->stops->items[i];
        const size_t len = strlen(stop);
        if ((!whole || len <= left) && !memcmp(f->held.ptr + at, stop, len < left ? len : left))
            return true;
    }
    return false;
}

/* Where the first stop string begins; `*ret_whole`: all of it is there, not only its beginning. No
 * more text comes at the `end`: beginnings are text like any other then. */
static size_t find(const struct wm_stop_filter *f, bool end, bool *ret_whole)
{
    for (size_t at = 0; at < f->held.len; at++) {
        *ret_whole = begins(f, at, true);
        if (*ret_whole || (!end && begins(f, at, false)))
            return at;
    }
    *ret_whole = false;
    return f->held.len;
}

int wm_stop_filter_add(void *filter, struct wm_str text)
{
    struct wm_stop_filter *f = filter;
    struct wm_error ignored;
    if (!f->stops->n)
        return f->stopped = f->on_text(f->arg, text);
    if (wm_buf_add(&f->held, text.ptr, text.len, &ignored))
        return f->stopped = -1;
    const int stopped = give(f, find(f, false, &f->found));
    return stopped ? stopped : f->found;
}

int wm_stop_filter_end(struct wm_stop_filter *f)
{
    return f->found ? 0 : give(f, find(f, true, &f->found));
}
