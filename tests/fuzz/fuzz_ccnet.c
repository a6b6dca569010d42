/* SPDX-License-Identifier: Apache-2.0 */
/* covers: scorers/ccnet_line.c scorers/ccnet_map.c scorers/ccnet_text.c base/charmap_run.c */
/* CCNet's normalisation of any bytes equals the plain version, and all ways to run its maps agree.
 * First byte: flags; second: Unicode version. */
#include <stdlib.h>
#include <string.h>

#include "scorers/ccnet.h"
#include "scorers/ccnet_plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_paths(enum wm_unicode_version version, unsigned flags, struct wm_str text)
{
    struct wm_error err;
    const struct wm_charmap *map;
    const struct wm_charmap_path *const *paths = wm_charmap_paths();
    const unsigned char *in = (const unsigned char *)text.ptr, *first_stop = NULL;
    if (wm_ccnet_map(version, flags, &map, &err))
        abort();
    size_t room = map->growth * text.len + WM_CHARMAP_SLACK, first_len = 0;
    char *first = malloc(room), *other = malloc(room);
    if (!first || !other)
        abort();
    for (size_t i = 0; paths[i]; i++) {
        char *made = i ? other : first, *out = made;
        const unsigned char *stop = paths[i]->run(map, in, in + text.len, &out);
        size_t len = (size_t)(out - made);
        if (i && (stop != first_stop || len != first_len || memcmp(first, other, len) != 0))
            abort();
        first_stop = stop;
        first_len = len;
    }
    free(first);
    free(other);
}

/* What has been made for deduplication stays, but for white space that deletion has laid bare. */
static void check_again(struct wm_ccnet *c, struct wm_str got)
{
    struct wm_error err;
    struct wm_str again, bare = wm_ccnet_strip(got);
    char *copy = malloc(bare.len + 1);
    if (!copy)
        abort();
    memcpy(copy, bare.len ? bare.ptr : "", bare.len);
    if (wm_ccnet_dedup(c, (struct wm_str){copy, bare.len}, &again, &err) ||
        !wm_str_eq(again, (struct wm_str){copy, bare.len}))
        abort();
    free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_error err;
    struct wm_str got;
    struct wm_ccnet c;
    if (size < 2)
        return 0;
    unsigned flags = data[0] % 4 == 0 ? data[0] / 4u : data[0] % 2 ? WM_CCNET_DEDUP : WM_CCNET_LM;
    enum wm_unicode_version version = data[1] % 2 ? WM_UNICODE_15_0 : WM_UNICODE_14_0;
    char *copy = malloc(size - 1); /* ends where the text ends */
    if (!copy)
        abort();
    memcpy(copy, data + 2, size - 2);
    struct wm_str text = {copy, size - 2};
    wm_ccnet_init(&c, version, 64 << 20);
    size_t len;
    char *want = plain_normalise(version, text, flags, &len);
    if (wm_ccnet_normalise(&c, text, flags, &got, &err) ||
        !wm_str_eq(got, (struct wm_str){want, len}))
        abort();
    (void)wm_ccnet_sha1_8(got);
    if (flags == WM_CCNET_DEDUP && wm_utf8_valid(text))
        check_again(&c, got);
    check_paths(version, flags, text);
    wm_ccnet_done(&c);
    free(want);
    free(copy);
    return 0;
}
