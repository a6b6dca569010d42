/* SPDX-License-Identifier: Apache-2.0 */
/* What a set of options is, in words that are the same for the same result. */
#include "wetmill/json.h"
#include "wetmill/option.h"

enum { OPTION_MAX = 1 << 24 }; /* bytes of one option's value */

/* A value as text is a string here, whatever its type: nothing is lost or rounded on the way. */
static int put_option(struct wm_json_out *w, const struct wm_option *option, const void *values,
                      struct wm_error *err)
{
    struct wm_buf text;
    wm_buf_init(&text, OPTION_MAX);
    int status = wm_option_format(option, values, &text, err);
    if (!status) {
        wm_json_put_key(w, option->name);
        wm_json_put_str(w, wm_buf_str(&text));
    }
    wm_buf_done(&text);
    return status ? status : w->status;
}

int wm_options_put(struct wm_json_out *w, const struct wm_option *table, const void *values,
                   struct wm_error *err)
{
    int status = 0;
    wm_json_put_open(w, '{');
    for (const struct wm_option *o = table; !status && o && o->name; o++)
        if (!(o->flags & WM_OPTION_SPEED) && o->type != WM_OPTION_PATH &&
            o->type != WM_OPTION_PATHS) /* what a file holds counts, not where it stands */
            status = put_option(w, o, values, err);
    wm_json_put_close(w, '}');
    return status ? status : w->status;
}

int wm_options_describe(const struct wm_option *table, const void *values, struct wm_buf *out,
                        struct wm_error *err)
{
    struct wm_json_out w;
    wm_json_out_open(&w, out, err);
    return wm_options_put(&w, table, values, err);
}
