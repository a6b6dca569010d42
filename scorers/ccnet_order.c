/* SPDX-License-Identifier: Apache-2.0 */
#include "scorers/ccnet.h"
#include "wetmill/utf8.h"

/* Which classes there are, and whether they rise already. */
static bool in_order(const struct wm_ucd *ucd, struct wm_str run, bool present[256])
{
    bool rises = true;
    for (uint8_t before = 0; run.len;) {
        uint8_t class = wm_ucd_record(ucd, wm_utf8_next(&run))->combining;
        rises = rises && class >= before;
        present[class] = true;
        before = class;
    }
    return rises;
}

/* A pass for each class: there are few in a text, and a run may be as long as the text. */
int wm_ccnet_order(const struct wm_ucd *ucd, char *run, size_t len, struct wm_buf *spare,
                   struct wm_error *err)
{
    bool present[256] = {false};
    if (in_order(ucd, (struct wm_str){run, len}, present))
        return 0;
    spare->len = 0;
    int status = wm_buf_reserve(spare, len, err);
    for (unsigned class = 0; !status && class < 256; class ++) {
        struct wm_str rest = {run, present[class] ? len : 0};
        while (!status && rest.len) {
            const char *begin = rest.ptr;
            if (wm_ucd_record(ucd, wm_utf8_next(&rest))->combining == class)
                status = wm_buf_add(spare, begin, (size_t)(rest.ptr - begin), err);
        }
    }
    if (!status)
        memcpy(run, spare->ptr, len);
    return status;
}
