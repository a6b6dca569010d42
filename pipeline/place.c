/* SPDX-License-Identifier: Apache-2.0 */
/* Names of input files, relative to a root or not. */
#include "pipeline/place.h"

#include <string.h>

struct wm_str wm_place_relative(const char *path, const char *root)
{
    struct wm_str whole = wm_str_of(path), prefix = wm_str_of(root);
    if (!prefix.len || !wm_str_starts(whole, prefix))
        return whole;
    size_t at = prefix.len;
    if (root[prefix.len - 1] != '/' && path[at] != '/')
        return whole;
    while (path[at] == '/')
        at++;
    return path[at] ? (struct wm_str){path + at, whole.len - at} : whole;
}

struct wm_str wm_place_segment(struct wm_str path, const char *prefix)
{
    struct wm_str before = wm_str_of(prefix), rest = path;
    if (!before.len || !wm_str_starts(path, before))
        return path;
    rest.ptr += before.len;
    rest.len -= before.len;
    while (rest.len && rest.ptr[0] == '/') {
        rest.ptr++;
        rest.len--;
    }
    return rest.len ? rest : path;
}

int wm_place_absolute(char out[WM_PATH_MAX], const char *path, const char *root,
                      struct wm_error *err)
{
    if (root && *root)
        return wm_path_join(out, root, path, err);
    size_t len = strlen(path);
    if (len >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "a path is longer than %d bytes", WM_PATH_MAX - 1);
    memcpy(out, path, len + 1);
    return 0;
}
